"""A consumer chain: its validator sets by height, its blocks, and everything that is voted on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.model import signer

OTHERS = 900
"""Power of the other validators, who always vote."""


@dataclass(slots=True)
class Chain:
    """State of a chain that is launched."""

    sets: list[tuple[int, Mapping[bytes, int]]]
    """Validator sets, each from a height on: power by address, without the others."""
    height: int = 0
    """Of the last block."""
    round: int = 0
    """Of the height in progress."""
    commits: list[frozenset[bytes]] = field(default_factory=list)
    """Who signed each block, from the first on."""
    voted: set[bytes] = field(default_factory=set)
    """Keys whose precommits of the height and round in progress were seen by the others."""
    seen: set[tuple[bytes, int, int]] = field(default_factory=set)
    """Votes for the height in progress that the others have: key, round and step."""
    is_halted: bool = False
    """Whether the others do not reach two thirds; a round then never ends."""
    ledger: signer.Ledger = field(default_factory=signer.Ledger)

    def set_at(self, height: int) -> Mapping[bytes, int]:
        """Return the validators of a height."""
        return next(members for start, members in reversed(self.sets) if start <= height)

    def update(self, members: Mapping[bytes, int]) -> None:
        """Apply a validator update, which CometBFT puts into force two heights after the block that carries it."""
        self.sets.append((self.height + 3, members))

    def commit(self) -> None:
        """End the height in progress."""
        self.height += 1
        self.round = 0
        members = self.set_at(self.height)
        self.commits.append(frozenset(key for key in self.voted if key in members))
        self.voted, self.seen = set(), set()

    def next_round(self) -> None:
        """Go on to another round of the height in progress."""
        self.round += 1
        self.voted = set()
