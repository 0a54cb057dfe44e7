"""Provider events that wake the reconciler."""

from typing import Any

import pytest

from ics.provider import event_filter

ZERO = frozenset({"0"})


def block(*names: str, height: Any = "42") -> dict[str, Any]:
    """A message as CometBFT 0.38 sends it, reduced to the fields in use."""
    value = {"block": {"header": {"chain_id": "provider-1", "height": height}}}
    events = {"tm.event": ["NewBlock"], **{name: ["0"] for name in names}}
    data = {"type": "tendermint/event/NewBlock", "value": value}
    result = {"query": event_filter.QUERIES[1], "data": data, "events": events}
    return {"jsonrpc": "2.0", "id": 2, "result": result}


def transaction(*names: str) -> dict[str, Any]:
    value = {"TxResult": {"height": "43", "tx": "Cg==", "result": {}}}
    events = {"tm.event": ["Tx"], "tx.height": ["43"], **{name: ["0"] for name in names}}
    data = {"type": "tendermint/event/Tx", "value": value}
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"query": event_filter.QUERIES[0], "data": data, "events": events},
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (block("mint.amount", "coin_spent.spender"), None),
        (
            block("consumer_client_created.consumer_id", "mint.amount"),
            (42, ("consumer_client_created",), ZERO),
        ),
        (block("slash.address", "slash.power"), (42, ("slash",))),
        (transaction("opt_in.consumer_id", "message.action"), (43, ("opt_in",), ZERO)),
        (
            transaction("create_consumer.consumer_id", "assign_consumer_key.consumer_id"),
            (43, ("assign_consumer_key", "create_consumer"), ZERO),
        ),
        (transaction("edit_validator.commission_rate"), (43, ("edit_validator",))),
        (transaction("transfer.amount", "opt_in_not.consumer_id"), None),
    ],
)
def test_message_is_read_as_relevant_event_or_ignored(
    message: dict[str, Any], expected: tuple[Any, ...] | None
) -> None:
    assert event_filter.read(message) == (None if expected is None else event_filter.ChainEvent(*expected))


@pytest.mark.parametrize(
    "events",
    [
        {"opt_in.submitter_address": ["a"]},
        {"opt_in.consumer_id": []},
        {"opt_in.consumer_id": "7"},
        {"opt_in.consumer_id": ["7", "x"]},
        {"opt_in.consumer_id": ["7"], "opt_out.submitter_address": ["a"]},
        {"opt_in.consumer_id": [str(number) for number in range(5000)]},
    ],
)
def test_event_about_chains_that_it_does_not_name_may_be_about_any(events: dict[str, Any]) -> None:
    message = transaction()
    message["result"]["events"] |= events
    found = event_filter.read(message)
    assert found is not None
    assert (found.consumer_ids, found.concerns_all) == (frozenset(), True)


def test_event_names_all_chains_of_its_transaction() -> None:
    message = transaction()
    message["result"]["events"] |= {"opt_in.consumer_id": ["1", "2"], "opt_out.consumer_id": ["3"]}
    types = ("opt_in", "opt_out")
    assert event_filter.read(message) == event_filter.ChainEvent(43, types, frozenset("123"))


def test_only_client_creation_is_a_launch_event() -> None:
    found = [
        event_filter.read(block(f"{name}.consumer_id")) for name in ("consumer_client_created", "opt_in")
    ]
    assert [tidings is not None and tidings.is_launch for tidings in found] == [True, False]


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Internal error"}},
        {"result": {"data": {"type": "tendermint/event/Vote", "value": {}}, "events": {"opt_in.a": ["b"]}}},
        {"result": {"data": None, "events": None}},
        block("opt_in.consumer_id", height=None),
    ],
)
def test_message_without_block_has_no_height_and_no_event(message: dict[str, Any]) -> None:
    assert (event_filter.height(message), event_filter.read(message)) == (None, None)
