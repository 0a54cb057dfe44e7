"""Control groups of the network, which let the kernel track all its processes.

Every process of a host joins the group `ics-devnet/<host>/programs` before it executes its program, and the kubelet
keeps its pods below `ics-devnet/<host>`. Children cannot leave. All processes of the network, and no others, can
therefore be found and ended at any time. This works with version 2, version 1 and both combined.
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
_SHARES: Final = {"cpu.shares": "4096", "cpu.weight": "400"}
"""Share of the processors, four times that of any other group or session: twenty programs wait for one another."""
_DELEGATED: Final = ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")


def hierarchies() -> list[Path]:
    """Return the mount points of all control group hierarchies: one in version 2, several in version 1."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted({Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")})


def ensure(owner: str) -> list[Path]:
    """Create the groups of one host (or of the network's own programs).

    Returns:
        The folders of the groups that a process of that owner joins, one per hierarchy.
    """
    return [folder for root in hierarchies() if (folder := _ensure_in(root, owner)) is not None]


def kubelet_root(owner: str) -> str:
    """Return the parent group of the pods of the host's kubelet, in the kubelet's notation."""
    return f"/{NAME}/{owner}"


def processes() -> set[int]:
    """Return the ids of all processes of the network."""
    pids: set[int] = set()
    for group in existing():
        with contextlib.suppress(FileNotFoundError):
            pids.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return pids - {0}


def is_member(pid: int) -> bool:
    """Return whether a process belongs to the network."""
    try:
        return f"/{NAME}/" in Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_all(timeout: float = 30.0) -> int:
    """Kill every process of the network and return their number.

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
            raise errors.Transient(f"processes {sorted(alive)[:8]} do not end; run `down` again")
        time.sleep(0.05)
    return len(seen)


def remove(timeout: float = 10.0) -> None:
    """Remove the (empty) groups, deepest first."""
    deadline = time.monotonic() + timeout
    while groups := existing():
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
        if (remaining := existing()) and time.monotonic() > deadline:
            raise errors.Transient(f"control group {remaining[0]} cannot be removed; run `down` again")
        if remaining:
            time.sleep(0.1)


def existing() -> list[Path]:
    """Return all groups of the network, deepest first."""
    return [group for root in hierarchies() for group in _walk(root / NAME)]


def _ensure_in(root: Path, owner: str) -> Path | None:
    host = root / NAME / owner
    leaf = host / "programs"
    leaf.mkdir(parents=True, exist_ok=True)
    if (root / "cgroup.controllers").exists() and root == _MOUNT:
        for parent in (root, root / NAME, host):
            _delegate(parent)
    for name, share in _SHARES.items():
        if (root / NAME / name).exists():
            (root / NAME / name).write_text(share)
    if (root / "cpuset.cpus").exists():
        # Version 1 creates empty cpusets, which reject processes.
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
    # The handle pins the process, so that its id cannot be reused between the check and the signal.
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
