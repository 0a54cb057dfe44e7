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
    """What one armored block holds."""

    kind: str
    """Such as `TENDERMINT PRIVATE KEY`."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(block: Block) -> str:
    """The block as text, with a final newline."""
    headers = "".join(f"{name}: {value}\n" for name, value in sorted(block.headers.items()))
    lines = "\n".join(textwrap.wrap(base64.b64encode(block.body).decode(), 64))
    total = base64.b64encode(_crc24(block.body)).decode()
    return f"-----BEGIN {block.kind}-----\n{headers}\n{lines}\n={total}\n-----END {block.kind}-----\n"


def decode(text: str, origin: str) -> Block:
    """The first block in a text.

    Args:
        text: with anything around the block.
        origin: what the text comes from, for the messages.

    Raises:
        SettingsError: there is none, or it was damaged. Never shows the text.
    """
    found = _BLOCK.search(text.replace("\r\n", "\n"))
    if found is None:
        raise errors.SettingsError(
            f"{origin}: is no armored key (-----BEGIN …-----), or was cut: take it from your backup"
        )
    try:
        body = base64.b64decode("".join(found["body"].split()), validate=True)
    except binascii.Error:
        raise _damaged(origin) from None
    if base64.b64encode(_crc24(body)).decode() != found["sum"]:
        raise _damaged(origin)
    headers = dict(line.split(": ", 1) for line in found["headers"].splitlines())
    return Block(found["kind"], body, {name: value.strip() for name, value in headers.items()})


def _damaged(origin: str) -> errors.SettingsError:
    return errors.SettingsError(f"{origin}: is damaged (its checksum does not fit): take it from your backup")


def _crc24(data: bytes) -> bytes:
    """RFC 4880, section 6.1."""
    value = _CRC24_START
    for byte in data:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= _CRC24_POLYNOMIAL
    return value.to_bytes(3, "big")
