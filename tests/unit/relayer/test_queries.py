"""Queries of a chain's clients, connections and channels."""

import asyncio
import datetime
from collections.abc import Mapping

import pytest

from ics import errors
from ics.cosmos import answers
from ics.relayer import ibc, queries
from tests.unit.relayer import ibc_chain

CLIENT = ibc.IbcClient(
    id="07-tendermint-3",
    chain_id="consumer1-1",
    trusting_period=datetime.timedelta(seconds=396),
    updated=ibc_chain.TIME,
)
OPEN, INIT = ibc.EndState.OPEN, ibc.EndState.INIT
ENDS = ibc.Ends(
    "07-tendermint-3",
    (
        ibc.ConnectionEnd(
            id="connection-4",
            state=OPEN,
            client_id="07-tendermint-3",
            counterparty_client_id="07-tendermint-0",
            counterparty_id="connection-0",
        ),
        ibc.ConnectionEnd(
            id="connection-10",
            state=INIT,
            client_id="07-tendermint-3",
            counterparty_client_id="07-tendermint-0",
            counterparty_id="",
        ),
    ),
    (
        ibc.ChannelEnd(
            id="channel-8",
            port="provider",
            state=OPEN,
            connection_id="connection-4",
            counterparty_port="consumer",
            counterparty_id="channel-0",
            is_ordered=True,
            version="1",
        ),
        ibc.ChannelEnd(
            id="channel-9",
            port="transfer",
            state=OPEN,
            connection_id="connection-4",
            counterparty_port="transfer",
            counterparty_id="channel-1",
            is_ordered=False,
            version="1",
        ),
        ibc.ChannelEnd(
            id="channel-20",
            port="transfer",
            state=INIT,
            connection_id="connection-4",
            counterparty_port="transfer",
            counterparty_id="channel-7",
            is_ordered=False,
            version="1",
        ),
    ),
)


async def test_read_client_returns_its_connections_and_channels() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.read_client(chain.ask, "07-tendermint-3") == queries.ChainSide(ENDS, CLIENT)


async def test_read_client_without_connections_returns_no_ends() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER, connections={}, channels={})

    side = await queries.read_client(chain.ask, "07-tendermint-3")

    assert side == queries.ChainSide(ibc.Ends("07-tendermint-3"), CLIENT)


async def test_read_client_without_id_asks_nothing() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.read_client(chain.ask, "") == queries.ChainSide(ibc.Ends(""), None)
    assert chain.asked == []


async def test_read_client_unknown_to_the_chain_is_transient_error() -> None:
    with pytest.raises(errors.Transient, match="client_states/07-tendermint-7: not found"):
        await queries.read_client(ibc_chain.fresh(ibc_chain.PROVIDER).ask, "07-tendermint-7")


async def test_find_client_reads_all_pages() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER)

    chain.page = 1
    by_pages = await queries.find_client(chain.ask, "provider-1")
    count = len(chain.asked)
    whole = ibc_chain.fresh(ibc_chain.CONSUMER, page=200)

    assert by_pages == await queries.find_client(whole.ask, "provider-1")
    assert (by_pages.ends.client_id, len(by_pages.ends.channels)) == ("07-tendermint-0", 2)
    assert (count, len(whole.asked)) == (4 + 1 + 2 + 1, 4)


async def test_find_client_returns_first_client_of_the_chain() -> None:
    whole = await queries.find_client(ibc_chain.fresh(ibc_chain.PROVIDER).ask, "consumer1-1")

    assert whole == await queries.read_client(ibc_chain.fresh(ibc_chain.PROVIDER).ask, whole.ends.client_id)
    assert whole.ends.channels


async def test_list_whose_pages_repeat_is_refused() -> None:
    async def ask(path: str, params: Mapping[str, str]) -> answers.Field:
        name = path.rpartition("/")[2]
        return answers.Field(path, {name: [], "pagination": {"next_key": "AA=="}})

    with pytest.raises(errors.Transient, match="a page refers to itself as the next one"):
        await queries.find_client(ask, "provider-1")


async def test_packet_sequences_are_read() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.unacknowledged(chain.ask, "provider", "channel-8") == (8, 9, 10)
    assert await queries.last_sent(chain.ask, "provider", "channel-8") == 7
    assert await queries.last_received(chain.ask, "provider", "channel-8") == 0


async def test_together_raises_first_error_and_cancels_the_rest() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise errors.Transient("down")

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("yes")

    with pytest.raises(errors.Transient, match=r"^down$"):
        await queries.gather(waits(), fails())
    assert ended == ["yes"]
