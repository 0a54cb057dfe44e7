"""The validator's Lease during an update by hand, as its program sees it: a process of its own keeps it.

See `ics.pulumi_program.lease_process`.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ics import errors
from ics.config import stack_file
from ics.engines.pulumi import processes
from ics.pulumi_program import lease_process

_WITHOUT = "the process that keeps the Lease has ended, so this update ends early; run `pulumi up` again"


class LeaseKeeper:
    """The process that keeps the Lease until Pulumi's CLI has ended."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Initialize without starting the process.

        Args:
            report: shows a line to the operator; called in another thread.
        """
        self._report = report

    def start(
        self,
        root: Path,
        name: str,
        environment: Mapping[str, str],
        overrides: Sequence[str] = (),
        pid: int | None = None,
    ) -> None:
        """Acquire the Lease, which a daemon hands over after its pass.

        Args:
            root: the project's folder.
            name: name of the stack.
            environment: environment of the process.
            overrides: settings that override those of the stack file.
            pid: process during which it is kept; None: the CLI that runs this program.

        Raises:
            Transient: its holder does not hand it over; the message names the holder.
            Permanent: settings are invalid.
        """
        update = lease_process.UpdateProcess(processes.cli_above() if pid is None else pid)
        process = subprocess.Popen(
            [sys.executable, "-m", lease_process.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # an inherited one would keep Pulumi waiting after the program's end
            env=_environment(environment),
            start_new_session=True,  # a Ctrl-C is Pulumi's, which goes on for a while
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        # Not as arguments or variables, which other processes can read.
        order = {"root": str(root), "stack": name, "overrides": list(overrides), "pid": update.pid}
        process.stdin.write(f"{json.dumps(order)}\n")
        process.stdin.close()
        first = _next_line(process.stdout)
        if not first.get(lease_process.HELD):
            with process:
                raise _error(first)
        listening = (process, process.stdout, update)
        threading.Thread(target=self._listen, args=listening, name="lease", daemon=True).start()

    def _listen(
        self, process: "subprocess.Popen[str]", lines: IO[str], update: lease_process.UpdateProcess
    ) -> None:
        with process:
            while text := _next_line(lines).get(lease_process.REPORT):
                self._report(text)
            # It ends after the CLI, which ends after this program, unless something has ended it.
            if update.is_running():
                self._report(_WITHOUT)
                update.interrupt()


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the process: without secrets, and with this package."""
    sealed = stack_file.sealed_names()
    kept = {name: text for name, text in environment.items() if name not in sealed}
    return {**kept, "PYTHONPATH": processes.python_path(environment)}


def _next_line(lines: IO[str]) -> dict[str, Any]:
    """Return the next line of the process, empty if it has ended."""
    line = lines.readline()
    found: dict[str, Any] = json.loads(line) if line else {}
    return found


def _error(first: Mapping[str, Any]) -> errors.IcsError:
    """Return why the Lease is not held."""
    text = first.get(
        lease_process.ERROR, "the process that requests the Lease has ended; run `pulumi up` again"
    )
    return errors.Transient(text) if first.get(lease_process.IS_TRANSIENT, True) else errors.Permanent(text)
