"""A launch that fails, is set again under another name, is put off and then brought forward into the past."""

import datetime
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import chains, launch, operators, waiting

pytestmark = pytest.mark.network


def staged(operator: operators.Operator, consumer_id: str) -> dict[str, Any]:
    """A chain once the operator's passes have joined and staged it."""
    return waiting.until(
        f"{operator.name} has staged it",
        lambda: operator.chain(consumer_id, operator.once().json["status"]),
        lambda chain: (
            chain["participation"] == "validating"
            and "Staged" in [condition["reason"] for condition in chain["conditions"]]
        ),
        every=2,
    )


def objects(operator: operators.Operator, consumer_id: str) -> set[str]:
    """What there is of a chain, apart from what passes by."""
    return {
        launch.shown(item)
        for item in operator.kube.members()
        if item["metadata"]["labels"].get(names.CONSUMER) == consumer_id and item["kind"] != "Job"
    }


def test_a_spawn_time_moves_and_a_launch_fails(alice: operators.Operator, bob: operators.Operator) -> None:
    first_name, last_name = chains.fresh("consumer71"), chains.fresh("consumer72")
    # Nobody makes a pass: nobody opts in, and the launch fails.
    consumer_id = chains.create(first_name, 3.0)
    waiting.until("the launch has failed", lambda: chains.phase(consumer_id), lambda now: now == "REGISTERED")
    listed = alice.chain(consumer_id, alice.once().json["status"])
    assert (listed["phase"], listed["participation"], listed["namespace"]) == ("REGISTERED", "none", None)
    assert objects(alice, consumer_id) == set()

    # Set again: it is staged. Renamed and put off: it stays staged, in its place, at another port.
    chains.move(consumer_id, first_name, launch.HOUR)
    before, there = staged(alice, consumer_id), objects(alice, consumer_id)
    chains.move(consumer_id, last_name, 2 * launch.HOUR)
    alice.once()
    after = staged(alice, consumer_id)
    assert after["chain_id"] == last_name
    assert after["namespace"] == before["namespace"]
    assert after["ports"]["p2p"] == alice.show("ports", last_name).json[0]["p2p"] != before["ports"]["p2p"]
    assert objects(alice, consumer_id) == there
    staged(bob, consumer_id)

    # Brought forward into the past: it launches at once.
    chains.move(consumer_id, last_name, -launch.HOUR)
    with operators.Cron([alice, bob]) as cron:
        for operator in (alice, bob):
            waiting.until(
                f"{operator.name}'s node signs",
                lambda operator=operator: signs(cron, operator, consumer_id),  # type: ignore[misc]
                seconds=240,
            )
    home = launch.namespace_of(alice, consumer_id)
    assert alice.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)["status"]["readyReplicas"] == 1
    genesis = alice.kube.ask_node(home, "/genesis")["genesis"]
    assert genesis["chain_id"] == last_name
    assert datetime.datetime.fromisoformat(genesis["genesis_time"]) > datetime.datetime.now(
        datetime.UTC
    ) - datetime.timedelta(seconds=launch.HOUR / 2)
    launch.end([consumer_id], [alice, bob])


def signs(cron: operators.Cron, operator: operators.Operator, consumer_id: str) -> bool:
    status = cron.last(operator.name)
    node = (operator.chain(consumer_id, status) if status else {}).get("node") or {}
    return bool(node.get("signing"))
