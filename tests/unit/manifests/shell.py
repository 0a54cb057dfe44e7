"""Scripts of the pods in real shells, with their paths in a temporary folder."""

import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

SHELLS = [("/bin/sh",), *([("busybox", "sh")] if shutil.which("busybox") else [])]
"""A POSIX shell, and the one of small images if it is installed."""
IDS = [" ".join(shell) for shell in SHELLS]


def certificate(content: str) -> str:
    """A certificate as far as its hash matters: 64 columns, like `kube-root-ca.crt`."""
    return f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n"


def environment(container: Mapping[str, Any], **changes: str) -> dict[str, str]:
    """The variables of a container, with those that are fields of its pod among the changes."""
    return {one["name"]: one.get("value", "") for one in container["env"] if "valueFrom" not in one} | changes


def run(
    shell: tuple[str, ...],
    script: str,
    root: pathlib.Path,
    environment: Mapping[str, str],
    *arguments: str,
) -> "subprocess.CompletedProcess[str]":
    """Run a script whose absolute paths are those of a pod below `root`."""
    for path in ("/data", "/etc/ics", "/run/ics"):
        script = script.replace(path, f"{root}{path}")
    return subprocess.run(
        [*shell, "-c", script, "script", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        text=True,
        capture_output=True,
        check=False,
        timeout=30,
    )


def tree(folder: pathlib.Path) -> dict[str, tuple[int, str | None]]:
    """Everything below a folder with its mode, and the content of files."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_text() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }
