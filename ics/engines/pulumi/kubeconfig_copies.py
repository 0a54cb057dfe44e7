"""Copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind.

The plugin writes one for Helm whenever it is given a kubeconfig, with mode 0600, and never removes it: in
its `Configure`, pulumi-kubernetes 4.34. Nothing here uses Helm. A pass has a private folder for them, which
goes with it; after a run by hand the program removes them.
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
"""Name of the program."""
_PRECISION_SECONDS = 2.0
"""Of the times at which processes began."""
_CREDENTIALS = ("client-certificate-data", "client-key-data", "token", "username", "password")


def sweep(kubeconfig: Path, pid: int) -> None:
    """Remove the copies of a kubeconfig, but those that another run may still read.

    A copy may be another's if a plugin is running that began before it was written and that is not the
    plugin of this very run.

    Args:
        kubeconfig: the original.
        pid: of the program that Pulumi runs.
    """
    original = _content(kubeconfig)
    if original is None:
        return
    others = list(_starts_of_other_plugins(pid))
    for path in Path(tempfile.gettempdir()).iterdir():
        if not _NAME.fullmatch(path.name) or path.is_symlink():
            continue
        found = path.stat()
        is_anothers = any(began <= found.st_mtime + _PRECISION_SECONDS for began in others)
        if found.st_uid == os.getuid() and not is_anothers and _content(path) == original:
            path.unlink(missing_ok=True)


def _starts_of_other_plugins(pid: int) -> Iterator[float]:
    """When the plugins began that run, but for that of this very run, in seconds since the epoch."""
    import psutil

    own = set()  # Pulumi's CLI is among the ancestors, and the plugin of its run is its child
    with contextlib.suppress(psutil.NoSuchProcess):  # one of them has ended: the copy stays for the next run
        own = {ancestor.pid for ancestor in psutil.Process(pid).parents()} - {1}  # which adopts all orphans
    for process in psutil.process_iter(["cmdline", "ppid", "create_time"]):
        command = process.info["cmdline"]  # None: it is dead, or may not be looked at
        if command and Path(command[0]).name == PLUGIN and process.info["ppid"] not in own:
            yield process.info["create_time"]


def _content(path: Path) -> tuple[Any, ...] | None:
    """Clusters and credentials; None for what is no kubeconfig, or cannot be read."""
    try:
        found = yaml.safe_load(path.read_text())
        clusters = sorted((one["name"], one["cluster"]["server"]) for one in found["clusters"])
        users = sorted(
            (one["name"], *(str(one["user"].get(key, "")) for key in _CREDENTIALS)) for one in found["users"]
        )
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        return None
    return clusters, users
