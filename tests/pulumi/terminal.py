"""A `pulumi up` at a terminal, which waits at its prompt."""

import contextlib
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_QUESTION = b"Do you want to perform this update"


@dataclass(frozen=True)
class Prompt:
    """The CLI, and the other side of its terminal."""

    process: subprocess.Popen[bytes]
    descriptor: int

    def interrupt(self) -> None:
        """Answer with Ctrl-C, and wait for its end."""
        os.write(self.descriptor, b"\x03")
        with contextlib.suppress(OSError):  # it has closed the terminal
            while self.process.poll() is None:
                if select.select([self.descriptor], [], [], 1)[0]:
                    os.read(self.descriptor, 65536)
        self.process.wait()


@contextlib.contextmanager
def prompt(
    root: pathlib.Path, stack: str, environment: Mapping[str, str], seconds: float = 300.0
) -> Iterator[Prompt]:
    """Run it until it asks; it is killed with its program at the end, unless it has ended.

    Args:
        root: the project's folder.
        stack: its name.
        environment: of the process.
        seconds: until it must have asked.
    """
    own, other = pty.openpty()
    process = subprocess.Popen(
        ["pulumi", "up", "--color", "never", "--stack", stack],
        cwd=root,
        env={**environment, "TERM": "xterm"},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    try:
        shown, deadline = b"", time.monotonic() + seconds
        while _QUESTION not in shown:
            assert process.poll() is None, shown
            assert time.monotonic() < deadline, shown
            if select.select([own], [], [], 1)[0]:
                shown += os.read(own, 65536)
        yield Prompt(process, own)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(own)
