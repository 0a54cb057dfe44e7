"""Execution of other programs, whose failures become errors of one line."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ics import errors


def run(
    *argv: str | Path,
    text: str | None = None,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> str:
    """Run a program and return its standard output.

    Args:
        argv: the program and its arguments, without secrets, because other users can see them.
        text: its standard input.
        folder: its working directory.
        env: variables added to this process's own.
        timeout: seconds after which it is killed.

    Raises:
        Permanent: it is not installed, failed, or did not end in time.
    """
    command = [str(word) for word in argv]
    shown = " ".join([Path(command[0]).name, *command[1:4]])
    try:
        done = subprocess.run(
            command,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise errors.Permanent(f"{command[0]} is not installed; run `python -m devnet build`") from error
    except subprocess.TimeoutExpired as error:
        raise errors.Permanent(f"{shown} did not end within {timeout:.0f} s") from error
    if done.returncode != 0:
        reason = _error_line(done.stderr.strip() or done.stdout.strip())
        raise errors.Permanent(f"{shown} failed ({done.returncode}): {reason}")
    return done.stdout


def _error_line(text: str) -> str:
    """Return the line of an error output with the reason; programs print their usage around it."""
    lines = [line for line in text.splitlines() if line.strip()]
    error_lines = [line for line in lines if line.lower().startswith(("error:", "fatal"))]
    return (error_lines or lines or ["no output"])[-1]
