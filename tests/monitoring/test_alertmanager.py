"""Pushed conditions fire, are grouped by chain and resolve on their own, in a real Alertmanager."""

import asyncio
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from devnet import monitoring
from ics import errors
from ics.conditions import Condition, Reason
from ics.config import monitoring as config_monitoring
from ics.config.endpoint import Endpoint
from ics.consumer import status
from ics.monitoring import notifications, rules
from ics.reconciler import alertmanagers, wiring
from tests.monitoring import webhook
from tests.unit.monitoring import test_notifications

pytestmark = pytest.mark.monitoring

RESOLVE_SECONDS = 4
"""Much shorter than any setting allows, to see an alert end."""


def configuration(there: webhook.Webhook) -> dict[str, Any]:
    """The example, with the webhook for all receivers, and without its pauses."""
    found = rules.alertmanager()
    found["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in found["receivers"]:
        for one in receiver.get("webhook_configs", ()):
            one["url"] = one["url"].replace("127.0.0.1:9099", f"127.0.0.1:{there.port}")
    return found


def settings(url: str) -> config_monitoring.MonitoringSettings:
    return config_monitoring.MonitoringSettings.model_construct(
        alertmanager=(Endpoint(url=url),), resolve_after=RESOLVE_SECONDS
    )


async def push(url: str, alerts: Sequence[notifications.Notification]) -> Mapping[Endpoint, object]:
    async with alertmanagers.opened() as session:
        return await alertmanagers.push(session, settings(url), alerts, wiring.now())


def report(*conditions: Condition) -> status.Report:
    return test_notifications.report(*conditions)


HALTED = Condition.new(Reason.CHAIN_HALTED, "no block since height 7", "0")
FROZEN = Condition.new(Reason.CLIENT_FROZEN, "frozen", "0")


async def test_conditions_fire_in_one_group_and_resolve_when_they_are_no_longer_pushed(
    tmp_path: pathlib.Path, programs: monitoring.Programs
) -> None:
    async with webhook.listening() as there, webhook.running(programs, configuration(there), tmp_path) as url:
        both = notifications.of_report(report(HALTED, FROZEN))
        assert await push(url, both) == {Endpoint(url=url): None}
        await there.until(lambda: there.states() == {"ChainHalted": "firing", "ClientFrozen": "firing"})
        groups = [content["groupLabels"] for path, content in there.notifications if path == "/operators"]
        assert {tuple(sorted(group.items())) for group in groups} == {
            (("consumer_id", "0"), ("validator", "alice"))
        }
        # Each pass pushes one of them on, past the time at which the other one ends.
        only = notifications.of_report(report(HALTED))

        async def pass_after_pass() -> None:
            while True:
                await push(url, only)
                await asyncio.sleep(1)

        passes = asyncio.create_task(pass_after_pass())
        await there.until(lambda: there.states() == {"ChainHalted": "firing", "ClientFrozen": "resolved"})
        passes.cancel()
        await there.until(lambda: there.states() == {"ChainHalted": "resolved", "ClientFrozen": "resolved"})
        summaries = {
            alert["annotations"]["summary"]
            for _, content in there.notifications
            for alert in content["alerts"]
        }
        assert summaries == {"no block since height 7", "frozen"}


async def test_alerts_that_follow_from_another_one_are_inhibited(
    tmp_path: pathlib.Path, programs: monitoring.Programs
) -> None:
    def named(name: str, consumer_id: str, **more: str) -> notifications.Notification:
        labels = {
            "alertname": name,
            "severity": "critical",
            "validator": "alice",
            "consumer_id": consumer_id,
        } | more
        return notifications.Notification(tuple(labels.items()), (("summary", name),))

    async with webhook.listening() as there, webhook.running(programs, configuration(there), tmp_path) as url:
        await push(url, [named("IcsChainHalted", "0")])
        await there.until(lambda: "IcsChainHalted" in there.states())
        await push(url, [named("IcsNotSigning", "0"), named("IcsDowntimeNear", "1")])
        await there.until(lambda: "IcsDowntimeNear" in there.states())
        assert set(there.states()) == {"IcsChainHalted", "IcsDowntimeNear"}
        await push(url, [named("IcsKeyTrouble", "2", reason="KeyMismatch")])
        await there.until(lambda: "IcsKeyTrouble" in there.states())
        net = [named("IcsCritical", "2", reason=reason) for reason in ("KeyMismatch", "GenesisInvalid")]
        await push(url, net)
        await there.until(lambda: "IcsCritical" in there.states())
        caught = {
            alert["labels"]["reason"]
            for _, content in there.notifications
            for alert in content["alerts"]
            if alert["labels"]["alertname"] == "IcsCritical"
        }
        assert caught == {"GenesisInvalid"}


async def test_readiness_and_refusal_are_reported(
    tmp_path: pathlib.Path, programs: monitoring.Programs
) -> None:
    async with webhook.listening() as there, webhook.running(programs, configuration(there), tmp_path) as url:
        async with alertmanagers.opened() as session:
            assert await alertmanagers.readiness_problem(session, Endpoint(url=url)) is None
            missing = await alertmanagers.readiness_problem(session, Endpoint(url=f"{url}/prefix"))
        assert missing is not None
        assert "answers 404 to /-/ready" in str(missing)
        found = await push(url, [notifications.Notification((), (("summary", "without a name"),))])
    [error] = found.values()
    assert isinstance(error, errors.Permanent)
    assert "answers 400 to /api/v2/alerts" in str(error)
