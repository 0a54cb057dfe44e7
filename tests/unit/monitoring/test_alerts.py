"""Alerts name only what exists, and each has a runbook; their expressions are judged in `tests/monitoring`."""

import re

import pytest
import yaml

from ics import model
from ics.conditions import Reason, Severity
from ics.monitoring import alerts, metrics, rules
from tests import runbooks_page
from tests.unit.docs import test_pages

MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


@pytest.mark.parametrize("alert", alerts.ALERTS, ids=alerts.names())
def test_expression_uses_metrics_and_labels_of_the_catalogue(alert: alerts.Alert) -> None:
    names = set(re.findall(r"\bics_[a-z_]+", alert.expression))
    assert names <= set(metrics.BY_NAME)
    for name, matchers in re.findall(r"(ics_[a-z_]+)\{([^}]*)\}", alert.expression):
        for label, _, value in MATCHER.findall(matchers):
            assert label in metrics.BY_NAME[name].labels
            if label == "reason":
                assert {Reason(reason) for reason in value.split("|")}
            if label == "phase":
                assert model.Phase(value)
    # Without a comparison an alert fires for as long as there is a series.
    compares = re.search(r" (>|<|==|!=|unless) ", alert.expression)
    assert compares or alert.severity is alerts.AlertSeverity.NONE


@pytest.mark.parametrize("alert", alerts.ALERTS, ids=alerts.names())
def test_summary_uses_labels_that_the_expression_keeps(alert: alerts.Alert) -> None:
    kept = re.search(r"\bby \(([^)]*)\)", alert.expression)
    labels = set(kept[1].split(", ")) if kept else set()
    assert set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", alert.summary)) <= labels
    assert "$value" not in alert.summary


def test_rules_have_labels_that_never_change_and_runbooks_that_exist() -> None:
    found = rules.rules("https://example.org/runbooks")["groups"][0]["rules"]
    assert [rule["alert"] for rule in found] == list(alerts.names())
    assert len({rule["alert"].lower() for rule in found}) == len(found)
    anchors = test_pages.anchors(runbooks_page.PAGE)
    for rule in found:
        assert set(rule["labels"]) == {"severity"}
        base, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert base == "https://example.org/runbooks"
        assert anchor in anchors


def test_page_of_runbooks_is_rendered_from_the_catalogue() -> None:
    text = runbooks_page.PAGE.read_text()
    assert text == runbooks_page.rendered(text), "run: .venv/bin/python -m tests.runbooks_page"


def test_inhibited_alerts_exist() -> None:
    known = {"alertname": set(alerts.names()), "reason": {reason.value for reason in Reason}}
    for rule in rules.alertmanager()["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            [(label, _, values)] = MATCHER.findall(matcher)
            assert set(values.split("|")) <= known[label]


def test_net_leaves_critical_conditions_to_critical_alerts_about_them() -> None:
    severities = {alert.name: alert.severity for alert in alerts.ALERTS}
    for rule in rules.alertmanager()["inhibit_rules"]:
        [(_, _, source)] = MATCHER.findall(rule["source_matchers"][0])
        reasons = [
            value for one in rule["target_matchers"][1:] for value in MATCHER.findall(one)[0][2].split("|")
        ]
        for reason in reasons:
            assert severities[source] is alerts.AlertSeverity.CRITICAL
            assert Severity.CRITICAL in Reason(reason).entry.severities


def test_files_are_plain_yaml() -> None:
    for document in (rules.rules(), rules.alertmanager()):
        assert yaml.safe_load(yaml.safe_dump(document)) == document
