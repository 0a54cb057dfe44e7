"""Genesis files as their publishers distribute them: unpacking, and what a file is if it is not a genesis; pure."""

import functools
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from ics import errors
from ics.cosmos import canonical_json

UNPACKED_LIMIT: Final = 64 * 2**20
"""Bytes of an unpacked genesis; a ConfigMap takes 1 MiB of it compressed, which is a tenth to a twentieth."""

_GZIP: Final = b"\x1f\x8b"
_MOST_PARTS: Final = 64
"""Parts of one gzip file; a tool that joins files makes as many as there were."""
_CHUNK: Final = 65536
"""Bytes that are unpacked at a time, so that what follows a part is not copied again for each of them."""
_TAR_MAGIC: Final = slice(257, 262)
_OTHER_ARCHIVES: Final = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\x5d\x00\x00", "compressed with lzma"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x02\x21\x4c\x18", "compressed with lz4"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x1f\x9d", "compressed with compress"),
    (_GZIP, "compressed with gzip twice"),
)
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_LFS_POINTER: Final = re.compile(rb"version https://(git-lfs|hawser)\.github\.com/spec/")
_PAGE: Final = re.compile(rb"<(!doctype html|!--|[a-z])", re.IGNORECASE)
_XML: Final = re.compile(rb"<(\?xml|error>|listbucketresult)", re.IGNORECASE)
_LINK: Final = re.compile(rb"(\.{0,2}/)?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+\s*")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-][A-Za-z0-9+/_\r\n-]{63,}=*\s*")
_GENESIS_FIELDS: Final = (
    "app_name",
    "app_version",
    "app_hash",
    "app_state",
    "chain_id",
    "consensus",
    "consensus_params",
    "genesis_time",
    "initial_height",
    "validators",
)
"""Of the SDK's AppGenesis and CometBFT's GenesisDoc, which Go reads whatever the case of their letters."""


def unpack(content: bytes) -> bytes:
    """Return a file without its gzip compression, and any other file unchanged.

    Raises:
        SettingsError: the compressed data is damaged, or has too many bytes or parts.
    """
    if not content.startswith(_GZIP):
        return content
    unpacked, at, parts = bytearray(), 0, 0
    while not _has_ended(content, at):
        parts += 1
        if parts > _MOST_PARTS:
            raise errors.SettingsError(
                f"the genesis file consists of more than {_MOST_PARTS} gzip files; check that it is a genesis"
            )
        at = _unpack_part(content, at, unpacked)
    return bytes(unpacked)


def _has_ended(content: bytes, at: int) -> bool:
    """Return whether only zeros follow, with which some tools fill a file, and which `gzip` ignores."""
    return at == len(content) or (content[at] == 0 and not content[at:].strip(b"\0"))


def _unpack_part(content: bytes, at: int, unpacked: bytearray) -> int:
    """Append what the gzip file at a position contains; returns the position after it."""
    inflater = zlib.decompressobj(wbits=31)
    while not inflater.eof:
        chunk = content[at : at + _CHUNK]
        if not chunk:
            raise errors.SettingsError(
                "the genesis file is truncated: its gzip data has no end; get it again"
            )
        try:
            unpacked += inflater.decompress(chunk, UNPACKED_LIMIT + 1 - len(unpacked))
        except zlib.error as error:
            raise errors.SettingsError(
                f"the genesis file is damaged gzip data: {error}; get it again"
            ) from None
        if len(unpacked) > UNPACKED_LIMIT:
            raise errors.SettingsError(
                f"the genesis file has more than {UNPACKED_LIMIT} bytes when unpacked; check that it is a genesis"
            )
        at += len(chunk)
    return at - len(inflater.unused_data)


@functools.lru_cache(
    maxsize=32
)  # by the bytes' own cached hash; a file is checked again whenever another is missing
def check(content: bytes) -> str:
    """Return why an unpacked file is not a genesis, as one line; empty if it has the form of one."""
    fault = glance(content)
    if fault:
        return fault
    try:
        document = canonical_json.parse(content, "the genesis file")
    except errors.SettingsError as error:
        return str(error)
    return _other_document(document) or _twice(document)


def glance(content: bytes) -> str:
    """Return what an unpacked file is instead of a genesis, as far as its first bytes say; nothing is parsed."""
    what = _other_kind(content)
    return f"the genesis file is {what}" if what else ""


def _other_document(document: Mapping[str, Any]) -> str:
    """Return what a JSON object is if it is not a genesis."""
    answer = document.get("result")
    if isinstance(answer, Mapping) and "genesis" in answer:
        return "the genesis file is the answer of a node's RPC; use the part at result.genesis"
    if isinstance(answer, Mapping) and {"chunk", "total", "data"} <= {*answer}:
        return "the genesis file is one chunk of an RPC's genesis_chunked; join the decoded data of all chunks of it"
    if isinstance(document.get("error"), Mapping):
        return "the genesis file is an error that a node's RPC answered; get the genesis from elsewhere"
    if isinstance(document.get("genesis"), Mapping):
        return "the genesis file has the genesis in a field of that name; use the part at genesis"
    if document.get("encoding") == "base64" and "content" in document:
        return "the genesis file is the answer of a repository's API; use the raw address of the file"
    if not isinstance(document.get("app_state"), dict):
        return "the genesis file has no app_state; use the file that `init` or the launch team writes"
    return ""


def _twice(document: Mapping[str, Any]) -> str:
    """Return the problem of a field whose name has another spelling that a node reads as the same field.

    Go's encoding/json compares names by Unicode case folding, and the last one counts.
    """
    for name in document:
        known = name.casefold()
        if known in _GENESIS_FIELDS and name != known:
            return f"the genesis file has a field {name!r}, which a node reads as {known}; remove one, or correct it"
    return ""


def _other_kind(content: bytes) -> str:
    """Return what a file is, with the remedy, if it is one of those that are often taken for a genesis."""
    if not content.strip():
        return "empty; get it again"
    if content[_TAR_MAGIC] == b"ustar":
        return "a tar archive; unpack it, and use the genesis.json inside"
    for magic, what in _OTHER_ARCHIVES:
        if content.startswith(magic):
            return f"{what}; unpack it, or compress it with gzip only once"
    if content.startswith(_ZLIB):
        return "compressed with zlib; unpack it, or compress it with gzip only once"
    if content.startswith(_BYTE_ORDER_MARKS):
        return "text with a byte order mark, which no node reads; save it as UTF-8 without one"
    if content[:1] == b"\0" or content[1:2] == b"\0":
        return "text in UTF-16 or UTF-32, which no node reads; save it as UTF-8"
    return _other_text(content[:512].lstrip(), len(content))


def _other_text(start: bytes, size: int) -> str:
    if _LFS_POINTER.match(start):
        return (
            "a pointer of git-lfs, not the file itself; get it with git lfs pull, or from its media address"
        )
    if _XML.match(start):
        return "XML, such as the error of a file server; check that the address is that of the file itself"
    if _PAGE.match(start):
        return "a web page; use the address of the file itself, such as its raw address"
    if start.startswith(b"404"):
        return "the text of an error, not the file; check that the address is that of the file itself"
    if size <= 512 and _LINK.fullmatch(start):
        return "the target of a symbolic link, not the file itself; use the address of that file"
    if _BASE64.fullmatch(start):
        return "encoded in base64 or hex; decode it"
    return ""
