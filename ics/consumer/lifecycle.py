"""Shutdown of a chain that its owner has removed; pure.

The provider sends nothing to a STOPPED chain any more and drops slash packets about its validators, but it
still accepts packets and acknowledgements (interchain-security v7, `x/ccv/provider/keeper`: `relay.go`,
`consumer_lifecycle.go`). So node and relayer keep running until no packet is in flight in either direction,
at most for `ics:node.stop_grace` after the stop; then the relayer is removed, then the node. The decision is
recorded on the node's StatefulSet, because a removed node cannot be queried again.
"""

import datetime
import enum
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason
from ics.consumer import observed
from ics.relayer import facts


class ShutdownStage(enum.Enum):
    """Progress of a chain's shutdown."""

    RUNNING = "runs"
    """The chain is not stopped."""
    DRAINING = "drains"
    """Stopped; node and relayer keep running."""
    STOPPING_RELAYER = "relayer ends"
    """The relayer is being removed; the node stays until it is gone."""
    STOPPED = "node ends"
    """The node is scaled to 0; volume and keys are kept."""

    @property
    def relays(self) -> bool:
        """Whether the relayer should run."""
        return self in (ShutdownStage.RUNNING, ShutdownStage.DRAINING)

    @property
    def is_ending(self) -> bool:
        """Whether the node is being ended, or has ended; those of the other members end at the same time."""
        return not self.relays


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Shutdown stage of a chain, with its condition."""

    stage: ShutdownStage
    condition: Condition | None = None


def shutdown_stage(
    consumer: model.Consumer,
    now: datetime.datetime,
    grace: int,
    memory: observed.ChainMemory,
    facts: facts.Facts | None,
) -> Shutdown:
    """Return the shutdown stage of a chain from the state of both chains and of the cluster.

    Args:
        consumer: with its detail.
        now: the provider's block time.
        grace: maximum wait for packets in flight, in seconds after the stop.
        memory: the chain's state stored in the cluster.
        facts: of the IBC connection; None if the consumer's node did not answer.
    """
    summary, detail = consumer.summary, consumer.detail
    if summary.phase is not model.Phase.STOPPED or detail is None:
        return Shutdown(ShutdownStage.RUNNING)
    deadline = None if detail.stopped_at is None else detail.stopped_at + datetime.timedelta(seconds=grace)
    under_way = None if facts is None else _under_way(facts)
    is_over = under_way == 0 or (deadline is not None and now >= deadline)
    if not (memory.is_ending or is_over):
        stage, text = ShutdownStage.DRAINING, f"its node and relayer keep running until {_awaited(deadline)}"
    elif memory.relayer.has_hermes:
        stage, text = ShutdownStage.STOPPING_RELAYER, "its relayer is being removed, then its node"
    else:
        text = (
            "its node is stopped; volume and keys are kept, the rest is removed once the provider deletes it"
        )
        stage = ShutdownStage.STOPPED
    message = f"the owner has removed the chain: {text}"
    return Shutdown(stage, Condition.new(Reason.STOPPED, message, summary.consumer_id))


def _under_way(facts: facts.Facts) -> int:
    """Return the number of packets in flight in both directions; 0 without an open CCV channel."""
    packets = facts.packets
    if packets is None:
        return 0
    return packets.unacknowledged_by_consumer + packets.unacknowledged_by_provider + packets.rewards


def _awaited(deadline: datetime.datetime | None) -> str:
    if deadline is None:
        return (
            "no packets are in flight; the endpoint does not return the time of the stop, so"
            " ics:node.stop_grace cannot be applied"
        )
    moment = deadline.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"no packets are in flight, at most until {moment} (ics:node.stop_grace)"
