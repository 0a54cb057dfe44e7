"""Starts the network's programs so that none can be lost, whatever is killed and when."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from devnet import cgroups, places
from ics import errors

# The shell joins the groups and writes its id before it becomes the program. When `down` has removed
# the groups in between, joining fails and nothing is started.
_BECOME: Final = """
record=$1; shift
while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 71; shift; done
shift
{ echo $$; cut -d' ' -f22 "/proc/$$/stat"; } > "$record.new" && mv "$record.new" "$record" && exec "$@"
"""


def start(owner: str, program: str, argv: Sequence[str | Path]) -> None:
    """Starts a resident program of a host, or of the network itself, unless it runs already.

    Args:
        owner: the host's name, or `network`.
        program: what it is called in records and log file names.
        argv: what is executed.
    """
    if is_running(owner, program):
        return
    log = places.log(owner, program)
    record = _record(owner, program)
    for folder in (log.parent, record.parent):
        folder.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    groups = [str(group) for group in cgroups.ensure(owner)]
    with log.open("ab") as output:
        subprocess.Popen(
            ["/bin/sh", "-c", _BECOME, "sh", str(record), *groups, "--", *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    await_true(lambda: record.exists(), f"{program} of {owner}", timeout=10)


def pid(owner: str, program: str) -> int | None:
    """The id of a program that runs; None if it does not, or if its id belongs to another by now."""
    try:
        words = _record(owner, program).read_text().split()
        number, began = int(words[0]), words[1]
        # The fields after the name, which may hold spaces; the start time is the 22nd of all.
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return None
    return number if fields[19] == began and fields[0] != "Z" else None


def is_running(owner: str, program: str) -> bool:
    """Whether the program runs."""
    return pid(owner, program) is not None


def end(owner: str, program: str) -> None:
    """Ends one program, so that the next `start` starts it anew."""
    if number := pid(owner, program):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
        await_true(lambda: not is_running(owner, program), f"the end of {program} of {owner}", timeout=30)


def started() -> list[tuple[str, str]]:
    """Owner and name of every program that was started and should be running."""
    return sorted((path.parent.name, path.name) for path in (places.state() / "run").glob("*/*"))


def await_true(
    is_so: Callable[[], bool],
    what: str,
    *,
    timeout: float,
    needs: Sequence[tuple[str, str]] = (),
    every: float = 0.1,
) -> None:
    """Waits until `is_so()`.

    Args:
        is_so: looked at every `every` seconds.
        what: names in errors what is being waited for.
        timeout: seconds.
        needs: owner and name of the programs without which the wait is in vain.
        every: seconds between two looks.

    Raises:
        Permanent: one of the needed programs ended; the line holds the last of its log.
        Transient: the time is over.
    """
    deadline = time.monotonic() + timeout
    while not is_so():
        for owner, program in needs:
            if not is_running(owner, program):
                raise errors.Permanent(f"{program} of {owner} ended: {_last_line(owner, program)}")
        if time.monotonic() > deadline:
            logs = ", ".join(str(places.log(*need)) for need in needs)
            raise errors.Transient(f"waited {timeout:.0f} s for {what} in vain{f'; see {logs}' * bool(logs)}")
        time.sleep(every)


def _record(owner: str, program: str) -> Path:
    return places.state() / "run" / owner / program


def _last_line(owner: str, program: str) -> str:
    log = places.log(owner, program)
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"{lines[-1] if lines else 'without a word'} (see {log})"
