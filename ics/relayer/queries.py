"""Queries of the IBC state, the same for both chains, independent of the transport.

An injected `Ask` sends the queries to a chain's REST gateway.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from ics import aio, errors
from ics.cosmos import answers, gas_prices, light
from ics.relayer import ibc

Ask: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[answers.Field | None]]
"""Sends a query, path and parameters; returns None if the object does not exist on the chain."""

PAGE = "200"
"""Items per page of a list."""
_MOST_STATES = "1000"
"""Consensus states of one client that are read."""
_MOST_PAGES = 200
"""Pages of one list: a chain's own node may name a next page for ever."""
_CLIENT, _CONNECTION, _CHANNEL = "/ibc/core/client/v1", "/ibc/core/connection/v1", "/ibc/core/channel/v1"


@dataclass(frozen=True, slots=True)
class ChainSide:
    """IBC state of one chain."""

    ends: ibc.Ends
    client: ibc.IbcClient | None
    """Its client of the other chain, or None."""


async def read_client(ask: Ask, client_id: str) -> ChainSide:
    """Return a chain's client with all connections and channels over it.

    Args:
        ask: sends queries to the chain.
        client_id: of its client of the other chain; empty if there is none.

    Raises:
        Transient: the chain does not answer.
        Permanent: the chain refuses a query, or an answer has an unexpected shape.
    """
    if not client_id:
        return ChainSide(ibc.Ends(""), None)
    state, ends = await gather(_client(ask, client_id), _ends(ask, client_id))
    return ChainSide(ends, state)


async def find_client(ask: Ask, other_chain_id: str) -> ChainSide:
    """Return the same as `read_client` for the first client of another chain, whose id is unknown.

    All clients, connections and channels are queried concurrently, which saves round trips on a consumer
    chain, where there are few of them.

    Args:
        ask: sends queries to the chain.
        other_chain_id: the chain that the client follows.
    """
    clients, connections, channels = await gather(
        _pages(ask, f"{_CLIENT}/client_states"),
        _pages(ask, f"{_CONNECTION}/connections"),
        _pages(ask, f"{_CHANNEL}/channels"),
    )
    states = {id_: state for page in clients for id_, state in ibc.client_states(page).items()}
    own = ibc.own_client(states, other_chain_id)
    if not own:
        return ChainSide(ibc.Ends(""), None)
    ends = [end for page in connections for end in ibc.connections(page) if end.client_id == own]
    ids = {end.id for end in ends}
    over = [end for page in channels for end in ibc.channels(page) if end.connection_id in ids]
    own_ends = ibc.Ends(own, tuple(sorted(ends, key=_number)), tuple(sorted(over, key=_number)))
    return ChainSide(own_ends, ibc.client(own, states[own], await _newest(ask, own)))


async def client_view(ask: Ask, client_id: str) -> light.ClientView:
    """Return what a client knows of the chain that it tracks; raises like `read_client`.

    A chain lists consensus states by the text of their heights. Where it has more of them than are read, some of the
    newest may be missing, but not the newest one.
    """
    state, latest, *pages = await gather(
        require(ask, f"{_CLIENT}/client_states/{client_id}"),
        _newest(ask, client_id),
        require(
            ask,
            f"{_CLIENT}/consensus_states/{client_id}",
            {"pagination.limit": _MOST_STATES, "pagination.reverse": "true"},
        ),
    )
    return ibc.client_view(state["client_state"], latest, pages)


async def _client(ask: Ask, client_id: str) -> ibc.IbcClient:
    """Return a client with the time of its newest header."""
    state, newest = await gather(
        require(ask, f"{_CLIENT}/client_states/{client_id}"), _newest(ask, client_id)
    )
    return ibc.client(client_id, state["client_state"], newest)


def _newest(ask: Ask, client_id: str) -> Coroutine[Any, Any, answers.Field]:
    # With `latest_height`, ibc-go ignores the height in the path (02-client `ConsensusState`).
    path = f"{_CLIENT}/consensus_states/{client_id}/revision/0/height/0"
    return require(ask, path, {"latest_height": "true"})


def _number(end: ibc.ConnectionEnd | ibc.ChannelEnd) -> int:
    return ibc.id_number(end.id)


async def unacknowledged(ask: Ask, port: str, channel_id: str) -> tuple[int, ...]:
    """Return the sequences of a chain's unacknowledged packets on a channel."""
    pages = await _pages(ask, f"{_CHANNEL}/channels/{channel_id}/ports/{port}/packet_commitments")
    # The chain lists them in lexical order.
    return tuple(sorted(sequence for page in pages for sequence in ibc.commitments(page)))


async def last_sent(ask: Ask, port: str, channel_id: str) -> int:
    """Return the sequence of the last packet that a chain sent on a channel; 0 before the first."""
    path = f"{_CHANNEL}/channels/{channel_id}/ports/{port}/next_sequence_send"
    return ibc.next_send(await require(ask, path)) - 1


async def last_received(ask: Ask, port: str, channel_id: str) -> int:
    """Return the sequence of the last packet received on an ordered channel; 0 before the first."""
    path = f"{_CHANNEL}/channels/{channel_id}/ports/{port}/next_sequence"
    return ibc.next_receive(await require(ask, path)) - 1


async def balance(ask: Ask, address: str, denom: str) -> int:
    """Return an account's balance in one denomination."""
    path = f"/cosmos/bank/v1beta1/balances/{address}/by_denom"
    return ibc.balance(await require(ask, path, {"denom": denom}))


async def fee_market(ask: Ask) -> Mapping[str, Decimal] | None:
    """Return the gas prices of a chain's fee market by denomination, None if it has no fee market."""
    try:
        answer = await ask("/feemarket/v1/gas_prices", {})
    except errors.Permanent:
        return None  # the gateway does not serve the module
    return None if answer is None else gas_prices.of_market(answer)


async def require(ask: Ask, path: str, params: Mapping[str, str] | None = None) -> answers.Field:
    """Return the answer to a query for an object that must exist.

    Raises:
        Transient: the object does not exist, so the chain's answers are temporarily inconsistent.
    """
    answer = await ask(path, params or {})
    if answer is None:
        raise errors.Transient(f"{path}: not found, although the chain listed it just before; try again")
    return answer


async def gather(*questions: Coroutine[Any, Any, Any]) -> list[Any]:
    """Await all queries and return their answers in order; an error cancels the others and is raised."""
    async with aio.task_group() as group:
        tasks = [group.create_task(question) for question in questions]
    return [task.result() for task in tasks]


async def _ends(ask: Ask, client_id: str) -> ibc.Ends:
    # The chain answers "not found" for a client without connections.
    answer = await ask(f"{_CONNECTION}/client_connections/{client_id}", {})
    ids = sorted(ibc.connection_ids(answer) if answer is not None else (), key=ibc.id_number)
    parts = await gather(*(_connection(ask, id_) for id_ in ids))
    return ibc.Ends(
        client_id,
        tuple(connection for connection, _ in parts),
        tuple(channel for _, channels in parts for channel in channels),
    )


async def _connection(ask: Ask, id_: str) -> tuple[ibc.ConnectionEnd, list[ibc.ChannelEnd]]:
    document, pages = await gather(
        require(ask, f"{_CONNECTION}/connections/{id_}"),
        _pages(ask, f"{_CHANNEL}/connections/{id_}/channels"),
    )
    channels = [channel for page in pages for channel in ibc.channels(page)]
    return ibc.connection(id_, document["connection"]), sorted(
        channels, key=lambda channel: ibc.id_number(channel.id)
    )


async def _pages(ask: Ask, path: str) -> list[answers.Field]:
    pages: list[answers.Field] = []
    key = ""
    for _ in range(_MOST_PAGES):
        params = {"pagination.limit": PAGE} | ({"pagination.key": key} if key else {})
        pages.append(await require(ask, path, params))
        following = answers.next_key(pages[-1])
        if not following:
            return pages
        if following == key:
            raise errors.Transient(f"{path}: a page refers to itself as the next one; try again")
        key = following
    raise errors.Permanent(f"{path}: the list does not end after {_MOST_PAGES} pages of {PAGE}")
