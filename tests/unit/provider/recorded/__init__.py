"""Answers of a real provider chain (interchain-security v7.0.1); made by tests.network.record."""

import json
import pathlib

from ics.provider import decode, gateway


def answer(name: str) -> decode.Field:
    """The answer in a file, checked as the gateway's answers are."""
    record = json.loads((pathlib.Path(__file__).parent / f"{name}.json").read_text())
    request = gateway.Request(record["path"], height=record["height"])
    value = gateway.read(request, "http://node:1317", record["status"], record["body"].encode())
    return decode.Field(str(request), value)
