"""IBC clients, connections and channels between two chains, decoded from their answers; pure.

The answers are those of the chains' REST gateways (ibc-go v10, interchain-security v7).
"""

import datetime
import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ics import errors
from ics.cosmos import answers, identifiers, light, times

PROVIDER_PORT: Final = "provider"
CONSUMER_PORT: Final = "consumer"
TRANSFER_PORT: Final = "transfer"
CCV_VERSION: Final = "1"
_REFRESH_PART: Final = 3
"""Divisor of the trusting period: a client is updated once a third of the period has passed."""

_STORE_PREFIX: Final = "aWJj"
"""`ibc` in base64: the store prefix of every Cosmos SDK chain."""


class Side(enum.Enum):
    """One of the two chains."""

    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Side":
        """The chain at the other end."""
        return Side.CONSUMER if self is Side.PROVIDER else Side.PROVIDER


class EndState(enum.StrEnum):
    """State of an end of a connection or channel (`STATE_…` on the wire)."""

    INIT = "INIT"
    TRYOPEN = "TRYOPEN"
    OPEN = "OPEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEnd:
    """One end of a connection."""

    id: str
    state: EndState
    client_id: str
    counterparty_client_id: str
    counterparty_id: str
    """Connection id at the other end; empty while this end is INIT."""
    is_plain: bool = True
    """Whether it has no delay and the right store prefix; otherwise its handshake could never complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEnd:
    """One end of a channel."""

    id: str
    port: str
    state: EndState
    connection_id: str
    counterparty_port: str
    counterparty_id: str
    """Channel id at the other end; empty while this end is INIT."""
    is_ordered: bool
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IbcClient:
    """An IBC client, as returned by its host chain."""

    id: str
    chain_id: str
    """The chain that it tracks."""
    trusting_period: datetime.timedelta
    updated: datetime.datetime
    """Time of its newest header, in the tracked chain's block time."""
    is_frozen: bool = False
    """Whether it was frozen by evidence that the tracked chain signed two blocks at one height."""

    @property
    def expires(self) -> datetime.datetime:
        """Time of expiry, after which it accepts no updates and its connections stop working."""
        return times.later(self.updated, self.trusting_period)

    def is_expired(self, now: datetime.datetime) -> bool:
        """Return whether it has expired; only a governance vote on its chain can recover it."""
        return now >= self.expires

    @property
    def refresh_from(self) -> datetime.datetime:
        """Time from which it should be updated: after a third of its trusting period."""
        return times.later(self.updated, self.trusting_period / _REFRESH_PART)

    def is_expiring(self, now: datetime.datetime) -> bool:
        """Return whether less than a third of its trusting period is left, so updates must have failed."""
        return now > self.expires - self.trusting_period / _REFRESH_PART


@dataclass(frozen=True, slots=True)
class Ends:
    """One chain's ends over its client of the other chain."""

    client_id: str
    connections: tuple[ConnectionEnd, ...] = ()
    channels: tuple[ChannelEnd, ...] = ()
    """Channels over those connections."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Ids of the two ends of one connection or channel."""

    provider: str
    consumer: str

    def at(self, side: Side) -> str:
        """Return the id on one side."""
        return self.provider if side is Side.PROVIDER else self.consumer


def own_client(clients: Mapping[str, answers.Field], provider_chain_id: str) -> str:
    """Return the id of the provider client from a consumer's genesis; empty if there is none.

    It is the first of the clients that track the provider's chain id: anyone can add others, but only after
    the genesis. After the first CCV packet `provider-info` returns it too.

    Args:
        clients: see `client_states`.
        provider_chain_id: of the provider.
    """
    # Other types of clients, such as 09-localhost, do not track a chain.
    ids = [
        id_
        for id_, state in clients.items()
        if state.has("chain_id") and state["chain_id"].text() == provider_chain_id
    ]
    return min(ids, key=id_number, default="")


def id_number(id_: str) -> int:
    """Return the counter at the end of an id; ids without one sort last."""
    number = identifiers.counter(id_)
    return 2**64 if number is None else number


_IDENTIFIER = re.compile(r"[A-Za-z0-9._+\-#\[\]<>]{0,128}")
"""ICS 24, "Identifiers" (ibc-go, modules/core/24-host/validate.go)."""


def _identifier(field: answers.Field) -> str:
    """Return an id, which becomes a part of paths and of Hermes' commands; empty: not known yet."""
    if not _IDENTIFIER.fullmatch(field.text()):
        field.fail("an identifier of IBC")
    return field.text()


def connection(id_: str, end: answers.Field) -> ConnectionEnd:
    """Decode `connection` of `/ibc/core/connection/v1/connections/{id}`, which does not contain the id.

    Raises:
        MalformedAnswer: the answer has an unexpected shape.
    """
    counterparty = end["counterparty"]
    store, delay = counterparty["prefix"]["key_prefix"].text(), end["delay_period"].integer()
    return ConnectionEnd(
        id=id_,
        state=_state(end["state"]),
        client_id=_identifier(end["client_id"]),
        counterparty_client_id=_identifier(counterparty["client_id"]),
        counterparty_id=_identifier(counterparty["connection_id"]),
        is_plain=(store, delay) == (_STORE_PREFIX, 0),
    )


def connections(answer: answers.Field) -> tuple[ConnectionEnd, ...]:
    """Decode one page of `/ibc/core/connection/v1/connections`; raises like `connection`."""
    return tuple(connection(_identifier(end["id"]), end) for end in answer["connections"])


def channels(answer: answers.Field) -> tuple[ChannelEnd, ...]:
    """Decode one page of all channels, or of the channels over one connection; raises like `connection`."""
    return tuple(
        ChannelEnd(
            id=_identifier(end["channel_id"]),
            port=_identifier(end["port_id"]),
            state=_state(end["state"]),
            connection_id=_identifier(end["connection_hops"].first()),
            counterparty_port=_identifier(end["counterparty"]["port_id"]),
            counterparty_id=_identifier(end["counterparty"]["channel_id"]),
            is_ordered=end["ordering"].text() == "ORDER_ORDERED",
            version=end["version"].text(),
        )
        for end in answer["channels"]
    )


def client(id_: str, state: answers.Field, consensus: answers.Field) -> IbcClient:
    """Decode a client.

    Args:
        id_: of the client.
        state: `client_state` of `/ibc/core/client/v1/client_states/{id}`.
        consensus: the answer of
            `/ibc/core/client/v1/consensus_states/{id}/revision/0/height/0?latest_height=true`.

    Raises:
        MalformedAnswer: an answer has an unexpected shape.
    """
    return IbcClient(
        id=id_,
        chain_id=state["chain_id"].text(),
        trusting_period=datetime.timedelta(microseconds=state["trusting_period"].nanoseconds() // 1000),
        updated=consensus["consensus_state"]["timestamp"].moment(),
        is_frozen=state["frozen_height"]["revision_height"].integer() > 0,
    )


def client_view(
    state: answers.Field, latest: answers.Field, pages: Iterable[answers.Field]
) -> light.ClientView:
    """Decode what a client knows of the chain that it tracks.

    Args:
        state: `client_state` of `/ibc/core/client/v1/client_states/{id}`.
        latest: the answer of `/ibc/core/client/v1/consensus_states/{id}/revision/0/height/0?latest_height=true`.
        pages: the answers of `/ibc/core/client/v1/consensus_states/{id}`.

    Raises:
        MalformedAnswer: an answer has an unexpected shape.
    """
    height = state["latest_height"]
    revision, newest = height["revision_number"].integer(), height["revision_height"].integer()
    states = {newest: _consensus_state(newest, latest["consensus_state"])}
    for page in pages:
        for one in page["consensus_states"]:
            at = one["height"]["revision_height"].integer()
            if one["height"]["revision_number"].integer() == revision:
                states[at] = _consensus_state(at, one["consensus_state"])
    return light.ClientView(
        latest_height=newest,
        trusting_period=datetime.timedelta(microseconds=state["trusting_period"].nanoseconds() // 1000),
        is_frozen=state["frozen_height"]["revision_height"].integer() > 0,
        states=tuple(states[at] for at in sorted(states)),
    )


def _consensus_state(height: int, state: answers.Field) -> light.ConsensusState:
    return light.ConsensusState(
        height=height,
        time=light.parse_time(state["timestamp"]),
        app_hash=state["root"]["hash"].base64(),
        next_validators_hash=state["next_validators_hash"].hex(),
    )


def client_states(answer: answers.Field) -> dict[str, answers.Field]:
    """Return the client states by client id, from one page of `/ibc/core/client/v1/client_states`."""
    return {_identifier(each["client_id"]): each["client_state"] for each in answer["client_states"]}


def transfer_channel(answer: answers.Field) -> str:
    """Return the transfer channel in `/interchain_security/ccv/consumer/params`; may be empty."""
    return _identifier(answer["params"]["distribution_transmission_channel"])


def connection_ids(answer: answers.Field) -> tuple[str, ...]:
    """Return the ids in `/ibc/core/connection/v1/client_connections/{client id}`."""
    return tuple(_identifier(path) for path in answer["connection_paths"])


def commitments(answer: answers.Field) -> tuple[int, ...]:
    """Return the sequences of sent but unacknowledged packets, from one page of `packet_commitments`."""
    return tuple(packet["sequence"].integer() for packet in answer["commitments"])


def next_send(answer: answers.Field) -> int:
    """Return the sequence of the next packet, from `…/next_sequence_send`."""
    return answer["next_sequence_send"].integer()


def next_receive(answer: answers.Field) -> int:
    """Return the sequence of the next packet that an ordered channel accepts, from `…/next_sequence`."""
    return answer["next_sequence_receive"].integer()


def balance(answer: answers.Field) -> int:
    """Return the amount in `/cosmos/bank/v1beta1/balances/{address}/by_denom`."""
    return answer["balance"]["amount"].integer()


def unbonding_time(answer: answers.Field) -> int:
    """Return the unbonding time in whole seconds, rounded down, from `/cosmos/staking/v1beta1/params`."""
    return answer["params"]["unbonding_time"].seconds()


def trusting_fraction(answer: answers.Field) -> str:
    """Return the trusting period fraction, a decimal, from `/interchain_security/ccv/provider/params`."""
    return answer["params"]["trusting_period_fraction"].text()


def newest_block(status: answers.Field) -> datetime.datetime:
    """Return the time of a node's newest block, from the result of CometBFT's `/status`.

    Raises:
        Transient: the node has no block yet, or is still syncing, so that its state is outdated.
        MalformedAnswer: the answer has an unexpected shape.
    """
    sync = status["sync_info"]
    height, is_syncing = sync["latest_block_height"].integer(), sync["catching_up"].boolean()
    if height == 0 or is_syncing:
        raise errors.Transient(
            f"the consumer's node is {'still syncing' if height else 'without a block'} (height {height});"
            " the relayer waits for it"
        )
    return sync["latest_block_time"].moment()


def _state(field: answers.Field) -> EndState:
    name = field.text().removeprefix("STATE_")
    # A channel that is being upgraded is still open, and only flushes its packets.
    if name in ("FLUSHING", "FLUSHCOMPLETE"):
        return EndState.OPEN
    try:
        return EndState(name)
    except ValueError:
        field.fail("a known STATE_… value")
