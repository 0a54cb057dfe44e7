"""What `ics sign-state reset` writes for a key that may have signed, and when it refuses to; pure.

What a key signed is unknown once its sign state is lost. So the new one starts above everything that this node and its
peers have seen, never at height 0. CometBFT's `FilePV` signs nothing at or below the height, round and step of its
state (privval/file.go, `CheckHRS`):

* On a chain that moves, `{H, 2147483647, 3}` at the height H in progress lets the key sign from H + 1 on.
* On a chain that stands still in round R of height H because it needs this vote, only a vote *in round R* helps:
  CometBFT enters a later round after votes of more than two thirds in this one (consensus/state.go, `addVote`). So the
  key may sign what follows the last thing that was seen of it: all of round R, or only the precommit if its prevote
  was seen. What was signed and reached no node here stays unknown, so the operator must allow it.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import errors, model, names
from ics.consumer import (
    chain,
    consensus_view,
    desired,
    key_check,
    missing_key,
    observed,
    places,
    provider_key,
    signing,
)
from ics.cosmos import addresses

MAX_ROUND = 2**31 - 1
"""Highest value of CometBFT's rounds, an int32, which no chain reaches."""
PRECOMMIT = 3
"""Last step of a round in CometBFT's sign state."""
PROVIDER = "provider"
"""In place of a consumer id: the validator's own provider node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The key whose sign state is reset."""

    consumer_id: str
    """Or `PROVIDER`."""
    chain_id: str
    namespace: str
    pod: str = names.NODE_POD
    """Of the node, in that namespace."""
    place: model.Place | None
    """None for the provider node's key, which has no other place."""
    address: bytes
    """Address (20 bytes)."""
    volume_uid: str
    seen_without: int | None
    """Height of the chain at which its node was first seen without the key, None if no pass saw it."""
    unused: model.Place | None = None
    """Place that was made to replace the key and is not assigned yet; it is given up."""

    @property
    def name(self) -> str:
        """Name of the chain, for messages."""
        who = "provider node" if self.consumer_id == PROVIDER else f"consumer {self.consumer_id}"
        return f"{who} ({self.chain_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a node says about the newest blocks of its chain."""

    height: int
    """Of its last block, 0 before the first."""
    block_time: datetime.datetime | None
    is_catching_up: bool
    view: consensus_view.ConsensusView


def subject(target: desired.Desired, state: observed.Observed, consumer_id: str) -> Subject:
    """Return the key of a chain whose sign state may be reset.

    Raises:
        SettingsError: the chain has no such key.
        Transient: the node does not answer, so it is not known which key it runs with.
        Permanent: the key belongs to another installation.
    """
    planned = next((one for one in target.chains if one.consumer_id == consumer_id), None)
    memory = state.memory.chains.get(consumer_id)
    if planned is None or memory is None or memory.volume_uid is None:
        raise errors.SettingsError(f"consumer {consumer_id}: no volume found")
    name = f"consumer {consumer_id} ({planned.chain_id})"
    if planned.sign_state is signing.SignStateStatus.REMOTE:
        raise errors.SettingsError(f"{name}: its remote signer keeps the sign state; reset it there")
    if planned.key.elsewhere is not None:
        raise errors.Permanent(
            f"{name}: its key belongs to another installation, which keeps the sign state; to move the chain here, run:"
            f" ics takeover {consumer_id} --confirm {planned.chain_id}"
        )
    observation = state.observations.get(consumer_id)
    node = None if observation is None else observation.node
    if node is None:
        reason = "" if observation is None else observation.error
        raise errors.Transient(
            f"{name}: its node does not answer{f' ({reason})' if reason else ''}; the sign state is only reset while a"
            " synced node says how far its chain is"
        )
    address = missing_key.missing(planned, node)
    if address is None:
        raise errors.SettingsError(f"{name}: its node runs with its key; there is nothing to reset")
    place, unused = _places(planned, memory.records, address)
    if place == planned.key.place and planned.sign_state in _FRESH:
        raise errors.SettingsError(f"{name}: its key is new; the next passes create its sign state")
    watched = planned.watchdog
    is_recorded = watched.missing_key == address.hex().upper()
    return Subject(
        consumer_id=consumer_id,
        chain_id=planned.chain_id,
        namespace=planned.namespace,
        place=place,
        address=address,
        volume_uid=memory.volume_uid,
        seen_without=watched.missing_since if is_recorded else None,
        unused=unused,
    )


def provider_subject(target: desired.Desired, state: observed.Observed) -> Subject:
    """Return the key of the validator's own provider node, if it may be reset.

    Raises:
        SettingsError: there is no such key, or the node has it.
        Transient: the node does not answer, or has no volume yet.
    """
    memory, status = state.memory.provider_node, target.provider_node.key.status
    if status is provider_key.ProviderKeyStatus.NONE:
        raise errors.SettingsError("this stack runs no provider node that signs (ics:provider_node)")
    node = None if state.provider_node is None else state.provider_node.node
    if memory.volume_uid is None or node is None:
        reason = "has no volume" if memory.volume_uid is None else "does not answer"
        raise errors.Transient(
            f"the provider node {reason}; its key is only released while a synced node says how far its chain is"
        )
    address = _mounted(state.provider_node) or addresses.consensus_address(
        desired.own_validator(state.snapshot, target.settings).consensus_key
    )
    if addresses.consensus_address(node.consensus_key) == address:
        raise errors.SettingsError("the provider node runs with its key; there is nothing to reset")
    return Subject(
        consumer_id=PROVIDER,
        chain_id=target.provider_chain_id,
        namespace=target.settings.gateway.namespace,
        pod=names.PROVIDER_NODE_POD,
        place=None,
        address=address,
        volume_uid=memory.volume_uid,
        seen_without=None,
    )


def _mounted(observation: model.Observation | None) -> bytes | None:
    """Return the address of the key that a pod was given, which would sign; None if its check does not name it."""
    pod = None if observation is None else observation.pod
    _, address = key_check.parse("" if pod is None else pod.key_check)
    return bytes.fromhex(address) or None


_FRESH = (signing.SignStateStatus.NO_VOLUME, signing.SignStateStatus.MISSING)


def _places(
    planned: chain.ChainPlan, records: Sequence[model.SigningRecord], address: bytes
) -> tuple[model.Place, model.Place | None]:
    """Return the place of the key, and one that was made to replace it and is not assigned."""
    key = planned.key
    if key.lost is not None and address.hex().upper() == key.lost.consensus_address:
        replacement = key.place if key.place != key.lost.place else None
        is_recorded = replacement is not None and places.record_of(records, replacement) is not None
        return key.lost.place, replacement if is_recorded else None
    if key.former is not None and address.hex().upper() == key.former.consensus_address:
        return key.former.place, None
    return key.place, None


def is_moving(head: Head, name: str, now: datetime.datetime, patience: datetime.timedelta) -> bool:
    """Return whether the chain makes blocks; else it stands still.

    Args:
        head: what the node says.
        name: of the chain, for messages.
        now: the current time.
        patience: maximum age of the last block of a chain that moves.

    Raises:
        Transient: the node is not synced, so it does not know how far its chain is.
    """
    view = head.view
    if head.is_catching_up:
        raise errors.Transient(
            f"{name}: its node is at height {head.height} and still catches up; wait for it"
        )
    if view.peers == 0:
        raise errors.Transient(
            f"{name}: its node is not connected to any peer, so the chain may be further than height {head.height}"
        )
    is_old = head.block_time is None or now - head.block_time > patience
    # On a chain that moves, a peer may just have made the next block.
    if view.blocks_behind > (0 if is_old else 1):
        raise errors.Transient(
            f"{name}: its node is at height {head.height}, and a peer is {view.blocks_behind} blocks further; wait"
        )
    return not is_old


def silent_range(subject: Subject, head: Head) -> range:
    """Return the heights of the newest commits that must lack the key's signature.

    Args:
        subject: the key.
        head: what the node says now.
    """
    newest = _complete(head)
    return range(max(_first(subject), newest - missing_key.SILENT_COMMITS + 1), newest + 1)


def blocks_to_wait(subject: Subject, head: Head) -> int:
    """Return how many more blocks are needed for that many commits; arguments as for `silent_range`."""
    return max(_first(subject) + missing_key.SILENT_COMMITS - 1 - _complete(head), 0)


def _first(subject: Subject) -> int:
    """Return the height of the first commit that the process which had the key cannot have signed."""
    return (subject.seen_without or 0) + missing_key.IN_FLIGHT + 1


def _complete(head: Head) -> int:
    """Return the height of the newest complete commit; that of the last block still lacks late signatures."""
    return head.height - 1


def check_silent(subject: Subject, signers: Mapping[int, frozenset[bytes]]) -> None:
    """Refuse if the key is in one of these commits.

    Args:
        subject: the key.
        signers: by height, the addresses that signed.

    Raises:
        Permanent: another node has the key.
    """
    signed = sorted(height for height, addresses in signers.items() if subject.address in addresses)
    if signed:
        raise errors.Permanent(
            f"{subject.name}: key {subject.address.hex().upper()} signed block {signed[-1]} at another node; nothing"
            " was changed: find that node, and let only one of the two run"
        )


def new_state(
    view: consensus_view.ConsensusView,
    address: bytes,
    name: str,
    *,
    is_moving: bool,
    allows_current: bool,
) -> model.SignedState:
    """Return the sign state to write.

    Args:
        view: heights, rounds and votes of the node and its peers.
        address: of the key (20 bytes).
        name: of the chain, for messages.
        is_moving: whether the chain makes blocks.
        allows_current: whether the operator lets the key vote for the block in progress.

    Raises:
        Permanent: the chain stands still, and the operator does not.
        Transient: the node does not have the newest round of its peers yet.
    """
    if is_moving:
        return model.SignedState(height=view.height, round=MAX_ROUND, step=PRECOMMIT)
    if not allows_current:
        raise errors.Permanent(
            f"{name}: the chain stands still at height {view.height}, so the silence of the key proves nothing: another"
            " node with it would be silent, too. If there certainly is none, run this again with"
            " --allow-current-height, which lets the key vote for the block in progress after the last vote of it that"
            " this node and its peers have"
        )
    if view.own_round < view.round:
        raise errors.Transient(
            f"{name}: its node is in round {view.own_round} of height {view.height}, and a peer in round {view.round},"
            " whose votes it does not have yet; wait"
        )
    seen = max(((vote.round, vote.step) for vote in view.votes_of(address)), default=(-1, 0))
    if seen >= (view.round, 0):
        return model.SignedState(height=view.height, round=seen[0], step=seen[1])
    if view.round == 0:
        return model.SignedState(height=view.height - 1, round=MAX_ROUND, step=PRECOMMIT)
    return model.SignedState(height=view.height, round=view.round - 1, step=PRECOMMIT)


def signs_from(state: model.SignedState) -> str:
    """Return in words what the key may sign first."""
    if state.round == MAX_ROUND:
        return f"height {state.height + 1}"
    if state.step == PRECOMMIT:
        return f"height {state.height}, round {state.round + 1}"
    following = "precommit" if state.step == PRECOMMIT - 1 else "prevote"
    return f"height {state.height}, round {state.round}, its {following}"
