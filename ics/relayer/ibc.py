"""What two chains tell of the IBC clients, connections and channels between them; pure.

The documents are those of the chains' REST gateways (ibc-go v10, interchain-security v7).
"""

import contextlib
import datetime
import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ics import errors

PROVIDER_PORT: Final = "provider"
CONSUMER_PORT: Final = "consumer"
TRANSFER_PORT: Final = "transfer"
CCV_VERSION: Final = "1"
REFRESH_PART: Final = 3
"""A client is updated after this part of its trusting period."""

_STORE_PREFIX: Final = "aWJj"
"""`ibc` in base64: the store prefix of every Cosmos SDK chain."""
_SECONDS = re.compile(r"(\d+)(?:\.(\d{1,9}))?s")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


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


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """One end of a connection."""

    id: str
    state: State
    client_id: str
    counterparty_client_id: str
    counterparty_id: str
    """Connection id at the other end; empty while this end is INIT."""
    is_plain: bool = True
    """It has no delay and names the other chain's true store; the handshake of another could not end."""


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
    """It was shown that the chain it follows signed two blocks of one height."""

    @property
    def expires(self) -> datetime.datetime:
        """From then on it takes no update, and nothing that builds on it works any more."""
        return self.updated + self.trusting_period

    def is_expired(self, now: datetime.datetime) -> bool:
        """Whether it has expired. Only a governance vote on its chain could mend that."""
        return now >= self.expires

    @property
    def refresh_from(self) -> datetime.datetime:
        """From then on it should be updated, a third of its trusting period being over."""
        return self.updated + self.trusting_period / REFRESH_PART

    def is_expiring(self, now: datetime.datetime) -> bool:
        """Whether less than a third of its trusting period is left: who should have updated it did not."""
        return now > self.expires - self.trusting_period / REFRESH_PART


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

    def at(self, side: Side) -> str:
        """The id on one side."""
        return self.provider if side is Side.PROVIDER else self.consumer


def own_client(clients: Mapping[str, Mapping[str, Any]], provider_chain_id: str) -> str:
    """The client of the provider that a consumer's genesis made; empty if there is none.

    Of the clients that follow a chain of the provider's id it is the first, since anybody may add others,
    but nobody before the genesis. Once the first CCV packet is through, `provider-info` names it too.

    Args:
        clients: see `client_states`.
        provider_chain_id: of the provider.
    """
    ids = [id_ for id_, state in clients.items() if state.get("chain_id") == provider_chain_id]
    return min(ids, key=number, default="")


def number(id_: str) -> int:
    """The number at the end of an id, by which chains count; ids without one come last."""
    tail = id_.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 2**64


def connection(id_: str, document: Mapping[str, Any]) -> ConnectionEnd:
    """The end in the answer of `/ibc/core/connection/v1/connections/{id}`, which does not name itself.

    Raises:
        Transient: the answer has another shape.
    """
    with _shape("connection", id_):
        end = document["connection"]
        counterparty = end["counterparty"]
        return ConnectionEnd(
            id=id_,
            state=_state(end["state"]),
            client_id=str(end["client_id"]),
            counterparty_client_id=str(counterparty["client_id"]),
            counterparty_id=str(counterparty["connection_id"]),
            is_plain=(counterparty["prefix"]["key_prefix"], end["delay_period"]) == (_STORE_PREFIX, "0"),
        )


def connections(document: Mapping[str, Any]) -> tuple[ConnectionEnd, ...]:
    """The ends in one page of `/ibc/core/connection/v1/connections`, which names them.

    Raises:
        Transient: the answer has another shape.
    """
    with _shape("connections", "list"):
        return tuple(connection(str(end["id"]), {"connection": end}) for end in document["connections"])


def channels(document: Mapping[str, Any]) -> tuple[ChannelEnd, ...]:
    """The ends in one page of all channels, or of `/ibc/core/channel/v1/connections/{connection id}/channels`.

    Raises:
        Transient: the answer has another shape.
    """
    with _shape("channels", "list"):
        return tuple(
            ChannelEnd(
                id=str(end["channel_id"]),
                port=str(end["port_id"]),
                state=_state(end["state"]),
                connection_id=str(end["connection_hops"][0]),
                counterparty_port=str(end["counterparty"]["port_id"]),
                counterparty_id=str(end["counterparty"]["channel_id"]),
                is_ordered=end["ordering"] == "ORDER_ORDERED",
                version=str(end["version"]),
            )
            for end in document["channels"]
        )


def client(id_: str, state: Mapping[str, Any], consensus: Mapping[str, Any]) -> Client:
    """A client.

    Args:
        id_: of the client.
        state: the answer of `/ibc/core/client/v1/client_states/{id}`.
        consensus: that of `/ibc/core/client/v1/consensus_states/{id}/revision/0/height/0?latest_height=true`.

    Raises:
        Transient: an answer has another shape.
    """
    with _shape("client", id_):
        found = state["client_state"]
        return Client(
            id=id_,
            chain_id=str(found["chain_id"]),
            trusting_period=_duration(found["trusting_period"]),
            updated=_time(consensus["consensus_state"]["timestamp"]),
            is_frozen=int(found["frozen_height"]["revision_height"]) > 0,
        )


def client_states(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Client id to its state, from one page of `/ibc/core/client/v1/client_states`.

    Raises:
        Transient: the answer has another shape.
    """
    with _shape("clients", "list"):
        return {str(each["client_id"]): dict(each["client_state"]) for each in document["client_states"]}


def transfer_channel(document: Mapping[str, Any]) -> str:
    """The consumer's transfer channel, from `/interchain_security/ccv/consumer/params`; may be empty.

    Raises:
        Transient: the answer has another shape.
    """
    with _shape("consumer", "params"):
        return str(document["params"]["distribution_transmission_channel"])


@contextlib.contextmanager
def _shape(what: str, which: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise errors.Transient(f"{what} {which}: the chain's answer is not understood ({error!r})") from error


def _state(text: str) -> State:
    name = text.removeprefix("STATE_")
    # A channel that is being upgraded is open, it only flushes its packets.
    return State.OPEN if name in ("FLUSHING", "FLUSHCOMPLETE") else State(name)


def _duration(text: str) -> datetime.timedelta:
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return datetime.timedelta(seconds=int(match[1]), microseconds=int((match[2] or "").ljust(9, "0")) // 1000)


def _time(text: str) -> datetime.datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    whole = datetime.datetime.fromisoformat(f"{match[1]}+00:00")
    return whole + datetime.timedelta(microseconds=int((match[2] or "").ljust(9, "0")) // 1000)


_WHOLE_SECONDS = re.compile(r"(\d+)(?:\.\d+)?s")


def next_key(document: Mapping[str, Any]) -> str:
    """Key of a list's next page (base64), empty on the last one."""
    with _answer_shape("list"):
        return str(document["pagination"]["next_key"] or "")


def connection_ids(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `/ibc/core/connection/v1/client_connections/{client id}`."""
    with _answer_shape("client_connections"):
        return tuple(str(path) for path in document["connection_paths"])


def commitments(document: Mapping[str, Any]) -> tuple[int, ...]:
    """Sequences of the packets in one page of `packet_commitments`: they are sent and not acknowledged."""
    with _answer_shape("packet_commitments"):
        return tuple(int(packet["sequence"]) for packet in document["commitments"])


def next_send(document: Mapping[str, Any]) -> int:
    """Sequence of the next packet, of `…/next_sequence_send`."""
    with _answer_shape("next_sequence_send"):
        return int(document["next_sequence_send"])


def next_receive(document: Mapping[str, Any]) -> int:
    """Sequence of the next packet that an ordered channel takes, of `…/next_sequence`."""
    with _answer_shape("next_sequence"):
        return int(document["next_sequence_receive"])


def balance(document: Mapping[str, Any]) -> int:
    """Amount in the answer of `/cosmos/bank/v1beta1/balances/{address}/by_denom`."""
    with _answer_shape("balance"):
        return int(document["balance"]["amount"])


def unbonding_time(document: Mapping[str, Any]) -> int:
    """Whole seconds, of `/cosmos/staking/v1beta1/params`; a fraction is dropped."""
    with _answer_shape("staking parameters"):
        match = _WHOLE_SECONDS.fullmatch(document["params"]["unbonding_time"])
        if match is None:
            raise ValueError(document["params"]["unbonding_time"])
        return int(match[1])


def trusting_fraction(document: Mapping[str, Any]) -> str:
    """A decimal number, of `/interchain_security/ccv/provider/params`."""
    with _answer_shape("provider parameters"):
        return str(document["params"]["trusting_period_fraction"])


def newest_block(document: Mapping[str, Any]) -> datetime.datetime:
    """Time of a node's newest block, from the result of CometBFT's `/status`.

    Raises:
        Transient: the node has no block yet, or is still syncing: what it tells is of the past.
    """
    with _answer_shape("status"):
        sync = document["sync_info"]
        height, is_syncing = int(sync["latest_block_height"]), bool(sync["catching_up"])
        moment = datetime.datetime.fromisoformat(sync["latest_block_time"])
    if height == 0 or is_syncing:
        raise errors.Transient(
            f"the consumer's node is {'still syncing' if height else 'without a block'} (height {height}):"
            " relaying waits for it"
        )
    return moment


@contextlib.contextmanager
def _answer_shape(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise errors.Transient(f"{what}: the chain's answer is not understood ({error!r})") from error
