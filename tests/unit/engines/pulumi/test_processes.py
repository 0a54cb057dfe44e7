"""Processes that a killed run left behind, and their end."""

import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any, cast

import pytest

from ics import engines
from ics.engines.pulumi import processes, session, stack, supervision

DEAD = 2**22 + 1
"""A process id above the kernel's limit."""
COUNTING = """
import signal, time
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
print("ready", flush=True)
while not heard:
    time.sleep(0.05)
time.sleep(1)
print(len(heard))
"""
"""A program that ends a second after its first SIGINT, and prints their number."""


@contextlib.contextmanager
def running(
    folder: pathlib.Path, name: str, cwd: pathlib.Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this name, a child of this one."""
    program = folder / name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"], cwd=cwd, env={"PATH": "/bin", **environment}) as process:
        yield process
        process.kill()


@pytest.fixture
def temporary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_helpers_of_this_project_without_a_cli_are_orphans(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    with (
        running(tmp_path, "pulumi-resource-kubernetes", root) as plugin,
        running(tmp_path, "pulumi-language-python", tmp_path) as other,
        running(tmp_path, "pulumi", root) as cli,
    ):
        found = processes.orphans(root)
    assert plugin.pid in found
    assert not found & {other.pid, cli.pid}


@pytest.mark.parametrize("name", ["pulumi", ".pulumi-wrapped"])
def test_helper_of_a_running_cli_is_not_an_orphan(tmp_path: pathlib.Path, name: str) -> None:
    cli, plugin = tmp_path / name, tmp_path / "pulumi-resource-kubernetes"
    shutil.copy("/bin/sleep", plugin)
    shutil.copy("/bin/bash", cli)
    with subprocess.Popen(
        [cli, "-c", f"{plugin} 60 & echo $!; wait"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        beside_cli = processes.orphans(tmp_path)
        process.kill()
        process.wait()
        without_cli = processes.orphans(tmp_path)
        processes.end(without_cli, 5)
    assert (child in beside_cli, child in without_cli) == (False, True)
    assert processes.started_at(child) is None


def test_process_that_ignores_the_signal_is_killed(tmp_path: pathlib.Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        processes.end([process.pid, DEAD], 0.2)
        assert process.wait() == -signal.SIGKILL


def test_leftovers_of_a_crashed_session_are_ended_before_writing_and_kept_for_reading(
    temporary: pathlib.Path,
) -> None:
    crashed = temporary / f"{supervision.PREFIX}{DEAD}-x"
    own = temporary / f"{supervision.PREFIX}{os.getpid()}-x"
    for folder in (crashed, own):
        folder.mkdir()
    with running(temporary, "pulumi", temporary, TMPDIR=str(crashed)) as cli:
        session._delete_leftovers()
        assert (crashed.exists(), cli.poll()) == (True, None)
        session._end_leftovers(stack.Stack(temporary, "alice"))
        assert processes.started_at(cli.pid) is None
    assert (crashed.exists(), own.exists()) == (False, True)


@pytest.mark.parametrize("owner", [DEAD, os.getpid()], ids=["dead", "alive"])
def test_only_the_cli_of_a_killed_pass_is_ended_for_its_lock(temporary: pathlib.Path, owner: int) -> None:
    folder = temporary / f"{supervision.PREFIX}{owner}-x"
    folder.mkdir()
    (temporary / "Pulumi.yaml").write_text("name: ics\n")
    lock = temporary / ".pulumi/locks/organization/ics/alice/one.json"
    lock.parent.mkdir(parents=True)
    own, no_command = processes.this_process(), cast(Any, None)
    found = session.Session(
        stack=stack.Stack(temporary, "alice"),
        folder=temporary,
        workspace=no_command,
        location=stack.locate(stack.Candidates(setting=f"file://{temporary}", login=None)),
    )
    with running(temporary, "pulumi", temporary, TMPDIR=str(folder)) as cli:
        since = datetime.datetime.now(datetime.UTC).isoformat()
        content = {"pid": cli.pid, "username": own.user, "hostname": own.host, "timestamp": since}
        lock.write_text(json.dumps(content))
        if owner == DEAD:
            found.check_lock()
        else:
            with pytest.raises(engines.StackLocked, match=f"process {cli.pid}, .* which is running"):
                found.check_lock()
        is_running = processes.started_at(cli.pid) is not None
    assert (is_running, folder.exists()) == ((False, False) if owner == DEAD else (True, True))


def test_two_that_clear_a_session_interrupt_its_cli_once(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / f"{supervision.PREFIX}{DEAD}-x"
    folder.mkdir()
    cli_path = tmp_path / "pulumi"
    cli_path.symlink_to(pathlib.Path(sys.executable).resolve())
    with (
        subprocess.Popen(
            [cli_path, "-c", COUNTING], stdout=subprocess.PIPE, env={"TMPDIR": str(folder)}
        ) as cli,
        futures.ThreadPoolExecutor() as threads,
    ):
        assert cli.stdout is not None
        cli.stdout.readline()
        clearing = [threads.submit(supervision.clear_session, str(folder)) for _ in range(2)]
        interrupts = int(cli.stdout.read())
        for one in clearing:
            one.result(60)
    assert (interrupts, folder.exists()) == (1, False)


def test_folder_of_a_crashed_session_without_processes_is_deleted(temporary: pathlib.Path) -> None:
    crashed = temporary / f"{supervision.PREFIX}{DEAD}-x"
    # A process of a pod often has the id of the one before.
    former = temporary / f"{supervision.PREFIX}{os.getpid()}-former"
    for folder in (crashed, former):
        folder.mkdir()
        (folder / "passphrase").touch()
    day_ago = time.time() - 86_400 * 400
    os.utime(former, (day_ago, day_ago))
    session._delete_leftovers()
    assert (crashed.exists(), former.exists()) == (False, False)
