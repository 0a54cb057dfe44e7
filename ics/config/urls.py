"""URLs: validation, and redaction for messages; pure."""

import re
from urllib import parse

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def is_http(url: str) -> bool:
    """Return whether a text is a valid http or https URL; its port, if any, is from 1 to 65535."""
    try:
        parts = parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number or above 65535, or an unclosed bracket
        return False
    return has_host and re.fullmatch(r"https?://[^/\s]\S*", url) is not None


def redacted(url: str) -> str:
    """Return a URL, even a malformed one, without its user, password, query and fragment.

    An unescaped password may contain any character, so everything up to the last `@` is removed.
    """
    scheme = _SCHEME.match(url)
    start = scheme[0] if scheme else ""
    return start + re.split("[?#]", url.removeprefix(start).rpartition("@")[2])[0]


def websocket_url(rpc: str) -> str:
    """Return the event stream's URL of an RPC: `ws://host:26657/websocket` for `http://host:26657`."""
    return re.sub(r"^http", "ws", rpc.rstrip("/")) + "/websocket"
