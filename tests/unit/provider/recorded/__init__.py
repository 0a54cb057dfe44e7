"""Answers of a real provider chain (interchain-security v7.0.1); made by tests.network.record."""

import json
import pathlib
from typing import Any

from ics.config import endpoint
from ics.cosmos import answers
from ics.provider import gateway

_FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))


def record(name: str) -> dict[str, Any]:
    """Path, height, HTTP status and body (text) of one question and its answer."""
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return found


def body(name: str) -> dict[str, Any]:
    """The answer's JSON."""
    found: dict[str, Any] = json.loads(record(name)["body"])
    return found


def answer(name: str) -> answers.Field:
    """The answer in a file, checked as the gateway's answers are."""
    found = record(name)
    request = gateway.RestRequest(found["path"], height=found["height"])
    value = gateway.read(
        request, endpoint.Endpoint(url="http://node:1317"), found["status"], found["body"].encode()
    )
    return answers.Field(str(request), value)
