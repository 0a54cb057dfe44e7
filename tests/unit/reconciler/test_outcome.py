"""The collector keeps the errors of each chain separate."""

import asyncio

import pytest

from ics import engines, errors
from ics.conditions import Condition, Reason, Severity
from ics.cosmos import gas_prices
from ics.reconciler import outcome


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (
            errors.Transient("no answer"),
            Condition(Severity.WARNING, Reason.CLUSTER_TROUBLE, "no answer", "7"),
        ),
        (errors.Permanent("no right"), Condition(Severity.CRITICAL, Reason.CLUSTER_REFUSES, "no right", "7")),
        (
            engines.StackLocked("locked by bob"),
            Condition(Severity.WARNING, Reason.STACK_LOCKED, "locked by bob", "7"),
        ),
        (
            engines.EngineUnusable("no CLI"),
            Condition(Severity.CRITICAL, Reason.ENGINE_UNUSABLE, "no CLI", "7"),
        ),
        (
            engines.EngineUnavailable("no answer"),
            Condition(Severity.WARNING, Reason.ENGINE_UNUSABLE, "no answer", "7"),
        ),
        (
            KeyError("spec"),
            Condition(Severity.CRITICAL, Reason.UNEXPECTED_ERROR, "unexpected KeyError: 'spec'", "7"),
        ),
    ],
)
def test_error_of_one_chain_becomes_its_condition_and_the_others_go_on(
    error: Exception, condition: Condition
) -> None:
    collector = outcome.Collector()
    done = []
    for consumer_id in ("6", "7", "8"):
        with collector.chain(consumer_id):
            if consumer_id == "7":
                raise error
            done.append(consumer_id)

    assert done == ["6", "8"]
    assert collector.conditions == [condition]
    assert [(trouble.consumer_id, str(trouble)) for trouble in collector.troubles] == [
        ("7", condition.message)
    ]


@pytest.mark.parametrize(
    ("error", "reason", "severity"),
    [
        (gas_prices.TooExpensive("too much"), Reason.GAS_PRICE_HIGH, Severity.CRITICAL),
        (gas_prices.BelowReserve("too little"), Reason.TOP_UPS_LIMITED, Severity.WARNING),
        (errors.Transient("unknown"), Reason.TRANSACTION_FAILED, Severity.WARNING),
        (errors.Permanent("refused"), Reason.TRANSACTION_FAILED, Severity.CRITICAL),
    ],
)
def test_limits_of_money_have_conditions_of_their_own(
    error: errors.IcsError, reason: Reason, severity: Severity
) -> None:
    collector = outcome.Collector()
    collector.transaction_error(error, Reason.TRANSACTION_FAILED, "7")
    assert collector.conditions == [Condition(severity, reason, str(error), "7")]


def test_cancellation_is_not_collected() -> None:
    collector = outcome.Collector()
    with pytest.raises(asyncio.CancelledError), collector.chain("7"):
        raise asyncio.CancelledError
    assert collector.conditions == []


def test_failed_condition_is_trouble_and_noted_one_is_not() -> None:
    collector = outcome.Collector()
    drifted = Condition.new(Reason.DRIFTED, "StatefulSet a/node: reverted", "7")
    refused = Condition.new(Reason.DEFINITIONS_REFUSED, "one.yaml: malformed")
    collector.note(drifted)
    collector.fail(refused)

    assert collector.conditions == [drifted, refused]
    assert [(type(trouble.error), str(trouble)) for trouble in collector.troubles] == [
        (errors.Permanent, "one.yaml: malformed")
    ]
