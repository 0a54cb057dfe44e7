"""Control groups of the network: the kernel's own list of all its processes.

Every process of a host joins the group `ics-devnet/<host>/programs` before it becomes the program it
is, and the kubelet keeps its pods below `ics-devnet/<host>`. Children cannot leave. So whatever a kill
interrupts, what belongs to the network can be found and ended, and nothing else ever is. Works with
version 2, version 1 and both at once.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ics import errors

NAME: Final = "ics-devnet"
_MOUNT: Final = Path("/sys/fs/cgroup")
_DELEGATED: Final = ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")


def hierarchies() -> list[Path]:
    """Mount points of all control group hierarchies; one in version 2, several in version 1."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted({Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")})


def ensure(owner: str) -> list[Path]:
    """Makes the groups of one host (or of the network's own programs).

    Returns:
        The folders that a process of that owner joins, one in each hierarchy.
    """
    return [folder for root in hierarchies() if (folder := _ensure_in(root, owner)) is not None]


def kubelet_root(owner: str) -> str:
    """The group below which the host's kubelet keeps its pods, as the kubelet names it."""
    return f"/{NAME}/{owner}"


def processes() -> set[int]:
    """The ids of all processes of the network."""
    found: set[int] = set()
    for group in existing():
        with contextlib.suppress(FileNotFoundError):
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return found - {0}


def is_member(pid: int) -> bool:
    """Whether a process belongs to the network."""
    try:
        return f"/{NAME}/" in Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_all(timeout: float = 30.0) -> int:
    """Ends every process of the network and returns how many there were.

    Raises:
        Transient: some do not end, for instance because the kernel waits for a disk.
    """
    deadline = time.monotonic() + timeout
    seen: set[int] = set()
    while alive := processes():
        seen |= alive
        for pid in alive:
            _kill(pid)
        if time.monotonic() > deadline:
            raise errors.Transient(f"processes {sorted(alive)[:8]} do not end: try `down` again")
        time.sleep(0.05)
    return len(seen)


def remove(timeout: float = 10.0) -> None:
    """Removes the (empty) groups, deepest first."""
    deadline = time.monotonic() + timeout
    while groups := existing():
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
        if (left := existing()) and time.monotonic() > deadline:
            raise errors.Transient(f"control group {left[0]} cannot be removed: try `down` again")
        if left:
            time.sleep(0.1)


def existing() -> list[Path]:
    """All groups of the network, deepest first."""
    return [group for root in hierarchies() for group in _walk(root / NAME)]


def _ensure_in(root: Path, owner: str) -> Path | None:
    host = root / NAME / owner
    leaf = host / "programs"
    leaf.mkdir(parents=True, exist_ok=True)
    if (root / "cgroup.controllers").exists():
        if root == _MOUNT:
            for parent in (root, root / NAME, host):
                _delegate(parent)
        return leaf
    if (root / "cpuset.cpus").exists():
        # Version 1 makes cpusets empty, and an empty one takes no process.
        for folder in (root / NAME, host, leaf):
            for name in ("cpuset.cpus", "cpuset.mems"):
                (folder / name).write_text((folder.parent / name).read_text())
    return leaf


def _delegate(group: Path) -> None:
    have = (group / "cgroup.controllers").read_text().split()
    for controller in _DELEGATED:
        if controller in have:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _walk(top: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)


def _kill(pid: int) -> None:
    # The handle pins the process: between the look and the signal its id cannot pass to another one.
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_member(pid):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
