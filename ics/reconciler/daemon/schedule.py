"""Polling intervals of the daemon, the fallback for lost events; pure.

Events trigger a pass immediately. If all events are lost, everything still happens, only later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ics import aio, model
from ics.conditions import Reason
from ics.config import settings
from ics.consumer import revision, status, upgrades
from ics.cosmos import times

POLLING = settings.PollingSettings.defaults()
"""Default intervals."""
_NEAR = 90.0
"""Seconds before a spawn time from which the spawn is near."""
_UPGRADE_NEAR = 600.0
"""Seconds before and after an upgrade in which it is near."""
_UPGRADE_SOON = 30.0
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
    until_upgrade: float | None = None
    """Seconds until the upgrade of its node, negative after it; None: none is expected."""


def pause_seconds(
    chains: Iterable[AwaitedTimes], jitter: float, polling: settings.PollingSettings = POLLING
) -> float:
    """Return the seconds until the next pass: the shortest interval of all chains.

    By default 30 s in the background, 5 s while a spawn is near, 1 s for the 30 s after it, 3 to 5 s until 2 min, then
    10 to 30 s forever. 5 s from ten minutes before an upgrade, 1 s from half a minute before it until ten minutes
    after.

    Args:
        chains: chains with an expected change.
        jitter: at least 0 and below 1, drawn for this pause, so that validators do not poll simultaneously.
        polling: the intervals of the settings.
    """
    background = polling.background * (0.9 + 0.1 * jitter)
    known = tuple(chains)
    upgrading = min((_upgrade_pause(one.until_upgrade, polling) for one in known), default=polling.background)
    return min(
        min((_pause_seconds(chain, jitter, polling) for chain in known), default=background), upgrading
    )


def _upgrade_pause(until: float | None, polling: settings.PollingSettings) -> float:
    if until is None or until < -_UPGRADE_NEAR:
        return polling.background
    if until <= _UPGRADE_SOON:
        return polling.after
    if until > _UPGRADE_NEAR + polling.near:
        return min(polling.background, until - _UPGRADE_NEAR)
    return polling.near


def _pause_seconds(chain: AwaitedTimes, jitter: float, polling: settings.PollingSettings) -> float:
    until, since = chain.until_spawn, chain.since_change
    # After these first seconds the same change is still expected, but less urgent.
    quick = max(polling.after, min(polling.background, 3.0 + 2.0 * jitter))
    slow = max(quick, polling.background * (1.0 + 2.0 * jitter) / 3.0)
    if until is not None and until > 0:
        # Preparations consist of several steps, and each of them changes the chain's report.
        regular = min(polling.background, until - _NEAR) if until > _NEAR else min(polling.near, until)
        return max(_SOONEST, min(regular, quick) if since <= _SECOND else regular)
    if until is not None and -until <= _FIRST:
        return polling.after
    return quick if min(since, -until if until is not None else since) <= _SECOND else slow


def retry_seconds(failures: int, regular: float, jitter: float) -> float:
    """Return the seconds until the next pass after failed ones.

    Args:
        failures: number of consecutive failures, 1 or more.
        regular: regular pause; around a spawn time, the back-off stays short.
        jitter: as in `backoff`.
    """
    longest = _URGENT_RETRY if regular <= _URGENT_RETRY else _LONGEST_RETRY
    return max(min(regular, 1.0), aio.backoff(failures, longest, jitter))


@dataclass(frozen=True, slots=True)
class AwaitedState:
    """A chain's report without values that change with every block."""

    spawn_time: str | None
    """RFC 3339."""
    fingerprint: tuple[str, ...]
    """Differs if anything about the chain has changed."""
    until_upgrade: float | None = field(default=None, compare=False)
    """Seconds from the snapshot's block until the upgrade of its node; an estimate, which varies."""


def awaited_states(snapshot: model.Snapshot, report: status.Report) -> dict[str, AwaitedState]:
    """Return the states of chains with an expected change, by consumer id."""
    details = {consumer.summary.consumer_id: consumer.detail for consumer in snapshot.consumers}
    states = {}
    for chain in report.chains:
        detail = details.get(chain.consumer_id)
        until_upgrade = _until_upgrade(chain.upgrade, snapshot)
        if _is_awaited(chain) or until_upgrade is not None:
            fingerprint = (
                chain.phase.value,
                chain.participation.value,
                str(chain.genesis_sha256),
                *(condition.reason for condition in chain.conditions),
            )
            states[chain.consumer_id] = AwaitedState(
                detail.spawn_time if detail else None,
                fingerprint,
                until_upgrade,
            )
    until_upgrade = _until_upgrade(report.provider_upgrade, snapshot)
    if until_upgrade is not None:
        states[revision.PROVIDER] = AwaitedState(None, (), until_upgrade)
    return states


def _until_upgrade(upgrade: upgrades.NodeUpgrade | None, snapshot: model.Snapshot) -> float | None:
    """Return the seconds until an upgrade that is near, 0 while its node stands; None: none is near."""
    if upgrade is None or not upgrade.holds:
        return None
    if upgrade.stands or upgrade.expected is None:
        return 0.0
    return (upgrade.expected - snapshot.moment).total_seconds()


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
