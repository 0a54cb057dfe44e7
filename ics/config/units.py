"""Durations, prices, quantities and peers, as settings write them; pure."""

import re
from typing import Annotated

import pydantic

from ics import errors
from ics.cosmos import coins, times

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_PEER = re.compile(r"[0-9a-f]{40}@[^@\s,]+:[0-9]{1,5}")


def parse_seconds(value: object) -> int:
    """Parse `30s`, `5m`, `2h` or `1d` into seconds.

    Raises:
        ValueError: the value is not a duration, or has a fraction of a second.
    """
    whole, fraction = divmod(times.parse_duration(str(value)), times.SECOND)
    if fraction:
        raise ValueError(f"invalid duration {value!r}; use whole seconds, e.g. 30s")
    return whole


def _price(text: str) -> str:
    try:
        coins.parse_price(text)
    except errors.SettingsError as error:
        # pydantic adds the key to a ValueError only.
        raise ValueError(str(error)) from error
    return text


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError(f"invalid quantity {text!r}; use a number and a unit, e.g. 10Gi")
    return text


def _peer(text: str) -> str:
    if not _PEER.fullmatch(text):
        raise ValueError("not a valid peer; use <node id>@<host>:<port>")
    return text


Duration = Annotated[
    int, pydantic.BeforeValidator(parse_seconds), pydantic.PlainSerializer(lambda count: f"{count}s")
]
"""Seconds, written as `30s`, `5m`, `2h` or `1d`."""
Price = Annotated[str, pydantic.AfterValidator(_price)]
"""Amount and denomination, such as 0.001stake."""
Quantity = Annotated[str, pydantic.AfterValidator(_quantity)]
"""An amount as Kubernetes writes it."""
Peer = Annotated[str, pydantic.AfterValidator(_peer)]
"""`<node id>@<host>:<port>`"""
