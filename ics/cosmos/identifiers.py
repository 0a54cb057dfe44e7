"""Checks of chain ids and consumer ids; pure."""

import re

from ics import errors

MAX_CHAIN_ID = 50
"""Bytes; CometBFT's limit (MaxChainIDLen)."""

_CONSUMER_ID = re.compile(r"0|[1-9][0-9]{0,19}")


def check_chain_id(chain_id: str) -> None:
    """Refuse what no chain of the provider can be called.

    Raises:
        SettingsError: empty, longer than 50 bytes, or with a space or control character.
    """
    if not chain_id:
        raise errors.SettingsError("chain id is empty: give the chain id as the provider lists it")
    if " " in chain_id or not chain_id.isprintable():
        raise errors.SettingsError(f"chain id {chain_id!r} has a space or control character: take it out")
    size = len(chain_id.encode())
    if size > MAX_CHAIN_ID:
        raise errors.SettingsError(
            f"chain id {chain_id!r} has {size} characters, the most is {MAX_CHAIN_ID}: shorten it"
        )


def check_consumer_id(consumer_id: str) -> None:
    """Refuse what is not the number that the provider gives a consumer chain.

    Raises:
        SettingsError: not a decimal number of at most 20 digits (uint64 as text).
    """
    if not _CONSUMER_ID.fullmatch(consumer_id):
        raise errors.SettingsError(f"consumer id {consumer_id!r} is not a number: take it from the list")
