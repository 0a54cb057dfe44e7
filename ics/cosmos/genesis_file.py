"""Genesis files as their publishers distribute them: unpacking, and what a file is if it is not a genesis; pure."""

import functools
import zlib
from typing import Final

from ics import errors
from ics.cosmos import canonical_json

UNPACKED_LIMIT: Final = 64 * 2**20
"""Bytes of an unpacked genesis; a ConfigMap takes 1 MiB of it compressed, which is a tenth to a twentieth."""

_GZIP: Final = b"\x1f\x8b"
_TAR_MAGIC: Final = slice(257, 262)
_OTHER_ARCHIVES: Final = (
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


def unpack(content: bytes) -> bytes:
    """Return a file without its gzip compression, and any other file unchanged.

    Raises:
        SettingsError: the compressed data is damaged, or has too many bytes.
    """
    if not content.startswith(_GZIP):
        return content
    unpacked, rest = b"", content
    try:
        while rest:  # a file may consist of several parts
            inflater = zlib.decompressobj(wbits=31)
            unpacked += inflater.decompress(rest, UNPACKED_LIMIT + 1 - len(unpacked))
            if len(unpacked) > UNPACKED_LIMIT:
                raise errors.SettingsError(
                    f"the genesis file has more than {UNPACKED_LIMIT} bytes when unpacked; check that it is a genesis"
                )
            if not inflater.eof:
                raise errors.SettingsError(
                    "the genesis file is truncated: its gzip data has no end; get it again"
                )
            rest = inflater.unused_data
    except zlib.error as error:
        raise errors.SettingsError(f"the genesis file is damaged gzip data: {error}; get it again") from None
    return unpacked


@functools.lru_cache(
    maxsize=32
)  # by the bytes' own cached hash; a file is checked again whenever another is missing
def check(content: bytes) -> str:
    """Return why an unpacked file is not a genesis, as one line; empty if it has the form of one."""
    what = _other_kind(content)
    if what:
        return f"the genesis file is {what}"
    try:
        document = canonical_json.parse(content, "the genesis file")
    except errors.SettingsError as error:
        return str(error)
    answer = document.get("result")
    if isinstance(answer, dict) and "genesis" in answer:
        return "the genesis file is the answer of a node's RPC; use the part at result.genesis"
    if not isinstance(document.get("app_state"), dict):
        return "the genesis file has no app_state; use the file that `init` or the launch team writes"
    return ""


def _other_kind(content: bytes) -> str:
    """Return what a file is, with the remedy, if it is one of those that are often taken for a genesis."""
    if not content.strip():
        return "empty; get it again"
    if content[_TAR_MAGIC] == b"ustar":
        return "a tar archive; unpack it, and use the genesis.json inside"
    for magic, what in _OTHER_ARCHIVES:
        if content.startswith(magic):
            return f"{what}; unpack it, or compress it with gzip"
    if content.startswith(_LFS_POINTER):
        return (
            "a pointer of git-lfs, not the file itself; get it with git lfs pull, or from its media address"
        )
    if content.startswith(_BYTE_ORDER_MARKS):
        return "text with a byte order mark, which no node reads; save it as UTF-8 without one"
    start = content[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<!--")):
        return "a web page; use the address of the file itself, such as its raw address"
    return ""
