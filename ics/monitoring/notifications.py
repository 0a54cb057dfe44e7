"""Conditions as alerts of an Alertmanager; pure.

Each pass pushes all conditions that call for action, with the time at which they end unless they are pushed again. So
nothing is remembered, Alertmanager removes duplicates, and a condition that is gone resolves (prometheus/alertmanager
api/v2/openapi.yaml, `postableAlert`).
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ics import plain_text
from ics.conditions import Condition, Severity
from ics.consumer import status

WATCHDOG: Final = "IcsWatchdog"
"""Name of the alert that always fires, of the rules and of pushes."""
_LONGEST: Final = 1000
"""Characters of an annotation."""
_LONGEST_LABEL: Final = 128
_MOST: Final = 500
"""Alerts of one pass: anybody can create chains, and some of what is wrong with them is a warning."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert, equal for as long as its condition says the same."""

    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    def as_dict(self, now: datetime.datetime, seconds: float) -> dict[str, Any]:
        """Return the alert as Alertmanager takes it.

        Args:
            now: time of the push.
            seconds: time after which it ends unless it is pushed again.
        """
        # Without a start, Alertmanager takes the end for it.
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": now.isoformat(),
            "endsAt": (now + datetime.timedelta(seconds=seconds)).isoformat(),
        }


def of_report(report: status.Report) -> tuple[Notification, ...]:
    """Return the alerts of all conditions that are at least warnings, one for each chain and reason, worst first.

    If there are too many, milder ones are left out, and among those the ones of chains without objects here.
    """
    chains: Sequence[tuple[str, bool, Iterable[Condition]]] = (
        ("", True, report.conditions),
        *((chain.chain_id, chain.namespace is not None, chain.conditions) for chain in report.chains),
    )
    found: dict[tuple[str, str], list[Condition]] = {}
    chain_of: dict[str, tuple[str, bool]] = {}
    for chain_id, is_here, conditions in chains:
        for condition in conditions:
            if condition.severity >= Severity.WARNING:
                chain_of[condition.consumer_id] = chain_id, is_here
                found.setdefault((condition.consumer_id, condition.reason.value), []).append(condition)

    def urgency(conditions: list[Condition]) -> tuple[int, bool]:
        return max(one.severity for one in conditions), chain_of[conditions[0].consumer_id][1]

    return tuple(
        of_conditions(report.validator, chain_of[conditions[0].consumer_id][0], conditions)
        for conditions in sorted(found.values(), key=urgency, reverse=True)[:_MOST]
    )


def alert_of_test(validator: str) -> Notification:
    """Return the alert of `ics alerts test`."""
    labels = (("alertname", "IcsTest"), ("severity", "warning"), ("validator", validator))
    text = "test of ics alerts test; nothing is wrong, and it ends on its own"
    return Notification(labels, (("summary", text),))


def watchdog(validator: str) -> Notification:
    """Return the alert that every pass pushes: it resolves, or is no longer repeated, once passes have stopped."""
    labels = (("alertname", WATCHDOG), ("severity", "none"), ("validator", validator))
    text = (
        f"passes of {validator} are made and their alerts arrive; when this one resolves, they have stopped"
    )
    return Notification(labels, (("summary", text),))


def of_conditions(validator: str, chain_id: str, conditions: Sequence[Condition]) -> Notification:
    """Return the alert of conditions with one reason; of several, all messages are in it.

    Args:
        validator: local name of the validator.
        chain_id: of their chain; empty: they are the validator's.
        conditions: of one chain and reason, at least one.
    """
    worst = max(conditions, key=lambda condition: condition.severity)
    entry = worst.reason.entry
    labels: Mapping[str, str] = {
        "alertname": worst.reason.value,
        "severity": worst.severity.name.lower(),
        "validator": validator,
        "consumer_id": worst.consumer_id,
        "chain_id": chain_id,
    }
    annotations: Mapping[str, str] = {
        "summary": "; ".join(condition.message for condition in conditions),
        "description": entry.meaning,
        "look": entry.look,
        "action": entry.action,
    }
    return Notification(
        tuple((k, plain_text.one_line(v, _LONGEST_LABEL)) for k, v in labels.items() if v),
        tuple((k, plain_text.one_line(v, _LONGEST)) for k, v in annotations.items()),
    )
