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
    import psutil  # its import takes 15 ms

    identity = _WORDS.fullmatch(holder)
    if identity is None or identity["kernel"] != _kernel():
        return False
    try:
        return _since(int(identity["pid"])) != int(identity["since"])
    except psutil.AccessDenied:  # it exists but is not accessible, because /proc is mounted with hidepid
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

    psutil returns the start by the wall clock, as the boot time plus these ticks. The boot time changes whenever the
    clock is set, but the identity must not, so the boot time is subtracted again. It is read twice in case the clock
    is set in between.
    """
    import psutil

    while True:
        boot = psutil.boot_time()
        try:
            process = psutil.Process(pid)
            if (
                process.status() == psutil.STATUS_ZOMBIE
            ):  # it has ended, and its parent has not read its exit code
                return None
            seconds = process.create_time() - boot
        except psutil.NoSuchProcess:
            return None
        if psutil.boot_time() == boot:
            return round(seconds * os.sysconf("SC_CLK_TCK"))
