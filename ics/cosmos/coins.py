"""Amounts of coins as the Cosmos SDK writes them; pure."""

import re
from dataclasses import dataclass

from ics import errors

_COIN = re.compile(r"([0-9]{1,78})([a-zA-Z][a-zA-Z0-9/:._-]{2,127})")


@dataclass(frozen=True, slots=True)
class Coin:
    """An amount in a denomination's base unit."""

    denom: str
    amount: int


def parse_coins(text: str) -> tuple[Coin, ...]:
    """Coins as the SDK writes them, `100stake,5uatom`; sorted by denomination. Empty text: none.

    Raises:
        SettingsError: another form, an amount of 0, or a denomination twice.
    """
    coins: dict[str, int] = {}
    for part in text.split(",") if text.strip() else ():
        found = _COIN.fullmatch(part.strip())
        if not found or int(found[1]) == 0:
            raise errors.SettingsError(f"coins {text!r}: {part.strip()!r} is no coin: write it like 100stake")
        if found[2] in coins:
            raise errors.SettingsError(f"coins {text!r}: denom {found[2]!r} comes twice: give its sum")
        coins[found[2]] = int(found[1])
    return tuple(Coin(denom, amount) for denom, amount in sorted(coins.items()))
