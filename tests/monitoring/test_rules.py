"""Rules, metrics and configuration are judged by Prometheus' and Alertmanager's own tools."""

import pathlib
import subprocess
from collections.abc import Mapping

import pytest
import yaml

from devnet import commands, monitoring
from ics.monitoring import alerts, exposition, metrics, rules, totals
from ics.reconciler import counters
from ics.reconciler.daemon import wakeups
from tests.monitoring import scenarios

pytestmark = pytest.mark.monitoring


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules.rules(), sort_keys=False))
    return tmp_path


def run(folder: pathlib.Path, programs: monitoring.Programs, *tests: Mapping[str, object]) -> str:
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": list(tests)}
    (folder / "tests.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    done = subprocess.run(
        [programs.promtool, "test", "rules", "tests.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_rules_are_valid(folder: pathlib.Path, programs: monitoring.Programs) -> None:
    found = commands.run(programs.promtool, "check", "rules", "--lint=all", folder / "rules.yaml")
    assert f"SUCCESS: {len(alerts.ALERTS)} rules found" in found


def test_each_alert_fires_at_its_fault_and_resolves(
    folder: pathlib.Path, programs: monitoring.Programs
) -> None:
    assert {one.alert for one in scenarios.SCENARIOS} == set(alerts.names())
    found = run(folder, programs, *(one.document() for one in scenarios.SCENARIOS))
    assert "SUCCESS" in found, found


def test_no_alert_fires_for_a_healthy_validator(folder: pathlib.Path, programs: monitoring.Programs) -> None:
    checks = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []}
        for name in alerts.names()
        if name != "IcsWatchdog"
        for minute in (1, 60, 119)
    ]
    healthy = {
        "name": "healthy",
        "interval": "1m",
        "input_series": list(scenarios.HEALTHY),
        "alert_rule_test": checks,
    }
    assert "SUCCESS" in run(folder, programs, healthy)


def test_no_signature_is_missing_from_a_chain_that_makes_no_blocks(
    folder: pathlib.Path, programs: monitoring.Programs
) -> None:
    halted = {
        "name": "halted",
        "interval": "1m",
        "input_series": list(scenarios.HALTED),
        "alert_rule_test": [{"eval_time": "60m", "alertname": "IcsNotSigning", "exp_alerts": []}],
    }
    assert "SUCCESS" in run(folder, programs, halted)


def test_change_that_waits_does_not_call_at_night(
    folder: pathlib.Path, programs: monitoring.Programs
) -> None:
    quiet = {"eval_time": "59m", "alertname": "IcsCritical", "exp_alerts": []}
    critical = next(one for one in scenarios.SCENARIOS if one.alert == "IcsCritical")
    [firing] = [one for one in critical.document()["alert_rule_test"] if one["exp_alerts"]][:1]
    waiting = {
        "name": "waiting",
        "interval": "1m",
        "input_series": list(scenarios.WAITING),
        "alert_rule_test": [quiet, {**firing, "eval_time": "70m"}],
    }
    assert "SUCCESS" in run(folder, programs, waiting)


def test_tool_notices_an_alert_that_does_not_fire(
    folder: pathlib.Path, programs: monitoring.Programs
) -> None:
    healthy = {**scenarios.SCENARIOS[0].document(), "input_series": list(scenarios.HEALTHY)}
    assert "FAILED" in run(folder, programs, healthy)


def test_metrics_pass_the_linter(programs: monitoring.Programs) -> None:
    samples = [
        family.of(1, *family.labels) for family in metrics.FAMILIES if family.kind is metrics.Kind.GAUGE
    ]
    counted = counters.initial(wakeups.REASONS).added(totals.Totals())
    served = exposition.text([exposition.Process("alice", tuple(samples), counted)])
    done = subprocess.run(
        [programs.promtool, "check", "metrics"], input=served, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_example_of_alertmanager_is_valid(folder: pathlib.Path, programs: monitoring.Programs) -> None:
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(rules.alertmanager(), sort_keys=False))
    assert "SUCCESS" in commands.run(programs.amtool, "check-config", path)
    for labels, receiver in (
        (("alertname=IcsWatchdog", "severity=none"), "dead-mans-switch"),
        (("alertname=IcsNodeDown", "severity=critical"), "operators"),
        (("alertname=Staged", "severity=info"), "discarded"),
    ):
        found = commands.run(programs.amtool, "config", "routes", "test", f"--config.file={path}", *labels)
        assert found.strip() == receiver
