"""Newest blocks of endpoints: whether they belong to the right chain, are up to date and can be believed; pure.

An endpoint may be broken or hostile; its word must neither discredit the others nor outlive it. So a height counts only
as far as the time of its block allows: since the block that an earlier pass acted upon, and compared with the other
endpoints. Block times grow with the heights of a chain. A recorded block that is higher than those of the reachable
endpoints, and yet older, was therefore a lie, and is forgotten.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ics import errors, model, plain_text
from ics.conditions import Condition, Reason
from ics.config import settings
from ics.cosmos import times

_NEVER_PICKED = 2
"""Blocks that an endpoint may be behind the best one; otherwise it is not picked even if it is listed first."""
_SOON = 5
"""Maximum blocks that a pass waits for."""


_SLACK = 2
"""Blocks by which clocks and rounding may mislead."""
_AHEAD_SECONDS = 10.0
"""Seconds by which a block may be newer than this machine's clock."""
_COMMITTING_SECONDS = 10.0
"""Seconds by which two times of one block may differ.

Between the commit of a block and the next check of transactions, a node names the block's height with the time of the
block before (`CreateQueryContext` of the SDK's baseapp). So this alone discredits no endpoint; among those that others
contradict equally, it decides.
"""
_Name = TypeVar("_Name")


class Lagging(errors.Transient):
    """An endpoint's newest block is too old."""


class Behind(errors.Transient):
    """An endpoint's newest block is below a height that an earlier pass acted upon."""


class Unbelievable(errors.Transient):
    """An endpoint claims a block that the chain cannot have, or that the other endpoints contradict.

    Args:
        where: the endpoint, without credentials.
        claim: what it claims, with its numbers.
        summary: the same without numbers, which would differ in every pass.
    """

    def __init__(self, where: str, claim: str, summary: str) -> None:
        super().__init__(f"{where}: {claim}")
        self.summary = summary


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
    """Reject an endpoint whose newest block is too old, or newer than now.

    Raises:
        Lagging: older than `max_lag`.
        Unbelievable: its time is in the future.
    """
    age = (now - head.moment).total_seconds()
    if age < -_AHEAD_SECONDS:
        text = "from the future; check this machine's clock, or the endpoint"
        raise Unbelievable(
            url, f"newest block {head.height} is {-age:.0f} s {text}", f"its newest block is {text}"
        )
    if age > provider.max_lag:
        raise Lagging(
            f"{url}: newest block {head.height} is {age:.0f} s old, more than ics:provider.max_lag "
            f"({provider.max_lag} s): the endpoint lags or the chain has halted"
        )


def doubts(
    candidates: Mapping[_Name, Head], floor: model.ActedBlock | None, block_seconds: float
) -> dict[_Name, Unbelievable]:
    """Return the endpoints whose newest blocks cannot be believed, with the reason for each.

    Args:
        candidates: newest blocks of the usable endpoints.
        floor: block that an earlier pass acted upon.
        block_seconds: shortest average time between two blocks.
    """
    doubted: dict[_Name, Unbelievable] = {}
    for name, head in candidates.items():
        if floor is not None and head.height > floor.height + _most_blocks(
            floor.moment, head.moment, block_seconds
        ):
            claim = (
                f"claims block {head.height}, which the chain cannot have reached since block {floor.height}"
            )
            remedy = "if its blocks are that fast, lower ics:provider.min_block_time"
            doubted[name] = Unbelievable(
                str(name), f"{claim}; {remedy}", "it claims a block that the chain cannot have reached"
            )
    left = {name: head for name, head in candidates.items() if name not in doubted}
    while (worst := _most_contradicted(left, floor, block_seconds)) is not None:
        doubted[worst] = Unbelievable(
            str(worst),
            f"claims block {left.pop(worst).height}, which the times and heights of the others contradict",
            "it claims a block that the other endpoints contradict",
        )
    return doubted


def _most_blocks(before: datetime.datetime, after: datetime.datetime, block_seconds: float) -> int:
    return int(max((after - before).total_seconds(), 0.0) / block_seconds) + _SLACK


def _most_contradicted(
    candidates: Mapping[_Name, Head], floor: model.ActedBlock | None, block_seconds: float
) -> _Name | None:
    """Return the endpoint that most others contradict; among equals one below the floor, then the highest."""

    def contradict(one: Head, other: Head) -> bool:
        low, high = sorted((one, other), key=lambda head: head.height)
        if low.height == high.height:
            return abs((low.moment - high.moment).total_seconds()) > _COMMITTING_SECONDS
        if low.moment > high.moment:
            return True  # block times grow with the heights
        return high.height - low.height > _most_blocks(low.moment, high.moment, block_seconds)

    def differ(one: Head, other: Head) -> bool:
        return one.height == other.height and one.moment != other.moment

    counts = {
        name: (
            sum(contradict(head, other) for other in candidates.values()),
            sum(differ(head, other) for other in candidates.values()),
        )
        for name, head in candidates.items()
    }
    worst = max(counts.values(), default=(0, 0))
    if not worst[0]:
        return None
    least = 0 if floor is None else floor.height
    among = [name for name, count in counts.items() if count == worst]
    return max(among, key=lambda name: (candidates[name].height < least, candidates[name].height))


def choose(candidates: Mapping[_Name, Head], floor: model.ActedBlock | None) -> tuple[_Name, Head] | None:
    """Return the first endpoint that is not behind, or None if all are.

    Args:
        candidates: newest blocks of the endpoints that can be believed, in the order of preference.
        floor: block that an earlier pass acted upon; state before it must not be used.
    """
    least = 0 if floor is None else floor.height
    pool = {name: head for name, head in candidates.items() if head.height >= least}
    if floor is not None:
        later = {
            n: head for n, head in candidates.items() if head.height < least and head.moment > floor.moment
        }
        pool = later if len(later) > len(pool) else pool
    best = max((head.height for head in pool.values()), default=0)
    return next(((name, head) for name, head in pool.items() if head.height >= best - _NEVER_PICKED), None)


def vote(claims: Mapping[_Name, object]) -> tuple[frozenset[_Name], frozenset[_Name]]:
    """Compare what several endpoints say about the same.

    Args:
        claims: in the order of preference.

    Returns:
        The endpoints that a majority contradicts; and, if there is no majority, those that contradict the first one.
    """
    values = list(claims.values())
    best = max(values, key=values.count, default=None)
    others = frozenset(name for name, claim in claims.items() if claim != best)
    is_majority = 2 * values.count(best) > len(values)
    return (others, frozenset()) if is_majority else (frozenset(), others)


def contradicted(where: object, what: str) -> Unbelievable:
    """Return the error for an endpoint that says something else than the others, such as `has another block`."""
    summary = (
        f"it {what} than the other endpoints: it is broken, follows a fork, or another chain of the same id"
    )
    return Unbelievable(str(where), summary, summary)


def is_about_to_come(candidates: Mapping[_Name, Head], floor: model.ActedBlock | None) -> bool:
    """Return whether an endpoint needs only a few blocks more to reach the floor."""
    return floor is not None and any(floor.height - head.height <= _SOON for head in candidates.values())


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


def upgrading(scheduled: model.ScheduledUpgrade) -> Condition:
    """Return the condition of a provider that stands at the height of its own upgrade."""
    name = plain_text.one_line(scheduled.name, 60)
    return Condition.new(
        Reason.PROVIDER_UPGRADING,
        f"the provider stands at height {scheduled.height} for its upgrade {name}: its state is read as it is, and no"
        " transaction is sent until it makes blocks again",
    )


def none_left(key: str, problems: Sequence[tuple[object, errors.IcsError]]) -> Condition:
    """Return the condition for a setting without a usable endpoint, although passes continue.

    Args:
        key: the setting that contains the endpoints.
        problems: endpoints, with the reason why each is not usable.
    """
    each = "; ".join(f"{url}: {_why(str(url), error)}" for url, error in problems)
    return Condition.new(
        Reason.RPC_UNUSABLE,
        f"{key}: no endpoint is usable ({each}); fix one: passes still run periodically, but Hermes and events need it",
    )


def _why(url: str, error: errors.IcsError) -> str:
    # A height or an age would change the text in every pass.
    if isinstance(error, Lagging):
        return "its newest block is older than ics:provider.max_lag"
    why = error.summary if isinstance(error, Unbelievable) else str(error)
    return why.removeprefix(f"{url}: ")


def none_usable(problems: Sequence[errors.IcsError]) -> errors.IcsError:
    """Combine the errors of all endpoints into one.

    The result is a `SettingsError` only if all of them are: an endpoint that is down may be the right one.
    """
    texts = [str(problem) for problem in problems]
    if all(isinstance(problem, errors.SettingsError) for problem in problems):
        return errors.SettingsError(*texts)
    return errors.Transient("; ".join(texts))
