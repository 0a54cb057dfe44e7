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

PROVIDER_PORT: Final = "provider"
CONSUMER_PORT: Final = "consumer"
TRANSFER_PORT: Final = "transfer"
CCV_VERSION: Final = "1"
PATIENCE: Final = datetime.timedelta(seconds=45)
"""How long each creator leaves the next step to the one before it."""
REFRESH_PART: Final = 3
"""A client is updated after this part of its trusting period."""


class Side(enum.Enum):
    """One of the two chains."""

    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Side":
        """The chain at the other end."""
        return Side.CONSUMER if self is Side.PROVIDER else Side.PROVIDER


class State(enum.StrEnum):
    """State of an end of a connection or channel (`STATE_…` on the wire)."""

    INIT = "INIT"
    TRYOPEN = "TRYOPEN"
    OPEN = "OPEN"
    CLOSED = "CLOSED"


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


_CONNECTION: Final = (
    Message.CONNECTION_INIT,
    Message.CONNECTION_TRY,
    Message.CONNECTION_ACK,
    Message.CONNECTION_CONFIRM,
)
_CHANNEL: Final = (
    Message.CHANNEL_INIT,
    Message.CHANNEL_TRY,
    Message.CHANNEL_ACK,
    Message.CHANNEL_CONFIRM,
)


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """One end of a connection."""

    id: str
    state: State
    client_id: str
    counterparty_client_id: str
    counterparty_id: str
    """Connection id at the other end; empty while this end is INIT."""


@dataclass(frozen=True, slots=True)
class ChannelEnd:
    """One end of a channel."""

    id: str
    port: str
    state: State
    connection_id: str
    counterparty_port: str
    counterparty_id: str
    """Channel id at the other end; empty while this end is INIT."""
    is_ordered: bool
    version: str


@dataclass(frozen=True, slots=True)
class Client:
    """An IBC client, as the chain that it lives on tells."""

    id: str
    chain_id: str
    """The chain that it follows."""
    trusting_period: datetime.timedelta
    updated: datetime.datetime
    """Time of the newest header that it knows, by the clock of the chain that it follows."""
    is_frozen: bool = False

    @property
    def expires(self) -> datetime.datetime:
        """From then on it takes no update, and nothing that builds on it works any more."""
        return self.updated + self.trusting_period

    def is_expired(self, now: datetime.datetime) -> bool:
        """Whether it has expired. Only a governance vote on its chain could mend that."""
        return now >= self.expires

    def is_due(self, now: datetime.datetime) -> bool:
        """Whether it should be updated, a third of its trusting period being over."""
        return now >= self.updated + self.trusting_period / REFRESH_PART


@dataclass(frozen=True, slots=True)
class Ends:
    """What one chain tells: its ends over its client of the other chain."""

    client_id: str
    connections: tuple[ConnectionEnd, ...] = ()
    channels: tuple[ChannelEnd, ...] = ()
    """Of those connections."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Ids of the two ends of one connection or channel."""

    provider: str
    consumer: str


@dataclass(frozen=True, slots=True)
class Step:
    """One message to send to `side`. Ids that do not exist yet, or do not matter, are empty."""

    message: Message
    side: Side
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
    state: State


@dataclass(frozen=True, slots=True)
class Finding:
    """How the channel of a consumer stands."""

    connection: Pair | None = None
    """Open on both sides, the one that the channel uses or will use."""
    ccv: Pair | None = None
    """The CCV channel, open on both sides."""
    transfer: Pair | None = None
    """The transfer channel for rewards, open on both sides."""
    step: Step | None = None
    """What is to be done next; None: nothing, or nothing that can be done."""
    is_closed: bool = False
    """The provider has closed the CCV channel; it takes no new one."""
    leftovers: tuple[Leftover, ...] = ()
    mark: str = ""
    """Changes just when a handshake goes on: the states of all ends, in words."""


@dataclass(frozen=True, slots=True)
class _End:
    """What connections and channels have in common."""

    id: str
    state: State
    counterparty_id: str


@dataclass(frozen=True, slots=True)
class _Handshake:
    """The ends that belong together; one of them may not exist yet."""

    provider: _End | None
    consumer: _End | None

    @property
    def next(self) -> tuple[int, Side] | None:
        """Index of the next message (1 TRY, 2 ACK, 3 CONFIRM) and where it goes; None: done or dead."""
        states = {Side.PROVIDER: self.provider, Side.CONSUMER: self.consumer}
        for side, end in states.items():
            other = states[side.other]
            match (end.state if end else None, other.state if other else None):
                case (None, State.INIT):
                    return 1, side
                case (State.INIT, State.TRYOPEN):
                    return 2, side
                case (State.TRYOPEN, State.OPEN):
                    return 3, side
        return None

    @property
    def is_open(self) -> bool:
        return all(end is not None and end.state is State.OPEN for end in (self.provider, self.consumer))

    @property
    def progress(self) -> int:
        """0 dead, 1 to 3 the next message, 4 open on both sides."""
        return 4 if self.is_open else self.next[0] if self.next else 0

    @property
    def pair(self) -> Pair:
        return Pair(self.provider.id if self.provider else "", self.consumer.id if self.consumer else "")


def decide(provider: Ends, consumer: Ends, transfer_id: str = "") -> Finding:
    """How the CCV channel stands and the next message of the handshake that is furthest.

    Args:
        provider: the provider's ends over the client that it made at the launch (`client_id` of the chain).
        consumer: the consumer's ends over the client that its genesis made.
        transfer_id: the consumer's `distribution_transmission_channel`; empty while there is none.
    """
    connections = _handshakes(
        [_plain(end) for end in provider.connections if _is_between(end, provider, consumer)],
        [_plain(end) for end in consumer.connections if _is_between(end, consumer, provider)],
    )
    opened = [found.pair for found in connections if found.is_open]
    channels = {pair: _channels(provider, consumer, pair) for pair in opened}
    on, ccv = _best([(pair, found) for pair in opened for found in channels[pair]])
    is_closed = _is_closed(provider, opened) and not (ccv and ccv.is_open)
    on = on or next(iter(opened), None)
    transfer = _transfer(provider, consumer, on, transfer_id) if ccv and ccv.is_open and on else None
    finding = Finding(
        connection=on,
        ccv=ccv.pair if ccv and ccv.is_open else None,
        transfer=transfer.pair if transfer and transfer.is_open else None,
        is_closed=is_closed,
        leftovers=_leftovers(provider, consumer, on, connections, ccv),
        mark=_mark(provider, consumer, transfer_id),
        step=None if is_closed else _step(provider, consumer, connections, on, ccv, transfer),
    )
    return finding


def own_client(clients: Iterable[Client], provider_chain_id: str) -> str:
    """The client of the provider that a consumer's genesis made; empty if there is none.

    Of the clients that follow a chain of the provider's id it is the first, since anybody may add others,
    but nobody before the genesis. Once the first CCV packet is through, `provider-info` names it too.
    """
    ids = [client.id for client in clients if client.chain_id == provider_chain_id]
    return min(ids, key=_number, default="")


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


def _is_between(end: ConnectionEnd, here: Ends, there: Ends) -> bool:
    return end.client_id == here.client_id and end.counterparty_client_id == there.client_id


def _plain(end: ConnectionEnd | ChannelEnd) -> _End:
    return _End(end.id, end.state, end.counterparty_id)


def _handshakes(provider: Sequence[_End], consumer: Sequence[_End]) -> list[_Handshake]:
    """All handshakes, the furthest first; of equal ones the one that is oldest on the consumer."""
    found = [_Handshake(p, c) for p in provider for c in consumer if _belong(p, c)]
    paired = {handshake.pair.provider for handshake in found}, {handshake.pair.consumer for handshake in found}
    found += [_Handshake(end, None) for end in provider if end.id not in paired[0]]
    found += [_Handshake(None, end) for end in consumer if end.id not in paired[1]]
    return sorted(found, key=_order)


def _order(found: _Handshake) -> tuple[int, int, int]:
    return (-found.progress, _number(found.pair.consumer), _number(found.pair.provider))


def _belong(one: _End, two: _End) -> bool:
    if one.counterparty_id == two.id and two.counterparty_id == one.id:
        return True
    # An end that is INIT learns of the other one only with the ACK.
    return any(
        first.state is State.INIT and second.state is State.TRYOPEN and second.counterparty_id == first.id
        for first, second in ((one, two), (two, one))
    )


def _channels(provider: Ends, consumer: Ends, connection: Pair) -> list[_Handshake]:
    """The CCV handshakes over one connection."""
    return _handshakes(
        [_plain(end) for end in _ccv_ends(provider, PROVIDER_PORT) if end.connection_id == connection.provider],
        [_plain(end) for end in _ccv_ends(consumer, CONSUMER_PORT) if end.connection_id == connection.consumer],
    )


def _ccv_ends(ends: Ends, port: str) -> list[ChannelEnd]:
    other = CONSUMER_PORT if port == PROVIDER_PORT else PROVIDER_PORT
    return [
        end
        for end in ends.channels
        if end.port == port
        and end.counterparty_port == other
        and end.is_ordered
        # Later ends carry what the provider answered: version and address of the reward pool.
        and (end.state is not State.INIT or end.version == CCV_VERSION)
    ]


def _best(found: Sequence[tuple[Pair, _Handshake]]) -> tuple[Pair | None, _Handshake | None]:
    alive = [each for each in found if each[1].progress]
    if not alive:
        return None, None
    return min(alive, key=lambda each: _order(each[1]))


def _is_closed(provider: Ends, opened: Sequence[Pair]) -> bool:
    ids = {pair.provider for pair in opened}
    return any(
        end.state is State.CLOSED and end.connection_id in ids for end in _ccv_ends(provider, PROVIDER_PORT)
    )


def _transfer(provider: Ends, consumer: Ends, connection: Pair, transfer_id: str) -> _Handshake | None:
    """The handshake of the very transfer channel that the consumer names; others are none of ours."""
    here = [end for end in consumer.channels if (end.port, end.id) == (TRANSFER_PORT, transfer_id)]
    there = [
        end
        for end in provider.channels
        if end.port == TRANSFER_PORT and end.connection_id == connection.provider
    ]
    found = _handshakes([_plain(end) for end in there], [_plain(end) for end in here])
    return next((each for each in found if each.consumer and each.progress), None)


def _step(
    provider: Ends,
    consumer: Ends,
    connections: Sequence[_Handshake],
    on: Pair | None,
    ccv: _Handshake | None,
    transfer: _Handshake | None,
) -> Step | None:
    clients = {Side.PROVIDER: provider.client_id, Side.CONSUMER: consumer.client_id}
    if not all(clients.values()):
        return None
    if on is None:
        begun = next((found for found in connections if found.progress), _Handshake(None, None))
        index, side = begun.next or (0, Side.CONSUMER)
        ids = _by_side(begun.pair)
        return Step(
            _CONNECTION[index], side, clients[side], clients[side.other], ids[side], ids[side.other]
        )
    if transfer is not None and transfer.next:
        return _channel_step(transfer, clients, on, TRANSFER_PORT, TRANSFER_PORT)
    if ccv is not None and ccv.is_open:
        return None
    return _channel_step(ccv or _Handshake(None, None), clients, on, PROVIDER_PORT, CONSUMER_PORT)


def _channel_step(
    found: _Handshake, clients: dict[Side, str], on: Pair, provider_port: str, consumer_port: str
) -> Step:
    index, side = found.next or (0, Side.CONSUMER)
    connections, ids = _by_side(on), _by_side(found.pair)
    ports = {Side.PROVIDER: provider_port, Side.CONSUMER: consumer_port}
    return Step(
        _CHANNEL[index],
        side,
        clients[side],
        clients[side.other],
        connections[side],
        connections[side.other],
        ports[side],
        ports[side.other],
        ids[side],
        ids[side.other],
    )


def _by_side(pair: Pair) -> dict[Side, str]:
    return {Side.PROVIDER: pair.provider, Side.CONSUMER: pair.consumer}


def _leftovers(
    provider: Ends,
    consumer: Ends,
    on: Pair | None,
    connections: Sequence[_Handshake],
    ccv: _Handshake | None,
) -> tuple[Leftover, ...]:
    """Ends that are alive and no part of the path; until a handshake is chosen nothing is left over."""
    path = on or next((found.pair for found in connections if found.progress), Pair("", ""))
    channel = ccv.pair if ccv else Pair("", "")
    found = []
    for side, ends, there, port in (
        (Side.PROVIDER, provider, consumer, PROVIDER_PORT),
        (Side.CONSUMER, consumer, provider, CONSUMER_PORT),
    ):
        kept = (_by_side(path)[side], _by_side(channel)[side])
        alive = [
            *(end for end in ends.connections if _is_between(end, ends, there)),
            *(end for end in ends.channels if end.port == port and end.state is not State.CLOSED),
        ]
        found += [Leftover(side.value, end.id, end.state) for end in alive if end.id not in kept]
    return tuple(sorted(found))


def _mark(provider: Ends, consumer: Ends, transfer_id: str) -> str:
    words = [transfer_id]
    for side, ends in (("provider", provider), ("consumer", consumer)):
        words += [f"{side}/{end.id}={end.state}" for end in ends.connections]
        words += [f"{side}/{end.port}/{end.id}={end.state}" for end in ends.channels]
    return " ".join(sorted(words)).strip()


def _number(id_: str) -> int:
    """The number at the end of an id, by which chains count; ids without one come last."""
    tail = id_.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 2**64
