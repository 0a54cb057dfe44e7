"""One pass, as a straight list, and what it reports. Events, timers and signals only wake a pass."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ics import engines, errors, manifests, model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import chain, desired, observed, signing, status
from ics.engines import drift, guard, handoff
from ics.engines.applyset import members
from ics.provider.tx import descriptions
from ics.reconciler import node_care, observe, opt_ins, outcome, relayer_jobs, sign_state, world
from ics.relayer import plan


async def preview(place: world.World, engine: engines.Engine) -> outcome.Plan:
    """Say what a pass would change and send; nothing is changed.

    Raises:
        IcsError: the provider or the cluster cannot be judged.
    """
    observed = await observe.observe(place)
    wanted = observe.desire(place, observed)
    thorough = dataclasses.replace(order(place, wanted, handoff.Handed(observed)), is_thorough=True)
    changes = await engine.preview(thorough)
    questions = [change.question for change in changes if change.question is not None]
    unknown = place.confirmed - guard.judge(changes, thorough).answered
    if unknown:
        # A volume that is confirmed to stay as it is, is no change: what would be asked without the answers?
        unanswered = await engine.preview(dataclasses.replace(thorough, confirmed=frozenset()))
        unknown -= {change.question.name for change in unanswered if change.question is not None}
    unfitting = _unfitting(unknown, questions)
    return outcome.Plan(
        changes, wanted.intents, status.report(wanted, observed.observations, unfitting), unfitting
    )


async def one_pass(
    place: world.World,
    engine: engines.Engine,
    sender: world.Sender | None,
    looked: Callable[[], None] = lambda: None,
) -> outcome.Outcome:
    """Observe, desire, transact, converge, route, fill up the relayers' accounts, report.

    Trouble with one chain or one step never stops the rest; it is collected into the outcome.

    Args:
        place: the validator's world.
        engine: what converges the cluster.
        sender: sends transactions; None: none is sent, and each that is due is a condition.
        looked: called when all has been observed; until then the pass may be cancelled and leaves no trace.

    Raises:
        IcsError: the provider or the cluster cannot be judged at all; nothing was changed.
    """
    try:
        observed = await observe.observe(place)
        wanted = observe.desire(place, observed)
        looked()
        sender, observed, wanted, troubles = await _after_earlier(place, sender, observed, wanted)
        troubles += outdated(place)
        # A chain whose objects the cluster would refuse is not joined: nobody could run its node.
        refused = (
            {}
            if sender is None
            else await opt_ins.refusals(engine, order(place, wanted, handoff.Handed(observed)), wanted)
        )
        wanted = opt_ins.without(wanted, refused, observed.memory)
        # The opt-in comes first: it has a deadline, and everything it needs can be computed again.
        sent, met_sending = await _transact(place, [i for i in wanted.intents if not _can_wait(i)], sender)
        troubles += met_sending
        troubles += [_trouble(error, consumer_id) for consumer_id, error in refused.items()]
        # A key is on record as retired before its node goes, so that no rejoin could take it again.
        wanted, retiring = await _retire(place, wanted)
        troubles += retiring
        gone = frozenset(descriptions.describe(intent) for intent in sent)
        handed = handoff.Handed(observed, frozenset(refused), sent=gone)
        converged = await engine.converge(order(place, wanted, handed))
        troubles += [_trouble(error) for error in converged.errors]
        troubles += [
            (asked(question.text, question.consumer_id), guard.as_error(question))
            for question in converged.questions
        ]
        unknown = place.confirmed - converged.answered
        troubles += [(condition, None) for condition in _unfitting(unknown, converged.questions)]
        troubles += [_drifted(change) for change in converged.changes if change.is_drift]
        troubles += [(Condition.new(Reason.STACK_MENDED, text), None) for text in converged.repairs]
        if converged.writes:
            observed, wanted = await _again(place, observed)
            wanted = opt_ins.without(wanted, refused, observed.memory)
        # Run-time state last: it follows what the engine made.
        try:
            pods = _routed(wanted, observed.observations)
            await place.cluster.ensure_routes(pods, wanted.held, wanted.open_ports)
        except errors.IcsError as error:
            troubles.append(_trouble(error))
        restarted: set[str] = set()
        troubles += await _arm(place, wanted, observed, restarted)
        troubles += await _relay(place, wanted)
        tended = await node_care.tend(place, wanted, observed, restarted)
        troubles += [_trouble(error, one) for one, error in tended]
        filled, filling = await _fill_up(place, sender, observed, wanted)
        troubles += filling
        stopped = frozenset(question.consumer_id for question in converged.questions)
        troubles += await _forget(
            place, observed, wanted.held | stopped | {c.consumer_id for c in wanted.chains}
        )
        report = status.report(wanted, observed.observations, [condition for condition, _ in troubles])
        met = tuple(
            outcome.Trouble(error, condition.consumer_id)
            for condition, error in troubles
            if error is not None
        )
        return outcome.Outcome(converged.changes, (*sent, *filled), report, met, observed.snapshot)
    finally:
        await place.lease.release()


async def _after_earlier(
    place: world.World, sender: world.Sender | None, observed: observed.Seen, wanted: desired.Desired
) -> tuple[world.Sender | None, observed.Seen, desired.Desired, list[outcome.Entry]]:
    """Look again, if anything was sent since, as by a run that died: else it would be sent twice.

    Returns:
        Who may send, what was seen, what is wanted of it, and the trouble of not knowing: then nobody may.
    """
    if sender is None or not wanted.intents:
        return sender, observed, wanted, []
    try:
        height = await sender.earlier()
        if observed.snapshot.height < height:
            observed = await observe.observe(place)
            wanted = observe.desire(place, observed)
        if observed.snapshot.height < height:
            raise errors.Transient(
                f"the provider's REST gateway is at height {observed.snapshot.height}, and an earlier transaction"
                f" came into block {height}: nothing is sent before it has that one"
            )
    except errors.IcsError as error:
        return None, observed, wanted, [_transaction_trouble(error, Reason.TRANSACTION_UNDER_WAY)]
    return sender, observed, wanted, []


async def _again(place: world.World, observed: observed.Seen) -> tuple[observed.Seen, desired.Desired]:
    """Look again at what the engine changed: volumes that were just made have an identity now."""
    memory = await place.cluster.memory()
    observations = await place.cluster.observe(observe.workloads(memory))
    fresh = dataclasses.replace(observed, memory=memory, observations=observations)
    return fresh, observe.desire(place, fresh)


async def _retire(place: world.World, wanted: desired.Desired) -> tuple[desired.Desired, list[outcome.Entry]]:
    """Record the keys of chains that were left; a chain whose record fails is held for this pass."""
    troubles: list[outcome.Entry] = []
    for verdict in wanted.verdicts:
        if verdict.retires is None:
            continue
        try:
            await place.cluster.retire_key(verdict.namespace, verdict.retires)
        except errors.IcsError as error:
            consumer_id = verdict.summary.consumer_id
            troubles.append(_trouble(error, consumer_id))
            wanted = dataclasses.replace(wanted, held=wanted.held | {consumer_id})
    return wanted, troubles


def order(place: world.World, wanted: desired.Desired, handed: handoff.Handed) -> engines.Order:
    """What the engine is to bring about."""
    confirmed = place.confirmed.union(place.settings.confirm)
    return engines.Order(render(wanted), wanted.held, wanted.ended, confirmed, handed=handed)


def render(wanted: desired.Desired) -> tuple[model.Manifest, ...]:
    """The manifests of a desired state, as members of this validator's set."""
    settings = wanted.settings
    return manifests.render(wanted, members.set_id(settings.validator, settings.gateway.namespace))


def _trouble(error: errors.IcsError, consumer_id: str = "") -> outcome.Entry:
    is_transient = isinstance(error, errors.Transient)
    reason = Reason.CLUSTER_TROUBLE if is_transient else Reason.CLUSTER_REFUSES
    return Condition.new(reason, str(error), consumer_id), error


def _transaction_trouble(error: errors.IcsError, reason: Reason, consumer_id: str = "") -> outcome.Entry:
    severity = Severity.WARNING if isinstance(error, errors.Transient) else Severity.CRITICAL
    return Condition.new(reason, str(error), consumer_id, severity=severity), error


def outdated(place: world.World) -> list[outcome.Entry]:
    """The trouble of definitions that went wrong under a resident reconciler: it goes on with those that it had."""
    if not place.definitions_problem:
        return []
    text = f"{place.definitions_problem}; until then the definitions from before are in force"
    return [(Condition.new(Reason.DEFINITIONS_REFUSED, text), errors.SettingsError(text))]


def asked(text: str, consumer_id: str) -> Condition:
    """The condition of a question that waits."""
    return Condition.new(Reason.NEEDS_CONFIRMATION, text, consumer_id)


def _unfitting(names: Collection[str], questions: Sequence[engines.Question]) -> tuple[Condition, ...]:
    """No trouble, for nothing was done wrongly; but it is not what the operator has meant."""
    return tuple(
        Condition.new(Reason.CONFIRMS_NOTHING, text) for text in guard.fits_nothing(names, questions)
    )


def _drifted(change: engines.Change) -> outcome.Entry:
    """Worth a line in the report, and no trouble: it is put back."""
    words = drift.in_words(change)
    return Condition.new(Reason.DRIFTED, words, change.consumer_id), None


def _can_wait(intent: model.Intent) -> bool:
    """Whether nothing of this pass depends on it: a launch must not stand behind a block that is slow to come."""
    return isinstance(intent, model.TopUp)


async def _fill_up(
    place: world.World, sender: world.Sender | None, observed: observed.Seen, wanted: desired.Desired
) -> tuple[tuple[model.Intent, ...], list[outcome.Entry]]:
    """Send what could wait; what the balances were before the latest transaction is no reason for another.

    What stands in its way is no trouble: it waits for the next pass then, which looks again.
    """
    if not any(map(_can_wait, wanted.intents)):
        return (), []
    sender, _, wanted, _ = await _after_earlier(place, sender, observed, wanted)
    return await _transact(place, [i for i in wanted.intents if _can_wait(i)], sender)


async def _transact(
    place: world.World, due: Sequence[model.Intent], sender: world.Sender | None
) -> tuple[tuple[model.Intent, ...], list[outcome.Entry]]:
    sent: list[model.Intent] = []
    troubles: list[outcome.Entry] = []
    if sender is None:
        return (), []
    for intent in due:
        try:
            await place.lease.ensure()
            await sender.send(intent)
        except errors.IcsError as error:
            consumer_id = getattr(intent, "consumer_id", "")
            troubles.append(_transaction_trouble(error, Reason.TRANSACTION_FAILED, consumer_id))
        else:
            sent.append(intent)
    return tuple(sent), troubles


async def _arm(
    place: world.World, wanted: desired.Desired, observed: observed.Seen, restarted: set[str]
) -> list[outcome.Entry]:
    async def advance(chain: chain.Chain) -> Condition | None:
        node = observed.observations.get(chain.consumer_id)
        volume_uid = observed.memory.chains[chain.consumer_id].volume_uid or ""
        if chain.arming is signing.Arming.UNRECORDED:
            await sign_state.recall(place.cluster, chain, volume_uid, node)
            return None
        return await sign_state.advance(place.cluster, chain, volume_uid, node, restarted)

    due = (signing.Arming.DUE, signing.Arming.ORDERED, signing.Arming.UNRECORDED)
    return await _collected(
        {chain.consumer_id: advance(chain) for chain in wanted.chains if chain.arming in due}
    )


async def _relay(place: world.World, wanted: desired.Desired) -> list[outcome.Entry]:
    async def advance(chain: chain.Chain, plan: plan.Relayer) -> Condition | None:
        return await relayer_jobs.advance(place.cluster, chain, plan, wanted.provider_chain_id)

    return await _collected(
        {chain.consumer_id: advance(chain, chain.relay) for chain in wanted.chains if chain.relay is not None}
    )


async def _forget(place: world.World, observed: observed.Seen, here: frozenset[str]) -> list[outcome.Entry]:
    """Clear away what no engine knows of, once a chain is here no more."""

    async def forget(consumer_id: str, namespace: str) -> None:
        await place.cluster.forget_relaying(namespace, consumer_id)

    return await _collected(
        {
            consumer_id: forget(consumer_id, memory.namespace)
            for consumer_id, memory in observed.memory.chains.items()
            if memory.has_relaying and consumer_id not in here
        }
    )


async def _collected(works: Mapping[str, Awaitable[Condition | None]]) -> list[outcome.Entry]:
    """Work on all chains at once; the trouble of one, or the condition it comes to, is its own."""

    async def one(consumer_id: str, work: Awaitable[Condition | None]) -> list[outcome.Entry]:
        try:
            condition = await work
        except errors.IcsError as error:
            return [_trouble(error, consumer_id)]
        return [] if condition is None else [(condition, errors.Permanent(condition.message))]

    found = await asyncio.gather(*(one(consumer_id, work) for consumer_id, work in works.items()))
    return [trouble for troubles in found for trouble in troubles]


def _routed(
    wanted: desired.Desired, observations: Mapping[str, model.Observation]
) -> dict[str, model.PodStatus | None]:
    """The pods behind the LoadBalancer, by consumer id: also of chains that are held, whose nodes run on."""
    here = wanted.held.union(chain.consumer_id for chain in wanted.chains).intersection(wanted.gateway_ports)
    return {consumer_id: found.pod for consumer_id, found in observations.items() if consumer_id in here}
