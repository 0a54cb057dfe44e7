"""Care for sentries and full nodes: stuck ones are restarted, and new peers reach them as the settings allow."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import model
from ics.consumer import desired, observed, watchdog
from ics.consumer.peers import updates
from ics.reconciler import extra_node_care, outcome
from tests.unit import factories

NOW = factories.snapshot().moment
MADE = NOW - datetime.timedelta(seconds=600)
HYBRID = {"hybrid_peer_updates": True, "cluster": {"proxy_ranges": ["192.0.2.0/24"]}}
AUTO = {"auto_update_consumers": True}


class Cluster:
    """What is done to the nodes, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    async def send_peers(self, namespace: str, persistent_peers: str, name: str) -> frozenset[str]:
        self.done.append(("send", name))
        return frozenset(updates.addresses(persistent_peers))

    async def record_watchdog(self, namespace: str, record: watchdog.WatchdogRecord, name: str) -> None:
        self.done.append(("record", name, record))

    async def restart(self, namespace: str, name: str) -> None:
        self.done.append(("restart", name))


def look(name: str, **changes: Any) -> model.Observation:
    status = factories.node("alice", "bob", consensus_key=b"t" * 32, **{"block_time": NOW, **changes})
    pod = factories.pod(name=f"{name}-0", uid=name, created=MADE, started=MADE)
    return model.Observation(pod, status)


def scene(
    looks: dict[str, model.Observation],
    memories: dict[str, observed.ExtraNodeMemory] | None = None,
    settings: dict[str, Any] | None = None,
    **numbers: int,
) -> tuple[desired.Desired, observed.Observed]:
    consumer = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    seen = factories.observation(
        factories.snapshot(consumer),
        memory=factories.memory(
            "alice",
            genesis=factories.GENESIS,
            has_workload=True,
            sentries=numbers.get("sentries", 0),
            extra_nodes=memories or {},
        ),
        observations={"0": model.Observation(factories.pod(), factories.node("alice", "bob"))},
        extra_nodes={"0": looks},
    )
    wanted = factories.judge(
        seen, definitions=[factories.example(nodes=numbers)], relayer={"enabled": False}, **(settings or {})
    )
    return wanted, seen


async def maintained(
    wanted: desired.Desired, seen: observed.Observed, *, may_restart: bool = True
) -> list[tuple[Any, ...]]:
    cluster, collector = Cluster(), outcome.Collector()
    await extra_node_care.maintain(
        factories.world(cluster).nodes, wanted.settings, wanted, seen, may_restart, collector
    )
    assert collector.troubles == ()
    return cluster.done


SILENT = {"is_silent": True, "block_time": MADE, "blocks_behind": None}


def struck(name: str, strikes: int) -> observed.ExtraNodeMemory:
    """A node that has failed so many checks, the last one long ago."""
    record = watchdog.WatchdogRecord(
        process=f"{name}.0", height=7, failures=strikes, since=NOW - datetime.timedelta(seconds=60)
    )
    return observed.ExtraNodeMemory(has_workload=True, watchdog=record)


async def test_healthy_nodes_are_left_alone() -> None:
    looks = {name: look(name) for name in ("sentry-1", "full-node-1")}
    assert await maintained(*scene(looks, sentries=1, full=1)) == []


@pytest.mark.parametrize("name", ["sentry-1", "full-node-1"])
async def test_stuck_node_is_restarted_after_three_failed_checks(name: str) -> None:
    looks = {name: look(name, **SILENT)}
    for strikes in (0, 1):
        (step,) = await maintained(*scene(looks, {name: struck(name, strikes)}, sentries=1, full=1))
        assert (step[0], step[1], step[2].failures) == ("record", name, strikes + 1)
    done = await maintained(*scene(looks, {name: struck(name, 2)}, sentries=1, full=1))
    assert [step[:2] for step in done] == [("record", name), ("record", name), ("restart", name)]
    assert done[1][2].restarts == 1


async def test_only_one_node_is_restarted_in_a_pass() -> None:
    names = ("sentry-1", "sentry-2", "full-node-1")
    looks = {name: look(name, **SILENT) for name in names}
    stuck = {name: struck(name, 2) for name in names}
    done = await maintained(*scene(looks, stuck, sentries=2, full=1))
    assert [step for step in done if step[0] == "restart"] == [("restart", "sentry-1")]
    done = await maintained(*scene(looks, stuck, sentries=2, full=1), may_restart=False)
    assert [step for step in done if step[0] == "restart"] == []


async def test_no_node_is_restarted_while_another_starts() -> None:
    starting = factories.pod(name="sentry-2-0", is_ready=False, created=NOW)
    looks = {"sentry-1": look("sentry-1", **SILENT), "sentry-2": model.Observation(starting)}
    done = await maintained(*scene(looks, {"sentry-1": struck("sentry-1", 2)}, sentries=2))
    assert [step[0] for step in done] == ["record"]


def outdated(*names: str) -> dict[str, observed.ExtraNodeMemory]:
    """Nodes that were started with other peers than those that a pass has written since."""
    old = watchdog.ConfiguredPeers("", "", MADE - datetime.timedelta(seconds=60))
    return {name: observed.ExtraNodeMemory(has_workload=True, configured_peers=old) for name in names}


async def test_new_peers_are_sent_to_running_nodes_if_the_settings_allow() -> None:
    looks = {name: look(name) for name in ("sentry-1", "full-node-1")}
    done = await maintained(*scene(looks, outdated(*looks), HYBRID, sentries=1, full=1))
    assert [step[:2] for step in done] == [
        ("send", "sentry-1"),
        ("record", "sentry-1"),
        ("send", "full-node-1"),
        ("record", "full-node-1"),
    ]
    assert done[1][2].process == "sentry-1.0"
    assert done[1][2].peers_digest != done[3][2].peers_digest
    assert await maintained(*scene(looks, outdated(*looks), sentries=1, full=1)) == []


async def test_sentry_is_restarted_for_new_peers_only_while_another_has_caught_up() -> None:
    looks = {"sentry-1": look("sentry-1"), "sentry-2": look("sentry-2", is_catching_up=True)}
    assert await maintained(*scene(looks, outdated("sentry-1"), AUTO, sentries=2)) == []
    looks["sentry-2"] = look("sentry-2")
    done = await maintained(*scene(looks, outdated("sentry-1"), AUTO, sentries=2))
    assert [step[:2] for step in done] == [("record", "sentry-1"), ("restart", "sentry-1")]
    assert done[0][2].restarts == 0


async def test_full_node_is_restarted_for_new_peers_on_its_own() -> None:
    looks = {"full-node-1": look("full-node-1")}
    done = await maintained(*scene(looks, outdated("full-node-1"), AUTO, full=1))
    assert [step[0] for step in done] == ["record", "restart"]


async def test_connected_node_is_not_restarted_for_new_peers() -> None:
    wanted, seen = scene({"full-node-1": look("full-node-1")}, outdated("full-node-1"), AUTO, full=1)
    (node,) = wanted.chains[0].extra.nodes
    connected = frozenset(updates.addresses(node.persistent_peers))
    looks = {"0": {"full-node-1": look("full-node-1", peer_ids=connected)}}
    assert await maintained(wanted, dataclasses.replace(seen, extra_nodes=looks)) == []


def test_nodes_of_chains_that_are_paused_or_ending_are_left_alone() -> None:
    wanted, seen = scene({"full-node-1": look("full-node-1")}, full=1)
    assert len(extra_node_care.running(wanted, seen)) == 1
    assert extra_node_care.running(dataclasses.replace(wanted, paused=frozenset({"0"})), seen) == []
