"""Inputs that fuzzing, or reading for it, has found: each ended a pass with an exception that nobody declared."""

import base64
import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from ics import errors, model
from ics.cluster.nodes import consensus
from ics.cluster.state import relayer_record
from ics.config import chain_definition
from ics.consumer import genesis
from ics.cosmos import answers
from ics.provider.rest import decode, stopped_at
from ics.relayer import ibc
from tests.unit import factories
from tests.unit.provider import recorded

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def field(value: object) -> answers.Field:
    return answers.Field("q", value)


@pytest.mark.parametrize("address", [[], {}, 5, None, True])
def test_address_of_another_type_is_malformed(address: object) -> None:
    answer = recorded.body("validators")
    answer["validators"][0]["operator_address"] = address
    with pytest.raises(
        answers.MalformedAnswer, match=r"validators\[0\].operator_address is .*, not an operator"
    ):
        decode.validators(field(answer))


def dump(votes: object) -> answers.Field:
    member = {"address": "AB" * 20, "voting_power": "1"}
    state = {"height": "8", "round": 0, "validators": {"validators": [member]}, "votes": votes}
    return field({"round_state": state})


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 20])
def test_vote_of_thousands_of_digits_is_no_vote(number: str) -> None:
    votes = [{"prevotes": [f"Vote{{0:AB {number}/00/SIGNED_MSG_TYPE_PREVOTE(Prevote) x}}"]}]
    assert consensus.view(dump(votes), 7).votes == ()


def test_votes_of_another_type_are_malformed() -> None:
    with pytest.raises(answers.MalformedAnswer, match=r"prevotes is 5, not a list"):
        consensus.view(dump([{"prevotes": 5}]), 7)


def test_client_of_the_last_year_expires_at_its_end() -> None:
    state = {"chain_id": "c", "trusting_period": "8000000000s", "frozen_height": {"revision_height": "0"}}
    newest = {"consensus_state": {"timestamp": "9999-12-31T23:59:59Z"}}
    client = ibc.client("07-tendermint-0", field(state), field(newest))
    assert not client.is_expired(NOW)
    assert client.refresh_from.year == client.expires.year == 9999


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 0])
def test_removal_time_that_no_calendar_has_is_malformed(seconds: int) -> None:
    request = stopped_at.request("0", 33)
    raw = b"\x01" + seconds.to_bytes(8, "big", signed=True) + bytes(6)
    answer = {
        "code": 0,
        "log": "",
        "key": request.params["data"],
        "value": base64.b64encode(raw).decode(),
        "height": "33",
    }
    with pytest.raises(answers.MalformedAnswer, match="a time between the years 1 and 9999"):
        stopped_at.decode(field(answer), request, 1_814_400)


def test_deep_output_of_hermes_is_no_result() -> None:
    pod = {"status": {"containerStatuses": [{"state": {"terminated": {"message": "[" * 3000}}}]}}
    assert relayer_record.last_words(pod) == "[" * 400


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def with_address(document: dict[str, Any]) -> None:
    document["app_state"]["auth"]["accounts"].append({"address": []})


def with_coins(document: dict[str, Any]) -> None:
    address = factories.funded("bob")
    document["app_state"]["bank"]["balances"].append({"address": address, "coins": 5})


def with_depth(document: dict[str, Any]) -> None:
    document["app_state"]["deep"] = deep(500)


def built(document: dict[str, Any], ccv: dict[str, Any]) -> bytes:
    definition = factories.example().definition
    loaded = chain_definition.LoadedDefinition(definition, json.dumps(document).encode())
    launch = model.Launch(ccv, tuple(factories.validator(name).details for name in factories.NAMES))
    return genesis.build_genesis(loaded, "consumer1-1", factories.joined("alice", "bob"), launch)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (with_coins, "5 is not a list of coins; fix the file"),
        (with_depth, "nested too deeply"),
    ],
)
def test_base_genesis_of_another_shape_is_refused(
    change: Callable[[dict[str, Any]], None], text: str
) -> None:
    loaded = factories.example()
    assert loaded.genesis is not None
    document = factories.genesis_document(loaded.genesis)
    change(document)
    with pytest.raises(errors.Permanent, match=text):
        built(document, factories.ccv("alice", "bob"))


def test_account_with_another_type_of_address_is_passed_over() -> None:
    loaded = factories.example()
    assert loaded.genesis is not None
    document = factories.genesis_document(loaded.genesis)
    with_address(document)
    assert built(document, factories.ccv("alice", "bob"))


@pytest.mark.parametrize("params", ["x", 5, [1]])
def test_ccv_state_of_another_shape_is_refused(params: object) -> None:
    loaded = factories.example()
    assert loaded.genesis is not None
    ccv = {**factories.ccv("alice", "bob"), "params": params}
    with pytest.raises(errors.SettingsError, match="params is missing or malformed"):
        built(factories.genesis_document(loaded.genesis), ccv)
