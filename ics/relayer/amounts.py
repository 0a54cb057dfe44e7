"""Amounts that are recorded on the Lease: by provider and denomination, by chain, and by a name within it; pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ics import errors

Record = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Scope, consumer id and name of each amount."""


def scope(provider_chain_id: str, denom: str) -> str:
    """Return the key under which the amounts in a denomination of a provider are recorded."""
    return f"{provider_chain_id} {denom}"


def encode(record: Record) -> str:
    """Return the text of a record."""
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def parse(text: str, annotation: str, what: str, is_name: Callable[[str], bool] = lambda _: True) -> Record:
    """Return the record with this text; empty: nothing was recorded.

    Args:
        text: the annotation on the Lease.
        annotation: its name.
        what: is recorded, for the message.
        is_name: whether an amount can have a name.

    Raises:
        Permanent: the record is malformed.
    """
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not _is_record(value, is_name):
        raise errors.Permanent(
            f"annotation {annotation} of the Lease is malformed, so nothing is known of earlier {what}; remove it"
        )
    result: Record = value
    return result


def _is_record(value: Any, is_name: Callable[[str], bool]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(chains, dict)
        and all(
            isinstance(named, dict)
            and all(is_name(name) and type(amount) is int and amount >= 0 for name, amount in named.items())
            for named in chains.values()
        )
        for chains in value.values()
    )
