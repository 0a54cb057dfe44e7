"""Whether alerts, scrapes and dashboard are objects of the stack, which needs the Prometheus operator's kinds; pure."""

import enum

from ics.conditions import Condition, Reason, Severity
from ics.config import monitoring


class MonitoringKinds(enum.StrEnum):
    """What the cluster says about PrometheusRules and PodMonitors."""

    MISSING = "missing"
    """It does not have them, or was not asked."""
    FORBIDDEN = "forbidden"
    """It has them, and this program may not list them."""
    THERE = "there"


def are_wanted(settings: monitoring.MonitoringSettings, found: MonitoringKinds) -> bool:
    """Return whether the stack contains its rules, scrapes and dashboard.

    Without the kinds or the right it does not, whatever the settings say: an engine could not even list its members.
    """
    return settings.enabled is not False and found is MonitoringKinds.THERE


def conditions(settings: monitoring.MonitoringSettings, found: MonitoringKinds) -> tuple[Condition, ...]:
    """Return the condition of a stack whose rules, scrapes and dashboard cannot be made."""
    if settings.enabled is False or found is MonitoringKinds.THERE:
        return ()
    if found is MonitoringKinds.FORBIDDEN:
        text = (
            "ics:monitoring.enabled: the cluster has the kinds of the Prometheus operator, and this program may not"
            " list them; grant the rights that ics show rights prints, or set it to false"
        )
        severity = Severity.WARNING if settings.enabled is True else Severity.INFO
        return (Condition.new(Reason.MONITORING_UNAVAILABLE, text, severity=severity),)
    if settings.enabled is not True:
        return ()
    text = (
        "ics:monitoring.enabled: the cluster has no PrometheusRules and PodMonitors (monitoring.coreos.com/v1); install"
        " the Prometheus operator, or set it to auto or false"
    )
    return (Condition.new(Reason.MONITORING_UNAVAILABLE, text, severity=Severity.WARNING),)
