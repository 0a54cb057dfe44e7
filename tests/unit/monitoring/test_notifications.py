"""Conditions as alerts of an Alertmanager."""

import dataclasses
import datetime

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import participation, status
from ics.monitoring import notifications

NOW = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
NODE = status.NodeReport(
    height=7,
    peers=1,
    signing=True,
    signers=2,
    validators=2,
    is_catching_up=False,
    is_ready=True,
    restarts=0,
)


def report(*conditions: Condition, own: tuple[Condition, ...] = (), chain_id: str = "c-1") -> status.Report:
    """A report with one chain that has these conditions."""
    chain = status.ChainReport(
        chain_id=chain_id,
        consumer_id="0",
        phase=model.Phase.LAUNCHED,
        participation=participation.Participation.VALIDATING,
        namespace="ns",
        genesis_sha256=None,
        ports=None,
        node=None,
        conditions=conditions,
    )
    return status.Report(
        validator="alice", provider_chain_id="provider-1", height=7, chains=(chain,), conditions=own
    )


def test_warnings_and_critical_conditions_are_alerts() -> None:
    halted = Condition.new(Reason.CHAIN_HALTED, "no block since height 7", "0")
    [alert, jailed] = notifications.of_report(
        report(
            halted,
            Condition.new(Reason.PEERS_MISSING, "not connected", "0"),
            own=(Condition.new(Reason.JAILED, "jailed; run ics unjail"),),
        )
    )[::-1]
    entry = Reason.CHAIN_HALTED.entry
    assert alert.as_dict(NOW, 300) == {
        "labels": {
            "alertname": "ChainHalted",
            "severity": "warning",
            "validator": "alice",
            "consumer_id": "0",
            "chain_id": "c-1",
        },
        "annotations": {
            "summary": "no block since height 7",
            "description": entry.meaning,
            "look": entry.look,
            "action": entry.action,
        },
        "startsAt": "2026-11-29T12:00:00+00:00",
        "endsAt": "2026-11-29T12:05:00+00:00",
    }
    assert dict(jailed.labels) == {"alertname": "Jailed", "severity": "critical", "validator": "alice"}


def test_conditions_of_one_reason_are_one_alert_with_the_worst_severity() -> None:
    two = (
        Condition.new(Reason.WALLET_EMPTY, "on the provider", "0", severity=Severity.WARNING),
        Condition.new(Reason.WALLET_EMPTY, "on the chain", "0", severity=Severity.CRITICAL),
    )
    [alert] = notifications.of_report(report(*two))
    assert dict(alert.labels)["severity"] == "critical"
    assert dict(alert.annotations)["summary"] == "on the provider; on the chain"


def test_texts_of_strangers_are_visible_and_bounded() -> None:
    text = "\x1b[2J" + "x" * 5000
    [alert] = notifications.of_report(report(Condition.new(Reason.CHAIN_HALTED, text, "0"), chain_id=text))
    for _, value in (*alert.labels, *alert.annotations):
        assert value.isprintable()
        assert len(value) <= 1000
    assert len(dict(alert.labels)["chain_id"]) == 128


def test_chains_of_strangers_crowd_nothing_out() -> None:
    own = report(Condition.new(Reason.CHAIN_HALTED, "no block", "0"))
    strangers = tuple(
        dataclasses.replace(
            own.chains[0],
            consumer_id=str(number),
            namespace=None,
            conditions=(Condition.new(Reason.TWO_OF_ONE_NAME, "name the right one", str(number)),),
        )
        for number in range(1, 1001)
    )
    jailed = (Condition.new(Reason.JAILED, "jailed"),)
    found = notifications.of_report(
        dataclasses.replace(own, chains=(*strangers, *own.chains), conditions=jailed)
    )
    assert [dict(one.labels)["alertname"] for one in found[:3]] == ["Jailed", "ChainHalted", "TwoOfOneName"]
    assert len(found) == 500
