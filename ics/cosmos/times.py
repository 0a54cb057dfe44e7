"""Times as the chains write them: RFC 3339 in UTC, with up to nine decimals; pure."""

import re
from datetime import datetime

from ics import errors

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?Z")


def check_time(text: str) -> str:
    """`text` itself, when CometBFT reads it as a time: RFC 3339 in UTC, up to nanoseconds.

    Raises:
        SettingsError: another form or no such time.
    """
    found = _TIME.fullmatch(text)
    try:
        if found:
            datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S")
            return text
    except ValueError:
        pass
    raise errors.SettingsError(
        f"time {text!r} is not RFC 3339 in UTC: write it like 2026-01-02T15:04:05.123Z"
    )
