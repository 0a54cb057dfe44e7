"""Whether an endpoint may be acted upon: it is of the right chain, and not behind; pure."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from ics import config, errors


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed state that an endpoint can be asked for."""

    chain_id: str
    height: int
    time: str
    """RFC 3339, of its block."""


def check_chain(head: Head, url: str, key: str, provider: config.Provider) -> None:
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


def check_lag(head: Head, url: str, now: datetime.datetime, provider: config.Provider) -> None:
    """Refuse an endpoint whose newest block is too old.

    Raises:
        Transient: older than `max_lag`.
    """
    age = (now - datetime.datetime.fromisoformat(head.time)).total_seconds()
    if age > provider.max_lag:
        raise errors.Transient(
            f"{url}: its newest block, {head.height}, is {age:.0f} s old, more than ics:provider.max_lag "
            f"({provider.max_lag} s): the endpoint lags or the chain stands still"
        )


def none_usable(problems: Sequence[errors.IcsError]) -> errors.IcsError:
    """One error for why each of the endpoints cannot be used.

    A `SettingsError` only if all are: an endpoint that is merely down may be the right one.
    """
    texts = [str(problem) for problem in problems]
    if all(isinstance(problem, errors.SettingsError) for problem in problems):
        return errors.SettingsError(*texts)
    return errors.Transient("; ".join(texts))
