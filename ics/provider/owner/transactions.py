"""Transactions of a consumer chain's owner; pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # the models of terms take 5 ms to load, and passes send none of these transactions
    from ics.provider.owner import terms as owner_terms


@dataclass(frozen=True, slots=True)
class CreateConsumer:
    """Transaction that creates a consumer chain."""

    terms: "owner_terms.Terms"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConsumer:
    """Transaction that changes a consumer chain; None leaves a structure unchanged."""

    consumer_id: str
    chain_id: str
    """The current chain id, or the new one if `is_renamed`."""
    is_renamed: bool = False
    new_owner: str = ""
    metadata: "owner_terms.Metadata | None" = None
    initialization_parameters: "owner_terms.Initialization | None" = None
    power_shaping_parameters: "owner_terms.PowerShaping | None" = None
    infraction_parameters: "owner_terms.Infraction | None" = None
    allowlisted_reward_denoms: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RemoveConsumer:
    """Transaction that stops a launched consumer chain; the provider deletes it an unbonding period later."""

    consumer_id: str
    chain_id: str


OwnerTransaction: TypeAlias = CreateConsumer | UpdateConsumer | RemoveConsumer
"""A transaction that only the owner of a chain may send."""
