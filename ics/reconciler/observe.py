"""Observation phase of a pass, repeated until the desired state leaves no open questions."""

import asyncio
import dataclasses
import datetime
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from ics import aio, errors, manifests, model, names
from ics.config import upgrades as config_upgrades
from ics.consumer import (
    desired,
    image_pulls,
    monitoring_kinds,
    node_volumes,
    observed,
    questions,
    revision,
    stake,
    volumes,
)
from ics.cosmos import addresses, gas_prices, light
from ics.manifests import revisions
from ics.reconciler import relayer_facts, world
from ics.reconciler import snapshots as volume_snapshots
from ics.relayer import budget, facts

_ExtraName: TypeAlias = tuple[str, str]
"""Consumer id and name of a sentry or full node."""
_ExtraObservations: TypeAlias = Mapping[str, Mapping[str, model.Observation]]
"""Observations of sentries and full nodes, by consumer id and name."""

_PROVIDER = ""
"""Stands for the provider itself, where answers are kept by consumer id."""
_ROUNDS = 64
"""Rounds of questions in one pass; a chain takes four or five, and one more for each key that is used already."""

_SECONDS = 120.0
"""Deadline of a question about one chain; the genesis of a launch is asked for five times."""


async def read(world: world.World) -> tuple[observed.Observed, desired.Desired]:
    """Read the provider at one height, the cluster's state and the chains' own nodes.

    Returns:
        Everything observed, and the desired state computed from it.

    Raises:
        Transient: an endpoint is down or lagging, or its answer is not usable.
        SettingsError: an endpoint or the operator address is invalid.
        Permanent: the provider does not have this validator.
    """
    if world.details is not None:
        world.details.begin(world.definitions)
    observed, wanted = await _complete(world, await _first(world))
    world.recent.keep_balances(observed.snapshot.moment, observed.checked_accounts, observed.balances)
    if world.details is not None:
        world.details.keep(observed, wanted, await _epoch_end(world, observed.snapshot))
    return observed, wanted


def _at_stake(world: world.World, observed: observed.Observed, wanted: desired.Desired) -> frozenset[str]:
    """Return the chains about which this pass must ask at its own height before it does or decides anything."""
    reused = frozenset() if world.details is None else world.details.at_stake(observed, wanted)
    return reused | stake.unasked_keys(observed, wanted)


async def _epoch_end(world: world.World, snapshot: model.Snapshot) -> int | None:
    """Return when the current epoch ends, unless it is known; without an answer nothing is reused."""
    if world.details is None or not world.details.needs_epoch(snapshot):
        return None
    try:
        return await world.provider.epoch_end()
    except errors.IcsError:
        return None


async def _complete(
    world: world.World, observed: observed.Observed
) -> tuple[observed.Observed, desired.Desired]:
    """Ask until no question is open, and hold the chains whose objects cannot be rendered.

    Each answer may open further questions, so a chain about which there is no end of them is held, too.
    """
    for _ in range(_ROUNDS):
        wanted = compute(world, observed)
        at_stake = _at_stake(world, observed, wanted)
        if at_stake or world.recent.pays(wanted.intents, observed.checked_accounts):
            observed = await _asked_again(world, observed, at_stake)
            continue
        open_questions = questions.open_questions(observed, wanted, world.seed)
        if not open_questions:
            failures = manifests.failures(wanted)
            if not failures:
                return observed, wanted
            observed = _failing(observed, failures)
        elif open_questions.failures:
            observed = _failing(observed, open_questions.failures)
        else:
            observed = await _answered(world, observed, open_questions)
    endless = questions.open_questions(observed, compute(world, observed), world.seed).chains()
    text = f"the answers of the provider or of its node raise new questions without an end ({_ROUNDS} rounds)"
    observed = _failing(observed, dict.fromkeys(endless, text))
    return observed, compute(world, observed)


async def _asked_again(
    world: world.World, observed: observed.Observed, consumer_ids: frozenset[str]
) -> observed.Observed:
    """Read the details of chains at the height of this pass, in place of those that earlier passes read."""
    summaries = [
        consumer.summary
        for consumer in observed.snapshot.consumers
        if consumer.summary.consumer_id in consumer_ids
    ]
    forgotten = world.recent.forget_balances()
    return dataclasses.replace(
        observed,
        snapshot=await _with_details(world, observed.snapshot, summaries),
        checked_accounts=observed.checked_accounts - forgotten,
        balances={one: amount for one, amount in observed.balances.items() if one not in forgotten},
    )


async def _with_details(
    world: world.World,
    snapshot: model.Snapshot,
    summaries: Sequence[model.ConsumerSummary],
    *,
    takes_key_of_set: bool = False,
) -> model.Snapshot:
    """Return a snapshot with the details of these chains as they are at its height."""
    if not summaries:
        return snapshot
    details, problems = await world.provider.details(summaries, takes_key_of_set=takes_key_of_set)
    asked = {summary.consumer_id for summary in summaries}
    consumers = tuple(
        model.Consumer(one.summary, details.get(one.summary.consumer_id))
        if one.summary.consumer_id in asked
        else one
        for one in snapshot.consumers
    )
    return dataclasses.replace(snapshot, consumers=consumers, problems={**snapshot.problems, **problems})


async def _snapshot(
    world: world.World, interest: Callable[[model.ConsumerSummary, bool], bool]
) -> model.Snapshot:
    """Read the provider, without the details that an earlier pass of this process has read recently enough."""
    recent, operator = world.details, world.settings.operator_address
    if world.is_routine:
        return await _routine_snapshot(world, interest)
    if recent is None:
        return await world.provider.snapshot(operator, interest)
    skipped: list[model.ConsumerSummary] = []

    def is_asked(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        if not interest(summary, must_validate):
            return False
        if recent.has(summary):
            skipped.append(summary)
            return False
        return True

    snapshot = await world.provider.snapshot(operator, is_asked)
    snapshot, outdated = recent.with_reused(snapshot, skipped)
    return await _with_details(world, snapshot, outdated)


async def _routine_snapshot(
    world: world.World, interest: Callable[[model.ConsumerSummary, bool], bool]
) -> model.Snapshot:
    """Read the provider, and ask a chain for this validator's key only if it was not asked for it lately.

    The key in the chain's set takes its place unless anything depends on it; see `ics.consumer.stake`.
    """
    chosen: list[model.ConsumerSummary] = []

    def choose(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        if interest(summary, must_validate):
            chosen.append(summary)
        return False

    snapshot = await world.provider.snapshot(world.settings.operator_address, choose)
    asked = world.recent.asked_keys(snapshot.moment)
    due = [one for one in chosen if one.phase is not model.Phase.INITIALIZED and one.consumer_id not in asked]
    others = [one for one in chosen if one not in due]
    snapshot = await _with_details(world, snapshot, others, takes_key_of_set=True)
    snapshot = await _with_details(world, snapshot, due)
    own = desired.own_validator(snapshot, world.settings).consensus_address
    details = {one.summary.consumer_id: one.detail for one in snapshot.consumers}
    same = [one.consumer_id for one in due if stake.has_key_of_set(details.get(one.consumer_id), own)]
    world.recent.keep_keys(snapshot.moment, same, frozenset(one.consumer_id for one in chosen))
    return snapshot


def _failing(observed: observed.Observed, failures: Mapping[str, str]) -> observed.Observed:
    return dataclasses.replace(observed, failures={**observed.failures, **failures})


async def read_cluster_again(
    world: world.World, before: observed.Observed
) -> tuple[observed.Observed, desired.Desired]:
    """Read only the cluster again after an engine changed it, because new volumes have a uid now."""
    memory = await world.state.load()
    observations, extra = await asyncio.gather(
        world.nodes.observe(_workloads(memory)), _extra_nodes(world, memory)
    )
    # Whoever stood at a height was switched now, and is another process.
    observed = dataclasses.replace(
        before, memory=memory, observations=observations, extra_nodes=extra, halted={}, extra_halted={}
    )
    wanted = compute(world, observed)
    at_stake = _at_stake(world, observed, wanted)
    if at_stake:  # what was applied opens the way to decisions that no earlier answer carries
        observed = await _asked_again(world, observed, at_stake)
        wanted = compute(world, observed)
    failures = manifests.failures(wanted)
    if failures:
        observed = _failing(observed, failures)
        wanted = compute(world, observed)
    return observed, wanted


def compute(world: world.World, observed: observed.Observed) -> desired.Desired:
    """Compute the desired state from what was observed; raises as `ics.consumer.desired.compute`."""
    wanted = desired.compute(
        observed,
        world.settings,
        world.seed,
        world.definitions,
        world.imported,
        world.invalid_definitions,
        world.kept,
    )
    return revisions.settle(wanted)


def _workloads(memory: observed.Memory) -> dict[str, str]:
    """Return the namespaces of chains that have a node, by consumer id."""
    return {
        consumer_id: chain.namespace for consumer_id, chain in memory.chains.items() if chain.has_workload
    }


async def _extra_nodes(world: world.World, memory: observed.Memory) -> _ExtraObservations:
    """Observe the sentries and full nodes; query nothing if no chain has any."""
    namespaces = {
        consumer_id: chain.namespace
        for consumer_id, chain in memory.chains.items()
        if any(node.has_workload for node in chain.extra_nodes.values())
    }
    return await world.nodes.observe_extra(namespaces) if namespaces else {}


async def _first(world: world.World) -> observed.Observed:
    async with aio.task_group() as group:
        loading = group.create_task(world.state.load())
        group.create_task(_open(world))
        group.create_task(_recall(world))
    memory = loading.result()

    strangers = 0

    def interest(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        nonlocal strangers
        if desired.is_of_interest(summary, must_validate, memory, world.definitions):
            return True
        if summary.phase is not model.Phase.INITIALIZED:
            return False
        strangers += 1
        return strangers <= desired.MOST_STRANGERS

    async with aio.task_group() as group:
        reading = group.create_task(_snapshot(world, interest))
        observing = group.create_task(world.nodes.observe(_workloads(memory)))
        adding = group.create_task(_extra_nodes(world, memory))
        waiting = group.create_task(_sign_state_waits(world, memory))
        looking = group.create_task(_provider_node(world, memory))
        rehearsing = group.create_task(_rehearsals(world, memory))
        pulling = group.create_task(_pulls(world))
        listing = group.create_task(volume_snapshots.read(world))
        monitored = group.create_task(_monitoring(world))
        measuring = group.create_task(_volumes(world, memory))
        upgrading = group.create_task(_upgrades(world, memory, observing, looking, adding))
        pricing = group.create_task(_price(world, memory))
    snapshot = reading.result()
    uses, expandable = measuring.result()
    plans, halted, extra_halted = upgrading.result()
    world.lease.record_block(snapshot.chain_id, model.ActedBlock(snapshot.height, snapshot.moment))
    balances = world.recent.balances(snapshot.moment)
    return observed.Observed(
        snapshot=snapshot,
        memory=memory,
        observations=observing.result(),
        upgrade_plans=plans,
        pulls=pulling.result(),
        halted=halted,
        extra_nodes=adding.result(),
        extra_halted=extra_halted,
        provider_node=looking.result(),
        sign_state_waits=waiting.result(),
        rehearsals=rehearsing.result(),
        volume_snapshots=listing.result(),
        monitoring=monitored.result(),
        volume_uses=uses,
        expandable=expandable,
        spare=secrets.token_hex(16),
        checked_accounts=frozenset(balances),
        balances=balances,
        gas_price=_values(pricing.result(), gas_prices.GasPrice).get(_PROVIDER),
        gas_price_problem=_problems(pricing.result()).get(_PROVIDER, ""),
        recent_slashing=world.recent.slashing(snapshot.moment),
        recent_queued_terms=world.recent.queued(snapshot.moment),
        opt_in_requests=world.opt_in_requests,
        move_requests=world.move_requests,
        rekey_requests=world.rekey_requests,
        roll_requests=world.roll_requests,
        endpoints=world.provider.conditions(),
        endpoint_states=world.provider.endpoint_states(),
    )


async def _price(
    world: world.World, memory: observed.Memory
) -> Mapping[str, gas_prices.GasPrice | errors.IcsError]:
    """Return the price of gas on the provider, which every pass over chains with relayers needs.

    If only the computation asked for it, each pass would compute everything twice.
    """
    if not memory.chains or not world.settings.relayer.enabled:
        return {}
    return await _each({_PROVIDER: world.provider.gas_price()})


async def _pulls(world: world.World) -> Mapping[str, Mapping[str, image_pulls.Pull]]:
    """Return the pulls of images for upgrades; query nothing if none can be known."""
    takes_any = world.settings.provider_node.plan_images is not None or any(
        loaded.definition.plan_images is not None for loaded in world.definitions
    )
    return await world.upgrade_pulls.read() if takes_any or _listed(world) else {}


def _listed(world: world.World) -> list[config_upgrades.Upgrade]:
    listed = [one for loaded in world.definitions for one in loaded.definition.upgrades]
    return [*listed, *world.settings.provider_node.upgrades]


async def _upgrades(
    world: world.World,
    memory: observed.Memory,
    observing: asyncio.Task[Mapping[str, model.Observation]],
    looking: asyncio.Task[model.Observation | None],
    adding: asyncio.Task[_ExtraObservations],
) -> tuple[Mapping[str, model.UpgradePlan], Mapping[str, int], Mapping[str, Mapping[str, int]]]:
    """Return the chains' plans, and the heights at which nodes were seen to stand twice, by consumer id.

    The last value is that of sentries and full nodes, by consumer id and name.
    """
    chains, own = await asyncio.shield(observing), await asyncio.shield(looking)
    extra = await asyncio.shield(adding)
    observations = {**chains, **({} if own is None else {revision.PROVIDER: own})}
    namespaces, gateway = _workloads(memory), world.settings.gateway.namespace
    listed = _listed(world)

    async def ask(consumer_id: str) -> model.UpgradePlan:
        if consumer_id == revision.PROVIDER:
            return await world.nodes.upgrade_plan(gateway, names.PROVIDER_NODE_POD, with_times=True)
        return await world.nodes.upgrade_plan(namespaces[consumer_id], with_times=bool(listed))

    async def look_again(consumer_ids: Iterable[str]) -> Mapping[str, model.Observation]:
        asked = set(consumer_ids)
        found = dict(await world.nodes.observe({one: namespaces[one] for one in asked - {revision.PROVIDER}}))
        if revision.PROVIDER in asked:
            found[revision.PROVIDER] = await world.nodes.provider_node(gateway)
        return found

    watch = world.coming_upgrades
    plans = await watch.read_plans(observations, ask)
    halted, extra_halted = await asyncio.gather(
        watch.read_halted(observations, plans, listed, look_again),
        _extra_halted(world, memory, extra, plans, listed),
    )
    return plans, halted, extra_halted


async def _extra_halted(
    world: world.World,
    memory: observed.Memory,
    extra: _ExtraObservations,
    plans: Mapping[str, model.UpgradePlan],
    listed: Sequence[config_upgrades.Upgrade],
) -> dict[str, dict[str, int]]:
    """Return the heights at which sentries and full nodes were seen to stand twice, by consumer id and name."""

    def by_name(observations: _ExtraObservations) -> dict[_ExtraName, model.Observation]:
        return {(c, name): one for c, nodes in observations.items() for name, one in nodes.items()}

    async def look_again(_: Iterable[_ExtraName]) -> Mapping[_ExtraName, model.Observation]:
        return by_name(await _extra_nodes(world, memory))

    first = by_name(extra)
    of_nodes = {node: plans[node[0]] for node in first if node[0] in plans}
    halted = await world.extra_upgrades.read_halted(first, of_nodes, listed, look_again)
    found: dict[str, dict[str, int]] = {}
    for (consumer_id, name), height in halted.items():
        found.setdefault(consumer_id, {})[name] = height
    return found


async def _recall(world: world.World) -> None:
    """Take the answers that an earlier pass from cron kept on the Lease."""
    if world.is_routine:
        annotations = await world.lease.annotations()
        world.recent.load(annotations.get(names.ANSWERS, ""), answers_scope(world))


def answers_scope(world: world.World) -> str:
    """Return the provider and the denomination for which recorded answers count."""
    return f"{world.settings.provider.chain_id} {world.settings.provider.denom}"


async def _open(world: world.World) -> None:
    await world.provider.open(await world.lease.acted_block(world.settings.provider.chain_id))
    await world.provider.check_rpc()


async def _provider_node(world: world.World, memory: observed.Memory) -> model.Observation | None:
    """Observe the validator's own provider node, if there is one."""
    settings = world.settings
    if not settings.provider_node.enabled or not memory.provider_node.has_workload:
        return None
    return await world.nodes.provider_node(settings.gateway.namespace)


async def _sign_state_waits(world: world.World, memory: observed.Memory) -> Mapping[str, str]:
    """Return why sign states are not ready; query nothing if none is due."""
    records = [record for chain in memory.chains.values() for record in chain.records]
    settled = (None, names.WITHDRAWN)
    is_due = any(record.volume_uid not in settled and not record.is_ready for record in records)
    return await world.sign_state.waits() if is_due else {}


async def _rehearsals(world: world.World, memory: observed.Memory) -> Mapping[str, model.JobResult]:
    """Return the rehearsals of chains; query nothing if none is staged."""
    is_staged = any(not chain.runs for chain in memory.chains.values())
    return await world.rehearsals.read() if is_staged and world.settings.staging.rehearse else {}


async def _volumes(
    world: world.World, memory: observed.Memory
) -> tuple[Mapping[volumes.PodName, volumes.VolumeUse], Mapping[str, bool]]:
    """Return how full volumes are, and whether their classes expand; query nothing that no setting needs."""
    nodes = list(node_volumes.of(memory, world.settings))
    capacities = {node.pod: node.claim.capacity for node in nodes if node.is_measured}
    sizes = [one.definition.storage for one in world.definitions]
    classes = node_volumes.classes(nodes, world.settings, [size for size in sizes if size is not None])
    uses, expandable = await asyncio.gather(_uses(world, capacities), _expandable(world, classes))
    return uses, expandable


async def _uses(
    world: world.World, capacities: Mapping[volumes.PodName, str]
) -> Mapping[volumes.PodName, volumes.VolumeUse]:
    return await world.volumes.uses(capacities) if capacities else {}


async def _expandable(world: world.World, storage_classes: frozenset[str]) -> Mapping[str, bool]:
    return await world.volumes.expandable(storage_classes) if storage_classes else {}


async def _monitoring(world: world.World) -> monitoring_kinds.MonitoringKinds:
    """Return whether the Prometheus operator's kinds are there; query nothing if the settings do not want them."""
    if world.monitoring_kinds is None or world.settings.monitoring.enabled is False:
        return monitoring_kinds.MonitoringKinds.MISSING
    return await world.monitoring_kinds.read()


async def _answered(
    world: world.World, observed: observed.Observed, open_questions: questions.Questions
) -> observed.Observed:
    """Ask all questions concurrently, and add the answers to what was observed."""
    valcons = desired.own_validator(observed.snapshot, world.settings).consensus_address
    prefix, _ = addresses.decode(valcons)
    async with aio.task_group() as group:
        fetching = group.create_task(
            _each({c: world.provider.launch(c, funds) for c, funds in open_questions.geneses.items()})
        )
        checking = group.create_task(
            _each(
                {
                    c: world.provider.is_key_used(c, addresses.encode(prefix, key))
                    for c, key in open_questions.keys.items()
                }
            )
        )
        relaying = group.create_task(
            relayer_facts.read(world, observed.snapshot.moment, open_questions.relayers)
        )
        paying = group.create_task(_balances(world, open_questions.accounts))
        pricing = group.create_task(
            _each({_PROVIDER: world.provider.gas_price()} if open_questions.gas_price else {})
        )
        spending = group.create_task(
            _each({_PROVIDER: _topped_up(world)} if open_questions.topped_up else {})
        )
        judging = group.create_task(
            _each({_PROVIDER: world.provider.slashing_params()} if open_questions.slashing else {})
        )
        doubting = group.create_task(
            _each({c: world.provider.dissent(c, observed.snapshot) for c in open_questions.endings})
        )
        queues = group.create_task(_each({c: world.provider.queued_terms(c) for c in open_questions.queues}))
        counting = group.create_task(_windows(world, observed, open_questions.windows))
        tracking = group.create_task(
            _each({c: world.provider.client_view(client) for c, client in open_questions.clients.items()})
        )
        listening = group.create_task(
            _each({c: _is_silent(world, q) for c, q in open_questions.silences.items()})
        )
        resolving = group.create_task(_unresolved(world, open_questions.hosts))
    launches, used = fetching.result(), checking.result()
    windows, epoch = counting.result()
    slashing = _values(judging.result(), model.SlashingParams).get(_PROVIDER)
    queued = _values(queues.result(), model.InfractionParameters)
    world.recent.keep_terms(observed.snapshot.moment, slashing, queued)
    snapshot = dataclasses.replace(
        observed.snapshot,
        launches={**observed.snapshot.launches, **_values(launches, model.Launch)},
        # Only the provider knows all earlier uses of a key, so without its answer no transaction is sent.
        problems={**observed.snapshot.problems, **_problems(launches), **_problems(used)},
    )
    return dataclasses.replace(
        observed,
        snapshot=snapshot,
        checked_keys=observed.checked_keys | set(open_questions.keys.values()),
        used_keys=observed.used_keys
        | {open_questions.keys[c] for c, answer in used.items() if answer is True},
        relays={**observed.relays, **_values(relaying.result(), facts.Facts)},
        relay_problems={**observed.relay_problems, **_problems(relaying.result())},
        checked_accounts=observed.checked_accounts.union(open_questions.accounts),
        balances={**observed.balances, **paying.result()},
        gas_price=_values(pricing.result(), gas_prices.GasPrice).get(_PROVIDER, observed.gas_price),
        gas_price_problem=_problems(pricing.result()).get(_PROVIDER, observed.gas_price_problem),
        topped_up=_values(spending.result(), dict).get(_PROVIDER, observed.topped_up),
        topped_up_problem=_problems(spending.result()).get(_PROVIDER, observed.topped_up_problem),
        silent_keys={
            **observed.silent_keys,
            # Whoever does not answer is asked again in the next pass.
            **{consumer_id: answer is True for consumer_id, answer in listening.result().items()},
        },
        slashing=slashing or observed.slashing,
        slashing_problem=_problems(judging.result()).get(_PROVIDER, observed.slashing_problem),
        dissent={**observed.dissent, **_dissent(doubting.result())},
        queued_terms={**observed.queued_terms, **queued},
        queue_problems={**observed.queue_problems, **_problems(queues.result())},
        checked_hosts=observed.checked_hosts.union(open_questions.hosts),
        unresolved=observed.unresolved | resolving.result(),
        windows={**observed.windows, **_values(windows, model.SigningWindow)},
        window_problems={**observed.window_problems, **_problems(windows)},
        epoch=epoch,
        clients={**observed.clients, **_values(tracking.result(), light.ClientView)},
        client_problems={**observed.client_problems, **_problems(tracking.result())},
    )


async def _topped_up(world: world.World) -> dict[str, int]:
    """Read how much each chain's relayer accounts were sent within the last 24 hours."""
    record = (await world.lease.annotations()).get(names.TOP_UPS, "")
    provider = world.settings.provider
    now = datetime.datetime.now(datetime.UTC)
    return budget.sent(record, provider.chain_id, provider.denom, now)


async def _windows(
    world: world.World, observed: observed.Observed, wanted: Mapping[str, questions.WindowQuestion]
) -> tuple[Mapping[str, model.SigningWindow | errors.IcsError], model.Epoch | None]:
    """Read the signing windows of lost keys, and the provider's epoch, without which they say nothing."""
    if not wanted:
        return {}, observed.epoch
    epoch = observed.epoch
    if epoch is None:
        try:
            epoch = await world.provider.epoch()
        except errors.IcsError as error:
            return dict.fromkeys(wanted, error), None
    answers = await _each({c: world.nodes.signing_window(q.namespace, q.address) for c, q in wanted.items()})
    return answers, epoch


async def _is_silent(world: world.World, question: questions.SilenceQuestion) -> bool:
    """Return whether none of the newest commits carries a key's signature."""
    for height in question.heights:
        if question.address in await world.nodes.signers(question.namespace, height):
            return False  # another node has the key, as KeySignsElsewhere says
    return True


async def _unresolved(world: world.World, hosts: Mapping[str, bool]) -> frozenset[str]:
    return await world.lookups.unresolved(hosts) if hosts else frozenset()


async def _balances(world: world.World, accounts: tuple[str, ...]) -> Mapping[str, int]:
    if not accounts:
        return {}
    return await world.provider.balances(accounts, world.settings.provider.denom)


_Answer = TypeVar("_Answer")


async def _each(queries: Mapping[str, Awaitable[_Answer]]) -> dict[str, _Answer | errors.IcsError]:
    """Await all queries concurrently; an error, even an unexpected one, is the answer of its own query only."""

    async def answer(query: Awaitable[_Answer]) -> _Answer | errors.IcsError:
        try:
            async with aio.deadline(_SECONDS, "a question about one chain"):
                return await query
        except Exception as error:
            return errors.of_chain(error)

    answers = await asyncio.gather(*map(answer, queries.values()))
    return dict(zip(queries, answers, strict=True))


def _values(answers: Mapping[str, object], kind: type[_Answer]) -> dict[str, _Answer]:
    return {consumer_id: answer for consumer_id, answer in answers.items() if isinstance(answer, kind)}


def _dissent(answers: Mapping[str, tuple[str, ...] | errors.IcsError]) -> dict[str, tuple[str, ...]]:
    """Return the endpoints that contradict; if they could not be asked, nothing is confirmed."""
    return {c: (str(a),) if isinstance(a, errors.IcsError) else a for c, a in answers.items()}


def _problems(answers: Mapping[str, object]) -> dict[str, str]:
    return {
        consumer_id: str(answer)
        for consumer_id, answer in answers.items()
        if isinstance(answer, errors.IcsError)
    }
