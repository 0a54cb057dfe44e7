"""Notifications of the daemon: after each pass its conditions are pushed, without delaying the next pass."""

import asyncio
import datetime
import time
from collections.abc import Callable, Sequence

import httpx

from ics import errors
from ics.conditions import Condition, Reason, Severity
from ics.config import settings as config_settings
from ics.consumer import status
from ics.monitoring import notifications
from ics.reconciler import alertmanagers

_EVERY = 25.0
"""Seconds within which the same alerts are not pushed again; passes are made every 30 s, or more often."""
_LASTING = 600.0
"""Seconds without a successful pass after which that is critical, as by the rule `IcsNoSuccessfulPass`."""


def of_pass(
    settings: config_settings.Settings, report: status.Report
) -> tuple[notifications.Notification, ...]:
    """Return the alerts of a pass that could judge provider and cluster."""
    return (*_watchdog(settings), *notifications.of_report(report))


def of_failure(
    settings: config_settings.Settings, error: errors.IcsError
) -> tuple[notifications.Notification, ...]:
    """Return the alerts of a single pass that failed as a whole, and that nothing here repeats."""
    return (*_watchdog(settings), _failure(settings, error, Severity.CRITICAL))


def _failure(
    settings: config_settings.Settings, error: errors.IcsError, severity: Severity
) -> notifications.Notification:
    condition = Condition.new(Reason.RECONCILE_FAILED, str(error), severity=severity)
    return notifications.of_conditions(settings.validator, "", [condition])


def _watchdog(settings: config_settings.Settings) -> tuple[notifications.Notification, ...]:
    return (notifications.watchdog(settings.validator),) if settings.monitoring.watchdog else ()


class Notifier:
    """Pushes the alerts of the last pass; `run` is meant to run beside the daemon."""

    def __init__(
        self,
        settings: config_settings.Settings,
        now: Callable[[], datetime.datetime],
        write: Callable[..., None],
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize without sending requests.

        Args:
            settings: of the stack.
            now: returns the time.
            write: writes a line to the log, with `problem`: why alerts were not pushed.
            transport: instead of the network.
            monotonic: returns the seconds of a monotonic clock.
        """
        self._settings = settings
        self._now = now
        self._write = write
        self._transport = transport
        self._monotonic = monotonic
        self._known: tuple[notifications.Notification, ...] = ()
        """Alerts of the last report."""
        self._waiting: Sequence[notifications.Notification] | None = None
        self._arrived = asyncio.Event()
        self._pushed: Sequence[notifications.Notification] | None = None
        self._pushed_at = 0.0
        self._problems: set[str] = set()
        self._failing_since: float | None = None

    def put(self, result: status.Report | errors.IcsError) -> None:
        """Push the alerts of a pass; if it failed as a whole, those of the last report still hold."""
        if isinstance(result, status.Report):
            self._failing_since = None
            self._known = notifications.of_report(result)
            self._hand_over(_watchdog(self._settings))
        else:
            self._hand_over((*_watchdog(self._settings), self._failure(result)))

    def stand_by(self, trouble: str) -> None:
        """Take note that this process makes no pass, and so pushes no watchdog.

        Args:
            trouble: why the Lease cannot be acquired, so that no process may be acting; empty: another process acts,
                and pushes what its passes find.
        """
        if trouble:
            self._hand_over((self._failure(errors.Transient(f"no pass is made: {trouble}")),))
        else:
            self._failing_since, self._known, self._waiting = None, (), None

    def _hand_over(self, more: Sequence[notifications.Notification]) -> None:
        self._waiting = (*more, *self._known)
        self._arrived.set()

    def _failure(self, error: errors.IcsError) -> notifications.Notification:
        """Return a warning of what may be over by the next pass, and a critical alert of what lasts."""
        if self._failing_since is None:
            self._failing_since = self._monotonic()
        is_lasting = self._monotonic() - self._failing_since >= _LASTING
        is_critical = is_lasting or isinstance(error, errors.Permanent)
        return _failure(self._settings, error, Severity.CRITICAL if is_critical else Severity.WARNING)

    async def run(self) -> None:
        """Push forever whatever passes put."""
        async with alertmanagers.opened(self._transport) as session:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                waiting, self._waiting = self._waiting, None
                if waiting and self._is_due(waiting):
                    await self._push(session, waiting)

    def _is_due(self, alerts: Sequence[notifications.Notification]) -> bool:
        return alerts != self._pushed or self._monotonic() - self._pushed_at >= _EVERY

    async def _push(self, session: httpx.AsyncClient, alerts: Sequence[notifications.Notification]) -> None:
        self._pushed_at = self._monotonic()
        found = await alertmanagers.push(session, self._settings.monitoring, alerts, self._now())
        problems = {str(error) for error in found.values() if error is not None}
        for problem in sorted(problems - self._problems):
            self._write(f"alerts were not pushed: {problem}", problem=problem)
        self._problems = problems
        # What one of them has not taken is pushed again after the next pass.
        self._pushed = None if problems else alerts
