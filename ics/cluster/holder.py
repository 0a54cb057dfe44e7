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


def own(proc: pathlib.Path = _PROC) -> str:
    """This process: `HOST pid PID since TICKS of KERNEL`; without /proc only `HOST-PID`.

    The ticks are those of its start (proc(5), field 22 of stat), the last word a digest of the boot id and
    of the process ids' namespace.
    """
    host, pid = socket.gethostname(), os.getpid()
    kernel, since = _kernel(proc), _since(proc, pid)
    return (
        f"{host}-{pid}" if kernel is None or since is None else f"{host} pid {pid} since {since} of {kernel}"
    )


def is_dead(holder: str, proc: pathlib.Path = _PROC) -> bool:
    """Whether a holder surely runs no more; of those of another kernel or namespace nothing is known."""
    words = _WORDS.fullmatch(holder)
    if words is None or words["kernel"] != _kernel(proc):
        return False
    return _since(proc, int(words["pid"])) != int(words["since"])


def _kernel(proc: pathlib.Path) -> str | None:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(proc / "self/ns/pid")
    except OSError:
        return None
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]


def _since(proc: pathlib.Path, pid: int) -> int | None:
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # Z: it is dead, and nobody has asked for its exit code yet.
    return None if fields[0] == "Z" else int(fields[19])
