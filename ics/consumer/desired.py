"""Desired state of all chains, computed from the observed state, with what the chains share, such as ports; pure.

`compute` is one function of frozen values. It decides about each chain separately, see `chain_decision`, so that a
problem of one never affects another.
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import errors, model
from ics.conditions import Condition, Reason
from ics.config import chain_definition, settings
from ics.consumer import chain as consumer_chain
from ics.consumer import (
    chain_decision,
    context,
    monitoring_kinds,
    observed,
    places,
    provider_key,
    provider_plan,
    selection,
    signing,
    snapshots,
)
from ics.consumer import kept as consumer_kept
from ics.consumer import participation as consumer_participation
from ics.consumer.peers import description, gateway_address, peering, ports
from ics.consumer.peers import gateway_ports as peers_gateway_ports
from ics.cosmos import addresses, identifiers
from ics.keys import derivation


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The desired state of one validator."""

    settings: settings.Settings
    provider_chain_id: str
    height: int
    decisions: tuple[chain_decision.ChainDecision, ...]
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
    decisions = tuple(chain_decision.decide(inputs, by_id[consumer_id]) for consumer_id, _ in order)
    decisions += tuple(
        chain_decision.decide(inputs, consumer)
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


def _ended(snapshot: model.Snapshot, decisions: Sequence[chain_decision.ChainDecision]) -> frozenset[str]:
    summaries = [consumer.summary for consumer in snapshot.consumers]
    kept = {decision.summary.consumer_id for decision in decisions if decision.is_paused}
    deleted = {summary.consumer_id for summary in summaries if summary.phase is model.Phase.DELETED} - kept
    return frozenset(deleted | {decision.summary.consumer_id for decision in decisions if decision.has_left})


def _has_node(memory: observed.Memory, summary: model.ConsumerSummary) -> bool:
    chain = memory.chains.get(summary.consumer_id)
    return chain is not None and chain.has_workload


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


def _with_port(
    decision: chain_decision.ChainDecision, gateway_ports: Mapping[str, int]
) -> chain_decision.ChainDecision:
    """Return the decision with the port that the chain got on the shared LoadBalancer."""
    chain = decision.chain
    if chain is None or chain.peering.gateway_port == gateway_ports.get(chain.consumer_id):
        return decision
    moved, condition = peering.with_gateway_port(
        chain.peering, chain.consumer_id, gateway_ports.get(chain.consumer_id)
    )
    chain = dataclasses.replace(chain, peering=moved)
    return dataclasses.replace(decision, chain=chain, conditions=(*decision.conditions, condition))
