"""Decision about one consumer chain: what it gets, what is sent about it, and what is reported; pure.

The only place where everything about one chain meets: `decide` examines it check by check. A chain that cannot be
decided is *paused*: its objects are not changed.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from ics import errors, model, names
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition
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
    observed,
    places,
    rekey,
    removal,
    signing,
    state_sync,
)
from ics.consumer import participation as consumer_participation
from ics.consumer import terms as consumer_terms
from ics.consumer.peers import ports
from ics.cosmos import identifiers
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


MOST_KEYS = 16
"""Keys of one chain that are created one after the other because the provider says of each that it is used already."""


def decide(context: context.ChainContext, consumer: model.Consumer) -> ChainDecision:
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
