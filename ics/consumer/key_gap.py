"""Blocks that an ordered key costs before it signs, and what they do to the chain and the validator; pure.

A key that signs stays with its node until the chain's validator set has the new one. One that cannot stay, because it
is of another seed, signs nothing until the update arrives.
"""

from dataclasses import dataclass

from ics import model
from ics.consumer import chain, jail, missing_key


@dataclass(frozen=True, slots=True)
class Gap:
    """What an order for a new key costs."""

    text: str
    is_harmful: bool = False
    """Whether the chain halts or jails this validator because of it, or nothing rules that out."""


def is_expected(chain: chain.ChainPlan) -> bool:
    """Return whether the present key stops signing before the chain's validator set has the new one."""
    return not chain.spawns and chain.next is None and chain.key.lost is None


def assess(
    chain: chain.ChainPlan,
    old: bytes | None,
    node: model.NodeStatus | None,
    window: model.SigningWindow | None,
    epoch: model.Epoch | None,
) -> Gap:
    """Return what an order for a new key costs.

    Args:
        chain: plan of the chain under that order.
        old: address (20 bytes) of the assigned key, None if there is none.
        node: the chain's node, None if it does not answer.
        window: of the old key, None if it is not known.
        epoch: of the provider, None if it is not known.
    """
    if chain.spawns:
        return Gap("the chain is not launched, so no block is missed")
    if chain.next is not None:
        return Gap(
            "the node signs with the present key until the chain's validator set has the new one; only the blocks of"
            " one restart of the node are missed"
        )
    if chain.key.lost is not None:
        return Gap("the present key signs nothing here, so the new key only ends that")
    powers = {} if node is None else missing_key.members(node)
    if not powers:
        text = "how many blocks are missed is not known, because the chain's node does not say who validates"
        return Gap(text, is_harmful=True)
    power, total = powers.get(old or b"", 0), sum(powers.values())
    if power == 0:
        return Gap("the present key is not in the chain's validator set, so no block is missed")
    if 3 * power >= total:
        text = (
            f"the chain halts: {power} of its {total} voting power is this validator's, a third or more, and the node"
            " has the new key at once; a chain without blocks gets no new validator set, so it stays halted"
        )
        return Gap(text, is_harmful=True)
    if window is None or epoch is None:
        text = (
            "blocks are missed until the next update of the validator set; whether the chain jails this validator"
            " before is not known"
        )
        return Gap(text, is_harmful=True)
    gap, left = jail.gap_seconds(epoch, window, is_assigned=False, delay=0), jail.seconds_left(window)
    text = (
        f"blocks are missed for about {gap:.0f} s, until the next update of the validator set; the chain jails this"
        f" validator after {left:.0f} s"
    )
    return Gap(text, is_harmful=left < gap)
