"""A node whose image contains another binary than the definition says: not started, and said so."""

import dataclasses
from typing import Any

import pytest

from ics import model
from ics.conditions import Reason, Severity
from ics.consumer import binary_check, observed, provider_key
from ics.consumer import status as consumer_status
from tests.unit import factories

FOUND, EXPECTED = "ab" * 32, "cd" * 32
LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (f"binary {FOUND}", FOUND),
        (f"binary {FOUND}\n", FOUND),
        ("", ""),
        ("binary", ""),
        (f"binary {FOUND} and more", ""),
        (f"binary {FOUND.upper()}", ""),
        (f"panic: binary {FOUND}", ""),
        ("binary \x1b[31m", ""),
    ],
)
def test_only_the_scripts_own_message_is_read(message: str, found: str) -> None:
    assert binary_check.found(message) == found


def conditions(**changes: Any) -> dict[str, tuple[Severity, str]]:
    pod = factories.pod(**changes)
    node = None if pod.waiting else factories.node("alice", "bob")
    facts = observed.Observed(
        snapshot=factories.snapshot(LAUNCHED, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS),
        observations={"0": model.Observation(pod, node)},
        spare=factories.SPARE,
    )
    wanted = factories.judge(facts, definitions=[factories.example(binary_hash=EXPECTED)])
    report = consumer_status.report(wanted, facts.observations)
    (chain,) = report.chains
    return {one.reason: (one.severity, one.message) for one in chain.conditions}


def test_refused_binary_is_a_critical_condition_with_both_hashes() -> None:
    found = conditions(waiting="CrashLoopBackOff", ending=f"binary {FOUND}")

    severity, message = found[Reason.BINARY_HASH_MISMATCH]
    assert severity is Severity.CRITICAL
    assert f"contains a binary with sha256 {FOUND}, not binary_hash {EXPECTED}" in message
    assert Reason.POD_WAITING not in found


@pytest.mark.parametrize("ending", ["", "panic: out of memory"])
def test_other_endings_are_not_taken_for_it(ending: str) -> None:
    assert Reason.POD_WAITING in conditions(waiting="CrashLoopBackOff", ending=ending)


def test_node_that_runs_again_has_no_such_condition() -> None:
    assert Reason.BINARY_HASH_MISMATCH not in conditions(ending=f"binary {FOUND}")


def test_refused_binary_of_the_provider_node_is_a_critical_condition() -> None:
    settings = factories.settings(
        provider_node={
            "enabled": True,
            "image": "pd:1",
            "genesis": {"url": "https://h/g", "sha256": "0" * 64},
            "consensus_key": "key",
            "binary_hash": EXPECTED,
        }
    ).provider_node
    pod = factories.pod(name="provider-node-0", waiting="CrashLoopBackOff", ending=f"binary {FOUND}")
    memory = observed.ProviderNodeMemory()

    refused = provider_key.decide(settings, memory, model.Observation(pod)).conditions
    running = provider_key.decide(
        settings,
        memory,
        model.Observation(dataclasses.replace(pod, waiting=""), factories.node("alice")),
    ).conditions

    assert refused[0].reason is Reason.BINARY_HASH_MISMATCH
    assert f"pd:1 contains a binary with sha256 {FOUND}" in refused[0].message
    assert Reason.BINARY_HASH_MISMATCH not in [one.reason for one in running]
