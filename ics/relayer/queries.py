"""The questions about IBC, the same on both chains, put through whatever reaches a chain's REST gateway.

Nothing here knows of a network: an `Ask` carries the questions.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ics import aio, errors
from ics.relayer import ibc

Ask: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any] | None]]
"""Path and parameters to the JSON object that answers; None: the chain says that there is no such thing."""

PAGE = "200"
"""Items asked for in one page of a list."""
_CLIENT, _CONNECTION, _CHANNEL = "/ibc/core/client/v1", "/ibc/core/connection/v1", "/ibc/core/channel/v1"


@dataclass(frozen=True, slots=True)
class Told:
    """What a chain tells of its side."""

    ends: ibc.Ends
    client: ibc.Client | None
    """Its client of the other chain; None if it has none."""


async def told(ask: Ask, client_id: str) -> Told:
    """A chain's client, and all connections and channels over it.

    Args:
        ask: reaches the chain.
        client_id: of its client of the other chain; empty: it has none.

    Raises:
        Transient: the chain is not reached, or an answer is not understood.
        Permanent: the chain refuses a question.
    """
    if not client_id:
        return Told(ibc.Ends(""), None)
    found, ends = await together(client(ask, client_id), _ends(ask, client_id))
    return Told(ends, found)


async def told_whole(ask: Ask, other_chain_id: str) -> Told:
    """The same for the first client of another chain, when it is not known by its id.

    All that there is is asked for at once, which takes fewer rounds than one after the other: for a
    consumer chain, which has few clients, connections and channels.

    Args:
        ask: reaches the chain.
        other_chain_id: the chain that the client follows.
    """
    clients, connections, channels = await together(
        _pages(ask, f"{_CLIENT}/client_states"),
        _pages(ask, f"{_CONNECTION}/connections"),
        _pages(ask, f"{_CHANNEL}/channels"),
    )
    states = {id_: state for page in clients for id_, state in ibc.client_states(page).items()}
    own = ibc.own_client(states, other_chain_id)
    if not own:
        return Told(ibc.Ends(""), None)
    ends = [end for page in connections for end in ibc.connections(page) if end.client_id == own]
    ids = {end.id for end in ends}
    over = [end for page in channels for end in ibc.channels(page) if end.connection_id in ids]
    found = ibc.Ends(own, tuple(sorted(ends, key=_number)), tuple(sorted(over, key=_number)))
    return Told(found, ibc.client(own, {"client_state": states[own]}, await _newest(ask, own)))


async def client(ask: Ask, client_id: str) -> ibc.Client:
    """A client and the time of the newest header that it knows."""
    state, newest = await together(need(ask, f"{_CLIENT}/client_states/{client_id}"), _newest(ask, client_id))
    return ibc.client(client_id, state, newest)


def _newest(ask: Ask, client_id: str) -> Coroutine[Any, Any, Mapping[str, Any]]:
    # With `latest_height` the height in the path does not count (ibc-go, 02-client `ConsensusState`).
    path = f"{_CLIENT}/consensus_states/{client_id}/revision/0/height/0"
    return need(ask, path, {"latest_height": "true"})


def _number(end: ibc.ConnectionEnd | ibc.ChannelEnd) -> int:
    return ibc.number(end.id)


async def unacknowledged(ask: Ask, port: str, channel_id: str) -> tuple[int, ...]:
    """Sequences of the packets that a chain sent on a channel and whose acknowledgement it has not seen."""
    pages = await _pages(ask, f"{_CHANNEL}/channels/{channel_id}/ports/{port}/packet_commitments")
    # They are listed in the order of their texts.
    return tuple(sorted(sequence for page in pages for sequence in ibc.commitments(page)))


async def last_sent(ask: Ask, port: str, channel_id: str) -> int:
    """Sequence of the last packet that a chain sent on a channel; 0 before the first."""
    path = f"{_CHANNEL}/channels/{channel_id}/ports/{port}/next_sequence_send"
    return ibc.next_send(await need(ask, path)) - 1


async def last_received(ask: Ask, port: str, channel_id: str) -> int:
    """Sequence of the last packet that a chain took on an ordered channel; 0 before the first."""
    path = f"{_CHANNEL}/channels/{channel_id}/ports/{port}/next_sequence"
    return ibc.next_receive(await need(ask, path)) - 1


async def balance(ask: Ask, address: str, denom: str) -> int:
    """What an account holds in one denomination."""
    path = f"/cosmos/bank/v1beta1/balances/{address}/by_denom"
    return ibc.balance(await need(ask, path, {"denom": denom}))


async def need(ask: Ask, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """The answer to a question about something that must exist.

    Raises:
        Transient: the chain has no such thing: its answers do not fit together just now.
    """
    answer = await ask(path, params or {})
    if answer is None:
        raise errors.Transient(f"{path}: the chain has no such thing, which it named just before: look again")
    return answer


async def together(*questions: Coroutine[Any, Any, Any]) -> list[Any]:
    """All answers in the order of the questions; the first error ends the others and is raised itself."""
    async with aio.together() as group:
        asked = [group.create_task(question) for question in questions]
    return [task.result() for task in asked]


async def _ends(ask: Ask, client_id: str) -> ibc.Ends:
    # A client without connections is answered as if there were no such client.
    answer = await ask(f"{_CONNECTION}/client_connections/{client_id}", {})
    ids = sorted(ibc.connection_ids(answer) if answer is not None else (), key=ibc.number)
    found = await together(*(_connection(ask, id_) for id_ in ids))
    return ibc.Ends(
        client_id,
        tuple(connection for connection, _ in found),
        tuple(channel for _, channels in found for channel in channels),
    )


async def _connection(ask: Ask, id_: str) -> tuple[ibc.ConnectionEnd, list[ibc.ChannelEnd]]:
    document, pages = await together(
        need(ask, f"{_CONNECTION}/connections/{id_}"), _pages(ask, f"{_CHANNEL}/connections/{id_}/channels")
    )
    found = [channel for page in pages for channel in ibc.channels(page)]
    return ibc.connection(id_, document), sorted(found, key=lambda channel: ibc.number(channel.id))


async def _pages(ask: Ask, path: str) -> list[Mapping[str, Any]]:
    found, key = [], ""
    while True:
        params = {"pagination.limit": PAGE} | ({"pagination.key": key} if key else {})
        found.append(await need(ask, path, params))
        following = ibc.next_key(found[-1])
        if not following:
            return found
        if following == key:
            raise errors.Transient(f"{path}: the chain names a page as its own next one: look again")
        key = following
