"""State of one consumer chain's CCV channel, and the next step of its handshake; pure.

A handshake (ICS-3 for connections, ICS-4 for channels) consists of four messages, INIT, TRY, ACK and CONFIRM,
one transaction each and two on each chain. Its only state is that of its two ends, so any validator that
reads both chains can take the next step, regardless of the sender of earlier ones. Ends are matched by their
ids alone.

The chains themselves ensure the following (interchain-security v7, `x/ccv/*/ibc_module.go`). Only the
consumer may start the CCV channel; it must be ordered, version 1, on a connection over the client that the
launch created. The provider confirms one channel and refuses others from then on. The consumer itself starts
the transfer channel when the CCV channel is acknowledged, and stores its id in the parameter
`distribution_transmission_channel`.
"""

import datetime
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ics.relayer import ibc

_PATIENCE: Final = datetime.timedelta(seconds=45)
"""Time that each creator leaves to the one ranked before it."""


class Message(enum.StrEnum):
    """Message of a handshake, named after its Hermes command."""

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
        """Whether it belongs to a connection rather than a channel."""
        return self in _CONNECTION


_CONNECTION: Final = tuple(Message)[:4]
_CHANNEL: Final = tuple(Message)[4:]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeStep:
    """One message to send to `side`; ids that do not exist yet or do not matter are empty."""

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
    """A connection or channel end that is not part of the CCV channel and never will be."""

    side: str
    id: str
    state: ibc.EndState


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeState:
    """State of the connection and channels of one consumer."""

    connection: ibc.Pair | None = None
    """The connection, open on both sides, that the CCV channel uses or will use."""
    ccv: ibc.Pair | None = None
    """The CCV channel, open on both sides."""
    transfer: ibc.Pair | None = None
    """The transfer channel for rewards, open on both sides."""
    step: HandshakeStep | None = None
    """Next step; None if there is nothing to do, or nothing can be done."""
    is_closed: bool = False
    """Whether the CCV channel was open and is closed on one side; the provider accepts no new one."""
    leftovers: tuple[Leftover, ...] = ()
    fingerprint: str = ""
    """States of all ends as text, which changes exactly when a handshake advances."""


@dataclass(frozen=True, slots=True)
class _End:
    """Common part of connection and channel ends."""

    id: str
    state: ibc.EndState
    counterparty_id: str


@dataclass(frozen=True, slots=True)
class _Handshake:
    """Two matching ends, one of which may not exist yet."""

    provider: _End | None
    consumer: _End | None

    @property
    def next(self) -> tuple[int, ibc.Side] | None:
        """Index of the next message (1 TRY, 2 ACK, 3 CONFIRM) and its chain; None if done or dead."""
        states = {ibc.Side.PROVIDER: self.provider, ibc.Side.CONSUMER: self.consumer}
        for side, end in states.items():
            other = states[side.other]
            match (end.state if end else None, other.state if other else None):
                case (None, ibc.EndState.INIT):
                    return 1, side
                case (ibc.EndState.INIT, ibc.EndState.TRYOPEN):
                    return 2, side
                case (ibc.EndState.TRYOPEN, ibc.EndState.OPEN):
                    return 3, side
        return None

    @property
    def is_open(self) -> bool:
        return all(
            end is not None and end.state is ibc.EndState.OPEN for end in (self.provider, self.consumer)
        )

    @property
    def progress(self) -> int:
        """Progress: 0 if dead, 1 to 3 for the next message, 4 if open on both sides."""
        return 4 if self.is_open else self.next[0] if self.next else 0

    @property
    def pair(self) -> ibc.Pair:
        return ibc.Pair(self.provider.id if self.provider else "", self.consumer.id if self.consumer else "")


def assess(provider: ibc.Ends, consumer: ibc.Ends, transfer_id: str = "") -> HandshakeState:
    """Return the state of the CCV channel and the next message of the most advanced handshake.

    Args:
        provider: the provider's ends over the client that it created at the launch (`client_id` of the
            chain).
        consumer: the consumer's ends over the client from its genesis. They must be read before the
            provider's, because a repeated TRY on the consumer would leave an unused end.
        transfer_id: the consumer's `distribution_transmission_channel`; empty until it exists.
    """
    connections = _handshakes(
        [_plain(end) for end in provider.connections if _is_between(end, provider, consumer)],
        [_plain(end) for end in consumer.connections if _is_between(end, consumer, provider)],
    )
    open_connections = [handshake.pair for handshake in connections if handshake.is_open]
    channels = {pair: _channels(provider, consumer, pair) for pair in open_connections}
    on, ccv = _most_advanced([(pair, handshake) for pair in open_connections for handshake in channels[pair]])
    on = on or next(iter(open_connections), None)
    is_open = ccv is not None and ccv.is_open
    # The provider has confirmed its one channel and would refuse every other.
    is_decided = not is_open and _has_confirmed(provider)
    transfer = _transfer(provider, consumer, on, transfer_id) if is_open and on else None
    return HandshakeState(
        connection=on,
        ccv=ccv.pair if ccv and is_open else None,
        transfer=transfer.pair if transfer and transfer.is_open else None,
        is_closed=is_decided and _has_closed(provider, consumer),
        leftovers=_leftovers(provider, consumer, on, connections, ccv),
        fingerprint=_fingerprint(provider, consumer, transfer_id),
        step=None if is_decided else _step(provider, consumer, connections, on, ccv, transfer),
    )


@dataclass(frozen=True, slots=True)
class Creator:
    """A validator that can open the channel."""

    address: str
    power: int
    """Voting power in the consumer's initial validator set."""
    is_funded: bool
    """Whether its published relayer address has coins in the consumer's genesis."""


def ranking(creators: Iterable[Creator]) -> tuple[str, ...]:
    """Return the addresses of funded creators in the order in which they act: by power, then by address."""
    able = [creator for creator in creators if creator.is_funded and creator.power > 0]
    return tuple(c.address for c in sorted(able, key=lambda creator: (-creator.power, creator.address)))


def acts_at(
    order: Sequence[str], address: str, last_step: datetime.datetime, is_ours: bool = False
) -> datetime.datetime | None:
    """Return the time at which a creator takes the next step: rank x 45 s after the last step was seen.

    Args:
        order: see `ranking`.
        address: of the creator.
        last_step: time of the last change of `HandshakeState.fingerprint`, or of the launch.
        is_ours: whether this creator took the last step, so that it continues immediately.

    Returns:
        The time, or None if the creator is not in the order and never acts.
    """
    if address not in order:
        return None
    return last_step if is_ours else last_step + order.index(address) * _PATIENCE


def _is_between(end: ibc.ConnectionEnd, here: ibc.Ends, there: ibc.Ends) -> bool:
    ids = (end.client_id, end.counterparty_client_id)
    return end.is_plain and ids == (here.client_id, there.client_id)


def _plain(end: ibc.ConnectionEnd | ibc.ChannelEnd) -> _End:
    return _End(end.id, end.state, end.counterparty_id)


def _handshakes(provider: Sequence[_End], consumer: Sequence[_End]) -> list[_Handshake]:
    """Return all handshakes, the most advanced first, then the oldest on the consumer."""
    handshakes = [_Handshake(p, c) for p in provider for c in consumer if _is_pair(p, c)]
    pairs = [handshake.pair for handshake in handshakes]
    handshakes += [
        _Handshake(end, None) for end in provider if end.id not in {pair.provider for pair in pairs}
    ]
    handshakes += [
        _Handshake(None, end) for end in consumer if end.id not in {pair.consumer for pair in pairs}
    ]
    return sorted(handshakes, key=_order)


def _order(handshake: _Handshake) -> tuple[int, int, int]:
    return (
        -handshake.progress,
        ibc.id_number(handshake.pair.consumer),
        ibc.id_number(handshake.pair.provider),
    )


def _is_pair(first_end: _End, second_end: _End) -> bool:
    if first_end.counterparty_id == second_end.id and second_end.counterparty_id == first_end.id:
        return True
    # An end in INIT learns the id of the other end only with the ACK.
    return any(
        first.state is ibc.EndState.INIT
        and second.state is ibc.EndState.TRYOPEN
        and second.counterparty_id == first.id
        for first, second in ((first_end, second_end), (second_end, first_end))
    )


def _channels(provider: ibc.Ends, consumer: ibc.Ends, connection: ibc.Pair) -> list[_Handshake]:
    """Return the CCV handshakes over one connection."""
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
        # In later states the version also contains the provider's answer: version and reward pool address.
        and (end.state is not ibc.EndState.INIT or end.version == ibc.CCV_VERSION)
    ]


def _most_advanced(
    handshakes: Sequence[tuple[ibc.Pair, _Handshake]],
) -> tuple[ibc.Pair | None, _Handshake | None]:
    alive = sorted((item for item in handshakes if item[1].progress), key=lambda item: _order(item[1]))
    return alive[0] if alive else (None, None)


def _has_confirmed(provider: ibc.Ends) -> bool:
    ends = _ccv_ends(provider, ibc.PROVIDER_PORT)
    return any(end.state in (ibc.EndState.OPEN, ibc.EndState.CLOSED) for end in ends)


def _has_closed(provider: ibc.Ends, consumer: ibc.Ends) -> bool:
    shut = {end.id for end in consumer.channels if end.state is ibc.EndState.CLOSED}
    ends = [end for end in _ccv_ends(provider, ibc.PROVIDER_PORT) if end.state is not ibc.EndState.TRYOPEN]
    return all(end.state is ibc.EndState.CLOSED or end.counterparty_id in shut for end in ends)


def _transfer(provider: ibc.Ends, consumer: ibc.Ends, on: ibc.Pair, transfer_id: str) -> _Handshake | None:
    """Return the handshake of the transfer channel in the consumer's parameter; others are ignored."""
    port = ibc.TRANSFER_PORT
    here = [end for end in consumer.channels if (end.port, end.id) == (port, transfer_id)]
    there = [end for end in provider.channels if (end.port, end.connection_id) == (port, on.provider)]
    handshakes = _handshakes([_plain(end) for end in there], [_plain(end) for end in here])
    return next((handshake for handshake in handshakes if handshake.consumer and handshake.progress), None)


def _step(
    provider: ibc.Ends,
    consumer: ibc.Ends,
    connections: Sequence[_Handshake],
    on: ibc.Pair | None,
    ccv: _Handshake | None,
    transfer: _Handshake | None,
) -> HandshakeStep | None:
    clients = {ibc.Side.PROVIDER: provider.client_id, ibc.Side.CONSUMER: consumer.client_id}
    if not all(clients.values()):
        return None
    if on is None:
        started = next(
            (connection for connection in connections if connection.progress), _Handshake(None, None)
        )
        index, side = started.next or (0, ibc.Side.CONSUMER)
        return HandshakeStep(
            message=_CONNECTION[index],
            side=side,
            client_id=clients[side],
            other_client_id=clients[side.other],
            connection_id=started.pair.at(side),
            other_connection_id=started.pair.at(side.other),
        )
    if transfer is not None and transfer.next:
        return _channel_step(transfer, clients, on, ibc.TRANSFER_PORT, ibc.TRANSFER_PORT)
    if ccv is not None and ccv.is_open:
        return None
    return _channel_step(ccv or _Handshake(None, None), clients, on, ibc.PROVIDER_PORT, ibc.CONSUMER_PORT)


def _channel_step(
    handshake: _Handshake, clients: dict[ibc.Side, str], on: ibc.Pair, provider_port: str, consumer_port: str
) -> HandshakeStep:
    index, side = handshake.next or (0, ibc.Side.CONSUMER)
    ports = {ibc.Side.PROVIDER: provider_port, ibc.Side.CONSUMER: consumer_port}
    return HandshakeStep(
        message=_CHANNEL[index],
        side=side,
        client_id=clients[side],
        other_client_id=clients[side.other],
        connection_id=on.at(side),
        other_connection_id=on.at(side.other),
        port=ports[side],
        other_port=ports[side.other],
        channel_id=handshake.pair.at(side),
        other_channel_id=handshake.pair.at(side.other),
    )


def _leftovers(
    provider: ibc.Ends,
    consumer: ibc.Ends,
    on: ibc.Pair | None,
    connections: Sequence[_Handshake],
    ccv: _Handshake | None,
) -> tuple[Leftover, ...]:
    """Return all other open or opening connections over the two clients, and CCV channels over those."""
    path = on or next((leftovers.pair for leftovers in connections if leftovers.progress), ibc.Pair("", ""))
    channel = ccv.pair if ccv else ibc.Pair("", "")
    leftovers: list[Leftover] = []
    for side, ends, port in (
        (ibc.Side.PROVIDER, provider, ibc.PROVIDER_PORT),
        (ibc.Side.CONSUMER, consumer, ibc.CONSUMER_PORT),
    ):
        kept = (path.at(side), channel.at(side))
        alive = [_plain(end) for end in ends.connections if end.client_id == ends.client_id]
        alive += [_plain(end) for end in ends.channels if end.port == port]
        leftovers += [
            Leftover(side.value, end.id, end.state)
            for end in alive
            if end.id not in kept and end.state is not ibc.EndState.CLOSED
        ]
    return tuple(sorted(leftovers))


def _fingerprint(provider: ibc.Ends, consumer: ibc.Ends, transfer_id: str) -> str:
    words = [f"transfer={transfer_id}"]
    for side, ends in ((ibc.Side.PROVIDER, provider), (ibc.Side.CONSUMER, consumer)):
        words += [f"{side.value}/{end.id}={end.state}" for end in ends.connections]
        words += [f"{side.value}/{end.port}/{end.id}={end.state}" for end in ends.channels]
    return " ".join(sorted(words))
