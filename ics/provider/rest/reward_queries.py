"""Queries about a validator's rewards on the provider, and about the chains that they came from."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ics.consumer import rewards
from ics.cosmos import answers, coins
from ics.errors import SettingsError
from ics.provider import gateway
from ics.relayer import queries

_DISTRIBUTION: Final = "/cosmos/distribution/v1beta1/validators"
_TRANSFER: Final = "/ibc/apps/transfer/v1"
_CHANNELS: Final = "/ibc/core/channel/v1/channels"
_MOST_COINS: Final = 10_000
_MOST_STEPS: Final = 64


async def validator_rewards(ask: queries.Ask, operator_address: str) -> rewards.ValidatorRewards:
    """Read what a validator (valoper) has not withdrawn.

    Raises:
        Transient: the chain does not answer.
        Permanent: it refuses the query, or an answer has an unexpected shape.
    """
    path = f"{_DISTRIBUTION}/{operator_address}"
    outstanding, commission = await queries.gather(
        queries.require(ask, f"{path}/outstanding_rewards"), queries.require(ask, f"{path}/commission")
    )
    return rewards.ValidatorRewards(
        _coins(outstanding["rewards"]["rewards"]), _coins(commission["commission"]["commission"])
    )


def _coins(listed: answers.Field) -> Mapping[str, Decimal]:
    found: dict[str, Decimal] = {}
    for coin in listed:
        denom = coin["denom"].text()
        if not is_denom(denom) or len(found) == _MOST_COINS:
            listed.fail("a list of coins")
        found[denom] = coin["amount"].decimal()
    return found


async def origin(ask: queries.Ask, denom: str) -> rewards.Origin | None:
    """Read where a denomination `ibc/HASH` came from; None: the chain does not know, or not over a transfer channel.

    Raises:
        Transient: the chain does not answer.
        Permanent: it refuses a query, or an answer has an unexpected shape.
    """
    path = await _path(ask, denom.removeprefix("ibc/"))
    if path is None or not path.steps or path.denom != denom:
        return None
    port, channel = path.steps[0]
    answer = await ask(f"{_CHANNELS}/{channel}/ports/{port}/client_state", {})
    if answer is None:
        return None
    return rewards.Origin(answer["identified_client_state"]["client_id"].text(), path.base)


async def _path(ask: queries.Ask, digest: str) -> rewards.DenomPath | None:
    """Read the way of a denomination: ibc-go calls the query `denoms` since its version 10, before `denom_traces`."""
    try:
        answer = await ask(f"{_TRANSFER}/denoms/{digest}", {})
        return None if answer is None else _of_denom(answer["denom"])
    except gateway.Refused:
        answer = await ask(f"{_TRANSFER}/denom_traces/{digest}", {})
        return None if answer is None else _of_trace(answer["denom_trace"])


def _of_denom(denom: answers.Field) -> rewards.DenomPath | None:
    steps = tuple((step["port_id"].text(), step["channel_id"].text()) for step in denom["trace"])
    return _checked(steps, denom["base"].text())


def _of_trace(trace: answers.Field) -> rewards.DenomPath | None:
    parts = trace["path"].text().split("/")
    steps = tuple(zip(parts[::2], parts[1::2], strict=False))
    return _checked(steps, trace["base_denom"].text())


def _checked(steps: tuple[tuple[str, str], ...], base: str) -> rewards.DenomPath | None:
    """Return a way, None if it is not one over transfer channels: its texts get into addresses and labels."""
    is_plain = len(steps) <= _MOST_STEPS and all(
        port == "transfer"
        and channel.startswith("channel-")
        and channel[8:].isdecimal()
        and channel.isascii()
        for port, channel in steps
    )
    return rewards.DenomPath(steps, base) if is_plain and is_denom(base) else None


def is_denom(text: str) -> bool:
    """Return whether a text has the form of a denomination."""
    try:
        coins.check_denom(text)
    except SettingsError:
        return False
    return True
