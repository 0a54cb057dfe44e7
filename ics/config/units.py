"""Durations, prices and quantities, as settings write them; pure."""

import re
from typing import Annotated

import pydantic

_DURATION = re.compile(r"^(\d+)(s|m|h|d)$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PRICE = r"^\d+(\.\d+)?[a-zA-Z][a-zA-Z0-9/:._-]{1,127}$"
"""Pattern of an amount with its denomination."""
QUANTITY = r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
"""Pattern of an amount as Kubernetes writes it."""


def seconds(text: object) -> int:
    """Turn `30s`, `5m`, `2h` or `1d` into seconds.

    Raises:
        ValueError: the text is no duration.
    """
    match = _DURATION.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a whole number and s, m, h or d, such as 30s")
    return int(match[1]) * _SECONDS[match[2]]


Duration = Annotated[
    int, pydantic.BeforeValidator(seconds), pydantic.PlainSerializer(lambda count: f"{count}s")
]
"""Seconds, written as `30s`, `5m`, `2h` or `1d`."""
