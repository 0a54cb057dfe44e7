"""A signer with the rules of CometBFT's FilePV (privval/file.go), and the ledger of everything ever signed."""

import enum
import json
from dataclasses import dataclass, field


class Step(enum.IntEnum):
    """Steps of a round in the order in which they are signed."""

    PROPOSAL = 1
    PREVOTE = 2
    PRECOMMIT = 3


class Refused(Exception):
    """The signer does not sign: it has signed something later, or something else."""


class DoubleSigned(AssertionError):
    """A key signed two different votes of one height, round and type."""


@dataclass(slots=True)
class Ledger:
    """Every vote of one chain, by all who ever signed one."""

    votes: dict[tuple[bytes, int, int, Step], tuple[str, str]] = field(default_factory=dict)
    """Content, and who signed it first."""
    highest: dict[bytes, int] = field(default_factory=dict)

    def record(self, key: bytes, height: int, round: int, step: Step, content: str, signer: str) -> None:
        """Record a vote.

        Raises:
            DoubleSigned: the same key signed other content before.
        """
        before, who = self.votes.setdefault((key, height, round, step), (content, signer))
        self.highest[key] = max(height, self.highest.get(key, 0))
        if before != content:
            raise DoubleSigned(
                f"key {key.hex().upper()} signed two {step.name.lower()}s of height {height}, round {round}:"
                f" {who} signed {before!r}, {signer} signed {content!r}"
            )

    def of(self, key: bytes, height: int) -> set[tuple[bytes, int, int]]:
        """Return the votes of a key for a height: key, round and step."""
        return {(key, round, int(step)) for who, at, round, step in self.votes if who == key and at == height}


@dataclass(slots=True)
class SignState:
    """FilePVLastSignState."""

    height: int = 0
    round: int = 0
    step: int = 0
    content: str = ""
    """The signed bytes; empty: none."""

    @classmethod
    def parse(cls, text: str) -> "SignState":
        """Read the file.

        Raises:
            ValueError: it is not a complete one; CometBFT exits then.
        """
        found = json.loads(text)
        return cls(int(found["height"]), found["round"], found["step"], found.get("signbytes", ""))

    def text(self) -> str:
        """Return the file as `Save` writes it."""
        return json.dumps(
            {"height": str(self.height), "round": self.round, "step": self.step}
            | ({"signature": "c2lnbmVk", "signbytes": self.content} if self.content else {}),
            indent=2,
        )

    def sign(self, height: int, round: int, step: Step, content: str) -> str:
        """Return what is signed: the content, or what was signed before at the same height, round and step.

        Raises:
            Refused: see `CheckHRS`.
        """
        now, last = (height, round, int(step)), (self.height, self.round, self.step)
        if now < last:
            raise Refused(f"regression from {last} to {now}")
        if now == last:
            if not self.content:
                raise Refused("no SignBytes found")
            if content != self.content:
                raise Refused("conflicting data")
            return self.content
        self.height, self.round, self.step, self.content = height, round, int(step), content
        return content
