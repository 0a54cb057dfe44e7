"""The sign state of a chain: records, restarts and conditions."""

import dataclasses
from typing import Any

import pytest

from ics import model
from ics.consumer import chain, observed, signing, status, watermark
from ics.reconciler import sign_state
from tests.unit import factories

LAUNCHED = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))


class Recorder:
    """A cluster whose Job is done, that only writes down what is recorded and who is restarted."""

    def __init__(self) -> None:
        self.recalled: list[tuple[model.Place, str]] = []
        self.done: list[str] = []

    async def restore_record(self, place: model.Place, volume_uid: str) -> None:
        self.recalled.append((place, volume_uid))

    async def ensure_job(self, chain: chain.ChainPlan, volume_uid: str) -> model.JobState:
        return model.JobState.DONE

    async def restart(self, namespace: str) -> None:
        self.done.append("restarted")

    async def update_watermark(self, chain: chain.ChainPlan, change: watermark.Change) -> None:
        self.done.append(f"watermark of {change.address} at {change.height}")

    async def ensure_ready_recorded(self, place: model.Place, volume_uid: str) -> None:
        self.done.append(f"recorded {volume_uid}")


def running_chain(**memory: Any) -> chain.ChainPlan:
    """Alice's chain, whose node was given its key."""
    here = factories.memory(genesis=factories.GENESIS, has_workload=True, **memory)
    (chain,) = factories.judge(LAUNCHED, memory=here).chains
    return chain


def running(key: bytes) -> model.Observation:
    return model.Observation(factories.pod(), factories.node(consensus_key=key))


OWN_KEY = factories.consumer_key("alice").public_key
HEX = factories.consumer_key("alice").address.hex().upper()
ELSEWHERE = factories.record(volume="volume-0")
HERE = dataclasses.replace(ELSEWHERE, volume_uid="volume-1", is_ready=False)
LOST = dataclasses.replace(ELSEWHERE, volume_uid=None, is_ready=False)


@pytest.mark.parametrize(
    ("observed", "is_recalled"),
    [
        (running(OWN_KEY), True),
        (running(b"t" * 32), False),
        (model.Observation(running(OWN_KEY).pod), False),
        (None, False),
    ],
)
async def test_lost_record_is_restored_only_from_node_running_with_the_key(
    observed: model.Observation | None, is_recalled: bool
) -> None:
    cluster = Recorder()
    for records in ((dataclasses.replace(LOST, is_recovered=True),), (LOST,)):
        chain = running_chain(records=records)
        assert chain.sign_state is signing.SignStateStatus.UNRECORDED
        await sign_state.restore_record(factories.world(cluster), chain, "volume-1", observed)
    assert cluster.recalled == [(factories.place(), "volume-1")] * (2 if is_recalled else 0)


@pytest.mark.parametrize(
    ("is_withheld", "done"),
    [
        (False, ["restarted", f"watermark of {HEX} at 0", "recorded volume-1"]),
        (True, [f"watermark of {HEX} at 0", "recorded volume-1"]),
    ],
)
async def test_node_with_withheld_key_is_not_restarted_for_it(is_withheld: bool, done: list[str]) -> None:
    cluster, chain = Recorder(), running_chain(records=(HERE,), is_withheld=is_withheld)
    assert chain.sign_state is signing.SignStateStatus.REQUESTED
    restarted: set[str] = set()
    node = running(b"t" * 32)
    await sign_state.advance(factories.world(cluster), chain, "volume-1", node, restarted)
    assert (cluster.done, restarted) == (done, {"0"} if "restarted" in done else set())


@pytest.mark.parametrize(
    ("records", "key", "reasons"),
    [
        ((LOST,), OWN_KEY, [("WARNING", "SigningRecordLost")]),
        ((LOST,), b"t" * 32, [("CRITICAL", "SignStateLost")]),
        ((HERE,), b"t" * 32, [("CRITICAL", "SignStatePending")]),
    ],
)
def test_sign_state_condition_of_running_chain_depends_on_record(
    records: tuple[model.SigningRecord, ...], key: bytes, reasons: list[tuple[str, str]]
) -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True, records=records)
    wanted = factories.judge(LAUNCHED, memory=memory)
    conditions = status.report(wanted, {"0": running(key)}).chains[0].conditions
    assert [(c.severity.name, c.reason) for c in conditions if c.reason.startswith("Sign")] == reasons


@pytest.mark.parametrize(
    ("memory", "waits", "expected"),
    [
        (factories.staged(), "", ("INFO", "SignStatePending", "the volume does not exist")),
        (factories.memory(records=(LOST,)), "", ("INFO", "SignStatePending", "is being created")),
        (
            factories.memory(records=(HERE,)),
            "ImagePullBackOff",
            (
                "WARNING",
                "SignStatePending",
                "the pod of its Job waits: ImagePullBackOff; check image in stacks/chains/ics-example.yaml"
                " (ghcr.io/cosmos/interchain-security:v7.0.1), or see kubectl",
            ),
        ),
        (
            factories.memory(records=(HERE,)),
            "Unschedulable",
            ("WARNING", "SignStatePending", "the pod of its Job waits: Unschedulable; see kubectl"),
        ),
        (factories.memory(), "", ("INFO", "Staged", "which completes the genesis; everything else is ready")),
    ],
    ids=["no volume", "due", "its pod has no image", "its pod waits", "laid"],
)
def test_sign_state_condition_of_staged_chain_depends_on_record(
    memory: observed.Memory, waits: str, expected: tuple[str, str, str]
) -> None:
    snapshot = factories.snapshot(factories.consumer(found=factories.joined("alice", "bob")))
    facts = observed.Observed(
        spare=factories.SPARE,
        snapshot=snapshot,
        memory=memory,
        sign_state_waits={"0": waits} if waits else {},
    )
    wanted = factories.judge(facts)
    (found,) = status.report(wanted, {}).chains[0].conditions
    assert (found.severity.name, found.reason) == expected[:2]
    assert expected[2] in found.message
