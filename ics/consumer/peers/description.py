"""Format of the entries in a validator's on-chain description, and peers computed from them; pure.

The description is free text; only these entries, anywhere in it, have a meaning::

    p2p=host[:port]   p2p=<40 hex>@host[:port]   "p2p":"host[:port]"     the validator's endpoint
    p2p.<consumer id>=host:port                                          for one consumer chain
    relayer=<bech32>  "relayer":"<bech32>"                               its relayer's account

IPv6 addresses are in brackets. Keys are independent: an invalid key, or one with two values, yields nothing
but an error with a remedy. Peers are never guessed.
"""

import functools
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ics import errors, plain_text
from ics.cosmos import addresses

MAX_DETAILS = 280
"""Bytes; the staking module's MaxDetailsLength."""
NOTHING_PUBLISHED = "no p2p=... in the description"

_KEY = re.compile(
    r"""(?P<plain>p2p(?:\.(?P<plain_id>[^\s=:"',;@]+))?|relayer)="""
    r"""|"(?P<json>p2p(?:\.(?P<json_id>[^\s=:"',;@]+))?|relayer)"\s*:\s*(?P<string>"(?P<inside>[^"]*)")?"""
)
_JOINED = re.compile(r"\w[-./@:=?&%+~#$]*\Z")
_OPENING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_NODE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CONSUMER_ID = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Endpoint of a node. `host` has no brackets, `node_id` is lower-case hex."""

    host: str
    port: int | None
    node_id: str | None

    def __str__(self) -> str:
        """Return the published form, `[<node id>@]host[:port]`."""
        node = f"{self.node_id}@" if self.node_id else ""
        return node + format_host(self.host) + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Content of one description. `port` is that of the provider node and not used for consumers."""

    host: str | None = None
    port: int | None = None
    node_id: str | None = None
    relayer: str | None = None
    by_consumer: Mapping[str, Endpoint] = field(default_factory=dict)
    error: str | None = None
    relayer_error: str | None = None
    """The part of `error` that concerns the relayer."""
    broken: frozenset[str] = frozenset()
    """Consumer ids whose own entry is invalid; the general entry must not replace it."""

    def endpoint_of(self, consumer_id: str, port: int) -> Endpoint | None:
        """Return the endpoint of this validator's node of one chain, or None if it is unknown.

        Args:
            consumer_id: the chain.
            port: its computed p2p port, used unless the description has a separate entry for the chain.
        """
        own = self.by_consumer.get(consumer_id)
        if own is not None:
            return Endpoint(own.host, own.port, own.node_id or self.node_id)
        if self.host is None or consumer_id in self.broken:
            return None
        return Endpoint(self.host, port, self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DescriptionEntry:
    key: str
    """`p2p`, `p2p.<consumer id>` or `relayer`."""
    value: str
    start: int
    end: int
    is_json: bool


class _InvalidEntryError(Exception):
    """Invalid entry; the text contains the problem, quoted as it was published, and the remedy."""


@functools.lru_cache(maxsize=4096)  # a pass parses each validator's text once per chain
def parse(details: str) -> Published:
    """Parse a description. Problems do not raise, but are returned as one line in `error`."""
    values: dict[str, list[Endpoint | str]] = {}
    problems: dict[str, str] = {}
    for entry in _entries(details):
        try:
            value = _value_of(entry)
        except _InvalidEntryError as broken:
            problems.setdefault(entry.key, plain_text.visible(str(broken)))
            continue
        found_values = values.setdefault(entry.key, [])
        if value not in found_values:
            found_values.append(value)
    for key, found_values in values.items():
        if len(found_values) > 1:
            shown = " and ".join(f"{key}={value}" for value in found_values[:2])
            problems.setdefault(key, f"two different values of {key}= ({shown}); keep one")
    good = {key: found_values[0] for key, found_values in values.items() if key not in problems}
    return _published(good, problems, "p2p" in values)


def _published(good: Mapping[str, Endpoint | str], problems: Mapping[str, str], has_p2p: bool) -> Published:
    by_consumer = {
        key.removeprefix("p2p."): value
        for key, value in good.items()
        if key.startswith("p2p.") and isinstance(value, Endpoint)
    }
    lines = [problems[key] for key in sorted(problems)]
    if not has_p2p and "p2p" not in problems:
        only = f" (only for consumer {', '.join(sorted(by_consumer, key=int))})" if by_consumer else ""
        lines.append(NOTHING_PUBLISHED + only)
    general, relayer = good.get("p2p"), good.get("relayer")
    endpoint = general if isinstance(general, Endpoint) else None
    return Published(
        host=endpoint.host if endpoint else None,
        port=endpoint.port if endpoint else None,
        node_id=endpoint.node_id if endpoint else None,
        relayer=relayer if isinstance(relayer, str) else None,
        by_consumer=by_consumer,
        error="; ".join(lines) or None,
        relayer_error=problems.get("relayer"),
        broken=frozenset(key.removeprefix("p2p.") for key in problems if key.startswith("p2p.")),
    )


def compose(
    details: str,
    endpoint: Endpoint | None = None,
    relayer: str | None = None,
    by_consumer: Mapping[str, Endpoint] | None = None,
) -> str:
    """Return a description with these values, keeping the text around the entries.

    The first entry of a key is replaced in its own form, further ones are removed, a missing one is appended;
    a key whose value is None is not changed.

    Args:
        details: the current on-chain description.
        endpoint: the general endpoint, with the provider node's port.
        relayer: bech32 address of the relayer's account.
        by_consumer: endpoints of single consumers, by consumer id.

    Raises:
        SettingsError: a value cannot be published, or the result is longer than 280 bytes.
    """
    wanted: dict[str, Endpoint | str] = {"p2p": endpoint} if endpoint else {}
    wanted |= {f"p2p.{consumer_id}": own for consumer_id, own in sorted((by_consumer or {}).items())}
    wanted |= {"relayer": relayer} if relayer else {}
    text = details
    entries = [entry for entry in _entries(details) if entry.key in wanted]
    first = {entry.key: entry for entry in reversed(entries)}
    for entry in reversed(entries):  # from the end, so that earlier positions stay valid
        before, after = text[: entry.start], text[entry.end :]
        if entry is first[entry.key]:
            text = before + _written(entry.key, wanted[entry.key], entry.is_json) + after
        else:
            text = _closed_up(before, after)
    missing = [_written(key, value, False) for key, value in wanted.items() if key not in first]
    text = " ".join([text.rstrip(), *missing]).lstrip() if missing else text
    return _checked(text, wanted)


def persistent_peers(entries: Iterable[tuple[str, str, int]]) -> str:
    """Return CometBFT's `persistent_peers` from (node id, host, port): sorted, distinct, IPv6 in brackets."""
    return ",".join(sorted({f"{node_id}@{format_host(host)}:{port}" for node_id, host, port in entries}))


def format_host(host: str) -> str:
    """Return the host as written before `:port`: IPv6 in brackets, anything else unchanged."""
    return f"[{host}]" if ":" in host else host


def _entries(details: str) -> Iterator[_DescriptionEntry]:
    """Yield every entry in the text, including invalid ones, in order."""
    position = 0
    while match := _KEY.search(details, position):
        position = match.end()
        if match["json"]:
            # `"p2p": 5` is an entry too, but invalid, because its value is not a string.
            yield _DescriptionEntry(
                key=match["json"],
                value=match["inside"] or "",
                start=match.start(),
                end=match.end(),
                is_json=True,
            )
        elif not _JOINED.search(details, 0, match.start()):
            end = _end_of_value(details, match.end())
            yield _DescriptionEntry(
                key=match["plain"],
                value=details[match.end() : end],
                start=match.start(),
                end=end,
                is_json=False,
            )
            position = end


def _end_of_value(text: str, start: int) -> int:
    """Return the end of a plain value: white space, quote, comma, semicolon or an unmatched bracket."""
    expected: list[str] = []
    end = start
    while end < len(text) and not text[end].isspace() and text[end] not in "\"'`,;":
        if text[end] in _OPENING:
            expected.append(_OPENING[text[end]])
        elif text[end] in _OPENING.values():
            if not expected or expected[-1] != text[end]:
                break
            expected.pop()
        end += 1
    while end > start and text[end - 1] == ".":  # the full stop belongs to the sentence
        end -= 1
    return end


def _value_of(entry: _DescriptionEntry) -> Endpoint | str:
    if not entry.value.strip():
        form = "<bech32 address>" if entry.key == "relayer" else "host:port"
        raise _InvalidEntryError(
            f"{entry.key}= has no value; write {entry.key}={form} without a space or quote after ="
        )
    value = entry.value.strip().rstrip(".")
    shown = f"{entry.key}={value}"
    if entry.key == "relayer":
        return _account(shown, value)
    _, _, consumer_id = entry.key.partition(".")
    if consumer_id and not _CONSUMER_ID.fullmatch(consumer_id):
        raise _InvalidEntryError(f"{shown}: {consumer_id!r} is not a consumer id; write its number")
    endpoint = _endpoint(shown, value)
    if consumer_id and endpoint.port is None:
        raise _InvalidEntryError(f"{shown} has no port; write {shown}:<port>")
    return endpoint


def _account(shown: str, text: str) -> str:
    try:
        _, raw = addresses.decode(text)
    except errors.SettingsError:
        raw = b""
    if len(raw) not in (20, 32):
        raise _InvalidEntryError(
            f"{shown} is not a valid bech32 account address; check for typos or truncation"
        )
    module = addresses.module_of(raw)
    if module is not None:
        # A chain whose genesis has a plain account at such an address cannot start: x/auth panics.
        raise _InvalidEntryError(f"{shown} is the account of the module {module}; publish the relayer's own")
    return text.lower()


def _endpoint(shown: str, value: str) -> Endpoint:
    """Parse `[<node id>@]host[:port]`."""
    node_id, at, address = value.rpartition("@")
    if at and not _NODE_ID.fullmatch(node_id):
        raise _InvalidEntryError(f"{shown}: {node_id!r} is not a node id; use 40 hex digits")
    if address.startswith("["):
        host, closed, rest = address[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise _InvalidEntryError(
                f"{shown}: unexpected text after the bracketed IPv6 address; use :port or nothing"
            )
        host, port = _ipv6(shown, host), rest[1:] if rest else None
    elif address.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.]+", address):
        raise _InvalidEntryError(
            f"{shown}: an IPv6 address needs brackets; write e.g. p2p=[2001:db8::1]:26656"
        )
    else:
        host, colon, text = address.rpartition(":") if ":" in address else (address, "", "")
        host, port = _ipv4_or_name(shown, host), text if colon else None
    return Endpoint(host, None if port is None else _port(shown, port), node_id.lower() or None)


def _ipv6(shown: str, text: str) -> str:
    try:
        if "%" not in text:  # a zone is valid on one machine only
            return str(ipaddress.IPv6Address(text))
    except ValueError:
        pass
    raise _InvalidEntryError(f"{shown}: {text!r} is not an IPv6 address; use brackets for IPv6 only")


def _ipv4_or_name(shown: str, text: str) -> str:
    if re.fullmatch(r"[0-9.]*[0-9]", text):  # a host name cannot end in a label of digits, so this is IPv4
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise _InvalidEntryError(f"{shown}: {text!r} is not an IPv4 address; check its numbers") from None
    if len(text) > 253 or not _HOST_NAME.fullmatch(text) or text.rpartition(".")[2].isdigit():
        raise _InvalidEntryError(f"{shown}: {text!r} is neither an IP address nor a host name; fix it")
    return text.lower()


def _port(shown: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise _InvalidEntryError(f"{shown}: {text!r} is not a port; use a number from 1 to 65535")
    return int(text)


def _written(key: str, value: Endpoint | str, is_json: bool) -> str:
    return f'"{key}":"{value}"' if is_json else f"{key}={value}"


def _closed_up(before: str, after: str) -> str:
    """Join the texts around a removed entry, without the space next to it."""
    return before.rstrip(" ") + after if not after or after[0].isspace() else before + after


def _checked(text: str, wanted: Mapping[str, Endpoint | str]) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise errors.SettingsError(
            "description: it contains half of a character that UTF-8 cannot encode; write it again"
        ) from None
    if size > MAX_DETAILS:
        raise errors.SettingsError(
            f"description: {size} bytes, but the chain allows {MAX_DETAILS}; shorten its own text by"
            f" {size - MAX_DETAILS} bytes"
        )
    read = {entry.key: entry for entry in _entries(text)}
    for key, value in wanted.items():
        try:
            meant = _value_of(_DescriptionEntry(key=key, value=str(value), start=0, end=0, is_json=False))
            if key in read and _value_of(read[key]) == meant:
                continue
        except _InvalidEntryError as broken:
            raise errors.SettingsError(f"cannot be published: {broken}") from None
        raise errors.SettingsError(f"{key}={value} could not be read back from {text!r}; simplify the text")
    return text
