"""Endpoints whose answers are not the chain's own: a healthy one is asked, whatever they say."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors
from ics.config import endpoint
from ics.provider import gateway
from tests.unit.provider import fake
from tests.unit.provider.rest import test_queries

HTML = "<html><body>Access denied</body></html>"
VALIDATORS, CHAINS = "/staking/v1beta1/validators", "/consumer_chains/0"


def broken(part: str, status: int, body: str) -> fake.Gateway:
    return test_queries.gate(broken={part: (status, body)})


async def snapshot(**gateways: fake.Gateway) -> Any:
    async with test_queries.ask(fake.Network(**gateways)) as provider:
        await provider.open()
        found = await provider.snapshot(test_queries.ME, test_queries.everything)
        return found, [str(condition.message) for condition in provider.conditions()]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, HTML),
        (200, HTML),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, json.dumps({"message": "API rate limit exceeded"})),
        (200, "[" * 200_000),
        (401, json.dumps({"code": 16, "message": "invalid API key"})),
        (403, json.dumps({"code": 403, "message": "forbidden"})),
        (404, "not found"),
        (302, ""),
        (429, ""),
        (500, json.dumps({"code": 13, "message": "leveldb: closed", "details": []})),
        (
            500,
            json.dumps(
                {"code": 2, "message": "height 7 is not available, lowest height is 9", "details": []}
            ),
        ),
        (503, HTML),
        (200, json.dumps({"validators": [{"tokens": "\ud800"}], "pagination": {"next_key": None}})),
        (200, json.dumps({"validators": 10**4000, "pagination": {"next_key": None}})),
    ],
)
@pytest.mark.parametrize(
    "part", [VALIDATORS, CHAINS, "/opted_in_validators/", "/consumer_chains_per_validator/"]
)
async def test_answer_that_is_not_the_chains_own_is_replaced_by_that_of_the_next_endpoint(
    part: str, status: int, body: str
) -> None:
    found, told = await snapshot(bad=broken(part, status, body), good=test_queries.gate())

    assert found == test_queries.SNAPSHOT
    assert len(told) == 1
    assert told[0].startswith("ics:provider.rest: http://bad is not used (")


async def test_error_is_permanent_only_if_all_endpoints_answer_so() -> None:
    page = broken(VALIDATORS, 403, HTML)
    with pytest.raises(gateway.Foreign, match="check that this is the REST address"):
        await snapshot(a=page, b=broken(VALIDATORS, 200, HTML))
    with pytest.raises(errors.Transient, match="no other endpoint is usable now"):
        await snapshot(a=page, b=test_queries.gate(is_down=True))


async def test_chain_that_no_endpoint_can_decode_does_not_stop_the_others() -> None:
    odd = {"/consumer_chain/2": (200, "{}")}
    found, _ = await snapshot(a=test_queries.gate(broken=odd), b=test_queries.gate(broken=odd))
    assert list(found.problems) == ["2"]

    found, _ = await snapshot(a=test_queries.gate(broken=odd), b=test_queries.gate(is_down=True))
    assert list(found.problems) == ["2"]


async def test_endpoint_that_limits_the_rate_is_left_alone_for_as_long_as_it_asks() -> None:
    request = gateway.RestRequest("/x")
    busy = test_queries.gate(broken={"/x": (429, "slow down")})
    async with test_queries.ask(fake.Network(busy=busy)) as provider:
        await provider.open()
        busy.retry_after = "30"
        for _ in range(3):
            with pytest.raises(gateway.RateLimited, match="HTTP 429"):
                await provider.endpoints.ask(request)

    assert [path for path, _ in busy.asked].count("/x") == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("999999999", 60.0), ("Sat, 28 Nov 2026 12:00:00 GMT", 60.0), ("-1", 60.0), ("", None)],
)
def test_retry_after_is_honoured_within_limits(text: str, seconds: float | None) -> None:
    assert gateway._seconds(text) == seconds


JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
ANSWERED = (
    "validators",
    "chains",
    "pagination",
    "consumer_ids",
    "phase",
    "next_key",
    "code",
    "message",
    "details",
)
SHAPED = strategies.dictionaries(strategies.sampled_from(ANSWERED), JSON, max_size=5)


@hypothesis.given(
    part=strategies.sampled_from(["node_info", "v1beta1/status", VALIDATORS, CHAINS, "/consumer_chain/"]),
    status=strategies.sampled_from([200, 200, 200, 301, 400, 404, 429, 500, 501]),
    body=strategies.text() | JSON.map(json.dumps) | SHAPED.map(json.dumps),
)
@hypothesis.settings(max_examples=200, deadline=None)
async def test_no_answer_of_one_endpoint_keeps_a_healthy_one_from_being_used(
    part: str, status: int, body: str
) -> None:
    refuses = status in (400, 404, 500, 501) and part == "/consumer_chain/"
    bad = broken(part, status, body)

    try:
        found, _ = await snapshot(bad=bad, good=test_queries.gate())
    except gateway.Refused:
        assert status >= 400  # the chain's own refusal, as far as anybody can tell
        return

    assert found == test_queries.SNAPSHOT or refuses or set(found.problems) <= {"1", "2", "10"}


@hypothesis.given(status=strategies.integers(200, 599), body=strategies.binary(max_size=200))
@hypothesis.settings(max_examples=300, deadline=None)
def test_reading_an_answer_raises_nothing_but_declared_errors(status: int, body: bytes) -> None:
    said = ""
    try:
        gateway.read(gateway.RestRequest("/x"), endpoint.Endpoint(url="http://a"), status, body)
    except errors.IcsError as error:
        said = str(error)
    assert said.isprintable()
