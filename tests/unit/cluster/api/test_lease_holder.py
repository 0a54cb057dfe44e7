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


def test_holder_identity_survives_clock_change(monkeypatch: pytest.MonkeyPatch) -> None:
    words, boot = lease_holder.own(), psutil.boot_time()

    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 3600)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot + 3600)

    assert lease_holder.own() == words
    assert not lease_holder.is_dead(words)


def test_holder_check_survives_clock_change_during_it(monkeypatch: pytest.MonkeyPatch) -> None:
    words, boot = lease_holder.own(), psutil.boot_time()
    boots = iter([boot, boot + 3600])

    monkeypatch.setattr(psutil, "boot_time", lambda: next(boots, boot + 3600))
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot + 3600)

    assert not lease_holder.is_dead(words)


def test_inaccessible_process_is_not_reported_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    words = lease_holder.own()
    monkeypatch.setattr(psutil, "Process", refuse)

    assert not lease_holder.is_dead(words)


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
