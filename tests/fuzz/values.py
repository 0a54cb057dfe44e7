"""Values from bytes: valid documents and texts with some parts exchanged, as a fuzzer or a stranger would.

The same bytes always give the same value, so that an input that was found can be kept as text.
"""

import copy
from collections.abc import Sequence
from typing import Any

TEXTS: Sequence[str] = (
    "",
    " ",
    "\x00",
    "\x1b[2J\x1b]0;title\x07",
    "two\nlines\r\n0 critical",
    "\u202eevil",
    "\u2028",
    "\ud800",
    "\ufeff",
    "é\u0301",
    "🚀",
    "²",
    "٣",
    "0",
    "-1",
    "1e21",
    "0x10",
    "1_000",
    "9" * 78,
    "9" * 5000,
    "18446744073709551616",
    "0.1",
    "NaN",
    "null",
    "true",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999-23:59",
    "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00",
    "9223372036854775807s",
    "-3s",
    "3.1.4s",
    "====",
    "AAAA",
    "e80RSua0ZY+uJG4dRx0p0B0wtS7PGGBR5rEqzCcsKmg=",
    "cosmosvalcons1sruj8lmqjqkuwv6pv7sgdvmrxd782z3rjn6n0w",
    "COSMOSVALOPER1",
    "a1" + "q" * 90,
    "id@[::1]:26656",
    "@:",
    "../../etc/passwd",
    "$(reboot)",
    "';--",
    '"',
    "'''",
    "\\",
    "{{",
    "&a *a",
    "!!python/object:x",
    "? [a]: b",
    "<<: *x",
    "%",
    "|",
    "@EXTERNAL_ADDRESS@",
)
"""Texts that somebody has already got wrong somewhere."""

_NUMBERS: Sequence[int | float] = (
    0,
    1,
    -1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    0.5,
    1e21,
    -0.0,
    float("nan"),
)
_DEEP = 800
"""Levels of nesting of a deep value; where bytes are parsed, Python refuses about a thousand."""


class Source:
    """Choices from bytes; once they are used up, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        width = 1 if limit <= 256 else 2
        part = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(part, "big") % limit if limit > 0 else 0

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of some items."""
        return items[self.below(len(items))]

    @property
    def is_used_up(self) -> bool:
        """Whether all bytes are used."""
        return self._at >= len(self._data)

    def rest(self, length: int) -> bytes:
        """Return the next bytes, at most so many."""
        part = self._data[self._at : self._at + length]
        self._at += length
        return part


def document(source: Source, seeds: Sequence[Any]) -> Any:
    """Return one of some JSON values with up to four parts exchanged, removed or doubled."""
    # In a list, so that the whole value can be exchanged too.
    holder = [copy.deepcopy(source.pick(seeds))]
    for _ in range(source.below(5)):
        _change(source, holder)
    return holder[0]


def text(source: Source, seeds: Sequence[str]) -> str:
    """Return one of some texts with parts inserted, removed, doubled or exchanged."""
    found = str(source.pick(seeds))
    for _ in range(source.below(6)):
        found = _edited(source, found)
    return found


def anything(source: Source, depth: int = 3) -> Any:
    """Return any JSON value."""
    kind = source.below(10)
    if kind < 4:
        return source.pick(TEXTS)
    if kind < 6:
        return source.pick(_NUMBERS)
    if kind == 6:
        return source.pick((None, True, False))
    if kind == 7 and depth == 3:
        return _deep(source)
    if depth == 0:
        return [] if kind == 8 else {}
    inner = [anything(source, depth - 1) for _ in range(source.below(3))]
    return inner if kind == 8 else {str(source.pick(TEXTS)): item for item in inner}


def _deep(source: Source) -> Any:
    value: Any = source.pick(TEXTS)
    is_list = source.below(2)
    for _ in range(source.below(_DEEP)):
        value = [value] if is_list else {"a": value}
    return value


def _change(source: Source, holder: list[Any]) -> None:
    at: Any = holder
    key: Any = 0
    while isinstance(at[key], dict | list) and at[key] and source.below(8):
        at = at[key]
        key = source.pick(list(at) if isinstance(at, dict) else range(len(at)))
    kind = source.below(6)
    if kind == 0 and at is not holder:
        del at[key]
    elif kind == 1 and isinstance(at[key], str):
        at[key] = _edited(source, at[key])
    elif kind == 2 and isinstance(at, list) and at is not holder:
        at.insert(key, at[key])  # one object in two places, since a copy of a deep value exceeds the stack
    elif kind == 3 and isinstance(at, dict):
        at[str(source.pick(TEXTS))] = at.pop(key)
    elif kind == 4 and isinstance(at[key], int):
        at[key] = str(at[key])
    else:
        at[key] = anything(source)


def _edited(source: Source, found: str) -> str:
    at = source.below(len(found) + 1)
    end = min(len(found), at + source.below(12))
    kind = source.below(5)
    if kind == 0:
        return found[:at] + found[end:]
    if kind == 1:
        return found[:end] + found[at:end] * (1 + source.below(3)) + found[end:]
    if kind == 2:
        return found[:at] + source.rest(1 + source.below(6)).decode("latin-1") + found[end:]
    if kind == 3:
        return found[:at] + chr(source.below(0x3000)) + found[end:]
    return found[:at] + str(source.pick(TEXTS)) + found[at:]
