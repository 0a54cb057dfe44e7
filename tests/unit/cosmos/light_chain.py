"""A chain whose blocks are signed by known keys, answered as CometBFT's RPC does."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from ics.cosmos import answers, light

CHAIN_ID = "consumer-1"


def key_of(number: int) -> ed25519.Ed25519PrivateKey:
    """Return the private key of a validator by its number."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % number).digest())


def member(number: int, power: int) -> light.Member:
    """Return a member of a validator set by its number."""
    return light.Member(key_of(number).public_key().public_bytes_raw(), power)


def text(time: light.Time) -> str:
    """Return a time within the first day of 2026 as CometBFT writes it."""
    seconds = time.seconds - 1767225600
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    decimals = f".{time.nanos:09}".rstrip("0").rstrip(".")
    return f"2026-01-01T{clock}{decimals}Z"


@dataclass
class LightChain:
    """A chain with one block a second, whose validator set changes where it is told to."""

    sets: Mapping[int, Mapping[int, int]]
    """Powers by the validators' numbers, by the first height of the set."""
    chain_id: str = CHAIN_ID
    mute: frozenset[int] = frozenset()
    """Validators that sign nothing."""
    headers: dict[int, light.Header] = field(default_factory=dict)

    def members(self, height: int) -> tuple[light.Member, ...]:
        """Return the validator set in CometBFT's order: by power, then by address."""
        powers = self.sets[max(first for first in self.sets if first <= height)]
        found = [member(number, power) for number, power in powers.items()]
        return tuple(sorted(found, key=lambda one: (-one.power, one.address)))

    def numbers(self, height: int) -> dict[bytes, int]:
        """Return the validators' numbers by their addresses."""
        powers = self.sets[max(first for first in self.sets if first <= height)]
        return {member(number, power).address: number for number, power in powers.items()}

    def header(self, height: int) -> light.Header:
        """Return the header of a height, which follows the one before it."""
        if height not in self.headers:
            last = light.BlockId(b"", 0, b"")
            if height > 1:
                before = self.header(height - 1).hash
                last = light.BlockId(before, 1, _digest("parts", height - 1))
            self.headers[height] = light.Header(
                block_version=11,
                app_version=0,
                chain_id=self.chain_id,
                height=height,
                time=light.Time(1767225600 + height, 123_456_789),
                last_block_id=last,
                last_commit_hash=_digest("commit", height),
                data_hash=_digest("data", height),
                validators_hash=light.validators_hash(self.members(height)),
                next_validators_hash=light.validators_hash(self.members(height + 1)),
                consensus_hash=_digest("consensus", 0),
                app_hash=_digest("app", height),
                last_results_hash=_digest("results", height),
                evidence_hash=_digest("evidence", height),
                proposer_address=self.members(height)[0].address,
            )
        return self.headers[height]

    def state(self, height: int) -> light.ConsensusState:
        """Return what a client knows of a height."""
        header = self.header(height)
        return light.ConsensusState(
            height=height,
            time=header.time,
            app_hash=header.app_hash,
            next_validators_hash=header.next_validators_hash,
        )

    def signed(self, height: int, header: light.Header | None = None) -> light.SignedHeader:
        """Return a header, by default the chain's own, with the signatures of the validators that are not mute."""
        header = header or self.header(height)
        block_id = light.BlockId(header.hash, 1, _digest("parts", height))
        unsigned = light.SignedHeader(header=header, round=0, block_id=block_id, signatures=())
        numbers = self.numbers(height)
        votes = []
        for one in self.members(height):
            if numbers[one.address] not in self.mute:
                vote = light.CommitSignature(one.address, light.Time(header.time.seconds + 1, 7), b"")
                signature = key_of(numbers[one.address]).sign(light.sign_bytes(unsigned, vote))
                votes.append(light.CommitSignature(vote.address, vote.time, signature))
        return light.SignedHeader(header=header, round=0, block_id=block_id, signatures=tuple(votes))

    def commit(self, height: int) -> dict[str, Any]:
        """Return the result of `/commit`."""
        return commit_json(self.signed(height))

    def validators(self, height: int) -> dict[str, Any]:
        """Return the result of `/validators`, whose one page has all members."""
        return validators_json(height, self.members(height))


def validators_json(height: int, members: Sequence[light.Member]) -> dict[str, Any]:
    """Return the result of `/validators`."""
    listed = [
        {
            "address": one.address.hex().upper(),
            "pub_key": {"type": "tendermint/PubKeyEd25519", "value": _base64(one.key)},
            "voting_power": str(one.power),
            "proposer_priority": "-1",
        }
        for one in members
    ]
    count = str(len(members))
    return {"block_height": str(height), "validators": listed, "count": count, "total": count}


def commit_json(signed: light.SignedHeader) -> dict[str, Any]:
    """Return the result of `/commit`, with a vote for nothing and an absent one beside the signatures."""
    header = signed.header
    version = {"block": str(header.block_version)}
    if header.app_version:
        version["app"] = str(header.app_version)
    hashes = (
        *("last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash"),
        *("app_hash", "last_results_hash", "evidence_hash", "proposer_address"),
    )
    signatures = [
        {
            "block_id_flag": 2,
            "validator_address": one.address.hex().upper(),
            "timestamp": text(one.time),
            "signature": _base64(one.signature),
        }
        for one in signed.signatures
    ]
    absent = {"validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": None}
    return {
        "signed_header": {
            "header": {
                "version": version,
                "chain_id": header.chain_id,
                "height": str(header.height),
                "time": text(header.time),
                "last_block_id": _block_id_json(header.last_block_id),
                **{name: getattr(header, name).hex().upper() for name in hashes},
            },
            "commit": {
                "height": str(header.height),
                "round": signed.round,
                "block_id": _block_id_json(signed.block_id),
                "signatures": [*signatures, {"block_id_flag": 1, **absent}, {"block_id_flag": 3, **absent}],
            },
        },
        "canonical": True,
    }


def parsed(result: Mapping[str, Any]) -> light.SignedHeader:
    """Parse the result of `/commit`."""
    return light.parse(answers.Field("/commit", result))


def _block_id_json(block_id: light.BlockId) -> dict[str, Any]:
    parts = {"total": block_id.parts, "hash": block_id.parts_hash.hex().upper()}
    return {"hash": block_id.hash.hex().upper(), "parts": parts}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _digest(what: str, number: int) -> bytes:
    return hashlib.sha256(f"{what}{number}".encode()).digest()
