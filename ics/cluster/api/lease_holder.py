"""Lease holder identity that lets another process on the same host check whether the holder is alive.

A killed reconciler leaves its Lease behind. Other hosts must wait until it expires, but a process with the same
kernel and process id namespace need not.
"""

import os
import pathlib
import re
import socket

from ics.cosmos import canonical_json

_PROC = pathlib.Path("/proc")
_WORDS = re.compile(r"(?P<host>\S+) pid (?P<pid>\d+) since (?P<since>\d+) of (?P<kernel>[0-9a-f]{12})")


def own() -> str:
    """Return this process's identity: `HOST pid PID since TICKS of KERNEL`, or `HOST-PID` without a boot id.

    TICKS are the clock ticks from the boot to the start of the process; KERNEL is a digest of the boot id and the
    process id namespace.
    """
    host, pid = socket.gethostname(), os.getpid()
    kernel = _kernel()
    return f"{host}-{pid}" if kernel is None else f"{host} pid {pid} since {_since(pid)} of {kernel}"


def is_dead(holder: str) -> bool:
    """Return whether a holder has certainly ended; False for holders of another kernel or namespace."""
    identity = _WORDS.fullmatch(holder)
    if identity is None or identity["kernel"] != _kernel():
        return False
    try:
        return _since(int(identity["pid"])) != int(identity["since"])
    except PermissionError:
        return False


def _kernel() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None
    return canonical_json.sha256_hex(f"{boot} {namespace}".encode())[:12]


def _since(pid: int) -> int | None:
    """Return the clock ticks from the kernel's boot to the start of a process, or None if it does not run.

    The kernel writes them into `/proc/PID/stat`, field 22 (proc_pid_stat(5)). psutil has the start only by the wall
    clock, which can be set, and takes 20 ms to load, in every process.

    Raises:
        PermissionError: it exists but is not accessible, because /proc is mounted with hidepid.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        _check_gone(pid)
        return None
    # The second field is the command's name in brackets, which may contain both spaces and brackets.
    state, *fields = text.rpartition(b")")[2].split()
    # A zombie has ended, and its parent has not read its exit code.
    return None if state in (b"Z", b"X") else int(fields[18])


def _check_gone(pid: int) -> None:
    """Check that there is no such process.

    Raises:
        PermissionError: there is one.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise PermissionError(f"process {pid} is not in {_PROC}")
