"""Whether an endpoint may be acted upon: it is of the right chain, and not behind; pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import errors
from ics.conditions import Condition, Reason
from ics.config import settings

NEVER_PICKED = 2
"""Blocks: an endpoint that is further behind the best one is not picked, though it be the first."""
_SOON = 5
"""Blocks: so little is waited for within a pass."""


class Lagging(errors.Transient):
    """The newest block of an endpoint is too old."""


class Behind(errors.Transient):
    """An endpoint has not come as far as what was acted upon."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed state that an endpoint can be asked for."""

    chain_id: str
    height: int
    time: str
    """RFC 3339, of its block."""


def check_chain(head: Head, url: str, key: str, provider: settings.Provider) -> None:
    """Refuse an endpoint of another chain.

    Args:
        head: what it answered.
        url: the endpoint, fit to be shown.
        key: the setting that names it.
        provider: the chain that is wanted.

    Raises:
        SettingsError: another chain id.
    """
    if head.chain_id != provider.chain_id:
        raise errors.SettingsError(
            f"{key}: {url} answers for chain {head.chain_id!r}, wanted is {provider.chain_id!r} "
            "(ics:provider.chain_id): mend the one that is wrong"
        )


def check_lag(head: Head, url: str, now: datetime.datetime, provider: settings.Provider) -> None:
    """Refuse an endpoint whose newest block is too old.

    Raises:
        Lagging: older than `max_lag`.
    """
    age = (now - datetime.datetime.fromisoformat(head.time)).total_seconds()
    if age > provider.max_lag:
        raise Lagging(
            f"{url}: its newest block, {head.height}, is {age:.0f} s old, more than ics:provider.max_lag "
            f"({provider.max_lag} s): the endpoint lags or the chain stands still"
        )


def choose(found: Mapping[str, Head], floor: int) -> tuple[str, Head] | None:
    """The endpoint to ask: the first that is not behind; None if all are.

    Args:
        found: newest blocks of the usable ones, in the order of preference.
        floor: height that was acted upon before; an answer from before it is one from the past.
    """
    best = max((head.height for head in found.values()), default=0)
    least = max(floor, best - NEVER_PICKED)
    return next(((url, head) for url, head in found.items() if head.height >= least), None)


def is_about_to_come(found: Mapping[str, Head], floor: int) -> bool:
    """Whether one of them lacks only a few blocks to what was acted upon."""
    return any(floor - head.height <= _SOON for head in found.values())


def behind(url: str, head: Head, floor: int) -> Behind:
    """The error for an endpoint whose newest block lies before one that was acted upon."""
    return Behind(
        f"{url}: its newest block is {head.height}, and {floor} was acted upon already: the endpoint is behind; if"
        " the provider chain itself was begun anew, remove the validator's Lease in ics:gateway.namespace"
    )


def silent(url: str, seconds: float) -> errors.Transient:
    """The error for an endpoint that has not answered when another one had."""
    return errors.Transient(f"{url}: cannot be reached: no answer within {seconds:.0f} s")


def condition(key: str, url: str, error: errors.IcsError) -> Condition:
    """What an operator is told of an endpoint that another one stands in for; the same from pass to pass.

    Args:
        key: the setting that names it.
        url: fit to be shown.
        error: why it is not usable.
    """
    if isinstance(error, errors.SettingsError):
        return Condition.new(Reason.ENDPOINT_OF_OTHER_CHAIN, str(error))
    return Condition.new(
        Reason.ENDPOINT_TROUBLE,
        f"{key}: {url} is passed over ({_why(url, error)}): mend it or take it out of the setting",
    )


def none_left(key: str, problems: Mapping[str, errors.IcsError]) -> Condition:
    """What an operator is told when passes go on though no endpoint of a setting is usable.

    Args:
        key: the setting that names them.
        problems: by endpoint, fit to be shown: why it is not usable.
    """
    each = "; ".join(f"{url}: {_why(url, error)}" for url, error in problems.items())
    return Condition.new(
        Reason.RPC_UNUSABLE,
        f"{key}: none is usable ({each}): passes go on by the clock, but Hermes and the events need one: mend it",
    )


def _why(url: str, error: errors.IcsError) -> str:
    # A height and an age would change from pass to pass.
    why = "its newest block is older than ics:provider.max_lag" if isinstance(error, Lagging) else str(error)
    return why.removeprefix(f"{url}: ")


def none_usable(problems: Sequence[errors.IcsError]) -> errors.IcsError:
    """One error for why each of the endpoints cannot be used.

    A `SettingsError` only if all are: an endpoint that is merely down may be the right one.
    """
    texts = [str(problem) for problem in problems]
    if all(isinstance(problem, errors.SettingsError) for problem in problems):
        return errors.SettingsError(*texts)
    return errors.Transient("; ".join(texts))
