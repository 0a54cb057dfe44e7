"""Probes and metrics of the daemon."""

import dataclasses

import pytest
from prometheus_client import parser

from ics.monitoring import exposition, metrics
from ics.reconciler.daemon import health, wakeups

WELL = health.DaemonHealth(is_acting=True, due=130.0, judged_at=95.0, trouble="", height=42)


@pytest.mark.parametrize(
    ("found", "now", "alive", "ready"),
    [
        (WELL, 100.0, "", ""),
        (dataclasses.replace(WELL, is_acting=False), 100.0, "", ""),  # a standby is ready
        (WELL, 190.0, "", ""),
        (WELL, 191.0, "the next pass is 61 s overdue", ""),
        (WELL, 396.0, "the next pass is 266 s overdue", "the last observation is too old"),
        (dataclasses.replace(WELL, busy_since=100.0, due=0.0), 700.0, "", "the last observation is too old"),
        (
            dataclasses.replace(WELL, busy_since=100.0, judged_at=690.0),
            701.0,
            "the pass has been running for 601 s",
            "",
        ),
        (dataclasses.replace(WELL, trouble="provider down"), 100.0, "", "provider down"),
        (health.DaemonHealth(busy_since=0.0), 1.0, "", "no pass has run yet"),
    ],
)
def test_liveness_and_readiness_depend_on_health(
    found: health.DaemonHealth, now: float, alive: str, ready: str
) -> None:
    assert (health.liveness_problem(found, now), health.readiness_problem(found, now)) == (alive, ready)


def test_metrics_have_values_of_health_and_of_the_last_pass() -> None:
    own = exposition.Identity("alice", "1.2.3", "apply", "provider-1")
    found = dataclasses.replace(
        WELL, identity=own, succeeded_at=1_800_000_000.5, samples=(metrics.CHAINS.of(2, "alice", "LAUNCHED"),)
    )
    text = health.metrics([(found, 100.0)])
    families = list(parser.text_string_to_metric_families(text.decode()))
    assert [(one.name, one.type) for one in families if one.documentation] == [
        ("ics_build_info", "gauge"),
        ("ics_acting", "gauge"),
        ("ics_ready", "gauge"),
        ("ics_provider_height", "gauge"),
        ("ics_last_successful_pass_timestamp_seconds", "gauge"),
        ("ics_passes", "counter"),
        ("ics_wakeups", "counter"),
        ("ics_events_connected", "gauge"),
        ("ics_pods_watched", "gauge"),
        ("ics_changes", "counter"),
        ("ics_drift", "counter"),
        ("ics_transactions", "counter"),
        ("ics_chains", "gauge"),
        ("ics_pass_duration_seconds", "histogram"),
    ]
    alice = {"validator": "alice"}
    samples = [(one.name, one.labels, one.value) for family in families for one in family.samples]
    build = {"version": "1.2.3", "engine": "apply", "provider_chain_id": "provider-1"}
    assert samples[:5] == [
        ("ics_build_info", alice | build, 1),
        ("ics_acting", alice, 1),
        ("ics_ready", alice, 1),
        ("ics_provider_height", alice, 42),
        ("ics_last_successful_pass_timestamp_seconds", alice, 1_800_000_000.5),
    ]
    assert ("ics_chains", alice | {"phase": "LAUNCHED"}, 2) in samples


def test_every_counter_is_0_from_the_start() -> None:
    served = exposition.text([exposition.Process("alice", (), health.DaemonHealth().totals)]).decode()
    found: dict[str, set[tuple[str, ...]]] = {}
    for family in parser.text_string_to_metric_families(served):
        for sample in family.samples if family.type == "counter" else ():
            assert sample.value == 0
            labels = tuple(value for label, value in sample.labels.items() if label != "validator")
            found.setdefault(family.name, set()).add(labels)
    assert found["ics_passes"] == {("ok",), ("trouble",), ("failed",)}
    assert found["ics_wakeups"] == {(reason,) for reason in wakeups.REASONS}
    assert {("StatefulSet",), ("NetworkPolicy",)} < found["ics_drift"]
    assert len(found["ics_changes"]) == 4 * len(found["ics_drift"])
    types = ("opt-in", "assign-key", "edit-validator", "top-up")
    results = ("confirmed", "refused", "unknown")
    assert found["ics_transactions"] == {(result, type_) for type_ in types for result in results}
