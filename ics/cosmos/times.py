"""Times in RFC 3339 and durations, as chains and settings write them; pure.

Chains count in nanoseconds and a `datetime` holds microseconds, so what is sent back to a chain is kept in
whole nanoseconds.
"""

import datetime
import re
from typing import Final

from ics import errors

SECOND: Final = 10**9
"""Nanoseconds."""
LONGEST: Final = 2**63 - 1
"""Nanoseconds of the longest duration that the chains' software, written in Go, can hold: about 292 years."""

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-5][0-9])"
)
_DURATION = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?([smhd])")
_UNITS: Final = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86400 * SECOND}
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def parse_time(text: str) -> datetime.datetime:
    """Parse an RFC 3339 time in any zone; what is finer than a microsecond is cut off.

    Raises:
        ValueError: the text has another format or no time zone, or the time does not exist.
    """
    whole, decimals = _parse(text)
    return whole + datetime.timedelta(microseconds=int(decimals[:6].ljust(6, "0")))


def parse_unix_time(text: str) -> tuple[int, int]:
    """Parse an RFC 3339 time into seconds since 1970 and nanoseconds.

    Raises:
        ValueError: as for `parse_time`, or the time is finer than a nanosecond.
    """
    whole, decimals = _parse(text)
    if len(decimals) > 9:
        raise ValueError(f"{text!r} has more than nine decimals")
    return (whole - _EPOCH) // datetime.timedelta(seconds=1), int(decimals.ljust(9, "0"))


def later(moment: datetime.datetime, period: datetime.timedelta) -> datetime.datetime:
    """Return the moment after a period, at most the end of the year 9999: a chain may name any time."""
    try:
        return moment + period
    except OverflowError:
        return datetime.datetime.max.replace(tzinfo=datetime.UTC)


def check_time(text: str) -> str:
    """Return `text` if CometBFT reads it as a time: RFC 3339 in UTC, up to nanoseconds.

    Raises:
        SettingsError: the text has another format, or the time does not exist.
    """
    try:
        parse_unix_time(text)
        is_utc = text.endswith("Z")
    except ValueError:
        is_utc = False
    if not is_utc:
        raise errors.SettingsError(
            f"invalid time {text!r}; use RFC 3339 in UTC, e.g. 2026-01-02T15:04:05.123Z"
        )
    return text


def parse_duration(text: str) -> int:
    """Parse `24h`, `540s`, `1.5s` or `2d` into nanoseconds.

    Raises:
        ValueError: the text has another form, or the duration is longer than `LONGEST`.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid duration {text!r}; use a number and a unit (s, m, h or d), e.g. 24h")
    whole, decimals, unit = match.groups()
    # In whole numbers: a duration that is sent back must be the very one that was read.
    nanoseconds = int(whole) * _UNITS[unit] + int((decimals or "").ljust(9, "0")) * _UNITS[unit] // SECOND
    if nanoseconds > LONGEST:
        raise ValueError(f"duration {text!r} is too long; the longest is {format_duration(LONGEST)}")
    return nanoseconds


def parse_proto_duration(text: str) -> int:
    """Parse a duration as protobuf writes it in JSON, such as `540s`, into nanoseconds.

    Raises:
        ValueError: the text has another form, or the duration is longer than `LONGEST`.
    """
    if not text.endswith("s"):
        raise ValueError(f"invalid duration {text!r}; expected seconds, e.g. 540s")
    return parse_duration(text)


def format_duration(nanoseconds: int, units: str = "hms") -> str:
    """Format nanoseconds in the first of these units that divides them; otherwise in decimal seconds."""
    for unit in units:
        if nanoseconds and nanoseconds % _UNITS[unit] == 0:
            return f"{nanoseconds // _UNITS[unit]}{unit}"
    whole, part = divmod(nanoseconds, SECOND)
    return f"{whole}.{part:09}".rstrip("0").rstrip(".") + "s"


def _parse(text: str) -> tuple[datetime.datetime, str]:
    """Split a time into whole seconds and decimals."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time in RFC 3339 with its zone")
    return datetime.datetime.fromisoformat(match[1] + match[3]), match[2] or ""
