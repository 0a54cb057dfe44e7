"""`ics sign-state reset`: what it waits for, what it refuses, what it writes and prints."""

import dataclasses
import datetime
import json
import types
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cli.commands import sign_state
from ics.cluster.nodes import observe as observe_nodes
from ics.consumer import consensus_view, desired, observed, reset, watchdog
from ics.cosmos import addresses
from ics.reconciler import observe, wiring
from tests.unit import factories
from tests.unit.cli import calls

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
KEY = factories.consumer_key("alice")
HEX = KEY.address.hex().upper()
BOB = factories.consumer_key("bob").address
LOST = factories.record(volume="volume-0")
SUCCESSOR = factories.record(at=factories.place(40, replaces=factories.place_id(0)))
LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))


def view(height: int, *votes: consensus_view.SeenVote, **changes: Any) -> consensus_view.ConsensusView:
    base = consensus_view.ConsensusView(
        own_height=height, own_round=0, height=height, round=0, peers=1, votes=votes, members={}
    )
    return dataclasses.replace(base, **changes)


def moving(height: int) -> reset.Head:
    return reset.Head(height=height, block_time=NOW, is_catching_up=False, view=view(height + 1))


def standing(*votes: consensus_view.SeenVote) -> reset.Head:
    long_ago = NOW - datetime.timedelta(seconds=600)
    return reset.Head(height=9, block_time=long_ago, is_catching_up=False, view=view(10, *votes))


class Cluster:
    """Alice's stack with her chain's node, whose volume was lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *heads: reset.Head, seen: int | None = 100) -> None:
        self.heads = list(heads)
        self.node = ("ns", "node-0")
        self.signers: Mapping[int, frozenset[bytes]] = {}
        self.commits: list[int] = []
        self.done: list[object] = []
        self.volume = "volume-1"
        self.records = (LOST, SUCCESSOR)
        self.record = watchdog.WatchdogRecord()
        if seen is not None:
            self.record = watchdog.WatchdogRecord(missing_key=HEX, missing_since=seen)
        monkeypatch.setattr(observe, "read", self.read)
        monkeypatch.setattr(observe_nodes, "read_head", self.read_head)
        monkeypatch.setattr(observe_nodes, "read_signers", self.read_signers)
        monkeypatch.setattr(wiring, "now", lambda: NOW)
        monkeypatch.setattr(sign_state, "_BETWEEN_LOOKS", 0.0)
        monkeypatch.setattr(sign_state, "_SETTLING", 0.0)

    async def read(self, _: object) -> tuple[observed.Observed, desired.Desired]:
        node = factories.node("alice", "bob", consensus_key=factories.key_of(SUCCESSOR.place).public_key)
        state = factories.observation(
            factories.snapshot(LAUNCHED),
            memory=factories.memory(
                genesis=factories.GENESIS,
                has_workload=True,
                records=self.records,
                volume_uid=self.volume,
                watchdog=self.record,
            ),
            observations={"0": model.Observation(factories.pod(), node)},
        )
        return state, factories.judge(state)

    async def read_head(self, _: object, namespace: str, pod: str) -> reset.Head:
        assert (namespace, pod) == self.node
        return self.heads.pop(0) if len(self.heads) > 1 else self.heads[0]

    async def read_signers(self, _: object, namespace: str, height: int, pod: str) -> frozenset[bytes]:
        assert (namespace, pod) == self.node
        self.commits.append(height)
        return self.signers.get(height, frozenset({BOB}))

    # -- the Lease and the sign state

    async def request(self, seconds: float) -> None:
        self.done.append("requested the Lease")

    async def release(self) -> None:
        self.done.append("released it")

    async def return_to_holder(self) -> None:
        self.done.append("returned it")

    async def ensure_retired(self, place: model.Place) -> None:
        self.done.append(("retired", place.place_id))

    async def request_reset(self, place: model.Place, volume_uid: str, state: model.SignedState) -> None:
        self.done.append((place.place_id, volume_uid, state))

    async def run(self, *flags: str) -> int:
        words = ["sign-state", "reset", "0", "--confirm", "consumer1-1", "--stack", "alice", *flags]
        args = calls.arguments(*words)
        world = types.SimpleNamespace(settings=factories.settings())
        stack = types.SimpleNamespace(world=world, kube=None, lease=self, sign_state=self)
        return await sign_state._reset_sign_state(args, cast(wiring.OpenStack, stack))


def written(state: model.SignedState) -> list[object]:
    """What is done to reset the lost key."""
    return [
        "requested the Lease",
        ("retired", SUCCESSOR.place.place_id),
        (LOST.place.place_id, "volume-1", state),
        "released it",
        "returned it",
    ]


async def test_moving_chain_is_waited_for_before_the_lease_is_requested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, moving(104), moving(122), moving(123), moving(124))
    assert await cluster.run() == 0
    assert cluster.done == written(model.SignedState(height=125, round=2147483647, step=3))
    assert cluster.commits[-20:] == list(range(104, 124))
    said = capsys.readouterr()
    assert said.err == "".join(
        f"waiting for {count} more blocks of consumer1-1 without the key's signature\n" for count in (19, 1)
    )
    assert said.out == (
        f"consumer1-1: key {HEX} signs from height 126 on; the next passes write that sign state, and restart the node"
        " with the key\n"
    )


async def test_height_of_the_first_look_counts_if_no_pass_has_recorded_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, moving(500), moving(500), moving(523), seen=None)
    assert await cluster.run() == 0
    assert cluster.commits[:20] == list(range(503, 523))
    assert capsys.readouterr().err.startswith("waiting for 23 more blocks")


async def test_signature_of_the_key_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, moving(200))
    cluster.signers = {190: frozenset({KEY.address, BOB})}
    with pytest.raises(errors.Permanent, match=f"key {HEX} signed block 190 at another node; nothing was"):
        await cluster.run("--allow-current-height")
    assert cluster.done == []


async def test_standing_chain_needs_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, standing())
    with pytest.raises(errors.Permanent, match="the silence of the key proves nothing"):
        await cluster.run()
    assert cluster.done == []


async def test_votes_of_both_looks_are_reported_and_not_signed_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = consensus_view.SeenVote(0, 2, KEY.address, has_node=False)
    other = consensus_view.SeenVote(0, 2, BOB, has_node=True)
    cluster = Cluster(monkeypatch, standing(seen, other), standing(other))
    assert await cluster.run("--allow-current-height", "--json") == 0
    assert cluster.done == written(model.SignedState(height=10, round=0, step=2))
    said = capsys.readouterr()
    assert said.err == "consumer1-1: a peer has a prevote of this key at height 10, round 0\n"
    assert json.loads(said.out) == {
        "consumer_id": "0",
        "chain_id": "consumer1-1",
        "key": HEX,
        "volume_uid": "volume-1",
        "state": {"height": 10, "round": 0, "step": 2},
        "signs_from": "height 10, round 0, its precommit",
        "votes": [{"round": 0, "type": "prevote", "at": "peer"}],
        "silent_commits": None,
        "blocks_to_wait": 0,
        "dry_run": False,
    }


async def test_dry_run_neither_waits_nor_changes_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, moving(104))
    assert await cluster.run("--dry-run") == 0
    assert cluster.done == []
    assert capsys.readouterr().out == (
        f"consumer1-1: would let key {HEX} sign from height 106 on, after 19 more blocks without its signature\n"
    )


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster that loses the volume again while the command requests the Lease."""
    cluster = Cluster(monkeypatch, standing())
    request = cluster.request

    async def lose(seconds: float) -> None:
        await request(seconds)
        cluster.volume = "volume-2"

    monkeypatch.setattr(cluster, "request", lose)
    return cluster


async def test_volume_that_changed_meanwhile_is_not_written(losing: Cluster) -> None:
    with pytest.raises(errors.Transient, match="its volume or key changed meanwhile; nothing was written"):
        await losing.run("--allow-current-height")
    assert losing.done == ["requested the Lease", "returned it"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["0", "--confirm", "consumer1-2"], "--confirm 'consumer1-2': consumer 0 is 'consumer1-1'"),
        (["7", "--confirm", "consumer1-1"], "consumer id '7': not found on provider-1"),
    ],
)
async def test_wrong_name_is_refused(monkeypatch: pytest.MonkeyPatch, words: list[str], error: str) -> None:
    cluster = Cluster(monkeypatch, standing())
    command = ["sign-state", "reset", *words, "--stack", "alice"]
    args = calls.arguments(*command)
    stack = types.SimpleNamespace(world=types.SimpleNamespace(), kube=None, lease=cluster, sign_state=cluster)
    with pytest.raises(errors.SettingsError, match=error):
        await sign_state._reset_sign_state(args, cast(wiring.OpenStack, stack))
    assert cluster.done == []


class ProviderNode(Cluster):
    """The provider node of alice's stack, which runs without her provider key."""

    own_key = b"t" * 32
    key_check = ""

    async def read(self, _: object) -> tuple[observed.Observed, desired.Desired]:
        self.node = ("ics-alice", "provider-node-0")
        stack = factories.settings(
            gateway={"namespace": "ics-alice"},
            provider_node={
                "enabled": True,
                "image": "gaia:1",
                "genesis": {"config_map": {"name": "provider-genesis"}},
                "consensus_key": "consensus-key",
            },
        )
        state = factories.observation(
            factories.snapshot(),
            memory=factories.memories(provider_node=observed.ProviderNodeMemory(volume_uid=self.volume)),
            provider_node=model.Observation(
                factories.pod(key_check=self.key_check), factories.node(consensus_key=self.own_key)
            ),
        )
        return state, factories.judge(state, stack=stack)

    async def release_key(self, volume_uid: str, state: model.SignedState) -> None:
        self.done.append((volume_uid, state))

    async def run(self, *flags: str) -> int:
        words = ["sign-state", "reset", "provider", "--stack", "alice", *flags]
        args = calls.arguments(*words)
        world = types.SimpleNamespace(settings=factories.settings())
        own = types.SimpleNamespace(request_reset=self.release_key)
        stack = types.SimpleNamespace(world=world, kube=None, lease=self, provider_sign_state=own)
        return await sign_state._reset_sign_state(args, cast(wiring.OpenStack, stack))


async def test_provider_nodes_key_is_released_above_the_height_in_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = ProviderNode(monkeypatch, moving(100), moving(123))
    assert await node.run("--confirm", "provider") == 0
    state = model.SignedState(height=124, round=2147483647, step=3)
    assert node.done == ["requested the Lease", ("volume-1", state), "released it", "returned it"]
    address = addresses.consensus_address(factories.consensus_key("alice")).hex().upper()
    assert capsys.readouterr().out == (
        f"provider-1: key {address} signs from height 125 on; the next passes write that sign state, and restart the"
        " node with the key\n"
    )


async def test_the_mounted_key_is_the_one_that_is_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = ProviderNode(monkeypatch, moving(100), moving(123))
    node.key_check = f"withheld {'AB' * 20}"
    assert await node.run("--confirm", "provider") == 0
    assert f": key {'AB' * 20} signs from height 125 on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("confirm", "own_key", "error"),
    [
        ("provider-1", b"t" * 32, "--confirm 'provider-1': to release the provider node's key, confirm with"),
        (
            "provider",
            factories.consensus_key("alice"),
            "the provider node runs with its key; there is nothing",
        ),
    ],
)
async def test_provider_nodes_key_is_not_released(
    monkeypatch: pytest.MonkeyPatch, confirm: str, own_key: bytes, error: str
) -> None:
    node = ProviderNode(monkeypatch, moving(100))
    node.own_key = own_key
    with pytest.raises(errors.SettingsError, match=error):
        await node.run("--confirm", confirm)
    assert node.done == []
