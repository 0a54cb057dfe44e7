"""Validation of chain ids and consumer ids; pure."""

import re

from ics import errors

_MAX_CHAIN_ID = 50
"""Bytes; CometBFT's limit (MaxChainIDLen)."""

_CONSUMER_ID = re.compile(r"0|[1-9][0-9]{0,19}")


def check_chain_id(chain_id: str) -> None:
    """Check that a chain id is valid on the provider.

    Raises:
        SettingsError: it is empty, longer than 50 bytes, or contains a space or control character.
    """
    if not chain_id:
        raise errors.SettingsError("chain id is empty; use the one that the provider lists")
    if " " in chain_id or not chain_id.isprintable():
        raise errors.SettingsError(f"chain id {chain_id!r} contains a space or control character; remove it")
    size = len(chain_id.encode())
    if size > _MAX_CHAIN_ID:
        raise errors.SettingsError(
            f"chain id {chain_id!r} has {size} bytes, but the maximum is {_MAX_CHAIN_ID}; shorten it"
        )


def check_consumer_id(consumer_id: str) -> None:
    """Check that a consumer id is a number that the provider could assign.

    Raises:
        SettingsError: it is not a decimal number of at most 20 digits (uint64 as text).
    """
    if not _CONSUMER_ID.fullmatch(consumer_id):
        raise errors.SettingsError(
            f"consumer id {consumer_id!r} is not a number; use the one that the provider lists"
        )
