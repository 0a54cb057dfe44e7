"""How a chain that its owner has removed is brought to its end; pure.

The provider sends nothing to a STOPPED chain any more and drops what it hears of its validators'
misdeeds, but it still takes packets and acknowledgements (interchain-security v7, `x/ccv/provider/keeper`:
`relay.go`, `consumer_lifecycle.go`). So node and relayer run on until nothing is under way in either
direction, at most for `ics:node.stop_grace` after the stop; then the relayer goes, then the node. That it
was decided once is remembered on the node's StatefulSet: a node that is gone can be asked nothing.
"""

import datetime
import enum
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason
from ics.relayer import facts


class Stage(enum.Enum):
    """How far a chain has come."""

    RUNS = "runs"
    """It is not stopped."""
    DRAINS = "drains"
    """Stopped; node and relayer run on."""
    RELAYER_ENDS = "relayer ends"
    """The relayer goes; the node stays until it is gone."""
    NODE_ENDS = "node ends"
    """The node is scaled to 0; volume and keys are kept."""

    @property
    def relays(self) -> bool:
        """Whether a relayer is wanted."""
        return self in (Stage.RUNS, Stage.DRAINS)


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a chain."""

    stage: Stage
    condition: Condition | None = None


def course(
    consumer: model.Consumer,
    now: datetime.datetime,
    grace: int,
    memory: model.ChainMemory,
    facts: facts.Facts | None,
) -> Course:
    """How far a chain has come, from what both chains and the cluster tell.

    Args:
        consumer: with its detail.
        now: time of the block of the provider that was read.
        grace: seconds after the stop for which packets are waited for.
        memory: what the cluster remembers of the chain.
        facts: of the relaying; None when the consumer's node did not tell.
    """
    summary, detail = consumer.summary, consumer.detail
    if summary.phase is not model.Phase.STOPPED or detail is None:
        return Course(Stage.RUNS)
    deadline = None if detail.stopped_at is None else detail.stopped_at + datetime.timedelta(seconds=grace)
    under_way = None if facts is None else _under_way(facts)
    is_over = under_way == 0 or (deadline is not None and now >= deadline)
    if not (memory.is_ending or is_over):
        stage, text = Stage.DRAINS, f"its node and relayer run on until {_awaited(deadline)}"
    elif memory.has_hermes:
        stage, text = Stage.RELAYER_ENDS, "its relayer is being ended, then its node"
    else:
        text = "its node is stopped, volume and keys are kept; the rest goes when the provider deletes it"
        stage = Stage.NODE_ENDS
    message = f"the owner has removed the chain: {text}"
    return Course(stage, Condition.new(Reason.STOPPED, message, summary.consumer_id))


def _under_way(facts: facts.Facts) -> int:
    """Packets on their way in either direction; without an open CCV channel there can be none."""
    packets = facts.packets
    if packets is None:
        return 0
    return packets.unacknowledged_by_consumer + packets.unacknowledged_by_provider + packets.rewards


def _awaited(deadline: datetime.datetime | None) -> str:
    if deadline is None:
        return (
            "the packets in flight are through; the endpoint does not tell when the chain was stopped, so"
            " ics:node.stop_grace cannot be counted"
        )
    moment = deadline.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"the packets in flight are through, at most until {moment} (ics:node.stop_grace)"
