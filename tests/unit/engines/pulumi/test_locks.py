"""Pulumi's locks: their holders, and leftovers of dead runs."""

import datetime
import os
import pathlib
import subprocess
import sys

import psutil
import pytest

from ics import engines
from ics.engines.pulumi import locks, processes, stack

SINCE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
TEXT = """
 code: 255
 stderr: error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  file:///state/.pulumi/locks/ics/alice/4b0b.json: created by root@host-1 (pid 4711) at 2026-01-02T03:04:05Z
  s3://bucket/locks/organization/ics/alice/9.json: created by bob@other (pid 7) at 2026-01-02T05:04:05+02:00
"""
OWN = locks.Lock("root", "host-1", 4711, SINCE)


def test_locks_are_parsed_from_error() -> None:
    assert locks.parse(TEXT) == (OWN, locks.Lock("bob", "other", 7, SINCE))
    assert locks.parse("[409] Conflict: Another update is currently in progress.") == ()


@pytest.mark.parametrize(
    ("user", "host", "began", "is_left_over"),
    [
        pytest.param("root", "host-1", None, True, id="dead"),
        pytest.param("root", "host-1", SINCE - datetime.timedelta(seconds=3), False, id="alive"),
        pytest.param("root", "host-1", SINCE + datetime.timedelta(seconds=0.5), False, id="as quick as that"),
        pytest.param(
            "root", "host-1", SINCE + datetime.timedelta(minutes=1), True, id="its number taken again"
        ),
        pytest.param("bob", "host-1", None, False, id="another user"),
        pytest.param("root", "host-2", None, False, id="another host"),
    ],
)
def test_lock_is_left_over_if_its_process_ended(
    user: str, host: str, began: datetime.datetime | None, is_left_over: bool
) -> None:
    asking = locks.ThisProcess(user, host, lambda pid: began if pid == 4711 else SINCE)
    assert locks.is_left_over(OWN, asking) is is_left_over


def test_lock_of_a_pod_that_is_gone_is_left_over() -> None:
    asking = locks.ThisProcess("node", "reconciler-2", lambda pid: SINCE, ended_hosts=frozenset({"host-1"}))
    assert locks.is_left_over(OWN, asking)
    assert not locks.is_left_over(locks.Lock("bob", "other", 7, SINCE), asking)


def test_own_pod_is_never_one_that_is_gone() -> None:
    began = SINCE - datetime.timedelta(seconds=3)
    asking = locks.ThisProcess("root", "host-1", lambda pid: began, ended_hosts=frozenset({"host-1"}))
    assert not locks.is_left_over(OWN, asking)


WHERE = stack.locate(stack.Candidates(setting="file:///state"))
ALICE = stack.Stack(pathlib.Path("/project"), "alice")


def test_lock_error_names_holder_and_remedy() -> None:
    other = locks.ThisProcess("carol", "host-3", lambda pid: None)
    error = locks.locked_error(ALICE, WHERE, locks.parse(TEXT), other)
    assert isinstance(error, engines.StackLocked)
    assert "bob@other (process 7, since 2026-01-02 05:04:05" in str(error)
    assert "run `PULUMI_BACKEND_URL=file:///state pulumi cancel --yes --stack alice`" in str(error)
    assert "another run, according to the backend" in str(locks.locked_error(ALICE, WHERE, (), other))


def test_lock_of_an_open_prompt_is_not_to_be_cancelled() -> None:
    began = SINCE - datetime.timedelta(seconds=3)
    this_run = locks.ThisProcess("root", "host-1", lambda pid: began, lambda pid: "pulumi up")
    error = str(locks.locked_error(ALICE, WHERE, [OWN], this_run))
    assert "which is running: `pulumi up`; answer its prompt, or end it" in error
    assert "cancel" not in error


@pytest.mark.parametrize(
    ("content", "lock"),
    [
        (
            '{"pid": 4711, "username": "root", "hostname": "host-1", "timestamp": "2026-01-02T03:04:05.000000009Z"}',
            OWN,
        ),
        ("", None),
        ('{"pid": 4711}', None),
        ("[]", None),
    ],
)
def test_file_of_a_lock_is_read(content: str, lock: locks.Lock | None) -> None:
    assert locks.read(content) == lock


def test_command_of_process_is_shown_without_its_arguments() -> None:
    program = [sys.executable, "-c", "print(flush=True); input()", "secret"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # its command line is empty for a moment while it starts
        assert processes.command(child.pid) == f"{pathlib.Path(sys.executable).name} -c"
        child.communicate(b"\n")
    assert processes.command(child.pid) == ""


def test_start_time_of_process_is_known_until_it_ends() -> None:
    now = datetime.datetime.now(datetime.UTC)
    own = processes.started_at(os.getpid())
    assert own is not None
    assert now - datetime.timedelta(days=1) < own <= now + datetime.timedelta(seconds=2)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    as_zombie = processes.started_at(child.pid)
    child.wait()
    assert (as_zombie, processes.started_at(child.pid)) == (None, None)


def test_lock_of_inaccessible_process_is_not_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)

    assert not locks.is_left_over(OWN, locks.ThisProcess(OWN.user, OWN.host, processes.started_at))
