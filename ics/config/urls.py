"""Addresses: whether they are any, and as messages may show them; pure."""

import re
from urllib import parse

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def is_http(url: str) -> bool:
    """Whether it is an http or https address of a host, with a port from 1 to 65535 if it has one."""
    try:
        parts = parse.urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number or beyond 65535, brackets without an end
        return False
    return has_place and re.fullmatch(r"https?://[^/\s]\S*", url) is not None


def shown(url: str) -> str:
    """An address fit for messages: without user, password, query and fragment; also one that is malformed.

    A password may hold any character where nobody escaped it, so all up to the last `@` goes.
    """
    scheme = _SCHEME.match(url)
    start = scheme[0] if scheme else ""
    return start + re.split("[?#]", url.removeprefix(start).rpartition("@")[2])[0]


def websocket(rpc: str) -> str:
    """Address of the events of an RPC: `http://host:26657` gives `ws://host:26657/websocket`."""
    return re.sub(r"^http", "ws", rpc.rstrip("/")) + "/websocket"
