"""Moving a chain here from another installation: what stands in the way, and how far it is; pure.

The new node runs with a key of its own, which is in no validator set, before that key is assigned. The old node signs
until its key has left the set, so no block is missed, and at no moment do two nodes have one key.
"""

import enum
from dataclasses import dataclass

from ics import errors, model
from ics.consumer import desired, observed, signing


class Stage(enum.StrEnum):
    """Progress of a move."""

    PREPARING = "preparing"
    """Volume, key and sign state are created."""
    SYNCING = "syncing"
    """The node starts, connects and catches up."""
    WATCHING = "watching"
    """The node runs with its key; the other installation is looked for among the signers."""
    EXCHANGING = "exchanging"
    """The key is assigned; the chain's validator set still has the other one."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """State of a move, for the operator to read."""

    stage: Stage
    text: str
    height: int = 0
    """Height of the chain's node here, 0 before it answers."""
    is_other_alive: bool = False
    """Whether the other installation's key signed the last commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One chain that can be moved here."""

    consumer_id: str
    chain_id: str
    client_id: str
    is_launched: bool
    other: bytes
    """Address (20 bytes) of the other installation's key."""


def chains_elsewhere(target: desired.Desired) -> tuple[str, ...]:
    """Return the consumer ids of this validator's chains whose key belongs to another installation."""
    return tuple(
        decision.summary.consumer_id for decision in target.decisions if decision.elsewhere is not None
    )


def move(target: desired.Desired, consumer_id: str) -> Move:
    """Return the move of one chain.

    Args:
        target: computed with the order to move the chain.
        consumer_id: of the chain.

    Raises:
        SettingsError: there is nothing to move.
        Permanent: the chain cannot be moved now.
    """
    decision = next((d for d in target.decisions if d.summary.consumer_id == consumer_id), None)
    if decision is None:
        raise errors.SettingsError(
            f"consumer id {consumer_id!r}: not found, or DELETED; run `ics consumer list`"
        )
    summary = decision.summary
    name = f"consumer {consumer_id} ({summary.chain_id})"
    if summary.phase is model.Phase.STOPPED:
        raise errors.Permanent(f"{name} is STOPPED: the provider accepts no other key for it any more")
    if decision.elsewhere is None:
        reasons = "; ".join(f"{c.reason}: {c.message}" for c in decision.conditions)
        raise errors.SettingsError(
            f"{name}: its key does not belong to another installation, so there is nothing to move"
            f"{f' ({reasons})' if reasons else ''}"
        )
    return Move(
        consumer_id=consumer_id,
        chain_id=summary.chain_id,
        client_id=summary.client_id,
        is_launched=summary.phase is model.Phase.LAUNCHED,
        other=decision.elsewhere,
    )


def progress(move: Move, state: observed.Observed, target: desired.Desired) -> Progress:
    """Return how far a move is.

    Args:
        move: of the chain.
        state: everything observed.
        target: the desired state computed from it.
    """
    decision = next((d for d in target.decisions if d.summary.consumer_id == move.consumer_id), None)
    chain = None if decision is None else decision.chain
    if decision is None or chain is None or not signing.is_settled(chain.sign_state):
        return Progress(stage=Stage.PREPARING, text="creating volume, key and sign state")
    if not move.is_launched:
        if decision.elsewhere is None:
            return Progress(stage=Stage.DONE, text="the key of this installation is assigned")
        return Progress(stage=Stage.WATCHING, text="ready to assign the key", is_other_alive=True)
    observation = state.observations.get(move.consumer_id)
    node = None if observation is None else observation.node
    if node is None or node.consensus_key != chain.key.key.public_key:
        reason = "" if observation is None else observation.error
        return Progress(stage=Stage.SYNCING, text=f"waiting for the node{f': {reason}' if reason else ''}")
    is_other_alive, height = move.other in node.signers, node.height
    if decision.elsewhere is None:
        if move.other in node.validators or chain.key.key.address not in node.validators:
            text = f"the key is assigned; at height {height} the validator set still has the other one"
            return Progress(stage=Stage.EXCHANGING, text=text, height=height, is_other_alive=is_other_alive)
        text = f"at height {height} the validator set has the key of this installation"
        return Progress(stage=Stage.DONE, text=text, height=height)
    if not decision.intents:
        text = f"the node is at height {height} with {node.peers} peers, and catches up"
        return Progress(stage=Stage.SYNCING, text=text, height=height, is_other_alive=is_other_alive)
    signs = "signs" if is_other_alive else "did not sign the last block"
    text = f"the node is synced at height {height} and runs with its own key; the other installation {signs}"
    return Progress(stage=Stage.WATCHING, text=text, height=height, is_other_alive=is_other_alive)
