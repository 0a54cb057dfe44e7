"""`ics nodes roll`: nodes of an earlier revision restart one after the other, each when its chain can spare it."""

import json
import types
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cli.arguments import nodes as arguments
from ics.cli.commands import nodes
from ics.consumer import desired, observed, revision
from ics.reconciler import observe, reconcile, wiring, world
from tests.unit import factories


class Cluster:
    """Two chains and a provider node, whose nodes were started by an earlier version."""

    def __init__(self, *, spare: bool = True, answers: bool = True, trouble: str = "") -> None:
        self.revisions = {"0": 1, "1": 1, "provider": 1}
        self.spare = spare
        self.answers = answers
        self.trouble = trouble
        self.passes: list[list[str]] = []
        self.leases: list[str] = []

    async def request(self, patience: float) -> None:
        self.leases.append("requested")

    async def return_to_holder(self) -> None:
        self.leases.append("returned")

    def seen(self) -> observed.Observed:
        chains, observations = {}, {}
        for consumer_id in ("0", "1"):
            where = factories.place(namespace=f"ns{consumer_id}")
            chains[consumer_id] = observed.ChainMemory(
                namespace=f"ns{consumer_id}",
                genesis=factories.GENESIS,
                records=(factories.record(factories.key_of(where, "alice", consumer_id), at=where),),
                volume_uid="volume-1",
                has_workload=True,
                template=revision.RecordedTemplate(self.revisions[consumer_id], ""),
            )
            pod = factories.pod(uid=f"uid-{self.revisions[consumer_id]}")
            own = factories.key_of(where, "alice", consumer_id).address
            powers = {own: 1, factories.consumer_key("bob").address: 100, b"c" * 20: 100}
            others = frozenset(powers) if self.spare else frozenset({own, b"c" * 20})
            node = factories.node(validators=powers, signers=others)
            restarts = self.answers or self.revisions[consumer_id] == 1
            observations[consumer_id] = model.Observation(pod, node if restarts else None)
        provider = observed.ProviderNodeMemory(
            has_workload=True, template=revision.RecordedTemplate(self.revisions["provider"], "")
        )
        known = [
            factories.consumer(
                model.Phase.LAUNCHED,
                factories.joined("alice", "bob", consumer_id=consumer_id),
                consumer_id=consumer_id,
                chain_id=f"consumer{consumer_id}-1",
            )
            for consumer_id in ("0", "1")
        ]
        return factories.observation(
            factories.snapshot(*known),
            memory=factories.memories(chains, provider_node=provider),
            observations=observations,
            provider_node=model.Observation(
                factories.pod(uid=f"uid-{self.revisions['provider']}"), factories.node("alice")
            ),
        )

    async def read(self, _: object) -> tuple[observed.Observed, desired.Desired]:
        seen = self.seen()
        node = {
            "enabled": True,
            "image": "pd:1",
            "genesis": {"url": "https://example.com/g", "sha256": "0" * 64},
        }
        return seen, factories.judge(seen, definitions=factories.named("0", "1"), provider_node=node)

    async def run_pass(self, world: world.World, *_: object) -> Any:
        self.passes.append(sorted(world.roll_requests))
        if not self.trouble:
            self.revisions |= dict.fromkeys(world.roll_requests, revision.CURRENT)
        troubles = [types.SimpleNamespace(error=errors.Transient(self.trouble))] if self.trouble else []
        return types.SimpleNamespace(troubles_of=lambda _: troubles)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PROBE_INTERVAL", "_QUORUM_SECONDS", "_RESTART_SECONDS"):
        monkeypatch.setattr(nodes, name, 0.01)


async def roll(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, consumer_id: str | None = None) -> int:
    monkeypatch.setattr(observe, "read", cluster.read)
    monkeypatch.setattr(reconcile, "run_pass", cluster.run_pass)
    stack = types.SimpleNamespace(world=factories.world(), engine=None, sender=None, lease=cluster)
    args = arguments.Roll(consumer_id=consumer_id, all=consumer_id is None, json=True)
    return await nodes._roll(args, cast(wiring.OpenStack, stack))


async def test_all_nodes_restart_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster()
    assert await roll(monkeypatch, cluster) == 0
    assert cluster.passes == [["0"], ["1"], ["provider"]]
    assert cluster.leases == ["requested", "returned"] * 3
    assert [row["done"] for row in json.loads(capsys.readouterr().out)] == ["restarted at revision 2"] * 3
    assert await roll(monkeypatch, cluster) == 0
    assert [row["done"] for row in json.loads(capsys.readouterr().out)] == ["up to date"] * 3
    assert len(cluster.passes) == 3


@pytest.mark.parametrize("name", ["1", "provider"])
async def test_one_node_restarts_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cluster = Cluster()
    assert await roll(monkeypatch, cluster, name) == 0
    assert cluster.passes == [[name]]


async def test_a_node_without_which_the_chain_would_halt_is_not_restarted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(spare=False)
    assert await roll(monkeypatch, cluster) == 1
    assert cluster.passes == []
    assert "its chain cannot do without this node now" in capsys.readouterr().err


async def test_a_node_that_does_not_come_back_is_followed_by_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(answers=False)
    assert await roll(monkeypatch, cluster) == 1
    assert cluster.passes == [["0"]]
    said = capsys.readouterr()
    assert [row["done"] for row in json.loads(said.out)] == ["failed"]
    assert "no further node was restarted" in said.err


async def test_trouble_of_the_pass_ends_the_roll(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(trouble="the API server is full")
    assert await roll(monkeypatch, cluster) == 1
    assert "the API server is full" in capsys.readouterr().err


async def test_a_chain_without_a_node_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.SettingsError, match="consumer id '7': it has no node here"):
        await roll(monkeypatch, Cluster(), "7")
