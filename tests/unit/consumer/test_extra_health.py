"""Conditions of sentries and full nodes, and what the status shows of them."""

import datetime
from typing import Any

import pytest

from ics import model
from ics.cli import status_table
from ics.conditions import Condition, Severity
from ics.consumer import observed, status, watchdog
from tests.unit import factories

NOW = factories.snapshot().moment
MADE = NOW - datetime.timedelta(seconds=600)
UP = ("sentry-1", "sentry-2", "full-node-1")


def look(name: str, node: model.NodeStatus | None = None, **pod: Any) -> model.Observation:
    made = {"created": MADE, "started": MADE, **pod}
    return model.Observation(factories.pod(name=f"{name}-0", uid=name, **made), node)


def running(name: str, **changes: Any) -> model.Observation:
    values = {"consensus_key": b"t" * 32, "block_time": NOW, "peers": 2, **changes}
    return look(name, factories.node("alice", "bob", **values))


def report(
    looks: dict[str, model.Observation],
    *,
    phase: model.Phase = model.Phase.LAUNCHED,
    memories: dict[str, observed.ExtraNodeMemory] | None = None,
    node: model.NodeStatus | None = None,
    **memory: Any,
) -> status.ChainReport:
    consumer = factories.consumer(phase, factories.joined("alice", "bob"))
    kept = (
        {name: observed.ExtraNodeMemory(has_workload=True) for name in UP} if memories is None else memories
    )
    fields = {"genesis": factories.GENESIS, "has_workload": True, "sentries": 2, **memory}
    own = model.Observation(
        factories.pod(created=MADE, started=MADE), node or factories.node("alice", "bob", block_time=NOW)
    )
    seen = factories.observation(
        factories.snapshot(consumer),
        memory=factories.memory("alice", extra_nodes=kept, **fields),
        observations={"0": own},
        extra_nodes={"0": looks},
    )
    definition = factories.example(nodes={"sentries": 2, "full": 1})
    wanted = factories.judge(seen, definitions=[definition], relayer={"enabled": False})
    (chain,) = status.report(wanted, seen.observations, (), seen.extra_nodes).chains
    return chain


def of_extra(chain: status.ChainReport) -> list[Condition]:
    named = ("Sentr", "FullNode", "ExtraNode", "PeersStale")
    return [condition for condition in chain.conditions if condition.reason.startswith(named)]


def texts(chain: status.ChainReport) -> list[tuple[str, str]]:
    return [(condition.reason, condition.message) for condition in of_extra(chain)]


HEALTHY = {name: running(name) for name in UP}


def test_healthy_nodes_have_no_condition_and_are_shown() -> None:
    chain = report(HEALTHY)
    assert of_extra(chain) == []
    whole = status.Report(validator="alice", provider_chain_id="p", height=1, chains=(chain,), conditions=())
    assert status_table.lines(whole, None)[3:] == [
        "  0  sentry-1    height 7, 2 peers, published",
        "  0  sentry-2    height 7, 2 peers",
        "  0  full-node-1 height 7, 2 peers",
    ]
    assert whole.as_dict()["chains"][0]["extra_nodes"][0] == {
        "name": "sentry-1",
        "role": "sentry",
        "published": True,
        "height": 7,
        "peers": 2,
        "catching_up": False,
        "ready": True,
        "restarts": 0,
    }


DOWN = {
    "no pod": (None, "its pod does not exist"),
    "waiting": (look("x", waiting="ImagePullBackOff"), "its container is waiting: ImagePullBackOff"),
    "silent": (model.Observation(look("x").pod, error="refused"), "it does not answer: refused"),
    "alone": (running("x", peers=0), "it has no peers"),
}


@pytest.mark.parametrize(("observation", "text"), DOWN.values(), ids=DOWN)
def test_lost_sentry_is_a_warning_and_a_lost_full_node_too(
    observation: model.Observation | None, text: str
) -> None:
    for name, reason in (("sentry-2", "SentryDown"), ("full-node-1", "FullNodeDown")):
        looks = {**HEALTHY} | ({name: observation} if observation else {})
        if observation is None:
            del looks[name]
        (found,) = of_extra(report(looks))
        assert (found.reason, found.severity) == (reason, Severity.WARNING)
        assert found.message == f"{name}: {text}"


def test_loss_of_every_sentry_is_critical_for_the_node_behind_them() -> None:
    chain = report({"full-node-1": HEALTHY["full-node-1"]})
    assert {(c.reason, c.severity) for c in of_extra(chain)} == {("SentryDown", Severity.CRITICAL)}
    assert "has no other way to its peers" in of_extra(chain)[0].message
    waiting = report({"full-node-1": HEALTHY["full-node-1"]}, sentries=0)
    assert {c.severity for c in of_extra(waiting)} == {Severity.WARNING, Severity.INFO}


@pytest.mark.parametrize(
    "observation",
    [
        look("x", created=NOW, is_ready=False),
        running("x", is_catching_up=True),
        running("x", peers=0, height=7),
    ],
    ids=["new pod", "catching up", "no peers yet"],
)
def test_sentry_that_starts_is_not_lost(observation: model.Observation) -> None:
    pod = observation.pod
    assert pod is not None
    if observation.node is not None and observation.node.peers == 0:
        observation = look("x", observation.node, started=NOW)
    assert of_extra(report({**HEALTHY, "sentry-1": observation})) == []
    unmade = {name: observed.ExtraNodeMemory() for name in UP}
    assert of_extra(report({}, memories=unmade)) == []


def test_node_that_waits_for_its_sentries_says_so() -> None:
    looks = {**HEALTHY, "sentry-2": running("sentry-2", is_catching_up=True)}
    chain = report(looks, sentries=0)
    assert texts(chain) == [
        (
            "SentriesPending",
            "the validator's node is not behind its sentries yet: sentry-2 has not caught up with the chain yet",
        )
    ]


def test_key_of_the_validator_set_at_a_sentry_is_critical() -> None:
    theirs = factories.consumer_key("bob").public_key
    own = factories.consumer_key("alice").public_key
    for key in (theirs, own):
        chain = report({**HEALTHY, "sentry-1": running("sentry-1", consensus_key=key)})
        (found,) = of_extra(chain)
        assert (found.reason, found.severity) == ("ExtraNodeSigns", Severity.CRITICAL)
        assert "delete the StatefulSet sentry-1 in namespace ns at once" in found.message


def test_own_key_of_a_validator_that_is_not_in_the_set_counts_too() -> None:
    own = factories.consumer_key("alice").public_key
    status_ = factories.node("bob", consensus_key=own, block_time=NOW, peers=2)
    (found,) = of_extra(report({**HEALTHY, "sentry-1": look("sentry-1", status_)}))
    assert found.reason == "ExtraNodeSigns"


def test_stuck_sentry_is_named() -> None:
    silent = running("sentry-1", is_silent=True, block_time=MADE, blocks_behind=None)
    (found,) = of_extra(report({**HEALTHY, "sentry-1": silent}))
    assert (found.reason, found.severity) == ("ExtraNodeStuck", Severity.WARNING)


def test_sentry_with_outdated_peers_is_named_if_it_lacks_one() -> None:
    old = watchdog.ConfiguredPeers("", "", MADE)
    memories = {name: observed.ExtraNodeMemory(has_workload=True) for name in UP}
    memories["sentry-1"] = observed.ExtraNodeMemory(has_workload=True, configured_peers=old)
    (found,) = of_extra(report(HEALTHY, memories=memories))
    assert (found.reason, found.severity) == ("PeersStale", Severity.INFO)
    assert found.message.startswith("sentry-1 was started with an outdated list of peers")


def test_missing_sentry_is_not_reported_as_a_peer_with_a_wrong_endpoint() -> None:
    chain = report({**HEALTHY, "sentry-1": look("sentry-1")})
    assert [condition.reason for condition in chain.conditions] == ["SentryDown"]


def staged(looks: dict[str, model.Observation], **changes: Any) -> status.ChainReport:
    return report(
        looks, phase=model.Phase.INITIALIZED, genesis=None, has_workload=False, sentries=0, **changes
    )


def test_pods_that_wait_for_the_launch_have_no_condition() -> None:
    assert of_extra(staged({name: look(name) for name in UP})) == []
    young = {name: look(name, is_ready=False, created=NOW) for name in UP}
    assert of_extra(staged(young)) == []
    assert of_extra(staged({}, memories={})) == []


def test_pod_that_cannot_wait_for_the_launch_is_named() -> None:
    looks = {
        "sentry-1": look("sentry-1"),
        "sentry-2": look("sentry-2", is_ready=False, waiting="Unschedulable"),
    }
    assert texts(staged(looks)) == [
        ("FullNodeDown", "full-node-1 would not start at the launch: its pod does not exist"),
        ("SentryDown", "sentry-2 would not start at the launch: its pod waits: Unschedulable"),
    ]


def test_stopped_chain_has_no_conditions_of_its_extra_nodes() -> None:
    chain = report({}, phase=model.Phase.STOPPED, is_ending=True)
    assert of_extra(chain) == []
