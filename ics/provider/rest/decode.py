"""Answers of the provider's REST gateway, turned into the values of `ics.model`; pure.

The gateway writes 64-bit integers as text, bytes as base64, and every field even when it is empty
(gogogateway JSONPb with OrigName and EmitDefaults). Field names are those of interchain-security v7,
proto/interchain_security/ccv/provider/v1/query.proto, and of cosmos-sdk v0.50.

Every function raises `Permanent`, naming the query and the field, for an answer of another shape.
"""

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from ics import errors, model
from ics.cosmos import addresses
from ics.provider import heads

UNSET_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time: no spawn time is set."""

_WHOLE = re.compile(r"[0-9]{1,78}")
_DURATION = re.compile(r"([0-9]+)(\.[0-9]+)?s")
_T = TypeVar("_T")


class Field:
    """A place in an answer; reading it checks its shape. It is never changed.

    No dataclass, and its path is put together only to be shown: a pass reads hundreds of thousands.
    """

    __slots__ = ("_step", "_within", "query", "value")

    def __init__(self, query: str, value: Any, within: "Field | None" = None, step: str | int = "") -> None:
        """The whole answer, or a part of another place under a name or an index."""
        self.query = query
        self.value = value
        self._within = within
        self._step = step

    @property
    def path(self) -> str:
        """As `validators[3].tokens`, empty for the whole answer."""
        if self._within is None:
            return ""
        before = self._within.path
        if isinstance(self._step, int):
            return f"{before}[{self._step}]"
        return f"{before}.{self._step}" if before else self._step

    def fail(self, wanted: str) -> NoReturn:
        """Raise for this place."""
        found = repr(self.value)
        found = found if len(found) <= 80 else found[:77] + "..."
        raise errors.Permanent(
            f"answer to {self.query}: field {self.path or '(whole)'} is {found}, not {wanted}: "
            "the endpoint is broken or speaks another version"
        )

    def __getitem__(self, name: str) -> "Field":
        if not isinstance(self.value, dict) or name not in self.value:
            self.fail(f"an object with {name!r}")
        return Field(self.query, self.value[name], self, name)

    def has(self, name: str) -> bool:
        """Whether this is an object with that key."""
        return isinstance(self.value, dict) and name in self.value

    def __iter__(self) -> Iterator["Field"]:
        if not isinstance(self.value, list):
            self.fail("a list")
        for index, item in enumerate(self.value):
            yield Field(self.query, item, self, index)

    def mapping(self) -> dict[str, Any]:
        """The object itself."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        return self.value

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            self.fail("text")
        return self.value

    def boolean(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def whole(self) -> int:
        """A whole number, not negative, as number or as text."""
        value = self.value
        text = value if isinstance(value, str) else str(value) if type(value) is int else ""
        if not _WHOLE.fullmatch(text):
            self.fail("a whole number")
        return int(text)

    def bytes(self) -> bytes:
        """Bytes, from base64; null is how the gateway writes none."""
        if self.value is None:
            return b""
        try:
            return base64.b64decode(self.text(), validate=True)
        except (binascii.Error, ValueError):
            self.fail("base64")

    def seconds(self) -> int:
        """A duration such as `540s` in whole seconds; a fraction is dropped (shorter is the safe side)."""
        match = _DURATION.fullmatch(self.text())
        if match is None:
            self.fail("a duration such as 540s")
        return int(match[1])

    def time(self) -> str:
        """A time, RFC 3339, as the chain wrote it."""
        try:
            moment = datetime.datetime.fromisoformat(self.text())
        except ValueError:
            self.fail("a time")
        if moment.tzinfo is None:
            self.fail("a time with its zone")
        return self.text()

    def parsed(self, parse: Callable[[Any], _T], wanted: str) -> _T:
        """The value by a parser of `ics.cosmos.addresses`."""
        try:
            return parse(self.value)
        except errors.SettingsError:
            self.fail(wanted)


def head(node_info: Field, status: Field) -> heads.Head:
    """From `node_info` (chain id) and the node service's `status` (newest committed state).

    Not from the newest block: it is stored before it is executed, so its height cannot be asked for yet,
    and it may be megabytes.
    """
    return heads.Head(
        chain_id=node_info["default_node_info"]["network"].text(),
        height=status["height"].whole(),
        time=status["timestamp"].time(),
    )


def rpc_head(status: Field) -> heads.Head:
    """From the answer of CometBFT's `/status`."""
    result = status["result"]
    return heads.Head(
        chain_id=result["node_info"]["network"].text(),
        height=int(result["sync_info"]["latest_block_height"].text()),
        time=result["sync_info"]["latest_block_time"].time(),
    )


def next_key(answer: Field) -> str:
    """Key of the next page (base64), empty on the last one."""
    key = answer["pagination"]["next_key"]
    return "" if key.value is None else key.text()


def validators(answer: Field) -> list[model.Validator]:
    """One page of the staking module's validators."""
    return [validator(item) for item in answer["validators"]]


def validator(item: Field) -> model.Validator:
    """One validator of the staking module."""
    operator = item["operator_address"]
    prefix, _ = operator.parsed(addresses.decode, "an operator address")
    key = item["consensus_pubkey"].parsed(addresses.parse_consensus_pubkey, "an ed25519 key")
    return model.Validator(
        operator_address=operator.text(),
        consensus_address=addresses.encode(
            prefix.removesuffix("valoper") + "valcons", addresses.consensus_address(key)
        ),
        consensus_key=key,
        moniker=item["description"]["moniker"].text(),
        details=item["description"]["details"].text(),
        tokens=item["tokens"].whole(),
        is_bonded=item["status"].text() == "BOND_STATUS_BONDED",
        is_jailed=item["jailed"].boolean(),
    )


def consumer_chains(answer: Field) -> list[model.ConsumerSummary]:
    """One page of `consumer_chains`."""
    return [
        model.ConsumerSummary(
            consumer_id=str(item["consumer_id"].whole()),
            chain_id=item["chain_id"].text(),
            phase=phase(item["phase"]),
            client_id=item["client_id"].text(),
            top_n=item["top_N"].whole(),
            name=item["metadata"]["name"].text(),
        )
        for item in answer["chains"]
    ]


def phase(field: Field) -> model.Phase:
    """A phase, with the chain's prefix or without."""
    try:
        return model.Phase(field.text().removeprefix("CONSUMER_PHASE_"))
    except ValueError:
        field.fail("a CONSUMER_PHASE_… of this version")


def consumer_ids(answer: Field) -> frozenset[str]:
    """`consumer_chains_per_validator`: the chains that a validator has to validate."""
    return frozenset(str(item.whole()) for item in answer["consumer_ids"])


def opted_in(answer: Field) -> frozenset[str]:
    """`opted_in_validators`: valcons addresses on the provider."""
    return frozenset(item.text() for item in answer["validators_provider_addresses"])


def consumer_validators(answer: Field) -> tuple[model.ConsumerValidator, ...]:
    """`consumer_validators`, in the chain's order."""
    return tuple(_consumer_validator(item) for item in answer["validators"])


def _consumer_validator(item: Field) -> model.ConsumerValidator:
    key = item["consumer_key"]["ed25519"]
    raw = key.bytes()
    if len(raw) != 32:
        key.fail("an ed25519 key of 32 bytes")
    return model.ConsumerValidator(
        consensus_address=item["provider_address"].text(),
        consumer_key=raw,
        power=item["consumer_power"].whole(),
    )


def consumer_address(answer: Field) -> bytes | None:
    """`validator_consumer_addr`: address of the assigned consumer key, None when none is assigned."""
    field = answer["consumer_address"]
    if field.text() == "":
        return None
    _, raw = field.parsed(addresses.decode, "a consensus address")
    return raw


def is_key_used(answer: Field) -> bool:
    """`validator_provider_addr`: whether a consumer key is anybody's on a chain, or was lately."""
    return answer["provider_address"].text() != ""


def genesis_state(answer: Field) -> dict[str, Any]:
    """`consumer_genesis`: what goes into `app_state.ccvconsumer`, as it is."""
    return answer["genesis_state"].mapping()


def consumer_detail(
    chain: Field,
    opted_in: frozenset[str],
    validators: tuple[model.ConsumerValidator, ...],
    own_consumer_address: bytes | None,
) -> model.ConsumerDetail:
    """From `consumer_chain/{id}` and what the three other queries of the chain gave."""
    params = chain["init_params"]
    spawn_time = params["spawn_time"].time()
    return model.ConsumerDetail(
        owner=chain["owner_address"].text(),
        spawn_time=None if spawn_time == UNSET_TIME else spawn_time,
        initial_height=params["initial_height"]["revision_height"].whole(),
        genesis_hash=params["genesis_hash"].bytes(),
        binary_hash=params["binary_hash"].bytes(),
        unbonding_period=params["unbonding_period"].seconds(),
        # Versions before 6.4 have no changeover by connection, and so no such field.
        connection_id=params["connection_id"].text() if params.has("connection_id") else "",
        opted_in=opted_in,
        validators=validators,
        own_consumer_address=own_consumer_address,
    )
