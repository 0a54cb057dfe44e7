"""Result of a node's own check, at its start, whether the image contains the expected binary; pure.

`start.sh` compares the binary with the definition's `binary_hash` and ends if they differ. It says so in
the termination message of its container, `binary <sha256 of the binary>`.
"""

import re
from typing import Final

MISMATCH: Final = "binary"
"""First word of the termination message."""

_MESSAGE = re.compile(rf"{MISMATCH} ([0-9a-f]{{64}})\s*")


def found(message: str) -> str:
    """Return the sha256 (lower-case hex) of the binary that was refused, or an empty text.

    Args:
        message: the termination message; may be empty, or of the binary's own making.
    """
    match = _MESSAGE.fullmatch(message)
    return "" if match is None else match[1]
