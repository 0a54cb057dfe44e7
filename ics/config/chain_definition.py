"""Chain definitions: what an operator says about the consumer chains it is ready to run.

Anybody may create a consumer chain on a permissionless provider, so a chain is joined only when one
definition, and only one, matches its chain id, its owner and (where given) its consumer id.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydantic

from ics import errors
from ics.conditions import Reason
from ics.config import settings
from ics.cosmos import coins


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Match(_Frozen):
    """Which chains of the provider a definition is for."""

    chain_id: str = "*"
    """Exact chain id, or a pattern with * and ?."""
    owner: str = "any"
    """Owner's account address, or `any`."""
    consumer_id: str | None = pydantic.Field(default=None, pattern=r"^\d+$")
    """Exact consumer id."""


class Published(_Frozen):
    """A genesis file as its publishers distribute it."""

    file: str | None = None
    """Path relative to the definition's folder."""
    url: str | None = pydantic.Field(default=None, pattern=r"^https?://\S+$")
    """Address to fetch it from; asks for sha256, for what is fetched must be known beforehand."""
    sha256: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the file's bytes, lower-case hex."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "Published":
        if (self.file is None) == (self.url is None):
            raise ValueError("give just one of file and url")
        return self


class Fund(_Frozen):
    """Accounts that a completed genesis gives coins to."""

    relayers: str = ""
    """Coins for the published relayer address of each bonded validator, such as 100000000stake."""
    module_accounts: tuple[str, ...] = ()
    """Modules of the chain that have an account, beyond those that all chains have: nobody is funded there."""


class RewardDenoms(_Frozen):
    """Denominations in which the consumer pays rewards (CCV parameters)."""

    consumer: tuple[str, ...] = ()
    """`reward_denoms` of the consumer."""
    provider: tuple[str, ...] = ()
    """`provider_reward_denoms` of the consumer."""


class Genesis(_Frozen):
    """Where a chain's genesis comes from: completed here from `base`, or used as it is from `final`.

    With both, `final` is used, and the chain's `genesis_hash` is compared with the sha256 of `base`, which is
    not fetched: the owner states it before the launch, and a final file, with the CCV state, is made after it.
    """

    base: Published | None = None
    """Genesis without the CCV state, whose sha256 is the chain's `genesis_hash`."""
    final: Published | None = None
    """Genesis as the launch team distributes it; nothing is added to it. It and its sha256 may come after the
    launch: no node is started before."""
    time: Literal["base", "spawn", "launch"] = "launch"
    """Genesis time of a completed genesis: the base's own, the spawn time, or the launch block's time."""
    fund: Fund = Fund()
    """Accounts to fund in a completed genesis; nobody by default."""
    reward_denoms: RewardDenoms = RewardDenoms()
    """Set in the CCV parameters of a completed genesis."""

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "Genesis":
        if self.base is None and self.final is None:
            raise ValueError("give base, final, or both")
        if self.base is not None and self.base.sha256 is None and (self.base.url or self.final):
            raise ValueError("base asks for sha256 when it has a url, or stands beside final")
        if self.final is not None and (self.fund.relayers or self.reward_denoms != RewardDenoms()):
            raise ValueError("nothing is added to a final genesis: remove fund and reward_denoms")
        try:
            coins.parse_coins(self.fund.relayers)
        except errors.SettingsError as error:
            # pydantic adds the key to a ValueError only.
            raise ValueError(str(error)) from error
        return self


class Definition(_Frozen):
    """One kind of consumer chain that this operator is ready to run."""

    name: str = pydantic.Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """Name of the definition, its file's name without the ending."""
    match: Match
    image: str
    """Container image with the chain's binary and a POSIX shell."""
    binary: str
    """Name or path of the binary in the image."""
    binary_hash: str | None = pydantic.Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the binary in the image, compared with the chain's `binary_hash` where that is stated."""
    bech32_prefix: str = pydantic.Field(pattern=r"^[a-z][a-z0-9]*$")
    """Account prefix of the chain."""
    denom: str
    """Base denomination of the chain."""
    min_gas_price: str
    """`minimum-gas-prices` of the node, such as 0stake."""
    genesis: Genesis
    config: Mapping[Literal["config.toml", "app.toml"], Mapping[str, Any]] = pydantic.Field(
        default_factory=dict
    )
    """Overrides laid over the node's config.toml and app.toml."""
    seeds: tuple[str, ...] = ()
    """Seed nodes, `<node id>@<host>:<port>`."""

    @pydantic.field_validator("seeds")
    @classmethod
    def _are_peers(cls, seeds: tuple[str, ...]) -> tuple[str, ...]:
        for seed in seeds:
            if not re.match(r"^[0-9a-f]{40}@[^@\s,]+:\d{1,5}$", seed):
                raise ValueError(f"{seed!r} is no seed: write <node id>@<host>:<port>")
        return seeds


@dataclass(frozen=True, slots=True)
class Loaded:
    """A definition with its published genesis file.

    Either `genesis` holds the file's bytes (those of the final one if there is to be one) or `problem` says why
    it could not be had.
    """

    definition: Definition
    genesis: bytes | None
    problem: str = ""

    @property
    def is_awaited(self) -> bool:
        """Whether the file is missing and may well be: a final genesis is made after the launch."""
        return self.genesis is None and self.definition.genesis.final is not None


def parse(values: Mapping[str, Any], origin: str) -> Definition:
    """Check one definition as a whole.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    try:
        return Definition.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise errors.SettingsError(*settings.problems(error, Definition, origin)) from error


def may_match(match: Match, consumer_id: str, chain_id: str) -> bool:
    """Whether a definition is for this chain, as far as the owner does not matter."""
    if match.consumer_id is not None and match.consumer_id != consumer_id:
        return False
    return fnmatch.fnmatchcase(chain_id, match.chain_id)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Reason and message of the condition of a chain without a definition."""

    reason: Reason
    message: str


def find(definitions: Sequence[Loaded], consumer_id: str, chain_id: str, owner: str) -> Loaded | Unmatched:
    """Return the one definition that matches a chain, or why there is none."""
    near = [d for d in definitions if may_match(d.definition.match, consumer_id, chain_id)]
    exact = [d for d in near if d.definition.match.owner in ("any", owner)]
    if len(exact) > 1:
        names = ", ".join(sorted(d.definition.name for d in exact))
        return Unmatched(
            Reason.DEFINITION_AMBIGUOUS, f"definitions {names} all match {chain_id}: narrow their match"
        )
    if exact:
        return exact[0]
    if near:
        names = ", ".join(sorted(d.definition.name for d in near))
        return Unmatched(
            Reason.NO_DEFINITION,
            f"owner {owner} of {chain_id} is not the one that definition {names} names: not joined;"
            " if the owner is right, change match.owner",
        )
    return Unmatched(
        Reason.NO_DEFINITION, f"no definition under stacks/chains matches {chain_id}: not joined"
    )
