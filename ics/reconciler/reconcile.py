"""One pass as a list of named steps; events, timers and signals only trigger it."""

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

from ics import engines, errors, manifests, model, names
from ics.cluster.api import lease
from ics.conditions import Condition, Reason
from ics.consumer import chain, chain_decision, desired, observed, removal, rewards, signing, status
from ics.engines import drift, guard
from ics.engines.applyset import members
from ics.monitoring import chain_samples, metrics, pass_samples
from ics.provider.tx import descriptions
from ics.reconciler import (
    chain_balances,
    key_guard,
    missed_block_counts,
    node_care,
    observe,
    opt_ins,
    outcome,
    provider_node,
    rehearsals,
    relayer_jobs,
    sign_state,
    snapshots,
    state_sync,
    upgrade_steps,
    world,
)
from ics.relayer import plan

_SIGN_STATE_DUE = (
    signing.SignStateStatus.MISSING,
    signing.SignStateStatus.REQUESTED,
    signing.SignStateStatus.UNRECORDED,
)


async def preview(world: world.World, engine: engines.Engine) -> outcome.Plan:
    """Return the changes and transactions of a pass without making them.

    Raises:
        IcsError: the provider or the cluster cannot be read.
    """
    observed, desired = await observe.read(world)
    request = dataclasses.replace(apply_request(world, observed, desired), is_thorough=True)
    planned = await engine.plan(request)
    changes = planned.changes
    questions = [change.confirmation for change in changes if change.confirmation is not None]
    unknown = world.confirmed - guard.review(changes, request).answered
    if unknown:
        # The confirmation to keep a volume as it is leaves no change: preview again without confirmations.
        unanswered = await engine.preview(dataclasses.replace(request, confirmed=frozenset()))
        unknown -= {change.confirmation.name for change in unanswered if change.confirmation is not None}
    conditions = (*_unknown_confirmations(unknown, questions), *definition_conditions(world))
    report = status.report(desired, observed.observations, conditions, observed.extra_nodes)
    return outcome.Plan(changes, desired.announced, report, conditions, planned.notes)


async def request(world: world.World) -> engines.ApplyRequest:
    """Return what a pass would have the engine apply now, without a pass: nothing is written, sent or previewed.

    Raises:
        IcsError: the provider or the cluster cannot be read.
    """
    observed, desired = await observe.read(world)
    return apply_request(world, observed, desired)


async def look(world: world.World, confirmations: Sequence[Condition] = ()) -> outcome.Outcome:
    """Return what a pass would report, without a pass: nothing is written, sent or previewed.

    Args:
        world: world of the validator.
        confirmations: conditions of changes that wait for one, as the last pass recorded them.

    Raises:
        IcsError: the provider or the cluster cannot be read.
    """
    observed, desired = await observe.read(world)
    collector = outcome.Collector()
    missed = await missed_block_counts.read(world, desired, observed, collector)
    balances = await chain_balances.read(world, observed, collector)
    conditions = (*confirmations, *definition_conditions(world), *collector.conditions)
    report = status.report(desired, observed.observations, conditions, observed.extra_nodes)
    return outcome.Outcome(
        changes=(),
        sent=(),
        report=report,
        samples=_samples(world, desired, observed, report, missed, balances, collector),
        troubles=collector.troubles,
        snapshot=observed.snapshot,
    )


async def run_pass(
    world: world.World,
    engine: engines.Engine,
    sender: world.Sender | None,
    on_observed: Callable[[], None] = lambda: None,
) -> outcome.Outcome:
    """Run one reconcile pass: observe, compute, transact, converge, route, relay, report.

    Errors of one chain or one step do not stop the others; they are collected in the outcome.

    Args:
        world: world of the validator.
        engine: converges the cluster.
        sender: sends transactions; None: no transaction is sent, and each due one becomes a condition.
        on_observed: called when everything is observed; until then the pass may be cancelled without effects.

    Raises:
        IcsError: the provider or the cluster cannot be read at all; nothing was changed.
    """
    collector = outcome.Collector()
    try:
        observed, desired = await _read(world)
        on_observed()
        _report_stale_definitions(world, collector)
        if any(condition.reason is Reason.PROVIDER_UPGRADING for condition in observed.endpoints):
            sender = None  # its chain takes no transaction
        sender, observed, desired = await _settle_pending_tx(world, sender, observed, desired, collector)
        desired = await _protect_keys(world, desired, collector)
        await provider_node.protect(world, desired, observed, collector)
        # Opt-ins come first: they have a deadline, and everything else can be computed again.
        due = _urgent(desired)
        refused, desired, sent = await _assign(world, engine, sender, observed, desired, due, collector)
        # A key is recorded as retired before its node is deleted, so that no rejoin can use it again.
        desired = await _retire_keys(world, desired, collector)
        # The height before an upgrade, too: from then on every pass finds the new image.
        desired = await upgrade_steps.record_switches(world, desired, collector)
        converged = await engine.converge(apply_request(world, observed, desired))
        _report_converged(world, converged, collector)
        if converged.writes:
            observed, desired = await observe.read_cluster_again(world, observed)
            desired = opt_ins.exclude(desired, refused, observed.memory)
            # A new place is on record now, so its key may be assigned.
            due = [intent for intent in _urgent(desired) if intent not in due]
            _, desired, more = await _assign(world, engine, sender, observed, desired, due, collector)
            sent = (*sent, *more)
        # Run-time state last: it follows what the engine created.
        await _copy_pull_secrets(world, desired, collector)
        await _route(world, desired, observed, collector)
        await rehearsals.advance(world, desired, observed, collector)
        await snapshots.advance(world, desired, collector)
        restarted = await _advance_sign_states(world, desired, observed, collector)
        await provider_node.tend(world, desired, observed, collector)
        await key_guard.tend(world, desired, observed, collector)
        await upgrade_steps.record_progress(world, desired, collector)
        await upgrade_steps.pull(world, desired, observed, collector)
        await _record_endings(world, desired, observed, collector)
        await _advance_relayers(world, desired, collector)
        await node_care.maintain(world, desired, observed, restarted, collector)
        topped_up = await _top_up_accounts(world, sender, observed, desired, collector)
        await _forget_relayers(world, desired, observed, converged, collector)
        missed = await missed_block_counts.read(world, desired, observed, collector)
        balances = await chain_balances.read(world, observed, collector)
        # Last, because it asks servers of strangers.
        await state_sync.advance(world, desired, observed, collector)
        await keep_answers(world, collector)
        report = status.report(desired, observed.observations, collector.conditions, observed.extra_nodes)
        transactions = (*sent, *topped_up)
        return outcome.Outcome(
            changes=converged.changes,
            sent=transactions,
            report=report,
            samples=_samples(world, desired, observed, report, missed, balances, collector),
            troubles=collector.troubles,
            snapshot=observed.snapshot,
        )
    finally:
        await world.lease.release()


def _samples(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    report: status.Report,
    missed: Mapping[str, model.MissedBlocks],
    balances: rewards.Balances | None,
    collector: outcome.Collector,
) -> tuple[metrics.Sample, ...]:
    """Return the metrics of the pass, if any are read; an error of one chain leaves out its metrics only."""
    if world.missed is None:
        return ()
    samples = list(pass_samples.of_validator(observed, desired, report))
    reports = {chain.consumer_id: chain for chain in report.chains}
    details = {consumer.summary.consumer_id: consumer.detail for consumer in observed.snapshot.consumers}
    for decision in desired.decisions:
        consumer_id = decision.summary.consumer_id
        with collector.chain(consumer_id):
            facts = chain_samples.ChainFacts(
                observed=observed,
                desired=desired,
                decision=decision,
                report=reports[consumer_id],
                detail=details.get(consumer_id),
                seed=world.seed,
                missed=missed.get(consumer_id),
                balance=None if balances is None else balances.of_chain(consumer_id),
            )
            if chain_samples.is_ours(facts):
                samples += chain_samples.samples(facts)
    return tuple(samples)


def apply_request(
    world: world.World, observed: observed.Observed, desired: desired.Desired
) -> engines.ApplyRequest:
    """Return the request for the engine."""
    confirmed = world.confirmed.union(world.settings.confirm)
    return engines.ApplyRequest(
        manifests=render(desired),
        paused=desired.paused,
        held=upgrade_steps.held(desired, observed),
        ended=desired.ended,
        confirmed=confirmed,
        is_attended=world.is_attended,
        hurry=world.hurry,
        height=observed.snapshot.height,
    )


def render(desired: desired.Desired) -> tuple[model.Manifest, ...]:
    """Return the manifests of a desired state, as members of this validator's set."""
    settings = desired.settings
    return manifests.render(desired, members.set_id(settings.validator, settings.gateway.namespace))


def definition_conditions(world: world.World) -> tuple[Condition, ...]:
    """Return the conditions of definitions that are invalid, from the start or since the daemon read them."""
    texts = [
        f"{'; '.join(each.problems)}; until then the chains of this definition are left as they are"
        for each in world.invalid_definitions
    ]
    if world.definitions_problem:
        texts.append(f"{world.definitions_problem}; until then the earlier definitions are used")
    return tuple(Condition.new(Reason.DEFINITIONS_REFUSED, text) for text in texts)


def needs_confirmation(text: str, consumer_id: str) -> Condition:
    """Return the condition of a change that waits for a confirmation."""
    return Condition.new(Reason.NEEDS_CONFIRMATION, text, consumer_id)


def _unknown_confirmations(
    names: Collection[str], questions: Sequence[engines.Confirmation]
) -> tuple[Condition, ...]:
    """Return a condition for each confirmation that matches no change, which is not an error but a likely mistake."""
    return tuple(
        Condition.new(Reason.CONFIRMS_NOTHING, text) for text in guard.unknown_confirmations(names, questions)
    )


def _report_stale_definitions(world: world.World, collector: outcome.Collector) -> None:
    for condition in definition_conditions(world):
        collector.fail(condition, errors.SettingsError(condition.message))


async def _settle_pending_tx(
    world: world.World,
    sender: world.Sender | None,
    observed: observed.Observed,
    desired: desired.Desired,
    collector: outcome.Collector,
) -> tuple[world.Sender | None, observed.Observed, desired.Desired]:
    """Observe again if a crashed run sent a transaction after the observation, which would be sent twice otherwise.

    Returns:
        The sender, or None if the outcome of that transaction is unknown; the newest observation and desired state.
    """
    if sender is None or not desired.intents:
        return sender, observed, desired
    try:
        height = await sender.await_pending()
        if observed.snapshot.height < height:
            observed, desired = await observe.read(world)
        if observed.snapshot.height < height:
            raise errors.Transient(
                f"the provider's REST gateway is at height {observed.snapshot.height}, below block {height} of an"
                " earlier transaction; nothing is sent until it has reached that block"
            )
    except errors.IcsError as error:
        collector.transaction_error(error, Reason.TRANSACTION_UNDER_WAY)
        return None, observed, desired
    return sender, observed, desired


async def _read(world: world.World) -> tuple[observed.Observed, desired.Desired]:
    """Observe; if the provider cannot be read, withhold at least the keys that the cluster's own records forbid."""
    try:
        return await observe.read(world)
    except errors.IcsError as error:
        memory = await world.state.load()
        for chain in memory.chains.values():
            for withheld in chain_decision.withholding(chain):
                await world.sign_state.withhold(withheld.namespace, withheld.place)
        set_id = members.set_id(world.settings.validator, world.settings.gateway.namespace)
        switched = await provider_node.switch_alone(world, memory, set_id)
        if switched:
            raise errors.Transient(f"{switched}; until it answers: {error}") from error
        raise


async def _protect_keys(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> desired.Desired:
    """Withdraw the records of keys that a remote signer replaced, and withhold keys from existing nodes.

    Both come before anything else: whatever holds a chain must not leave its node a key, and a signer must not start to
    sign while a record says that a sign state in the cluster is up to date. A chain for which that fails is paused.
    """
    for decision in desired.decisions:
        consumer_id = decision.summary.consumer_id
        for withheld in decision.withholds:
            with collector.chain(consumer_id):
                await world.sign_state.withhold(withheld.namespace, withheld.place)
        for namespace in decision.relaying_copies:
            with collector.chain(consumer_id):
                await world.hermes_jobs.stop_copy(namespace)
        try:
            for place in decision.withdraws:
                await world.sign_state.withdraw(place)
        except Exception as error:
            collector.error(error, consumer_id)
            desired = dataclasses.replace(desired, paused=desired.paused | {consumer_id})
    return desired


async def _assign(
    world: world.World,
    engine: engines.Engine,
    sender: world.Sender | None,
    observed: observed.Observed,
    desired: desired.Desired,
    due: Sequence[model.Intent],
    collector: outcome.Collector,
) -> tuple[Mapping[str, errors.IcsError], desired.Desired, tuple[model.Intent, ...]]:
    """Send transactions, except for chains whose objects the cluster would reject.

    Returns:
        The refused chains with the errors, the desired state without joining them, and the confirmed transactions.
    """
    # A chain whose objects the cluster would reject is not joined, because its node could not run.
    refused = await _refused_chains(world, engine, sender, observed, desired)
    desired = opt_ins.exclude(desired, refused, observed.memory)
    wanted = [intent for intent in due if intent in desired.intents]
    sent = await _transact(world, sender, observed, wanted, collector)
    for consumer_id, error in refused.items():
        collector.cluster_error(error, consumer_id)
    return refused, desired, sent


async def _refused_chains(
    world: world.World,
    engine: engines.Engine,
    sender: world.Sender | None,
    observed: observed.Observed,
    desired: desired.Desired,
) -> Mapping[str, errors.IcsError]:
    if sender is None:
        return {}
    request = apply_request(world, observed, desired)
    return await opt_ins.refusals(engine, request, desired)


def _urgent(desired: desired.Desired) -> list[model.Intent]:
    return [intent for intent in desired.intents if not _can_wait(intent)]


def _can_wait(intent: model.Intent) -> bool:
    """Return whether nothing else in the pass depends on a transaction, so that a launch need not wait for it."""
    return isinstance(intent, model.TopUp)


async def _transact(
    world: world.World,
    sender: world.Sender | None,
    observed: observed.Observed,
    due: Sequence[model.Intent],
    collector: outcome.Collector,
) -> tuple[model.Intent, ...]:
    """Send the due transactions one after the other, and return the confirmed ones."""
    if sender is None:
        return ()
    sent: list[model.Intent] = []
    for intent in due:
        try:
            await world.lease.ensure()
            await check_agreed(world, observed, intent)
            await sender.send(intent)
        except errors.IcsError as error:
            consumer_id = getattr(intent, "consumer_id", "")
            collector.transaction_error(error, Reason.TRANSACTION_FAILED, consumer_id)
        except Exception as error:
            collector.error(error, getattr(intent, "consumer_id", ""))
        else:
            sent.append(intent)
    return tuple(sent)


async def check_agreed(world: world.World, observed: observed.Observed, intent: model.Intent) -> None:
    """Check that the state which calls for a transaction is not what one endpoint alone says.

    Raises:
        Transient: most endpoints contradict it, so that the transaction would be paid in vain, in every pass again.
    """
    if isinstance(intent, model.OptIn | model.AssignKey) and await world.provider.is_outvoted(
        intent.consumer_id, observed.snapshot
    ):
        raise errors.Transient(
            f"{descriptions.name(intent)}: not sent: most endpoints of ics:provider.rest say something else about this"
            " chain than the one that is used"
        )


async def _retire_keys(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> desired.Desired:
    """Record the keys of chains that were left as retired; if that fails, the chain is paused for this pass."""
    for decision in desired.decisions:
        if decision.retires is None:
            continue
        try:
            await world.sign_state.ensure_retired(decision.retires)
        except Exception as error:
            consumer_id = decision.summary.consumer_id
            collector.error(error, consumer_id)
            desired = dataclasses.replace(desired, paused=desired.paused | {consumer_id})
    return desired


def _report_converged(world: world.World, converged: engines.Converged, collector: outcome.Collector) -> None:
    for error in converged.errors:
        collector.cluster_error(error)
    for question in converged.confirmations:
        collector.fail(needs_confirmation(question.text, question.consumer_id), guard.as_error(question))
    for condition in _unknown_confirmations(world.confirmed - converged.answered, converged.confirmations):
        collector.note(condition)
    for change in converged.changes:
        if change.is_drift:
            # The engine has reverted it, so it is not an error.
            collector.note(Condition.new(Reason.DRIFTED, drift.describe(change), change.consumer_id))
    for text in converged.repairs:
        collector.note(Condition.new(Reason.STACK_REPAIRED, text))


async def _route(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> None:
    """Route the LoadBalancer to the pods, including those of paused chains, whose nodes keep running."""
    present = desired.paused.union(chain.consumer_id for chain in desired.chains)
    routed = present.intersection(desired.gateway_ports)
    pods = {c: _published_pod(observed, c) for c in observed.observations if c in routed}
    with collector.chain(""):
        await world.gateway.ensure_slices(pods, desired.paused, desired.open_ports)


def _published_pod(observed: observed.Observed, consumer_id: str) -> model.PodStatus | None:
    """Return the pod that answers at a chain's published endpoint: its node's, or that of its first sentry."""
    observation: model.Observation | None = observed.observations[consumer_id]
    if observed.memory.chains[consumer_id].sentries:
        published = names.extra_node(names.SENTRY, 1)
        observation = observed.extra_nodes.get(consumer_id, {}).get(published)
    return None if observation is None else observation.pod


async def _copy_pull_secrets(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> None:
    """Copy the registries' credentials before any pod of a chain needs them."""
    for planned in desired.chains:
        if planned.pods.image_pull_secrets and planned.consumer_id not in desired.paused:
            with collector.chain(planned.consumer_id):
                await world.pull_secrets.ensure(planned)


async def _advance_sign_states(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> set[str]:
    """Advance the sign states that are not ready; return the consumer ids of nodes restarted for them."""
    restarted: set[str] = set()

    async def advance(chain: chain.ChainPlan) -> None:
        with collector.chain(chain.consumer_id):
            # A node that has another key, which signs, is not restarted for the sign state of the next one.
            node = None if chain in nexts else observed.observations.get(chain.consumer_id)
            volume_uid = observed.memory.chains[chain.consumer_id].volume_uid or ""
            if chain.sign_state is signing.SignStateStatus.UNRECORDED:
                await sign_state.restore_record(world, chain, volume_uid, node)
                return
            condition = await sign_state.advance(world, chain, volume_uid, node, restarted)
            if condition is not None:
                collector.fail(condition)

    # The record is on the key's Secret; the next pass creates it for a place that was selected only now.
    nexts = [chain.next for chain in desired.chains if chain.next is not None]
    due = [
        chain
        for chain in (*desired.chains, *nexts)
        if chain.sign_state in _SIGN_STATE_DUE and chain.is_recorded
    ]
    await asyncio.gather(*map(advance, due))
    return restarted


async def _record_endings(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    collector: outcome.Collector,
) -> None:
    """Record what the provider says for which nodes would be ended, which a later pass must see again."""
    for decision in desired.decisions:
        consumer_id = decision.summary.consumer_id
        memory = observed.memory.chains.get(consumer_id)
        is_confirmed = bool(decision.ends_for) and not decision.is_paused
        if memory is None or not memory.has_workload or is_confirmed:
            continue
        is_changed, seen = removal.next_record(memory, decision.ends_for, desired.moment)
        if is_changed:
            with collector.chain(consumer_id):
                await world.nodes.record_ending(memory.namespace, seen)


async def _advance_relayers(
    world: world.World, desired: desired.Desired, collector: outcome.Collector
) -> None:
    async def advance(chain: chain.ChainPlan, plan: plan.RelayerPlan) -> None:
        with collector.chain(chain.consumer_id):
            condition = await relayer_jobs.advance(world, chain, plan, desired.provider_chain_id)
            if condition is not None:
                collector.fail(condition)

    await asyncio.gather(
        *(advance(chain, chain.relay) for chain in desired.chains if chain.relay is not None)
    )


async def _top_up_accounts(
    world: world.World,
    sender: world.Sender | None,
    observed: observed.Observed,
    desired: desired.Desired,
    collector: outcome.Collector,
) -> tuple[model.Intent, ...]:
    """Send the transactions that can wait, based on balances after the latest transaction."""
    if not any(map(_can_wait, desired.intents)):
        return ()
    # A pending transaction is not an error here, because the next pass checks it again.
    unreported = outcome.Collector()
    sender, observed, desired = await _settle_pending_tx(world, sender, observed, desired, unreported)
    return await _transact(world, sender, observed, [i for i in desired.intents if _can_wait(i)], collector)


async def keep_answers(world: world.World, collector: outcome.Collector) -> None:
    """Record for the next pass from cron what it need not ask for again; an unchanged pass writes nothing."""
    record = world.recent.unrecorded(observe.answers_scope(world)) if world.is_routine else ""
    if not record:
        return
    try:
        await world.lease.annotate({names.ANSWERS: record})
    except lease.HeldByOther:
        return  # another process acts, and keeps its own
    except errors.IcsError as error:
        collector.cluster_error(error)


async def _forget_relayers(
    world: world.World,
    desired: desired.Desired,
    observed: observed.Observed,
    converged: engines.Converged,
    collector: outcome.Collector,
) -> None:
    """Delete the run-time objects of chains that are no longer deployed."""
    unconfirmed = (question.consumer_id for question in converged.confirmations)
    kept = desired.paused.union(unconfirmed, (chain.consumer_id for chain in desired.chains))

    async def forget(consumer_id: str, namespace: str) -> None:
        with collector.chain(consumer_id):
            await world.hermes_jobs.forget(namespace, consumer_id)

    await asyncio.gather(
        *(
            forget(consumer_id, memory.namespace)
            for consumer_id, memory in observed.memory.chains.items()
            if memory.relayer.has_objects and consumer_id not in kept
        )
    )
