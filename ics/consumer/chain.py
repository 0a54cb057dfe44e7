"""Plan of one chain in which this validator participates: everything its cluster objects depend on; pure."""

import dataclasses
from dataclasses import dataclass, field

from ics import errors, model, names
from ics.conditions import Condition, Reason
from ics.config import chain_definition, secret_sources, settings
from ics.config import pods as config_pods
from ics.consumer import (
    context,
    extra_nodes,
    extra_versions,
    key_check,
    lifecycle,
    observed,
    participation,
    places,
    plan_images,
    signing,
    snapshots,
    upgrades,
    volumes,
)
from ics.consumer import genesis as consumer_genesis
from ics.consumer import rehearsal as consumer_rehearsal
from ics.consumer import revision as node_revision
from ics.consumer import state_sync as consumer_state_sync
from ics.consumer import watchdog as consumer_watchdog
from ics.consumer.peers import peering, ports, publication, seeds
from ics.cosmos import genesis_order
from ics.keys import derivation
from ics.relayer import accounts, inputs, plan
from ics.relayer import conditions as relayer_conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """Plan of one chain that has objects in the cluster."""

    consumer_id: str
    chain_id: str
    namespace: str
    definition: chain_definition.Definition
    ports: ports.Ports
    peering: peering.Peering
    key: places.SelectedKey
    node_key: derivation.NodeKey
    sign_state: signing.SignStateStatus
    is_withheld: bool
    """Whether the key is withheld from the node."""
    volume_uid: str | None
    """uid of the chain's current volume, None before it exists."""
    genesis: bytes | genesis_order.Ordered | None
    """Or the order of a large one; None if the chain is staged and its node is not started yet."""
    relay: plan.RelayerPlan | None = None
    stage: lifecycle.ShutdownStage = lifecycle.ShutdownStage.RUNNING
    spawn_time: str | None = None
    """RFC 3339, from the provider."""
    is_recorded: bool = False
    """Whether the Secret with the key and its record exists."""
    spawns: bool = False
    """Whether it is not launched yet."""
    signer: secret_sources.RemoteSigner | None = None
    configured_peers: consumer_watchdog.ConfiguredPeers | None = None
    watchdog: consumer_watchdog.WatchdogRecord = field(default_factory=consumer_watchdog.WatchdogRecord)
    watermark: model.Watermark = field(default_factory=model.Watermark)
    certificates: tuple[str, ...] = ()
    """sha256 (hex) of the cluster's certificates that the mark beside the sign state knows."""
    next: "ChainPlan | None" = None
    """The same with the key that the operator ordered instead, which the node has not got yet."""
    pods: config_pods.PodSettings = field(default_factory=config_pods.PodSettings)
    """Settings of all of its pods."""
    pod: model.PodStatus | None = None
    """Of its node at the start of the pass."""
    extra: extra_nodes.ExtraNodes = field(default_factory=extra_nodes.ExtraNodes)
    """Its sentries and full nodes."""
    rehearsal: consumer_rehearsal.Rehearsal | None = None
    """What is rehearsed while the chain is staged; None if nothing is."""
    seeds: tuple[str, ...] = ()
    """Seeds that its node gets at its start."""
    storage: str = "10Gi"
    """Size that its volume's claim requests."""
    snapshot_before: int | None = None
    """Height of the upgrade for which a snapshot of its volume is due; None: none is."""
    snapshot_step: snapshots.SnapshotStep = field(default_factory=snapshots.SnapshotStep)
    """Snapshots of its volume to create and to delete."""
    state_sync: consumer_state_sync.StateSyncPlan = consumer_state_sync.NONE
    """What is done so that a new node need not replay all blocks."""
    sign_state_waits: str = ""
    """Reason why the pod of the sign-state Job waits; empty if it does not wait or does not exist."""
    recorded: node_revision.RecordedTemplate | None = None
    """Template of its StatefulSet; None if that does not exist."""
    is_rolled: bool = False
    """Whether the operator asks for a restart at the current revision."""
    revision: int = node_revision.CURRENT
    """Of its node's template; `ics.manifests.revisions` settles it."""
    upgrade: upgrades.NodeUpgrade | None = None
    """The version of the chain's software that its node gets, and what comes next; None: the definition's first one."""

    @property
    def version(self) -> upgrades.Version:
        """Version of the chain's software that its node gets."""
        return first_version(self.definition) if self.upgrade is None else self.upgrade.version

    @property
    def snapshot_source(self) -> snapshots.SnapshotSource:
        """The volume of the validator's node, as the source of snapshots."""
        return snapshots.SnapshotSource(
            consumer_id=self.consumer_id,
            chain_id=self.chain_id,
            namespace=self.namespace,
            claim=names.VOLUME_NAME,
        )

    @property
    def is_held(self) -> bool:
        """Whether its node must be restarted for nothing but an upgrade now."""
        return self.upgrade is not None and self.upgrade.holds

    @property
    def persistent_peers(self) -> str:
        """`persistent_peers` of the validator's node: those of the chain, or only its sentries."""
        return self.extra.sentry_addresses if self.extra.is_behind else self.peering.persistent_peers

    @property
    def external_address(self) -> str:
        """Address that the validator's node announces; empty: none."""
        return "" if self.extra.is_behind else self.peering.external_address

    @property
    def has_seeds(self) -> bool:
        """Whether the validator's node has seeds; behind sentries, only they have them."""
        return bool(self.definition.seeds) and not self.extra.is_behind


def first_version(definition: chain_definition.Definition) -> upgrades.Version:
    """Return the version that executes a chain's first block."""
    return upgrades.Version(definition.image, definition.binary_hash)


@dataclass(frozen=True, slots=True)
class PlannedChain:
    """A planned chain with its conditions."""

    chain: ChainPlan
    conditions: tuple[Condition, ...]
    trouble: Condition | None
    """Set if a launched chain has no valid genesis."""


def plan_chain(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    selected_key: places.SelectedKey,
) -> PlannedChain:
    """Plan a chain.

    Args:
        context: inputs of the pass.
        consumer: the chain.
        detail: its detail.
        loaded: its definition.
        selected_key: this validator's consumer key for the chain.
    """
    summary = consumer.summary
    memory = context.memory_of(summary.consumer_id) or observed.ChainMemory(namespace="")
    has_public_keys = context.settings.node_keys == "public"
    genesis, trouble = _genesis(context, summary, detail, loaded, memory)
    own_ports = context.ports_of(summary)
    peers = context.kept.of(
        summary.consumer_id,
        peering.peers_of,
        summary,
        detail,
        context.publishers,
        peering.Publisher.of(context.own),
        own_ports.p2p,
        has_public_keys,
        _recorded_peers(memory),
    )
    conditions = peers.conditions
    if memory.genesis is None:
        conditions += _unfunded_relayers(context, summary, loaded)
    shutdown = _shutdown(context, consumer, memory)
    if shutdown.condition is not None:
        conditions += (shutdown.condition,)
    relayer_plan = None
    is_relaying_elsewhere = _is_relaying_elsewhere(context, summary, selected_key, memory)
    if genesis is not None and memory.runs and shutdown.stage.relays and not is_relaying_elsewhere:
        relayer_inputs = _relayer_inputs(context, summary, detail, loaded.definition, genesis, memory)
        is_stopped = shutdown.stage is lifecycle.ShutdownStage.DRAINING
        relayer_plan, more = _relayer(dataclasses.replace(relayer_inputs, is_stopped=is_stopped))
        conditions += more
    observation = context.observed.observations.get(summary.consumer_id)
    left = seeds.choose(
        loaded.definition.seeds, peers.persistent_peers, context.observed.unresolved, summary.consumer_id
    )
    conditions += left.conditions
    sign_state = _sign_state(context, summary, detail, selected_key, memory)
    storage = loaded.definition.storage or context.settings.node.storage
    volume = _volume(context, summary, storage, memory)
    conditions += volume.conditions
    record = places.record_of(memory.records, selected_key.place)
    state_sync = _state_sync(context, consumer, detail, loaded.definition, memory)
    extra, node_key = extra_nodes.plan(
        extra_nodes.Inputs(
            seed=context.seed,
            provider_chain_id=context.snapshot.chain_id,
            consumer_id=summary.consumer_id,
            installation=_installation(context),
            wanted=loaded.definition.nodes.over(context.settings.nodes),
            memory=memory,
            observation=observation,
            extra=context.observed.extra_nodes.get(summary.consumer_id, {}),
            own_address=selected_key.key.address,
            published=_node_key(context, summary, selected_key.place),
            peers=peers.persistent_peers,
            node_port=own_ports.p2p,
            fetches_state=state_sync.record is not None,
        )
    )
    extra = _with_volumes(context, summary, storage, memory, extra)
    conditions += tuple(condition for node in extra.nodes for condition in node.volume.conditions)
    chain = ChainPlan(
        consumer_id=summary.consumer_id,
        chain_id=summary.chain_id,
        # Volume and keys cannot follow a change of the chain id, so existing objects keep their namespace.
        namespace=memory.namespace or new_namespace(context, summary),
        definition=loaded.definition,
        ports=own_ports,
        peering=peers,
        key=selected_key,
        node_key=node_key,
        extra=extra,
        sign_state=sign_state,
        is_withheld=signing.must_withhold_key(sign_state, memory.is_withheld),
        volume_uid=memory.volume_uid,
        is_recorded=record is not None and not record.is_recovered,
        genesis=genesis,
        relay=relayer_plan,
        stage=shutdown.stage,
        spawn_time=detail.spawn_time,
        spawns=summary.phase is model.Phase.INITIALIZED,
        signer=_signer(context.settings, summary.consumer_id),
        configured_peers=memory.configured_peers,
        watchdog=memory.watchdog,
        watermark=memory.watermark,
        certificates=() if record is None else record.certificates,
        rehearsal=_rehearsal(context, summary, detail, loaded),
        pods=context.kept.of(
            summary.consumer_id,
            config_pods.PodSettings.merged,
            context.settings.pods,
            loaded.definition.pods,
        ),
        pod=None if observation is None else observation.pod,
        seeds=left.used,
        storage=volume.size,
        state_sync=state_sync,
        sign_state_waits=context.observed.sign_state_waits.get(summary.consumer_id, ""),
        recorded=memory.template,
        is_rolled=summary.consumer_id in context.observed.roll_requests,
    )
    situation = _software(context, chain, memory)
    if situation is not None:
        upgraded = _upgraded(context, chain, situation)
        conditions += upgraded.conditions
        chain = dataclasses.replace(
            upgraded.chain,
            extra=extra_versions.with_versions(
                extra,
                situation,
                context.observed.extra_nodes.get(summary.consumer_id, {}),
                context.observed.extra_halted.get(summary.consumer_id, {}),
            ),
        )
    if selected_key.next is not None:
        ordered = _with_ordered_key(context, summary, detail, memory, chain, selected_key.next)
        chain = dataclasses.replace(chain, next=ordered)
    chain = dataclasses.replace(chain, snapshot_step=_snapshots(context, chain, observation))
    conditions += snapshots.conditions(
        context.settings.snapshots,
        context.observed.volume_snapshots,
        summary.consumer_id,
        context.snapshot.moment,
    )
    return PlannedChain(chain, conditions, trouble)


def _volume(
    context: context.ChainContext, summary: model.ConsumerSummary, wanted: str, memory: observed.ChainMemory
) -> volumes.VolumePlan:
    return volumes.plan(
        wanted,
        context.settings.node.volume,
        memory.claim,
        context.observed.volume_uses.get((memory.namespace, names.NODE_POD)),
        context.observed.expandable,
        summary.consumer_id,
    )


def _with_volumes(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    wanted: str,
    memory: observed.ChainMemory,
    extra: extra_nodes.ExtraNodes,
) -> extra_nodes.ExtraNodes:
    """Return a chain's sentries and full nodes with the plans of their volumes."""

    def planned(node: extra_nodes.ExtraNode) -> extra_nodes.ExtraNode:
        plan = volumes.plan(
            wanted,
            context.settings.node.volume,
            node.memory.claim,
            context.observed.volume_uses.get((memory.namespace, names.extra_pod(node.name))),
            context.observed.expandable,
            summary.consumer_id,
            volumes.of_extra_node(node.name),
        )
        return dataclasses.replace(node, volume=plan)

    return dataclasses.replace(extra, nodes=tuple(map(planned, extra.nodes)))


def _snapshots(
    context: context.ChainContext, chain: ChainPlan, observation: model.Observation | None
) -> snapshots.SnapshotStep:
    """Return what is due about the chain's snapshots; one of a node that still syncs would be of little use."""
    node = None if observation is None else observation.node
    is_sound = (
        chain.stage is lifecycle.ShutdownStage.RUNNING
        and chain.volume_uid is not None
        and node is not None
        and not node.is_catching_up
    )
    return snapshots.next_step(
        context.settings.snapshots,
        context.observed.volume_snapshots,
        chain.consumer_id,
        context.snapshot.moment,
        is_sound=is_sound,
        before=chain.snapshot_before,
    )


@dataclass(frozen=True, slots=True)
class _Upgraded:
    """A chain with the version of its node, and what is reported about it."""

    chain: ChainPlan
    conditions: tuple[Condition, ...] = ()


def _upgraded(context: context.ChainContext, chain: ChainPlan, situation: upgrades.Situation) -> _Upgraded:
    """Return a chain with the version of its node, which is not switched before its snapshot is made."""
    upgrade = upgrades.assess(situation)
    if upgrade.awaits_switch is None:
        return _Upgraded(dataclasses.replace(chain, upgrade=upgrade), upgrade.conditions)
    verdict = snapshots.before_upgrade(
        context.settings.snapshots,
        context.observed.volume_snapshots,
        chain.consumer_id,
        upgrade.awaits_switch,
        context.snapshot.moment,
    )
    due = upgrade.awaits_switch if verdict.is_due else None
    if not verdict.may_switch:
        upgrade = upgrades.assess(dataclasses.replace(situation, may_switch=False))
    chain = dataclasses.replace(chain, upgrade=upgrade, snapshot_before=due)
    return _Upgraded(chain, (*upgrade.conditions, *verdict.conditions))


def _software(
    context: context.ChainContext, chain: ChainPlan, memory: observed.ChainMemory
) -> upgrades.Situation | None:
    """Return what the version of a chain's node depends on, None while it has no genesis, and so no node."""
    if chain.genesis is None:
        return None
    observation = context.observed.observations.get(chain.consumer_id)
    node = None if observation is None else observation.node
    record = places.record_of(memory.records, chain.key.place)
    is_known_volume = record is not None and record.volume_uid == memory.volume_uid
    sync = chain.state_sync.record
    # Until its node was seen with a block, a volume has the data of no version.
    has_data = sync is None or sync.volume == memory.volume_uid
    trust = None if sync is None or sync.given_up is not None else sync.trust
    return upgrades.Situation(
        consumer_id=chain.consumer_id,
        base=first_version(chain.definition),
        upgrades=chain.definition.upgrades,
        record=memory.software,
        runs=memory.has_workload and (is_known_volume or chain.signer is not None) and has_data,
        starts_at=0 if trust is None else trust.snapshot or trust.height,
        pod=chain.pod,
        node=node,
        halted=context.observed.halted.get(chain.consumer_id),
        plan=context.observed.upgrade_plans.get(chain.consumer_id),
        binary=chain.definition.binary,
        flags=start_flags(chain.definition),
        image_rules=plan_images.rules(
            chain.definition.plan_images,
            [chain.definition.image, *(one.image for one in chain.definition.upgrades)],
            require_digest=context.settings.plan_images.require_digest,
        ),
        pulls=context.observed.pulls.get(chain.consumer_id, {}),
        may_restart=node is None or consumer_watchdog.may_restart(chain.key.key.address, node),
        now=context.snapshot.moment,
        interval=context.settings.signing.watermark_interval,
    )


def start_flags(definition: chain_definition.Definition) -> tuple[str, ...]:
    """Return the flags with which a node of the chain may be started, with their values."""
    halts = any(one.halt for one in definition.upgrades)
    return (
        "--p2p.persistent_peers=",
        *(("--p2p.seeds=",) if definition.seeds else ()),
        *(("--halt-height=1",) if halts else ()),
        *definition.own_flags,
    )


def _state_sync(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    definition: chain_definition.Definition,
    memory: observed.ChainMemory,
) -> consumer_state_sync.StateSyncPlan:
    summary = consumer.summary
    return consumer_state_sync.plan(
        consumer_state_sync.StateSyncInputs(
            consumer_id=summary.consumer_id,
            chain_id=summary.chain_id,
            definition=definition,
            initial_height=detail.initial_height,
            validators=detail.validators,
            is_running=summary.phase is model.Phase.LAUNCHED,
            has_workload=memory.has_workload,
            volume_uid=memory.volume_uid or "",
            record=memory.state_sync,
            client=context.observed.clients.get(summary.consumer_id),
            client_problem=context.observed.client_problems.get(summary.consumer_id, ""),
            observation=context.observed.observations.get(summary.consumer_id),
            now=context.snapshot.moment,
        )
    )


def _with_ordered_key(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    memory: observed.ChainMemory,
    chain: ChainPlan,
    ordered: places.SelectedKey,
) -> ChainPlan:
    """Return the plan of a chain with a key whose sign state is prepared while the present one signs."""
    record = places.record_of(memory.records, ordered.place)
    return dataclasses.replace(
        chain,
        key=ordered,
        sign_state=_sign_state(context, summary, detail, ordered, memory),
        is_recorded=record is not None,
    )


def is_rehearsing(context: context.ChainContext, loaded: chain_definition.LoadedDefinition) -> bool:
    """Return whether the settings ask for a rehearsal of the chain."""
    return context.settings.staging.rehearse and loaded.definition.rehearse


def _rehearsal(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
) -> consumer_rehearsal.Rehearsal | None:
    if summary.phase is not model.Phase.INITIALIZED or not is_rehearsing(context, loaded):
        return None
    parameters = consumer_rehearsal.of_detail(context.snapshot.chain_id, summary, detail)
    return consumer_rehearsal.prepare(loaded, parameters, context.settings, context.snapshot.moment)


def _is_relaying_elsewhere(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    selected_key: places.SelectedKey,
    memory: observed.ChainMemory,
) -> bool:
    """Return whether another installation may relay with the same accounts, so that this one must not.

    Of two installations, the one whose key is in the chain's validator set relays, because it may be the one that
    relays the exchange of the keys: one that was taken over until its key has been out of the set for two blocks, one
    to which the chain is moved from then on. In a cluster that the mark does not know, nothing relays: the cluster from
    which it was restored may still run.
    """
    place = selected_key.place
    observation = context.observed.observations.get(summary.consumer_id)
    pod = None if observation is None else observation.pod
    node = None if observation is None else observation.node
    if pod is not None and key_check.parse(pod.key_check)[0] is key_check.KeyCheck.OTHER_CLUSTER:
        return True
    own = [record for record in memory.records if places.is_of_installation(record.place, place)]
    here = (place, *(record.place for record in own))
    replaced = {bytes.fromhex(one.replaces) for one in here if one.is_moved}
    if selected_key.elsewhere is None and not replaced:
        return False
    if node is None:
        # It cannot relay without its node; but a restart of the node does not remove it.
        return not memory.relayer.has_hermes
    is_at_head = participation.is_at_head(context, node)
    if selected_key.elsewhere is not None:
        used = {bytes.fromhex(one.consensus_address) for one in own}
        return not is_at_head or used.isdisjoint({*node.validators, *node.signers})
    if not is_at_head:
        return not memory.relayer.has_hermes
    return not replaced.isdisjoint(node.validators)


def _unfunded_relayers(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    loaded: chain_definition.LoadedDefinition,
) -> tuple[Condition, ...]:
    return tuple(
        dataclasses.replace(condition, consumer_id=summary.consumer_id)
        for condition in context.kept.of(
            summary.consumer_id, consumer_genesis.unfunded_relayers, loaded, context.publishers
        )
    )


def new_namespace(context: context.ChainContext, summary: model.ConsumerSummary) -> str:
    """Return the namespace of a chain that has none yet."""
    prefix = context.settings.cluster.namespace_prefix
    return names.namespace(prefix, context.snapshot.chain_id, summary.consumer_id, summary.chain_id)


def _recorded_peers(memory: observed.ChainMemory) -> str | None:
    """Return the chain's `persistent_peers` as an earlier pass wrote them, None if there is no record."""
    configured = memory.configured_peers
    if memory.sentries:
        # The validator's node has none but its sentries.
        sentry = memory.extra_nodes.get(names.extra_node(names.SENTRY, 1), observed.ExtraNodeMemory())
        configured = sentry.configured_peers
    return None if configured is None else configured.persistent_peers


def _installation(context: context.ChainContext) -> str:
    return publication.installation(context.observed.memory.cluster_uid, context.settings.gateway.namespace)


def _node_key(
    context: context.ChainContext, summary: model.ConsumerSummary, place: model.Place
) -> derivation.NodeKey:
    if context.settings.node_keys == "public":
        return derivation.public_node_key(context.own.moniker, summary.chain_id)
    return publication.node_key(
        context.own.details,
        context.seed,
        _installation(context),
        is_moved=place.is_moved,
    )


def _signer(settings: settings.Settings, consumer_id: str) -> secret_sources.RemoteSigner | None:
    source = settings.consensus_keys.get(consumer_id)
    return None if source is None else source.remote


def _shutdown(
    context: context.ChainContext, consumer: model.Consumer, memory: observed.ChainMemory
) -> lifecycle.Shutdown:
    return lifecycle.shutdown_stage(
        consumer,
        context.snapshot.moment,
        context.settings.node.stop_grace,
        memory,
        context.observed.relays.get(consumer.summary.consumer_id),
    )


def _relayer_inputs(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    definition: chain_definition.Definition,
    genesis: bytes | genesis_order.Ordered,
    memory: observed.ChainMemory,
) -> inputs.Inputs:
    own_ports = context.ports_of(summary)
    return inputs.Inputs(
        settings=context.settings,
        seed=context.seed,
        provider_chain_id=context.snapshot.chain_id,
        now=context.snapshot.moment,
        own_valcons=context.own.consensus_address,
        published_relayers=context.published_relayers,
        balances=context.observed.balances,
        gas_price=context.observed.gas_price,
        topped_up=accounts.topped_up(context.observed.topped_up, summary.consumer_id),
        consumer_id=summary.consumer_id,
        chain_id=summary.chain_id,
        namespace=memory.namespace,
        definition=definition,
        rpc_port=own_ports.rpc,
        grpc_port=own_ports.grpc,
        detail=detail,
        genesis=genesis if isinstance(genesis, bytes) else genesis.outline(),
        memory=memory.relayer,
        facts=context.observed.relays.get(summary.consumer_id),
        problem=context.observed.relay_problems.get(summary.consumer_id)
        or context.observed.gas_price_problem
        or None,
    )


def _relayer(chain: inputs.Inputs) -> tuple[plan.RelayerPlan | None, tuple[Condition, ...]]:
    relayer = plan.compute(chain)
    if relayer is None:
        return None, ()
    conditions = (
        *relayer.conditions,
        *relayer_conditions.assess(chain, relayer.relays, relayer.base),
        *accounts.shortages(chain),
    )
    return relayer, conditions


def _genesis(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    memory: observed.ChainMemory,
) -> tuple[bytes | genesis_order.Ordered | None, Condition | None]:
    """Return the genesis of a launched chain: the one in use, or else one completed from the launch."""
    if summary.phase is model.Phase.INITIALIZED:
        return None, None
    if isinstance(memory.genesis, genesis_order.Ordered):
        observation = context.observed.observations.get(summary.consumer_id)
        pod = None if observation is None else observation.pod
        return consumer_genesis.prepared(memory.genesis, pod)[0], None
    if memory.genesis is not None:
        return memory.genesis, None
    launch = context.snapshot.launches.get(summary.consumer_id)
    if launch is None:
        return None, None
    try:
        if loaded.is_large:
            relayers, image = context.published_relayers.values(), context.settings.genesis_image
            ordered = consumer_genesis.order_genesis(
                loaded, summary.chain_id, detail, launch, relayers, image
            )
            return ordered, None
        return consumer_genesis.build_genesis(loaded, summary.chain_id, detail, launch), None
    except errors.IcsError as error:
        return None, Condition.new(Reason.GENESIS_INVALID, str(error), summary.consumer_id)


def _sign_state(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    detail: model.ConsumerDetail,
    selected_key: places.SelectedKey,
    memory: observed.ChainMemory,
) -> signing.SignStateStatus:
    if isinstance(selected_key.key, derivation.SignerKey):
        return signing.SignStateStatus.REMOTE
    if selected_key.lost is not None and selected_key.place == selected_key.lost.place:
        return signing.SignStateStatus.UNSAFE
    record = places.record_of(memory.records, selected_key.place)
    in_set = {member.consumer_key for member in detail.validators}
    launch = context.snapshot.launches.get(summary.consumer_id)
    if launch is not None:
        in_set |= {key for key, _ in consumer_genesis.initial_keys(launch)}
    # The provider key is never assigned explicitly; it counts as this validator's while it is a member.
    is_member = (
        participation.current_participation(context, summary, detail) is not participation.Participation.NONE
    )
    is_overdue = record is not None and places.is_overdue(record, context.snapshot.moment)
    risky = signing.may_have_signed(
        is_launched=summary.phase is not model.Phase.INITIALIZED,
        is_assigned=selected_key.is_assigned and (is_member or not selected_key.is_providers),
        is_in_set=selected_key.key.public_key in in_set,
        is_overdue=is_overdue,
        record=record,
    )
    is_given = memory.has_workload and not memory.is_withheld
    status = signing.sign_state_status(record, memory.volume_uid, risky, is_given)
    if is_overdue and status in (signing.SignStateStatus.MISSING, signing.SignStateStatus.REQUESTED):
        return signing.SignStateStatus.UNRECORDED if is_given else signing.SignStateStatus.UNSAFE
    return status
