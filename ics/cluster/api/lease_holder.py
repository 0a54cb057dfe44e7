"""Who acts, in words by which another process of the same machine can tell whether that one still runs.

A reconciler that was killed leaves its Lease behind. Waiting until it is over is the only safe way for a
stranger; but whoever shares the kernel and the process ids with the dead one need not wait.
"""

import hashlib
import os
import pathlib
import re
import socket

_PROC = pathlib.Path("/proc")
_WORDS = re.compile(r"(?P<host>\S+) pid (?P<pid>\d+) since (?P<since>\d+) of (?P<kernel>[0-9a-f]{12})")


def own() -> str:
    """This process: `HOST pid PID since TICKS of KERNEL`; where the kernel has no boot id only `HOST-PID`.

    The ticks are those from the boot to its start, the last word a digest of the boot id and of the process
    ids' namespace.
    """
    host, pid = socket.gethostname(), os.getpid()
    kernel = _kernel()
    return f"{host}-{pid}" if kernel is None else f"{host} pid {pid} since {_since(pid)} of {kernel}"


def is_dead(holder: str) -> bool:
    """Whether a holder surely runs no more; of those of another kernel or namespace nothing is known."""
    import psutil  # it takes 15 ms to load

    words = _WORDS.fullmatch(holder)
    if words is None or words["kernel"] != _kernel():
        return False
    try:
        return _since(int(words["pid"])) != int(words["since"])
    except psutil.AccessDenied:  # it is there, and may not be looked at: /proc is mounted with hidepid
        return False


def _kernel() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]


def _since(pid: int) -> int | None:
    """Clock ticks from the kernel's boot to the start of a process; None when it does not run.

    psutil gives the start by the wall clock, as the kernel's boot plus these ticks. Whenever the clock is set
    that boot moves, and this word must outlive it: so the boot is taken off again. It is read twice, lest the
    clock be set in between.
    """
    import psutil

    while True:
        boot = psutil.boot_time()
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:  # dead, and nobody has asked for its exit code yet
                return None
            seconds = process.create_time() - boot
        except psutil.NoSuchProcess:
            return None
        if psutil.boot_time() == boot:
            return round(seconds * os.sysconf("SC_CLK_TCK"))
