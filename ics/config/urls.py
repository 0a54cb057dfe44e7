"""URLs: validation, and redaction for messages; pure."""

import re
from collections.abc import Sequence
from urllib import parse

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")


def is_http(url: str) -> bool:
    """Return whether a text is a valid http or https URL; its port, if any, is from 1 to 65535."""
    try:
        parts = parse.urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number or above 65535, or an unclosed bracket
        return False
    return has_host and re.fullmatch(r"https?://[^/\s]\S*", url) is not None and url.isprintable()


def redacted(url: str) -> str:
    """Return a URL, even a malformed one, for messages: its scheme, host and port.

    Everything else may be a credential: many endpoints have their API key in the path, others in the query or as user
    and password. Nothing is shown if an `@` follows the host, which may then be part of an unescaped password.
    """
    scheme = _SCHEME.match(url)
    start = scheme[0] if scheme else ""
    host, *rest = re.split("[/?#]", url.removeprefix(start), maxsplit=1)
    if "@" in "".join(rest):
        return f"{start}…"
    return start + host.rpartition("@")[2] + ("/…" if "".join(rest).strip("/") else "")


def host(url: str) -> str:
    """Return host and port of a valid URL, for metrics; the port only if the URL has one."""
    return parse.urlsplit(url).netloc.rpartition("@")[2]


def without(text: str, credentials: Sequence[str]) -> str:
    """Return a text of others without these credentials, and with every URL in it redacted.

    Args:
        text: for example the message of a server or a library, which may repeat what it was sent.
        credentials: longest first.
    """
    text = _IN_TEXT.sub(lambda match: redacted(match[0]), text)
    for credential in credentials:
        text = text.replace(credential, "…")
    return text


def joined(url: str, path: str, query: str = "") -> str:
    """Return the URL of a request below an endpoint: its path is inserted before the query that the endpoint has.

    Args:
        url: the endpoint, with credentials.
        path: with its leading slash, or empty.
        query: of the request, encoded.
    """
    before, _, own = url.partition("?")
    both = "&".join(part for part in (own, query) if part)
    return f"{before.rstrip('/')}{path}" + (f"?{both}" if both else "")


def websocket_url(rpc: str) -> str:
    """Return the event stream's URL of an RPC: `ws://host:26657/websocket` for `http://host:26657`."""
    return re.sub(r"^http", "ws", joined(rpc, "/websocket"))


def rpc_addresses(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return addresses of CometBFT's RPC as URLs: it takes tcp for http, and an address without a scheme, too.

    Raises:
        ValueError: one of them is not such an address.
    """
    bare = [address.removeprefix("tcp://") for address in addresses]
    found = tuple(address if "://" in address else f"http://{address}" for address in bare)
    for address, url in zip(addresses, found, strict=True):
        if not is_http(url) or "," in url:
            raise ValueError(f"{redacted(address)!r} is not an RPC address; use http://HOST:PORT")
    return found
