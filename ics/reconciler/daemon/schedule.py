"""How long a resident reconciler waits for a wake-up before it looks by itself; pure.

Events wake it at once. What is here is the fallback: with every event lost all still happens, only later.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from ics import aio, model
from ics.conditions import Reason
from ics.consumer import status

BACKGROUND = 30.0
"""Seconds between two looks while nothing is expected."""
NEAR = 90.0
"""A spawn is near when so many seconds are left to it."""
_NEAR_PAUSE = 5.0
_FIRST = 30.0
_SECOND = 120.0
_SOONEST = 0.2
_LONGEST_RETRY = 30.0
_URGENT_RETRY = 5.0


@dataclass(frozen=True, slots=True)
class Awaited:
    """A chain of which something is expected."""

    until_spawn: float | None
    """Seconds to its spawn time, negative after it; None: there is none."""
    since_change: float
    """Seconds since what is told of it changed last."""


def pause(chains: Iterable[Awaited], luck: float) -> float:
    """Seconds until the next look, the shortest that any chain asks for.

    30 s in the background, 5 s while a spawn is near, 1 s for the 30 s after it, 3 to 5 s until 2 min,
    then 10 to 30 s, for ever.

    Args:
        chains: of which something is expected.
        luck: at least 0 and below 1, drawn for this pause: validators shall not all ask at once.
    """
    background = BACKGROUND * (0.9 + 0.1 * luck)
    return min((_pause(chain, luck) for chain in chains), default=background)


def _pause(chain: Awaited, luck: float) -> float:
    until, since = chain.until_spawn, chain.since_change
    quick, slow = 3.0 + 2.0 * luck, 10.0 + 20.0 * luck
    if until is not None and until > 0:
        # What is staged before comes step by step, each of which changes what is told of the chain.
        regular = min(BACKGROUND, until - NEAR) if until > NEAR else min(_NEAR_PAUSE, until)
        return max(_SOONEST, min(regular, quick) if since <= _SECOND else regular)
    if until is not None and -until <= _FIRST:
        return 1.0
    return quick if min(since, -until if until is not None else since) <= _SECOND else slow


def retry(failures: int, regular: float, luck: float) -> float:
    """Seconds until the next pass after passes that could judge nothing.

    Args:
        failures: in a row, 1 or more.
        regular: what the pause would have been; around a spawn no wait grows long.
        luck: as in `backoff`.
    """
    longest = _URGENT_RETRY if regular <= _NEAR_PAUSE else _LONGEST_RETRY
    return max(min(regular, 1.0), aio.backoff(failures, longest, luck))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a chain's report says, without what moves with every block."""

    spawn_time: str | None
    """RFC 3339."""
    told: tuple[str, ...]
    """Differs when anything about the chain has changed."""


def standings(snapshot: model.Snapshot, report: status.Report) -> dict[str, Standing]:
    """The chains of which something is expected, by consumer id."""
    details = {consumer.summary.consumer_id: consumer.detail for consumer in snapshot.consumers}
    found = {}
    for chain in report.chains:
        detail = details.get(chain.consumer_id)
        if _is_awaited(chain):
            told = (
                chain.phase.value,
                chain.participation.value,
                str(chain.genesis_sha256),
                *(condition.reason for condition in chain.conditions),
            )
            found[chain.consumer_id] = Standing(detail.spawn_time if detail else None, told)
    return found


def _is_awaited(chain: status.ChainReport) -> bool:
    """Return whether a change of a chain is expected soon, judged by its phase and the reasons of its conditions."""
    reasons = {condition.reason for condition in chain.conditions}
    if chain.phase is model.Phase.STOPPED or any(reason.entry.is_foreign for reason in reasons):
        return False
    if chain.phase is model.Phase.INITIALIZED:
        # One that is declined may be joined at the next height, and one that was refused at the next pass.
        return True
    return Reason.NOT_JOINED not in reasons and not all(reason.entry.is_settled for reason in reasons)


def seconds_until(moment: str | None, now: str) -> float | None:
    """Seconds from one RFC 3339 time to another, by the provider's own clock; None when there is none."""
    if moment is None:
        return None
    parse = datetime.datetime.fromisoformat
    return (parse(moment) - parse(now)).total_seconds()
