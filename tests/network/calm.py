"""Stories that expect a cluster to stay as it is, while chains of earlier stories come to their end."""

import functools
from collections.abc import Callable
from typing import ParamSpec

from tests.network import chains

P = ParamSpec("P")


def undisturbed(story: Callable[P, None]) -> Callable[P, None]:
    """Tell a story again if it fails while a chain that was there before changes its phase.

    A chain that its owner has removed is deleted an unbonding period later, whoever makes a pass just then
    clears it away, and rightly so. The story must put everything in order itself, at its beginning, and may
    be told twice. What fails with nothing going on fails.
    """

    @functools.wraps(story)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        while True:
            before = _phases()
            try:
                return story(*args, **kwargs)
            except AssertionError:
                if _phases().items() >= before.items():
                    raise

    return told


def _phases() -> dict[str, str]:
    return {chain["consumer_id"]: chain["phase"] for chain in chains.of_phase(0)}
