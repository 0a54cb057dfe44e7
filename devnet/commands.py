"""Runs other programs and turns their failures into one readable line."""

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
    """Runs a program to its end and returns its standard output.

    Args:
        argv: the program and its arguments; never a secret, since other users can see them.
        text: what it reads as standard input.
        folder: its working directory.
        env: variables added to this process's own.
        timeout: seconds after which it is killed.

    Raises:
        Permanent: it is not installed, failed or did not end in time.
    """
    words = [str(word) for word in argv]
    called = " ".join([Path(words[0]).name, *words[1:4]])
    try:
        done = subprocess.run(
            words,
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
        raise errors.Permanent(f"{words[0]} is not installed: run `python -m devnet build`") from error
    except subprocess.TimeoutExpired as error:
        raise errors.Permanent(f"{called} did not end within {timeout:.0f} s") from error
    if done.returncode != 0:
        said = _gist(done.stderr.strip() or done.stdout.strip())
        raise errors.Permanent(f"{called} failed ({done.returncode}): {said}")
    return done.stdout


def _gist(text: str) -> str:
    """The line of an error output that says what is wrong; programs print their usage around it."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors_said = [line for line in lines if line.lower().startswith(("error:", "fatal"))]
    return (errors_said or lines or ["without a word"])[-1]
