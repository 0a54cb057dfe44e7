"""Canonical JSON, which every validator reads and writes identically; pure.

Canonical bytes: sorted keys, no spaces, unescaped UTF-8, integers only, no final newline. Documents that two
readers could understand differently (duplicate keys, fractions, NaN) are refused.
"""

import collections
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ics import errors


def parse(text: bytes | str, origin: str = "genesis") -> dict[str, Any]:
    """Parse a JSON object strictly.

    Args:
        text: the document, UTF-8.
        origin: description or path of the document, for messages.

    Raises:
        SettingsError: not UTF-8, not JSON, not an object, or it contains a duplicate key, a number with a
            fraction or exponent, NaN or Infinity, or half of a surrogate pair.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        document = json.loads(
            decoded, parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_without_duplicates
        )
        if re.search(r"\\u[dD][89a-fA-F]", decoded):  # half a pair, which UTF-8 cannot encode
            _written(document).encode()
    except UnicodeDecodeError as error:
        raise errors.SettingsError(f"{origin}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise errors.SettingsError(f"{origin}: {where}: {error.msg}") from None
    except UnicodeEncodeError:
        raise errors.SettingsError(
            f"{origin}: half of a surrogate pair is escaped; write both halves"
        ) from None
    except RecursionError:
        raise errors.SettingsError(
            f"{origin}: nested too deeply for a chain's document; check that it is the right file"
        ) from None
    except ValueError as error:  # refused by a hook, or an integer of thousands of digits
        raise errors.SettingsError(f"{origin}: {error}") from None
    if not isinstance(document, dict):
        shown = decoded.strip()[:20]
        raise errors.SettingsError(
            f"{origin}: line 1 column 1: expected a JSON object, not {shown!r}; use the whole file"
        )
    return document


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of a document, used for hashes, storage and comparisons.

    Raises:
        Permanent: the document contains a float or half of a surrogate pair, or is nested too deeply.
    """
    try:
        _check_whole(document, "$")
        return _written(document).encode()
    except RecursionError:
        raise errors.Permanent("nested too deeply for a chain's document") from None
    except UnicodeEncodeError as error:
        # Go reads it as U+FFFD, so that the node would have another document than the one that is hashed.
        half = error.object[error.start]
        raise errors.Permanent(
            f"a text contains {half!r}, half of a surrogate pair, which UTF-8 does not encode"
        ) from None


def normalize(text: bytes | str, origin: str) -> bytes:
    """Return the canonical bytes of a document that is only read and written; see `parse` for the arguments and errors.

    What `parse` accepts has nothing that `encode` refuses.
    """
    return _written(parse(text, origin)).encode()


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(raw: bytes) -> str:
    """Return the sha256 in lower-case hex."""
    return hashlib.sha256(raw).hexdigest()


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is not a whole number; write it as text or as an integer")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((key, _),) = collections.Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {key!r} in one object; keep one")
    return members


def _check_whole(value: Any, path: str) -> None:
    if isinstance(value, float):
        raise errors.Permanent(f"{path}: {value!r} is not a whole number; write it as text")
    if isinstance(value, Mapping):
        for key, member in value.items():
            _check_whole(member, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            _check_whole(member, f"{path}[{index}]")
