"""Removal of the copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind.

Whenever the plugin gets a kubeconfig, it writes a copy for Helm with mode 0600 and never deletes it (`Configure` in
pulumi-kubernetes 4.34). Helm is not used here. A pass has a private folder for the copies, which is deleted with
the pass; after a manual run, the program deletes them, as does the next pass. Only files whose content was given to
the plugin are deleted, whatever else has such a name.
"""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ics.cosmos import canonical_json

_NAME = re.compile(r"kubeconfig\d+")
PLUGIN = "pulumi-resource-kubernetes"
"""Name of the plugin's executable."""
_PRECISION_SECONDS = 2.0
"""Precision of the start times of processes."""
_REMEMBERED = 100
"""Number of digests on record."""
_CREDENTIALS = ("client-certificate-data", "client-key-data", "token", "username", "password")


def remember(kubeconfig: Path, environment: Mapping[str, str]) -> None:
    """Record the digest of a kubeconfig that the plugin gets, so that its copies are recognized later, too.

    The setting may name another file by then, or the file may have other credentials.

    Args:
        kubeconfig: the original.
        environment: environment of the process, which says where this user's state is.
    """
    content = _content(kubeconfig)
    if content is None:
        return
    path, digest = _registry(environment), _digest(content)
    known = _known(path)
    if digest in known:
        return
    # In a read-only file system no later run finds a copy of this one either: its /tmp is as short-lived.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f"{path.name}.{os.getpid()}")
        written.touch(0o600)
        written.write_text("".join(f"{each}\n" for each in [*known, digest][-_REMEMBERED:]))
        written.replace(path)


def sweep(pid: int, environment: Mapping[str, str], kubeconfig: Path | None = None) -> None:
    """Delete the copies of all kubeconfigs on record, except those that another run may still read.

    A copy may belong to another run if a plugin of another run is running that started before the copy was written.

    Args:
        pid: process id of the program that Pulumi runs, or of the pass.
        environment: environment of the process.
        kubeconfig: the current original, which may not be on record; None: there is none.
    """
    current = _content(kubeconfig) if kubeconfig is not None else None
    known = {*_known(_registry(environment)), *([_digest(current)] if current is not None else [])}
    candidates = [
        path
        for path in Path(tempfile.gettempdir()).iterdir()
        if _NAME.fullmatch(path.name) and not path.is_symlink()
    ]
    others = list(_starts_of_other_plugins(pid)) if candidates and known else []
    for path in candidates:
        with contextlib.suppress(FileNotFoundError):  # another run is deleting it
            status = path.stat()
            is_of_other_run = any(began <= status.st_mtime + _PRECISION_SECONDS for began in others)
            if status.st_uid == os.getuid() and not is_of_other_run:
                content = _content(path)
                if content is not None and _digest(content) in known:
                    path.unlink()


def _registry(environment: Mapping[str, str]) -> Path:
    state = environment.get("XDG_STATE_HOME")
    root = Path(state) if state else Path(environment.get("HOME", "/"), ".local", "state")
    return root / "ics-operator" / "kubeconfigs"


def _known(registry: Path) -> list[str]:
    try:
        return registry.read_text().split()
    except (OSError, ValueError):
        return []


def _digest(content: tuple[Any, ...]) -> str:
    return canonical_json.sha256_hex(json.dumps(content, default=str).encode())


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
