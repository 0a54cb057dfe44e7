"""State sync of a chain's new node, with a trusted block that the provider has proven; pure.

A node without any state fetches that of its peers at a recent height, instead of replaying all blocks. It needs
one block that it trusts. That block is proven to be the chain's by the provider's own IBC client of it, see
`ics.cosmos.light`; whoever sent its header is not trusted.

    wanted                  the provider's client has seen `state_sync.from` blocks of the definition, or an upgrade
    searched for            no node is started; at the end of each pass the definition's `rpc` addresses are asked
    trusted                 the node is started, and start.sh adds the block to its config.toml while it has no state
    given up                after ten minutes without a trusted block, or without a snapshot from its peers, the node
                            replays the chain from its genesis

The block on record is renewed once half of the client's trusting period has passed since it was made, also while the
node runs: so a node whose volume is lost can use it at once.
"""

import dataclasses
import datetime
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, urls
from ics.consumer import state_sync_record
from ics.cosmos import light

PATIENCE: Final = datetime.timedelta(minutes=10)
"""Time without a trusted block, or without a snapshot, after which a node replays the chain from its genesis."""
MOST_CANDIDATES: Final = 6
"""Heights that are tried in one search."""
_RECORD_EVERY: Final = datetime.timedelta(minutes=1)
"""Least time between two records of a node's progress."""
_LEAST_PROGRESS: Final = 10_000
"""Bytes of a snapshot that count as progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSearch:
    """Search of a proven block."""

    consumer_id: str
    chain_id: str
    servers: tuple[str, ...]
    interval: int
    """Every how many blocks the chain's nodes are expected to make a snapshot; 0: not known."""
    states: tuple[light.ConsensusState, ...]
    """Consensus states of the provider's client that are young enough, with ascending heights."""
    members: tuple[light.Member, ...]
    """The chain's validators as the provider has them now."""
    period: datetime.timedelta
    """As for `TrustedBlock`."""

    def candidates(self, head: int) -> tuple[light.ConsensusState, ...]:
        """Return what to prove, best first: the newest block that is not above the newest snapshot.

        A node verifies blocks above the trusted one in a few steps, but those below it one by one, for which CometBFT
        gives it 30 s (statesync/syncer.go, light/client.go `backwards`).

        Args:
            head: height of the chain's newest block; of an untrusted source, so it decides nothing else.
        """
        snapshot = self.snapshot(head)
        below = [state for state in self.states if state.height <= snapshot]
        above = [state for state in self.states if state.height > snapshot]
        return (*reversed(below), *above)[:MOST_CANDIDATES]

    def snapshot(self, head: int) -> int:
        """Return the height of the chain's newest snapshot, by that of its newest block."""
        return head - head % self.interval if self.interval else head


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one RPC server said at a height: a proven header's hash, or why it is not proven."""

    server: str
    hash: bytes
    """Empty if it is not proven."""
    problem: str = ""
    head: int = 0
    """Height of the newest block that it says it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSyncInputs:
    """Everything that decides about the state sync of one chain."""

    consumer_id: str
    chain_id: str
    definition: chain_definition.Definition
    initial_height: int
    validators: Sequence[model.ConsumerValidator]
    is_running: bool
    """Whether the chain is launched and not stopped."""
    has_workload: bool
    volume_uid: str
    """Of its present volume; empty if there is none."""
    record: state_sync_record.StateSyncRecord | None
    client: light.ClientView | None
    """None: not queried."""
    client_problem: str
    observation: model.Observation | None
    now: datetime.datetime
    """Time of the provider's block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSyncPlan:
    """What is done for the state sync of one chain's node."""

    record: state_sync_record.StateSyncRecord | None = None
    """What should be on record; None: nothing is."""
    search: TrustSearch | None = None
    """The block that is searched for at the end of the pass."""
    asks_client: bool = False
    """Whether the provider's client of the chain must be queried."""
    holds_node: bool = False
    """Whether the node is not started yet."""
    restarts: bool = False
    """Whether the node's pod is deleted, which still tries what was given up."""


NONE: Final = StateSyncPlan()


def plan(inputs: StateSyncInputs) -> StateSyncPlan:
    """Return what should be done for the state sync of one chain."""
    record = None if inputs.record is None else _seen(inputs, inputs.record)
    if not inputs.is_running or not is_possible(inputs.definition):
        return StateSyncPlan(record=inputs.record)
    if record is not None and record.given_up is not None:
        return _after_giving_up(inputs, record, record.given_up)
    if record is not None and record.trust is not None:
        followed = _followed(inputs, record)
        if followed.restarts or not record.trust.is_old(inputs.now):
            return followed
        record = followed.record
    if record is None and inputs.has_workload and not _is_node_past(inputs):
        return NONE
    if inputs.client is None and not inputs.client_problem:
        return StateSyncPlan(record=record, asks_client=True, holds_node=not inputs.has_workload)
    if record is None and inputs.client is not None and not _is_past(inputs, inputs.client):
        return NONE
    return _searching(inputs, record)


def _seen(
    inputs: StateSyncInputs, record: state_sync_record.StateSyncRecord
) -> state_sync_record.StateSyncRecord:
    """Return a record that says that a node which has a block has no need of a state sync on its volume."""
    node = None if inputs.observation is None else inputs.observation.node
    if node is None or node.height == 0 or record.volume == inputs.volume_uid:
        return record
    return dataclasses.replace(record, since=None, progress=None, volume=inputs.volume_uid)


def is_possible(definition: chain_definition.Definition) -> bool:
    """Return whether a definition leaves state sync to the operator, and names servers for it."""
    return bool(definition.rpc) and "statesync" not in definition.config.get("config.toml", {})


def _is_node_past(inputs: StateSyncInputs) -> bool:
    """Return whether a running node says that the chain is so high that a new one would sync its state."""
    node = None if inputs.observation is None else inputs.observation.node
    return (
        node is not None and node.height - inputs.initial_height >= inputs.definition.state_sync.from_blocks
    )


def _is_past(inputs: StateSyncInputs, client: light.ClientView) -> bool:
    """Return whether the chain is past its first blocks, or past an upgrade that a replay would go through."""
    blocks = client.latest_height - inputs.initial_height
    heights = [one.height for one in inputs.definition.upgrades if one.height is not None]
    return blocks >= inputs.definition.state_sync.from_blocks or client.latest_height >= min(
        heights, default=client.latest_height + 1
    )


def _searching(inputs: StateSyncInputs, record: state_sync_record.StateSyncRecord | None) -> StateSyncPlan:
    """Search for a block; a node that does not exist yet waits for it, but not for ever."""
    search, problem = _search(inputs)
    record = _seen(inputs, record or state_sync_record.StateSyncRecord())
    if problem:
        record = dataclasses.replace(record, problem=problem)
    if inputs.has_workload:
        return StateSyncPlan(record=record, search=search)
    record = dataclasses.replace(record, since=record.since or inputs.now)
    if record.since is not None and inputs.now - record.since >= PATIENCE:
        reason = f"no trusted block was proven within {_minutes()} minutes"
        return StateSyncPlan(
            record=dataclasses.replace(record, given_up=state_sync_record.GivenUp(reason=reason))
        )
    return StateSyncPlan(record=record, search=search, holds_node=True)


def _search(inputs: StateSyncInputs) -> tuple[TrustSearch | None, str]:
    """Return what to search for, or why nothing can be proven."""
    client = inputs.client
    if client is None:
        return None, f"the provider's IBC client of the chain is not readable: {inputs.client_problem}"
    if client.is_frozen:
        return None, "the provider's IBC client of the chain is frozen, so it proves nothing any more"
    oldest = inputs.now - client.trusting_period / 2
    states = tuple(state for state in client.states if state.moment >= oldest)
    if not states:
        return None, (
            "the provider's IBC client of the chain has seen no block within half of its trusting period; it proves one"
            " again once a validator relays"
        )
    search = TrustSearch(
        consumer_id=inputs.consumer_id,
        chain_id=inputs.chain_id,
        servers=inputs.definition.rpc,
        interval=inputs.definition.state_sync.snapshot_interval,
        states=states,
        members=tuple(light.Member(one.consumer_key, one.power) for one in inputs.validators),
        period=client.trusting_period,
    )
    return search, ""


def _followed(inputs: StateSyncInputs, record: state_sync_record.StateSyncRecord) -> StateSyncPlan:
    """Follow the state sync of a node that has a trusted block."""
    is_done = record.volume == inputs.volume_uid
    if not inputs.has_workload or is_done or not is_syncing(inputs.observation):
        return StateSyncPlan(record=record)
    progress = _progress(inputs, record.progress)
    if progress == record.progress and inputs.now - progress.since >= PATIENCE:
        what = "its peers stopped sending" if progress.received else "no peer offered"
        return _giving_up(inputs, record, f"{what} a snapshot for {_minutes()} minutes")
    record = dataclasses.replace(record, progress=progress)
    return StateSyncPlan(record=record, restarts=_has_ended_in_vain(inputs.observation))


def _progress(
    inputs: StateSyncInputs, before: state_sync_record.SyncProgress | None
) -> state_sync_record.SyncProgress:
    """Return how far a node has come; the same as before unless it has come much further."""
    received = _received(inputs.observation)
    if before is None:
        return state_sync_record.SyncProgress(received=received, since=inputs.now)
    is_due = inputs.now - before.since >= _RECORD_EVERY
    # Peers that have not got a chunk any more answer, too, with a few bytes.
    if is_due and received - before.received >= _LEAST_PROGRESS:
        return state_sync_record.SyncProgress(received=received, since=inputs.now)
    return before


def _has_ended_in_vain(observation: model.Observation | None) -> bool:
    """Return whether a state sync was aborted, after which CometBFT does nothing more until it starts again.

    That happens when a snapshot is gone before all of it was fetched, and the application refuses the next one
    (statesync/syncer.go, `errAbort`). After a state sync that has succeeded, the application has a height.
    """
    node = None if observation is None else observation.node
    if node is None or node.state_sync is None or node.state_sync.is_syncing:
        return False
    return node.height == 0 and node.app_height == 0


def _giving_up(
    inputs: StateSyncInputs, record: state_sync_record.StateSyncRecord, reason: str
) -> StateSyncPlan:
    pod = None if inputs.observation is None else inputs.observation.pod
    given_up = state_sync_record.GivenUp(reason=reason, pod="" if pod is None else pod.uid)
    record = dataclasses.replace(record, trust=None, progress=None, given_up=given_up)
    return StateSyncPlan(record=record, restarts=pod is not None)


def _after_giving_up(
    inputs: StateSyncInputs, record: state_sync_record.StateSyncRecord, given_up: state_sync_record.GivenUp
) -> StateSyncPlan:
    """Let the node start again from its genesis; once it is at the head, a lost volume may be synced."""
    node = None if inputs.observation is None else inputs.observation.node
    pod = None if inputs.observation is None else inputs.observation.pod
    if node is not None and node.height > 0 and not node.is_catching_up:
        return StateSyncPlan(record=state_sync_record.StateSyncRecord(volume=inputs.volume_uid))
    is_trying = pod is not None and pod.uid == given_up.pod and pod.gone_by is None
    return StateSyncPlan(record=record, restarts=is_trying)


def is_syncing(observation: model.Observation | None) -> bool:
    """Return whether a node has no state yet: it answers so, or it has ended before it did."""
    if observation is None or observation.pod is None:
        return False
    if observation.node is not None:
        return observation.node.height == 0 and observation.node.is_catching_up
    # Without an RPC server, CometBFT ends at once.
    return observation.pod.restarts > 0


def is_fetching(plan: StateSyncPlan, observation: model.Observation | None) -> bool:
    """Return whether a node answers that it is fetching a snapshot, so that it has no block yet."""
    has_block = plan.record is not None and plan.record.trust is not None
    return has_block and observation is not None and observation.node is not None and is_syncing(observation)


def _received(observation: model.Observation | None) -> int:
    node = None if observation is None else observation.node
    return 0 if node is None or node.state_sync is None else node.state_sync.received


def _minutes() -> int:
    return PATIENCE // datetime.timedelta(minutes=1)


def conclude(
    search: TrustSearch, state: light.ConsensusState, said: Sequence[ServerAnswer]
) -> state_sync_record.TrustedBlock | None:
    """Return the trusted block if at least one server has proven it.

    Args:
        search: the search.
        state: of the height that was asked for.
        said: one answer of each server.
    """
    proven = {one.hash for one in said if one.hash}
    if len(proven) != 1:  # two proven blocks at one height: the chain's validators signed both
        return None
    return state_sync_record.TrustedBlock(
        height=state.height,
        snapshot=search.snapshot(_head(state, said)),
        hash=proven.pop().hex().upper(),
        time=state.moment,
        period=search.period,
        servers=tuple(one.server for one in said if one.hash),
        refused=tuple(f"{urls.redacted(one.server)}: {one.problem}" for one in said if not one.hash),
    )


def _head(state: light.ConsensusState, said: Sequence[ServerAnswer]) -> int:
    """Return the height of the chain's newest block, by which the version of a new node's software is chosen.

    Nothing proves it, so it is that in the middle: a single server that lies about its height decides nothing if there
    are three of them, and of two, the lower one counts.
    """
    return max(state.height, statistics.median_low(one.head for one in said if one.hash))


def problem_of(said: Sequence[ServerAnswer]) -> str:
    """Return why a search found no block, with what each server said."""
    if len({one.hash for one in said if one.hash}) > 1:
        return "two different blocks of one height are signed by the chain's validators: " + ", ".join(
            f"{urls.redacted(one.server)} has {one.hash.hex().upper()}" for one in said if one.hash
        )
    return "; ".join(f"{urls.redacted(one.server)}: {one.problem}" for one in said)


def conditions(
    plan: StateSyncPlan,
    consumer_id: str,
    *,
    is_member: bool,
    has_workload: bool,
    observation: model.Observation | None,
) -> tuple[Condition, ...]:
    """Return the conditions of a chain's state sync.

    Args:
        plan: its plan.
        consumer_id: of the chain.
        is_member: whether this validator is a member of the chain, so that its node is due.
        has_workload: whether its node was started before.
        observation: of its node.
    """
    record = plan.record
    if plan.holds_node or (plan.search is not None and record is not None and record.problem):
        why = "" if record is None or not record.problem else f": {record.problem}"
        if has_workload:
            text, severity = f"a new volume could not be synced from a trusted block{why}", Severity.INFO
        else:
            text = (
                f"the node waits for a trusted block of the chain{why}; after {_minutes()} minutes it replays the chain"
                " from its genesis"
            )
            severity = Severity.CRITICAL if is_member and why else Severity.WARNING
        return (Condition.new(Reason.TRUST_UNPROVEN, text, consumer_id, severity=severity),)
    if record is None:
        return ()
    node = None if observation is None else observation.node
    if record.given_up is not None:
        text = f"the node replays the chain from its genesis: {record.given_up.reason}"
        text += f" ({record.problem})" if record.problem else ""
        return (Condition.new(Reason.STATE_SYNC_GIVEN_UP, text, consumer_id),)
    if record.trust is not None and node is not None and is_fetching(plan, observation):
        return (
            Condition.new(Reason.STATE_SYNCING, _progress_text(record.trust, node.state_sync), consumer_id),
        )
    return ()


def _progress_text(trust: state_sync_record.TrustedBlock, now: model.StateSyncStatus | None) -> str:
    if now is None or not now.has_offer:
        text = "the node looks for a snapshot of the chain's state at its peers"
    else:
        text = "the node fetches a snapshot of the chain's state from its peers"
    refused = f"; not used: {'; '.join(trust.refused)}" if trust.refused else ""
    return f"{text}; its trusted block is {trust.height}{refused}"
