"""What a node knows about the block in progress: heights, rounds and votes of itself and its peers; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ics import model

_RECENT = 2
"""The newest rounds with votes whose voters count as present."""


@dataclass(frozen=True, slots=True, order=True)
class SeenVote:
    """A vote or proposal that a node has, or that a peer has said to have."""

    round: int
    step: int
    """1: proposal, 2: prevote, 3: precommit, as in CometBFT's sign state."""
    address: bytes
    """Address (20 bytes) of its key."""
    has_node: bool
    """Whether the node itself has it; otherwise one of its peers."""

    @property
    def kind(self) -> str:
        """Its name: `proposal`, `prevote` or `precommit`."""
        return ("proposal", "prevote", "precommit")[self.step - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusView:
    """What a node knows about the block in progress."""

    own_height: int
    """Height of the block on which the node itself works."""
    own_round: int
    """Round in which the node itself is."""
    height: int
    """The highest one of itself and its peers."""
    round: int
    """The highest round at that height in which any of them is, or of which a vote was seen."""
    peers: int
    """Number of peers that have said where they are."""
    votes: tuple[SeenVote, ...]
    """Votes for `own_height`."""
    members: Mapping[bytes, int]
    """Voting power by address (20 bytes) of the validators at the node's consensus height."""

    @property
    def blocks_behind(self) -> int:
        """Number of blocks by which a peer is ahead of the node."""
        return self.height - self.own_height

    def ballot(self) -> model.Ballot:
        """Return the members, and those whose votes were seen in the newest rounds with votes."""
        rounds = sorted({vote.round for vote in self.votes})[-_RECENT:]
        voters = frozenset(vote.address for vote in self.votes if vote.round in rounds and vote.step > 1)
        return model.Ballot(self.members, voters)

    def votes_of(self, address: bytes) -> tuple[SeenVote, ...]:
        """Return the votes of one key."""
        return tuple(vote for vote in self.votes if vote.address == address)
