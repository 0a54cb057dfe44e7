"""Runs stories side by side, each in a process of its own, and sums them up like one run of pytest.

    python -m pytest -p tests.stories.side_by_side …

It chooses as `tests.stories.needs` says. Stories that need the local network begin as soon as nothing stands in
their way; the others get what they leave of the processors. A story that fails is run once more, behind all that
wait by then, and the summary says so. At the end: measured figures, what was run twice, the ten longest stories,
and what was skipped.
"""

import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from _pytest import terminal

from tests.network import warm
from tests.stories import needs, worker

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENDING_SECONDS = 120.0
"""What a story is given to put in order what it has begun, when the run is interrupted."""
LOOKING_SECONDS = 0.25
LOWER = (
    "/bin/sh",
    "-c",
    'echo 3 2>/dev/null > /proc/self/autogroup; exec nice -n 3 "$@"',
    "sh",
)
"""Runs a command with half a share of the processors: the network's stories are the longest way to the end.

Where the kernel shares the processors among sessions first, a nice value counts within its session only, and the
session has one of its own.
"""
FIGURE = "figure: "
"""How a line that a test prints begins when it is to be in the summary."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fillers",
        metavar="NUMBER",
        type=int,
        default=2,
        help="stories without the local network that run at the same time",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SideBySide(config), "side-by-side")


@dataclass
class Run:
    """A story that runs, or has run."""

    story: needs.Story
    folder: pathlib.Path
    process: subprocess.Popen[bytes]
    began: float
    waited: float
    """Seconds from when it might have begun, had it been alone."""
    is_again: bool
    seconds: float = 0.0
    spent: float = 0.0
    """Seconds of the processors' time that its processes took."""
    reports: list[pytest.TestReport] = field(default_factory=list)

    @property
    def failed(self) -> list[pytest.TestReport]:
        return [report for report in self.reports if report.failed]


class SideBySide:
    """The plugin."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._waiting: list[needs.Story] = []
        self._running: list[Run] = []
        self._ended: list[Run] = []
        self._first_time: dict[str, Run] = {}
        """Of stories that failed, by name."""
        self._began = time.monotonic()
        self._commands = warm.Server(has_own_session=True)

    # -- running -----------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Instead of one test after the other."""
        if session.testsfailed or self._config.option.collectonly:
            return None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        self._waiting = needs.stories(session.items, ROOT)
        items = {item.nodeid: item for item in session.items}
        with tempfile.TemporaryDirectory(prefix="ics-stories-") as folder:
            try:
                for run in self._all(pathlib.Path(folder)):
                    self._report(run, items)
            finally:
                self._interrupt()
        return True

    def _all(self, folder: pathlib.Path) -> Iterator[Run]:
        """Runs all that wait, and yields each one that has come to its end."""
        while self._waiting or self._running:
            for story in list(self._waiting):
                if self._is_room(story):
                    self._waiting.remove(story)
                    self._begin(story, folder)
            for run in [one for one in self._running if _has_ended(one)]:
                self._running.remove(run)
                self._end(run)
                if run.failed and not run.is_again:
                    self._first_time[run.story.name] = run
                    self._waiting.append(run.story)
                    continue
                self._ended.append(run)
                yield run
                if run.failed and run.story.needs.when is needs.When.BRINGS_IT_UP:
                    yield from self._without_network(run)
            time.sleep(LOOKING_SECONDS)

    def _without_network(self, run: Run) -> Iterator[Run]:
        """All that cannot run any more, but for what takes away what there is of the network."""
        for story in [one for one in self._waiting if one.needs.network]:
            if story.needs.when is not needs.When.TAKES_IT_DOWN:
                self._waiting.remove(story)
                reports = [_failed(test, f"{run.story.name} failed: no network") for test in story.tests]
                yield Run(story, run.folder, run.process, 0.0, 0.0, False, reports=reports)

    def _is_room(self, story: needs.Story) -> bool:
        others = [one.story for one in self._running]
        if not story.needs.network:
            most: int = self._config.getoption("--fillers")
            return len([one for one in others if not one.needs.network]) < most
        return needs.may_begin(story, self._waiting, others)

    def _begin(self, story: needs.Story, folder: pathlib.Path) -> None:
        is_again = story.name in self._first_time
        place = pathlib.Path(tempfile.mkdtemp(dir=folder))
        words = ["-p", "tests.stories.worker", "--reports", str(place / "reports"), "-m", ""]
        words += ["-p", "no:cacheprovider", f"--basetemp={place / 'tmp'}", "--color=no"]
        lower = () if story.needs.network else LOWER
        # With bytecode kept, asserts included, a story begins in half the time.
        environment = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        if story.needs.network:  # commands of others are of less weight, like all that these start
            environment[warm.SHARED] = self._commands.started()
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [*lower, sys.executable, "-m", "pytest", *words, *story.tests],
                cwd=ROOT.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        now = time.monotonic()
        self._running.append(Run(story, place, process, now, now - self._began, is_again))
        self._say(f"begins{' again' * is_again}: {story.name}, {len(story.tests)} tests; needs {story.needs}")

    def _end(self, run: Run) -> None:
        run.seconds = time.monotonic() - run.began
        run.reports = worker.read(self._config, run.folder / "reports")
        ended = {report.nodeid for report in run.reports if report.when == "teardown"}
        for test in run.story.tests:
            if test not in ended:
                run.reports.append(_lost(test, run))
        outcome = f"{len(run.failed)} FAILED" if run.failed else "passed"
        self._say(f"ends: {run.story.name}, {outcome}, {run.seconds:.0f} s, {run.spent:.0f} of a processor's")

    def _interrupt(self) -> None:
        """Ends what still runs; each story puts in order what it has begun."""
        for run in self._running:
            run.process.send_signal(signal.SIGINT)
        for run in self._running:
            try:
                run.process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(run.process.pid, signal.SIGKILL)

    # -- reporting --------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        reporter = self._reporter()
        reporter.ensure_newline()
        load = os.getloadavg()[0]
        reporter.write_line(f"[{time.monotonic() - self._began:6.0f} s, load {load:4.1f}] {text}")

    def _reporter(self) -> terminal.TerminalReporter:
        found = self._config.pluginmanager.getplugin("terminalreporter")
        assert isinstance(found, terminal.TerminalReporter)
        return found

    def _report(self, run: Run, items: dict[str, pytest.Item]) -> None:
        hook = self._config.hook
        for test in run.story.tests:
            item = items[test]
            hook.pytest_runtest_logstart(nodeid=test, location=item.location)
            for report in run.reports:
                if report.nodeid == test:
                    hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=test, location=item.location)

    def pytest_terminal_summary(self, terminalreporter: terminal.TerminalReporter) -> None:
        """What is good to know, between the failures and the line that sums all up."""
        write = terminalreporter.write_line
        if figures := list(_figures(self._ended)):
            terminalreporter.section("figures")
            for name, line in figures:
                write(f"{name}: {line}")
        for run in self._first_time.values():
            terminalreporter.section(f"run twice: {run.story.name}")
            for report in run.failed:
                write(f"at first {report.nodeid} failed in its {report.when}:")
                write(report.longreprtext)
        terminalreporter.section("the ten longest stories")
        for run in sorted(self._ended, key=lambda one: -one.seconds)[:10]:
            write(
                f"{run.seconds:5.0f} s from {run.waited:5.0f} s on, {run.spent:4.0f} s of a processor's,"
                f" {len(run.story.tests):4} tests: {run.story.name}, which needs {run.story.needs}"
            )
        terminalreporter.section("skipped, and why")
        skipped = [report for run in self._ended for report in run.reports if report.skipped]
        for report in skipped:
            why = report.longrepr
            write(f"{report.nodeid}: {why[2] if isinstance(why, tuple) else why}")
        if not skipped:
            write("nothing")


def _has_ended(run: Run) -> bool:
    before = _spent()
    if run.process.poll() is None:
        return False
    run.spent = _spent() - before
    return True


def _spent() -> float:
    """Seconds of the processors' time of all processes that were waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _lost(test: str, run: Run) -> pytest.TestReport:
    """Of a test that never came to its end: its process did not either."""
    words = (run.folder / "log").read_text(errors="replace")[-4000:]
    return _failed(
        test,
        f"its process ended with {run.process.returncode} before the test did; it printed last:\n{words}",
    )


def _failed(test: str, why: str) -> pytest.TestReport:
    return pytest.TestReport(test, (test, None, test), {}, "failed", why, "call")


def _figures(run: Sequence[Run]) -> Iterator[tuple[str, str]]:
    for one in run:
        for report in one.reports:
            if report.when == "teardown":
                for line in report.capstdout.splitlines():
                    if line.startswith(FIGURE):
                        yield one.story.name, line.removeprefix(FIGURE)
