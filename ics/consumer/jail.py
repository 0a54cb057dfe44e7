"""Whether a consumer is about to jail this validator for missed blocks, as while its key is replaced; pure.

The consumer's slashing module jails as soon as more than the allowed blocks of its window are missed, but not before a
whole window has passed since the key entered the set (cosmos-sdk v0.50, x/slashing/keeper/infractions.go). The provider
sends the update of the validator set with the first block of the next epoch (interchain-security v7,
x/ccv/provider/keeper/relay.go, `BlocksUntilNextEpoch`).
"""

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import chain, missing_key, watchdog

NEAR = 0.5
"""Part of the allowed missed blocks from which downtime is near."""
_RELAYING_SECONDS = 30.0
"""Allowance for the relaying of the update."""
_APPLIED_AFTER = 2
"""Blocks of the consumer from the update's arrival to the first one that the new key signs (CometBFT)."""


def is_rekeying(
    chain: chain.ChainPlan, node: model.NodeStatus | None, progress: watchdog.Progress | None
) -> bool:
    """Return whether the chain moves, and its set still has a lost key that is being replaced.

    Args:
        chain: plan of the chain.
        node: its node's answers, None if it does not answer.
        progress: of the node, None if it does not answer.
    """
    if node is None or progress is not watchdog.Progress.MOVING:
        return False
    old = missing_key.expected(chain, node)
    return old != chain.key.key.address and old in node.validators


def gap_seconds(epoch: model.Epoch, window: model.SigningWindow, *, is_assigned: bool, delay: float) -> float:
    """Return the expected time until the new key signs.

    Args:
        epoch: of the provider.
        window: of the old key.
        is_assigned: whether the provider has the new key already.
        delay: seconds until it is assigned, if it is not.
    """
    # In the first block of an epoch the updates are sent already, before anything that is assigned now.
    seconds = (epoch.blocks_left or epoch.blocks) * epoch.block_seconds
    while not is_assigned and seconds <= delay + epoch.block_seconds:
        seconds += max(epoch.blocks * epoch.block_seconds, 1.0)
    return seconds + _RELAYING_SECONDS + _APPLIED_AFTER * window.block_seconds


def seconds_left(window: model.SigningWindow) -> float:
    """Return the time until the consumer jails a validator that signs nothing from now on."""
    until_allowed = window.allowed - window.missed
    until_counted = window.start_height + window.blocks - window.height
    return max(until_allowed, until_counted, 0) * window.block_seconds


def conditions(
    chain: chain.ChainPlan,
    window: model.SigningWindow | None,
    epoch: model.Epoch | None,
    problem: str,
    delay: float,
) -> list[Condition]:
    """Return the condition of a re-key that ends too late.

    Args:
        chain: plan of the chain.
        window: of the old key, None if it was not queried.
        epoch: of the provider, None if it was not queried.
        problem: why they could not be read; empty if they could.
        delay: seconds between the two passes that must agree before the new key is assigned.
    """
    if problem:
        text = (
            f"how many blocks may still be missed before the chain jails this validator is unknown: {problem}"
        )
        return [Condition.new(Reason.JAIL_NEAR, text, chain.consumer_id, severity=Severity.WARNING)]
    if window is None or epoch is None:
        return []
    gap = gap_seconds(epoch, window, is_assigned=chain.key.lost is None, delay=delay)
    left = seconds_left(window)
    if left >= gap:
        return []
    text = (
        f"the chain jails this validator when {window.allowed} of {window.blocks} blocks are missed, of which"
        f" {window.missed} are: in about {left:.0f} s, and the update with the new key is expected in {gap:.0f} s;"
        " once it is jailed and the new key signs, run: ics unjail"
    )
    return [Condition.new(Reason.JAIL_NEAR, text, chain.consumer_id, severity=Severity.CRITICAL)]


def downtime(consumer_id: str, count: model.MissedBlocks) -> list[Condition]:
    """Return the condition of a validator that has missed more than half of the blocks that it may miss."""
    allowed = count.allowance.allowed
    if count.missed <= NEAR * allowed:
        return []
    text = (
        f"{count.missed} of the last {count.allowance.blocks} blocks were missed, and the chain jails this validator"
        f" for more than {allowed}"
    )
    return [Condition.new(Reason.DOWNTIME_NEAR, text, consumer_id)]
