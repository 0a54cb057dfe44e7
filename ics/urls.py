"""Addresses as messages may show them; pure."""

import re

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def shown(url: str) -> str:
    """An address fit for messages: without user, password, query and fragment; also one that is malformed.

    A password may hold any character where nobody escaped it, so all up to the last `@` goes.
    """
    scheme = _SCHEME.match(url)
    start = scheme[0] if scheme else ""
    return start + re.split("[?#]", url.removeprefix(start).rpartition("@")[2])[0]
