"""Waiting for what a running network takes its time for, with deadlines that say what was seen last."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from devnet import places
from tests.network import diary

Seen = TypeVar("Seen")

PATIENCE = 240.0
"""Seconds until a wait is given up: an idle machine needs a tenth of it, so that a busy one has enough."""
EVERY = 0.5
"""Seconds between two looks."""


def until(
    what: str,
    look: Callable[[], Seen],
    is_so: Callable[[Seen], object] = bool,
    *,
    seconds: float = PATIENCE,
    every: float = EVERY,
    tell: Callable[[], str] | None = None,
) -> Seen:
    """Look until what is seen is so, and answer it.

    Args:
        what: is waited for; named when the time is over.
        look: looks once.
        is_so: judges what was seen.
        seconds: the deadline.
        every: seconds between two looks.
        tell: what else is to be told when the time is over, such as the logs of who should have done it.

    Raises:
        AssertionError: the time is over; tells what was seen last.
    """
    began = time.monotonic()
    deadline = began + seconds
    while True:
        seen = look()
        if is_so(seen):
            diary.note("", f"{what}, after {time.monotonic() - began:.0f} s")
            return seen
        if time.monotonic() > deadline:
            more = "" if tell is None else f"\n{tell()}"
            raise AssertionError(f"waited {seconds:.0f} s in vain until {what}; seen last: {seen}{more}")
        time.sleep(every)


def figure(name: str, value: float, unit: str = "s") -> None:
    """Print a measured figure, for people to quote (`pytest -rP` or `-s` shows it)."""
    print(f"figure: {name}: {value:.2f} {unit}")


def devnet(command: str) -> float:
    """`python -m devnet …`; answers how many seconds it took."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "devnet", command], cwd=places.CHECKOUT, check=True)
    return time.monotonic() - began
