"""Conditions of a single pass are pushed when it ends, also when it fails."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from ics import errors
from ics.cli import pushes
from ics.cli.arguments import alerts as alerts_arguments
from ics.cli.commands import alerts
from ics.conditions import Condition, Reason
from ics.monitoring import notifications
from ics.reconciler import alertmanagers, outcome, wiring
from tests.unit import factories
from tests.unit.cli import test_metrics_file
from tests.unit.monitoring import test_notifications

HALTED = Condition.new(Reason.CHAIN_HALTED, "no block", "0")
RESULT = dataclasses.replace(test_metrics_file.RESULT, report=test_notifications.report(HALTED))
ADDRESS = "http://a:9093"


def stack(*addresses: str) -> wiring.OpenStack:
    settings = factories.settings(monitoring={"alertmanager": list(addresses)})
    return cast(wiring.OpenStack, types.SimpleNamespace(world=factories.world(settings=settings)))


@dataclasses.dataclass
class Pushed:
    """Alerts that were pushed, and the error of the Alertmanager."""

    names: list[str] = dataclasses.field(default_factory=list)
    error: errors.IcsError | None = None

    async def push(
        self, _: object, settings: Any, sent: Sequence[notifications.Notification], __: object
    ) -> Mapping[Any, errors.IcsError | None]:
        self.names += [dict(alert.labels)["alertname"] for alert in sent]
        return dict.fromkeys(settings.alertmanager, self.error)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    found = Pushed()
    monkeypatch.setattr(alertmanagers, "push", found.push)
    return found


async def test_conditions_are_pushed_at_the_end(there: Pushed) -> None:
    results: list[outcome.Outcome] = []
    async with pushes.pushed(stack(ADDRESS), results):
        results.append(RESULT)
        assert there.names == []
    assert there.names == ["ChainHalted"]


async def test_failed_pass_is_pushed_and_fails(there: Pushed) -> None:
    with pytest.raises(errors.Transient, match="no endpoint"):
        async with pushes.pushed(stack(ADDRESS), []):
            raise errors.Transient("no endpoint")
    assert there.names == ["ReconcileFailed"]


async def test_alertmanager_that_is_down_is_reported_and_does_not_fail_the_pass(
    there: Pushed, capsys: pytest.CaptureFixture[str]
) -> None:
    there.error = errors.Transient("http://a:9093: refused")
    async with pushes.pushed(stack(ADDRESS), [RESULT]):
        pass
    assert capsys.readouterr().err == "ics: alerts were not pushed: http://a:9093: refused\n"


async def test_nothing_is_pushed_without_an_address_or_a_condition(there: Pushed) -> None:
    async with pushes.pushed(stack(), [RESULT]):
        pass
    async with pushes.pushed(stack(ADDRESS), [test_metrics_file.RESULT]):
        pass
    assert there.names == []


@pytest.mark.parametrize("is_json", [True, False])
async def test_test_alert_says_who_has_taken_it(
    is_json: bool, there: Pushed, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = alerts_arguments.Test(json=is_json)
    assert await alerts._test(arguments, stack(ADDRESS)) == 0
    assert there.names == ["IcsTest"]
    shown = capsys.readouterr().out
    assert ('"taken": true' if is_json else "http://a:9093: taken\nIcsTest ends in 300 s") in shown
    there.error = errors.Transient("http://a:9093: refused")
    assert await alerts._test(arguments, stack(ADDRESS)) == 1
    assert capsys.readouterr().err == "ics: http://a:9093: refused\n"
    with pytest.raises(errors.SettingsError, match=r"ics:monitoring\.alertmanager: missing"):
        await alerts._test(arguments, stack())
