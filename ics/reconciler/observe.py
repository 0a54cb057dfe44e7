"""The phase that reads: the provider at one height, the cluster's memory, and the chains' own nodes."""

import asyncio
import dataclasses
import datetime
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ics import aio, errors, model
from ics.consumer import desired, lifecycle, observed
from ics.cosmos import addresses
from ics.keys import derivation
from ics.provider.rest import relayer_queries
from ics.reconciler import world
from ics.relayer import accounts, facts, handshake, ibc


async def observe(place: world.World) -> observed.Seen:
    """Read the provider at one height, the cluster's memory, and the chains' own nodes.

    Raises:
        Transient: an endpoint is down or lagging, or its answer cannot be trusted.
        SettingsError: an endpoint or the operator address is wrong.
    """
    async with aio.together() as group:
        remembered = group.create_task(place.cluster.memory())
        group.create_task(_opened(place))
    memory = remembered.result()

    def interest(summary: model.ConsumerSummary, must_validate: bool) -> bool:
        return desired.is_of_interest(summary, must_validate, memory, place.definitions)

    async with aio.together() as group:
        snapshot = group.create_task(place.provider.snapshot(place.settings.operator_address, interest))
        observations = group.create_task(place.cluster.observe(workloads(memory)))
        waiting = group.create_task(_arming(place, memory))
    place.lease.note(snapshot.result().chain_id, snapshot.result().height)
    found = observed.Seen(
        snapshot.result(),
        memory,
        observations.result(),
        waiting.result(),
        wishes=place.wishes,
        endpoints=place.provider.conditions(),
    )
    return await _with_relaying(place, await _with_launches(place, found))


async def _arming(place: world.World, memory: model.Memory) -> Mapping[str, str]:
    """Why signing memories are not laid yet; nothing is asked while none is due."""
    records = [record for chain in memory.chains.values() for record in chain.records]
    is_due = any(record.volume_uid is not None and not record.is_armed for record in records)
    return await place.cluster.arming() if is_due else {}


async def _opened(place: world.World) -> None:
    await place.provider.open(await place.lease.acted_height(place.settings.provider.chain_id))
    await place.provider.check_rpc()


def workloads(memory: model.Memory) -> dict[str, str]:
    """Namespaces of the chains that have a node, by consumer id."""
    return {
        consumer_id: chain.namespace for consumer_id, chain in memory.chains.items() if chain.has_workload
    }


async def _with_launches(place: world.World, found: observed.Seen) -> observed.Seen:
    """Fetch the facts of launches whose genesis the cluster does not hold; one's trouble is its own."""
    if not desired.may_lack_genesis(found):
        return found
    lacking = desired.lacks_genesis(desire(place, found))
    answers = await _each({one: place.provider.launch(one, funds) for one, funds in lacking.items()})
    if not answers:
        return found
    launches = {one: answer for one, answer in answers.items() if isinstance(answer, model.Launch)}
    problems = {one: str(answer) for one, answer in answers.items() if isinstance(answer, errors.IcsError)}
    snapshot = dataclasses.replace(
        found.snapshot, launches=launches, problems={**found.snapshot.problems, **problems}
    )
    return dataclasses.replace(found, snapshot=snapshot)


async def with_used_keys(
    place: world.World, found: observed.Seen, wanted: desired.Desired
) -> tuple[observed.Seen, desired.Desired]:
    """Ask whether keys that are about to be assigned are free, until those that are wanted are.

    What the provider knows of a key outlives all that is written down here.
    """
    asked: set[bytes] = set()
    while due := {one: key for one, key in desired.new_keys(wanted).items() if key not in asked}:
        asked |= set(due.values())
        prefix, _ = addresses.decode(desired.own_validator(found.snapshot, place.settings).consensus_address)
        answers = await _each(
            {one: place.provider.is_key_used(one, addresses.encode(prefix, key)) for one, key in due.items()}
        )
        problems = {
            one: str(answer) for one, answer in answers.items() if isinstance(answer, errors.IcsError)
        }
        used = {due[one] for one, answer in answers.items() if answer is True}
        if not problems and not used:
            break
        snapshot = dataclasses.replace(found.snapshot, problems={**found.snapshot.problems, **problems})
        found = dataclasses.replace(found, snapshot=snapshot, used_keys=found.used_keys | used)
        wanted = desire(place, found)
    return found, wanted


async def _with_relaying(place: world.World, found: observed.Seen) -> observed.Seen:
    """Ask about channels and wallets of the chains whose relayer is due and whose node answers."""
    found, wanted = await with_used_keys(place, found, desire(place, found))
    async with aio.together() as group:
        asked = group.create_task(relay_facts(place, found, _questions(place, wanted, found)))
        held = group.create_task(_balances(place, wanted))
    answers, balances = asked.result(), held.result()
    return dataclasses.replace(
        found,
        relays={one: answer for one, answer in answers.items() if isinstance(answer, facts.Facts)},
        relay_problems={
            one: str(answer) for one, answer in answers.items() if isinstance(answer, errors.IcsError)
        },
        balances=balances,
    )


def _questions(place: world.World, wanted: desired.Desired, found: observed.Seen) -> list["RelayQuestion"]:
    # A stopped chain is asked also when others relay: its node waits for their packets.
    due = [
        v
        for v in wanted.verdicts
        if v.chain is not None and (v.chain.relay is not None or v.chain.stage is lifecycle.Stage.DRAINS)
    ]
    account = derivation.derive_account(place.seed, derivation.RELAYER_INFO) if due else None
    questions = []
    for verdict in due:
        chain = verdict.chain
        observation = found.observations.get(verdict.summary.consumer_id)
        node = observation.node if observation else None
        if chain is None or account is None or node is None or node.height == 0:
            continue
        address = account.address(chain.definition.bech32_prefix)
        questions.append(
            RelayQuestion(
                chain.consumer_id,
                chain.namespace,
                verdict.summary.client_id,
                address,
                chain.definition.denom,
                chain.stage is lifecycle.Stage.DRAINS,
            )
        )
    return questions


async def _balances(place: world.World, wanted: desired.Desired) -> Mapping[str, int]:
    settings = place.settings
    if not settings.relayer.enabled:
        return {}
    addresses = [
        address
        for chain in wanted.chains
        if chain.stage.relays
        for _, address in accounts.provider_addresses(
            settings, place.seed, wanted.provider_chain_id, chain.consumer_id
        )
    ]
    return await place.provider.balances(addresses, settings.provider.denom) if addresses else {}


_Answer = TypeVar("_Answer")


async def _each(questions: Mapping[str, Awaitable[_Answer]]) -> dict[str, _Answer | errors.IcsError]:
    """Ask all at once; what went wrong with one is its answer, and nobody else's."""
    answers = await asyncio.gather(*questions.values(), return_exceptions=True)
    found: dict[str, _Answer | errors.IcsError] = {}
    for consumer_id, answer in zip(questions, answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, errors.IcsError):
            raise answer
        found[consumer_id] = answer
    return found


def desire(place: world.World, found: observed.Seen) -> desired.Desired:
    """What should be, from what was observed.

    Raises:
        Permanent: this validator is unknown to the provider, or there is no port left.
        Transient: the provider's answer cannot be trusted.
    """
    return desired.desired(found, place.settings, place.seed, place.definitions, place.imported)


@dataclass(frozen=True, slots=True)
class RelayQuestion:
    """Of which chain the relaying is looked at."""

    consumer_id: str
    namespace: str
    client_id: str
    """The provider's client of the consumer."""
    address: str
    """Of this validator's relayer on the consumer."""
    denom: str
    """In which its balance there is asked for."""
    is_stopped: bool = False
    """Rewards under way are asked for as well."""


async def relay_facts(
    place: world.World, found: observed.Seen, questions: Sequence[RelayQuestion]
) -> Mapping[str, facts.Facts | errors.IcsError]:
    """Ask both chains about the relaying between them, for all of these chains at the same time.

    The provider is read at the pass's height, a consumer at its node's newest.

    Returns:
        By consumer id; what one chain does not tell is its own trouble.

    Raises:
        Transient: the provider does not tell its parameters.
    """
    if not questions:
        return {}

    async def one(question: RelayQuestion) -> facts.Facts | errors.IcsError:
        try:
            return await _relay_facts(place, found, terms, question)
        except errors.IcsError as error:
            return error

    async with aio.together() as group:
        terms = group.create_task(place.provider.terms())
        answers = {question.consumer_id: group.create_task(one(question)) for question in questions}
    return {consumer_id: task.result() for consumer_id, task in answers.items()}


async def _relay_facts(
    place: world.World,
    found: observed.Seen,
    terms: Awaitable[relayer_queries.Terms],
    question: RelayQuestion,
) -> facts.Facts:
    async with aio.together() as group:
        on_provider = group.create_task(place.provider.relay_ends(question.client_id))
        on_consumer = group.create_task(
            place.cluster.relay_ends(question.namespace, question.address, question.denom)
        )
    there, here = on_provider.result(), on_consumer.result()
    finding = handshake.decide(there.ends, here.ends, here.transfer_id)
    parameters = await terms
    rewards = finding.transfer.consumer if question.is_stopped and finding.transfer else ""
    return facts.Facts(
        provider=there.ends,
        consumer=here.ends,
        provider_client=there.client,
        consumer_client=here.client,
        transfer_id=here.transfer_id,
        provider_time=datetime.datetime.fromisoformat(found.snapshot.time),
        consumer_time=here.time,
        provider_unbonding=parameters.unbonding,
        trusting_fraction=parameters.trusting_fraction,
        consumer_balance=here.balance,
        packets=None
        if finding.ccv is None
        else await _packets(place, question.namespace, finding.ccv, rewards),
    )


async def _packets(place: world.World, namespace: str, ccv: ibc.Pair, transfer_id: str) -> facts.Packets:
    async with aio.together() as group:
        on_provider = group.create_task(place.provider.sent(ccv.provider))
        on_consumer = group.create_task(place.cluster.received(namespace, ccv.consumer, transfer_id))
    sent, received = on_provider.result(), on_consumer.result()
    return facts.Packets(
        len(sent.unacknowledged),
        len(received.unacknowledged),
        sent.last,
        received.last,
        received.rewards,
        (min(sent.unacknowledged, default=0), min(received.unacknowledged, default=0)),
    )
