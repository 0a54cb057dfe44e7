"""A consumer chain as its owner describes it, and what an owner may order; pure.

Names are those of the provider module (interchain-security v7), values are written for people: durations as
`24h`, hashes in hex, times in RFC 3339. The provider replaces whole structures, so an order holds each
structure whole or not at all.
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

import pydantic

from ics import errors, model
from ics.config import overrides, settings

SECOND: Final = 10**9
"""Nanoseconds."""
FOREVER: Final = 2**63 - 1
"""The longest duration of the chain; as a jail duration it means for good."""

_DURATION = re.compile(r"([0-9]+)(?:\.([0-9]{1,9}))?(s|m|h|d)")
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86400 * SECOND}
_HASH = re.compile(r"([0-9a-f]{2}){0,64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_REVISION = re.compile(r"[^\n-]-([1-9][0-9]*)\Z")
_FRACTION = re.compile(r"[0-9]+(\.[0-9]{1,18})?")


def nanoseconds(text: object) -> int:
    """Turn `24h`, `540s`, `1.5s`, `2d` or `forever` into nanoseconds.

    Raises:
        ValueError: it is no duration.
    """
    if text == "forever":
        return FOREVER
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and s, m, h or d, such as 24h")
    whole, part, unit = match.groups()
    # In whole numbers: a duration that is sent back must be the very one that was read.
    return int(whole) * _UNITS[unit] + int((part or "").ljust(9, "0")) * _UNITS[unit] // SECOND


def duration(value: int) -> str:
    """Nanoseconds as they are written: the opposite of `nanoseconds`."""
    if value == FOREVER:
        return "forever"
    for unit in ("h", "m", "s"):
        if value and value % _UNITS[unit] == 0:
            return f"{value // _UNITS[unit]}{unit}"
    whole, part = divmod(value, SECOND)
    return f"{whole}.{part:09}".rstrip("0").rstrip(".") + "s"


def _hash(value: object) -> str:
    text = str(value).lower()
    if not isinstance(value, str) or not _HASH.fullmatch(text):
        raise ValueError(f"{value!r} is no hash: write at most 64 bytes in hex, such as a sha256")
    return text


def _spawn_time(value: object) -> str | None:
    if value in (None, "", "none"):
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:  # YAML reads times by itself
        value = value.isoformat()
    text = value if isinstance(value, str) else str(value)
    try:
        moment(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time with its zone: write it as 2030-01-31T12:00:00Z, or none"
        ) from None
    return text


def moment(text: str) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds of an RFC 3339 time.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    whole = datetime.datetime.fromisoformat(match[1] + match[3])
    return int(whole.timestamp()), int((match[2] or "").ljust(9, "0"))


def fraction(value: object) -> str:
    """A decimal number from 0 to 1, as text.

    Raises:
        ValueError: it is none.
    """
    text = str(value)
    if isinstance(value, bool) or not _FRACTION.fullmatch(text) or Decimal(text) > 1:
        raise ValueError(f"{value!r} is no fraction: write a number from 0 to 1, such as 0.05")
    return text


def legacy_dec(text: str) -> str:
    """A decimal number as the chain has it on the wire: the digits of it times 10^18."""
    return str(int(Decimal(text).scaleb(18)))


def revision(chain_id: str) -> int:
    """A chain id's revision number: what follows its last dash, else 0 (ibc-go, `ParseChainID`)."""
    match = _REVISION.search(chain_id)
    return int(match[1]) if match else 0


Duration = Annotated[int, pydantic.BeforeValidator(nanoseconds), pydantic.PlainSerializer(duration)]
"""Nanoseconds, written as `24h`."""
Hash = Annotated[str, pydantic.BeforeValidator(_hash)]
"""Hex of at most 64 bytes; empty: not stated."""
Fraction = Annotated[str, pydantic.BeforeValidator(fraction)]
"""A decimal number from 0 to 1."""


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Metadata(_Frozen):
    """What people read of a chain; the provider wants none of it empty."""

    name: str = pydantic.Field(min_length=1, max_length=50)
    description: str = pydantic.Field(min_length=1, max_length=10000)
    metadata: str = pydantic.Field(min_length=1, max_length=255)
    """Such as the address of its repository."""


class Initialization(_Frozen):
    """What a chain is launched with; it can be changed until the launch."""

    initial_height: int = pydantic.Field(default=1, ge=1)
    """Its revision follows from the chain id, as the provider wants it."""
    genesis_hash: Hash = ""
    """Of the published genesis, without what the provider adds."""
    binary_hash: Hash = ""
    spawn_time: Annotated[str | None, pydantic.BeforeValidator(_spawn_time)] = None
    """RFC 3339, as it was written; None: the chain is only REGISTERED."""
    unbonding_period: Duration = 24 * 3600 * SECOND
    ccv_timeout_period: Duration = 72 * 3600 * SECOND
    transfer_timeout_period: Duration = 3600 * SECOND
    consumer_redistribution_fraction: Fraction = "0.75"
    """Of the consumer's rewards, what stays on the consumer."""
    blocks_per_distribution_transmission: int = pydantic.Field(default=1000, ge=1)
    historical_entries: int = pydantic.Field(default=10000, ge=1)
    distribution_transmission_channel: str = ""
    connection_id: str = ""
    """Of a sovereign chain that changes over; empty for a new chain."""


class PowerShaping(_Frozen):
    """Who validates, and with which power."""

    top_N: int = pydantic.Field(default=0, ge=0, le=100)
    """0, or 50 to 100: that percentage of the provider's power must validate; only for governance."""
    validators_power_cap: int = pydantic.Field(default=0, ge=0, le=100)
    """Most per cent of the power that one validator may have; 0: no cap."""
    validator_set_cap: int = pydantic.Field(default=0, ge=0)
    """Most validators; 0: no cap."""
    allowlist: tuple[str, ...] = ()
    """valcons addresses on the provider; when there are some, nobody else may validate."""
    denylist: tuple[str, ...] = ()
    """valcons addresses that may not validate."""
    min_stake: int = pydantic.Field(default=0, ge=0)
    """Least tokens on the provider."""
    allow_inactive_vals: bool = False
    prioritylist: tuple[str, ...] = ()
    """valcons addresses that come first."""


class SlashJail(_Frozen):
    """What an infraction on the consumer costs a validator on the provider."""

    slash_fraction: Fraction
    jail_duration: Duration
    """`forever`: for good."""
    tombstone: bool = False


class Infraction(_Frozen):
    """Infraction parameters; what is None is left as it is, or taken from the provider's own."""

    double_sign: SlashJail | None = None
    downtime: SlashJail | None = None


class Terms(_Frozen):
    """All that an owner says of a chain."""

    chain_id: str = pydantic.Field(min_length=1, max_length=50)
    metadata: Metadata
    initialization_parameters: Initialization = Initialization()
    power_shaping_parameters: PowerShaping = PowerShaping()
    infraction_parameters: Infraction | None = None
    """None: the provider's own."""
    allowlisted_reward_denoms: tuple[str, ...] | None = None
    """`ibc/…` denominations in which the chain may pay rewards; None: not known, left as they are."""

    def as_dict(self) -> dict[str, Any]:
        """As it is written in a file."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class Found:
    """A consumer chain as the provider has it."""

    consumer_id: str
    phase: model.Phase
    owner: str
    client_id: str
    """Empty before the launch."""
    terms: Terms

    @property
    def is_prelaunch(self) -> bool:
        """The launch is still to come, so that everything may be changed."""
        return self.phase in (model.Phase.REGISTERED, model.Phase.INITIALIZED)


@dataclass(frozen=True, slots=True)
class Create:
    """The order to create a consumer chain."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Update:
    """The order to change a consumer chain; a structure that is None stays as it is."""

    consumer_id: str
    chain_id: str
    """The one that it has, or is to have."""
    is_renamed: bool = False
    new_owner: str = ""
    metadata: Metadata | None = None
    initialization_parameters: Initialization | None = None
    power_shaping_parameters: PowerShaping | None = None
    infraction_parameters: Infraction | None = None
    allowlisted_reward_denoms: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """The order to stop a launched consumer chain, which the provider deletes an unbonding period later."""

    consumer_id: str
    chain_id: str


Order: TypeAlias = Create | Update | Remove
"""What only the owner of a chain may send."""


def created(values: Mapping[str, Any], origin: str) -> Terms:
    """What a chain is created with: these values over the defaults.

    Args:
        values: nested, by the names of the chain; what is missing has its default.
        origin: of the values, for the messages.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    chain_id = str(values.get("chain_id", ""))
    metadata = {"name": chain_id, "description": f"consumer chain {chain_id}", "metadata": "{}"}
    return _checked(overrides.merged({"metadata": metadata}, values), origin)


def changed(terms: Terms, values: Mapping[str, Any], origin: str) -> Terms:
    """These values over what is on the chain.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    return _checked(overrides.merged(terms.as_dict(), values), origin)


def _checked(values: Mapping[str, Any], origin: str) -> Terms:
    try:
        return Terms.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*settings.problems(error, Terms, origin)) from error


def update(found: Found, new: Terms, new_owner: str = "") -> Update | None:
    """The order that makes a chain what it should be; None when it is so already.

    Only structures that differ are sent, each whole. Infraction parameters that are sent unchanged would
    cancel an earlier change of them that still waits (`UpdateQueuedInfractionParams`).

    Raises:
        SettingsError: something that cannot be changed any more, or no change at all can be made.
    """
    old = found.terms
    if found.phase in (model.Phase.STOPPED, model.Phase.DELETED):
        raise errors.SettingsError(
            f"consumer {found.consumer_id} ({old.chain_id}) is {found.phase}: nothing of it can be changed"
        )
    is_renamed = new.chain_id != old.chain_id
    initialization = new.initialization_parameters
    if is_renamed or initialization != old.initialization_parameters:
        if not found.is_prelaunch:
            raise errors.SettingsError(
                f"consumer {found.consumer_id} ({old.chain_id}) is {found.phase}: its chain id and initialization"
                " parameters cannot be changed after the launch: leave them out"
            )
        # The initial height's revision follows the chain id, so both are sent together.
        sent: Initialization | None = initialization
    else:
        sent = None
    order = Update(
        found.consumer_id,
        new.chain_id,
        is_renamed,
        "" if new_owner == found.owner else new_owner,
        None if new.metadata == old.metadata else new.metadata,
        sent,
        None
        if new.power_shaping_parameters == old.power_shaping_parameters
        else new.power_shaping_parameters,
        None if new.infraction_parameters == old.infraction_parameters else new.infraction_parameters,
        None
        if new.allowlisted_reward_denoms == old.allowlisted_reward_denoms
        else new.allowlisted_reward_denoms,
    )
    return None if order == Update(found.consumer_id, old.chain_id) else order


def differences(old: Terms, new: Terms) -> list[tuple[str, Any, Any]]:
    """(path, old value, new value) of every field that differs, sorted by path."""
    before, after = dict(leaves(old.as_dict())), dict(leaves(new.as_dict()))
    return [
        (path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything in nested mappings that is no mapping."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", inner
