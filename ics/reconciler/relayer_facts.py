"""Reading of the facts about relaying from both chains, concurrently for all consumer chains."""

import asyncio
import datetime
from collections.abc import Awaitable, Mapping, Sequence

from ics import aio, errors
from ics.consumer import questions
from ics.provider.rest import relayer_queries
from ics.reconciler import world
from ics.relayer import facts, handshake, ibc

_SECONDS = 30.0
"""Deadline of everything that is read about one chain: its own node, and strangers' connections on both chains, decide
how much that is."""


async def read(
    world: world.World, now: datetime.datetime, relay_questions: Sequence[questions.RelayQuestion]
) -> Mapping[str, facts.Facts | errors.IcsError]:
    """Read the facts of these chains, from the provider at the height of the pass and from each consumer's node.

    Args:
        world: world of the validator.
        now: time of the provider's block.
        relay_questions: chains to read.

    Returns:
        Facts by consumer id; an error, even an unexpected one, concerns its own chain only.

    Raises:
        Transient: the provider does not return its parameters.
    """
    if not relay_questions:
        return {}

    async def answer(question: questions.RelayQuestion) -> facts.Facts | errors.IcsError:
        try:
            async with aio.deadline(_SECONDS, "the IBC state of both chains"):
                return await _read(world, now, params, question)
        except Exception as error:
            return errors.of_chain(error)

    async with aio.task_group() as group:
        params = group.create_task(world.provider.provider_params())
        answers = {question.consumer_id: group.create_task(answer(question)) for question in relay_questions}
    return {consumer_id: task.result() for consumer_id, task in answers.items()}


async def _read(
    world: world.World,
    now: datetime.datetime,
    params: Awaitable[relayer_queries.ProviderParams],
    question: questions.RelayQuestion,
) -> facts.Facts:
    async with aio.task_group() as group:
        on_provider = group.create_task(world.provider.relay_ends(question.client_id))
        on_consumer = group.create_task(
            world.nodes.consumer_side(question.namespace, question.address, question.denom)
        )
    provider, consumer = on_provider.result(), on_consumer.result()
    state = handshake.assess(provider.ends, consumer.ends, consumer.transfer_id)
    parameters = await asyncio.shield(
        params
    )  # the deadline of one chain must not end what all chains wait for
    rewards = state.transfer.consumer if question.is_stopped and state.transfer else ""
    return facts.Facts(
        provider=provider.ends,
        consumer=consumer.ends,
        provider_client=provider.client,
        consumer_client=consumer.client,
        transfer_id=consumer.transfer_id,
        provider_time=now,
        consumer_time=consumer.time,
        provider_unbonding=parameters.unbonding,
        trusting_fraction=parameters.trusting_fraction,
        consumer_balance=consumer.balance,
        consumer_market=consumer.market,
        packets=None if state.ccv is None else await _packets(world, question.namespace, state.ccv, rewards),
    )


async def _packets(world: world.World, namespace: str, ccv: ibc.Pair, transfer_id: str) -> facts.Packets:
    async with aio.task_group() as group:
        on_provider = group.create_task(world.provider.sent(ccv.provider))
        on_consumer = group.create_task(world.nodes.received(namespace, ccv.consumer, transfer_id))
    sent, received = on_provider.result(), on_consumer.result()
    return facts.Packets(
        unacknowledged_by_consumer=len(sent.unacknowledged),
        unacknowledged_by_provider=len(received.unacknowledged),
        last_sent=sent.last,
        last_received=received.last,
        rewards=received.rewards,
        oldest=(min(sent.unacknowledged, default=0), min(received.unacknowledged, default=0)),
    )
