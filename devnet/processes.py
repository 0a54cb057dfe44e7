"""Start and end of the network's programs, such that none is lost if any process is killed."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from devnet import cgroups, places, plan
from ics import errors

# The shell joins the groups and records its id before it executes the program. If `down` has removed the
# groups in between, joining fails and nothing is started.
_BECOME: Final = """
record=$1; shift
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 71; shift; done
shift
{ echo $$; cut -d' ' -f22 "/proc/$$/stat"; } > "$record.new" && mv "$record.new" "$record" && exec "$@"
"""


_children: list[subprocess.Popen[bytes]] = []
"""Daemons that this process has started, and which may outlive it; Python warns of one that is forgotten meanwhile."""


def start(owner: str, program: str, argv: Sequence[str | Path]) -> None:
    """Start a daemon of a host or of the network itself, unless it is running.

    Args:
        owner: the host's name, or `network`.
        program: its name in records and log files.
        argv: the command to execute.
    """
    if is_running(owner, program):
        return
    log = places.log(owner, program)
    record = _record(owner, program)
    for folder in (log.parent, record.parent):
        folder.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    groups = [str(group) for group in cgroups.ensure(owner)]
    for earlier in tuple(_children):
        earlier.poll()  # a process that has ended stays in the system's table until it is asked for
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _BECOME, "sh", str(record), *groups, "--", *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **plan.GO_SETTINGS},
        )
    _children.append(child)
    await_true(lambda: record.exists(), f"{program} of {owner}", timeout=10)


def pid(owner: str, program: str) -> int | None:
    """Return the process id of a running program, or None if it has ended or its id was reused."""
    try:
        fields_of_record = _record(owner, program).read_text().split()
        number, started_at = int(fields_of_record[0]), fields_of_record[1]
        # The fields after the name, which may contain spaces; the start time is the 22nd field.
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return None
    return number if fields[19] == started_at and fields[0] != "Z" else None


def is_running(owner: str, program: str) -> bool:
    """Return whether the program is running."""
    return pid(owner, program) is not None


def end(owner: str, program: str) -> None:
    """End one program, so that the next `start` starts it again."""
    if number := pid(owner, program):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
        await_true(lambda: not is_running(owner, program), f"the end of {program} of {owner}", timeout=30)


def remove(owner: str, program: str) -> None:
    """End one program and forget it: it should not be running any more."""
    end(owner, program)
    _record(owner, program).unlink(missing_ok=True)


def started() -> list[tuple[str, str]]:
    """Return owner and name of every program that was started and should be running."""
    return sorted((path.parent.name, path.name) for path in (places.state() / "run").glob("*/*"))


def await_true(
    is_so: Callable[[], bool],
    what: str,
    *,
    timeout: float,
    needs: Sequence[tuple[str, str]] = (),
    every: float = 0.1,
) -> None:
    """Wait until a condition is true.

    Args:
        is_so: the condition.
        what: description of the condition for error messages.
        timeout: seconds.
        needs: owner and name of the programs that must be running meanwhile.
        every: seconds between two checks.

    Raises:
        Permanent: one of the needed programs ended; the message contains the last line of its log.
        Transient: the timeout has expired.
    """
    deadline = time.monotonic() + timeout
    while not is_so():
        for owner, program in needs:
            if not is_running(owner, program):
                raise errors.Permanent(f"{program} of {owner} ended: {_last_line(owner, program)}")
        if time.monotonic() > deadline:
            logs = ", ".join(str(places.log(*need)) for need in needs)
            raise errors.Transient(f"timeout of {timeout:.0f} s for {what}{f'; see {logs}' * bool(logs)}")
        time.sleep(every)


def _record(owner: str, program: str) -> Path:
    return places.state() / "run" / owner / program


def _last_line(owner: str, program: str) -> str:
    log = places.log(owner, program)
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"{lines[-1] if lines else 'no output'} (see {log})"
