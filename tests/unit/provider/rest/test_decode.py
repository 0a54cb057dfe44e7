"""Decoding of recorded answers; malformed ones are refused with the query and the field."""

import base64
import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ics import errors, model
from ics.config import endpoint
from ics.cosmos import addresses, answers, times
from ics.provider import gateway, heads
from ics.provider.rest import decode
from tests.unit import factories
from tests.unit.provider import recorded

ALICE = "cosmosvalcons17pgcvv86ltvsa76jlf0kzazmhq8mjmu4jff0ue"
BOB = "cosmosvalcons1sruj8lmqjqkuwv6pv7sgdvmrxd782z3rjn6n0w"
OWNER = "cosmos1rke6avzc3ejszv72xhhc9kkfejv8jd9575zqs4"
CONSUMER_KEY = base64.b64decode("Ui5Gf1+mtWUdH8u3xlmzdKID+F3PK0sfXZ73GZ6q6is=")


def test_head_has_height_of_committed_state() -> None:
    found = decode.head(recorded.answer("node_info"), recorded.answer("status"))

    assert found == heads.Head("provider-1", 63, "2026-11-22T12:31:06.515702358Z")


def test_validators_are_decoded_with_keys_and_details() -> None:
    found = decode.validators(recorded.answer("validators"))

    assert [(v.moniker, v.consensus_address, v.details, v.tokens) for v in found] == [
        ("bob", BOB, 'my text "p2p":"[fd00::2]:26656"', 2_000_000_000),
        ("charlie", found[1].consensus_address, "", 1_000_000_000),
        ("alice", ALICE, "p2p=10.0.0.1:26656", 300_000_000_000),
    ]
    assert found[0] == model.Validator(
        operator_address="cosmosvaloper1ry9pjrwdht2tcjg9tc8ag0wg5nfnsx346v5c82",
        consensus_address=BOB,
        consensus_key=base64.b64decode("e80RSua0ZY+uJG4dRx0p0B0wtS7PGGBR5rEqzCcsKmg="),
        moniker="bob",
        details='my text "p2p":"[fd00::2]:26656"',
        tokens=2_000_000_000,
        is_bonded=True,
        is_jailed=False,
    )


def test_pages_together_equal_the_whole_list() -> None:
    pages = [recorded.answer("validators_page1"), recorded.answer("validators_page2")]

    assert [answers.next_key(page) != "" for page in pages] == [True, False]
    assert [v for page in pages for v in decode.validators(page)] == decode.validators(
        recorded.answer("validators")
    )


def test_consumer_chains_of_all_phases_are_decoded() -> None:
    def summary(consumer_id: str, chain_id: str, phase: model.Phase, client_id: str) -> model.ConsumerSummary:
        return model.ConsumerSummary(
            consumer_id=consumer_id,
            chain_id=chain_id,
            phase=phase,
            client_id=client_id,
            top_n=0,
            name=f"name of {chain_id}",
        )

    assert decode.consumer_chains(recorded.answer("consumer_chains")) == [
        summary("0", "registered-1", model.Phase.REGISTERED, ""),
        summary("1", "initialized-2", model.Phase.INITIALIZED, ""),
        summary("2", "launched-3", model.Phase.LAUNCHED, "07-tendermint-0"),
        summary("3", "doomed-4", model.Phase.DELETED, ""),
    ]
    assert decode.consumer_chains(recorded.answer("consumer_chains_empty")) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "registered",
            model.ConsumerDetail(
                owner=OWNER,
                spawn_time=None,
                initial_height=1,
                genesis_hash=b"",
                binary_hash=b"",
                unbonding_period=1_728_000,
                connection_id="",
                opted_in=frozenset(),
                validators=(),
                own_consumer_address=None,
                infraction_parameters=factories.MILD,
            ),
        ),
        (
            "launched",
            model.ConsumerDetail(
                owner=OWNER,
                spawn_time="2026-11-22T12:30:44.563937Z",
                initial_height=1,
                genesis_hash=b"genesis hash",
                binary_hash=b"binary hash",
                unbonding_period=15,
                connection_id="",
                opted_in=frozenset({ALICE, BOB}),
                validators=(
                    model.ConsumerValidator(
                        BOB, base64.b64decode("e80RSua0ZY+uJG4dRx0p0B0wtS7PGGBR5rEqzCcsKmg="), 2_000
                    ),
                    model.ConsumerValidator(ALICE, CONSUMER_KEY, 300_000),
                ),
                own_consumer_address=addresses.consensus_address(CONSUMER_KEY),
                infraction_parameters=factories.MILD,
            ),
        ),
    ],
)
def test_consumer_detail_of_each_phase_is_decoded(name: str, expected: model.ConsumerDetail) -> None:
    found = decode.consumer_detail(
        recorded.answer(f"consumer_chain_{name}"),
        decode.opted_in(recorded.answer(f"opted_in_{name}")),
        decode.consumer_validators(recorded.answer(f"consumer_validators_{name}")),
        decode.consumer_address(recorded.answer(f"consumer_addr_{name}")),
    )

    assert found == expected


def test_slashing_params_are_decoded() -> None:
    assert decode.slashing_params(recorded.answer("slashing_params")) == factories.SLASHING


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ([], ..., model.InfractionParameters()),
        ([], None, model.InfractionParameters()),
        (["downtime"], None, dataclasses.replace(factories.MILD, downtime=None)),
        (["double_sign"], ..., dataclasses.replace(factories.MILD, double_sign=None)),
        (
            ["downtime", "slash_fraction"],
            "0.123456789012345678",
            dataclasses.replace(
                factories.MILD,
                downtime=model.Penalty(
                    slash_fraction=Decimal("0.123456789012345678"),
                    jail_duration=600 * times.SECOND,
                    tombstone=False,
                ),
            ),
        ),
    ],
)
def test_infraction_parameters_are_decoded_exactly(
    path: list[Any], value: object, expected: model.InfractionParameters
) -> None:
    chain = broken("consumer_chain_launched", ["infraction_parameters", *path], value)

    detail = decode.consumer_detail(chain, frozenset(), (), None)

    assert (detail.infraction_parameters, detail.infraction_problem) == (expected, "")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ([], 7, "field infraction_parameters is 7, not an object"),
        (["downtime"], [], "field infraction_parameters.downtime is [], not an object with 'slash_fraction'"),
        (["downtime", "slash_fraction"], "-0.1", "slash_fraction is '-0.1', not a decimal number"),
        (["downtime", "slash_fraction"], 0.1, "slash_fraction is 0.1, not text"),
        (["double_sign", "jail_duration"], "600", "jail_duration is '600', not a duration such as 540s"),
        (["double_sign", "jail_duration"], "9223372036.854775808s", "not a duration such as 540s"),
        (["double_sign", "tombstone"], "yes", "tombstone is 'yes', not true or false"),
    ],
)
def test_malformed_infraction_parameter_is_a_problem_of_the_terms_only(
    path: list[Any], value: object, says: str
) -> None:
    chain = broken("consumer_chain_launched", ["infraction_parameters", *path], value)

    detail = decode.consumer_detail(chain, frozenset(), (), None)

    assert detail.infraction_parameters == model.InfractionParameters()
    assert detail.infraction_problem.startswith("field infraction_parameters")
    assert says in detail.infraction_problem
    assert detail.owner == OWNER


def test_initialized_chain_has_forecast_of_its_validators() -> None:
    found = decode.consumer_validators(recorded.answer("consumer_validators_initialized"))

    assert found == (model.ConsumerValidator(ALICE, CONSUMER_KEY, 300_000),)


def test_consumer_ids_to_validate_are_decoded() -> None:
    assert decode.consumer_ids(recorded.answer("must_validate_none")) == frozenset()
    assert decode.consumer_ids(recorded.answer("must_validate_one")) == frozenset({"2"})


def test_genesis_state_is_not_changed() -> None:
    found = decode.genesis_state(recorded.answer("consumer_genesis_launched"))

    assert found["params"]["consumer_id"] == "2"
    assert found["provider"]["client_state"]["latest_height"] == {
        "revision_number": "1",
        "revision_height": "31",
    }


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("consumer_chain_unknown", gateway.Refused, "cannot retrieve chain id for consumer id: 99"),
        ("opted_in_stopped", gateway.Refused, "HTTP 400, unknown consumer chain: 3"),
        ("consumer_genesis_initialized", gateway.NotFound, "HTTP 404, 1: no consumer chain with this"),
        (
            "future",
            errors.Transient,
            "height in the future; please provide a valid height: the endpoint is behind",
        ),
        ("pruned", gateway.Pruned, "validators at height 3: HTTP 500"),
        ("not_served", gateway.Refused, "HTTP 501, Not Implemented"),
    ],
)
def test_recorded_chain_error_has_its_class_and_text(
    name: str, kind: type[errors.IcsError], says: str
) -> None:
    with pytest.raises(errors.IcsError) as caught:
        recorded.answer(name)

    assert type(caught.value) is kind
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, b"<html>", gateway.Foreign, "is not a JSON object"),
        (200, b"[]", gateway.Foreign, "is not a JSON object"),
        (502, b"<html>bad gateway", errors.Transient, "HTTP 502: the endpoint is failing"),
        (429, b"", gateway.RateLimited, "HTTP 429"),
        (403, b"forbidden", gateway.Foreign, "HTTP 403; check that this is the REST address"),
        (503, b'{"code":14,"message":"connection error"}', errors.Transient, "HTTP 503, connection error"),
        (500, b'{"code":13,"message":"a\\n  b\\u001b[31m"}', gateway.Failed, "HTTP 500, a b\\x1b[31m"),
        (400, b'{"code":3,"message":""}', gateway.Refused, "HTTP 400"),
    ],
)
def test_endpoint_error_names_request_and_hides_credentials(
    status: int, body: bytes, kind: type[errors.IcsError], says: str
) -> None:
    request = gateway.RestRequest("/x", {"pagination.key": "a+b="}, 7)

    with pytest.raises(errors.IcsError) as caught:
        gateway.read(
            request, endpoint.Endpoint(url="https://user:hidden@node:1/api?key=hidden"), status, body
        )

    assert type(caught.value) is kind
    assert str(caught.value).startswith("https://node:1/…: /x?pagination.key=a%2Bb%3D at height 7")
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)


def broken(name: str, path: list[Any], value: object) -> answers.Field:
    """A recorded answer with one field changed."""
    field = recorded.answer(name)
    whole = json.loads(json.dumps(field.value))
    at = whole
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return answers.Field(field.query, whole)


def own_validator(answer: answers.Field) -> model.Validator:
    return decode.validator(answer["validators"].first())


@pytest.mark.parametrize(
    ("read", "name", "path", "value", "says"),
    [
        (
            decode.validators,
            "validators",
            ["validators", 1, "tokens"],
            "1.5",
            "validators[1].tokens is '1.5'",
        ),
        (decode.validators, "validators", ["validators", 0, "tokens"], -1, "validators[0].tokens is -1"),
        (decode.validators, "validators", ["validators", 0, "tokens"], "1\n", r"tokens is '1\n'"),
        (
            decode.validators,
            "validators",
            ["validators", 0, "jailed"],
            "no",
            "[0].jailed is 'no', not true or false",
        ),
        (
            decode.validators,
            "validators",
            ["validators", 0, "operator_address"],
            "x",
            "not an operator address",
        ),
        (own_validator, "validators", ["validators", 0, "consensus_pubkey"], None, "not an ed25519 key"),
        (
            decode.validators,
            "validators",
            ["validators", 0, "description"],
            ...,
            "not an object with 'description'",
        ),
        (decode.validators, "validators", ["validators"], {}, "field validators is {}, not a list"),
        (
            decode.consumer_validators,
            "consumer_validators_launched",
            ["validators", 0, "consumer_key", "ed25519"],
            "AAAA",
            "not an ed25519 key of 32 bytes",
        ),
        (
            decode.consumer_validators,
            "consumer_validators_launched",
            ["validators", 0, "consumer_key", "ed25519"],
            "%",
            "not base64",
        ),
        (
            decode.consumer_address,
            "consumer_addr_launched",
            ["consumer_address"],
            "cosmos1",
            "not a consensus address",
        ),
        (
            decode.genesis_state,
            "consumer_genesis_launched",
            ["genesis_state"],
            None,
            "field genesis_state is None",
        ),
        (answers.next_key, "validators_page1", ["pagination"], ..., "field (whole)"),
    ],
)
def test_malformed_answer_is_permanent_error_naming_the_field(
    read: Callable[[answers.Field], object], name: str, path: list[Any], value: object, says: str
) -> None:
    field = broken(name, path, value)

    with pytest.raises(errors.Permanent) as caught:
        read(field)

    assert str(caught.value).startswith(f"answer to {field.query}: field ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("spawn_time", "tomorrow", "init_params.spawn_time is 'tomorrow', not a time"),
        ("spawn_time", "2026-11-22T12:00:00", "not a time with its zone"),
        ("unbonding_period", "540", "init_params.unbonding_period is '540', not a duration"),
        ("genesis_hash", 7, "init_params.genesis_hash is 7, not text"),
    ],
)
def test_malformed_initialization_parameter_is_refused(field: str, value: object, says: str) -> None:
    chain = broken("consumer_chain_launched", ["init_params", field], value)

    with pytest.raises(errors.Permanent) as caught:
        decode.consumer_detail(chain, frozenset(), (), None)

    assert says in str(caught.value)


def test_duration_drops_fraction_of_a_second() -> None:
    assert answers.Field("q", "13.200s").seconds() == 13


def test_detail_without_connection_id_has_empty_connection() -> None:
    chain = broken("consumer_chain_launched", ["init_params", "connection_id"], ...)

    assert decode.consumer_detail(chain, frozenset(), (), None).connection_id == ""
