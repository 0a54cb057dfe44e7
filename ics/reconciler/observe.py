"""Observation phase of a pass, repeated until the desired state leaves no open questions."""

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from ics import aio, errors, model, names
from ics.consumer import desired, observed, questions
from ics.cosmos import addresses
from ics.reconciler import relayer_facts, world
from ics.relayer import facts

_PROVIDER = ""
"""Stands for the provider itself, where answers are kept by consumer id."""


async def read(world: world.World) -> tuple[observed.Observed, desired.Desired]:
    """Read the provider at one height, the cluster's state and the chains' own nodes.

    Returns:
        Everything observed, and the desired state computed from it.

    Raises:
        Transient: an endpoint is down or lagging, or its answer is not usable.
        SettingsError: an endpoint or the operator address is invalid.
        Permanent: the provider does not have this validator.
    """
    observed = await _first(world)
    while True:
        wanted = compute(world, observed)
        open_questions = questions.open_questions(observed, wanted, world.seed)
        if not open_questions:
            return observed, wanted
        observed = await _answered(world, observed, open_questions)


async def read_cluster_again(
    world: world.World, before: observed.Observed
) -> tuple[observed.Observed, desired.Desired]:
    """Read only the cluster again after an engine changed it, because new volumes have a uid now."""
    memory = await world.state.load()
    observations = await world.nodes.observe(_workloads(memory))
    observed = dataclasses.replace(before, memory=memory, observations=observations)
    return observed, compute(world, observed)


def compute(world: world.World, observed: observed.Observed) -> desired.Desired:
    """Compute the desired state from what was observed; raises as `ics.consumer.desired.compute`."""
    return desired.compute(observed, world.settings, world.seed, world.definitions, world.imported)


def _workloads(memory: observed.Memory) -> dict[str, str]:
    """Return the namespaces of chains that have a node, by consumer id."""
    return {
        consumer_id: chain.namespace for consumer_id, chain in memory.chains.items() if chain.has_workload
    }


async def _first(world: world.World) -> observed.Observed:
    async with aio.task_group() as group:
        loading = group.create_task(world.state.load())
        group.create_task(_open(world))
    memory = loading.result()

    def interest(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        return desired.is_of_interest(summary, must_validate, memory, world.definitions)

    async with aio.task_group() as group:
        reading = group.create_task(world.provider.snapshot(world.settings.operator_address, interest))
        observing = group.create_task(world.nodes.observe(_workloads(memory)))
        waiting = group.create_task(_sign_state_waits(world, memory))
        looking = group.create_task(_provider_node(world, memory))
    snapshot = reading.result()
    world.lease.record_block(snapshot.chain_id, model.ActedBlock(snapshot.height, snapshot.moment))
    return observed.Observed(
        snapshot=snapshot,
        memory=memory,
        observations=observing.result(),
        provider_node=looking.result(),
        sign_state_waits=waiting.result(),
        spare=secrets.token_hex(16),
        opt_in_requests=world.opt_in_requests,
        move_requests=world.move_requests,
        rekey_requests=world.rekey_requests,
        endpoints=world.provider.conditions(),
    )


async def _open(world: world.World) -> None:
    await world.provider.open(await world.lease.acted_block(world.settings.provider.chain_id))
    await world.provider.check_rpc()


async def _provider_node(world: world.World, memory: observed.Memory) -> model.Observation | None:
    """Observe the validator's own provider node, if it may have a key."""
    settings = world.settings
    if settings.provider_node.consensus_key is None or not memory.provider_node.has_workload:
        return None
    return await world.nodes.provider_node(settings.gateway.namespace)


async def _sign_state_waits(world: world.World, memory: observed.Memory) -> Mapping[str, str]:
    """Return why sign states are not ready; query nothing if none is due."""
    records = [record for chain in memory.chains.values() for record in chain.records]
    settled = (None, names.WITHDRAWN)
    is_due = any(record.volume_uid not in settled and not record.is_ready for record in records)
    return await world.sign_state.waits() if is_due else {}


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
        judging = group.create_task(
            _each({_PROVIDER: world.provider.slashing_params()} if open_questions.slashing else {})
        )
        doubting = group.create_task(
            _each({c: world.provider.dissent(c, observed.snapshot) for c in open_questions.endings})
        )
        queues = group.create_task(_each({c: world.provider.queued_terms(c) for c in open_questions.queues}))
        counting = group.create_task(_windows(world, observed, open_questions.windows))
    launches, used = fetching.result(), checking.result()
    windows, epoch = counting.result()
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
        slashing=_values(judging.result(), model.SlashingParams).get(_PROVIDER, observed.slashing),
        slashing_problem=_problems(judging.result()).get(_PROVIDER, observed.slashing_problem),
        dissent={**observed.dissent, **_dissent(doubting.result())},
        queued_terms={
            **observed.queued_terms,
            **_values(queues.result(), model.InfractionParameters),
        },
        queue_problems={**observed.queue_problems, **_problems(queues.result())},
        windows={**observed.windows, **_values(windows, model.SigningWindow)},
        window_problems={**observed.window_problems, **_problems(windows)},
        epoch=epoch,
    )


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


async def _balances(world: world.World, accounts: tuple[str, ...]) -> Mapping[str, int]:
    if not accounts:
        return {}
    return await world.provider.balances(accounts, world.settings.provider.denom)


_Answer = TypeVar("_Answer")


async def _each(queries: Mapping[str, Awaitable[_Answer]]) -> dict[str, _Answer | errors.IcsError]:
    """Await all queries concurrently; an error is the answer of its own query only."""
    answers = await asyncio.gather(*queries.values(), return_exceptions=True)
    result: dict[str, _Answer | errors.IcsError] = {}
    for consumer_id, answer in zip(queries, answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, errors.IcsError):
            raise answer
        result[consumer_id] = answer
    return result


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
