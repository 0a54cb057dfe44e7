"""Whether alerts, scrapes and dashboard are objects of the stack."""

import pytest

from ics.config import monitoring
from ics.consumer import monitoring_kinds
from ics.consumer.monitoring_kinds import MonitoringKinds


@pytest.mark.parametrize(
    ("enabled", "found", "are_wanted", "conditions"),
    [
        ("auto", MonitoringKinds.MISSING, False, []),
        ("auto", MonitoringKinds.FORBIDDEN, False, ["INFO"]),
        ("auto", MonitoringKinds.THERE, True, []),
        (True, MonitoringKinds.MISSING, False, ["WARNING"]),
        (True, MonitoringKinds.FORBIDDEN, False, ["WARNING"]),
        (True, MonitoringKinds.THERE, True, []),
        (False, MonitoringKinds.MISSING, False, []),
        (False, MonitoringKinds.FORBIDDEN, False, []),
        (False, MonitoringKinds.THERE, False, []),
    ],
)
def test_kinds_and_settings_decide(
    enabled: object, found: MonitoringKinds, are_wanted: bool, conditions: list[str]
) -> None:
    settings = monitoring.MonitoringSettings.model_validate({"enabled": enabled})
    assert monitoring_kinds.are_wanted(settings, found) is are_wanted
    assert [one.severity.name for one in monitoring_kinds.conditions(settings, found)] == conditions
