"""Replacement of a key whose sign state is lost: a new place, a new key, and when it may be assigned; pure.

A lost volume heals on its own: the node gets a key that no other node has, that key is assigned, and the next update of
the consumer's validator set exchanges the two at one height. Blocks are missed until then, but nothing can sign twice.
What costs a transaction and a key needs two witnesses: two passes some time apart.
"""

import datetime
from collections.abc import Collection

from ics import model
from ics.conditions import Condition, Reason
from ics.config import settings
from ics.consumer import places, signing
from ics.relayer import facts


def policy(protection: settings.KeyProtection, phase: model.Phase) -> datetime.timedelta | None:
    """Return how long a place must have been in use before another may replace it; None: none ever does.

    Args:
        protection: settings of the stack.
        phase: of the chain; the provider accepts no assignment for a chain that is STOPPED.
    """
    if protection.lost_volume == "wait" or phase not in _ASSIGNABLE:
        return None
    return datetime.timedelta(seconds=protection.rekey_interval)


_ASSIGNABLE = (model.Phase.REGISTERED, model.Phase.INITIALIZED, model.Phase.LAUNCHED)
"""interchain-security v7, x/ccv/provider/keeper/key_assignment.go."""


def is_due(
    selected: places.SelectedKey,
    sign_state: signing.SignStateStatus,
    seen: datetime.datetime | None,
    delay: int,
    signers: Collection[bytes],
) -> bool:
    """Return whether the key that replaces a lost one may be assigned now.

    A chain that stands still may wait for the lost key's vote, and no update of its validator set can arrive then. So
    it must have made a block since the loss, which takes the second witness as well. If the lost key still signs then,
    it is not lost: this cluster was restored from one that still runs.

    Args:
        selected: the key that replaces a lost one.
        sign_state: of that key.
        seen: time of the chain's last block; before the launch, of the provider's block; None if it is not known.
        delay: seconds between the two witnesses that must agree.
        signers: addresses (20 bytes) in the last commit of the chain.
    """
    lost = "" if selected.lost is None else selected.lost.consensus_address
    is_ready = sign_state is signing.SignStateStatus.READY and bytes.fromhex(lost) not in signers
    return is_ready and seen is not None and seen - selected.place.since >= datetime.timedelta(seconds=delay)


def conditions(
    selected: places.SelectedKey,
    summary: model.ConsumerSummary,
    protection: settings.KeyProtection,
    relays: facts.Facts | None,
) -> list[Condition]:
    """Return the conditions of a key whose sign state is lost; none for any other.

    Args:
        selected: the key of the node.
        summary: of the chain.
        protection: settings of the stack.
        relays: state of both chains, None if it is not known.
    """
    lost, consumer_id = selected.lost, summary.consumer_id
    if lost is None:
        return []
    reset = f"ics sign-state reset {consumer_id} --confirm {summary.chain_id}"
    base = f"the sign state of {lost.consensus_address} is lost or of another cluster; the node runs without that key"
    if selected.place != lost.place:
        text = (
            f"{base}; it has the new key {selected.key.address.hex().upper()} now, which is being assigned; the chain's"
            " validator set has it after its next update, and blocks are missed until then"
        )
        found = [Condition.new(Reason.REKEYING, text, consumer_id)]
        if summary.phase is model.Phase.LAUNCHED and relays is not None and relays.packets is None:
            waits = "the CCV channel is not open yet, and no update of the validator set arrives before it is"
            found.append(Condition.new(Reason.REKEY_WAITS_FOR_CHANNEL, waits, consumer_id))
        return found
    if lost.place.replaces and protection.lost_volume == "rekey" and summary.phase in _ASSIGNABLE:
        text = (
            f"{base}; it was itself assigned at {lost.place.since.isoformat()} after a loss, and no second one is"
            f" within {protection.rekey_interval} s (ics:signing.rekey_interval): find out why volumes are lost; to"
            f" assign a new key anyway, run: ics assign-key {consumer_id} --confirm {summary.chain_id}"
        )
        return [Condition.new(Reason.REKEYED_TOO_OFTEN, text, consumer_id)]
    text = f"{base}; once the chain is past every height that this key may have signed, run: {reset}"
    return [Condition.new(Reason.SIGN_STATE_LOST, text, consumer_id)]
