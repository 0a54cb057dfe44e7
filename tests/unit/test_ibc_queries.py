"""What is read of a chain's clients, connections and channels."""

import asyncio
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from ics import errors
from ics.relayer import ibc, queries
from tests.unit import ibc_chain

CLIENT = ibc.Client("07-tendermint-3", "consumer1-1", datetime.timedelta(seconds=396), ibc_chain.TIME)
OPEN, INIT = ibc.State.OPEN, ibc.State.INIT
ENDS = ibc.Ends(
    "07-tendermint-3",
    (
        ibc.ConnectionEnd("connection-4", OPEN, "07-tendermint-3", "07-tendermint-0", "connection-0"),
        ibc.ConnectionEnd("connection-10", INIT, "07-tendermint-3", "07-tendermint-0", ""),
    ),
    (
        ibc.ChannelEnd("channel-8", "provider", OPEN, "connection-4", "consumer", "channel-0", True, "1"),
        ibc.ChannelEnd("channel-9", "transfer", OPEN, "connection-4", "transfer", "channel-1", False, "1"),
        ibc.ChannelEnd("channel-20", "transfer", INIT, "connection-4", "transfer", "channel-7", False, "1"),
    ),
)


async def test_all_that_lies_over_one_client() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.told(chain.ask, "07-tendermint-3") == queries.Told(ENDS, CLIENT)


async def test_a_client_without_connections() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER, connections={}, channels={})

    found = await queries.told(chain.ask, "07-tendermint-3")

    assert found == queries.Told(ibc.Ends("07-tendermint-3"), CLIENT)


async def test_without_a_client_nothing_is_asked() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.told(chain.ask, "") == queries.Told(ibc.Ends(""), None)
    assert chain.asked == []


async def test_a_client_that_the_chain_does_not_have() -> None:
    with pytest.raises(errors.Transient, match="client_states/07-tendermint-7: the chain has no such thing"):
        await queries.told(ibc_chain.fresh(ibc_chain.PROVIDER).ask, "07-tendermint-7")


async def test_lists_are_read_to_their_end() -> None:
    chain = ibc_chain.fresh(ibc_chain.CONSUMER)

    chain.page = 1
    by_pages = await queries.told_whole(chain.ask, "provider-1")
    count = len(chain.asked)
    whole = ibc_chain.fresh(ibc_chain.CONSUMER, page=200)

    assert by_pages == await queries.told_whole(whole.ask, "provider-1")
    assert (by_pages.ends.client_id, len(by_pages.ends.channels)) == ("07-tendermint-0", 2)
    assert (count, len(whole.asked)) == (4 + 1 + 2 + 1, 4)


async def test_the_whole_of_a_chain_is_what_lies_over_its_first_client() -> None:
    whole = await queries.told_whole(ibc_chain.fresh(ibc_chain.PROVIDER).ask, "consumer1-1")

    assert whole == await queries.told(ibc_chain.fresh(ibc_chain.PROVIDER).ask, whole.ends.client_id)
    assert whole.ends.channels


async def test_a_list_that_never_ends_is_refused() -> None:
    async def ask(path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        name = path.rpartition("/")[2]
        return {name: [], "pagination": {"next_key": "AA=="}}

    with pytest.raises(errors.Transient, match="names a page as its own next one"):
        await queries.told_whole(ask, "provider-1")


async def test_packets() -> None:
    chain = ibc_chain.fresh(ibc_chain.PROVIDER)

    assert await queries.unacknowledged(chain.ask, "provider", "channel-8") == (8, 9, 10)
    assert await queries.last_sent(chain.ask, "provider", "channel-8") == 7
    assert await queries.last_received(chain.ask, "provider", "channel-8") == 0


async def test_the_first_error_is_raised_itself_and_ends_the_others() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise errors.Transient("down")

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("yes")

    with pytest.raises(errors.Transient, match=r"^down$"):
        await queries.together(waits(), fails())
    assert ended == ["yes"]
