"""The shutdown of a chain that its owner removed."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import model, names
from ics.conditions import Severity
from ics.consumer import desired, lifecycle, participation, status, watchdog
from ics.consumer import observed as consumer_observed
from ics.cosmos import gas_prices
from ics.keys import derivation
from ics.relayer import facts, handshake, ibc, inputs
from tests.unit import factories
from tests.unit.relayer import relaying

P = model.Phase
S = lifecycle.ShutdownStage
STOP = datetime.datetime(2026, 1, 1, 0, 10, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
GRACE = 3600
SENT = facts.Packets(unacknowledged_by_consumer=1, unacknowledged_by_provider=0, last_sent=2, last_received=1)
ANSWERED = facts.Packets(
    unacknowledged_by_consumer=0, unacknowledged_by_provider=1, last_sent=2, last_received=2
)
REWARDED = facts.Packets(
    unacknowledged_by_consumer=0, unacknowledged_by_provider=0, last_sent=2, last_received=2, rewards=1
)
THROUGH = facts.Packets(
    unacknowledged_by_consumer=0, unacknowledged_by_provider=0, last_sent=2, last_received=2
)
CHAIN = factories.consumer(P.STOPPED, factories.detail(stopped_at=STOP))
UNTOLD = factories.consumer(P.STOPPED, factories.detail())


def opened(packets: facts.Packets | None) -> facts.Facts:
    return dataclasses.replace(relaying.OPEN, packets=packets)


def stage(
    facts: facts.Facts | None,
    chain: model.Consumer = CHAIN,
    after: datetime.timedelta = SECOND,
    **memory: bool,
) -> lifecycle.ShutdownStage:
    kept = factories.memory(namespace="ns", records=(), volume_uid=None, has_workload=True, **memory).chains[
        "0"
    ]
    return lifecycle.shutdown_stage(chain, STOP + after, GRACE, kept, facts).stage


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_chain_that_is_not_stopped_is_running(phase: model.Phase) -> None:
    course = lifecycle.shutdown_stage(
        factories.consumer(phase), STOP, 0, consumer_observed.ChainMemory(namespace="ns"), opened(THROUGH)
    )
    assert course == lifecycle.Shutdown(S.RUNNING)


@pytest.mark.parametrize("packets", [SENT, ANSWERED, REWARDED])
def test_stopped_chain_with_pending_packets_drains(packets: facts.Packets) -> None:
    assert stage(opened(packets), has_hermes=True) is S.DRAINING
    assert stage(opened(packets)) is S.DRAINING


def test_stopped_chain_without_relayer_facts_drains() -> None:
    assert stage(None, has_hermes=True) is S.DRAINING


@pytest.mark.parametrize("facts", [opened(THROUGH), relaying.NOTHING])
def test_drained_chain_stops_relayer_before_node(facts: facts.Facts) -> None:
    assert stage(facts, has_hermes=True) is S.STOPPING_RELAYER
    assert stage(facts) is S.STOPPED


@pytest.mark.parametrize("facts", [None, opened(SENT)])
def test_drain_ends_after_grace_period(facts: facts.Facts | None) -> None:
    assert stage(facts, after=(GRACE - 1) * SECOND, has_hermes=True) is S.DRAINING
    assert stage(facts, after=GRACE * SECOND, has_hermes=True) is S.STOPPING_RELAYER
    assert stage(facts, after=GRACE * SECOND) is S.STOPPED


def test_drain_without_stop_time_ends_with_last_packet() -> None:
    assert stage(opened(SENT), UNTOLD, after=GRACE * SECOND) is S.DRAINING
    assert stage(opened(THROUGH), UNTOLD) is S.STOPPED


@pytest.mark.parametrize("facts", [None, opened(SENT)])
def test_shutdown_once_begun_continues(facts: facts.Facts | None) -> None:
    assert stage(facts, is_ending=True, has_hermes=True) is S.STOPPING_RELAYER
    assert stage(facts, is_ending=True) is S.STOPPED


def test_stopped_condition_names_end_of_grace_period() -> None:
    def text(chain: model.Consumer, after: datetime.timedelta = SECOND) -> str:
        kept = consumer_observed.ChainMemory(namespace="ns", has_workload=True)
        condition = lifecycle.shutdown_stage(chain, STOP + after, GRACE, kept, None).condition
        assert condition is not None
        assert (condition.severity, condition.reason) == (Severity.INFO, "Stopped")
        return condition.message

    assert "at most until 2026-01-01T01:10:00Z (ics:node.stop_grace)" in text(CHAIN)
    assert text(CHAIN) == text(CHAIN, 2 * SECOND)
    assert "cannot be applied" in text(UNTOLD)
    assert "volume and keys are kept" in text(CHAIN, GRACE * SECOND)


def judge(packets: facts.Packets, **memory: Any) -> desired.Desired:
    """Compute what alice, whose Hermes relays with an accepted config, wants for the stopped chain."""
    state = handshake.assess(relaying.OPEN.provider, relaying.OPEN.consumer, relaying.OPEN.transfer_id)
    record = inputs.RelayingRecord(fingerprint=state.fingerprint, since=relaying.START, accepted_config="")
    detail = factories.detail(stopped_at=STOP, own_consumer_address=factories.consumer_key("alice").address)
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(factories.consumer(P.STOPPED, detail), time="2026-01-01T00:10:01Z"),
        memory=factories.memory(
            has_workload=True,
            genesis=factories.GENESIS,
            record=record,
            hermes=relaying.LIVE,
            hermes_base=relaying.LIVE,
            **memory,
        ),
        relays={"0": opened(packets)},
    )
    return factories.judge(observed)


def test_draining_chain_keeps_relayer_and_node() -> None:
    objects = factories.rendered(judge(SENT, has_hermes=True))
    assert {"Deployment/hermes", "Deployment/hermes-evidence"} <= set(objects)
    assert objects["StatefulSet/node"]["spec"]["replicas"] == 1
    assert names.ENDING not in objects["StatefulSet/node"]["metadata"]["annotations"]


def test_drained_chain_removes_relayer_and_keeps_node_until_it_is_gone() -> None:
    objects = factories.rendered(judge(THROUGH, has_hermes=True))
    assert [name for name in objects if "hermes" in name] == []
    assert objects["StatefulSet/node"]["spec"]["replicas"] == 1
    assert objects["StatefulSet/node"]["metadata"]["annotations"][names.ENDING] == "true"


def test_stopped_node_is_scaled_to_zero_and_its_objects_kept() -> None:
    before, objects = (factories.rendered(judge(THROUGH, has_hermes=has)) for has in (True, False))
    assert objects["StatefulSet/node"]["spec"]["replicas"] == 0
    assert set(objects) == set(before)
    key = f"Secret/{names.consensus_key_name(factories.place_id())}"
    assert {"PersistentVolumeClaim/data", key} <= set(objects)


def test_stopped_node_has_no_condition_for_its_absence() -> None:
    wanted = judge(THROUGH, is_ending=True)
    report = status.report(wanted, {"0": model.Observation()})
    assert factories.reasons(report.chains[0]) == ["Stopped"]


def test_stopped_chain_without_transfer_channel_still_relays_packets() -> None:
    half = dataclasses.replace(
        opened(SENT),
        provider=dataclasses.replace(relaying.OPEN.provider, channels=(relaying.P_CCV,)),
        consumer=dataclasses.replace(
            relaying.OPEN.consumer,
            channels=(
                relaying.C_CCV,
                dataclasses.replace(relaying.P_TRANSFER, state=ibc.EndState.INIT),
            ),
        ),
    )
    wanted = judge(SENT)
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(
            factories.consumer(P.STOPPED, factories.detail(stopped_at=STOP)), time="2026-01-01T00:10:01Z"
        ),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS),
        relays={"0": half},
        gas_price=gas_prices.GasPrice(),
    )
    found = factories.judge(observed, stack=wanted.settings)
    relay = found.chains[0].relay
    assert relay is not None
    assert relay.candidate is not None


STOPPED = factories.consumer(
    P.STOPPED, factories.detail(own_consumer_address=factories.consumer_key("alice").address)
)


def test_node_of_stopped_chain_keeps_running_with_its_peers() -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    (decision,) = factories.judge(STOPPED, memory=memory, relayer={"enabled": False}).decisions
    assert decision.chain is not None
    port = decision.chain.ports.p2p
    others = {
        f"{derivation.derive_node_key(factories.seed(name)).node_id}@{host}:{port}"
        for name, host in (("bob", "10.231.0.112"), ("charlie", "10.231.0.113"))
    }
    assert set(decision.chain.peering.persistent_peers.split(",")) == others
    assert decision.participation is participation.Participation.OPTED_IN
    assert factories.reasons(decision) == ["Stopped"]


def peer(name: str, host: str, port: int) -> str:
    return f"{derivation.derive_node_key(factories.seed(name)).node_id}@{host}:{port}"


@pytest.mark.parametrize("recorded", [("bob",), ("bob", "charlie"), ()])
def test_peers_of_stopped_chain_are_those_on_record(recorded: tuple[str, ...]) -> None:
    hosts = {"bob": "10.231.0.112", "charlie": "10.231.0.113"}
    # Bob published another address since; a stranger whom nobody published was written by hand.
    written = ",".join([*(peer(name, "192.0.2.7", 30000) for name in recorded), f"{'ab' * 20}@192.0.2.9:1"])
    memory = factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        configured_peers=watchdog.ConfiguredPeers(written, "", None),
    )
    (decision,) = factories.judge(STOPPED, memory=memory, relayer={"enabled": False}).decisions
    assert decision.chain is not None
    port = decision.chain.ports.p2p
    kept = {peer(name, hosts[name], port) for name in recorded}
    assert set(filter(None, decision.chain.peering.persistent_peers.split(","))) == kept


@pytest.mark.parametrize(
    ("has_hermes", "packets", "expected"),
    [(True, SENT, ["PeersStale", "Stopped"]), (True, THROUGH, ["Stopped"]), (False, THROUGH, ["Stopped"])],
)
def test_peers_of_node_that_is_being_ended_are_not_judged(
    has_hermes: bool, packets: facts.Packets, expected: list[str]
) -> None:
    old = watchdog.ConfiguredPeers(peer("bob", "192.0.2.7", 30000), "", None)
    wanted = judge(packets, has_hermes=has_hermes, configured_peers=old)
    [chain] = wanted.chains
    node = factories.node(
        "alice", "bob", block_time=STOP, consensus_key=chain.key.key.public_key, peer_ids=frozenset(), peers=0
    )
    pod = factories.pod(created=STOP, started=STOP)
    [report] = status.report(wanted, {"0": model.Observation(pod, node)}).chains
    assert [
        reason for reason in factories.reasons(report) if reason.startswith(("Stopped", "Peer"))
    ] == expected


def test_deleted_workload_of_stopped_chain_is_recreated() -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=False)
    (decision,) = factories.judge(STOPPED, memory=memory).decisions
    assert decision.chain is not None
    assert decision.chain.genesis == factories.GENESIS


def test_stopped_chain_that_never_ran_here_is_ignored() -> None:
    (decision,) = factories.judge(STOPPED).decisions
    assert (decision.chain, decision.participation) == (None, participation.Participation.NONE)
    assert decision.conditions == ()
