"""The fake provider answers every recorded query in the same form as the real one."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.unit.provider import fake, recorded

LAUNCHED_SET = {1: (fake.key(11), 300_000), 2: (fake.key(2), 2_000)}
VALIDATORS = (
    fake.Validator(1, 300_000_000_000, "p2p=10.0.0.1:26656"),
    fake.Validator(2, 2_000_000_000, 'my text "p2p":"[fd00::2]:26656"'),
    fake.Validator(3, 1_000_000_000),
)
"""alice, bob and charlie of the recording."""
MUST_VALIDATE_NONE = "must_validate_none"
EMPTY = "consumer_chains_empty"
HEIGHTS = {"removal_time": 344, "queued_terms": 33, "queued_terms_none": 32}
"""Of queries that take it as a parameter."""
STOPPED = re.compile(r"_stopped$")


def consumers(name: str) -> dict[int, fake.Consumer]:
    """The chains as they were when the answer of that name was recorded."""
    if name == EMPTY:
        return {}
    is_stopped = STOPPED.search(name) is not None
    launched = fake.Consumer(
        "launched-3",
        "LAUNCHED",
        "07-tendermint-0",
        spawn_time="2026-11-22T12:30:44.563937Z",
        opted_in=(1, 2),
        validators=LAUNCHED_SET,
        assigned={1: fake.key(11)},
        must=() if name == MUST_VALIDATE_NONE else (1, 2),
        genesis=recorded.body("consumer_genesis_launched")["genesis_state"],
        binary_hash=b"binary",
    )
    return {
        0: fake.Consumer(
            "registered-1",
            "REGISTERED",
            genesis_hash=None,
            removal=b"a time",
            queued=b"terms" if name == "queued_terms" else b"",
        ),
        1: fake.Consumer(
            "initialized-2",
            "INITIALIZED",
            spawn_time="2026-11-22T13:30:44.563937Z",
            opted_in=(1,),
            validators={1: (fake.key(11), 300_000)},
            assigned={1: fake.key(11)},
            binary_hash=b"binary",
        ),
        2: launched,
        3: fake.Consumer(
            "doomed-4",
            "STOPPED" if is_stopped else "DELETED",
            "07-tendermint-1",
            spawn_time="2026-11-22T12:30:44.563937Z",
            genesis=recorded.body("consumer_genesis_stopped")["genesis_state"] if is_stopped else None,
            binary_hash=b"binary",
        ),
    }


def asked(question: dict[str, Any], name: str) -> httpx.Response:
    """Ask the fake what the real one was asked."""
    state = fake.State("2026-11-22T12:31:06.515702358Z", VALIDATORS, consumers(name))
    heights = (HEIGHTS[name],) if name in HEIGHTS else range(50, 64)
    gateway = fake.Gateway({height: state for height in heights}, earliest=min(heights))
    number = 2 if name == "consumer_addr_none" else 1
    path = re.sub(r"cosmosvalcons1[0-9a-z]+", fake.valcons(number), question["path"])
    if "pagination.key=" in path:
        path = re.sub(r"pagination.key=[^&]+", "pagination.key=Mg%3D%3D", path)
    headers = {} if question["height"] is None else {"x-cosmos-block-height": str(question["height"])}
    return gateway.answer(httpx.Request("GET", f"http://one{path}", headers=headers))


def form(value: Any) -> Any:
    """What of an answer is the same on every chain: its keys, and the types of its values."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [form(inner) for inner in value]
    return type(value).__name__


@pytest.mark.parametrize("name", recorded.NAMES)
def test_fake_answers_like_recorded_gateway(name: str) -> None:
    question = recorded.record(name)

    answer = asked(question, name)

    found, real = answer.json(), json.loads(question["body"])
    assert answer.status_code == question["status"]
    if "message" in real:  # a refusal is told word for word, heights apart
        assert (found["code"], numbers(found["message"])) == (real["code"], numbers(real["message"]))
    else:
        assert form(found) == form(real)


def numbers(text: str) -> str:
    return re.sub(r"\b\d{2,}\b", "N", text)
