"""How the CCV channel of one consumer chain stands, and who takes its next step; pure.

A handshake (ICS-3 for connections, ICS-4 for channels) is four messages, one transaction each, two on each
chain: INIT, TRY, ACK, CONFIRM. All that is known of it is the state of its two ends, so whoever reads both
chains can take the next step, whoever took the ones before. Ends are matched by their ids alone.

What the chains themselves ensure (interchain-security v7, `x/ccv/*/ibc_module.go`): only the consumer may
begin the CCV channel; it must be ordered, version 1, on a connection over the client that the launch made;
the provider confirms one, and refuses others from then on. The consumer begins the transfer channel itself
when the CCV channel is acknowledged, and names it in its parameter `distribution_transmission_channel`.
"""

import datetime
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ics.relayer import ibc

PATIENCE: Final = datetime.timedelta(seconds=45)
"""How long each creator leaves the next step to the one before it."""


class Message(enum.StrEnum):
    """A message of a handshake, by the name of its Hermes command."""

    CONNECTION_INIT = "conn-init"
    CONNECTION_TRY = "conn-try"
    CONNECTION_ACK = "conn-ack"
    CONNECTION_CONFIRM = "conn-confirm"
    CHANNEL_INIT = "chan-open-init"
    CHANNEL_TRY = "chan-open-try"
    CHANNEL_ACK = "chan-open-ack"
    CHANNEL_CONFIRM = "chan-open-confirm"

    @property
    def is_of_connection(self) -> bool:
        """Whether it belongs to a connection rather than to a channel."""
        return self in _CONNECTION


_CONNECTION: Final = tuple(Message)[:4]
_CHANNEL: Final = tuple(Message)[4:]


@dataclass(frozen=True, slots=True)
class Step:
    """One message to send to `side`. Ids that do not exist yet, or do not matter, are empty."""

    message: Message
    side: ibc.Side
    client_id: str
    other_client_id: str
    connection_id: str = ""
    other_connection_id: str = ""
    port: str = ""
    other_port: str = ""
    channel_id: str = ""
    other_channel_id: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Leftover:
    """An end that is not part of the CCV channel and never will be."""

    side: str
    id: str
    state: ibc.State


@dataclass(frozen=True, slots=True)
class Finding:
    """How the channel of a consumer stands."""

    connection: ibc.Pair | None = None
    """Open on both sides, the one that the channel uses or will use."""
    ccv: ibc.Pair | None = None
    """The CCV channel, open on both sides."""
    transfer: ibc.Pair | None = None
    """The transfer channel for rewards, open on both sides."""
    step: Step | None = None
    """What is to be done next; None: nothing, or nothing that can be done."""
    is_closed: bool = False
    """The CCV channel was open and is closed on a side; the provider takes no new one."""
    leftovers: tuple[Leftover, ...] = ()
    mark: str = ""
    """Changes just when a handshake goes on: the states of all ends, in words."""


@dataclass(frozen=True, slots=True)
class _End:
    """What connections and channels have in common."""

    id: str
    state: ibc.State
    counterparty_id: str


@dataclass(frozen=True, slots=True)
class _Handshake:
    """The ends that belong together; one of them may not exist yet."""

    provider: _End | None
    consumer: _End | None

    @property
    def next(self) -> tuple[int, ibc.Side] | None:
        """Index of the next message (1 TRY, 2 ACK, 3 CONFIRM) and where it goes; None: done or dead."""
        states = {ibc.Side.PROVIDER: self.provider, ibc.Side.CONSUMER: self.consumer}
        for side, end in states.items():
            other = states[side.other]
            match (end.state if end else None, other.state if other else None):
                case (None, ibc.State.INIT):
                    return 1, side
                case (ibc.State.INIT, ibc.State.TRYOPEN):
                    return 2, side
                case (ibc.State.TRYOPEN, ibc.State.OPEN):
                    return 3, side
        return None

    @property
    def is_open(self) -> bool:
        return all(end is not None and end.state is ibc.State.OPEN for end in (self.provider, self.consumer))

    @property
    def progress(self) -> int:
        """0 dead, 1 to 3 the next message, 4 open on both sides."""
        return 4 if self.is_open else self.next[0] if self.next else 0

    @property
    def pair(self) -> ibc.Pair:
        return ibc.Pair(self.provider.id if self.provider else "", self.consumer.id if self.consumer else "")


def decide(provider: ibc.Ends, consumer: ibc.Ends, transfer_id: str = "") -> Finding:
    """How the CCV channel stands and the next message of the handshake that is furthest.

    Args:
        provider: the provider's ends over the client that it made at the launch (`client_id` of the chain).
        consumer: the consumer's ends over the client that its genesis made; to be read before the
            provider's, for a TRY that is repeated there leaves an end over.
        transfer_id: the consumer's `distribution_transmission_channel`; empty while there is none.
    """
    connections = _handshakes(
        [_plain(end) for end in provider.connections if _is_between(end, provider, consumer)],
        [_plain(end) for end in consumer.connections if _is_between(end, consumer, provider)],
    )
    opened = [found.pair for found in connections if found.is_open]
    channels = {pair: _channels(provider, consumer, pair) for pair in opened}
    on, ccv = _best([(pair, found) for pair in opened for found in channels[pair]])
    on = on or next(iter(opened), None)
    is_open = ccv is not None and ccv.is_open
    # The provider has had its one channel: it would refuse every other.
    is_decided = not is_open and _has_confirmed(provider)
    transfer = _transfer(provider, consumer, on, transfer_id) if is_open and on else None
    return Finding(
        connection=on,
        ccv=ccv.pair if ccv and is_open else None,
        transfer=transfer.pair if transfer and transfer.is_open else None,
        is_closed=is_decided and _has_closed(provider, consumer),
        leftovers=_leftovers(provider, consumer, on, connections, ccv),
        mark=_mark(provider, consumer, transfer_id),
        step=None if is_decided else _step(provider, consumer, connections, on, ccv, transfer),
    )


@dataclass(frozen=True, slots=True)
class Creator:
    """A validator that may open the channel."""

    address: str
    power: int
    """In the consumer's initial validator set."""
    is_funded: bool
    """Its published relayer address has coins in the consumer's genesis."""


def ranking(creators: Iterable[Creator]) -> tuple[str, ...]:
    """Addresses of those that can pay, in the order in which they act: by power, then by address."""
    able = [creator for creator in creators if creator.is_funded and creator.power > 0]
    return tuple(c.address for c in sorted(able, key=lambda creator: (-creator.power, creator.address)))


def acts_at(
    order: Sequence[str], address: str, last_step: datetime.datetime, is_ours: bool = False
) -> datetime.datetime | None:
    """When a creator takes the next step if nobody else has: rank x 45 s after the last one was seen.

    Args:
        order: see `ranking`.
        address: of the creator.
        last_step: when the handshake was last seen to go on (`Finding.mark` changed), or the launch.
        is_ours: the last step was this creator's own: it goes on at once.

    Returns:
        The time, or None for one that is not in the order and never acts.
    """
    if address not in order:
        return None
    return last_step if is_ours else last_step + order.index(address) * PATIENCE


def _is_between(end: ibc.ConnectionEnd, here: ibc.Ends, there: ibc.Ends) -> bool:
    ids = (end.client_id, end.counterparty_client_id)
    return end.is_plain and ids == (here.client_id, there.client_id)


def _plain(end: ibc.ConnectionEnd | ibc.ChannelEnd) -> _End:
    return _End(end.id, end.state, end.counterparty_id)


def _handshakes(provider: Sequence[_End], consumer: Sequence[_End]) -> list[_Handshake]:
    """All handshakes, the furthest first; of equal ones the one that is oldest on the consumer."""
    found = [_Handshake(p, c) for p in provider for c in consumer if _belong(p, c)]
    pairs = [handshake.pair for handshake in found]
    found += [_Handshake(end, None) for end in provider if end.id not in {pair.provider for pair in pairs}]
    found += [_Handshake(None, end) for end in consumer if end.id not in {pair.consumer for pair in pairs}]
    return sorted(found, key=_order)


def _order(found: _Handshake) -> tuple[int, int, int]:
    return (-found.progress, ibc.number(found.pair.consumer), ibc.number(found.pair.provider))


def _belong(one: _End, two: _End) -> bool:
    if one.counterparty_id == two.id and two.counterparty_id == one.id:
        return True
    # An end that is INIT learns of the other one only with the ACK.
    return any(
        first.state is ibc.State.INIT
        and second.state is ibc.State.TRYOPEN
        and second.counterparty_id == first.id
        for first, second in ((one, two), (two, one))
    )


def _channels(provider: ibc.Ends, consumer: ibc.Ends, connection: ibc.Pair) -> list[_Handshake]:
    """The CCV handshakes over one connection."""
    there, here = _ccv_ends(provider, ibc.PROVIDER_PORT), _ccv_ends(consumer, ibc.CONSUMER_PORT)
    return _handshakes(
        [_plain(end) for end in there if end.connection_id == connection.provider],
        [_plain(end) for end in here if end.connection_id == connection.consumer],
    )


def _ccv_ends(ends: ibc.Ends, port: str) -> list[ibc.ChannelEnd]:
    other = ibc.CONSUMER_PORT if port == ibc.PROVIDER_PORT else ibc.PROVIDER_PORT
    return [
        end
        for end in ends.channels
        if end.port == port
        and end.counterparty_port == other
        and end.is_ordered
        # Later ends carry what the provider answered: version and address of the reward pool.
        and (end.state is not ibc.State.INIT or end.version == ibc.CCV_VERSION)
    ]


def _best(found: Sequence[tuple[ibc.Pair, _Handshake]]) -> tuple[ibc.Pair | None, _Handshake | None]:
    alive = sorted((each for each in found if each[1].progress), key=lambda each: _order(each[1]))
    return alive[0] if alive else (None, None)


def _has_confirmed(provider: ibc.Ends) -> bool:
    ends = _ccv_ends(provider, ibc.PROVIDER_PORT)
    return any(end.state in (ibc.State.OPEN, ibc.State.CLOSED) for end in ends)


def _has_closed(provider: ibc.Ends, consumer: ibc.Ends) -> bool:
    shut = {end.id for end in consumer.channels if end.state is ibc.State.CLOSED}
    ends = [end for end in _ccv_ends(provider, ibc.PROVIDER_PORT) if end.state is not ibc.State.TRYOPEN]
    return all(end.state is ibc.State.CLOSED or end.counterparty_id in shut for end in ends)


def _transfer(provider: ibc.Ends, consumer: ibc.Ends, on: ibc.Pair, transfer_id: str) -> _Handshake | None:
    """The handshake of the very transfer channel that the consumer names; others are none of ours."""
    port = ibc.TRANSFER_PORT
    here = [end for end in consumer.channels if (end.port, end.id) == (port, transfer_id)]
    there = [end for end in provider.channels if (end.port, end.connection_id) == (port, on.provider)]
    found = _handshakes([_plain(end) for end in there], [_plain(end) for end in here])
    return next((each for each in found if each.consumer and each.progress), None)


def _step(
    provider: ibc.Ends,
    consumer: ibc.Ends,
    connections: Sequence[_Handshake],
    on: ibc.Pair | None,
    ccv: _Handshake | None,
    transfer: _Handshake | None,
) -> Step | None:
    clients = {ibc.Side.PROVIDER: provider.client_id, ibc.Side.CONSUMER: consumer.client_id}
    if not all(clients.values()):
        return None
    if on is None:
        begun = next((found for found in connections if found.progress), _Handshake(None, None))
        index, side = begun.next or (0, ibc.Side.CONSUMER)
        ids = begun.pair.at(side), begun.pair.at(side.other)
        return Step(_CONNECTION[index], side, clients[side], clients[side.other], *ids)
    if transfer is not None and transfer.next:
        return _channel_step(transfer, clients, on, ibc.TRANSFER_PORT, ibc.TRANSFER_PORT)
    if ccv is not None and ccv.is_open:
        return None
    return _channel_step(ccv or _Handshake(None, None), clients, on, ibc.PROVIDER_PORT, ibc.CONSUMER_PORT)


def _channel_step(
    found: _Handshake, clients: dict[ibc.Side, str], on: ibc.Pair, provider_port: str, consumer_port: str
) -> Step:
    index, side = found.next or (0, ibc.Side.CONSUMER)
    ports = {ibc.Side.PROVIDER: provider_port, ibc.Side.CONSUMER: consumer_port}
    return Step(
        _CHANNEL[index],
        side,
        clients[side],
        clients[side.other],
        on.at(side),
        on.at(side.other),
        ports[side],
        ports[side.other],
        found.pair.at(side),
        found.pair.at(side.other),
    )


def _leftovers(
    provider: ibc.Ends,
    consumer: ibc.Ends,
    on: ibc.Pair | None,
    connections: Sequence[_Handshake],
    ccv: _Handshake | None,
) -> tuple[Leftover, ...]:
    """All other connections over the two clients, and all other CCV channels over those, but closed ones."""
    path = on or next((found.pair for found in connections if found.progress), ibc.Pair("", ""))
    channel = ccv.pair if ccv else ibc.Pair("", "")
    found: list[Leftover] = []
    for side, ends, port in (
        (ibc.Side.PROVIDER, provider, ibc.PROVIDER_PORT),
        (ibc.Side.CONSUMER, consumer, ibc.CONSUMER_PORT),
    ):
        kept = (path.at(side), channel.at(side))
        alive = [_plain(end) for end in ends.connections if end.client_id == ends.client_id]
        alive += [_plain(end) for end in ends.channels if end.port == port]
        found += [
            Leftover(side.value, end.id, end.state)
            for end in alive
            if end.id not in kept and end.state is not ibc.State.CLOSED
        ]
    return tuple(sorted(found))


def _mark(provider: ibc.Ends, consumer: ibc.Ends, transfer_id: str) -> str:
    words = [f"transfer={transfer_id}"]
    for side, ends in ((ibc.Side.PROVIDER, provider), (ibc.Side.CONSUMER, consumer)):
        words += [f"{side.value}/{end.id}={end.state}" for end in ends.connections]
        words += [f"{side.value}/{end.port}/{end.id}={end.state}" for end in ends.channels]
    return " ".join(sorted(words))
