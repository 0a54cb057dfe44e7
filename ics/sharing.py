"""Whether one given key is to sign for more than one chain; pure.

The provider checks keys within each consumer only, and two consumers may carry one chain id. A key that signs for
both signs two blocks of one height under one chain id, which is an equivocation.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ics import model


@dataclass(frozen=True, slots=True)
class Use:
    """A chain for which a key is given."""

    consumer_id: str
    """Empty: the provider itself."""
    chain_id: str
    public_key: bytes
    runs: bool
    """Its node was started here, or has the key on record: the key may have signed for it."""


def conflicts(uses: Iterable[Use]) -> dict[str, model.Condition]:
    """What is the matter with keys that several chains are given, by consumer id.

    Of two chains with one chain id the one that runs keeps the key, else the first; the other gets a critical
    condition, with which it must neither be joined nor started. With different chain ids it is a warning.

    Args:
        uses: in the order of the chains' launches.
    """
    ordered = sorted(uses, key=lambda use: not use.runs)
    found = {}
    for place, use in enumerate(ordered):
        others = [other for other in ordered if other is not use and other.public_key == use.public_key]
        before = [other for other in ordered[:place] if other in others and other.chain_id == use.chain_id]
        others = [other for other in others if other.consumer_id]
        if before:
            message = (
                f"its key is also that of {_named(before[0])}, which carries the same chain id {use.chain_id}: signing"
                " for both would be an equivocation, so this one is neither joined nor started; give it another under"
                f" ics:consensus_keys.{use.consumer_id}"
            )
            found[use.consumer_id] = model.Condition(
                model.Severity.CRITICAL, "KeyShared", message, use.consumer_id
            )
        elif others and use.consumer_id:
            message = (
                f"its key is also that of {', '.join(_named(other) for other in others)}: who gets hold of it has"
                f" both; give each chain its own under ics:consensus_keys"
            )
            found[use.consumer_id] = model.Condition(
                model.Severity.WARNING, "KeyShared", message, use.consumer_id
            )
    return found


def _named(use: Use) -> str:
    return f"consumer {use.consumer_id} ({use.chain_id})" if use.consumer_id else "the provider"
