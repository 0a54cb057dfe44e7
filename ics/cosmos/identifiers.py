"""Validation of chain ids and consumer ids, and the number in the ids of clients, connections and channels; pure."""

import re

from ics import errors, plain_text

_MAX_CHAIN_ID = 50
"""Bytes; CometBFT's limit (MaxChainIDLen)."""

_CHAIN_ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.))*")
"""Narrower than the provider, which accepts any text that is not blank: an id becomes part of Kubernetes names and
annotations, of file paths, URLs, TOML files and command lines. Hermes has the same set of characters."""
_CONSUMER_ID = re.compile(r"0|[1-9][0-9]{0,19}")
_COUNTER = re.compile(r"[0-9]{1,20}")


def check_chain_id(chain_id: str) -> None:
    """Check that a chain id can be the name of a chain that is run here.

    Raises:
        SettingsError: it is empty, longer than 50 bytes, or has other characters than names of chains have.
    """
    if not chain_id:
        raise errors.SettingsError("chain id is empty; use the one that the provider lists")
    size = len(chain_id.encode("utf-8", "surrogatepass"))
    if size > _MAX_CHAIN_ID:
        raise errors.SettingsError(
            f"chain id {plain_text.visible(chain_id)!r} has {size} bytes, but the maximum is {_MAX_CHAIN_ID};"
            " shorten it"
        )
    if not _CHAIN_ID.fullmatch(chain_id):
        raise errors.SettingsError(
            f"chain id '{plain_text.visible(chain_id)}' is not the name of a chain that can be run: it must consist of"
            " A-Z, a-z, 0-9, '-', '_' and single dots, and begin with neither '-' nor a dot"
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


def counter(id_: str) -> int | None:
    """Return the number at the end of an id that a chain counts, such as 9 of `07-tendermint-9`; None: there is none.

    It has at most 20 digits (uint64; ICS 24, "Identifiers").
    """
    number = _COUNTER.fullmatch(id_.rpartition("-")[2])
    return int(number[0]) if number else None
