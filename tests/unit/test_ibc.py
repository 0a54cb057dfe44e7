import datetime

import pytest

from ics import errors
from ics.relayer import ibc
from ics.relayer.ibc import State

ZERO = {"revision_number": "0", "revision_height": "0"}
CONNECTION = {
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
    "client_state": {
        "@type": "/ibc.lightclients.tendermint.v1.ClientState",
        "chain_id": "consumer1-1",
        "trusting_period": "356.400s",
        "unbonding_period": "540s",
        "frozen_height": ZERO,
        "latest_height": {"revision_number": "1", "revision_height": "17"},
    }
}
CONSENSUS = {"consensus_state": {"timestamp": "2026-11-22T12:21:07.123456789Z"}}
AT = datetime.datetime(2026, 11, 22, 12, 21, 7, 123456, tzinfo=datetime.UTC)


def test_a_connection_end() -> None:
    assert ibc.connection("connection-3", CONNECTION) == ibc.ConnectionEnd(
        "connection-3", State.INIT, "07-tendermint-0", "07-tendermint-7", "", is_plain=True
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"delay_period": "1000000000"},
        {"counterparty": {"client_id": "a", "connection_id": "", "prefix": {"key_prefix": "aWJm"}}},
    ],
)
def test_a_connection_with_a_delay_or_another_store_is_not_plain(changes: dict[str, object]) -> None:
    end = {**CONNECTION["connection"], **changes}  # type: ignore[dict-item]
    assert not ibc.connection("connection-3", {"connection": end}).is_plain


def test_channel_ends() -> None:
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
    assert ibc.channels(document) == (
        ibc.ChannelEnd(
            "channel-9", "provider", State.TRYOPEN, "connection-4", "consumer", "channel-0", True, "1"
        ),
        ibc.ChannelEnd(
            "channel-10", "transfer", State.OPEN, "connection-4", "transfer", "channel-1", False, "ics20-1"
        ),
    )


def test_a_client_and_when_it_is_due_and_expires() -> None:
    client = ibc.client("07-tendermint-7", CLIENT, CONSENSUS)
    assert client == ibc.Client(
        "07-tendermint-7", "consumer1-1", datetime.timedelta(seconds=356.4), AT, is_frozen=False
    )
    second = datetime.timedelta(seconds=1)
    assert client.expires == AT + 356.4 * second
    assert [client.refresh_from <= AT + n * second for n in (118, 119)] == [False, True]
    assert [client.is_expired(AT + n * second) for n in (356, 357)] == [False, True]


def test_a_frozen_client() -> None:
    height = {"revision_number": "0", "revision_height": "1"}
    state = {"client_state": {**CLIENT["client_state"], "frozen_height": height}}
    assert ibc.client("07-tendermint-7", state, CONSENSUS).is_frozen


def test_the_consumers_own_client_is_the_first_of_the_providers() -> None:
    document = {
        "client_states": [
            {"client_id": "07-tendermint-10", "client_state": {"chain_id": "provider-1"}},
            {"client_id": "07-tendermint-1", "client_state": {"chain_id": "provider-11"}},
            {"client_id": "07-tendermint-2", "client_state": {"chain_id": "provider-1"}},
            {"client_id": "09-localhost", "client_state": {"latest_height": ZERO}},
        ]
    }
    clients = ibc.client_states(document)
    assert ibc.own_client(clients, "provider-1") == "07-tendermint-2"
    assert ibc.own_client(clients, "provider") == ""


def test_the_transfer_channel_that_the_consumer_names() -> None:
    assert ibc.transfer_channel({"params": {"distribution_transmission_channel": "channel-1"}}) == "channel-1"


@pytest.mark.parametrize("document", [{}, {"channels": [{"state": "STATE_OPEN"}]}, {"channels": None}])
def test_an_answer_of_another_shape_is_trouble_that_may_pass(document: dict[str, object]) -> None:
    with pytest.raises(errors.Transient, match="not understood"):
        ibc.channels(document)
