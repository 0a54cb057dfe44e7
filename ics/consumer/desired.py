"""Desired state of all chains, computed from the observed state: the only place where the pure concepts meet.

`compute` is one function of frozen values. It decides about each chain separately, so that a problem of one
never affects another. A chain that cannot be decided is *paused*: its objects are not changed.
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import errors, model, names
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, settings
from ics.consumer import chain as consumer_chain
from ics.consumer import checklist as consumer_checklist
from ics.consumer import (
    context,
    genesis,
    jail,
    key_check,
    lifecycle,
    matching,
    missing_key,
    monitoring_kinds,
    observed,
    places,
    provider_key,
    provider_plan,
    rekey,
    removal,
    selection,
    signing,
    snapshots,
    state_sync,
)
from ics.consumer import kept as consumer_kept
from ics.consumer import participation as consumer_participation
from ics.consumer import terms as consumer_terms
from ics.consumer.peers import description, gateway_address, peering, ports
from ics.consumer.peers import gateway_ports as peers_gateway_ports
from ics.cosmos import addresses, identifiers
from ics.keys import derivation
from ics.relayer import accounts


@dataclass(frozen=True, slots=True)
class Withholding:
    """A key that a node must not have, although the engine does not change its objects."""

    namespace: str
    place: model.Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDecision:
    """The decision for one chain."""

    summary: model.ConsumerSummary
    participation: consumer_participation.Participation = consumer_participation.Participation.NONE
    chain: consumer_chain.ChainPlan | None = None
    intents: tuple[model.Intent, ...] = ()
    awaited: tuple[model.Intent, ...] = ()
    """Transactions that the next steps make due: their keys' places or sign states are not on record yet, or the
    checklist of the chain is open."""
    conditions: tuple[Condition, ...] = ()
    is_paused: bool = False
    """Whether the chain could not be decided, so that all of its objects stay unchanged."""
    retires: model.Place | None = None
    """Place whose key is never used again, which is recorded before its node is removed."""
    has_left: bool = False
    """Whether the node's key is confirmed to have left the chain, so that the workload is removed."""
    elsewhere: bytes | None = None
    """Address (20 bytes) of this validator's key on the chain, if it belongs to another installation."""
    withholds: tuple[Withholding, ...] = ()
    """Keys that existing nodes must not have, whatever keeps their objects from being changed."""
    relaying_copies: tuple[str, ...] = ()
    """Namespaces with copies of the chain's relayer, which are stopped, because they have the same accounts."""
    open_terms: frozenset[consumer_terms.Question] = frozenset()
    """What must still be asked about the terms of a chain that this validator has joined or would join."""
    checklist: consumer_checklist.Checklist | None = None
    """What is known about a chain that is awaited; None for every other chain."""
    ends_for: str = ""
    """What the provider says for which the node is ended, once it is confirmed; empty: nothing."""
    asks_endpoints: bool = False
    """Whether the other endpoints must be asked before the node is ended."""
    withdraws: tuple[model.Place, ...] = ()
    """Places whose keys a remote signer has replaced, or whose sign states their nodes refuse; it is recorded first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The desired state of one validator."""

    settings: settings.Settings
    provider_chain_id: str
    height: int
    decisions: tuple[ChainDecision, ...]
    """One per chain that is not DELETED, in port order; then the DELETED ones that have a node here."""
    ports: Mapping[str, ports.Ports]
    """Of the chains that `allocate_ports` places."""
    paused: frozenset[str]
    """Consumer ids of paused chains: their objects are neither changed nor deleted."""
    gateway_ports: Mapping[str, int]
    """Ports of the shared LoadBalancer by consumer id, including paused chains that have objects."""
    open_ports: Mapping[str, model.OpenPorts]
    """The same ports, with former ones that stay open during the grace period."""
    moment: datetime.datetime
    """Time of the provider block on which the decisions are based."""
    ended: frozenset[str] = frozenset()
    """Consumer ids whose workloads are removed: DELETED chains, and chains that this validator has left."""
    definitions: tuple[chain_definition.LoadedDefinition, ...] = ()
    """All definitions of the stack, for the reconciler in the cluster."""
    conditions: tuple[Condition, ...] = ()
    """Conditions of the validator rather than of one chain."""
    has_monitoring: bool = False
    """Whether alerts, scrapes and dashboard are objects of the stack."""
    provider_node: provider_plan.ProviderNodePlan = field(default_factory=provider_plan.ProviderNodePlan)
    """The validator's own provider node."""

    @property
    def chains(self) -> tuple[consumer_chain.ChainPlan, ...]:
        """Plans of the chains that have objects in the cluster."""
        return tuple(verdict.chain for verdict in self.decisions if verdict.chain is not None)

    @property
    def intents(self) -> tuple[model.Intent, ...]:
        """Due transactions without duplicates, in the order of the chains."""
        return tuple(dict.fromkeys(intent for verdict in self.decisions for intent in verdict.intents))

    @property
    def announced(self) -> tuple[model.Intent, ...]:
        """Due transactions, and those that the next steps make due, for the operator to read."""
        both = (intent for verdict in self.decisions for intent in (*verdict.intents, *verdict.awaited))
        return tuple(dict.fromkeys(both))


MOST_KEYS = 16
"""Keys of one chain that are created one after the other because the provider says of each that it is used already."""
MOST_STRANGERS = 64
"""Chains that await their launch and match no definition, about whose members a pass asks nevertheless: this validator
may have joined one by hand."""
_LAUNCHED = (model.Phase.LAUNCHED, model.Phase.STOPPED)


def allocate_ports(
    consumers: Sequence[model.Consumer],
    definitions: Sequence[chain_definition.LoadedDefinition],
    memory: observed.Memory | None = None,
    must_validate: frozenset[str] = frozenset(),
) -> dict[str, ports.Ports]:
    """Return the ports by consumer id of the chains that are launched, ours, or defined.

    Anybody can create chains, at next to no cost and for good, so a chain that is merely there takes no port. Those
    of launched chains depend on launched chains only, and are equal on all validators.

    Args:
        consumers: all chains of the provider.
        definitions: all of the stack.
        memory: chains that have objects in the cluster.
        must_validate: chains that this validator has to validate.
    """

    def takes_ports(consumer: model.Consumer) -> bool:
        summary, detail = consumer.summary, consumer.detail
        known = must_validate if memory is None else must_validate.union(memory.chains)
        if summary.phase in _LAUNCHED or summary.consumer_id in known:
            return True
        return (
            summary.phase is model.Phase.INITIALIZED
            and _has_valid_name(summary)
            and any(
                chain_definition.may_match(one.definition.match, summary.consumer_id, summary.chain_id)
                and (
                    detail is None or one.definition.match.owner in (chain_definition.ANY_OWNER, detail.owner)
                )
                for one in definitions
            )
        )

    return ports.allocate(port_order([consumer for consumer in consumers if takes_ports(consumer)]))


def _has_valid_name(summary: model.ConsumerSummary) -> bool:
    try:
        identifiers.check_chain_id(summary.chain_id)
    except errors.SettingsError:
        return False
    return True


def port_order(consumers: Sequence[model.Consumer]) -> list[tuple[str, str]]:
    """Return (consumer id, chain id) of chains in the order of port allocation.

    Running chains come first, by the number of their IBC client (the order of their launches); chains not
    launched yet get a provisional port after them, by consumer id. Deleted chains have none.
    """

    def rank(summary: model.ConsumerSummary) -> tuple[int, int, int]:
        is_placed = summary.phase in _LAUNCHED
        # A sovereign chain in a changeover keeps its old connection and may have no client here.
        number = identifiers.counter(summary.client_id) or 0 if is_placed else 0
        return (0 if is_placed else 1, number, int(summary.consumer_id))

    summaries = [c.summary for c in consumers if c.summary.phase is not model.Phase.DELETED]
    return [(s.consumer_id, s.chain_id) for s in sorted(summaries, key=rank)]


def is_of_interest(
    summary: model.ConsumerSummary,
    must_validate: bool,
    memory: observed.Memory,
    definitions: Sequence[chain_definition.LoadedDefinition],
) -> bool:
    """Return whether a chain's details are queried because it concerns this validator.

    Those of chains that may be launched, but that no definition matches, are queried only up to a number, because
    anybody can create them; see `MOST_STRANGERS`.
    """
    if summary.phase not in (model.Phase.INITIALIZED, *_LAUNCHED):
        return False
    if must_validate or summary.consumer_id in memory.chains:
        return True
    return any(
        chain_definition.may_match(loaded.definition.match, summary.consumer_id, summary.chain_id)
        for loaded in definitions
    )


def compute(
    observed: observed.Observed,
    settings: settings.Settings,
    seed: model.Secret,
    definitions: Sequence[chain_definition.LoadedDefinition],
    imported: Mapping[str, derivation.ConsensusKey] | None = None,
    invalid_definitions: Sequence[chain_definition.InvalidDefinition] = (),
    kept: consumer_kept.Kept | None = None,
) -> Desired:
    """Compute the desired state of every chain of the provider for one validator.

    Args:
        observed: everything observed in this pass.
        settings: of the stack.
        seed: 32 bytes from which keys are derived.
        definitions: all of the stack.
        imported: existing keys that the settings refer to, by consumer id.
        invalid_definitions: whose chains are left alone.
        kept: what earlier passes of this process computed; None: nothing.

    Raises:
        Permanent: the provider does not have this validator.
        Transient: the provider does not list a chain that has objects in the cluster.
    """
    snapshot, memory = observed.snapshot, observed.memory
    _check_known(snapshot, memory)
    own = own_validator(snapshot, settings)
    order = port_order(snapshot.consumers)
    allocated = allocate_ports(snapshot.consumers, definitions, memory, snapshot.must_validate)
    configured = _configured_keys(settings, imported or {})
    kept = kept or consumer_kept.Kept()
    kept.forget_others(allocated.keys())
    inputs = context.ChainContext(
        observed=observed,
        settings=settings,
        seed=seed,
        definitions=definitions,
        invalid_definitions=invalid_definitions,
        own=own,
        ports=allocated,
        is_selected=_is_selected(snapshot, own),
        configured_keys=configured,
        by_chain_id=_by_chain_id(snapshot.consumers),
        shared=signing.find_conflicts(_uses(snapshot, memory, own, configured)),
        published_relayers=_published_relayers(snapshot),
        publishers=kept.of(consumer_kept.ALL, peering.publishers, snapshot.validators),
        kept=kept,
    )
    by_id = {consumer.summary.consumer_id: consumer for consumer in snapshot.consumers}
    decisions = tuple(_decide(inputs, by_id[consumer_id]) for consumer_id, _ in order)
    decisions += tuple(
        _decide(inputs, consumer)
        for consumer in snapshot.consumers
        if consumer.summary.phase is model.Phase.DELETED and _has_node(memory, consumer.summary)
    )
    paused = frozenset(d.summary.consumer_id for d in decisions if d.is_paused)
    deployed = {d.chain.consumer_id for d in decisions if d.chain is not None} | (paused & set(memory.chains))
    gateway_ports = peering.gateway_ports(
        own, [(key, allocated[key].p2p) for key, _ in order if key in deployed and key in allocated]
    )
    decisions = tuple(_with_port(decision, gateway_ports) for decision in decisions)
    open_ports = peers_gateway_ports.open_ports(
        memory.open_ports,
        gateway_ports,
        frozenset(consumer_id for consumer_id, chain in memory.chains.items() if chain.has_workload),
        snapshot.moment,
        datetime.timedelta(seconds=settings.gateway.port_grace),
    )
    own_node_key = provider_key.decide(settings.provider_node, memory.provider_node, observed.provider_node)
    own_node = provider_plan.plan(observed, settings, own_node_key)
    return Desired(
        settings=settings,
        provider_chain_id=snapshot.chain_id,
        height=snapshot.height,
        decisions=decisions,
        ports=allocated,
        paused=paused,
        gateway_ports=gateway_ports,
        open_ports=open_ports,
        moment=snapshot.moment,
        ended=_ended(snapshot, decisions),
        definitions=tuple(definitions),
        conditions=(
            *consumer_participation.validator_conditions(own),
            *own_node_key.conditions,
            *own_node.conditions,
            *_engine_conditions(settings),
            *snapshots.unavailable(settings.snapshots, observed.volume_snapshots),
            *monitoring_kinds.conditions(settings.monitoring, observed.monitoring),
            *gateway_address.conditions(
                settings.gateway,
                memory,
                is_needed=any(
                    decision.chain is not None and decision.summary.phase is model.Phase.LAUNCHED
                    for decision in decisions
                ),
            ),
            *observed.endpoints,
        ),
        has_monitoring=monitoring_kinds.are_wanted(settings.monitoring, observed.monitoring),
        provider_node=own_node,
    )


def _engine_conditions(settings: settings.Settings) -> tuple[Condition, ...]:
    """Return the condition of a reconciler in the cluster that uses another engine than the stack."""
    own = settings.reconciler
    if not own.enabled or own.engine == "stack" or settings.engine == "apply":
        return ()
    message = (
        "the reconciler in the cluster uses the embedded engine (ics:reconciler.engine: apply), and this stack has"
        f" ics:engine: {settings.engine}; Pulumi's state learns of its changes at the next pass with Pulumi"
    )
    return (Condition.new(Reason.RECONCILER_EMBEDDED, message),)


def _by_chain_id(consumers: Sequence[model.Consumer]) -> dict[str, list[model.Consumer]]:
    result: dict[str, list[model.Consumer]] = {}
    for consumer in consumers:
        result.setdefault(consumer.summary.chain_id, []).append(consumer)
    return result


def _is_selected(snapshot: model.Snapshot, own: model.Validator) -> bool:
    bonded = [selection.Candidate(v.operator_address, v.tokens) for v in snapshot.validators if v.is_bonded]
    selected = {candidate.operator_address for candidate in selection.top66(bonded).selected}
    return own.operator_address in selected


def _ended(snapshot: model.Snapshot, decisions: Sequence[ChainDecision]) -> frozenset[str]:
    summaries = [consumer.summary for consumer in snapshot.consumers]
    kept = {decision.summary.consumer_id for decision in decisions if decision.is_paused}
    deleted = {summary.consumer_id for summary in summaries if summary.phase is model.Phase.DELETED} - kept
    return frozenset(deleted | {decision.summary.consumer_id for decision in decisions if decision.has_left})


def _has_node(memory: observed.Memory, summary: model.ConsumerSummary) -> bool:
    chain = memory.chains.get(summary.consumer_id)
    return chain is not None and chain.has_workload


def _confirmed(context: context.ChainContext, decision: ChainDecision) -> ChainDecision:
    """Return a decision that ends a node only if that is confirmed; until then the chain is paused."""
    memory = context.memory_of(decision.summary.consumer_id)
    claim = "" if memory is None else _ends_for(decision, memory)
    if memory is None or not claim:
        return decision
    verdict = removal.judge(
        claim,
        decision.summary.consumer_id,
        memory,
        context.observed.dissent,
        context.snapshot.moment,
        context.settings.node.removal_delay,
    )
    decision = dataclasses.replace(decision, ends_for=claim, asks_endpoints=verdict.asks)
    if verdict.is_confirmed:
        return decision
    more = () if verdict.condition is None else (verdict.condition,)
    return dataclasses.replace(
        decision,
        chain=None,
        intents=(),
        awaited=(),
        retires=None,
        has_left=False,
        is_paused=True,
        conditions=(*decision.conditions, *more),
    )


def _ends_for(decision: ChainDecision, memory: observed.ChainMemory) -> str:
    """Return for which answer of the provider a decision ends the node of a chain; empty: it does not."""
    phase = decision.summary.phase
    if not memory.has_workload or decision.is_paused:
        return ""
    if decision.has_left:
        return "the node's key is not this validator's any more"
    if decision.chain is None:
        is_joinable = phase in (model.Phase.INITIALIZED, model.Phase.LAUNCHED)
        return "this validator has no part in the chain" if is_joinable else f"phase {phase.name}"
    is_earlier = phase is model.Phase.INITIALIZED and memory.genesis is not None
    is_stopping = decision.chain.stage not in (
        lifecycle.ShutdownStage.RUNNING,
        lifecycle.ShutdownStage.DRAINING,
    )
    return f"phase {phase.name}" if is_earlier or (is_stopping and not memory.is_ending) else ""


def _configured_keys(
    settings: settings.Settings, imported: Mapping[str, derivation.ConsensusKey]
) -> dict[str, places.ConfiguredKey]:
    """Return the keys that are not derived from the seed, by consumer id.

    Args:
        settings: of the stack.
        imported: the keys read from their sources.
    """
    keys = {}
    for consumer_id, source in settings.consensus_keys.items():
        key = (
            imported[consumer_id]
            if source.remote is None
            else derivation.signer_key(source.remote.public_key)
        )
        keys[consumer_id] = places.ConfiguredKey(
            key, source.provider_key, f"ics:consensus_keys.{consumer_id}"
        )
    return keys


def _uses(
    snapshot: model.Snapshot,
    memory: observed.Memory,
    own: model.Validator,
    configured: Mapping[str, places.ConfiguredKey],
) -> list[signing.KeyUse]:
    """Return the uses of configured keys, including the provider's use of its own key."""
    uses = [signing.KeyUse("", snapshot.chain_id, own.consensus_key, runs=True)]
    chain_ids = {c.summary.consumer_id: c.summary.chain_id for c in snapshot.consumers}
    order = [consumer_id for consumer_id, _ in port_order(snapshot.consumers)]
    for consumer_id in (*order, *sorted(set(chain_ids) - set(order), key=int)):
        if consumer_id not in configured:
            continue
        key, chain_memory = configured[consumer_id].key, memory.chains.get(consumer_id)
        address = key.address.hex().upper()
        runs = chain_memory is not None and (
            chain_memory.runs or any(record.consensus_address == address for record in chain_memory.records)
        )
        # For a deleted chain, only a key that may have signed for it matters.
        if runs or consumer_id in order:
            uses.append(signing.KeyUse(consumer_id, chain_ids[consumer_id], key.public_key, runs))
    return uses


def _published_relayers(snapshot: model.Snapshot) -> dict[str, str]:
    known = [v for v in snapshot.validators if v.consensus_address]
    parsed = {v.consensus_address: description.parse(v.details).relayer for v in known}
    return {valcons: relayer for valcons, relayer in parsed.items() if relayer is not None}


def _check_known(snapshot: model.Snapshot, memory: observed.Memory) -> None:
    """Refuse an answer that lacks a consumer id in use, because a provider never forgets one."""
    listed = {consumer.summary.consumer_id for consumer in snapshot.consumers}
    unknown = sorted(set(memory.chains) - listed)
    if unknown:
        raise errors.Transient(
            f"the provider {snapshot.chain_id} at height {snapshot.height} does not list consumer ids"
            f" {', '.join(unknown)}, which have objects in the cluster;"
            " nothing is changed, check that it is the right chain"
        )


def own_validator(snapshot: model.Snapshot, settings: settings.Settings) -> model.Validator:
    """Return this validator on the provider.

    Raises:
        Permanent: the provider has no validator with this operator address.
    """
    for validator in snapshot.validators:
        if validator.operator_address == settings.operator_address:
            return validator
    raise errors.Permanent(
        f"ics:operator_address: validator {settings.operator_address} not found on {snapshot.chain_id};"
        " check the address"
    )


def lacks_genesis(desired: Desired) -> dict[str, bool]:
    """Return the launched chains whose genesis must be fetched before they can be decided completely.

    Returns:
        By consumer id, whether the genesis funds relayers. Only then are the descriptions at the launch
        height queried, which endpoints may have pruned.
    """
    return {
        verdict.summary.consumer_id: bool(verdict.chain.definition.genesis.fund.relayers)
        for verdict in desired.decisions
        if verdict.chain is not None
        and verdict.chain.genesis is None
        and verdict.summary.phase in _LAUNCHED
        and verdict.summary.consumer_id not in desired.paused
    }


def new_keys(desired: Desired) -> dict[str, bytes]:
    """Return the addresses (20 bytes) of derived keys whose use on the provider matters, by consumer id.

    These are keys that are about to be assigned, and keys of nodes whose place was taken over by another installation.
    """
    replaced = {
        chain.consumer_id: chain.key.key.address
        for chain in desired.chains
        if chain.key.elsewhere is not None
    }
    return replaced | {
        intent.consumer_id: addresses.consensus_address(intent.consumer_key)
        for intent in desired.intents
        if isinstance(intent, model.OptIn | model.AssignKey)
        and intent.consumer_key is not None
        and intent.consumer_id not in desired.settings.consensus_keys
    }


def _decide(context: context.ChainContext, consumer: model.Consumer) -> ChainDecision:
    """Decide about one chain; one that cannot be decided about is paused, whatever was raised."""
    consumer_id = consumer.summary.consumer_id
    failure = context.observed.failures.get(consumer_id)
    try:
        if failure is not None:
            decision = _failed(consumer.summary, failure)
        elif consumer.summary.phase is model.Phase.DELETED:
            decision = ChainDecision(summary=consumer.summary)
        else:
            decision = _judge(context, consumer)
    except Exception as error:
        decision = _failed(consumer.summary, str(errors.of_chain(error)))
    try:
        return _confirmed(context, _protected(context, decision))
    except Exception as error:
        return _failed(consumer.summary, str(errors.of_chain(error)))


def _failed(summary: model.ConsumerSummary, text: str) -> ChainDecision:
    message = f"{summary.chain_id}: {text}"
    return _paused(summary, Condition.new(Reason.UNEXPECTED_ERROR, message, summary.consumer_id))


def _protected(context: context.ChainContext, decision: ChainDecision) -> ChainDecision:
    """Add to a decision what protects the keys of its chain, whatever was decided about everything else."""
    memory = context.memory_of(decision.summary.consumer_id)
    if memory is None:
        return decision
    withdraws = (*_replaced_by_signer(context, decision.summary, memory), *_refused(decision, memory))
    copies = (_two_nodes(decision.summary, memory),) if memory.copies else ()
    return dataclasses.replace(
        decision,
        conditions=(*copies, *decision.conditions),
        withdraws=withdraws,
        withholds=withholding(memory, withdraws),
        relaying_copies=memory.relaying_copies,
    )


def _two_nodes(summary: model.ConsumerSummary, memory: observed.ChainMemory) -> Condition:
    copies = ", ".join(memory.copies)
    message = (
        f"namespace {memory.namespace} has this validator's node, and {copies} has a copy of it, which never votes;"
        " its relayer is stopped, because it has the same accounts, and nothing else is done to it; it has the same"
        f" node key, too: delete {copies}"
    )
    return Condition.new(Reason.TWO_NODES, message, summary.consumer_id)


def _replaced_by_signer(
    context: context.ChainContext, summary: model.ConsumerSummary, memory: observed.ChainMemory
) -> tuple[model.Place, ...]:
    """Return the places whose keys a remote signer replaces: no sign state here is up to date for them any more."""
    source = context.settings.consensus_keys.get(summary.consumer_id)
    if source is None or source.remote is None:
        return ()
    cluster_uid = context.observed.memory.cluster_uid
    site = places.Site(cluster_uid=cluster_uid, namespace=memory.namespace, volume_uid=memory.volume_uid)
    return tuple(
        record.place
        for record in memory.records
        if places.is_at(record.place, site) and record.volume_uid not in (None, names.WITHDRAWN)
    )


def _refused(decision: ChainDecision, memory: observed.ChainMemory) -> tuple[model.Place, ...]:
    """Return the place whose sign state its node's own check refused, if no other key replaces it.

    The check says so once, and then only that the key is withheld: the refusal goes on record, so that the key comes
    back by the operator's order alone.
    """
    selected = None if decision.chain is None else decision.chain.key
    if selected is None or selected.lost is None or selected.lost.place != selected.place:
        return ()
    is_current = selected.lost.is_ready and selected.lost.volume_uid == memory.volume_uid
    return (selected.place,) if is_current else ()


def withholding(
    memory: observed.ChainMemory, withdraws: Sequence[model.Place] = ()
) -> tuple[Withholding, ...]:
    """Return the keys that existing nodes must not have, by the cluster's own records alone.

    It is asked for every chain, because the engine may hold one that is not paused here, for example for a question,
    and for each namespace that says it is the chain's, because a copy whose record was edited does so.

    Args:
        memory: of the chain.
        withdraws: places whose keys a remote signer replaces.
    """
    others = tuple(Withholding(place.namespace, place) for place in memory.exposed)
    if not memory.has_workload or memory.is_withheld or memory.volume_uid is None:
        return others
    mounted = next((r for r in memory.records if r.place.place_id == memory.workload_place), None)
    if mounted is None:
        return others
    if mounted.place not in withdraws and mounted.volume_uid in (None, memory.volume_uid):
        return others
    return (Withholding(memory.namespace, mounted.place), *others)


def _judge(context: context.ChainContext, consumer: model.Consumer) -> ChainDecision:
    summary = consumer.summary
    problem = context.snapshot.problems.get(summary.consumer_id, summary.problem)
    if problem:
        return _paused(summary, _unreadable(context, summary, problem))
    memory = context.memory_of(summary.consumer_id)
    if memory is not None and memory.problem:
        return _paused(
            summary,
            Condition.new(Reason.RECORD_BROKEN, memory.problem, summary.consumer_id),
        )
    invalid = _invalid_name(context, consumer)
    if invalid is not None:
        return _paused(summary, invalid)
    detail = consumer.detail
    if detail is None and summary.phase is model.Phase.INITIALIZED:
        return ChainDecision(summary=summary, conditions=(matching.no_definition(summary),))
    if detail is None or summary.phase in (model.Phase.REGISTERED, model.Phase.DELETED):
        return ChainDecision(summary=summary)
    participation = consumer_participation.current_participation(context, summary, detail)
    is_member = participation is not consumer_participation.Participation.NONE
    if detail.connection_id:
        return _changeover(summary, is_member)
    match = matching.find(context, summary, detail, is_member=is_member)
    if isinstance(match, Condition):
        return _without_definition(context, summary, participation, match)
    terms = consumer_terms.assess(context.observed, summary, detail, match.loaded.definition, is_member)
    decision = _with_definition(context, consumer, detail, match, participation, terms)
    return _with_terms(decision, match, terms, is_member)


def _with_terms(
    decision: ChainDecision, match: matching.Match, terms: consumer_terms.Assessment, is_member: bool
) -> ChainDecision:
    """Return a decision with what is known, and still to be asked, about the chain's owner and terms."""
    conditions = decision.conditions
    if match.mismatch is not None and match.mismatch not in conditions:
        conditions = (*conditions, match.mismatch)
    if is_member:
        conditions = (*conditions, *terms.conditions)
    is_open = is_member or decision.participation is consumer_participation.Participation.SELECTED
    return dataclasses.replace(
        decision, conditions=conditions, open_terms=terms.questions if is_open else frozenset()
    )


def _invalid_name(context: context.ChainContext, consumer: model.Consumer) -> Condition | None:
    """Return why a chain's id cannot be the name of anything here, None if it can.

    It is judged before anything is named after it, also for a chain that is not joined.
    """
    summary, detail = consumer.summary, consumer.detail
    try:
        identifiers.check_chain_id(summary.chain_id)
    except errors.SettingsError as error:
        is_member = (
            summary.consumer_id in context.snapshot.must_validate
            or context.memory_of(summary.consumer_id) is not None
            or (detail is not None and context.own.consensus_address in detail.opted_in)
        )
        severity = Severity.CRITICAL if is_member else Severity.INFO
        return Condition.new(
            Reason.CHAIN_ID_INVALID, f"{error}; it is left alone", summary.consumer_id, severity=severity
        )
    return None


def _unreadable(context: context.ChainContext, summary: model.ConsumerSummary, problem: str) -> Condition:
    """Return the condition of a chain without details: critical if its node is due, and none was started here."""
    memory = context.memory_of(summary.consumer_id)
    is_due = summary.phase is model.Phase.LAUNCHED and (
        memory is not None or summary.consumer_id in context.snapshot.must_validate
    )
    keeps_from_signing = is_due and not (memory is not None and memory.runs)
    severity = Severity.CRITICAL if keeps_from_signing else Severity.WARNING
    return Condition.new(Reason.CHAIN_UNREADABLE, problem, summary.consumer_id, severity=severity)


def _paused(summary: model.ConsumerSummary, *conditions: Condition) -> ChainDecision:
    return ChainDecision(summary=summary, conditions=conditions, is_paused=True)


def _with_port(decision: ChainDecision, gateway_ports: Mapping[str, int]) -> ChainDecision:
    """Return the decision with the port that the chain got on the shared LoadBalancer."""
    chain = decision.chain
    if chain is None or chain.peering.gateway_port == gateway_ports.get(chain.consumer_id):
        return decision
    moved, condition = peering.with_gateway_port(
        chain.peering, chain.consumer_id, gateway_ports.get(chain.consumer_id)
    )
    chain = dataclasses.replace(chain, peering=moved)
    return dataclasses.replace(decision, chain=chain, conditions=(*decision.conditions, condition))


def _changeover(summary: model.ConsumerSummary, is_member: bool) -> ChainDecision:
    if is_member:
        # The owner can set the connection at any time before the launch, also after the opt-in.
        text = (
            "its owner has made it a sovereign chain in a changeover, for which no node is run here, but this"
            " validator has joined it and is jailed if it does not sign: run its node yourself with the key of ics"
            f" keys export {summary.consumer_id} --stack, or leave as soon as it is launched: ics opt-out"
            f" {summary.consumer_id}"
        )
    else:
        text = "sovereign chain in a changeover: the operator runs its node; none is created here"
    severity = Severity.CRITICAL if is_member else Severity.INFO
    return _paused(summary, Condition.new(Reason.CHANGEOVER, text, summary.consumer_id, severity=severity))


def _without_definition(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    participation: consumer_participation.Participation,
    condition: Condition,
) -> ChainDecision:
    is_ours = participation is not consumer_participation.Participation.NONE
    return ChainDecision(
        summary=summary,
        participation=participation,
        conditions=(condition,),
        is_paused=is_ours or context.memory_of(summary.consumer_id) is not None,
    )


def _with_definition(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    match: matching.Match,
    participation: consumer_participation.Participation,
    terms: consumer_terms.Assessment,
) -> ChainDecision:
    summary, loaded = consumer.summary, match.loaded
    memory = context.memory_of(summary.consumer_id) or observed.ChainMemory(namespace="")
    is_launched = summary.phase is model.Phase.LAUNCHED
    is_outside = is_launched and participation is consumer_participation.Participation.NONE
    is_rejoin = is_outside and not memory.runs
    choice = _choice(context, summary, memory, detail.own_consumer_address, is_outside)
    if choice.elsewhere is not None:
        return _elsewhere(context, consumer, detail, loaded, choice, participation)
    # A key problem of a chain that was left does not matter, unless the operator requests to join it again.
    is_left = is_rejoin and detail.own_consumer_address is not None
    if choice.problem and not (is_left and summary.consumer_id not in context.observed.opt_in_requests):
        return _paused(
            summary,
            Condition.new(Reason.KEY_MISMATCH, choice.problem, summary.consumer_id),
        )
    refused = _refused_keys(context, memory, choice)
    if refused >= MOST_KEYS:
        return _paused(summary, _no_unused_key(summary, refused, participation.is_member))
    shared = context.shared.get(summary.consumer_id)
    if shared is not None and shared.severity is Severity.CRITICAL:
        return _paused(summary, shared)
    is_staged = summary.phase is model.Phase.INITIALIZED
    published = (
        ()
        if memory.genesis is not None
        else genesis.check_published(
            loaded, summary.chain_id, detail, not is_staged, context.settings.genesis_image
        )
    )
    conditions = (
        *(() if shared is None else (shared,)),
        *(dataclasses.replace(condition, consumer_id=summary.consumer_id) for condition in published),
    )
    is_wrong = any(condition.severity is Severity.CRITICAL for condition in published)
    # A member needs its own key on the chain even if the genesis is wrong.
    if is_wrong and not (is_staged and participation is not consumer_participation.Participation.NONE):
        decision = ChainDecision(
            summary=summary,
            participation=participation,
            conditions=conditions,
            is_paused=bool(memory.namespace),
        )
        return _with_checklist(context, decision, detail, loaded, published, terms)
    return _with_key(context, consumer, detail, match, choice, participation, conditions, published, terms)


def _refused_keys(
    context: context.ChainContext, memory: observed.ChainMemory, choice: places.SelectedKey
) -> int:
    """Return how many keys of a chain were created, but never assigned because the provider says they are used."""
    if choice.is_assigned:
        return 0
    used = {address.hex().upper() for address in context.observed.used_keys}
    return sum(record.consensus_address.upper() in used for record in memory.records)


def _no_unused_key(summary: model.ConsumerSummary, refused: int, is_member: bool) -> Condition:
    severity = Severity.CRITICAL if is_member else Severity.WARNING
    message = (
        f"the provider's endpoint says of {refused} new keys in a row that they are used already, which cannot be true"
        " of random keys; no further one is created and nothing is assigned: check ics:provider.rest"
    )
    return Condition.new(Reason.NO_UNUSED_KEY, message, summary.consumer_id, severity=severity)


def _elsewhere(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    choice: places.SelectedKey,
    participation: consumer_participation.Participation,
) -> ChainDecision:
    """Decide about a chain whose assigned key belongs to another installation, which may be signing with it.

    Nothing is sent, and no node is started, unless the operator moves the chain here. An existing node keeps its own
    key, which no other node has, until that key is certain to have left the chain's validator set.
    """
    summary = consumer.summary
    memory = context.memory_of(summary.consumer_id) or observed.ChainMemory(namespace="")
    is_ours = participation is not consumer_participation.Participation.NONE or memory.has_workload
    if summary.phase is model.Phase.STOPPED and not memory.has_workload:
        return ChainDecision(summary=summary, participation=participation, is_paused=bool(memory.namespace))
    decision = ChainDecision(
        summary=summary,
        participation=participation,
        conditions=(_key_elsewhere(summary, choice, is_ours),),
        elsewhere=choice.elsewhere,
    )
    is_moving = summary.consumer_id in context.observed.move_requests
    if not is_moving and not memory.has_workload:
        return dataclasses.replace(decision, is_paused=bool(memory.namespace))
    if not is_moving and consumer_participation.is_replaced(context, summary, choice):
        return dataclasses.replace(decision, retires=choice.place, has_left=True)
    decision = _deployed(context, consumer, detail, loaded, choice, decision)
    is_ready = is_moving and consumer_participation.is_ready_to_move(context, summary, choice)
    intents = (consumer_participation.assignment(summary, choice),) if is_ready else ()
    chain = decision.chain
    return dataclasses.replace(
        decision,
        intents=tuple(
            intent for intent in intents if chain is not None and _may_assign(context, chain, intent)
        ),
    )


def _key_elsewhere(summary: model.ConsumerSummary, choice: places.SelectedKey, is_ours: bool) -> Condition:
    severity = Severity.CRITICAL if is_ours else Severity.WARNING
    address = (choice.elsewhere or b"").hex().upper()
    message = (
        f"the provider has {address} as this validator's key, which belongs to another installation: nothing is sent"
        " from here, and no node is started. If the other one is the right one, do nothing; to move the"
        f" chain here, run: ics takeover {summary.consumer_id} --confirm {summary.chain_id}"
    )
    return Condition.new(Reason.KEY_ELSEWHERE, message, summary.consumer_id, severity=severity)


def _with_key(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    match: matching.Match,
    choice: places.SelectedKey,
    participation: consumer_participation.Participation,
    conditions: tuple[Condition, ...],
    published: tuple[Condition, ...],
    terms: consumer_terms.Assessment,
) -> ChainDecision:
    """Decide about a chain with a usable key and genesis: join it, leave it, or run its node."""
    summary = consumer.summary
    memory = context.memory_of(summary.consumer_id) or observed.ChainMemory(namespace="")
    lost = rekey.conditions(
        choice, summary, context.settings.signing, context.observed.relays.get(summary.consumer_id)
    )
    conditions = (*conditions, *lost)
    participation, intents, more = consumer_participation.decide(
        context, summary, detail, choice, participation, match.mismatch, terms
    )
    decision = ChainDecision(
        summary=summary,
        participation=participation,
        chain=None,
        intents=intents,
        conditions=(*conditions, *more),
    )
    if participation is consumer_participation.Participation.SELECTED and terms.questions:
        # Nothing else is asked about a chain that may turn out not to be joined.
        return decision
    leaving = consumer_participation.leaving_progress(context, summary, choice, participation)
    if leaving is consumer_participation.Leaving.LEFT:
        retired = choice.place if choice.is_assigned else None
        return dataclasses.replace(decision, retires=retired, has_left=True)
    if leaving is consumer_participation.Leaving.UNDER_WAY:
        decision = dataclasses.replace(decision, conditions=(*decision.conditions, _leaving(summary)))
    # A running node is stopped only after a confirmed leave, never because an answer is incomplete.
    elif participation in _OUTSIDE and not memory.runs:
        is_unwanted = match.mismatch is not None or any(c.reason is Reason.NOT_JOINED for c in more)
        return (
            decision
            if is_unwanted
            else _with_checklist(context, decision, detail, match.loaded, published, terms)
        )
    decision = _deployed(context, consumer, detail, match.loaded, choice, decision)
    return _with_checklist(context, decision, detail, match.loaded, published, terms)


def _with_checklist(
    context: context.ChainContext,
    decision: ChainDecision,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    published: tuple[Condition, ...],
    terms: consumer_terms.Assessment,
) -> ChainDecision:
    """Return a decision with the checklist of a chain that is not launched yet, which may hold the opt-in."""
    summary, staging = decision.summary, context.settings.staging
    if summary.phase is not model.Phase.INITIALIZED or staging.checklist == "none":
        return decision
    chain = decision.chain
    checklist = consumer_checklist.assess(
        consumer_checklist.Inputs(
            settings=context.settings,
            gateway_address=context.observed.memory.gateway_address,
            unresolved=context.observed.unresolved,
            published=published,
            terms=terms.conditions,
            has_terms=not terms.questions,
            staged=None if chain is None else _staged(context, chain, loaded),
        )
    )
    decision = dataclasses.replace(decision, checklist=checklist)
    if chain is None:
        return decision  # the reason for which it is not joined has a condition of its own
    is_member, blocks = decision.participation.is_member, staging.checklist == "require"
    conditions = consumer_checklist.conditions(
        checklist,
        summary.consumer_id,
        consumer_checklist.spawn_time(detail.spawn_time),
        context.snapshot.moment,
        is_member=is_member,
        blocks=blocks,
    )
    decision = dataclasses.replace(decision, conditions=(*decision.conditions, *conditions))
    if not blocks or checklist.is_ok:
        return decision
    # A member has no choice: its key is assigned, and its node started, whatever the list says.
    intents = tuple(intent for intent in decision.intents if not isinstance(intent, model.OptIn))
    awaited = (*decision.awaited, *(intent for intent in decision.intents if intent not in intents))
    if checklist.of_state(consumer_checklist.State.FAILED):
        awaited = tuple(intent for intent in awaited if not isinstance(intent, model.OptIn))
    return dataclasses.replace(decision, intents=intents, awaited=awaited)


def _staged(
    context: context.ChainContext,
    chain: consumer_chain.ChainPlan,
    loaded: chain_definition.LoadedDefinition,
) -> consumer_checklist.Staged:
    return consumer_checklist.Staged(
        definition=chain.definition,
        persistent_peers=chain.peering.persistent_peers,
        sign_state=chain.sign_state,
        sign_state_waits=chain.sign_state_waits,
        volume_uid=chain.volume_uid,
        rehearsal=chain.rehearsal,
        is_rehearsing=consumer_chain.is_rehearsing(context, loaded),
        has_genesis=loaded.genesis is not None,
        result=context.observed.rehearsals.get(chain.consumer_id),
    )


def _choice(
    context: context.ChainContext,
    summary: model.ConsumerSummary,
    memory: observed.ChainMemory,
    assigned: bytes | None,
    is_outside: bool,
) -> places.SelectedKey:
    consumer_id = summary.consumer_id
    namespace = memory.namespace or consumer_chain.new_namespace(context, summary)
    known = places.Known(
        site=places.Site(
            cluster_uid=context.observed.memory.cluster_uid,
            namespace=namespace,
            volume_uid=memory.volume_uid,
        ),
        spare=context.observed.spare,
        now=context.snapshot.moment,
        records=memory.records,
        workload_place=memory.workload_place,
        is_given=memory.has_workload and not memory.is_withheld,
        assigned=assigned,
        used=context.observed.used_keys,
        is_refused=_is_refused(context, consumer_id, assigned),
        is_mounted_refused=_is_mounted_refused(context, consumer_id, memory),
        is_running=summary.phase is model.Phase.LAUNCHED,
        is_silent_abroad=context.observed.silent_keys.get(consumer_id, False),
        members=_members(context, consumer_id),
        is_outside=is_outside,
        is_rejoin=is_outside and not memory.runs,
        is_moving=consumer_id in context.observed.move_requests,
        is_rekeying=consumer_id in context.observed.rekey_requests,
        rekeys_after=rekey.policy(context.settings.signing, summary.phase),
    )
    configured = context.configured_keys.get(consumer_id)
    if configured is not None:
        return places.choose_configured(configured, context.own.consensus_key, consumer_id, known)
    provider_chain_id = context.snapshot.chain_id

    def derive(place_id: str) -> derivation.ConsensusKey:
        return derivation.derive_consensus_key(context.seed, provider_chain_id, consumer_id, place_id)

    return places.choose_key(derive, consumer_id, known)


def _is_refused(context: context.ChainContext, consumer_id: str, address: bytes | None) -> bool:
    """Return whether the node's own check found that the sign state of a key is lost."""
    observation = context.observed.observations.get(consumer_id)
    if address is None or observation is None or observation.pod is None:
        return False
    if observation.pod.gone_by is not None:
        return False  # it may be deleted because its sign state was created only after its check
    return key_check.result(observation.pod.key_check, address.hex().upper()) in key_check.LOST


def _is_mounted_refused(
    context: context.ChainContext, consumer_id: str, memory: observed.ChainMemory
) -> bool:
    """Return the same of the key that the node has."""
    record = next((one for one in memory.records if one.place.place_id == memory.workload_place), None)
    address = None if record is None else bytes.fromhex(record.consensus_address)
    return _is_refused(context, consumer_id, address)


def _members(context: context.ChainContext, consumer_id: str) -> frozenset[bytes] | None:
    """Return the addresses in the chain's own validator set, None if its node does not say."""
    observation = context.observed.observations.get(consumer_id)
    node = None if observation is None else observation.node
    return (frozenset(missing_key.members(node)) or None) if node is not None else None


_OUTSIDE = (consumer_participation.Participation.NONE, consumer_participation.Participation.DECLINED)


def _leaving(summary: model.ConsumerSummary) -> Condition:
    return Condition.new(
        Reason.LEAVING,
        "opted out: the node keeps running until the key has left the chain's own validator set",
        summary.consumer_id,
    )


def _may_assign(context: context.ChainContext, chain: consumer_chain.ChainPlan, intent: model.Intent) -> bool:
    """Return whether an intent assigns no key, or one that may be assigned now.

    Its place must be on record, so that a crash loses no assigned key. A key assigned on a running chain enters its
    validator set soon: its sign state must exist before, which also proves that the volume can be bound and the image
    pulled.
    """
    if not isinstance(intent, model.OptIn | model.AssignKey):
        return True
    if not chain.is_recorded:
        return False
    if chain.key.lost is not None and chain.consumer_id not in context.observed.rekey_requests:
        delay = context.settings.signing.rekey_delay
        node = _node(context, chain.consumer_id)
        last_block = None if node is None else node.block_time
        seen = context.snapshot.moment if chain.spawns else last_block
        signers = frozenset[bytes]() if node is None else node.signers
        return rekey.is_due(chain.key, chain.sign_state, seen, delay, signers)
    return chain.spawns or signing.is_settled(chain.sign_state)


def _no_port(chain: consumer_chain.ChainPlan) -> tuple[Condition, ...]:
    if not chain.ports.is_shared:
        return ()
    message = (
        f"all {ports.CAPACITY} port ranges are taken by chains that were launched earlier, so another chain has its"
        f" ports, too; it is run nevertheless. If peers cannot reach it, publish a port of its own: ics endpoint"
        f" register --consumer {chain.consumer_id}=HOST:PORT"
    )
    return (Condition.new(Reason.NO_PORT, message, chain.consumer_id),)


def _node(context: context.ChainContext, consumer_id: str) -> model.NodeStatus | None:
    """Return what a chain's node here answers, None if it does not."""
    observation = context.observed.observations.get(consumer_id)
    return None if observation is None else observation.node


def _transactions(
    context: context.ChainContext, chain: consumer_chain.ChainPlan, decision: ChainDecision
) -> tuple[tuple[model.Intent, ...], tuple[model.Intent, ...]]:
    """Return the transactions of a chain that are due, and those for which something is still prepared."""
    wanted = [(chain, intent) for intent in decision.intents]
    if chain.next is not None and not chain.next.key.is_assigned:
        wanted.append((chain.next, consumer_participation.assignment(decision.summary, chain.next.key)))
    due = tuple(intent for planned, intent in wanted if _may_assign(context, planned, intent))
    return due, tuple(intent for _, intent in wanted if intent not in due)


def _key_exchange(chain: consumer_chain.ChainPlan) -> tuple[Condition, ...]:
    ordered = chain.key.next
    if ordered is None:
        return ()
    old, new = (one.key.address.hex().upper() for one in (chain.key, ordered))
    progress = "assigned" if ordered.is_assigned else "being prepared"
    text = (
        f"key {new} is {progress}; the node signs with {old} until the chain's validator set has the new one, then it"
        " starts again with that"
    )
    return (Condition.new(Reason.KEY_EXCHANGE, text, chain.consumer_id),)


def _deployed(
    context: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.LoadedDefinition,
    selected_key: places.SelectedKey,
    decision: ChainDecision,
) -> ChainDecision:
    planned = consumer_chain.plan_chain(context, consumer, detail, loaded, selected_key)
    consumer_id = consumer.summary.consumer_id
    near = jail.conditions(
        planned.chain,
        context.observed.windows.get(consumer_id),
        context.observed.epoch,
        context.observed.window_problems.get(consumer_id, ""),
        context.settings.signing.rekey_delay,
    )
    memory = context.memory_of(consumer_id)
    syncing = state_sync.conditions(
        planned.chain.state_sync,
        consumer_id,
        is_member=decision.participation.is_member,
        has_workload=memory is not None and memory.has_workload,
        observation=context.observed.observations.get(consumer_id),
    )
    own = (*_key_exchange(planned.chain), *_no_port(planned.chain), *syncing)
    conditions = (*decision.conditions, *planned.conditions, *near, *own)
    if planned.trouble is not None:
        # A chain whose node cannot start is not joined; a member still needs its own key.
        others = tuple(intent for intent in decision.intents if not isinstance(intent, model.OptIn))
        decision = dataclasses.replace(decision, intents=others)
        conditions = (*conditions, planned.trouble)
        if memory is not None and memory.has_workload:
            return dataclasses.replace(decision, conditions=conditions, is_paused=True)
    intents, awaited = _transactions(context, planned.chain, decision)
    if planned.chain.stage.relays:
        funding = accounts.fund(
            context.settings,
            context.seed,
            provider_chain_id=context.snapshot.chain_id,
            consumer_id=consumer_id,
            chain_id=decision.summary.chain_id,
            balances=context.observed.balances,
            gas_price=context.observed.gas_price,
            topped_up=accounts.topped_up(context.observed.topped_up, consumer_id),
            problem=context.observed.topped_up_problem,
        )
        intents += funding.top_ups
        conditions += funding.conditions
    return dataclasses.replace(
        decision, chain=planned.chain, intents=intents, awaited=awaited, conditions=conditions
    )
