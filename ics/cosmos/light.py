"""Proofs of a chain's headers, without trusting whoever sends them; pure.

A header is proven by what the provider knows of the chain: the keys that validate it, and the consensus state that the
provider's own IBC client of it has verified. The format is that of CometBFT v0.38 (types/block.go `Header.Hash`,
types/canonical.go, crypto/merkle/tree.go, types/validator.go `SimpleValidator`, proto/tendermint/types).
"""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ics import errors
from ics.cosmos import answers, times

MOST_VALIDATORS: Final = 10_000
"""Members of a validator set, and so signatures of a commit (types/vote_set.go, `MaxVotesCount`)."""
_COMMITTED: Final = 2
"""BlockIDFlagCommit: the signature is for the block itself (1 is absent, 3 is nil)."""
_PRECOMMIT: Final = 2
"""SignedMsgType of the votes in a commit."""
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_VARINT, _FIXED64, _BYTES = 0, 1, 2
"""Wire types of protobuf."""


class NotProven(errors.Transient):
    """What a server said of a header contradicts what the provider knows, or lacks signatures."""


@dataclass(frozen=True, slots=True)
class Time:
    """A time of a block, exact."""

    seconds: int
    """Since 1970."""
    nanos: int


@dataclass(frozen=True, slots=True)
class BlockId:
    """Identity of a block."""

    hash: bytes
    parts: int
    parts_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Header of a block."""

    block_version: int
    app_version: int
    chain_id: str
    height: int
    time: Time
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes

    @property
    def hash(self) -> bytes:
        """Hash of the block (32 bytes)."""
        return merkle_root(
            (
                _number(1, self.block_version) + _number(2, self.app_version),
                _text(1, self.chain_id.encode()),
                _number(1, self.height),
                _time(self.time),
                _block_id(self.last_block_id),
                _text(1, self.last_commit_hash),
                _text(1, self.data_hash),
                _text(1, self.validators_hash),
                _text(1, self.next_validators_hash),
                _text(1, self.consensus_hash),
                _text(1, self.app_hash),
                _text(1, self.last_results_hash),
                _text(1, self.evidence_hash),
                _text(1, self.proposer_address),
            )
        )


@dataclass(frozen=True, slots=True)
class CommitSignature:
    """One validator's precommit for a block."""

    address: bytes
    time: Time
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHeader:
    """A header, and the commit that a server gave with it."""

    header: Header
    round: int
    block_id: BlockId
    signatures: tuple[CommitSignature, ...]
    """Only those for the block itself."""


@dataclass(frozen=True, slots=True)
class Member:
    """Member of a validator set."""

    key: bytes
    """ed25519, 32 bytes; of another kind it is empty, and counts as a member that did not sign."""
    power: int

    @property
    def address(self) -> bytes:
        """Address (20 bytes)."""
        return hashlib.sha256(self.key).digest()[:20]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusState:
    """What the provider's IBC client of a chain has verified of one of its headers."""

    height: int
    time: Time
    app_hash: bytes
    next_validators_hash: bytes

    @property
    def moment(self) -> datetime.datetime:
        """Its time, truncated to microseconds."""
        return _EPOCH + datetime.timedelta(seconds=self.time.seconds, microseconds=self.time.nanos // 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """What the provider's IBC client of a chain knows of it."""

    latest_height: int
    """Height of its newest header: the chain has at least this one."""
    trusting_period: datetime.timedelta
    is_frozen: bool
    """Whether it was frozen by evidence that the chain signed two blocks at one height."""
    states: tuple[ConsensusState, ...]
    """Consensus states that it has not forgotten, with ascending heights."""


def parse_time(field: answers.Field) -> Time:
    """Return an exact time since 1970; raises MalformedAnswer."""
    try:
        time = Time(*times.parse_unix_time(field.text()))
    except ValueError:
        field.fail("a time with its zone")
    if time.seconds < 0:
        field.fail("a time since 1970")
    return time


def parse(result: answers.Field) -> SignedHeader:
    """Return the header and the commit in the result of CometBFT's `/commit`.

    Raises:
        MalformedAnswer: it has another shape.
    """
    signed = result["signed_header"]
    header, commit = signed["header"], signed["commit"]
    if header["height"].integer() != commit["height"].integer():
        commit["height"].fail("the height of the header")
    signatures = commit["signatures"]
    if isinstance(signatures.value, list) and len(signatures.value) > MOST_VALIDATORS:
        signatures.fail(f"a list of at most {MOST_VALIDATORS} signatures")
    return SignedHeader(
        header=Header(
            block_version=_optional(header["version"], "block"),
            app_version=_optional(header["version"], "app"),
            chain_id=header["chain_id"].text(),
            height=_fitting(header["height"], 63),
            time=parse_time(header["time"]),
            last_block_id=_parsed_block_id(header["last_block_id"]),
            last_commit_hash=header["last_commit_hash"].hex(),
            data_hash=header["data_hash"].hex(),
            validators_hash=header["validators_hash"].hex(),
            next_validators_hash=header["next_validators_hash"].hex(),
            consensus_hash=header["consensus_hash"].hex(),
            app_hash=header["app_hash"].hex(),
            last_results_hash=header["last_results_hash"].hex(),
            evidence_hash=header["evidence_hash"].hex(),
            proposer_address=header["proposer_address"].hex(),
        ),
        round=_fitting(commit["round"], 31),
        block_id=_parsed_block_id(commit["block_id"]),
        signatures=tuple(
            CommitSignature(
                one["validator_address"].hex(), parse_time(one["timestamp"]), one["signature"].base64()
            )
            for one in signatures
            if one["block_id_flag"].value == _COMMITTED
        ),
    )


def parse_members(result: answers.Field) -> tuple[Member, ...]:
    """Return the members on one page of CometBFT's `/validators`, in its order.

    Raises:
        MalformedAnswer: it has another shape, or a key is not ed25519.
    """
    return tuple(_parsed_member(one) for one in result["validators"])


def _parsed_member(field: answers.Field) -> Member:
    key = field["pub_key"]["value"].base64()
    if field["pub_key"]["type"].text() != "tendermint/PubKeyEd25519" or len(key) != 32:
        field["pub_key"].fail("an ed25519 key")
    return Member(key, _fitting(field["voting_power"], 63))


def _parsed_block_id(field: answers.Field) -> BlockId:
    parts = field["parts"]
    return BlockId(field["hash"].hex(), _fitting(parts["total"], 32), parts["hash"].hex())


def _optional(field: answers.Field, name: str) -> int:
    """Return a number that CometBFT leaves out if it is 0."""
    value = field.get(name)
    return 0 if value is None else _fitting(value, 64)


def _fitting(field: answers.Field, bits: int) -> int:
    number = field.integer()
    if number >= 2**bits:
        field.fail(f"a number of {bits} bits")
    return number


def validators_hash(members: Sequence[Member]) -> bytes:
    """Return the hash of a validator set in CometBFT's order (32 bytes)."""
    return merkle_root([_text(1, _text(1, one.key)) + _number(2, one.power) for one in members])


def sign_bytes(signed: SignedHeader, signature: CommitSignature) -> bytes:
    """Return the bytes that a validator signed with its vote for a block."""
    block_id = signed.block_id
    parts = _number(1, block_id.parts) + _text(2, block_id.parts_hash)
    vote = b"".join(
        (
            _number(1, _PRECOMMIT),
            _fixed(2, signed.header.height),
            _fixed(3, signed.round),
            _message(4, _text(1, block_id.hash) + _message(2, parts)),
            _message(5, _time(signature.time)),
            _text(6, signed.header.chain_id.encode()),
        )
    )
    return _varint(len(vote)) + vote


def signed_power(signed: SignedHeader, members: Sequence[Member]) -> int:
    """Return the power of the members whose signatures for the header are valid; each counts once."""
    by_address: dict[bytes, Member] = {one.address: one for one in members if one.key}
    power = 0
    for one in signed.signatures:
        member = by_address.get(one.address)
        if member is not None and _is_valid(member.key, one.signature, sign_bytes(signed, one)):
            power += member.power
            del by_address[one.address]
    return power


def _is_valid(key: bytes, signature: bytes, message: bytes) -> bool:
    # It takes a while to import, and most passes prove nothing.
    from cryptography import exceptions
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (exceptions.InvalidSignature, ValueError):
        return False
    return True


def check_known(signed: SignedHeader, chain_id: str, state: ConsensusState) -> None:
    """Check that a header of a chain is the one that the provider's IBC client has verified.

    Its other fields are not proven by that: see `check_signed` and `check_linked`.

    Raises:
        NotProven: it is another.
    """
    header = signed.header
    _check_identity(header, chain_id, state.height)
    same: Mapping[str, bool] = {
        "time": header.time == state.time,
        "app hash": header.app_hash == state.app_hash,
        "next validators": header.next_validators_hash == state.next_validators_hash,
    }
    different = [name for name, is_same in same.items() if not is_same]
    if different:
        raise NotProven(
            f"the header at height {header.height} has another {' and '.join(different)} than the provider's IBC client"
        )


def check_signed(signed: SignedHeader, chain_id: str, height: int, members: Sequence[Member]) -> None:
    """Check that more than two thirds of a validator set signed this very header of a chain.

    Raises:
        NotProven: they did not; the message says what is wrong, without naming who sent it.
    """
    header = signed.header
    _check_identity(header, chain_id, height)
    if signed.block_id.hash != header.hash:
        raise NotProven(f"the commit at height {height} is for another header")
    total = sum(one.power for one in members)
    power = signed_power(signed, members)
    if 3 * power <= 2 * total:
        raise NotProven(
            f"the header at height {height} is signed by {power} of {total} units of power, which is not more than two"
            " thirds"
        )


def check_linked(
    signed: SignedHeader, chain_id: str, following: SignedHeader, members: Sequence[Member]
) -> None:
    """Check a header by the one after it, which the validators sign that the first one names as the next.

    With a header that the provider's client knows, this proves it also while the provider's set is ahead of the
    chain's, because the client's consensus state names the next validators.

    Args:
        signed: the header.
        chain_id: of its chain.
        following: that of the next height.
        members: the validator set of the next height, in CometBFT's order.

    Raises:
        NotProven: it is not proven.
    """
    header = signed.header
    if validators_hash(members) != header.next_validators_hash:
        raise NotProven(
            f"the validators at height {header.height + 1} are not those that the header before names"
        )
    check_signed(following, chain_id, header.height + 1, members)
    if following.header.last_block_id.hash != header.hash:
        raise NotProven(f"the header at height {header.height + 1} does not follow that at {header.height}")


def _check_identity(header: Header, chain_id: str, height: int) -> None:
    if header.chain_id != chain_id:
        raise NotProven(f"the header is of chain {answers.shown(header.chain_id)}, not of {chain_id}")
    if header.height != height:
        raise NotProven(f"the header is of height {header.height}, not of {height}")


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a merkle tree (RFC 6962 with SHA-256, as in CometBFT)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(tag: int, number: int) -> bytes:
    """Return a field with a number, which is left out if it is 0; a negative one takes 64 bits."""
    return _varint(tag << 3 | _VARINT) + _varint(number % 2**64) if number else b""


def _fixed(tag: int, number: int) -> bytes:
    return _varint(tag << 3 | _FIXED64) + number.to_bytes(8, "little") if number else b""


def _text(tag: int, content: bytes) -> bytes:
    """Return a field with bytes or a text, which is left out if it is empty."""
    return _message(tag, content) if content else b""


def _message(tag: int, content: bytes) -> bytes:
    """Return a field with a message, which is written even if it is empty."""
    return _varint(tag << 3 | _BYTES) + _varint(len(content)) + content


def _time(time: Time) -> bytes:
    return _number(1, time.seconds) + _number(2, time.nanos)


def _block_id(block_id: BlockId) -> bytes:
    parts = _number(1, block_id.parts) + _text(2, block_id.parts_hash)
    return _text(1, block_id.hash) + _message(2, parts)
