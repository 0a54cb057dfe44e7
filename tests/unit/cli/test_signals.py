"""A command ends cleanly after any number of signals."""

import asyncio
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import yaml

from ics.cli import __main__ as commands
from ics.cli import command, parser, signals
from tests import documents
from tests.unit import factories

SECONDS = 60.0
"""Time that a process may take for a step on a busy machine."""


def called(run: Callable[[Any], Any], *, stays: bool) -> Any:
    """A call of a command of this test."""
    one = types.SimpleNamespace(stays=stays)
    return types.SimpleNamespace(args=command.Arguments(), command=one, run=lambda: run(None))


@pytest.fixture
def handled() -> Iterator[None]:
    """SIGTERM is handled as in a process of `ics`."""
    before = signal.signal(signal.SIGTERM, signals.SigtermHandler())
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(
    "interrupts", [signal.default_int_handler, signal.SIG_IGN], ids=["shell", "background"]
)
@pytest.mark.parametrize(
    ("stays", "ended"),
    [
        (False, (1, "ics: interrupted; the next pass continues from here\n")),
        (True, (0, "ics: stopped before the first pass\n")),
    ],
    ids=["one pass", "stays"],
)
def test_first_sigterm_ends_command_cleanly_and_second_is_ignored(
    stays: bool,
    ended: tuple[int, str],
    interrupts: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            done.append("the Lease is returned")

    monkeypatch.setattr(parser, "parse", lambda words: called(lambda args: asyncio.run(work()), stays=stays))
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        code = commands.main([])
    finally:
        signal.signal(signal.SIGINT, before)
    signal.raise_signal(signal.SIGTERM)
    assert done == ["the Lease is returned"]
    assert (code, capsys.readouterr().err) == ended


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(("stays", "code"), [(False, 1), (True, 0)], ids=["one pass", "stays"])
def test_sigterm_during_import_prevents_command(
    stays: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def parse(words: Sequence[str]) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return called(begun.append, stays=stays)

    monkeypatch.setattr(parser, "parse", parse)
    assert (commands.main([]), begun) == (code, [])


def test_no_large_module_is_imported_before_sigterm_handler() -> None:
    script = "import reconcile, sys; print(*{'asyncio', 'httpx', 'pydantic', 'yaml'} & set(sys.modules))"
    with started("-c", script) as process:
        assert process.communicate(timeout=SECONDS) == ("\n", "")


def test_signals_at_interpreter_exit_keep_exit_code() -> None:
    script = """if True:
        import os, signal, sys, threading
        from ics.cli import signals

        def send(kill=os.kill, process=os.getpid(), numbers=(signal.SIGTERM, signal.SIGINT)):
            for number in numbers:
                kill(process, number)

        class Last:
            def __del__(self, send=send, write=os.write):
                send()
                write(1, b"modules are gone")

        def at_the_end(main=threading.main_thread()):
            main.join()
            os.kill(os.getpid(), signal.SIGTERM)

        sys.last = Last()
        threading.Thread(target=at_the_end).start()
        sys.exit(signals.run_process(lambda: 3))
    """
    with started("-c", script) as process:
        assert process.communicate(timeout=SECONDS) == ("modules are gone", "")
    assert process.returncode == 3


@pytest.fixture
def silent(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A project whose provider and cluster take connections and give no answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        make_project(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        yield tmp_path


@pytest.fixture
def refusing(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project whose provider and cluster unreachable."""
    make_project(tmp_path, "http://127.0.0.1:9")
    return tmp_path


def make_project(root: pathlib.Path, url: str) -> None:
    """Write a project with the stack alice, whose provider and cluster are at one address."""
    settings = {
        "validator": "alice",
        "operator_address": factories.valoper("alice"),
        "engine": "apply",
        "provider": {
            "chain_id": "provider-1",
            "rest": [url],
            "rpc": [url],
            "grpc": [url],
            "gas_price": "0.001stake",
        },
        "seed": {"file": "seed"},
        "cluster": {"kubeconfig": "kubeconfig"},
        "relayer": {"enabled": False},
    }
    kubeconfig = {
        "current-context": "own",
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
        "clusters": [{"name": "own", "cluster": {"server": url}}],
        "users": [{"name": "own", "user": {"token": "none"}}],
    }
    (root / "stacks" / "chains").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: ics\nruntime: python\n")
    stack = {"config": {f"ics:{key}": value for key, value in settings.items()}}
    (root / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump(stack))
    (root / "kubeconfig").write_text(json.dumps(kubeconfig))
    (root / "seed").write_text("01" * 32)
    (root / "seed").chmod(0o600)


@contextlib.contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run Python for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=documents.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell makes what it runs in the background ignore Ctrl-C, and this would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ics(command: str, root: pathlib.Path) -> contextlib.AbstractContextManager["subprocess.Popen[str]"]:
    """Run `ics` on the project's stack."""
    words = ["--stack", "alice", "--project", str(root), "--set", "daemon.port=0"]
    return started("-m", "ics.cli.__main__", command, *words)


def handles_sigterm(process: "subprocess.Popen[str]") -> None:
    """Wait until the process has a handler of SIGTERM."""
    status = pathlib.Path("/proc", str(process.pid), "status")
    until = time.monotonic() + SECONDS
    while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) & 1 << signal.SIGTERM - 1:
        assert process.poll() is None, "it ended before it had a handler"
        assert time.monotonic() < until, f"no handler of SIGTERM after {SECONDS} s"
        time.sleep(0.001)


def says(process: "subprocess.Popen[str]", text: str) -> None:
    """Wait until the process says so."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended and did not say {text!r}: {process.communicate()[1]}")


def is_up(process: "subprocess.Popen[str]") -> None:
    says(process, "watching as alice")


def is_told_by_ctrl_c(process: "subprocess.Popen[str]") -> None:
    is_up(process)
    process.send_signal(signal.SIGINT)


def flood(process: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> int:
    """Send a signal again and again until the process has ended."""
    until = time.monotonic() + SECONDS
    while process.poll() is None:
        assert time.monotonic() < until, f"still there after {SECONDS} s"
        process.send_signal(number)
        time.sleep(0.002)
    return process.returncode


@pytest.mark.parametrize("is_due", [handles_sigterm, is_up, is_told_by_ctrl_c])
def test_repeated_sigterm_ends_watch_with_exit_code_0(
    is_due: Callable[["subprocess.Popen[str]"], None], refusing: pathlib.Path
) -> None:
    with ics("watch", refusing) as process:
        is_due(process)
        assert flood(process) == 0, process.communicate()[1]


def test_ctrl_c_after_watch_stopped_keeps_exit_code(refusing: pathlib.Path) -> None:
    with ics("watch", refusing) as process:
        is_up(process)
        process.send_signal(signal.SIGTERM)
        says(process, "stopped; the Lease is returned")
        assert flood(process, signal.SIGINT) == 0, process.communicate()[1]


def test_repeated_sigterm_ends_command_like_ctrl_c(silent: pathlib.Path) -> None:
    with ics("status", silent) as process:
        handles_sigterm(process)
        assert flood(process) == 1
        assert process.communicate() == ("", "ics: interrupted; the next pass continues from here\n")


def test_second_ctrl_c_ends_hanging_watch(silent: pathlib.Path) -> None:
    with ics("watch", silent) as process:
        is_up(process)
        process.send_signal(signal.SIGTERM)
        assert interrupted(process, times=range(2, 10)) == 1
        assert process.communicate()[1] == "ics: interrupted; the next pass continues from here\n"


def test_ctrl_c_ends_command_with_hanging_thread() -> None:
    script = """if True:
        import asyncio, sys, threading, types
        from ics.cli import __main__ as cli
        from ics.cli import command, parser

        async def hang():
            hanging = asyncio.create_task(asyncio.to_thread(threading.Event().wait))
            await asyncio.sleep(0)
            print("watching as alice", flush=True)
            await hanging

        one = types.SimpleNamespace(stays=False)
        args = command.Arguments()
        made = types.SimpleNamespace(args=args, command=one, run=lambda: asyncio.run(hang()))
        parser.parse = lambda words: made
        sys.exit(cli.run())
    """
    with started("-c", script) as process:
        is_up(process)
        assert interrupted(process, times=range(2, 10)) == 1
        assert process.communicate()[1] == "ics: interrupted; the next pass continues from here\n"


def interrupted(process: "subprocess.Popen[str]", times: range) -> int:
    """Press Ctrl-C until the process has ended, which it does after so many times."""
    for count in range(1, times.stop):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(0.5 if count < times.start else 3.0)
            assert count in times
            return code
    raise AssertionError(f"still there after Ctrl-C {times.stop - 1} times")
