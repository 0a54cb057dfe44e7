"""Versions of sentries and full nodes: each is switched at its own halt, and for nothing else two at once."""

import dataclasses
from typing import Any

import pytest

from ics import model
from ics.consumer import chain as consumer_chain
from ics.consumer import observed, upgrades
from tests.unit import factories

OLD = "ghcr.io/cosmos/interchain-security:v7.0.1"
NEW = "ghcr.io/cosmos/interchain-security:v8.0.0"
FIXED = "ghcr.io/cosmos/interchain-security:v7.0.2"
HEIGHT = 120
AT = [{"height": HEIGHT, "image": NEW, "halt": True}]
ROLLED = [{"image": FIXED}]
NAMES = ("sentry-1", "sentry-2", "full-node-1")


def look(name: str, height: int = 50, app_height: int | None = None) -> model.Observation:
    node = factories.node(
        "bob", height=height, app_height=app_height or height, consensus_key=b"t" * 32, peers=2
    )
    return model.Observation(factories.pod(name=f"{name}-0", uid=name), node)


def memory(app_height: int | None = 40, image: str = OLD, **changes: Any) -> observed.ExtraNodeMemory:
    base = observed.ExtraNodeMemory(
        has_workload=True,
        volume_uid="volume",
        is_known_volume=True,
        software=upgrades.Record(app_height=app_height, image=image, halt_height=HEIGHT),
    )
    return dataclasses.replace(base, **changes)


def plan(
    listed: list[dict[str, Any]],
    looks: dict[str, model.Observation] | None = None,
    memories: dict[str, observed.ExtraNodeMemory] | None = None,
    halted: dict[str, int] | None = None,
) -> dict[str, upgrades.NodeUpgrade]:
    consumer = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    seen = factories.observation(
        factories.snapshot(consumer),
        memory=factories.memory(
            "alice",
            genesis=factories.GENESIS,
            has_workload=True,
            sentries=2,
            extra_nodes={**{name: memory() for name in NAMES}, **(memories or {})},
        ),
        observations={"0": model.Observation(factories.pod(), factories.node("bob"))},
        extra_nodes={"0": {**{name: look(name) for name in NAMES}, **(looks or {})}},
        extra_halted={"0": halted or {}},
    )
    definition = factories.example(nodes={"sentries": 2, "full": 1}, upgrades=listed)
    wanted = factories.judge(seen, definitions=[definition], relayer={"enabled": False})
    planned: consumer_chain.ChainPlan
    (planned,) = wanted.chains
    return {node.name: node.upgrade for node in planned.extra.nodes if node.upgrade is not None}


def images(found: dict[str, upgrades.NodeUpgrade]) -> list[str]:
    return [found[name].version.image for name in NAMES]


def test_nodes_below_the_height_keep_their_version() -> None:
    found = plan(AT)
    assert images(found) == [OLD, OLD, OLD]
    assert [one.halt_height for one in found.values()] == [HEIGHT] * 3


def test_only_the_node_that_stands_at_the_height_is_switched() -> None:
    """One that lags would never execute the blocks before it with the new version."""
    looks = {"sentry-2": look("sentry-2", HEIGHT, HEIGHT - 1), "sentry-1": look("sentry-1", HEIGHT - 1)}
    found = plan(AT, looks, halted={"sentry-2": HEIGHT})
    assert images(found) == [OLD, NEW, OLD]
    assert [(one.is_switch, one.records) for one in found.values()][1] == (True, HEIGHT - 1)
    assert not found["sentry-1"].is_switch


def test_all_nodes_that_stand_are_switched_together() -> None:
    looks = {name: look(name, HEIGHT, HEIGHT - 1) for name in NAMES}
    assert images(plan(AT, looks, halted=dict.fromkeys(NAMES, HEIGHT))) == [NEW, NEW, NEW]


def test_node_that_was_switched_keeps_its_version() -> None:
    found = plan(AT, memories={"sentry-1": memory(HEIGHT - 1, NEW)})
    assert images(found) == [NEW, OLD, OLD]


def test_new_volume_starts_with_the_first_version() -> None:
    emptied = memory(None, NEW, is_known_volume=False)
    assert images(plan(AT, memories={"full-node-1": emptied})) == [OLD, OLD, OLD]


def test_sentries_are_restarted_one_at_a_time_for_what_needs_no_halt() -> None:
    unchanged = {name: memory(software=upgrades.Record(app_height=40, image=OLD)) for name in NAMES}
    assert images(plan(ROLLED, memories=unchanged)) == [FIXED, OLD, OLD]
    first = {**unchanged, "sentry-1": memory(software=upgrades.Record(app_height=40, image=FIXED))}
    assert images(plan(ROLLED, memories=first)) == [FIXED, FIXED, OLD]


@pytest.mark.parametrize("other", [None, look("sentry-1", 50), model.Observation(factories.pod())])
def test_sentry_waits_for_the_other_to_catch_up(other: model.Observation | None) -> None:
    unchanged = {name: memory(software=upgrades.Record(app_height=40, image=OLD)) for name in NAMES}
    unchanged["sentry-1"] = memory(software=upgrades.Record(app_height=40, image=FIXED))
    is_up = other is not None and other.node is not None
    found = plan(ROLLED, {"sentry-1": other or model.Observation()}, unchanged)
    assert images(found)[:2] == [FIXED, FIXED if is_up else OLD]


def test_progress_of_each_node_is_recorded_on_its_own_volume() -> None:
    found = plan(AT, {"sentry-1": look("sentry-1", 70)}, {"sentry-1": memory(None)})
    assert (found["sentry-1"].records, found["sentry-1"].is_switch) == (70, False)
