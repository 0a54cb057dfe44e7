"""Newest blocks of endpoints, and the check that they belong to the right chain and are up to date; pure."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import errors
from ics.conditions import Condition, Reason
from ics.config import settings
from ics.cosmos import times

_NEVER_PICKED = 2
"""Blocks that an endpoint may be behind the best one; otherwise it is not picked even if it is listed first."""
_SOON = 5
"""Maximum blocks that a pass waits for."""


class _Lagging(errors.Transient):
    """An endpoint's newest block is too old."""


class Behind(errors.Transient):
    """An endpoint's newest block is below a height that an earlier pass acted upon."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed state of an endpoint."""

    chain_id: str
    height: int
    time: str
    """Block time, RFC 3339."""

    @property
    def moment(self) -> datetime.datetime:
        """Block time, truncated to microseconds."""
        return times.parse_time(self.time)


def check_chain(head: Head, url: str, key: str, provider: settings.ProviderSettings) -> None:
    """Reject an endpoint of another chain.

    Args:
        head: newest block of the endpoint.
        url: the endpoint, without credentials.
        key: the setting that contains it.
        provider: settings of the expected chain.

    Raises:
        SettingsError: another chain id.
    """
    if head.chain_id != provider.chain_id:
        raise errors.SettingsError(
            f"{key}: {url} belongs to chain {head.chain_id!r}, not {provider.chain_id!r}; "
            "correct the URL or ics:provider.chain_id"
        )


def check_lag(head: Head, url: str, now: datetime.datetime, provider: settings.ProviderSettings) -> None:
    """Reject an endpoint whose newest block is too old.

    Raises:
        Lagging: older than `max_lag`.
    """
    age = (now - head.moment).total_seconds()
    if age > provider.max_lag:
        raise _Lagging(
            f"{url}: newest block {head.height} is {age:.0f} s old, more than ics:provider.max_lag "
            f"({provider.max_lag} s): the endpoint lags or the chain has halted"
        )


def choose(candidates: Mapping[str, Head], floor: int) -> tuple[str, Head] | None:
    """Return the first endpoint that is not behind, or None if all are.

    Args:
        candidates: newest blocks of the usable endpoints, in the order of preference.
        floor: height that an earlier pass acted upon; state before it must not be used.
    """
    best = max((head.height for head in candidates.values()), default=0)
    least = max(floor, best - _NEVER_PICKED)
    return next(((url, head) for url, head in candidates.items() if head.height >= least), None)


def is_about_to_come(candidates: Mapping[str, Head], floor: int) -> bool:
    """Return whether an endpoint needs only a few blocks more to reach the floor."""
    return any(floor - head.height <= _SOON for head in candidates.values())


def behind(url: str, head: Head, floor: int) -> Behind:
    """Return the error for an endpoint whose newest block is below the floor."""
    return Behind(
        f"{url}: newest block {head.height} is below height {floor}, which an earlier pass acted upon: the endpoint"
        " is behind; if the provider chain was restarted from genesis, delete the validator's Lease in"
        " ics:gateway.namespace"
    )


def silent(url: str, seconds: float) -> errors.Transient:
    """Return the error for an endpoint that did not answer in time although another endpoint did."""
    return errors.Transient(f"{url}: unreachable: no answer within {seconds:.0f} s")


def condition(key: str, url: str, error: errors.IcsError) -> Condition:
    """Return the condition for an unusable endpoint that another endpoint replaces; its text is stable over passes.

    Args:
        key: the setting that contains it.
        url: the endpoint, without credentials.
        error: why it is not usable.
    """
    if isinstance(error, errors.SettingsError):
        return Condition.new(Reason.ENDPOINT_OF_OTHER_CHAIN, str(error))
    return Condition.new(
        Reason.ENDPOINT_TROUBLE,
        f"{key}: {url} is not used ({_why(url, error)}); fix it or remove it from the setting",
    )


def none_left(key: str, problems: Mapping[str, errors.IcsError]) -> Condition:
    """Return the condition for a setting without a usable endpoint, although passes continue.

    Args:
        key: the setting that contains the endpoints.
        problems: why each endpoint is not usable, by its URL without credentials.
    """
    each = "; ".join(f"{url}: {_why(url, error)}" for url, error in problems.items())
    return Condition.new(
        Reason.RPC_UNUSABLE,
        f"{key}: no endpoint is usable ({each}); fix one: passes still run periodically, but Hermes and events need it",
    )


def _why(url: str, error: errors.IcsError) -> str:
    # A height or an age would change the text in every pass.
    why = "its newest block is older than ics:provider.max_lag" if isinstance(error, _Lagging) else str(error)
    return why.removeprefix(f"{url}: ")


def none_usable(problems: Sequence[errors.IcsError]) -> errors.IcsError:
    """Combine the errors of all endpoints into one.

    The result is a `SettingsError` only if all of them are: an endpoint that is down may be the right one.
    """
    texts = [str(problem) for problem in problems]
    if all(isinstance(problem, errors.SettingsError) for problem in problems):
        return errors.SettingsError(*texts)
    return errors.Transient("; ".join(texts))
