"""Files for Prometheus and Alertmanager, and the page of runbooks, from the catalogue of alerts; pure."""

from typing import Any, Final

from ics.conditions import Reason
from ics.monitoring import alerts

GROUP: Final = "ics-operator"
"""Name of the group of rules."""
RUNBOOKS: Final = "docs/runbooks.md"
"""Page of all runbooks in the project, for stacks that name no address of their own."""
_OWN_ALERTS: Final = {
    "IcsKeyTrouble": alerts.KEYS,
    "IcsNodeDown": (Reason.POD_MISSING, Reason.POD_WAITING, Reason.NODE_UNREACHABLE),
    "IcsDowntimeNear": (Reason.DOWNTIME_NEAR,),
    "IcsUpgradeUnready": (Reason.UPGRADE_IMAGE_MISSING,),
    "IcsJailed": (Reason.JAILED,),
}
"""Critical alerts with the critical conditions that they are about."""


def rules(runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """Return the rules file of Prometheus.

    Args:
        runbooks: address of the page of runbooks; each alert's anchor follows it.
    """
    return {"groups": [{"name": GROUP, "rules": [_rule(alert, runbooks) for alert in alerts.ALERTS]}]}


def _rule(alert: alerts.Alert, runbooks: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expression}
    if alert.hold:
        rule["for"] = alert.hold
    rule["labels"] = {"severity": alert.severity.value}
    rule["annotations"] = {
        "summary": alert.summary,
        "description": f"{alert.meaning} {alert.fix}",
        "runbook_url": f"{runbooks}#{alert.anchor}",
    }
    return rule


def alertmanager() -> dict[str, Any]:
    """Return an example of Alertmanager's configuration.

    A receiver's address is all that must be replaced. Alerts that follow from others are inhibited.
    """
    chain = ["validator", "consumer_id"]
    return {
        "route": {
            "receiver": "operators",
            "group_by": chain,
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": ['alertname="IcsWatchdog"'],
                    "receiver": "dead-mans-switch",
                    "repeat_interval": "1m",
                },
                {"matchers": ['severity="info"'], "receiver": "discarded"},
            ],
        },
        "inhibit_rules": [
            _inhibits("IcsChainHalted", ("IcsNotSigning", "IcsDowntimeNear"), chain),
            _inhibits("IcsNodeDown", ("IcsNotSigning",), chain),
            _inhibits("IcsJailed", ("IcsNotSigning", "IcsDowntimeNear"), ["validator"]),
            _inhibits("IcsNoSuccessfulPass", ("IcsEndpointDown",), ["validator"]),
            *(_catches_already(name, reasons) for name, reasons in _OWN_ALERTS.items()),
        ],
        "receivers": [
            {"name": "operators", "webhook_configs": [{"url": "http://127.0.0.1:9099/operators"}]},
            {"name": "dead-mans-switch", "webhook_configs": [{"url": "http://127.0.0.1:9099/watchdog"}]},
            {"name": "discarded"},
        ],
    }


def _inhibits(source: str, targets: tuple[str, ...], equal: list[str]) -> dict[str, Any]:
    return {
        "source_matchers": [f'alertname="{source}"'],
        "target_matchers": [f'alertname=~"{"|".join(targets)}"'],
        "equal": equal,
    }


def _catches_already(source: str, reasons: tuple[Reason, ...]) -> dict[str, Any]:
    """Return the rule by which a fault that has an alert of its own is not caught by the net under all of them."""
    rule = _inhibits(source, ("IcsCritical",), ["validator", "consumer_id"])
    rule["target_matchers"].append(f'reason=~"{"|".join(reasons)}"')
    return rule


def runbook_page() -> str:
    """Return the page of all runbooks in Markdown."""
    parts = [_runbook(alert) for alert in alerts.ALERTS]
    return "\n".join(parts)


def _runbook(alert: alerts.Alert) -> str:
    hold = f", after {alert.hold}" if alert.hold else ""
    lines = (
        f"## {alert.name}",
        f"Severity {alert.severity.value}{hold}.",
        f"**Meaning.** {alert.meaning}",
        f"**Impact.** {alert.impact}",
        f"**Look.** {alert.look}",
        f"**Fix.** {alert.fix}",
        f"```promql\n{alert.expression}\n```",
    )
    return "\n\n".join(lines) + "\n"
