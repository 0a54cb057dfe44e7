"""What relaying needs to know of a chain's genesis, which never changes after the launch; pure."""

import datetime
import functools
import json
from dataclasses import dataclass
from typing import Final

from ics.cosmos import genesis

_MOST: Final = 1024
"""Geneses whose facts are remembered; of more chains, some are parsed again."""


@dataclass(frozen=True, slots=True)
class GenesisFacts:
    """Facts of one genesis."""

    time: datetime.datetime | None
    """Genesis time, None if it has none."""
    funded: frozenset[str]
    """Accounts with coins, bech32."""


@functools.lru_cache(maxsize=_MOST)
def of(content: bytes) -> GenesisFacts:
    """Return the facts of a genesis, or of the outline of a large one; each is parsed once.

    Raises:
        ValueError: it is not JSON.
    """
    document = json.loads(content)
    return GenesisFacts(time=genesis.genesis_time(document), funded=genesis.funded_accounts(document))


@functools.lru_cache(maxsize=_MOST)
def initial_validators(content: bytes) -> tuple[tuple[bytes, int], ...]:
    """Return the keys (ed25519) and powers of the first validators, of which one opens the channel.

    Raises:
        KeyError, SettingsError: it has none.
    """
    return genesis.initial_validators(json.loads(content)["app_state"]["ccvconsumer"])
