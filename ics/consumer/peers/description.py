"""What a validator publishes in its on-chain description, and peers made from it; pure.

The description is prose that people write; only these entries mean something, anywhere in it::

    p2p=host[:port]   p2p=<40 hex>@host[:port]   "p2p":"host[:port]"     the validator's endpoint
    p2p.<consumer id>=host:port                                          for one consumer chain
    relayer=<bech32>  "relayer":"<bech32>"                               its relayer's account

IPv6 stands in brackets. Each key stands on its own; a key that is broken or given two values yields
nothing and an error that says how to mend it: peers are never guessed.
"""

import functools
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ics import errors
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
    """Where a node listens. `host` carries no brackets, `node_id` is lower-case hex."""

    host: str
    port: int | None
    node_id: str | None

    def __str__(self) -> str:
        """`[<node id>@]host[:port]`, the form that is published."""
        node = f"{self.node_id}@" if self.node_id else ""
        return node + bracketed(self.host) + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Published:
    """What one description yields. `port` belongs to the provider and is not used for consumers."""

    host: str | None = None
    port: int | None = None
    node_id: str | None = None
    relayer: str | None = None
    by_consumer: Mapping[str, Endpoint] = field(default_factory=dict)
    error: str | None = None
    relayer_error: str | None = None
    """The part of `error` that is about the relayer."""
    broken: frozenset[str] = frozenset()
    """Consumer ids whose own entry cannot be used; the general one must not stand in for it."""

    def endpoint_of(self, consumer_id: str, port: int) -> Endpoint | None:
        """Where this validator's node of one chain listens, None when it cannot be known.

        Args:
            consumer_id: the chain.
            port: its computed p2p port, used unless the description gives the chain one of its own.
        """
        own = self.by_consumer.get(consumer_id)
        if own is not None:
            return Endpoint(own.host, own.port, own.node_id or self.node_id)
        if self.host is None or consumer_id in self.broken:
            return None
        return Endpoint(self.host, port, self.node_id)


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    """`p2p`, `p2p.<consumer id>` or `relayer`."""
    value: str
    start: int
    end: int
    is_json: bool


class _BrokenEntryError(Exception):
    """One entry cannot be used; the text says why and the mend."""


@functools.lru_cache(maxsize=4096)  # a pass asks for each validator's text once for every chain
def parse(details: str) -> Published:
    """What a description publishes. Never raises: what is wrong stands in `error`, one line."""
    values: dict[str, list[Endpoint | str]] = {}
    problems: dict[str, str] = {}
    for entry in _entries(details):
        try:
            value = _value_of(entry)
        except _BrokenEntryError as broken:
            problems.setdefault(entry.key, str(broken))
            continue
        known = values.setdefault(entry.key, [])
        if value not in known:
            known.append(value)
    for key, known in values.items():
        if len(known) > 1:
            shown = " and ".join(f"{key}={value}" for value in known[:2])
            problems.setdefault(key, f"two different values of {key}= ({shown}): keep one")
    good = {key: known[0] for key, known in values.items() if key not in problems}
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
    """A description that publishes these values, with the text around our entries kept.

    The first entry of a key is replaced in its own form, further ones are taken out, a missing one is
    appended; a key that is not given (None) stays as it is.

    Args:
        details: the description as it is on chain.
        endpoint: the general endpoint, its port the provider's.
        relayer: bech32 address of the relayer's account.
        by_consumer: endpoints of single consumers, by consumer id.

    Raises:
        SettingsError: a value that cannot be published, or a result of more than 280 bytes.
    """
    wanted: dict[str, Endpoint | str] = {"p2p": endpoint} if endpoint else {}
    wanted |= {f"p2p.{consumer_id}": own for consumer_id, own in sorted((by_consumer or {}).items())}
    wanted |= {"relayer": relayer} if relayer else {}
    text = details
    entries = [entry for entry in _entries(details) if entry.key in wanted]
    first = {entry.key: entry for entry in reversed(entries)}
    for entry in reversed(entries):  # from the end, so that places before it stay right
        before, after = text[: entry.start], text[entry.end :]
        if entry is first[entry.key]:
            text = before + _written(entry.key, wanted[entry.key], entry.is_json) + after
        else:
            text = _closed_up(before, after)
    missing = [_written(key, value, False) for key, value in wanted.items() if key not in first]
    text = " ".join([text.rstrip(), *missing]).lstrip() if missing else text
    return _checked(text, wanted)


def persistent_peers(entries: Iterable[tuple[str, str, int]]) -> str:
    """CometBFT's `persistent_peers` from (node id, host, port): sorted, each once, IPv6 in brackets."""
    return ",".join(sorted({f"{node_id}@{bracketed(host)}:{port}" for node_id, host, port in entries}))


def bracketed(host: str) -> str:
    """The host as it stands before `:port`: IPv6 in brackets, all else as it is."""
    return f"[{host}]" if ":" in host else host


def _entries(details: str) -> Iterator[_Entry]:
    """Every entry in the text, broken ones too, in order."""
    position = 0
    while found := _KEY.search(details, position):
        position = found.end()
        if found["json"]:
            # `"p2p": 5` is an entry too, a broken one: what it holds is not a string.
            yield _Entry(found["json"], found["inside"] or "", found.start(), found.end(), True)
        elif not _JOINED.search(details, 0, found.start()):
            end = _end_of_value(details, found.end())
            yield _Entry(found["plain"], details[found.end() : end], found.start(), end, False)
            position = end


def _end_of_value(text: str, start: int) -> int:
    """Where a plain value ends: white space, quote, comma, semicolon or a bracket that closes nothing."""
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
    while end > start and text[end - 1] == ".":  # the full stop is the sentence's
        end -= 1
    return end


def _value_of(entry: _Entry) -> Endpoint | str:
    if not entry.value.strip():
        form = "<bech32 address>" if entry.key == "relayer" else "host:port"
        raise _BrokenEntryError(
            f"{entry.key}= has no value: write {entry.key}={form}, no space or quote after ="
        )
    value = entry.value.strip().rstrip(".")
    shown = f"{entry.key}={_one_line(value)}"
    if entry.key == "relayer":
        return _account(shown, value)
    _, _, consumer_id = entry.key.partition(".")
    if consumer_id and not _CONSUMER_ID.fullmatch(consumer_id):
        raise _BrokenEntryError(f"{shown}: {consumer_id!r} is not a consumer id; write its number")
    endpoint = _endpoint(shown, value)
    if consumer_id and endpoint.port is None:
        raise _BrokenEntryError(f"{shown} has no port: write {shown}:<port>")
    return endpoint


def _account(shown: str, text: str) -> str:
    try:
        _, raw = addresses.decode(text)
    except errors.SettingsError:
        raw = b""
    if len(raw) not in (20, 32):
        raise _BrokenEntryError(f"{shown} is not a bech32 account address (mistyped or cut?); copy it again")
    module = addresses.module_of(raw)
    if module is not None:
        # A chain whose genesis has a plain account in such a place never starts: x/auth panics.
        raise _BrokenEntryError(f"{shown} is the account of the module {module}; give the relayer's own")
    return text.lower()


def _endpoint(shown: str, value: str) -> Endpoint:
    """`[<node id>@]host[:port]`."""
    node_id, at, address = value.rpartition("@")
    if at and not _NODE_ID.fullmatch(node_id):
        raise _BrokenEntryError(f"{shown}: {node_id!r} is not a node id of 40 hex digits")
    if address.startswith("["):
        host, closed, rest = address[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise _BrokenEntryError(f"{shown}: a bracketed IPv6 address is followed by :port or nothing")
        host, port = _ipv6(shown, host), rest[1:] if rest else None
    elif address.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.]+", address):
        raise _BrokenEntryError(f"{shown}: an IPv6 address stands in brackets, p2p=[2001:db8::1]:26656")
    else:
        host, colon, text = address.rpartition(":") if ":" in address else (address, "", "")
        host, port = _ipv4_or_name(shown, host), text if colon else None
    return Endpoint(host, None if port is None else _port(shown, port), node_id.lower() or None)


def _ipv6(shown: str, text: str) -> str:
    try:
        if "%" not in text:  # a zone means something on one machine only
            return str(ipaddress.IPv6Address(text))
    except ValueError:
        pass
    raise _BrokenEntryError(f"{shown}: {text!r} is not an IPv6 address; brackets are for IPv6 only")


def _ipv4_or_name(shown: str, text: str) -> str:
    if re.fullmatch(r"[0-9.]*[0-9]", text):  # a name never ends in a label of digits: this is meant as IPv4
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise _BrokenEntryError(f"{shown}: {text!r} is not an IPv4 address; mend its numbers") from None
    if len(text) > 253 or not _HOST_NAME.fullmatch(text) or text.rpartition(".")[2].isdigit():
        raise _BrokenEntryError(f"{shown}: {text!r} is neither an IP address nor a host name; mend it")
    return text.lower()


def _port(shown: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise _BrokenEntryError(f"{shown}: {text!r} is not a port; write a number of 1 to 65535")
    return int(text)


def _written(key: str, value: Endpoint | str, is_json: bool) -> str:
    return f'"{key}":"{value}"' if is_json else f"{key}={value}"


def _closed_up(before: str, after: str) -> str:
    """The text without an entry, and without the space that stood beside it."""
    return before.rstrip(" ") + after if not after or after[0].isspace() else before + after


def _checked(text: str, wanted: Mapping[str, Endpoint | str]) -> str:
    size = len(text.encode())
    if size > MAX_DETAILS:
        raise errors.SettingsError(
            f"the description would have {size} bytes, the chain takes {MAX_DETAILS}: "
            f"shorten its own text by {size - MAX_DETAILS}"
        )
    read = {entry.key: entry for entry in _entries(text)}
    for key, value in wanted.items():
        try:
            meant = _value_of(_Entry(key, str(value), 0, 0, False))
            if key in read and _value_of(read[key]) == meant:
                continue
        except _BrokenEntryError as broken:
            raise errors.SettingsError(f"cannot be published: {broken}") from None
        raise errors.SettingsError(f"{key}={value} could not be read back from {text!r}: simplify the text")
    return text


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
