"""The same work with the embedded engine and with Pulumi, in the same minutes, as ratios.

    python -m tests.bench.both_engines [CHAINS [ROUNDS]]

The API server, its etcd, the Pulumi CLI, its plugin and its state in a folder are real; the facts of the provider are
made up, and there is no kubelet. Each action is a process of its own, as cron makes it, so each row contains the start
of Python; processor seconds include those of all processes started. The engines take turns, each with a validator of
its own. Without the Pulumi CLI it says so and measures nothing.
"""

import contextlib
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ics import engines
from ics.cluster.api import kinds
from tests.cluster import apiserver
from tests.pulumi import stage

ENGINES = (engines.APPLY, engines.PULUMI)


@dataclass(frozen=True, slots=True)
class Figure:
    """What one action took."""

    seconds: float
    cpu: float


@dataclass(slots=True)
class Contestant:
    """One engine with its validator."""

    engine: str
    place: stage.Stage
    running: list[int]

    def act(self, action: str, expected: int | None, **more: Sequence[int]) -> Figure:
        """Act in a process of its own; the number of objects changed must be as expected, if that is given."""
        chains = json.dumps({"running": self.running, **more})
        server = self.place.server
        names = [
            action,
            self.engine,
            str(self.place.root),
            self.place.validator,
            server.url,
            str(server.folder),
        ]
        began, used = time.monotonic(), _cpu()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.one_convergence", *names, chains],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        figure = Figure(time.monotonic() - began, _cpu() - used)
        changed = json.loads(done.stdout)
        if expected is not None and len(changed) != expected:
            raise SystemExit(f"{self.engine}: {action} changed {changed}, expected {expected}")
        return figure

    def delete_two(self) -> None:
        """Delete a ConfigMap and a Service of the first chain, as kubectl does."""
        request = self.place.order(self.place.facts(self.running))
        home = next(
            m["metadata"]["namespace"] for m in request.manifests if m["kind"] == kinds.STATEFUL_SET.name
        )
        self.place.delete(kinds.CONFIG_MAP, home, "peers")
        self.place.delete(kinds.SERVICE, home, "node")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rounds(contestants: Sequence[Contestant], number: int) -> Iterator[tuple[str, str, Figure]]:
    """Yield the figures of one round after the other, by name of the row and engine."""

    def each(act: Callable[[Contestant], Figure]) -> Iterator[tuple[str, Figure]]:
        for one in contestants:
            yield one.engine, act(one)

    yield from (("the first pass", *found) for found in each(lambda one: one.act("pass", None)))
    for turn in range(number):
        new = len(contestants[0].running)

        def repair(one: Contestant) -> Figure:
            one.delete_two()
            return one.act("pass", 2)

        def launch(one: Contestant, new: int = new) -> Figure:
            figure = one.act("pass", None, launching=[new])
            one.running.append(new)
            return figure

        rows: dict[str, Callable[[Contestant], Figure]] = {
            "a pass without a change": lambda one: one.act("pass", 0),
            "a plan without a change": lambda one: one.act("plan", 0),
            "two deleted objects": repair,
            "staging of a chain": lambda one, new=new: one.act("staging", None, staged=[new]),  # type: ignore[misc]
            "launch of a chain": launch,
        }
        for name, act in rows.items():
            yield from ((name, *found) for found in each(act))
        contestants = contestants[::-1] if turn % 2 else contestants


def main() -> None:
    """Print the table."""
    chains, number = (int(one) for one in (*sys.argv[1:], *("4", "3")[len(sys.argv) - 1 :]))
    programs = apiserver.programs()
    if programs is None:
        raise SystemExit("etcd and kube-apiserver are not there: run `python -m devnet build` first")
    if shutil.which("pulumi") is None:
        print("both engines: not measured, for the Pulumi CLI is not on the PATH")
        return
    with contextlib.ExitStack() as closing:
        folder = pathlib.Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="ics-bench-")))
        server = closing.enter_context(apiserver.running(folder / "server", *programs, ["admin"]))
        closing.enter_context(apiserver.collecting(server, programs[1]))
        contestants = []
        for engine in ENGINES:
            (folder / engine).mkdir()
            place = stage.make(folder / engine, server, f"bench-{engine}")
            contestants.append(Contestant(engine, place, list(range(chains))))
        found: dict[str, dict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
        for row, engine, figure in rounds(contestants, number):
            found[row][engine].append(figure)
    print(f"{chains} chains, medians of {number} rounds; seconds, then processor seconds, of either engine")
    print(f"{'':<26}" + 2 * f"{'embedded':>10}{'pulumi':>10}{'x':>7}")
    for row, figures in found.items():
        print(f"{row:<26}" + "".join(_cells(figures, column) for column in ("seconds", "cpu")))


def _cells(figures: dict[str, list[Figure]], column: str) -> str:
    embedded, pulumi = (
        statistics.median(getattr(figure, column) for figure in figures[engine]) for engine in ENGINES
    )
    return f"{embedded:>10.2f}{pulumi:>10.2f}{pulumi / embedded:>7.1f}"


if __name__ == "__main__":
    main()
