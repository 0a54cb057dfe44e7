"""Sentries and full nodes: their identities and peers, and when a validator's node goes behind its sentries."""

import dataclasses
from typing import Any

import pytest

from ics import model, names
from ics.consumer import chain as consumer_chain
from ics.consumer import extra_nodes, observed, state_sync_record, watchdog
from ics.consumer.peers import publication
from ics.keys import derivation
from tests.unit import factories

P = model.Phase
JOINED = factories.joined("alice", "bob", "charlie")
LAUNCHED = factories.consumer(P.LAUNCHED, JOINED)
INSTALLATION = publication.installation(factories.CLUSTER, "provider")
PUBLISHED = derivation.derive_node_key(factories.seed("alice")).node_id


def node_id(name: str) -> str:
    key = derivation.derive_extra_node_key(
        factories.seed("alice"), factories.PROVIDER, "0", INSTALLATION, name
    )
    return key.node_id


HIDDEN, S1, S2, F1 = (node_id(name) for name in ("behind-sentries", "sentry-1", "sentry-2", "full-node-1"))


def look(name: str = "sentry-1", **changes: Any) -> model.Observation:
    """A sentry that has caught up and has a throw-away key."""
    status = factories.node("alice", "bob", "charlie", consensus_key=b"t" * 32, **changes)
    return model.Observation(factories.pod(name=f"{name}-0"), status)


SYNCED = {"sentry-1": look(), "sentry-2": look("sentry-2")}
NEEDED = factories.node(
    "alice",
    "bob",
    "charlie",
    validators=dict.fromkeys((factories.consumer_key(name).address for name in factories.NAMES), 1),
)
"""A chain of which the two others hold no more than two thirds."""
SPARED = factories.node("bob", "charlie")
"""A chain that does not have alice in its set."""


def plan(
    *,
    sentries: int = 2,
    full: int = 0,
    memory: dict[str, Any] | None = None,
    node: model.Observation | None = None,
    extra: dict[str, model.Observation] | None = None,
    consumer: model.Consumer = LAUNCHED,
    stack: dict[str, int] | None = None,
) -> consumer_chain.ChainPlan:
    fields = memory if memory is not None else {"has_workload": True}
    seen = factories.observation(
        factories.snapshot(consumer, launches={"0": factories.launch("alice", "bob", "charlie")}),
        memory=factories.memory("alice", genesis=b"{}", **fields),
        observations={"0": node or model.Observation(factories.pod(), SPARED)},
        extra_nodes={"0": extra if extra is not None else SYNCED},
    )
    own = {"sentries": sentries, "full": full} if stack is None else {}
    wanted = factories.judge(seen, definitions=[factories.example(nodes=own)], nodes=stack or {})
    (planned,) = wanted.chains
    return planned


def peers(text: str) -> set[str]:
    return {entry.partition("@")[0] for entry in text.split(",") if entry}


OTHERS = peers(plan(sentries=0).persistent_peers)


def test_chain_without_extra_nodes_has_none_and_keeps_its_peers() -> None:
    planned = plan(sentries=0)
    assert planned.extra == extra_nodes.ExtraNodes()
    assert (planned.node_key.node_id, planned.persistent_peers) == (
        PUBLISHED,
        planned.peering.persistent_peers,
    )
    assert len(OTHERS) == 2


def test_definition_overrides_the_stack_number_by_number() -> None:
    assert [n.name for n in plan(stack={"sentries": 1, "full": 1}).extra.nodes] == ["sentry-1", "full-node-1"]
    assert [n.name for n in plan(sentries=0, stack=None).extra.nodes] == []


def test_node_that_never_ran_is_behind_its_sentries_from_its_first_start() -> None:
    planned = plan(memory={}, extra={})
    assert (planned.extra.is_behind, planned.extra.waits) == (True, "")
    assert planned.node_key.node_id == HIDDEN
    assert planned.persistent_peers == ",".join(
        sorted([f"{PUBLISHED}@sentry-1:26656", f"{S2}@sentry-2:26656"])
    )
    assert (planned.external_address, planned.has_seeds) == ("", False)


def test_new_node_that_fetches_the_chains_state_starts_with_the_chains_own_peers() -> None:
    """Its sentries are as new: they have neither a snapshot nor old blocks for it."""
    record = state_sync_record.StateSyncRecord(problem="searched")
    planned = plan(memory={"state_sync": record}, extra={})
    assert (planned.extra.is_behind, planned.extra.waits) == (False, "")
    assert planned.persistent_peers == planned.peering.persistent_peers
    assert [node.name for node in planned.extra.sentries] == ["sentry-1", "sentry-2"]
    behind = plan(memory={"state_sync": record, "has_workload": True, "sentries": 2})
    assert behind.extra.is_behind is True


def test_first_sentry_answers_with_the_published_id_and_further_ones_with_their_own() -> None:
    one, two = plan(memory={}).extra.sentries
    assert [(n.node_key.node_id, n.is_published) for n in (one, two)] == [(PUBLISHED, True), (S2, False)]
    assert peers(one.persistent_peers) == peers(two.persistent_peers) == {*OTHERS, HIDDEN}


def test_no_two_nodes_of_a_chain_have_one_id() -> None:
    for is_behind in (True, False):
        planned = plan(sentries=3, full=2, memory={} if is_behind else None, extra={})
        assert planned.extra.is_behind is is_behind
        ids = [planned.node_key.node_id, *(n.node_key.node_id for n in planned.extra.nodes)]
        assert len(set(ids)) == len(ids) == 6


def test_running_node_keeps_its_identity_and_peers_until_its_sentries_have_caught_up() -> None:
    planned = plan(extra={"sentry-1": look()})
    assert planned.extra.waits == "sentry-2 has not caught up with the chain yet"
    assert (planned.extra.is_behind, planned.node_key.node_id) == (False, PUBLISHED)
    assert planned.persistent_peers == planned.peering.persistent_peers
    one, _ = planned.extra.sentries
    # Two nodes with one id would shut each other out.
    assert (one.node_key.node_id, one.is_published) == (S1, False)
    assert peers(one.persistent_peers) == {*OTHERS, HIDDEN, PUBLISHED}


@pytest.mark.parametrize(
    "changes",
    [{"is_catching_up": True}, {"peers": 0}, {"height": 0}, {"blocks_behind": 3}],
    ids=["catching up", "without peers", "without blocks", "behind its peers"],
)
def test_sentry_that_is_not_synced_is_waited_for(changes: dict[str, Any]) -> None:
    extra = {**SYNCED, "sentry-2": look("sentry-2", **changes)}
    assert plan(extra=extra).extra.is_behind is False
    assert plan(extra={**SYNCED, "sentry-2": model.Observation(factories.pod())}).extra.is_behind is False


def test_running_node_goes_behind_synced_sentries_when_the_chain_can_spare_it() -> None:
    assert plan().extra.is_behind is True
    needed = model.Observation(factories.pod(), NEEDED)
    planned = plan(node=needed)
    assert planned.extra.is_behind is False
    assert planned.extra.waits.startswith("the chain needs this validator's vote while its node restarts")
    silent = model.Observation(factories.pod(), error="timeout")
    assert plan(node=silent).extra.waits == "the validator's node does not answer"


@pytest.mark.parametrize(
    "observation",
    [model.Observation(), model.Observation(factories.pod(is_ready=False), NEEDED)],
    ids=["no pod", "pod is starting"],
)
def test_node_that_starts_anyway_goes_behind_synced_sentries(observation: model.Observation) -> None:
    assert plan(node=observation).extra.is_behind is True


def test_node_behind_stays_there_whatever_its_sentries_do() -> None:
    planned = plan(
        memory={"has_workload": True, "sentries": 2},
        extra={},
        node=model.Observation(factories.pod(), NEEDED),
    )
    assert (planned.extra.is_behind, planned.extra.waits) == (True, "")


def test_sentries_that_are_not_wanted_any_more_stay_until_the_node_can_be_restarted() -> None:
    behind = {"has_workload": True, "sentries": 2}
    needed = model.Observation(factories.pod(), NEEDED)
    planned = plan(sentries=0, memory=behind, node=needed)
    assert (planned.extra.is_behind, [n.name for n in planned.extra.nodes]) == (
        True,
        ["sentry-1", "sentry-2"],
    )
    assert planned.extra.waits.startswith("the chain needs this validator's vote")
    assert plan(sentries=0, memory=behind).extra == extra_nodes.ExtraNodes()


def test_full_nodes_reach_the_validators_node_only_through_sentries() -> None:
    (full,) = plan(sentries=0, full=1).extra.full_nodes
    assert (full.name, full.node_key.node_id) == ("full-node-1", F1)
    assert peers(full.persistent_peers) == {*OTHERS, PUBLISHED}
    (full,) = plan(full=1, memory={}).extra.full_nodes
    assert peers(full.persistent_peers) == {*OTHERS, PUBLISHED, S2}
    assert "@node:" not in full.persistent_peers


def test_stopped_chain_behind_sentries_keeps_the_peers_that_its_first_sentry_had() -> None:
    recorded = plan(memory={}).extra.sentries[0].persistent_peers
    bob = derivation.derive_node_key(factories.seed("bob")).node_id
    only_bob = ",".join(entry for entry in recorded.split(",") if entry.startswith((bob, HIDDEN)))
    memory = {
        "has_workload": True,
        "sentries": 1,
        "configured_peers": watchdog.ConfiguredPeers(f"{PUBLISHED}@sentry-1:26656", "", None),
        "extra_nodes": {
            "sentry-1": observed.ExtraNodeMemory(
                has_workload=True, configured_peers=watchdog.ConfiguredPeers(only_bob, "", None)
            )
        },
    }
    stopped = factories.consumer(P.STOPPED, dataclasses.replace(JOINED, validators=()))
    planned = plan(sentries=1, memory=memory, consumer=stopped)
    assert peers(planned.peering.persistent_peers) == {bob}


def test_keys_of_another_installation_differ() -> None:
    other = derivation.derive_extra_node_key(
        factories.seed("alice"), factories.PROVIDER, "0", "cluster-2/provider", "sentry-2"
    )
    assert other.node_id != S2


def test_names_of_extra_nodes_are_those_that_the_guard_knows() -> None:
    planned = plan(sentries=9, full=9)
    assert all(names.is_extra_node(node.name) for node in planned.extra.nodes)
    assert len(planned.extra.nodes) == 18
