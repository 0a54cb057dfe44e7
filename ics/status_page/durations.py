"""Times and numbers in words; pure.

The script of the page counts on with the same words (`templates/live.js`).
"""

import datetime
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def words(seconds: float) -> str:
    """Return a duration in its two largest units, such as `2 d 4 h` or `11 min 30 s`."""
    whole = max(0, int(seconds))
    for index, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            first, rest = divmod(whole, size)
            text = f"{first} {unit}"
            if index + 1 < len(_UNITS):
                size, unit = _UNITS[index + 1]
                text += f" {rest // size} {unit}" if rest >= size else ""
            return text
    return "0 s"


def relative(moment: datetime.datetime, now: datetime.datetime) -> str:
    """Return a time as seen from now, such as `in 11 min 30 s` or `3 s ago`."""
    seconds = (moment - now).total_seconds()
    return f"in {words(seconds)}" if seconds >= 0 else f"{words(-seconds)} ago"


def number(value: float) -> str:
    """Return a number with its thousands apart, such as `48,211`."""
    return f"{value:,.0f}"


def size(value: float) -> str:
    """Return bytes in binary units, such as `12.4 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
