"""JSON that every validator reads and writes alike; pure.

Canonical bytes: sorted keys, no spaces, UTF-8 as it is, integers only, no final newline. A document that
two readers could understand differently (a key twice, a fraction, NaN) is refused.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ics import errors

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_INTEGER = re.compile(r"-?[0-9]+")


class _AmbiguousError(Exception):
    """The document is JSON of a kind that is refused; where is looked up afterwards."""


def parse(text: bytes | str, origin: str = "genesis") -> dict[str, Any]:
    """Read a JSON object strictly.

    Args:
        text: the document, UTF-8.
        origin: what it is or where it came from, for messages.

    Raises:
        SettingsError: not UTF-8, not JSON, no object, a key twice in one object, a number with a fraction
            or exponent, NaN or Infinity, half of a surrogate pair; with line and column.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        document = json.loads(
            decoded, parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_without_doubles
        )
        if re.search(r"\\u[dD][89a-fA-F]", decoded):  # an escape may hold half a pair, which no UTF-8 can
            canonical(document)
    except UnicodeDecodeError as error:
        raise errors.SettingsError(f"{origin}: not UTF-8 at byte {error.start}: save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise errors.SettingsError(f"{origin}: {where}: {error.msg}") from None
    except _AmbiguousError:
        raise errors.SettingsError(f"{origin}: {_first_fault(decoded)}") from None
    except UnicodeEncodeError:
        raise errors.SettingsError(f"{origin}: half of a surrogate pair is escaped: write both") from None
    except RecursionError:
        raise errors.SettingsError(f"{origin}: nested too deeply: not a document of a chain") from None
    except ValueError as error:  # an integer of thousands of digits
        raise errors.SettingsError(f"{origin}: {error}") from None
    if not isinstance(document, dict):
        shown = decoded.strip()[:20]
        raise errors.SettingsError(f"{origin}: line 1 column 1: a JSON object is needed, not {shown!r}")
    return document


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one form of a document that is hashed, stored and compared.

    Raises:
        Permanent: it holds a float.
    """
    _check_whole(document, "$")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_hex(raw: bytes) -> str:
    """sha256 in lower-case hex."""
    return hashlib.sha256(raw).hexdigest()


def _refuse(_: str) -> NoReturn:
    raise _AmbiguousError


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _AmbiguousError
    return members


def _check_whole(value: Any, path: str) -> None:
    if isinstance(value, float):
        raise errors.Permanent(f"{path} is {value!r}: a genesis holds whole numbers only; write it as text")
    if isinstance(value, Mapping):
        for key, member in value.items():
            _check_whole(member, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for at, member in enumerate(value):
            _check_whole(member, f"{path}[{at}]")


def _first_fault(text: str) -> str:
    """Where the first refused number or doubled key stands. `text` is JSON up to there."""
    open_objects: list[set[str] | None] = []
    is_key = False
    for token in _TOKEN.finditer(text):
        word = token[0]
        line_start = text.rfind("\n", 0, token.start()) + 1
        where = f"line {text.count(chr(10), 0, line_start) + 1} column {token.start() - line_start + 1}"
        if word in "{[":
            open_objects.append(set() if word == "{" else None)
            is_key = word == "{"
        elif word in "}]":
            open_objects.pop()
        elif word == ",":
            is_key = open_objects[-1] is not None
        elif is_key and (keys := open_objects[-1]) is not None:
            key = json.loads(word)
            if key in keys:
                return f"{where}: the key {key!r} comes twice in one object: keep one"
            keys.add(key)
            is_key = False
        elif word[0] != '"' and word not in (":", "true", "false", "null") and not _INTEGER.fullmatch(word):
            return f"{where}: {word} is not a whole number: write it as text or as an integer"
    raise errors.Permanent("a fault was seen while reading JSON and not found again")  # pragma: no cover
