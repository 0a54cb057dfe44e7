import gc
import os
import sys
from pathlib import Path

import pytest

from devnet import cgroups, commands, places, processes
from ics import errors


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICS_DEVNET_STATE", str(tmp_path))


def record(number: int, began: str) -> None:
    path = places.state() / "run" / "bob" / "etcd"
    path.parent.mkdir(parents=True)
    path.write_text(f"{number}\n{began}\n")


def own_start() -> str:
    return Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]


def test_program_is_running_if_pid_and_start_time_match_record() -> None:
    record(os.getpid(), own_start())
    assert processes.pid("bob", "etcd") == os.getpid()


def test_reused_pid_is_not_the_program() -> None:
    record(os.getpid(), str(int(own_start()) - 1))
    assert processes.pid("bob", "etcd") is None


def test_program_without_record_is_not_running() -> None:
    assert not processes.is_running("bob", "etcd")


def test_program_is_started_and_ended_without_a_warning_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ensure", lambda owner: [])
    try:
        processes.start("bob", "etcd", ["sleep", "60"])
        gc.collect()
        assert processes.is_running("bob", "etcd")
    finally:
        processes.end("bob", "etcd")
    assert not processes.is_running("bob", "etcd")


def test_wait_for_ended_program_shows_end_of_its_log() -> None:
    log = places.log("bob", "etcd")
    log.parent.mkdir(parents=True)
    log.write_text("starting\npanic: no space left\n")
    with pytest.raises(errors.Permanent) as caught:
        processes.await_true(lambda: False, "etcd", timeout=5, needs=[("bob", "etcd")])
    assert str(caught.value) == f"etcd of bob ended: panic: no space left (see {log})"


@pytest.mark.parametrize(
    ("script", "gist"),
    [
        ("import sys; sys.exit('Usage: x\\nit is full')", "it is full"),
        ("import sys; sys.exit('Error: bad key\\nUsage: x')", "Error: bad key"),
        ("import sys; print('only out'); sys.exit(1)", "only out"),
        ("import sys; sys.exit(1)", "no output"),
    ],
)
def test_failed_command_reports_its_error_in_one_line(script: str, gist: str) -> None:
    with pytest.raises(errors.Permanent) as caught:
        commands.run(sys.executable, "-c", script)
    assert str(caught.value).endswith(f"failed (1): {gist}")


def test_missing_command_is_named() -> None:
    with pytest.raises(errors.Permanent, match="no-such-program is not installed"):
        commands.run("no-such-program")
