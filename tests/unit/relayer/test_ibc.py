import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest

from ics import errors
from ics.cosmos import answers, light
from ics.relayer import ibc
from ics.relayer.ibc import EndState

ZERO = {"revision_number": "0", "revision_height": "0"}
CONNECTION: dict[str, Any] = {
    "connection": {
        "client_id": "07-tendermint-0",
        "versions": [{"identifier": "1", "features": ["ORDER_ORDERED", "ORDER_UNORDERED"]}],
        "state": "STATE_INIT",
        "counterparty": {
            "client_id": "07-tendermint-7",
            "connection_id": "",
            "prefix": {"key_prefix": "aWJj"},
        },
        "delay_period": "0",
    },
    "proof": None,
    "proof_height": {"revision_number": "1", "revision_height": "55"},
}
CLIENT = {
    "@type": "/ibc.lightclients.tendermint.v1.ClientState",
    "chain_id": "consumer1-1",
    "trusting_period": "356.400s",
    "unbonding_period": "540s",
    "frozen_height": ZERO,
    "latest_height": {"revision_number": "1", "revision_height": "17"},
}
CONSENSUS = {"consensus_state": {"timestamp": "2026-11-22T12:21:07.123456789Z"}}
AT = datetime.datetime(2026, 11, 22, 12, 21, 7, 123456, tzinfo=datetime.UTC)


def field(value: object) -> answers.Field:
    return answers.Field("q", value)


def test_connection_end_is_decoded() -> None:
    assert ibc.connection("connection-3", field(CONNECTION["connection"])) == ibc.ConnectionEnd(
        id="connection-3",
        state=EndState.INIT,
        client_id="07-tendermint-0",
        counterparty_client_id="07-tendermint-7",
        counterparty_id="",
        is_plain=True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"delay_period": "1000000000"},
        {"counterparty": {"client_id": "a", "connection_id": "", "prefix": {"key_prefix": "aWJm"}}},
    ],
)
def test_connection_with_delay_or_other_store_is_not_plain(changes: dict[str, object]) -> None:
    end = {**CONNECTION["connection"], **changes}
    assert not ibc.connection("connection-3", field(end)).is_plain


def test_channel_ends_are_decoded() -> None:
    document = {
        "channels": [
            {
                "state": "STATE_TRYOPEN",
                "ordering": "ORDER_ORDERED",
                "counterparty": {"port_id": "consumer", "channel_id": "channel-0"},
                "connection_hops": ["connection-4"],
                "version": "1",
                "port_id": "provider",
                "channel_id": "channel-9",
                "upgrade_sequence": "0",
            },
            {
                "state": "STATE_FLUSHING",
                "ordering": "ORDER_UNORDERED",
                "counterparty": {"port_id": "transfer", "channel_id": "channel-1"},
                "connection_hops": ["connection-4"],
                "version": "ics20-1",
                "port_id": "transfer",
                "channel_id": "channel-10",
                "upgrade_sequence": "1",
            },
        ],
        "pagination": {"next_key": None, "total": "2"},
        "height": {"revision_number": "1", "revision_height": "55"},
    }
    assert ibc.channels(field(document)) == (
        ibc.ChannelEnd(
            id="channel-9",
            port="provider",
            state=EndState.TRYOPEN,
            connection_id="connection-4",
            counterparty_port="consumer",
            counterparty_id="channel-0",
            is_ordered=True,
            version="1",
        ),
        ibc.ChannelEnd(
            id="channel-10",
            port="transfer",
            state=EndState.OPEN,
            connection_id="connection-4",
            counterparty_port="transfer",
            counterparty_id="channel-1",
            is_ordered=False,
            version="ics20-1",
        ),
    )


def test_client_is_decoded_with_refresh_and_expiry_times() -> None:
    client = ibc.client("07-tendermint-7", field(CLIENT), field(CONSENSUS))
    assert client == ibc.IbcClient(
        id="07-tendermint-7",
        chain_id="consumer1-1",
        trusting_period=datetime.timedelta(seconds=356.4),
        updated=AT,
        is_frozen=False,
    )
    second = datetime.timedelta(seconds=1)
    assert client.expires == AT + 356.4 * second
    assert [client.refresh_from <= AT + n * second for n in (118, 119)] == [False, True]
    assert [client.is_expired(AT + n * second) for n in (356, 357)] == [False, True]


def test_frozen_client_is_decoded() -> None:
    height = {"revision_number": "0", "revision_height": "1"}
    state = {**CLIENT, "frozen_height": height}
    assert ibc.client("07-tendermint-7", field(state), field(CONSENSUS)).is_frozen


def test_own_client_is_lowest_numbered_client_of_provider() -> None:
    document = {
        "client_states": [
            {"client_id": "07-tendermint-10", "client_state": {"chain_id": "provider-1"}},
            {"client_id": "07-tendermint-1", "client_state": {"chain_id": "provider-11"}},
            {"client_id": "07-tendermint-2", "client_state": {"chain_id": "provider-1"}},
            {"client_id": "09-localhost", "client_state": {"latest_height": ZERO}},
        ]
    }
    clients = ibc.client_states(field(document))
    assert ibc.own_client(clients, "provider-1") == "07-tendermint-2"
    assert ibc.own_client(clients, "provider") == ""


def test_transfer_channel_is_read_from_consumer_params() -> None:
    params = {"params": {"distribution_transmission_channel": "channel-1"}}
    assert ibc.transfer_channel(field(params)) == "channel-1"


def status(**changes: Any) -> answers.Field:
    sync = {
        "latest_block_height": "596",
        "latest_block_time": "2026-11-22T12:42:31.123456789Z",
        "catching_up": False,
    }
    return field({"sync_info": sync | changes})


def test_newest_block_time_is_read_from_status() -> None:
    at = datetime.datetime(2026, 11, 22, 12, 42, 31, 123456, tzinfo=datetime.UTC)

    assert ibc.newest_block(status()) == at


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"catching_up": True},
            "the consumer's node is still syncing (height 596); the relayer waits for it",
        ),
        (
            {"latest_block_height": "0", "latest_block_time": "1970-01-01T00:00:00Z"},
            "the consumer's node is without a block (height 0); the relayer waits for it",
        ),
    ],
)
def test_newest_block_of_syncing_or_empty_node_is_transient_error(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.Transient) as caught:
        ibc.newest_block(status(**changes))

    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("read", "document", "path"),
    [
        (ibc.channels, {}, "(whole)"),
        (ibc.channels, {"channels": None}, "channels"),
        (ibc.channels, {"channels": [{"channel_id": "channel-0"}]}, "channels[0]"),
        (ibc.connections, {"connections": [{"id": 7}]}, "connections[0].id"),
        (ibc.client_states, {"client_states": [{"client_id": "a"}]}, "client_states[0]"),
        (ibc.transfer_channel, {"params": {}}, "params"),
        (ibc.connection_ids, {"code": 5}, "(whole)"),
        (ibc.commitments, {}, "(whole)"),
        (ibc.commitments, {"commitments": [{"sequence": "x"}]}, "commitments[0].sequence"),
        (ibc.next_send, {"next_sequence_send": "x"}, "next_sequence_send"),
        (ibc.next_receive, {"next_sequence_receive": None}, "next_sequence_receive"),
        (ibc.balance, {"balance": None}, "balance"),
        (ibc.unbonding_time, {"params": {"unbonding_time": "3 weeks"}}, "params.unbonding_time"),
        (ibc.trusting_fraction, {"params": {}}, "params"),
        (ibc.newest_block, {"sync_info": {"latest_block_height": "1"}}, "sync_info"),
    ],
)
def test_malformed_answer_names_its_field(
    read: Callable[[answers.Field], object], document: object, path: str
) -> None:
    with pytest.raises(answers.MalformedAnswer, match=f"^answer to q: field {re.escape(path)} is "):
        read(field(document))


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("connection_hops", [], "channels[0].connection_hops"),
        ("state", "STATE_ASLEEP", "channels[0].state"),
        ("version", None, "channels[0].version"),
    ],
)
def test_malformed_channel_end_names_its_field(name: str, value: object, path: str) -> None:
    end = {
        "state": "STATE_OPEN",
        "ordering": "ORDER_ORDERED",
        "counterparty": {"port_id": "consumer", "channel_id": "channel-0"},
        "connection_hops": ["connection-4"],
        "version": "1",
        "port_id": "provider",
        "channel_id": "channel-9",
    }
    assert len(ibc.channels(field({"channels": [end]}))) == 1

    with pytest.raises(answers.MalformedAnswer, match=re.escape(path)):
        ibc.channels(field({"channels": [{**end, name: value}]}))


def test_client_with_impossible_duration_is_refused() -> None:
    with pytest.raises(answers.MalformedAnswer, match="trusting_period"):
        ibc.client("c", field({**CLIENT, "trusting_period": "9999999999999s"}), field(CONSENSUS))


@pytest.mark.parametrize("id_", ["", "channel-", "channel-x", f"channel-{'9' * 5000}", "channel-٣"])
def test_an_id_without_a_counter_sorts_last(id_: str) -> None:
    assert min(["channel-12", id_], key=ibc.id_number) == "channel-12"


def consensus_state(second: int) -> dict[str, Any]:
    return {
        "@type": "/ibc.lightclients.tendermint.v1.ConsensusState",
        "timestamp": f"2026-11-22T12:21:{second:02}.123456789Z",
        "root": {"hash": "q83v"},
        "next_validators_hash": "ABCDEF",
    }


def test_client_view_has_the_states_of_its_own_revision_in_the_order_of_their_heights() -> None:
    """A chain lists them by the text of their heights, newest first, and the newest of all may be missing."""

    def listed(revision: int, height: int, second: int) -> dict[str, Any]:
        at = {"revision_number": str(revision), "revision_height": str(height)}
        return {"height": at, "consensus_state": consensus_state(second)}

    page = {"consensus_states": [listed(1, 9, 1), listed(1, 12, 2), listed(0, 11, 3)]}
    latest = {"consensus_state": consensus_state(4)}

    view = ibc.client_view(field(CLIENT), field(latest), [field(page)])

    def state(height: int, second: int) -> light.ConsensusState:
        return light.ConsensusState(
            height=height,
            time=light.Time(1795350060 + second, 123456789),
            app_hash=b"\xab\xcd\xef",
            next_validators_hash=b"\xab\xcd\xef",
        )

    assert view == light.ClientView(
        latest_height=17,
        trusting_period=datetime.timedelta(seconds=356.4),
        is_frozen=False,
        states=(state(9, 1), state(12, 2), state(17, 4)),
    )
    assert view.states[0].moment == datetime.datetime(2026, 11, 22, 12, 21, 1, 123456, tzinfo=datetime.UTC)
