"""The shipped rules with every duration divided by one factor, so that a test need not wait for minutes."""

import re
from typing import Any

from ics.monitoring import rules

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"\[(\d+)([smhd])\]")
_THRESHOLD = re.compile(r"(?<=[<>,] )(600|900|3600|86400|345600)\b")
"""Seconds with which expressions compare an age or a time that is left."""


def divided(factor: float) -> dict[str, Any]:
    """Return the rules file with every `for`, window and threshold of time divided by a factor.

    Args:
        factor: what is held for a minute is held for `60 / factor` seconds, but at least one.
    """
    document = rules.rules()
    for rule in document["groups"][0]["rules"]:
        if "for" in rule:
            rule["for"] = f"{max(1.0, seconds(rule['for']) / factor) * 1000:.0f}ms"
        windowed = _WINDOW.sub(
            lambda found: f"[{max(5.0, seconds(found[1] + found[2]) / factor) * 1000:.0f}ms]", rule["expr"]
        )
        rule["expr"] = _THRESHOLD.sub(lambda found: f"{int(found[1]) / factor:g}", windowed)
    return document


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as `5m`."""
    return float(duration[:-1]) * _UNITS[duration[-1]]
