"""ASCII armor (RFC 4880, section 6.2), in which the Cosmos SDK writes its exported keys; pure."""

import base64
import binascii
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import errors

_BLOCK = re.compile(
    r"^-----BEGIN (?P<kind>[A-Z0-9 ]+)-----[ \t]*\n(?P<headers>(?:[^\n]+: [^\n]*\n)*)\s*\n"
    r"(?P<body>[A-Za-z0-9+/=\s]*?)\n=(?P<sum>[A-Za-z0-9+/]{4})\s*\n-----END (?P=kind)-----",
    re.MULTILINE,
)
_CRC24_START, _CRC24_POLYNOMIAL = 0xB704CE, 0x1864CFB


@dataclass(frozen=True, slots=True)
class Block:
    """Content of one armored block."""

    kind: str
    """Such as `TENDERMINT PRIVATE KEY`."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(block: Block) -> str:
    """Return the armored text of a block, with a final newline."""
    headers = "".join(f"{name}: {value}\n" for name, value in sorted(block.headers.items()))
    lines = "\n".join(textwrap.wrap(base64.b64encode(block.body).decode(), 64))
    total = base64.b64encode(_crc24(block.body)).decode()
    return f"-----BEGIN {block.kind}-----\n{headers}\n{lines}\n={total}\n-----END {block.kind}-----\n"


def decode(text: str, origin: str) -> Block:
    """Decode the first armored block in a text.

    Args:
        text: may contain anything around the block.
        origin: source of the text, for messages.

    Raises:
        SettingsError: there is no block, or it is corrupt. The message never quotes the text.
    """
    match = _BLOCK.search(text.replace("\r\n", "\n"))
    if match is None:
        raise errors.SettingsError(
            f"{origin}: not an armored key (-----BEGIN …-----), or truncated; restore it from a backup"
        )
    try:
        body = base64.b64decode("".join(match["body"].split()), validate=True)
    except binascii.Error:
        raise _damaged(origin) from None
    if base64.b64encode(_crc24(body)).decode() != match["sum"]:
        raise _damaged(origin)
    headers = dict(line.split(": ", 1) for line in match["headers"].splitlines())
    return Block(match["kind"], body, {name: value.strip() for name, value in headers.items()})


def _damaged(origin: str) -> errors.SettingsError:
    return errors.SettingsError(f"{origin}: corrupt (checksum mismatch); restore it from a backup")


def _crc24(data: bytes) -> bytes:
    """Return the CRC-24 checksum (RFC 4880, section 6.1)."""
    value = _CRC24_START
    for byte in data:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= _CRC24_POLYNOMIAL
    return value.to_bytes(3, "big")
