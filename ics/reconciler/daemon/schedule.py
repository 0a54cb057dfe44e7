"""Polling intervals of the daemon, the fallback for lost events; pure.

Events trigger a pass immediately. If all events are lost, everything still happens, only later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ics import aio, model
from ics.conditions import Reason
from ics.consumer import status
from ics.cosmos import times

BACKGROUND = 30.0
"""Seconds between two passes while nothing is expected."""
_NEAR = 90.0
"""Seconds before a spawn time from which the spawn is near."""
_NEAR_PAUSE = 5.0
_FIRST = 30.0
_SECOND = 120.0
_SOONEST = 0.2
_LONGEST_RETRY = 30.0
_URGENT_RETRY = 5.0


@dataclass(frozen=True, slots=True)
class AwaitedTimes:
    """Times of a chain with an expected change."""

    until_spawn: float | None
    """Seconds until its spawn time, negative after it; None: no spawn time."""
    since_change: float
    """Seconds since its report changed last."""


def pause_seconds(chains: Iterable[AwaitedTimes], jitter: float) -> float:
    """Return the seconds until the next pass: the shortest interval of all chains.

    30 s in the background, 5 s while a spawn is near, 1 s for the 30 s after it, 3 to 5 s until 2 min, then 10 to
    30 s forever.

    Args:
        chains: chains with an expected change.
        jitter: at least 0 and below 1, drawn for this pause, so that validators do not poll simultaneously.
    """
    background = BACKGROUND * (0.9 + 0.1 * jitter)
    return min((_pause_seconds(chain, jitter) for chain in chains), default=background)


def _pause_seconds(chain: AwaitedTimes, jitter: float) -> float:
    until, since = chain.until_spawn, chain.since_change
    quick, slow = 3.0 + 2.0 * jitter, 10.0 + 20.0 * jitter
    if until is not None and until > 0:
        # Preparations consist of several steps, and each of them changes the chain's report.
        regular = min(BACKGROUND, until - _NEAR) if until > _NEAR else min(_NEAR_PAUSE, until)
        return max(_SOONEST, min(regular, quick) if since <= _SECOND else regular)
    if until is not None and -until <= _FIRST:
        return 1.0
    return quick if min(since, -until if until is not None else since) <= _SECOND else slow


def retry_seconds(failures: int, regular: float, jitter: float) -> float:
    """Return the seconds until the next pass after failed ones.

    Args:
        failures: number of consecutive failures, 1 or more.
        regular: regular pause; around a spawn time, the back-off stays short.
        jitter: as in `backoff`.
    """
    longest = _URGENT_RETRY if regular <= _NEAR_PAUSE else _LONGEST_RETRY
    return max(min(regular, 1.0), aio.backoff(failures, longest, jitter))


@dataclass(frozen=True, slots=True)
class AwaitedState:
    """A chain's report without values that change with every block."""

    spawn_time: str | None
    """RFC 3339."""
    fingerprint: tuple[str, ...]
    """Differs if anything about the chain has changed."""


def awaited_states(snapshot: model.Snapshot, report: status.Report) -> dict[str, AwaitedState]:
    """Return the states of chains with an expected change, by consumer id."""
    details = {consumer.summary.consumer_id: consumer.detail for consumer in snapshot.consumers}
    states = {}
    for chain in report.chains:
        detail = details.get(chain.consumer_id)
        if _is_awaited(chain):
            fingerprint = (
                chain.phase.value,
                chain.participation.value,
                str(chain.genesis_sha256),
                *(condition.reason for condition in chain.conditions),
            )
            states[chain.consumer_id] = AwaitedState(detail.spawn_time if detail else None, fingerprint)
    return states


def _is_awaited(chain: status.ChainReport) -> bool:
    """Return whether a change of a chain is expected soon, judged by its phase and the reasons of its conditions."""
    reasons = {condition.reason for condition in chain.conditions}
    if chain.phase is model.Phase.STOPPED or any(reason.entry.is_foreign for reason in reasons):
        return False
    if chain.phase is model.Phase.INITIALIZED:
        # A declined chain may be joined at the next height, and a rejected one in the next pass.
        return True
    return Reason.NOT_JOINED not in reasons and not all(reason.entry.is_settled for reason in reasons)


def seconds_until(moment: str | None, now: str) -> float | None:
    """Return the seconds between two RFC 3339 times of the provider's clock, or None without a target time."""
    if moment is None:
        return None
    return (times.parse_time(moment) - times.parse_time(now)).total_seconds()
