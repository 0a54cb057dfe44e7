"""What should be, composed from what is: the only place where the pure concepts meet.

`desired` is one function of frozen values. Each chain is judged by itself, so that trouble with one
never reaches another; a chain that cannot be judged is *held*: its objects stay just as they are.
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import errors, model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, settings
from ics.consumer import chain as consumer_chain
from ics.consumer import context, genesis, observed, selection, signing
from ics.consumer import participation as consumer_participation
from ics.consumer.peers import gateway_ports as peers_gateway_ports
from ics.consumer.peers import peering, ports
from ics.cosmos import addresses
from ics.keys import derivation
from ics.relayer import accounts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one chain comes to."""

    summary: model.ConsumerSummary
    participation: consumer_participation.Participation = consumer_participation.Participation.NONE
    chain: consumer_chain.Chain | None = None
    intents: tuple[model.Intent, ...] = ()
    conditions: tuple[Condition, ...] = ()
    is_held: bool = False
    """Could not be judged: whatever exists of it stays as it is."""
    retires: int | None = None
    """Key generation that this validator left the chain with: to be recorded before the node goes."""
    namespace: str = ""
    """Where that key's Secret lies."""
    has_left: bool = False
    """This validator's way out of the chain is confirmed: the workload goes."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole of what should be for one validator."""

    settings: settings.Settings
    provider_chain_id: str
    height: int
    verdicts: tuple[Verdict, ...]
    """One for each chain that is not DELETED, in the order of the ports."""
    ports: Mapping[str, ports.Ports]
    held: frozenset[str]
    """Consumer ids whose objects are neither changed nor removed."""
    gateway_ports: Mapping[str, int]
    """Ports of the shared LoadBalancer by consumer id, also of held chains that have objects."""
    open_ports: Mapping[str, model.OpenPorts]
    """The same with the ports that chains have moved away from, and that stay open for a while."""
    moment: datetime.datetime
    """Time of the block that was judged."""
    ended: frozenset[str] = frozenset()
    """Consumer ids whose workloads the lifecycle removes: DELETED chains, and those that were left for good."""
    definitions: tuple[chain_definition.Loaded, ...] = ()
    """All of the stack, for the reconciler in the cluster."""
    conditions: tuple[Condition, ...] = ()
    """Of the validator, not of one chain."""

    @property
    def chains(self) -> tuple[consumer_chain.Chain, ...]:
        """Chains that have objects in the cluster."""
        return tuple(verdict.chain for verdict in self.verdicts if verdict.chain is not None)

    @property
    def intents(self) -> tuple[model.Intent, ...]:
        """Transactions that are due, each once, in the order of the chains."""
        return tuple(dict.fromkeys(intent for verdict in self.verdicts for intent in verdict.intents))


def port_order(consumers: Sequence[model.Consumer]) -> list[tuple[str, str]]:
    """(consumer id, chain id) in the order in which chains are given ports.

    Chains that run come first, by the number of their IBC client (the order of their launches); those not
    launched yet see a provisional port after them, by consumer id. Deleted ones have none.
    """

    def rank(summary: model.ConsumerSummary) -> tuple[int, int, int]:
        is_placed = summary.phase in (model.Phase.LAUNCHED, model.Phase.STOPPED)
        client = summary.client_id.rsplit("-", 1)[-1]
        # A sovereign chain that changes over keeps its old connection and may have no client here.
        number = int(client) if is_placed and client.isdigit() else 0
        return (0 if is_placed else 1, number, int(summary.consumer_id))

    summaries = [c.summary for c in consumers if c.summary.phase is not model.Phase.DELETED]
    return [(s.consumer_id, s.chain_id) for s in sorted(summaries, key=rank)]


def is_of_interest(
    summary: model.ConsumerSummary,
    must_validate: bool,
    memory: model.Memory,
    definitions: Sequence[chain_definition.Loaded],
) -> bool:
    """Whether a chain's details are asked for: all that may launch, and of those that run only ours."""
    if summary.phase is model.Phase.INITIALIZED:
        return True
    if summary.phase not in (model.Phase.LAUNCHED, model.Phase.STOPPED):
        return False
    if must_validate or summary.consumer_id in memory.chains:
        return True
    return any(
        chain_definition.may_match(loaded.definition.match, summary.consumer_id, summary.chain_id)
        for loaded in definitions
    )


def desired(
    observed: observed.Seen,
    settings: settings.Settings,
    seed: model.Secret,
    definitions: Sequence[chain_definition.Loaded],
    imported: Mapping[str, derivation.ConsensusKey] | None = None,
) -> Desired:
    """Judge every chain of the provider for one validator.

    Args:
        observed: all that was seen in this pass.
        settings: of the stack.
        seed: 32 bytes, what all derived keys come from.
        definitions: all of the stack.
        imported: keys made elsewhere, by consumer id, for the chains whose settings name one.

    Raises:
        Permanent: this validator is not among the provider's.
        Transient: the provider does not know a chain that has objects in the cluster.
    """
    snapshot, memory = observed.snapshot, observed.memory
    _check_known(snapshot, memory)
    own = own_validator(snapshot, settings)
    bonded = [selection.Candidate(v.operator_address, v.tokens) for v in snapshot.validators if v.is_bonded]
    order = port_order(snapshot.consumers)
    # What comes too late for a place is told so below; it must not keep the others from theirs.
    placed = ports.allocate(order[: ports.CAPACITY])
    top = {candidate.operator_address for candidate in selection.top66(bonded).selected}
    is_selected = own.operator_address in top
    given = given_keys(settings, imported or {})
    shared = signing.conflicts(_uses(snapshot, memory, own, given))
    facts = context.ChainContext(
        observed, settings, seed, definitions, own, placed, is_selected, given, shared
    )
    by_id = {consumer.summary.consumer_id: consumer for consumer in snapshot.consumers}
    verdicts = tuple(_judge(facts, by_id[consumer_id]) for consumer_id, _ in order)
    held = frozenset(v.summary.consumer_id for v in verdicts if v.is_held)
    here = {v.chain.consumer_id for v in verdicts if v.chain is not None}.union(held & set(memory.chains))
    gateway_ports = peering.gateway_ports(
        own, [(one, placed[one].p2p) for one, _ in order if one in here and one in placed]
    )
    verdicts = tuple(_with_port(verdict, gateway_ports) for verdict in verdicts)
    opened = peers_gateway_ports.open_ports(
        memory.open_ports,
        gateway_ports,
        frozenset(consumer_id for consumer_id, chain in memory.chains.items() if chain.has_workload),
        snapshot.moment,
        datetime.timedelta(seconds=settings.gateway.port_grace),
    )
    ended = frozenset(
        summary.consumer_id
        for summary in (consumer.summary for consumer in snapshot.consumers)
        if summary.phase is model.Phase.DELETED
    ).union(v.summary.consumer_id for v in verdicts if v.has_left)
    return Desired(
        settings,
        snapshot.chain_id,
        snapshot.height,
        verdicts,
        placed,
        held,
        gateway_ports,
        opened,
        snapshot.moment,
        ended,
        tuple(definitions),
        (*consumer_participation.of_validator(own), *observed.endpoints),
    )


def given_keys(
    settings: settings.Settings, imported: Mapping[str, derivation.ConsensusKey]
) -> dict[str, signing.Given]:
    """The keys that do not come from the seed, by consumer id.

    Args:
        settings: of the stack.
        imported: what was read of those that lie somewhere.
    """
    found = {}
    for consumer_id, source in settings.consensus_keys.items():
        key = (
            imported[consumer_id]
            if source.remote is None
            else derivation.signer_key(source.remote.public_key)
        )
        found[consumer_id] = signing.Given(key, source.provider_key, f"ics:consensus_keys.{consumer_id}")
    return found


def _uses(
    snapshot: model.Snapshot,
    memory: model.Memory,
    own: model.Validator,
    given: Mapping[str, signing.Given],
) -> list[signing.Use]:
    """The chains for which keys are given, and the provider, whose own key may be one of them."""
    found = [signing.Use("", snapshot.chain_id, own.consensus_key, runs=True)]
    chain_ids = {c.summary.consumer_id: c.summary.chain_id for c in snapshot.consumers}
    order = [consumer_id for consumer_id, _ in port_order(snapshot.consumers)]
    for consumer_id in (*order, *sorted(set(chain_ids) - set(order), key=int)):
        if consumer_id not in given:
            continue
        key, known = given[consumer_id].key, memory.chains.get(consumer_id)
        address = key.address.hex().upper()
        runs = known is not None and (
            known.runs or any(record.consensus_address == address for record in known.records)
        )
        # Of a deleted chain only a key that may have signed for it matters.
        if runs or consumer_id in order:
            found.append(signing.Use(consumer_id, chain_ids[consumer_id], key.public_key, runs))
    return found


def _check_known(snapshot: model.Snapshot, memory: model.Memory) -> None:
    """Consumer ids are never forgotten by a provider, so an answer without one is not acted upon."""
    known = {consumer.summary.consumer_id for consumer in snapshot.consumers}
    unknown = sorted(set(memory.chains) - known)
    if unknown:
        raise errors.Transient(
            f"the provider {snapshot.chain_id} at height {snapshot.height} does not list consumer ids"
            f" {', '.join(unknown)}, which have objects in the cluster: nothing is changed; is it the right chain?"
        )


def own_validator(snapshot: model.Snapshot, settings: settings.Settings) -> model.Validator:
    """This validator on the provider.

    Raises:
        Permanent: the provider has no validator with this operator address.
    """
    for validator in snapshot.validators:
        if validator.operator_address == settings.operator_address:
            return validator
    raise errors.Permanent(
        f"ics:operator_address {settings.operator_address} is no validator of {snapshot.chain_id}: mend the address"
    )


def may_lack_genesis(observed: observed.Seen) -> bool:
    """Whether `lacks_genesis` could name a chain: told without judging a single one."""
    here = observed.memory.chains
    return any(
        consumer.detail is not None
        and consumer.summary.phase in (model.Phase.LAUNCHED, model.Phase.STOPPED)
        and ((memory := here.get(consumer.summary.consumer_id)) is None or memory.genesis is None)
        for consumer in observed.snapshot.consumers
    )


def lacks_genesis(wanted: Desired) -> dict[str, bool]:
    """Launched chains whose genesis must be fetched before they can be judged whole.

    Returns:
        By consumer id: whether it funds relayers. Only then is it asked what was published at the launch
        height, which endpoints may have pruned.
    """
    return {
        verdict.summary.consumer_id: bool(verdict.chain.definition.genesis.fund.relayers)
        for verdict in wanted.verdicts
        if verdict.chain is not None
        and verdict.chain.genesis is None
        and verdict.summary.phase in (model.Phase.LAUNCHED, model.Phase.STOPPED)
        and verdict.summary.consumer_id not in wanted.held
    }


def new_keys(wanted: Desired) -> dict[str, bytes]:
    """Addresses (20 bytes) of the keys from the seed that are about to be assigned, by consumer id."""
    return {
        intent.consumer_id: addresses.consensus_address(intent.consumer_key)
        for intent in wanted.intents
        if isinstance(intent, model.OptIn | model.AssignKey)
        and intent.consumer_key is not None
        and intent.consumer_id not in wanted.settings.consensus_keys
    }


def _judge(facts: context.ChainContext, consumer: model.Consumer) -> Verdict:
    summary = consumer.summary
    problem = facts.snapshot.problems.get(summary.consumer_id)
    if problem is not None:
        return _held(summary, Condition.new(Reason.CHAIN_UNREADABLE, problem, summary.consumer_id))
    memory = facts.memory_of(summary.consumer_id)
    if memory is not None and memory.problem:
        return _held(
            summary,
            Condition.new(Reason.RECORD_BROKEN, memory.problem, summary.consumer_id),
        )
    if summary.consumer_id not in facts.ports:
        message = (
            f"all {ports.CAPACITY} places for ports are taken by chains that launched or were created before"
        )
        return _held(summary, Condition.new(Reason.NO_PORT, message, summary.consumer_id))
    detail = consumer.detail
    if detail is None or summary.phase in (model.Phase.REGISTERED, model.Phase.DELETED):
        return Verdict(summary)
    if detail.connection_id:
        return _changeover(summary)
    found = chain_definition.find(facts.definitions, summary.consumer_id, summary.chain_id, detail.owner)
    participation = consumer_participation.standing(facts, summary, detail)
    if isinstance(found, chain_definition.Unmatched):
        return _without_definition(facts, summary, participation, found)
    return _with_definition(facts, consumer, detail, found, participation)


def _held(summary: model.ConsumerSummary, *conditions: Condition) -> Verdict:
    return Verdict(summary, conditions=conditions, is_held=True)


def _with_port(verdict: Verdict, gateway_ports: Mapping[str, int]) -> Verdict:
    """The verdict with the port that its chain has got on the shared LoadBalancer."""
    chain = verdict.chain
    if chain is None or chain.peering.gateway_port == gateway_ports.get(chain.consumer_id):
        return verdict
    found, condition = peering.moved(chain.peering, chain.consumer_id, gateway_ports.get(chain.consumer_id))
    chain = dataclasses.replace(chain, peering=found)
    return dataclasses.replace(verdict, chain=chain, conditions=(*verdict.conditions, condition))


def _changeover(summary: model.ConsumerSummary) -> Verdict:
    condition = Condition.new(
        Reason.CHANGEOVER,
        "a sovereign chain that changes over: its node is the operator's own, none is made here",
        summary.consumer_id,
    )
    return _held(summary, condition)


def _without_definition(
    facts: context.ChainContext,
    summary: model.ConsumerSummary,
    participation: consumer_participation.Participation,
    found: chain_definition.Unmatched,
) -> Verdict:
    is_ours = participation is not consumer_participation.Participation.NONE
    severity = Severity.CRITICAL if is_ours else Severity.INFO
    condition = Condition.new(found.reason, found.message, summary.consumer_id, severity=severity)
    return Verdict(
        summary,
        participation,
        conditions=(condition,),
        is_held=is_ours or facts.memory_of(summary.consumer_id) is not None,
    )


def _with_definition(
    facts: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.Loaded,
    participation: consumer_participation.Participation,
) -> Verdict:
    summary = consumer.summary
    memory = facts.memory_of(summary.consumer_id) or model.ChainMemory(namespace="")
    is_launched = summary.phase is model.Phase.LAUNCHED
    is_outside = is_launched and participation is consumer_participation.Participation.NONE
    is_rejoin = is_outside and not memory.runs
    choice = _choice(facts, summary.consumer_id, memory, detail.own_consumer_address, is_outside)
    # Of a chain that was left nothing is to be mended, unless this validator is asked to join it again.
    is_left = is_rejoin and detail.own_consumer_address is not None
    if choice.problem and not (is_left and summary.consumer_id not in facts.seen.wishes):
        return _held(
            summary,
            Condition.new(Reason.KEY_MISMATCH, choice.problem, summary.consumer_id),
        )
    shared = facts.shared.get(summary.consumer_id)
    if shared is not None and shared.severity is Severity.CRITICAL:
        return _held(summary, shared)
    is_staged = summary.phase is model.Phase.INITIALIZED
    published = () if memory.genesis is not None else genesis.check_published(loaded, detail, not is_staged)
    conditions = (
        *(() if shared is None else (shared,)),
        *(dataclasses.replace(one, consumer_id=summary.consumer_id) for one in published),
    )
    is_wrong = any(one.severity is Severity.CRITICAL for one in published)
    # Who is a member already needs a key of its own on the chain, whatever becomes of the genesis.
    if is_wrong and not (is_staged and participation is not consumer_participation.Participation.NONE):
        return Verdict(summary, participation, conditions=conditions, is_held=bool(memory.namespace))
    participation, intents, more = consumer_participation.membership(
        facts, summary, detail, choice, participation
    )
    verdict = Verdict(summary, participation, None, intents, (*conditions, *more))
    way_out = consumer_participation.leaving(facts, summary, choice, participation)
    if way_out is consumer_participation.Leaving.LEFT:
        retired = choice.generation if choice.is_assigned else None
        return dataclasses.replace(verdict, retires=retired, namespace=memory.namespace, has_left=True)
    if way_out is consumer_participation.Leaving.UNDER_WAY:
        verdict = dataclasses.replace(verdict, conditions=(*verdict.conditions, _leaving(summary)))
    # A node that runs is stopped only after a confirmed way out, never because an answer lacks a line.
    elif participation in _OUTSIDE and not memory.runs:
        return verdict
    return _deployed(facts, consumer, detail, loaded, choice, verdict)


def _choice(
    facts: context.ChainContext,
    consumer_id: str,
    memory: model.ChainMemory,
    assigned: bytes | None,
    is_outside: bool,
) -> signing.Choice:
    given, records = facts.given.get(consumer_id), memory.records
    place = {"is_rejoin": is_outside and not memory.runs, "is_outside": is_outside}
    if given is not None:
        return signing.choose_given(given, facts.own.consensus_key, records, assigned, **place)
    return signing.choose_key(
        facts.seed, facts.snapshot.chain_id, consumer_id, records, assigned, facts.seen.used_keys, **place
    )


_OUTSIDE = (consumer_participation.Participation.NONE, consumer_participation.Participation.DECLINED)


def _leaving(summary: model.ConsumerSummary) -> Condition:
    return Condition.new(
        Reason.LEAVING,
        "opted out: the node runs until the chain's own validators no longer have the key",
        summary.consumer_id,
    )


def _deployed(
    facts: context.ChainContext,
    consumer: model.Consumer,
    detail: model.ConsumerDetail,
    loaded: chain_definition.Loaded,
    choice: signing.Choice,
    verdict: Verdict,
) -> Verdict:
    made = consumer_chain.deploy(facts, consumer, detail, loaded, choice)
    conditions = (*verdict.conditions, *made.conditions)
    if made.trouble is not None:
        conditions = (*conditions, made.trouble)
        memory = facts.memory_of(consumer.summary.consumer_id)
        if memory is not None and memory.has_workload:
            return dataclasses.replace(verdict, conditions=conditions, is_held=True)
    intents = verdict.intents
    if verdict.summary.phase is model.Phase.LAUNCHED and not signing.is_settled(made.chain.arming):
        # A key that is assigned on a running chain is in its set soon: its memory must lie there before, which
        # also shows that the volume can be had and the image be pulled.
        intents = tuple(i for i in intents if not isinstance(i, model.OptIn | model.AssignKey))
    if made.chain.stage.relays:
        intents += accounts.top_ups(facts, verdict.summary.consumer_id, verdict.summary.chain_id)
    return dataclasses.replace(verdict, chain=made.chain, intents=intents, conditions=conditions)
