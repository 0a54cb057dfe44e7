"""Relayer facts, queried from both chains."""

import asyncio
import dataclasses
import datetime
from collections.abc import Mapping

import pytest

from ics import errors
from ics.cluster.nodes import chain_queries
from ics.consumer import observed, questions
from ics.provider.rest import relayer_queries
from ics.reconciler import relayer_facts, world
from ics.relayer import facts as facts_module
from ics.relayer import ibc, queries
from tests.unit import factories
from tests.unit.relayer import ibc_chain

QUESTION = questions.RelayQuestion(
    consumer_id="0", namespace="n", client_id="07-tendermint-3", address="consumer1me", denom="stake"
)
FACTS = observed.Observed(spare=factories.SPARE, snapshot=factories.snapshot())
CONSUMER_TIME = datetime.datetime(2026, 11, 22, 12, 42, 31, tzinfo=datetime.UTC)


@dataclasses.dataclass
class Provider:
    """Of the world's provider what is asked here."""

    chain: ibc_chain.Chain
    trouble: str = ""

    async def provider_params(self) -> relayer_queries.ProviderParams:
        return relayer_queries.ProviderParams(600, "0.66")

    async def relay_ends(self, client_id: str) -> queries.ChainSide:
        if self.trouble:
            raise errors.Transient(self.trouble)
        return await queries.read_client(self.chain.ask, client_id)

    async def sent(self, channel_id: str) -> relayer_queries.SentPackets:
        return relayer_queries.SentPackets(
            await queries.unacknowledged(self.chain.ask, "provider", channel_id),
            await queries.last_sent(self.chain.ask, "provider", channel_id),
        )


@dataclasses.dataclass
class Cluster:
    """Of the world's cluster what is asked here; only namespace `n` has a node that answers well."""

    chain: ibc_chain.Chain

    async def consumer_side(self, namespace: str, address: str, denom: str) -> chain_queries.ConsumerSide:
        while namespace == "endless":  # another page, each in time
            await asyncio.sleep(0.01)
        if namespace == "broken":
            raise KeyError("channels")
        if namespace != "n":
            raise errors.Transient("the consumer's node has no pod")
        told = await queries.read_client(self.chain.ask, "07-tendermint-0")
        balance = await queries.balance(self.chain.ask, address, denom)
        return chain_queries.ConsumerSide(
            ends=told.ends,
            client=told.client,
            transfer_id=self.chain.transfer_id,
            time=CONSUMER_TIME,
            balance=balance,
        )

    async def received(self, namespace: str, channel_id: str, transfer_id: str) -> chain_queries.Received:
        return chain_queries.Received(
            await queries.unacknowledged(self.chain.ask, "consumer", channel_id),
            await queries.last_received(self.chain.ask, "consumer", channel_id),
            len(await queries.unacknowledged(self.chain.ask, "transfer", transfer_id)) if transfer_id else 0,
        )


def a_world(provider: Provider, consumer: ibc_chain.Chain) -> world.World:
    return factories.world(Cluster(consumer), definitions=[], provider=provider)


async def facts(
    *asked: questions.RelayQuestion,
    provider: Provider | None = None,
    consumer: ibc_chain.Chain = ibc_chain.CONSUMER,
) -> Mapping[str, facts_module.Facts | errors.IcsError]:
    found = a_world(provider or Provider(ibc_chain.fresh(ibc_chain.PROVIDER)), ibc_chain.fresh(consumer))
    return await relayer_facts.read(found, FACTS.snapshot.moment, asked)


async def test_facts_of_open_channel_are_complete() -> None:
    there = await queries.read_client(ibc_chain.fresh(ibc_chain.PROVIDER).ask, "07-tendermint-3")
    here = await queries.read_client(ibc_chain.fresh(ibc_chain.CONSUMER).ask, "07-tendermint-0")

    assert await facts(QUESTION) == {
        "0": facts_module.Facts(
            provider=there.ends,
            consumer=here.ends,
            provider_client=there.client,
            consumer_client=here.client,
            transfer_id="channel-1",
            provider_time=datetime.datetime.fromisoformat(FACTS.snapshot.time),
            consumer_time=CONSUMER_TIME,
            provider_unbonding=600,
            trusting_fraction="0.66",
            consumer_balance=100,
            packets=facts_module.Packets(
                unacknowledged_by_consumer=3,
                unacknowledged_by_provider=1,
                last_sent=7,
                last_received=5,
                oldest=(8, 8),
            ),
        )
    }


async def test_packets_of_stopped_chain_include_rewards() -> None:
    found = (await facts(dataclasses.replace(QUESTION, is_stopped=True)))["0"]

    assert isinstance(found, facts_module.Facts)
    assert found.packets == facts_module.Packets(
        unacknowledged_by_consumer=3,
        unacknowledged_by_provider=1,
        last_sent=7,
        last_received=5,
        rewards=2,
        oldest=(8, 8),
    )


async def test_packets_are_absent_until_channel_is_open_on_both_sides() -> None:
    channels = {
        **ibc_chain.CONSUMER.channels,
        "channel-0": dataclasses.replace(ibc_chain.CONSUMER.channels["channel-0"], state="STATE_INIT"),
    }

    found = (await facts(QUESTION, consumer=ibc_chain.fresh(ibc_chain.CONSUMER, channels=channels)))["0"]

    assert isinstance(found, facts_module.Facts)
    assert (found.packets, found.consumer.channels[0].state) == (None, ibc.EndState.INIT)


async def test_error_of_one_chain_leaves_others_unaffected() -> None:
    gone = dataclasses.replace(QUESTION, consumer_id="1", namespace="gone")
    broken = dataclasses.replace(QUESTION, consumer_id="2", namespace="broken")

    found = await facts(gone, broken, QUESTION)

    assert {one: str(error) for one, error in found.items() if isinstance(error, errors.IcsError)} == {
        "1": "the consumer's node has no pod",
        "2": "unexpected KeyError: 'channels'",
    }
    assert isinstance(found["0"], facts_module.Facts)


async def test_chain_whose_lists_have_no_end_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relayer_facts, "_SECONDS", 0.3)
    endless = dataclasses.replace(QUESTION, consumer_id="7", namespace="endless")

    found = await facts(endless, QUESTION)

    assert isinstance(found["0"], facts_module.Facts)
    assert (type(found["7"]), str(found["7"])) == (
        errors.Transient,
        "the IBC state of both chains: no answer within 0.3 s for all questions",
    )


async def test_deadline_of_one_chain_ends_nothing_that_all_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Provider):
        async def provider_params(self) -> relayer_queries.ProviderParams:
            await asyncio.sleep(0.5)
            return relayer_queries.ProviderParams(600, "0.66")

    monkeypatch.setattr(relayer_facts, "_SECONDS", 0.1)

    found = await facts(QUESTION, provider=Slow(ibc_chain.fresh(ibc_chain.PROVIDER)))

    assert isinstance(found["0"], errors.Transient)


async def test_provider_error_applies_to_each_chain() -> None:
    found = await facts(QUESTION, provider=Provider(ibc_chain.PROVIDER, trouble="endpoint down"))

    assert {key: (type(error), str(error)) for key, error in found.items()} == {
        "0": (errors.Transient, "endpoint down")
    }


async def test_nothing_is_queried_without_chains() -> None:
    assert await relayer_facts.read(factories.world(), FACTS.snapshot.moment, []) == {}
