"""Geneses of hundreds of megabytes, in bounded memory: an index of a file's values, and its canonical bytes; pure.

A file is read twice. The first time, its large objects and arrays are taken apart until what is left fits into a window
(`WINDOW`); only positions are kept, and those elements that the caller asks for. The second time each part is parsed
strictly, and written in its canonical place. So the same bytes result as from `canonical_json.encode` of the whole
document, whatever its size.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from ics import errors
from ics.cosmos import canonical_json

WINDOW: Final = 1 << 20
"""Bytes of a value that is parsed as a whole."""
_RUN: Final = 1 << 18
"""Bytes of small elements of an array that are parsed together."""
LONGEST_TEXT: Final = 64 << 20
"""Bytes of one text, such as a contract's code."""
_DEEPEST: Final = 64
"""Levels of values that are larger than the window."""
_MOST_MEMBERS: Final = 200_000
"""Members of one object that is larger than the window; its keys are sorted in memory."""

_BLANK = re.compile(r"[ \t\n\r]*")
_TEXT_END = re.compile(rb'(?:[^"\\]|\\.)*"', re.DOTALL)

# A byte is a character in latin-1, so that positions in a text are positions in the file. The values that this reader
# returns have wrong characters beyond ASCII; they are only looked at, never written.
_scan = json.JSONDecoder().raw_decode


class Source(Protocol):
    """A file that can be read from any position."""

    def read_at(self, position: int, size: int) -> bytes:
        """Return the bytes from a position, fewer than `size` only at the end of the file."""
        ...


@dataclass(frozen=True, slots=True)
class Small:
    """One value, or several elements of an array in a row, that are parsed together."""

    start: int
    end: int

    def __deepcopy__(self, memo: object) -> "Small":
        return self


@dataclass(frozen=True, slots=True)
class LargeObject:
    """An object that is larger than the window."""

    members: tuple[tuple[str, "Part"], ...]
    """Sorted by key."""

    def __deepcopy__(self, memo: object) -> "LargeObject":
        return self


@dataclass(frozen=True, slots=True)
class LargeArray:
    """An array that is larger than the window."""

    parts: tuple["Part | Picked", ...]
    """In the order of the file."""

    def __deepcopy__(self, memo: object) -> "LargeArray":
        return self


@dataclass(frozen=True, slots=True)
class Picked:
    """An element of an array that the caller asked for."""

    span: Small


Part: TypeAlias = Small | LargeObject | LargeArray
Path: TypeAlias = tuple[str, ...]
"""Keys from the document to a value; elements of an array have that of the array."""
Picks: TypeAlias = Callable[[Path, Any], bool]
"""Whether the caller wants an element of the array at a path. Its characters beyond ASCII are wrong."""


class Index:
    """Positions of a file's values."""

    def __init__(self, source: Source, picks: Picks = lambda path, element: False) -> None:
        """Read the file once.

        Args:
            source: the file.
            picks: chooses elements of large arrays.

        Raises:
            SettingsError: it is not a JSON document, or has larger parts than this reader takes.
        """
        self._source = source
        self._picks = picks
        self._base = 0
        """Position of the window."""
        self._text = ""
        self._is_last = False
        """Whether the window reaches to the end of the file."""
        self._load(0)
        self.root, end = self._value(0, (), 0)
        if self._next(end) is not None:
            raise self._refused(end, "text after the end of the document")

    def _load(self, position: int, size: int = WINDOW) -> None:
        content = self._source.read_at(position, size)
        self._base, self._text, self._is_last = position, content.decode("latin-1"), len(content) < size

    def _next(self, position: int) -> str | None:
        """Return the character after white space, None at the end; `self._at` is its position."""
        while True:
            if not 0 <= position - self._base <= len(self._text):
                self._load(position)
            found = _BLANK.match(self._text, position - self._base)
            position = self._base + (found.end() if found is not None else 0)
            if position - self._base < len(self._text):
                self._at = position
                return self._text[position - self._base]
            if self._is_last:
                self._at = position
                return None
            self._load(position)

    def _value(self, position: int, path: Path, depth: int) -> tuple[Part, int]:
        """Return the value at a position, and the position after it."""
        first = self._next(position)
        start = self._at
        decoded = self._decoded(start)
        if decoded is not None:
            return Small(start, decoded[1]), decoded[1]
        if depth >= _DEEPEST:
            raise self._refused(start, "nested too deeply for a chain's document")
        if first == "{":
            return self._object(start, path, depth)
        if first == "[":
            return self._array(start, path, depth)
        if first == '"':
            return self._long_text(start)
        raise self._refused(start, "not a value of JSON")

    def _decoded(self, start: int) -> tuple[Any, int] | None:
        """Return a value with the position after it, None if it is larger than the window, or damaged."""
        for is_fresh in (start == self._base, True):
            offset = start - self._base
            try:
                value, end = _scan(self._text, offset)
            except (ValueError, RecursionError):
                end = -1
            # A number at the end of the window may go on after it.
            if end >= 0 and (end < len(self._text) or self._is_last):
                return value, self._base + end
            if is_fresh or self._is_last:
                return None
            self._load(start)
        return None

    def _object(self, start: int, path: Path, depth: int) -> tuple[Part, int]:
        members: dict[str, Part] = {}
        position, first = start + 1, self._next(start + 1)
        if first == "}":
            return LargeObject(()), self._at + 1
        while True:
            if self._next(position) != '"':
                raise self._refused(self._at, "a key is missing")
            key, position = self._key(self._at)
            if key in members:
                raise self._refused(self._at, f"duplicate key {key[:80]!r} in one object; keep one")
            if len(members) >= _MOST_MEMBERS:
                raise self._refused(start, f"an object of more than {_MOST_MEMBERS} members")
            if self._next(position) != ":":
                raise self._refused(self._at, "a colon is missing")
            members[key], position = self._value(self._at + 1, (*path, key), depth + 1)
            after = self._next(position)
            position = self._at + 1
            if after == "}":
                return LargeObject(tuple(sorted(members.items()))), position
            if after != ",":
                raise self._refused(self._at, "a comma is missing")

    def _key(self, start: int) -> tuple[str, int]:
        decoded = self._decoded(start)
        if decoded is None:
            raise self._refused(start, "a key is damaged or too long")
        raw = self._text[start - self._base : decoded[1] - self._base].encode("latin-1")
        document = canonical_json.parse(b'{"key":' + raw + b"}", "the genesis file")
        return str(document["key"]), decoded[1]

    def _array(self, start: int, path: Path, depth: int) -> tuple[Part, int]:
        parts: list[Part | Picked] = []
        run = None
        """Small elements in a row, which are parsed together."""
        position = start + 1
        if self._next(position) == "]":
            return LargeArray(()), self._at + 1
        while True:
            self._next(position)
            decoded = self._decoded(self._at)
            if decoded is not None:
                span = Small(self._at, decoded[1])
                position = span.end
                if self._picks(path, decoded[0]):
                    parts += [*([] if run is None else [run]), Picked(span)]
                    run = None
                elif run is None or span.end - run.start > _RUN:
                    parts += [] if run is None else [run]
                    run = span
                else:
                    run = Small(run.start, span.end)
            else:
                parts += [] if run is None else [run]
                run = None
                part, position = self._value(self._at, path, depth + 1)
                parts.append(part)
            after = self._next(position)
            position = self._at + 1
            if after == "]":
                return LargeArray((*parts, *([] if run is None else [run]))), position
            if after != ",":
                raise self._refused(self._at, "a comma is missing")

    def _long_text(self, start: int) -> tuple[Part, int]:
        size = WINDOW
        while size < LONGEST_TEXT:
            size *= 4
            content = self._source.read_at(start, size)
            found = _TEXT_END.match(content, 1)
            if found is not None:
                return Small(start, start + found.end()), start + found.end()
            if len(content) < size:
                raise self._refused(start, "a text without an end")
        raise self._refused(start, f"a text of more than {LONGEST_TEXT} bytes")

    def _refused(self, position: int, what: str) -> errors.SettingsError:
        return errors.SettingsError(f"the genesis file: byte {position}: {what}; get it again, or correct it")


def parsed(source: Source, span: Small) -> Any:
    """Return one small value, parsed as strictly as a whole document.

    Raises:
        SettingsError: it is damaged, or two readers could read it differently.
    """
    return _elements(source, span)[0]


def _elements(source: Source, span: Small) -> list[Any]:
    content = source.read_at(span.start, span.end - span.start)
    origin = f"the genesis file, from byte {span.start} on"
    elements: list[Any] = canonical_json.parse(b'{"parts":[' + content + b"]}", origin)["parts"]
    return elements


def whole(source: Source, part: Part | Picked) -> Any:
    """Return a part with everything in it, whatever its size.

    Raises:
        SettingsError: see `parsed`.
    """
    if isinstance(part, Picked):
        return parsed(source, part.span)
    if isinstance(part, Small):
        return parsed(source, part)
    if isinstance(part, LargeObject):
        return {key: whole(source, member) for key, member in part.members}
    return [
        element
        for one in part.parts
        for element in (_elements(source, one) if isinstance(one, Small) else [whole(source, one)])
    ]


def chunks(source: Source, value: Any) -> Iterator[bytes]:
    """Yield the canonical bytes of a document whose members may be parts of a file.

    Raises:
        SettingsError: a part is damaged, or two readers could read it differently.
        Permanent: see `canonical_json.encode`.
    """
    if isinstance(value, Picked):
        value = value.span
    if isinstance(value, Small):
        content = source.read_at(value.start, value.end - value.start)
        origin = f"the genesis file, from byte {value.start} on"
        yield canonical_json.normalize(b'{"parts":[' + content + b"]}", origin)[10:-2]
    elif isinstance(value, LargeObject):
        yield from _object_chunks(source, value.members)
    elif isinstance(value, LargeArray):
        yield from _array_chunks(source, value.parts)
    elif isinstance(value, Mapping) and _has_parts(value):
        yield from _object_chunks(source, sorted(value.items()))
    elif isinstance(value, list | tuple) and _has_parts(value):
        yield from _array_chunks(source, value)
    else:
        yield canonical_json.encode({"part": value})[8:-1]


def _has_parts(value: Any) -> bool:
    if isinstance(value, Small | LargeObject | LargeArray | Picked):
        return True
    if isinstance(value, Mapping):
        return any(_has_parts(member) for member in value.values())
    return isinstance(value, list | tuple) and any(_has_parts(member) for member in value)


def _object_chunks(source: Source, members: Sequence[tuple[str, Any]]) -> Iterator[bytes]:
    before = b"{"
    for key, member in members:
        yield before + json.dumps(key, ensure_ascii=False).encode() + b":"
        yield from chunks(source, member)
        before = b","
    yield b"}" if members else b"{}"


def _array_chunks(source: Source, parts: Sequence[Any]) -> Iterator[bytes]:
    before = b"["
    for part in parts:
        yield before
        yield from chunks(source, part)
        before = b","
    yield b"]" if parts else b"[]"
