"""How a chain that its owner removed comes to its end, and what of it is left meanwhile."""

import dataclasses
import datetime

import pytest

from ics import manifests, model, names
from ics.conditions import Severity
from ics.consumer import desired, lifecycle, status
from ics.consumer import observed as consumer_observed
from ics.relayer import facts, handshake, ibc
from tests.unit import scenes, test_relayer

P = model.Phase
S = lifecycle.Stage
STOP = datetime.datetime(2026, 1, 1, 0, 10, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
GRACE = 3600
SENT = facts.Packets(1, 0, 2, 1)
ANSWERED = facts.Packets(0, 1, 2, 2)
REWARDED = facts.Packets(0, 0, 2, 2, rewards=1)
THROUGH = facts.Packets(0, 0, 2, 2)
CHAIN = scenes.consumer(P.STOPPED, scenes.detail(stopped_at=STOP))
UNTOLD = scenes.consumer(P.STOPPED, scenes.detail())


def opened(packets: facts.Packets | None) -> facts.Facts:
    return dataclasses.replace(test_relayer.OPEN, packets=packets)


def stage(
    facts: facts.Facts | None,
    chain: model.Consumer = CHAIN,
    after: datetime.timedelta = SECOND,
    **memory: bool,
) -> lifecycle.Stage:
    kept = model.ChainMemory("ns", has_workload=True, **memory)  # type: ignore[arg-type]
    return lifecycle.course(chain, STOP + after, GRACE, kept, facts).stage


@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_a_chain_that_is_not_stopped_runs(phase: model.Phase) -> None:
    found = lifecycle.course(scenes.consumer(phase), STOP, 0, model.ChainMemory("ns"), opened(THROUGH))
    assert found == lifecycle.Course(S.RUNS)


@pytest.mark.parametrize("packets", [SENT, ANSWERED, REWARDED])
def test_packets_under_way_are_waited_for(packets: facts.Packets) -> None:
    assert stage(opened(packets), has_hermes=True) is S.DRAINS
    assert stage(opened(packets)) is S.DRAINS


def test_a_node_that_does_not_tell_is_waited_for() -> None:
    assert stage(None, has_hermes=True) is S.DRAINS


@pytest.mark.parametrize("facts", [opened(THROUGH), test_relayer.NOTHING])
def test_the_relayer_goes_first_then_the_node(facts: facts.Facts) -> None:
    assert stage(facts, has_hermes=True) is S.RELAYER_ENDS
    assert stage(facts) is S.NODE_ENDS


@pytest.mark.parametrize("facts", [None, opened(SENT)])
def test_nothing_is_waited_for_once_the_grace_is_over(facts: facts.Facts | None) -> None:
    assert stage(facts, after=(GRACE - 1) * SECOND, has_hermes=True) is S.DRAINS
    assert stage(facts, after=GRACE * SECOND, has_hermes=True) is S.RELAYER_ENDS
    assert stage(facts, after=GRACE * SECOND) is S.NODE_ENDS


def test_without_a_time_of_the_stop_only_the_packets_count() -> None:
    assert stage(opened(SENT), UNTOLD, after=GRACE * SECOND) is S.DRAINS
    assert stage(opened(THROUGH), UNTOLD) is S.NODE_ENDS


@pytest.mark.parametrize("facts", [None, opened(SENT)])
def test_what_was_decided_once_stays(facts: facts.Facts | None) -> None:
    assert stage(facts, is_ending=True, has_hermes=True) is S.RELAYER_ENDS
    assert stage(facts, is_ending=True) is S.NODE_ENDS


def test_the_condition_names_the_end() -> None:
    def text(chain: model.Consumer, after: datetime.timedelta = SECOND) -> str:
        kept = model.ChainMemory("ns", has_workload=True)
        condition = lifecycle.course(chain, STOP + after, GRACE, kept, None).condition
        assert condition is not None
        assert (condition.severity, condition.reason) == (Severity.INFO, "Stopped")
        return condition.message

    assert "at most until 2026-01-01T01:10:00Z (ics:node.stop_grace)" in text(CHAIN)
    assert text(CHAIN) == text(CHAIN, 2 * SECOND)
    assert "cannot be counted" in text(UNTOLD)
    assert "volume and keys are kept" in text(CHAIN, GRACE * SECOND)


def judge(packets: facts.Packets, **memory: object) -> desired.Desired:
    """The stopped chain in the eyes of alice, whose Hermes relays with an accepted config."""
    found = handshake.decide(
        test_relayer.OPEN.provider, test_relayer.OPEN.consumer, test_relayer.OPEN.transfer_id
    )
    record = model.RelayingRecord(found.mark, test_relayer.START, accepted_config="")
    detail = scenes.detail(stopped_at=STOP, own_consumer_address=scenes.consumer_key("alice").address)
    observed = consumer_observed.Seen(
        scenes.snapshot(scenes.consumer(P.STOPPED, detail), time="2026-01-01T00:10:01Z"),
        scenes.memory(
            **{
                "has_workload": True,
                "genesis": scenes.GENESIS,
                "relaying": record,
                "hermes": test_relayer.LIVE,
                "hermes_base": test_relayer.LIVE,
                **memory,
            }
        ),
        relays={"0": opened(packets)},
    )
    return desired.desired(observed, scenes.settings(), scenes.seed("alice"), [scenes.example()])


def rendered(wanted: desired.Desired) -> dict[str, model.Manifest]:
    return {f"{m['kind']}/{m['metadata']['name']}": m for m in manifests.render(wanted, "set")}


def test_relayer_and_node_stay_while_packets_are_under_way() -> None:
    found = rendered(judge(SENT, has_hermes=True))
    assert {"Deployment/hermes", "Deployment/hermes-evidence"} <= set(found)
    assert found["StatefulSet/node"]["spec"]["replicas"] == 1
    assert names.ENDING not in found["StatefulSet/node"]["metadata"]["annotations"]


def test_then_the_relayer_goes_and_the_node_waits_for_that() -> None:
    found = rendered(judge(THROUGH, has_hermes=True))
    assert [name for name in found if "hermes" in name] == []
    assert found["StatefulSet/node"]["spec"]["replicas"] == 1
    assert found["StatefulSet/node"]["metadata"]["annotations"][names.ENDING] == "true"


def test_then_the_node_goes_and_nothing_else() -> None:
    before, found = (rendered(judge(THROUGH, has_hermes=has)) for has in (True, False))
    assert found["StatefulSet/node"]["spec"]["replicas"] == 0
    assert set(found) == set(before)
    assert {"PersistentVolumeClaim/data", "Secret/consensus-key-0"} <= set(found)


def test_a_node_that_was_ended_is_missed_by_nobody() -> None:
    wanted = judge(THROUGH, is_ending=True)
    report = status.report(wanted, {"0": model.Observation()})
    assert [condition.reason for condition in report.chains[0].conditions] == ["Stopped"]


def test_packets_are_relayed_also_when_the_transfer_channel_was_never_finished() -> None:
    half = dataclasses.replace(
        opened(SENT),
        provider=dataclasses.replace(test_relayer.OPEN.provider, channels=(test_relayer.P_CCV,)),
        consumer=dataclasses.replace(
            test_relayer.OPEN.consumer,
            channels=(
                test_relayer.C_CCV,
                dataclasses.replace(test_relayer.P_TRANSFER, state=ibc.State.INIT),
            ),
        ),
    )
    wanted = judge(SENT)
    observed = consumer_observed.Seen(
        scenes.snapshot(
            scenes.consumer(P.STOPPED, scenes.detail(stopped_at=STOP)), time="2026-01-01T00:10:01Z"
        ),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS),
        relays={"0": half},
    )
    found = desired.desired(observed, wanted.settings, scenes.seed("alice"), [scenes.example()])
    relay = found.chains[0].relay
    assert relay is not None
    assert relay.candidate is not None
