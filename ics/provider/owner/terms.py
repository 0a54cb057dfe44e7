"""Terms of a consumer chain and the transactions of its owner; pure.

Names are those of the provider module (interchain-security v7); values are readable: durations such as `24h`,
hashes in hex, times in RFC 3339. The provider replaces whole structures, so a transaction contains each structure
completely or not at all.
"""

import datetime
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import pydantic

from ics import errors, model
from ics.config import base, overrides, settings, units
from ics.cosmos import identifiers, times
from ics.provider.owner import transactions

_HASH = re.compile(r"([0-9a-f]{2}){0,64}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_REVISION = re.compile(r"[^\n-]-([1-9][0-9]*)\Z")


def _hash(value: object) -> str:
    text = str(value).lower()
    if not isinstance(value, str) or not _HASH.fullmatch(text):
        raise ValueError(f"invalid hash {value!r}; use at most 64 bytes in hex, e.g. a sha256")
    return text


def _spawn_time(value: object) -> str | None:
    if value in (None, "", "none"):
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:  # YAML parses times
        value = value.isoformat()
    text = value if isinstance(value, str) else str(value)
    try:
        times.parse_unix_time(text)
    except ValueError:
        raise ValueError(
            f"invalid time {text!r}; use RFC 3339 with a time zone, e.g. 2030-01-31T12:00:00Z, or none"
        ) from None
    return text


def legacy_dec(text: str) -> str:
    """Return a decimal number in the chain's wire format: the digits of the number times 10^18."""
    return str(int(Decimal(text).scaleb(18)))


def revision(chain_id: str) -> int:
    """Return a chain id's revision number: the number after its last dash, else 0 (ibc-go, `ParseChainID`)."""
    match = _REVISION.search(chain_id)
    return int(match[1]) if match else 0


Hash = Annotated[str, pydantic.BeforeValidator(_hash)]
"""Hex of at most 64 bytes; empty: unspecified."""


_Model = TypeVar("_Model", bound=pydantic.BaseModel)


class Metadata(base.Frozen):
    """Description of a chain for people; the provider requires all of it."""

    name: str = pydantic.Field(min_length=1, max_length=50)
    description: str = pydantic.Field(min_length=1, max_length=10000)
    metadata: str = pydantic.Field(min_length=1, max_length=255)
    """Further information, such as the address of its repository."""


class Initialization(base.Frozen):
    """Launch parameters of a chain; they can be changed until the launch."""

    initial_height: int = pydantic.Field(default=1, ge=1)
    """Its revision number is derived from the chain id, as the provider requires."""
    genesis_hash: Hash = ""
    """Hash of the published genesis, without the CCV section that the provider adds."""
    binary_hash: Hash = ""
    spawn_time: Annotated[str | None, pydantic.BeforeValidator(_spawn_time)] = None
    """RFC 3339, exactly as written; None: the chain stays REGISTERED."""
    unbonding_period: units.Nanoseconds = 24 * 3600 * times.SECOND
    ccv_timeout_period: units.Nanoseconds = 72 * 3600 * times.SECOND
    transfer_timeout_period: units.Nanoseconds = 3600 * times.SECOND
    consumer_redistribution_fraction: units.Fraction = "0.75"
    """Share of the consumer's rewards that stays on the consumer."""
    blocks_per_distribution_transmission: int = pydantic.Field(default=1000, ge=1)
    historical_entries: int = pydantic.Field(default=10000, ge=1)
    distribution_transmission_channel: str = ""
    connection_id: str = ""
    """Connection of a sovereign chain in a changeover; empty for a new chain."""


class PowerShaping(base.Frozen):
    """Rules for the validators of a chain and their power."""

    top_N: int = pydantic.Field(default=0, ge=0, le=100)
    """0, or 50 to 100: percentage of the provider's power that must validate; only governance may set it."""
    validators_power_cap: int = pydantic.Field(default=0, ge=0, le=100)
    """Maximum percentage of the power of one validator; 0: no cap."""
    validator_set_cap: int = pydantic.Field(default=0, ge=0)
    """Maximum number of validators; 0: no cap."""
    allowlist: tuple[str, ...] = ()
    """valcons addresses on the provider; if not empty, only these may validate."""
    denylist: tuple[str, ...] = ()
    """valcons addresses that must not validate."""
    min_stake: int = pydantic.Field(default=0, ge=0)
    """Minimum tokens on the provider."""
    allow_inactive_vals: bool = False
    prioritylist: tuple[str, ...] = ()
    """valcons addresses that take precedence."""


class SlashJail(base.Frozen):
    """Penalty on the provider for an infraction on the consumer."""

    slash_fraction: units.Fraction
    jail_duration: units.Nanoseconds
    """`forever`: permanent."""
    tombstone: bool = False


class Infraction(base.Frozen):
    """Infraction parameters; None leaves a value unchanged, or uses the provider's own for a new chain."""

    double_sign: SlashJail | None = None
    downtime: SlashJail | None = None


class Terms(base.Frozen):
    """All parameters that an owner sets for a chain."""

    chain_id: str
    """Narrower than the provider, which accepts any text: no validator of this product joins another chain."""
    metadata: Metadata
    initialization_parameters: Initialization = Initialization.defaults()
    power_shaping_parameters: PowerShaping = PowerShaping.defaults()
    infraction_parameters: Infraction | None = None
    """None: the provider's own parameters."""
    allowlisted_reward_denoms: tuple[str, ...] | None = None
    """`ibc/…` denominations in which the chain may pay rewards; None: unknown, left unchanged."""

    @pydantic.field_validator("chain_id")
    @classmethod
    def _is_chain_id(cls, chain_id: str) -> str:
        try:
            identifiers.check_chain_id(chain_id)
        except errors.SettingsError as error:
            raise ValueError(str(error)) from error
        return chain_id

    def as_dict(self) -> dict[str, Any]:
        """Return the terms in the format of a file."""
        # A chain may have values that no owner may set, see `as_found`.
        return self.model_dump(mode="json", warnings=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedConsumer:
    """A consumer chain on the provider."""

    consumer_id: str
    phase: model.Phase
    owner: str
    client_id: str
    """Empty before the launch."""
    terms: Terms
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of its structures that this version does not know, by structure. They cannot be sent back, so such a
    structure is not changed."""

    @property
    def is_prelaunch(self) -> bool:
        """Whether the chain has not been launched, so that all terms may be changed."""
        return self.phase in (model.Phase.REGISTERED, model.Phase.INITIALIZED)


def parse_creation(values: Mapping[str, Any], origin: str) -> Terms:
    """Return the terms of a new chain: the given values over the defaults.

    Args:
        values: nested values with the chain's names.
        origin: source of the values, for the messages.

    Raises:
        SettingsError: with one line for each invalid key.
    """
    chain_id = str(values.get("chain_id", ""))
    metadata = {"name": chain_id, "description": f"consumer chain {chain_id}", "metadata": "{}"}
    return _checked(overrides.deep_merge({"metadata": metadata}, values), origin)


def parse_changes(terms: Terms, values: Mapping[str, Any], origin: str) -> Terms:
    """Return a chain's terms with the given values replaced.

    Only structures with a new value are checked, because only they are sent: what the chain accepted before it had
    rules for its parameters stays as it is until its owner changes it.

    Raises:
        SettingsError: with one line for each invalid key.
    """
    touched = {name for name in Terms.model_fields if name in values}
    if "chain_id" in touched:
        # The initial height's revision depends on the chain id, so both are sent together.
        touched.add("initialization_parameters")
    unknown = {name: value for name, value in values.items() if name not in Terms.model_fields}
    merged = overrides.deep_merge(terms.as_dict(), values)
    checked = _checked({**_SOUND, **{name: merged[name] for name in touched}, **unknown}, origin)
    return checked.model_copy(
        update={name: getattr(terms, name) for name in Terms.model_fields if name not in touched}
    )


_SOUND: Mapping[str, Any] = {"chain_id": "x", "metadata": {"name": "x", "description": "x", "metadata": "x"}}
"""Stands for the required structures that are not checked."""


def as_found(values: Mapping[str, Any]) -> Terms:
    """Return the terms of a chain as it has them, also what no owner may set today.

    Raises:
        ValueError: the values have another shape.
    """
    try:
        return Terms.model_validate(dict(values))
    except pydantic.ValidationError:
        return _unchecked(Terms, values)


def _unchecked(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Return a model in which each field that is not valid has the value that was found."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        value = values.get(name, info.get_default(call_default_factory=True))
        groups = [kind for kind in (info.annotation, *typing.get_args(info.annotation)) if _is_group(kind)]
        try:
            kind: Any = Annotated[info.annotation, info]
            found[name] = pydantic.TypeAdapter(kind).validate_python(value)
        except pydantic.ValidationError:
            is_group = bool(groups) and isinstance(value, Mapping)
            found[name] = _unchecked(groups[0], value) if is_group else _number(value)
    return model.model_construct(**found)


def _is_group(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _number(value: Any) -> Any:
    """Return a number for the text that the gateway writes for it, which has at most the 20 digits of a uint64."""
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _checked(values: Mapping[str, Any], origin: str) -> Terms:
    try:
        return Terms.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*settings.problems(error, Terms, origin)) from error


def update(consumer: OwnedConsumer, new: Terms, new_owner: str = "") -> transactions.UpdateConsumer | None:
    """Return the transaction that gives a chain new terms, or None if nothing changes.

    Only structures that differ are sent, each completely. Sending unchanged infraction parameters would cancel a
    queued change of them (`UpdateQueuedInfractionParams`).

    Raises:
        SettingsError: the chain or a parameter cannot be changed any more.
    """
    old = consumer.terms
    if consumer.phase in (model.Phase.STOPPED, model.Phase.DELETED):
        raise errors.SettingsError(
            f"consumer {consumer.consumer_id} ({old.chain_id}): the chain is {consumer.phase} and cannot be changed"
        )
    is_renamed = new.chain_id != old.chain_id
    initialization = new.initialization_parameters
    if is_renamed or initialization != old.initialization_parameters:
        if not consumer.is_prelaunch:
            raise errors.SettingsError(
                f"consumer {consumer.consumer_id} ({old.chain_id}): the chain id and initialization parameters of a"
                f" {consumer.phase} chain cannot be changed; leave them out"
            )
        # The initial height's revision depends on the chain id, so both are sent together.
        sent: Initialization | None = initialization
    else:
        sent = None
    order = transactions.UpdateConsumer(
        consumer_id=consumer.consumer_id,
        chain_id=new.chain_id,
        is_renamed=is_renamed,
        new_owner="" if new_owner == consumer.owner else new_owner,
        metadata=None if new.metadata == old.metadata else new.metadata,
        initialization_parameters=sent,
        power_shaping_parameters=None
        if new.power_shaping_parameters == old.power_shaping_parameters
        else new.power_shaping_parameters,
        infraction_parameters=None
        if new.infraction_parameters == old.infraction_parameters
        else new.infraction_parameters,
        allowlisted_reward_denoms=None
        if new.allowlisted_reward_denoms == old.allowlisted_reward_denoms
        else new.allowlisted_reward_denoms,
    )
    for name, members in consumer.unknown.items():
        if getattr(order, name) is not None:
            raise errors.SettingsError(
                f"consumer {consumer.consumer_id} ({old.chain_id}): {name} has {', '.join(members)}, which this version"
                " does not know and would remove; change it with the chain's own program"
            )
    nothing = transactions.UpdateConsumer(consumer_id=consumer.consumer_id, chain_id=old.chain_id)
    return None if order == nothing else order


def differences(old: Terms, new: Terms) -> list[tuple[str, Any, Any]]:
    """Return (path, old value, new value) of every field that differs, sorted by path."""
    before, after = dict(leaves(old.as_dict())), dict(leaves(new.as_dict()))
    return [
        (path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of every value in nested mappings that is not a mapping itself."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", inner
