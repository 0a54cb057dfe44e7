"""Care that is taken of a node that runs, and of one that cannot: before joining, after stopping, on a lost record."""

import dataclasses

import pytest

from ics import engines, errors, model
from ics.consumer import chain, desired, observed, participation, signing, status
from ics.engines import guard
from ics.keys import derivation
from ics.reconciler import opt_ins, sign_state
from tests.unit import scenes

P = model.Phase


def judge(
    consumer: model.Consumer, memory: model.Memory | None = None, node_keys: str = "derived"
) -> desired.Desired:
    return desired.desired(
        observed.Seen(scenes.snapshot(consumer), memory or model.Memory()),
        scenes.settings("alice", node_keys=node_keys, relayer={"enabled": False}),
        scenes.seed("alice"),
        [scenes.example()],
    )


class Reluctant:
    """An engine in front of a cluster that refuses some objects."""

    def __init__(self, *problems: engines.Change) -> None:
        self.problems = problems
        self.asked = 0

    async def preview(self, order: engines.Order) -> tuple[engines.Change, ...]:
        self.asked += 1
        return (engines.Change("create", "Service", "ns", "node"), *self.problems)

    async def converge(self, order: engines.Order) -> engines.Converged:
        raise AssertionError("nothing is changed by a question")

    async def destroy(self) -> engines.Converged:
        raise AssertionError("nothing is changed by a question")


REFUSAL = errors.Permanent("missing right")


def home_of(wanted: desired.Desired) -> str:
    return wanted.chains[0].namespace


@pytest.mark.parametrize("where", ["namespace", "object", "gateway"])
async def test_a_chain_whose_objects_are_refused_is_not_joined(where: str) -> None:
    wanted = judge(scenes.consumer())
    refused = {
        "namespace": engines.Change("create", "Namespace", "", home_of(wanted), problem=REFUSAL),
        "object": engines.Change("create", "Secret", home_of(wanted), "node-key", problem=REFUSAL),
        "gateway": engines.Change("update", "Service", "provider", "p2p-loadbalancer", problem=REFUSAL),
    }
    assert await opt_ins.refusals(Reluctant(refused[where]), engines.Order(()), wanted) == {"0": REFUSAL}


async def test_what_must_be_confirmed_keeps_from_joining_but_for_a_volume_that_stays() -> None:
    wanted = judge(scenes.consumer())
    where = home_of(wanted)
    key = engines.Change("replace", "Secret", where, "key", is_retained=True, consumer_id="0", uid="1")
    volume = dataclasses.replace(key, kind="PersistentVolumeClaim", name="data")
    stopped = guard.marked((volume, key), engines.Order(()))
    going_on = guard.marked((volume,), engines.Order(()))
    found = await opt_ins.refusals(Reluctant(*stopped), engines.Order(()), wanted)
    assert [str(error).partition(":")[0] for error in found.values()] == [f"Secret {where}/key"]
    assert await opt_ins.refusals(Reluctant(*going_on), engines.Order(()), wanted) == {}


async def test_trouble_elsewhere_stops_no_joining() -> None:
    elsewhere = engines.Change("update", "Service", "another-chain", "node", problem=REFUSAL)
    assert await opt_ins.refusals(Reluctant(elsewhere), engines.Order(()), judge(scenes.consumer())) == {}


async def test_the_cluster_is_not_asked_when_no_opt_in_is_due() -> None:
    engine = Reluctant()
    await opt_ins.refusals(
        engine, engines.Order(()), judge(scenes.consumer(found=scenes.joined("alice", "bob")))
    )
    assert engine.asked == 0


def test_what_cannot_be_joined_leaves_no_trace() -> None:
    wanted = judge(scenes.consumer())
    left = opt_ins.without(wanted, {"0"}, model.Memory())
    assert (left.chains, left.intents) == ((), ())
    assert (dict(left.gateway_ports), set(left.held)) == ({}, {"0"})


def test_what_is_there_of_it_stays_as_it_is() -> None:
    memory = scenes.memory()
    wanted = judge(scenes.consumer(), memory)
    left = opt_ins.without(wanted, {"0"}, memory)
    assert left.chains == ()
    assert (left.gateway_ports, set(left.held)) == (wanted.gateway_ports, {"0"})


STOPPED = scenes.consumer(P.STOPPED, scenes.detail(own_consumer_address=scenes.consumer_key("alice").address))


def test_the_node_of_a_stopped_chain_runs_on_and_keeps_its_peers() -> None:
    found = judge(STOPPED, scenes.memory(genesis=scenes.GENESIS, has_workload=True)).verdicts[0]
    assert found.chain is not None
    port = found.chain.ports.p2p
    others = {
        f"{derivation.derive_node_key(scenes.seed(name)).node_id}@{host}:{port}"
        for name, host in (("bob", "10.231.0.112"), ("charlie", "10.231.0.113"))
    }
    assert set(found.chain.peering.persistent_peers.split(",")) == others
    assert found.participation is participation.Participation.OPTED_IN
    assert [condition.reason for condition in found.conditions] == ["Stopped"]


def test_the_deleted_workload_of_a_stopped_chain_is_made_again() -> None:
    found = judge(STOPPED, scenes.memory(genesis=scenes.GENESIS, has_workload=False)).verdicts[0]
    assert found.chain is not None
    assert found.chain.genesis == scenes.GENESIS


def test_a_stopped_chain_that_never_ran_here_is_nothing_to_us() -> None:
    found = judge(STOPPED).verdicts[0]
    assert (found.chain, found.participation) == (None, participation.Participation.NONE)
    assert found.conditions == ()


class Recorder:
    """A cluster whose Job is done, that only writes down what is recorded and who is restarted."""

    def __init__(self) -> None:
        self.recalled: list[tuple[str, int, str]] = []
        self.done: list[str] = []

    async def recall_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        self.recalled.append((namespace, generation, volume_uid))

    async def ensure_memory_job(self, chain: chain.Chain, volume_uid: str) -> model.JobState:
        return model.JobState.DONE

    async def restart_node(self, namespace: str) -> None:
        self.done.append("restarted")

    async def record_memory(self, namespace: str, generation: int, volume_uid: str) -> None:
        self.done.append(f"recorded {volume_uid}")


def running_chain(**memory: object) -> chain.Chain:
    """Alice's chain, whose node was given its key."""
    here = scenes.memory(**{"genesis": scenes.GENESIS, "has_workload": True, **memory})
    (chain,) = judge(scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob")), here).chains
    return chain


def running(key: bytes) -> model.Observation:
    pod = model.PodStatus("node-0", "10.0.0.1", "alice", is_ready=True, restarts=0, waiting="")
    status = model.NodeStatus(7, False, key, 1, frozenset(), {})
    return model.Observation(pod, status)


OWN_KEY = scenes.consumer_key("alice").public_key
ELSEWHERE = model.SigningRecord(0, scenes.consumer_key("alice").address.hex().upper(), "volume-0", True)
HERE = dataclasses.replace(ELSEWHERE, volume_uid="volume-1", is_armed=False)
LOST = dataclasses.replace(ELSEWHERE, volume_uid=None, is_armed=False)


@pytest.mark.parametrize(
    ("observed", "is_recalled"),
    [
        (running(OWN_KEY), True),
        (running(b"t" * 32), False),
        (model.Observation(running(OWN_KEY).pod), False),
        (None, False),
    ],
)
async def test_a_lost_record_is_written_again_only_from_a_node_that_runs_with_the_key(
    observed: model.Observation | None, is_recalled: bool
) -> None:
    cluster = Recorder()
    for records in ((), (LOST,)):
        chain = running_chain(records=records)
        assert chain.arming is signing.Arming.UNRECORDED
        await sign_state.recall(cluster, chain, "volume-1", observed)  # type: ignore[arg-type]
    assert cluster.recalled == [(chain.namespace, 0, "volume-1")] * (2 if is_recalled else 0)


@pytest.mark.parametrize(
    ("is_withheld", "done"),
    [(False, ["restarted", "recorded volume-1"]), (True, ["recorded volume-1"])],
)
async def test_a_node_that_is_not_given_its_key_is_not_restarted_for_it(
    is_withheld: bool, done: list[str]
) -> None:
    cluster, chain = Recorder(), running_chain(records=(HERE,), is_withheld=is_withheld)
    assert chain.arming is signing.Arming.ORDERED
    restarted: set[str] = set()
    node = running(b"t" * 32)
    await sign_state.advance(cluster, chain, "volume-1", node, restarted)  # type: ignore[arg-type]
    assert (cluster.done, restarted) == (done, {"0"} if "restarted" in done else set())


@pytest.mark.parametrize(
    ("records", "key", "reasons"),
    [
        ((ELSEWHERE,), OWN_KEY, [("CRITICAL", "SignStateLost")]),
        ((ELSEWHERE,), b"t" * 32, [("CRITICAL", "SignStateLost")]),
        ((LOST,), OWN_KEY, [("WARNING", "SigningRecordLost")]),
        ((LOST,), b"t" * 32, [("CRITICAL", "SignStateLost")]),
        ((HERE,), b"t" * 32, [("WARNING", "SignStatePending")]),
    ],
)
def test_what_is_told_of_the_signing_memory_of_a_running_chain(
    records: tuple[model.SigningRecord, ...], key: bytes, reasons: list[tuple[str, str]]
) -> None:
    memory = scenes.memory(genesis=scenes.GENESIS, has_workload=True, records=records)
    wanted = judge(scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob")), memory)
    told = status.report(wanted, {"0": running(key)}).chains[0].conditions
    assert [(c.severity.name, c.reason) for c in told if c.reason.startswith("Sign")] == reasons


@pytest.mark.parametrize(
    ("memory", "waits", "told"),
    [
        (model.Memory(), "", ("INFO", "SignStatePending", "the volume does not exist")),
        (scenes.memory(records=(LOST,)), "", ("INFO", "SignStatePending", "is being laid")),
        (
            scenes.memory(records=(HERE,)),
            "ImagePullBackOff",
            ("WARNING", "SignStatePending", "the pod of its Job waits: ImagePullBackOff"),
        ),
        (scenes.memory(), "", ("INFO", "Staged", "all is ready but the genesis")),
    ],
    ids=["no volume", "due", "its pod waits", "laid"],
)
def test_what_is_told_of_a_chain_that_is_staged(
    memory: model.Memory, waits: str, told: tuple[str, str, str]
) -> None:
    snapshot = scenes.snapshot(scenes.consumer(found=scenes.joined("alice", "bob")))
    facts = observed.Seen(snapshot, memory, arming={"0": waits} if waits else {})
    wanted = desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    (found,) = status.report(wanted, {}).chains[0].conditions
    assert (found.severity.name, found.reason) == told[:2]
    assert told[2] in found.message
