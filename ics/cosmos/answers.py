"""Answers of chains in JSON: their fields, each checked where it is read; pure.

A gateway writes 64-bit integers as text, bytes as base64, and every field even when it is empty (gogogateway
JSONPb with OrigName and EmitDefaults). CometBFT's RPC does so too, but leaves out empty fields or writes
null.
"""

import base64
import binascii
import datetime
import json
import re
import reprlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from ics import errors
from ics.cosmos import times

_WHOLE = re.compile(r"[0-9]{1,78}")
_DECIMAL = re.compile(r"[0-9]{1,78}(\.[0-9]{1,18})?")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_VALUES = 2_000_000
"""Maximum values in one answer: in memory each takes up to 70 bytes, however few it has as text."""
_T = TypeVar("_T")


def parse_json(body: bytes | str) -> Any:
    """Parse an answer, whatever a broken or hostile server sends.

    Raises:
        ValueError: it is not JSON in UTF-8, is nested too deeply, has too many values, or contains NaN or half of a
            surrogate pair, which could be neither printed nor stored.
    """
    raw = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values")
    text = raw.decode("utf-8-sig")
    try:
        value = json.loads(text, parse_constant=_refuse)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class _Short(reprlib.Repr):
    """Shows values of any depth and length in a few characters."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist = 2, 3, 3
        self.maxstring = self.maxlong = self.maxother = 100


_SHORT = _Short()


def shown(value: object) -> str:
    """Return any value of an answer for a message, in at most 80 characters."""
    text = _SHORT.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class MalformedAnswer(errors.Permanent):
    """A chain's answer has another shape than the versions that this operator knows."""

    def __init__(self, query: str, path: str, actual: str, wanted: str) -> None:
        location = f"answer to {query}: field {path or '(whole)'}"
        super().__init__(
            f"{location} is {actual}, not {wanted}: the endpoint is broken or runs an unsupported version"
        )
        self.summary = f"{location} is not {wanted}"
        """The error without the value, which may differ each time."""


class Field:
    """An immutable part of an answer; reading it checks its shape.

    Not a dataclass, and the path is built only for messages, because a pass reads hundreds of thousands of
    fields.
    """

    __slots__ = ("_step", "_within", "query", "value")

    def __init__(self, query: str, value: Any, within: "Field | None" = None, step: str | int = "") -> None:
        """Wrap a whole answer, or the part of another field under a name or an index."""
        self.query = query
        self.value = value
        self._within = within
        self._step = step

    @property
    def path(self) -> str:
        """Path such as `validators[3].tokens`; empty for the whole answer."""
        if self._within is None:
            return ""
        before = self._within.path
        if isinstance(self._step, int):
            return f"{before}[{self._step}]"
        return f"{before}.{self._step}" if before else self._step

    def fail(self, wanted: str) -> NoReturn:
        """Raise `MalformedAnswer` for this field."""
        root = self
        while root._within is not None:
            root = root._within
        actual = shown(self.value)
        if isinstance(root, Answer):
            actual = root.hide(actual)
        raise MalformedAnswer(self.query, self.path, actual, wanted)

    def __getitem__(self, name: str) -> "Field":
        if not isinstance(self.value, dict) or name not in self.value:
            self.fail(f"an object with {name!r}")
        return Field(self.query, self.value[name], self, name)

    def has(self, name: str) -> bool:
        """Return whether this is an object with that key."""
        return isinstance(self.value, dict) and name in self.value

    def get(self, name: str) -> "Field | None":
        """Return a member of this object; None if it is missing or null."""
        value = self.mapping().get(name)
        return None if value is None else Field(self.query, value, self, name)

    def __iter__(self) -> Iterator["Field"]:
        if not isinstance(self.value, list):
            self.fail("a list")
        for index, item in enumerate(self.value):
            yield Field(self.query, item, self, index)

    def first(self) -> "Field":
        """Return the first item of a list that must have one."""
        for item in self:
            return item
        self.fail("a list with an item")

    def mapping(self) -> dict[str, Any]:
        """Return the JSON object."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        return self.value

    def text(self) -> str:
        """Return the string."""
        if not isinstance(self.value, str):
            self.fail("text")
        return self.value

    def boolean(self) -> bool:
        """Return the boolean."""
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def integer(self) -> int:
        """Return the non-negative integer, which is a JSON number or a string of digits."""
        value = self.value
        text = value if isinstance(value, str) else str(value) if type(value) is int else ""
        if not _WHOLE.fullmatch(text):
            self.fail("a whole number")
        return int(text)

    def decimal(self) -> Decimal:
        """Return the non-negative decimal number, exactly; the Cosmos SDK writes it as text (LegacyDec)."""
        if not _DECIMAL.fullmatch(self.text()):
            self.fail("a decimal number")
        return Decimal(self.text())

    def base64(self) -> bytes:
        """Return the base64-decoded bytes; the gateway writes empty bytes as null."""
        if self.value is None:
            return b""
        try:
            return base64.b64decode(self.text(), validate=True)
        except (binascii.Error, ValueError):
            self.fail("base64")

    def hex(self) -> bytes:
        """Return the hex-decoded bytes."""
        try:
            return bytes.fromhex(self.text())
        except ValueError:
            self.fail("hex")

    def nanoseconds(self) -> int:
        """Return a duration such as `540s` in nanoseconds."""
        try:
            return times.parse_proto_duration(self.text())
        except ValueError:
            self.fail("a duration such as 540s")

    def seconds(self) -> int:
        """Return a duration in whole seconds; a fraction is dropped (shorter is the safe side)."""
        return self.nanoseconds() // times.SECOND

    def moment(self) -> datetime.datetime:
        """Return the time, truncated to microseconds."""
        try:
            return times.parse_time(self.text())
        except ValueError:
            self.fail("a time with its zone")

    def time(self) -> str:
        """Return the RFC 3339 time as the chain wrote it."""
        self.moment()
        return self.text()

    def parse_with(self, parse: Callable[[Any], _T], wanted: str) -> _T:
        """Return the value as parsed by a function of `ics.cosmos.addresses`."""
        try:
            return parse(self.value)
        except (errors.SettingsError, TypeError):  # of another type than the function takes
            self.fail(wanted)


class Answer(Field):
    """A whole answer of an endpoint, whose messages do not show the endpoint's credentials."""

    __slots__ = ("content", "hide")

    def __init__(self, query: str, value: Any, hide: Callable[[str], str], content: bytes = b"") -> None:
        """Wrap the answer; `hide` removes credentials from a text, and `content` is the answer as it arrived."""
        super().__init__(query, value)
        self.hide = hide
        self.content = content


def next_key(answer: Field) -> str:
    """Return the key of a list's next page (base64), empty on the last one."""
    key = answer["pagination"]["next_key"]
    return "" if key.value is None else key.text()
