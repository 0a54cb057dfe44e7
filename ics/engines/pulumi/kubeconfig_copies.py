"""Removal of the copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind.

Whenever the plugin gets a kubeconfig, it writes a copy for Helm with mode 0600 and never deletes it (`Configure` in
pulumi-kubernetes 4.34). Helm is not used here. A pass has a private folder for the copies, which is deleted with
the pass; after a manual run, the program deletes them.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_NAME = re.compile(r"kubeconfig\d+")
PLUGIN = "pulumi-resource-kubernetes"
"""Name of the plugin's executable."""
_PRECISION_SECONDS = 2.0
"""Precision of the start times of processes."""
_CREDENTIALS = ("client-certificate-data", "client-key-data", "token", "username", "password")


def sweep(kubeconfig: Path, pid: int) -> None:
    """Delete the copies of a kubeconfig, except those that another run may still read.

    A copy may belong to another run if a plugin of another run is running that started before the copy was written.

    Args:
        kubeconfig: the original.
        pid: process id of the program that Pulumi runs.
    """
    original = _content(kubeconfig)
    if original is None:
        return
    others = list(_starts_of_other_plugins(pid))
    for path in Path(tempfile.gettempdir()).iterdir():
        if not _NAME.fullmatch(path.name) or path.is_symlink():
            continue
        status = path.stat()
        is_of_other_run = any(started_at <= status.st_mtime + _PRECISION_SECONDS for started_at in others)
        if status.st_uid == os.getuid() and not is_of_other_run and _content(path) == original:
            path.unlink(missing_ok=True)


def _starts_of_other_plugins(pid: int) -> Iterator[float]:
    """Yield the start times of running plugins of other runs, in seconds since the epoch."""
    import psutil

    own = set()  # Pulumi's CLI is among the ancestors, and the plugin of its run is its child
    with contextlib.suppress(
        psutil.NoSuchProcess
    ):  # if an ancestor has ended, the copy stays for the next run
        own = {ancestor.pid for ancestor in psutil.Process(pid).parents()} - {1}  # 1 adopts all orphans
    for process in psutil.process_iter(["cmdline", "ppid", "create_time"]):
        command = process.info["cmdline"]  # None if it has ended or is not accessible
        if command and Path(command[0]).name == PLUGIN and process.info["ppid"] not in own:
            yield process.info["create_time"]


def _content(path: Path) -> tuple[Any, ...] | None:
    """Return clusters and credentials, or None if the file is not a readable kubeconfig."""
    try:
        config = yaml.safe_load(path.read_text())
        clusters = sorted((entry["name"], entry["cluster"]["server"]) for entry in config["clusters"])
        users = sorted(
            (entry["name"], *(str(entry["user"].get(key, "")) for key in _CREDENTIALS))
            for entry in config["users"]
        )
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        return None
    return clusters, users
