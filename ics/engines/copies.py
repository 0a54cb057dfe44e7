"""Copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind.

The plugin writes one for Helm whenever it is given a kubeconfig, with mode 0600, and never removes it: in
its `Configure`, pulumi-kubernetes 4.34. Nothing here uses Helm. A pass has a private folder for them, which
goes with it; after a run by hand the program removes them.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ics.engines import here

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
    if original is None or not Path("/proc/self/stat").exists():  # who runs beside us is not known there
        return
    others = [began.timestamp() for one in _plugins_of_others(pid) if (began := here.began(one)) is not None]
    for path in Path(tempfile.gettempdir()).iterdir():
        if not _NAME.fullmatch(path.name) or path.is_symlink():
            continue
        found = path.stat()
        is_anothers = any(began <= found.st_mtime + _PRECISION_SECONDS for began in others)
        if found.st_uid == os.getuid() and not is_anothers and _content(path) == original:
            path.unlink(missing_ok=True)


def _plugins_of_others(pid: int) -> Iterator[int]:
    own = set(_ancestors(pid))
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program = (folder / "cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
        except OSError:  # it has ended
            continue
        if Path(program).name == PLUGIN and here.parent(int(folder.name)) not in own:
            yield int(folder.name)


def _ancestors(pid: int) -> Iterator[int]:
    """Pulumi's CLI is among them, and the plugin of its run is its child."""
    while (pid := here.parent(pid)) > 1:
        yield pid


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
