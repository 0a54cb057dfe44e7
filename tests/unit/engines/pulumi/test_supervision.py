"""A Pulumi run ends when its pass ends or loses the Lease."""

import asyncio
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection

import pytest

from ics import errors
from ics.cluster.api import lease
from ics.engines.pulumi import processes, supervision


class Pulumi:
    """A run that ends after a signal, or never."""

    def __init__(self, obeys: int = signal.SIGINT) -> None:
        self.obeys = obeys
        self.heard: list[int] = []
        self.begun = threading.Event()
        self.over = threading.Event()

    def run(self) -> str:
        self.begun.set()
        self.over.wait(10)
        return "done"

    def tell(self, number: int, but: Collection[int]) -> frozenset[int]:
        if 7 not in but:
            self.heard.append(number)
            if number == self.obeys:
                self.over.set()
        return frozenset({7})


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CHECK", "_STEP"):
        monkeypatch.setattr(supervision, name, 0.01)
    monkeypatch.setattr(supervision, "_INTERRUPT_SECONDS", 0.05)


async def test_run_continues_while_lease_is_held_or_unknown() -> None:
    pulumi, asked = Pulumi(), 0

    async def ensure() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise lease.Stopping("this reconciler is stopping")
        if asked == 2:
            raise errors.Transient("no answer")
        pulumi.over.set()

    assert await supervision.supervise(pulumi.run, ensure, pulumi.tell) == "done"
    assert (asked >= 3, pulumi.heard) == (True, [])


async def test_run_is_interrupted_after_losing_the_lease() -> None:
    pulumi = Pulumi()

    async def ensure() -> None:
        raise lease.HeldByOther("another one may be acting")

    with pytest.raises(lease.HeldByOther):
        await supervision.supervise(pulumi.run, ensure, pulumi.tell)
    assert (pulumi.over.is_set(), pulumi.heard) == (True, [signal.SIGINT])


async def test_run_is_interrupted_for_a_launch() -> None:
    pulumi, hurry = Pulumi(), asyncio.Event()
    task = asyncio.create_task(supervision.supervise(pulumi.run, None, pulumi.tell, hurry))
    await asyncio.to_thread(pulumi.begun.wait, 10)
    hurry.set()
    with pytest.raises(errors.Transient, match="a chain launches; the next pass completes the update"):
        await task
    assert (pulumi.over.is_set(), pulumi.heard) == (True, [signal.SIGINT])


@pytest.mark.parametrize(
    ("obeys", "heard"), [(signal.SIGINT, {signal.SIGINT}), (signal.SIGKILL, {signal.SIGINT, signal.SIGKILL})]
)
async def test_cancelled_pass_waits_for_its_run(obeys: int, heard: set[int]) -> None:
    pulumi = Pulumi(obeys)
    task = asyncio.create_task(supervision.supervise(pulumi.run, None, pulumi.tell))
    await asyncio.to_thread(pulumi.begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (pulumi.over.is_set(), set(pulumi.heard)) == (True, heard)


PASS = """
import pathlib, subprocess, sys, time
from ics.engines.pulumi import supervision
folder = pathlib.Path(sys.argv[1])
with supervision.watched(folder):
    cli = subprocess.Popen([sys.argv[2], "600"], env={"TMPDIR": str(folder)})
    print(cli.pid, flush=True)
    sys.stdin.readline()
    cli.kill()
    cli.wait()
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_pulumi_ends_with_a_pass_that_is_killed(tmp_path: pathlib.Path, is_killed: bool) -> None:
    folder, cli = tmp_path / "ics-pulumi-1-x", tmp_path / "pulumi"
    folder.mkdir()
    (folder / "passphrase").touch()
    shutil.copy("/bin/sleep", cli)
    with subprocess.Popen(
        [sys.executable, "-c", PASS, folder, cli], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        pid = int(one.stdout.readline())
        if is_killed:
            one.kill()
        else:
            one.communicate(b"\n")
    deadline = time.monotonic() + 60
    while processes.started_at(pid) is not None or folder.exists() is is_killed:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_child_processes_of_the_session_are_found(tmp_path: pathlib.Path) -> None:
    mark = f"={tmp_path}/ics-pulumi-"
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"TMPDIR": f"{tmp_path}/ics-pulumi-1"}) as one,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as other,
    ):
        found = processes.children(mark)
        for process in (one, other):
            process.communicate()
    assert found == {one.pid}


async def test_end_of_a_run_leaves_that_of_another_stack_alone(tmp_path: pathlib.Path) -> None:
    begun, ending = {name: threading.Event() for name in ("alice", "bob")}, threading.Event()
    started: dict[str, subprocess.Popen[bytes]] = {}

    def run(name: str) -> None:
        folder = tmp_path / f"ics-pulumi-{os.getpid()}-{name}"
        folder.mkdir()
        with (
            supervision.watched(folder),
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"TMPDIR": str(folder)}) as cli,
        ):
            started[name] = cli
            begun[name].set()
            if name == "bob":
                ending.wait(60)
                cli.communicate()
            else:
                cli.wait()

    runs = {
        name: asyncio.create_task(supervision.supervise(functools.partial(run, name), None)) for name in begun
    }
    for each in begun.values():
        await asyncio.to_thread(each.wait, 60)
    runs["alice"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await runs["alice"]
    codes = started["alice"].returncode, started["bob"].poll()
    ending.set()
    await runs["bob"]
    assert (codes, started["bob"].returncode) == ((-signal.SIGINT, None), 0)
