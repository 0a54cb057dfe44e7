"""Sentries and full nodes against a real API server: it takes their objects as they are, and they come and go."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from ics import engines, manifests, model, names
from ics.cluster.api import kinds
from ics.cluster.state import read
from ics.consumer import observed
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from ics.manifests import objects
from tests.cluster import conftest
from tests.unit import factories

pytestmark = pytest.mark.cluster

EACH = ("StatefulSet/{}", "Service/{}", "Secret/{}-node-key", "ConfigMap/{}-config", "ConfigMap/{}-peers")
VOLUME = "PersistentVolumeClaim/{}-data"
SYNCED = factories.node("alice", "bob", consensus_key=b"t" * 32)
SPARED = factories.node("bob")
"""A chain that does not have alice in its set, so that her node may be restarted."""


class Chain:
    """One running chain of a validator with its own namespaces."""

    def __init__(self, scene: conftest.Scene) -> None:
        self.scene = scene
        self.home = f"{scene.validator}-0"
        self.engine = applyset_engine.ApplyEngine(scene.kube, scene.validator, scene.gateway)

    async def memory(self) -> observed.ChainMemory:
        owner = objects.Owner(self.scene.validator, factories.PROVIDER)
        return (await read.StateReader(self.scene.kube, owner, self.scene.gateway).load()).chains["0"]

    async def converge(self, memory: dict[str, Any] | None = None, **numbers: int) -> engines.Converged:
        """One pass, whose nodes have all caught up."""
        place = factories.place(namespace=self.home)
        record = factories.record(factories.key_of(place), at=place)
        fields = memory if memory is not None else await self._live()
        consumer = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
        seen = factories.observation(
            factories.snapshot(consumer, launches={"0": factories.launch("alice", "bob")}),
            memory=factories.memory("alice", namespace=self.home, records=(record,), **fields),
            observations={"0": model.Observation(factories.pod(), SPARED)},
            extra_nodes={"0": {name: model.Observation(factories.pod(), SYNCED) for name in _names(9)}},
        )
        seen = dataclasses.replace(seen, used_keys=frozenset())
        wanted = factories.judge(
            seen,
            stack=factories.settings(
                "alice",
                gateway={"namespace": self.scene.gateway},
                nodes=numbers,
                relayer={"enabled": False},
            ).model_copy(update={"validator": self.scene.validator}),
        )
        rendered = manifests.render(wanted, members.set_id(self.scene.validator, self.scene.gateway))
        return await self.engine.converge(engines.ApplyRequest(manifests=rendered))

    async def _live(self) -> dict[str, Any]:
        memory = await self.memory()
        return {
            "genesis": memory.genesis,
            "has_workload": memory.has_workload,
            "sentries": memory.sentries,
            "extra_nodes": memory.extra_nodes,
        }


def _names(number: int) -> list[str]:
    return [names.extra_node(names.SENTRY, one) for one in range(1, number + 1)]


def done(converged: engines.Converged, action: str, home: str) -> set[str]:
    assert converged.errors == ()
    assert converged.confirmations == ()
    return {f"{c.kind}/{c.name}" for c in converged.changes if c.action == action and c.namespace == home}


def of(nodes: Sequence[str], *kinds_: str) -> set[str]:
    return {kind.format(node) for node in nodes for kind in kinds_}


async def test_sentries_come_hide_the_node_and_go_without_a_question(scene: conftest.Scene) -> None:
    chain = Chain(scene)
    await chain.converge({})
    assert (await chain.memory()).extra_nodes == {}

    # They are created first, and nothing of the node that runs is changed.
    coming = await chain.converge(full=1)
    assert done(coming, "create", chain.home) == of(["full-node-1"], *EACH, VOLUME) | {
        "NetworkPolicy/full-node",
        "Service/node-rpc",
    }
    assert done(coming, "update", chain.home) == set()

    hidden = await chain.converge(sentries=2, full=1)
    assert done(hidden, "create", chain.home) == of(["sentry-1", "sentry-2"], *EACH, VOLUME) | {
        "NetworkPolicy/sentry"
    }
    assert {"StatefulSet/node", "Secret/node-key", "ConfigMap/peers"} < done(hidden, "update", chain.home)
    memory = await chain.memory()
    assert (memory.sentries, sorted(memory.extra_nodes)) == (2, ["full-node-1", "sentry-1", "sentry-2"])
    assert all(node.has_workload and node.configured_peers for node in memory.extra_nodes.values())
    # Their volumes have uids now, which their StatefulSets record once.
    recorded = await chain.converge(sentries=2, full=1)
    assert done(recorded, "update", chain.home) == of(["sentry-1", "sentry-2"], "StatefulSet/{}")
    assert (await chain.converge(sentries=2, full=1)).changes == ()
    assert all(node.is_known_volume for node in (await chain.memory()).extra_nodes.values())

    fewer = await chain.converge(sentries=1)
    assert done(fewer, "delete", chain.home) == of(["sentry-2", "full-node-1"], *EACH) | {
        "NetworkPolicy/full-node",
        "Service/node-rpc",
    }

    none = await chain.converge()
    assert done(none, "delete", chain.home) == of(["sentry-1"], *EACH) | {"NetworkPolicy/sentry"}
    memory = await chain.memory()
    assert (memory.sentries, memory.has_workload) == (0, True)
    assert not any(node.has_workload for node in memory.extra_nodes.values())
    for name in ("sentry-1", "sentry-2", "full-node-1"):
        assert await scene.live(kinds.VOLUME_CLAIM, chain.home, f"{name}-data") is not None
