"""Removal of kubeconfig copies after a run."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest
import yaml

from ics.engines.pulumi import kubeconfig_copies

USER = {"name": "operator", "user": {"token": "secret"}}
CLUSTER = {"name": "c", "cluster": {"server": "https://c:6443"}}
ORIGINAL = {"kind": "Config", "clusters": [CLUSTER], "users": [USER]}
MORE: dict[str, object] = {"preferences": {}, "clusters": [CLUSTER], "users": [USER], "contexts": None}
"""As the plugin writes it."""


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(
        kubeconfig_copies, "PLUGIN", f"plugin-of-{os.getpid()}"
    )  # a real one may run on this host
    write(tmp_path / "original", ORIGINAL)
    return tmp_path


def write(path: pathlib.Path, content: object) -> pathlib.Path:
    path.write_text(yaml.safe_dump(content))
    return path


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[None]:
    """A plugin, a child of this process."""
    program = folder / kubeconfig_copies.PLUGIN
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        yield
        process.kill()


def test_sweep_removes_only_copies_of_this_kubeconfig(folder: pathlib.Path) -> None:
    copy = write(folder / "kubeconfig123", MORE)
    other = write(folder / "kubeconfig124", {**MORE, "users": [{**USER, "user": {"token": "another"}}]})
    named = write(folder / "kubeconfig-of-mine", MORE)
    broken = write(folder / "kubeconfig125", ["a list"])

    kubeconfig_copies.sweep(os.getpid(), {"HOME": str(folder)}, folder / "original")

    assert not copy.exists()
    assert all(path.exists() for path in (other, named, broken))


@pytest.mark.parametrize("original", ["missing", "kubeconfig125"])
def test_sweep_without_original_removes_nothing(folder: pathlib.Path, original: str) -> None:
    write(folder / "kubeconfig125", ["a list"])
    copy = write(folder / "kubeconfig123", MORE)

    kubeconfig_copies.sweep(os.getpid(), {"HOME": str(folder)}, folder / original)

    assert copy.exists()


def test_sweep_keeps_copy_another_run_may_read(folder: pathlib.Path) -> None:
    with running(folder):
        later = write(folder / "kubeconfig123", MORE)
        earlier = write(folder / "kubeconfig124", MORE)
        hour_ago = time.time() - 3600
        os.utime(earlier, (hour_ago, hour_ago))

        kubeconfig_copies.sweep(os.getpid(), {"HOME": str(folder)}, folder / "original")

        assert later.exists()
        assert not earlier.exists()


def test_sweep_removes_copy_of_this_run_while_its_plugin_runs(folder: pathlib.Path) -> None:
    with (
        running(folder),
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program,
    ):
        copy = write(folder / "kubeconfig123", MORE)

        kubeconfig_copies.sweep(program.pid, {"HOME": str(folder)}, folder / "original")

        assert not copy.exists()
        program.kill()


def test_copies_of_former_kubeconfigs_are_removed(folder: pathlib.Path) -> None:
    environment = {"XDG_STATE_HOME": str(folder / "state")}
    rotated = {**MORE, "users": [{**USER, "user": {"token": "rotated"}}]}
    for content in (ORIGINAL, rotated):  # the file is written again, then the setting names no file any more
        kubeconfig_copies.remember(write(folder / "original", content), environment)
        kubeconfig_copies.remember(folder / "original", environment)
    copies = [write(folder / "kubeconfig1", MORE), write(folder / "kubeconfig2", rotated)]
    other = write(folder / "kubeconfig3", {**MORE, "users": [{**USER, "user": {"token": "of another tool"}}]})

    kubeconfig_copies.sweep(os.getpid(), environment)

    assert [path.exists() for path in (*copies, other)] == [False, False, True]
    registry = folder / "state" / "ics-operator" / "kubeconfigs"
    assert len(registry.read_text().split()) == 2
    assert (registry.stat().st_mode & 0o777, "rotated" in registry.read_text()) == (0o600, False)


def test_unwritable_registry_does_not_stop_the_program(folder: pathlib.Path) -> None:
    (folder / "state").touch()
    kubeconfig_copies.remember(folder / "original", {"XDG_STATE_HOME": str(folder / "state")})
    copy = write(folder / "kubeconfig1", MORE)
    kubeconfig_copies.sweep(os.getpid(), {"XDG_STATE_HOME": str(folder / "state")}, folder / "original")
    assert not copy.exists()
