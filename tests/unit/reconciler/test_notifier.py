"""Alerts are pushed after passes, at most every 25 s while they are the same."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from ics import errors
from ics.conditions import Condition, Reason
from ics.config import settings as config_settings
from ics.reconciler import alertmanagers, notifier
from tests.unit import factories
from tests.unit.monitoring import test_notifications

HALTED = Condition.new(Reason.CHAIN_HALTED, "no block", "0")
JAILED = Condition.new(Reason.JAILED, "jailed")
NOW = test_notifications.NOW
SETTINGS = factories.settings(
    monitoring={"alertmanager": ["http://a:9093/path", "http://user:password1@b:9093"]}
)


class Alertmanagers:
    """Alertmanagers that take everything, or answer with an error."""

    def __init__(self) -> None:
        self.statuses = {"a": 200, "b": 200}
        self.taken: list[tuple[str, list[str]]] = []
        self.clock = 0.0
        self.log: list[str] = []
        self.severities: dict[str, str] = {}
        """By name of an alert, as last taken."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        status = self.statuses[request.url.host]
        if status == 0:
            raise httpx.ConnectError("connection refused by http://user:password1@b:9093")
        if request.url.path.endswith("/ready"):
            return httpx.Response(status)
        labels = [alert["labels"] for alert in json.loads(request.content)]
        names = [one["alertname"] for one in labels]
        if status == 200:
            self.severities |= {one["alertname"]: one["severity"] for one in labels}
            self.taken.append((str(request.url.path), names))
        return httpx.Response(status, text="too\nlarge password1" if status != 200 else "")

    def write(self, line: str, **facts: Any) -> None:
        assert facts["problem"] in line
        self.log.append(line)

    @contextlib.asynccontextmanager
    async def running(
        self, settings: config_settings.Settings = SETTINGS
    ) -> AsyncIterator[notifier.Notifier]:
        transport = httpx.MockTransport(self)
        pushes = notifier.Notifier(settings, lambda: NOW, self.write, transport, lambda: self.clock)
        task = asyncio.create_task(pushes.run())
        try:
            yield pushes
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(is_done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_done():
            await asyncio.sleep(0.001)


async def test_alerts_go_to_every_alertmanager_and_are_repeated_in_time() -> None:
    there = Alertmanagers()
    once = [("/path/api/v2/alerts", ["ChainHalted"]), ("/api/v2/alerts", ["ChainHalted"])]
    async with there.running() as pushes:
        pushes.put(test_notifications.report(HALTED))
        await until(lambda: len(there.taken) == 2)
        assert sorted(there.taken) == sorted(once)
        there.clock = 24.9
        pushes.put(test_notifications.report(HALTED))
        await asyncio.sleep(0.05)
        assert len(there.taken) == 2
        there.clock = 25.0
        pushes.put(test_notifications.report(HALTED))
        await until(lambda: len(there.taken) == 4)
        pushes.put(test_notifications.report(HALTED, own=(JAILED,)))  # another one is not waited for
        await until(lambda: len(there.taken) == 6)
        assert there.taken[-1][1] == ["Jailed", "ChainHalted"]
        pushes.put(test_notifications.report())  # what is gone is not pushed, and so resolves
        await asyncio.sleep(0.05)
    assert (len(there.taken), there.log) == (6, [])


async def test_failed_pass_is_an_alert_beside_those_of_the_last_report() -> None:
    there = Alertmanagers()
    async with there.running() as pushes:
        pushes.put(test_notifications.report(HALTED))
        await until(lambda: len(there.taken) == 2)
        pushes.put(errors.Transient("no endpoint"))
        await until(lambda: len(there.taken) == 4)
    assert there.taken[-1][1] == ["ReconcileFailed", "ChainHalted"]


async def test_failed_passes_are_critical_once_they_last_or_cannot_end_by_themselves() -> None:
    there = Alertmanagers()

    async def severity(pushes: notifier.Notifier, error: errors.IcsError, clock: float) -> str:
        there.clock, before = clock, len(there.taken)
        pushes.put(error)
        await until(lambda: len(there.taken) == before + 2)
        return there.severities["ReconcileFailed"]

    down = errors.Transient("no endpoint")
    async with there.running() as pushes:
        assert await severity(pushes, down, 0) == "warning"
        assert await severity(pushes, down, 599) == "warning"
        assert await severity(pushes, down, 600 + 25) == "critical"
        pushes.put(test_notifications.report())
        assert await severity(pushes, down, 700) == "warning"
        assert await severity(pushes, errors.Permanent("no right"), 701) == "critical"


async def test_process_without_a_lease_says_so_until_another_one_has_it() -> None:
    there = Alertmanagers()
    watched = factories.settings(
        monitoring={"alertmanager": ["http://a:9093/path", "http://b:9093"], "watchdog": True}
    )
    async with there.running(watched) as pushes:
        pushes.put(test_notifications.report(HALTED))
        await until(lambda: len(there.taken) == 2)
        assert there.taken[-1][1] == ["IcsWatchdog", "ChainHalted"]
        # Nobody is known to act: the conditions may still hold, and the watchdog ends.
        pushes.stand_by("could not acquire the Lease: no answer")
        await until(lambda: len(there.taken) == 4)
        assert there.taken[-1][1] == ["ReconcileFailed", "ChainHalted"]
        pushes.stand_by("")
        await asyncio.sleep(0.05)
        assert len(there.taken) == 4
        pushes.put(errors.Transient("no endpoint"))
        await until(lambda: len(there.taken) == 6)
    assert there.taken[-1][1] == ["IcsWatchdog", "ReconcileFailed"]


def test_watchdog_is_pushed_by_every_pass_if_the_settings_want_it() -> None:
    watched = factories.settings(monitoring={"watchdog": True})
    for settings, expected in ((watched, ["IcsWatchdog"]), (SETTINGS, [])):
        calm = notifier.of_pass(settings, test_notifications.report())
        failed = notifier.of_failure(settings, errors.Transient("no endpoint"))
        assert [dict(one.labels)["alertname"] for one in calm] == expected
        assert [dict(one.labels)["alertname"] for one in failed] == [*expected, "ReconcileFailed"]


async def test_problem_is_logged_once_without_credentials_and_hides_nothing_from_others() -> None:
    there = Alertmanagers()
    there.statuses["b"] = 0
    async with there.running() as pushes:
        for number in (1, 2):
            pushes.put(test_notifications.report(HALTED))  # not taken by all, so it is pushed again at once
            await until(lambda: len(there.taken) == number)  # noqa: B023
        there.statuses["b"] = 400
        pushes.put(test_notifications.report(HALTED))
        await until(lambda: len(there.log) == 2)
    assert there.log == [
        "alerts were not pushed: http://b:9093: connection refused by http://b:9093",
        "alerts were not pushed: http://b:9093: answers 400 to /api/v2/alerts: too large …; correct"
        " ics:monitoring.alertmanager",
    ]


@pytest.mark.parametrize(("status", "text"), [(200, None), (503, "answers 503 to /-/ready"), (0, "refused")])
async def test_readiness(status: int, text: str | None) -> None:
    there = Alertmanagers()
    there.statuses["b"] = status
    async with alertmanagers.opened(httpx.MockTransport(there)) as session:
        found = await alertmanagers.readiness_problem(session, SETTINGS.monitoring.alertmanager[1])
    assert (found is None) if text is None else (text in str(found))


@pytest.mark.parametrize(
    ("date", "is_wrong"),
    [
        ("Sun, 29 Nov 2026 12:02:31 GMT", True),
        ("Sun, 29 Nov 2026 12:02:30 GMT", False),
        ("Sun, 29 Nov 2026 11:00:00 GMT", False),  # there, alerts only end later
        ("Sun, 29 Nov 2026 13:00:00 -0000", False),
        ("yesterday", False),
        ("", False),
    ],
)
async def test_alertmanager_whose_clock_is_ahead_is_reported(date: str, is_wrong: bool) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers={"date": date}))
    alerts = notifier.of_pass(SETTINGS, test_notifications.report(HALTED))
    async with alertmanagers.opened(transport) as session:
        found = await alertmanagers.push(session, SETTINGS.monitoring, alerts, NOW)
    texts = {str(error) for error in found.values() if error is not None}
    assert all("clock is more than 150 s ahead" in text for text in texts)
    assert len(texts) == (2 if is_wrong else 0)
