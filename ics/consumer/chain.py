"""What the cluster needs of one chain that this validator takes part in; pure."""

import dataclasses
import datetime
from dataclasses import dataclass, field

from ics import errors, model, names
from ics.conditions import Condition, Reason
from ics.config import chain_definition, secret_sources, settings
from ics.consumer import context, lifecycle, participation, signing
from ics.consumer import genesis as consumer_genesis
from ics.consumer.peers import peering, ports
from ics.keys import derivation
from ics.relayer import accounts, plan
from ics.relayer import conditions as relayer_conditions


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain that has objects in the cluster."""

    consumer_id: str
    chain_id: str
    namespace: str
    definition: chain_definition.Definition
    ports: ports.Ports
    peering: peering.Peering
    key: signing.Choice
    node_key: derivation.NodeKey
    arming: signing.Arming
    is_withheld: bool
    """The node is not given the key."""
    genesis: bytes | None
    """None: staged, the node is not started yet."""
    relay: plan.Relayer | None = None
    stage: lifecycle.Stage = lifecycle.Stage.RUNS
    spawn_time: str | None = None
    """RFC 3339, as the provider has it."""
    signer: secret_sources.RemoteSigner | None = None
    laid_peers: model.LaidPeers | None = None
    care: model.Care = field(default_factory=model.Care)
    arming_waits: str = ""
    """Why the pod that is to lay the signing memory waits; empty: it does not, or is not there."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A chain with the conditions that composing it met."""

    chain: Chain
    conditions: tuple[Condition, ...]
    trouble: Condition | None
    """Why a launched chain has no genesis."""


def deploy(
    facts: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.Loaded,
    choice: signing.Choice,
) -> Deployed:
    """Put together all that the cluster needs of a chain.

    Args:
        facts: of the pass.
        consumer: the chain.
        detail: its detail.
        loaded: its definition.
        choice: the consumer key of this validator.
    """
    summary = consumer.summary
    memory = facts.memory_of(summary.consumer_id) or model.ChainMemory(namespace="")
    settings = facts.settings
    has_public_keys = settings.node_keys == "public"
    genesis, trouble = _genesis(facts, summary, detail, loaded, memory)
    placed = facts.ports[summary.consumer_id]
    found = peering.peering(consumer, facts.snapshot.validators, facts.own, placed.p2p, has_public_keys)
    conditions = found.conditions
    if memory.genesis is None:
        conditions += tuple(
            dataclasses.replace(one, consumer_id=summary.consumer_id)
            for one in consumer_genesis.left_out(loaded, facts.snapshot.validators)
        )
    relays, course = None, _course(facts, consumer, memory)
    if course.condition is not None:
        conditions += (course.condition,)
    if genesis is not None and memory.runs and course.stage.relays:
        scene = plan.Scene(
            summary.consumer_id,
            summary.chain_id,
            loaded.definition,
            placed,
            detail,
            genesis,
            memory,
            course.stage is lifecycle.Stage.DRAINS,
        )
        relays, more = _relayer(facts, scene)
        conditions += more
    armed = _arming(facts, summary, detail, choice, memory)
    chain = Chain(
        summary.consumer_id,
        summary.chain_id,
        # Volume and keys cannot follow a chain id that changes: what exists keeps its namespace.
        memory.namespace
        or names.namespace(
            settings.cluster.namespace_prefix, facts.snapshot.chain_id, summary.consumer_id, summary.chain_id
        ),
        loaded.definition,
        placed,
        found,
        choice,
        derivation.public_node_key(facts.own.moniker, summary.chain_id)
        if has_public_keys
        else derivation.derive_node_key(facts.seed),
        armed,
        signing.withholds(armed, memory.is_withheld),
        genesis,
        relays,
        course.stage,
        detail.spawn_time,
        _signer(settings, summary.consumer_id),
        memory.laid_peers,
        memory.care,
        facts.seen.arming.get(summary.consumer_id, ""),
    )
    return Deployed(chain, conditions, trouble)


def _signer(settings: settings.Settings, consumer_id: str) -> secret_sources.RemoteSigner | None:
    named = settings.consensus_keys.get(consumer_id)
    return None if named is None else named.remote


def _course(
    facts: context.ChainContext, consumer: model.Consumer, memory: model.ChainMemory
) -> lifecycle.Course:
    return lifecycle.course(
        consumer,
        datetime.datetime.fromisoformat(facts.snapshot.time),
        facts.settings.node.stop_grace,
        memory,
        facts.seen.relays.get(consumer.summary.consumer_id),
    )


def _relayer(
    facts: context.ChainContext, scene: plan.Scene
) -> tuple[plan.Relayer | None, tuple[Condition, ...]]:
    planned = plan.plan(facts, scene)
    if planned is None:
        return None, ()
    conditions = (
        *planned.conditions,
        *relayer_conditions.conditions(planned, scene.memory, scene.consumer_id, facts.snapshot.moment),
        *accounts.shortages(facts, scene.consumer_id),
    )
    return planned, conditions


def _genesis(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    loaded: chain_definition.Loaded,
    memory: model.ChainMemory,
) -> tuple[bytes | None, Condition | None]:
    """The genesis if the chain is launched: the one in use, else made anew from the launch's facts."""
    if summary.phase is model.Phase.INITIALIZED:
        return None, None
    if memory.genesis is not None:
        return memory.genesis, None
    known = facts.snapshot.launches.get(summary.consumer_id)
    if known is None:
        return None, None
    try:
        return consumer_genesis.genesis_bytes(loaded, summary.chain_id, detail, known), None
    except errors.IcsError as error:
        return None, Condition.new(Reason.GENESIS_INVALID, str(error), summary.consumer_id)


def _arming(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    choice: signing.Choice,
    memory: model.ChainMemory,
) -> signing.Arming:
    if isinstance(choice.key, derivation.SignerKey):
        return signing.Arming.REMOTE
    address = choice.key.address.hex().upper()
    record = next((record for record in memory.records if record.consensus_address == address), None)
    in_set = {member.consumer_key for member in detail.validators}
    known = facts.snapshot.launches.get(summary.consumer_id)
    if known is not None:
        in_set |= {key for key, _ in consumer_genesis.initial_keys(known)}
    # The provider's own key is assigned to nobody: it is this validator's on the chain while it is a member.
    is_member = participation.standing(facts, summary, detail) is not participation.Participation.NONE
    risky = signing.may_have_signed(
        is_launched=summary.phase is not model.Phase.INITIALIZED,
        is_assigned=choice.is_assigned and (is_member or not choice.is_providers),
        is_in_set=choice.key.public_key in in_set,
        record=record,
    )
    is_given = memory.has_workload and not memory.is_withheld
    return signing.arming(record, memory.volume_uid, risky, is_given)
