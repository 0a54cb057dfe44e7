"""A genesis as a ConfigMap takes it: as it is, or compressed when it is large; pure."""

import functools
import gzip

PLAIN_LIMIT = 700_000
"""Bytes above which it is compressed: base64 adds a third on the way."""
LIMIT = 1_048_576
"""Bytes that the API server takes in the data of one ConfigMap, before base64."""


def size(content: bytes) -> int:
    """Bytes that a genesis takes in a ConfigMap; more than `LIMIT` and there is no place for it."""
    return len(content) if len(content) <= PLAIN_LIMIT else len(packed(content))


@functools.lru_cache(maxsize=16)  # asked in every pass, and it takes a second for what is really large
def packed(content: bytes) -> bytes:
    """Compressed with gzip; the same bytes for the same content."""
    return gzip.compress(content, mtime=0)
