"""User, host and processes of this machine, and the end of those that a killed run left behind.

A killed CLI leaves its children: the language host, the program and the Kubernetes plugin. They check every few
minutes only whether it is there, and the plugin holds a copy of the kubeconfig.
"""

import contextlib
import datetime
import os
import pwd
import signal
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ics
from ics.engines.pulumi import locks

if TYPE_CHECKING:
    import psutil

CLI = "pulumi"
"""Name of the CLI's process."""
_HELPERS = ("pulumi-language", "pulumi-resource")
"""Start of the names of the processes that the CLI starts; the kernel keeps 15 characters of them."""


def this_process(ended: frozenset[str] = frozenset()) -> locks.ThisProcess:
    """Return this process's user and host in the format of Pulumi's locks.

    Args:
        ended: other hosts, all of whose processes have ended.
    """
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without an entry for the user
        user = os.environ.get("USER", "")
    return locks.ThisProcess(user, socket.gethostname(), started_at, command, ended)


def command(pid: int) -> str:
    """Return the first two words of a process's command line, such as `pulumi up`; empty if it is not accessible.

    Further words are left out, because they may be secrets.
    """
    import psutil  # its import takes 15 ms

    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        words = psutil.Process(pid).cmdline()
        return " ".join([Path(word).name if at == 0 else word for at, word in enumerate(words[:2])])
    return ""


def python_path(environment: Mapping[str, str]) -> str:
    """Return the PYTHONPATH for a process with modules of this package: it is started in other folders, too."""
    return os.pathsep.join(filter(None, [str(Path(*ics.__path__).parent), environment.get("PYTHONPATH")]))


def cli_above() -> int:
    """Return the id of the CLI that runs this process, or of this process if none does."""
    import psutil

    return next((parent.pid for parent in psutil.Process().parents() if _is_cli(parent)), os.getpid())


def _is_cli(process: "psutil.Process") -> bool:
    """Return whether a process is the CLI, also one in a wrapper, such as `.pulumi-wrapped`; not one of its helpers."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        name = process.name()
        return CLI in name and not name.startswith(_HELPERS)
    return False


def children(marks: str) -> frozenset[int]:
    """Return the ids of child processes whose environment contains a text."""
    import psutil

    return frozenset(child.pid for child in psutil.Process().children() if _has(child, marks))


def marked(marks: str) -> frozenset[int]:
    """Return the ids of all processes of this user whose environment contains a text, except this process."""
    import psutil

    own = os.getuid()
    return frozenset(
        process.pid
        for process in psutil.process_iter(["uids"])
        if process.pid != os.getpid() and (uids := process.info["uids"]) and uids.real == own
        if _has(process, marks)
    )


def _has(process: "psutil.Process", marks: str) -> bool:
    import psutil

    # It may have ended, and its id may belong to another user.
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return any(marks in f"{name}={value}" for name, value in process.environ().items())
    return False


def orphans(root: Path) -> frozenset[int]:
    """Return the ids of Pulumi's helpers that run for a project without a CLI, because theirs was killed.

    Those of other projects are left alone.

    Args:
        root: the project's folder, in which the CLI starts them.
    """
    import psutil

    pids = set()
    for process in psutil.process_iter(["name", "uids"]):
        uids, name = process.info["uids"], process.info["name"] or ""
        if uids and uids.real == os.getuid() and name.startswith(_HELPERS):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.cwd() == str(root) and not any(map(_is_cli, process.parents())):
                    pids |= {process.pid, *(child.pid for child in process.children(recursive=True))}
    return frozenset(pids)


def end(pids: Collection[int], seconds: float, number: int = signal.SIGTERM) -> None:
    """End processes: they get a signal and, if they have not ended in time, a SIGKILL.

    Args:
        pids: their ids; those that have ended already are ignored.
        seconds: for all of them to end.
        number: the signal.
    """
    import psutil

    alive = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            alive.append(psutil.Process(pid))
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.send_signal(number)
    _, alive = psutil.wait_procs(alive, seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()


def home() -> Path:
    """Return the home of this process's user according to the user database, which may differ from `$HOME`."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container without an entry for the user
        return Path.home()


def started_at(pid: int) -> datetime.datetime | None:
    """Return the start time of a process by the current wall clock, or None if it does not exist.

    It is up to a second early and never late, because the kernel reports its boot time in whole seconds. A process
    that is not accessible counts as started long ago.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if (
            process.status() == psutil.STATUS_ZOMBIE
        ):  # it has ended, and its parent has not read its exit code
            return None
        return datetime.datetime.fromtimestamp(process.create_time(), datetime.UTC)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
