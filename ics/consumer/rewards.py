"""Which consumer chain the validator's rewards came from; pure.

The provider's distribution module keeps rewards by denomination, not by chain. A token that came over IBC has the hash
of its way as its denomination, and the first step of that way is the provider's transfer channel (ibc-go,
modules/apps/transfer/types/denom.go), whose client identifies the chain. The provider's own denomination says nothing:
what a chain sends back in it is mixed with the provider's own rewards.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ics import model
from ics.consumer import costs

MOST_DENOMS: Final = 200
"""Denominations whose way is looked up at a time: everybody can give a validator rewards in any (cosmos-sdk v0.50,
x/distribution, `MsgDepositValidatorRewardsPool`)."""
_IBC: Final = "ibc/"


@dataclass(frozen=True, slots=True)
class ValidatorRewards:
    """What a validator has not withdrawn, by denomination, with the decimals that the chain keeps."""

    outstanding: Mapping[str, Decimal]
    """Of the validator and all of its delegators."""
    commission: Mapping[str, Decimal]
    """The validator's commission in it."""


@dataclass(frozen=True, slots=True)
class DenomPath:
    """The way on which a denomination came to the provider."""

    steps: tuple[tuple[str, str], ...]
    """Port and channel of each step, the last one, on the provider, first."""
    base: str
    """Denomination on the chain where the token was made."""

    @property
    def denom(self) -> str:
        """The denomination on the provider."""
        way = "/".join([*(f"{port}/{channel}" for port, channel in self.steps), self.base])
        return _IBC + hashlib.sha256(way.encode()).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a denomination came from."""

    client_id: str
    """Client on the provider of the chain that sent it."""
    base: str
    """Denomination on the chain where the token was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """Rewards in one denomination that are not withdrawn."""

    denom: str
    base: str
    """Denomination on the chain where the token was made; equal to `denom` if it is the provider's or not known."""
    outstanding: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True)
class Allocation:
    """Rewards by the chains that they came from."""

    chains: Mapping[str, tuple[Reward, ...]] = field(default_factory=dict)
    """By consumer id."""
    others: tuple[Reward, ...] = ()
    """Of the provider, or of no consumer chain that is known."""


@dataclass(frozen=True, slots=True)
class ChainBalance:
    """What one chain has brought and cost."""

    rewards: tuple[Reward, ...]
    costs: costs.Costs


@dataclass(frozen=True, slots=True)
class Balances:
    """What all chains have brought and cost."""

    rewards: Allocation
    costs: Mapping[str, costs.Costs]
    """By consumer id; under an empty one those of the validator."""

    def of_chain(self, consumer_id: str) -> ChainBalance:
        """Return the balance of one chain."""
        return ChainBalance(
            self.rewards.chains.get(consumer_id, ()), self.costs.get(consumer_id, costs.Costs())
        )


def ibc_denoms(found: ValidatorRewards) -> tuple[str, ...]:
    """Return the denominations that came over IBC, whose way has to be looked up."""
    return tuple(denom for denom in _denoms(found) if denom.startswith(_IBC))


def to_look_up(denoms: Sequence[str], origins: Mapping[str, Origin | None]) -> tuple[str, ...]:
    """Return the denominations whose way is looked up now, at most `MOST_DENOMS`.

    Those that were never looked up come first, so that strangers' denominations can only delay the others.

    Args:
        denoms: those that came over IBC.
        origins: what is known of them; None: no origin was found.
    """
    new = [denom for denom in denoms if denom not in origins]
    unclear = [denom for denom in denoms if denom in origins and origins[denom] is None]
    return tuple([*new, *unclear][:MOST_DENOMS])


def allocate(
    found: ValidatorRewards, origins: Mapping[str, Origin], summaries: Sequence[model.ConsumerSummary]
) -> Allocation:
    """Return rewards by chain.

    Args:
        found: what is not withdrawn.
        origins: by denomination, as far as they are known.
        summaries: all consumer chains of the provider.
    """
    owners: dict[str, list[str]] = {}
    for summary in summaries:
        if summary.client_id:
            owners.setdefault(summary.client_id, []).append(summary.consumer_id)
    chains: dict[str, list[Reward]] = {}
    others = []
    for denom in _denoms(found):
        origin = origins.get(denom)
        reward = Reward(
            denom=denom,
            base=denom if origin is None else origin.base,
            outstanding=found.outstanding.get(denom, Decimal(0)),
            commission=found.commission.get(denom, Decimal(0)),
        )
        senders = [] if origin is None else owners.get(origin.client_id, [])
        if len(senders) == 1:  # of a client that two chains share, either may have sent it
            chains.setdefault(senders[0], []).append(reward)
        else:
            others.append(reward)
    return Allocation({one: tuple(each) for one, each in chains.items()}, tuple(others))


def _denoms(found: ValidatorRewards) -> list[str]:
    return sorted({*found.outstanding, *found.commission})
