"""Only processes on the same kernel can recognise a dead Lease holder."""

import os
import pathlib
import subprocess
import sys

import psutil
import pytest

from ics.cluster.api import lease_holder

PRINT_OWN = "from ics.cluster.api import lease_holder; print(lease_holder.own(), flush=True); input()"


def test_killed_process_is_dead_and_running_one_is_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().strip()
        running = lease_holder.is_dead(words)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        as_zombie = lease_holder.is_dead(words)
        process.wait()

    assert (running, as_zombie, lease_holder.is_dead(words)) == (False, True, True)
    assert not lease_holder.is_dead(lease_holder.own())


def test_holder_is_dead_if_its_pid_was_reused() -> None:
    host, _, rest = lease_holder.own().partition(" since ")
    since, _, kernel = rest.partition(" of ")

    assert lease_holder.is_dead(f"{host} since {int(since) + 1} of {kernel}")


def test_start_is_the_one_that_psutil_reports_by_the_clock() -> None:
    since = int(lease_holder.own().partition(" since ")[2].split()[0])
    by_clock = psutil.Process().create_time() - psutil.boot_time()
    assert since == pytest.approx(by_clock * os.sysconf("SC_CLK_TCK"), abs=1)


def test_name_of_a_command_with_spaces_and_brackets_is_skipped() -> None:
    code = f"open('/proc/self/comm', 'w').write('a) Z 1 (b'); {PRINT_OWN}"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().strip()
        since = round(
            (psutil.Process(process.pid).create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK")
        )
        running = lease_holder.is_dead(words)
        process.communicate("\n")

    assert abs(int(words.partition(" since ")[2].split()[0]) - since) <= 1
    assert (running, lease_holder.is_dead(words)) == (False, True)


@pytest.fixture
def hidden(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A /proc without the processes of others, as with `hidepid=invisible`."""
    boot_id = tmp_path / "sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text())
    namespace = tmp_path / "self/ns/pid"
    namespace.parent.mkdir(parents=True)
    namespace.symlink_to(os.readlink("/proc/self/ns/pid"))
    monkeypatch.setattr(lease_holder, "_PROC", tmp_path)


WORDS = lease_holder.own()


@pytest.mark.usefixtures("hidden")
def test_hidden_process_is_not_reported_dead() -> None:
    assert not lease_holder.is_dead(WORDS)


@pytest.mark.usefixtures("hidden")
def test_hidden_process_of_another_user_is_not_reported_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not lease_holder.is_dead(WORDS)


@pytest.mark.usefixtures("hidden")
def test_process_that_is_nowhere_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    host, _, rest = WORDS.partition(" pid ")
    assert lease_holder.is_dead(f"{host} pid {process.pid} {rest.partition(' ')[2]}")


def test_process_whose_stat_may_not_be_read_is_not_reported_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: pathlib.Path) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", refuse)
    assert not lease_holder.is_dead(WORDS)


def test_holder_on_other_kernel_is_not_reported_dead(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, kernel = lease_holder.own().rpartition(" of ")
    other = ("0" if kernel[0] != "0" else "1") + kernel[1:]

    assert not lease_holder.is_dead(f"{host.replace(' pid ', ' pid 9')} of {other}")
    assert not lease_holder.is_dead("some-pod-1")

    words = lease_holder.own()
    monkeypatch.setattr(lease_holder, "_PROC", tmp_path)
    assert not lease_holder.is_dead(words)
    assert " " not in lease_holder.own()
