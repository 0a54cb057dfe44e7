"""The Pulumi program under Pulumi's own mocks: registered resources equal the manifests."""

import asyncio
import dataclasses
import pathlib
import runpy
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from ics import engines, errors, manifests, model, names
from ics.consumer import desired, signing
from ics.consumer import observed as consumer_observed
from ics.engines import handoff
from ics.engines.pulumi import provider as pulumi_provider
from ics.provider.tx import descriptions
from ics.pulumi_program import outputs, plan
from ics.reconciler import observe, reconcile, world
from tests.unit import factories

P = model.Phase
PROGRAM = pathlib.Path(__file__).parents[3] / "__main__.py"


class Recorder(mocks.Mocks):
    """Keeps what is registered; answers with the inputs, as the cluster would."""

    def __init__(self) -> None:
        self.registered: list[mocks.MockResourceArgs] = []
        self.ignored: dict[str, list[str]] = {}
        """By name: inputs that stay as they were first."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.registered.append(args)
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program calls {args.token}")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    # Pulumi's mocks make an event loop in each thread they use and close none of them.
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def recorded() -> asyncio.AbstractEventLoop:
        made.append(new_event_loop())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", recorded)
    asyncio.set_event_loop(asyncio.new_event_loop())
    recorder = Recorder()
    register: Any = mocks.MockMonitor.RegisterResource

    def noted(monitor: mocks.MockMonitor, request: Any) -> Any:
        recorder.ignored[request.name] = list(request.ignoreChanges)
        return register(monitor, request)

    monkeypatch.setattr(mocks.MockMonitor, "RegisterResource", noted)
    mocks.set_mocks(recorder, preview=False)
    yield recorder
    asyncio.set_event_loop(None)
    for one in made:
        one.close()


WHOLE: dict[str, Any] = {
    "seed": {"secret": {"namespace": "s", "name": "s", "key": "seed"}},
    "account": {"secret": {"namespace": "s", "name": "s", "key": "account"}},
    "reconciler": {"enabled": True, "image": "ics:1"},
    "provider_node": {
        "enabled": True,
        "image": "pd:1",
        "genesis": {"config_map": {"name": "genesis"}},
        "consensus_key": "key",
    },
}
"""Settings of a stack with all that there is."""
STAYS = {"enabled": True, "image": "ics:1", "mode": "deployment"}


def launched(**changes: Any) -> desired.Desired:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    return factories.judge(
        factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.staged(),
        **changes,
    )


def declare(found: desired.Desired) -> tuple[model.Manifest, ...]:
    from ics.pulumi_program import resources

    rendered = manifests.render(found, "set")

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        resources.stack(rendered, outputs.render(found), "kubeconfig", "context")

    run()
    return rendered


def plain(value: Any) -> Any:
    """Registered inputs as plain JSON: secrets opened, whole floats as the integers that they were."""
    if isinstance(value, dict):
        found = value.get("value") if "4dabf18193072939515e22adb298388d" in value else value
        return (
            {key: plain(inner) for key, inner in found.items()} if isinstance(found, dict) else plain(found)
        )
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize("changes", [{}, WHOLE, {**WHOLE, "reconciler": STAYS}])
def test_every_manifest_is_registered_unchanged(recorder: Recorder, changes: dict[str, Any]) -> None:
    rendered = declare(launched(**changes))
    objects = [plain(r.inputs) for r in recorder.registered if r.typ.startswith("kubernetes:")]
    by_key = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}
    assert len(by_key) == len(rendered)
    for manifest in rendered:
        metadata = manifest["metadata"]
        assert by_key[manifest["kind"], metadata.get("namespace"), metadata["name"]] == manifest


def test_cluster_identifier_is_independent_of_the_kubeconfig(recorder: Recorder) -> None:
    declare(launched())
    (provider,) = (r for r in recorder.registered if r.typ == "pulumi:providers:kubernetes")
    assert provider.inputs["clusterIdentifier"] == "set"


def test_kubeconfig_from_environment_is_not_in_pulumi_state(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/alice/one:/home/alice/another")
    rendered = manifests.render(launched(), "set")

    async def computed(*_: Any, **__: Any) -> plan.ProgramPlan:
        return plan.ProgramPlan(
            manifests=rendered, outputs={}, cluster=pulumi_provider.ProviderInputs(None, None)
        )

    monkeypatch.setattr(plan, "compute", computed)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        runpy.run_path(str(PROGRAM), run_name="__main__")

    run()
    (provider,) = (r for r in recorder.registered if r.typ == "pulumi:providers:kubernetes")
    assert "kubeconfig" not in provider.inputs


def test_change_of_cluster_identifier_is_ignored(recorder: Recorder) -> None:
    declare(launched())
    assert recorder.ignored["cluster"] == ["clusterIdentifier"]


def test_spec_of_a_kept_volume_is_ignored(recorder: Recorder) -> None:
    from ics.pulumi_program import components, resources

    rendered = manifests.render(launched(), "set")
    volume = next(m for m in rendered if m["kind"] == "PersistentVolumeClaim")
    kept = engines.Ref(volume["kind"], volume["metadata"]["namespace"], volume["metadata"]["name"])

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        resources.stack(rendered, {}, None, None, [kept])

    run()
    assert {name: paths for name, paths in recorder.ignored.items() if paths and name != "cluster"} == {
        components.resource_name(volume): ["spec"]
    }


def test_components_are_gateway_and_consumer_chain(recorder: Recorder) -> None:
    declare(launched())
    components = {(r.typ, r.name) for r in recorder.registered if r.typ.startswith("ics:")}
    assert components == {("ics:index:Gateway", "gateway"), ("ics:index:ConsumerChain", "consumer-0")}


def test_complete_stack_has_all_components(recorder: Recorder) -> None:
    declare(launched(**WHOLE))
    components = {r.name for r in recorder.registered if r.typ.startswith("ics:")}
    assert components == {"gateway", "provider-node", "reconciler", "consumer-0"}


def test_relayer_belongs_to_component_of_its_chain(recorder: Recorder) -> None:
    from ics.pulumi_program import resources

    rendered = manifests.render(launched(), "set")
    (node,) = (m for m in rendered if m["kind"] == "StatefulSet")
    metadata = node["metadata"]
    hermes = {
        **node,
        "kind": "Deployment",
        "metadata": {
            **metadata,
            "name": names.HERMES_NAME,
            "labels": {**metadata["labels"], names.COMPONENT: names.HERMES},
        },
    }
    _, (chain,) = resources.by_chain((*rendered, hermes))
    assert chain.relayer == (hermes,)
    assert hermes not in chain.manifests

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        resources.stack((*rendered, hermes), {}, None, None)

    run()
    components = [(r.typ, r.name) for r in recorder.registered if r.typ.startswith("ics:")]
    assert sorted(components) == [
        ("ics:index:ConsumerChain", "consumer-0"),
        ("ics:index:Gateway", "gateway"),
        ("ics:index:Relayer", "relayer-0"),
    ]


def test_outputs_name_pending_work_and_contain_no_secret() -> None:
    found = outputs.render(launched())
    assert set(found["genesis_sha256"]) == {"0"}
    assert found["endpoints"] == {"0": launched().chains[0].peering.external_address}
    assert "reconcile.py" in found["waits_for_reconciler"][0]
    assert factories.consumer_key("alice").private.reveal().hex() not in repr(found)


def test_due_transactions_are_an_output() -> None:
    staged = factories.judge(factories.consumer(), memory=factories.staged())
    due = outputs.render(staged)["transactions_due"]
    assert [text.partition(" with ")[0] for text in due] == ["opt-in to consumer 0 (consumer1-1)"]
    assert outputs.render(staged, due)["transactions_due"] == []


def test_opt_in_whose_place_is_not_on_record_yet_is_an_output() -> None:
    """The pass that records it sends it, too."""
    first = factories.judge(factories.consumer(), memory=factories.memories())
    assert first.intents == ()
    due = outputs.render(first)["transactions_due"]
    assert [text.partition(" with ")[0] for text in due] == ["opt-in to consumer 0 (consumer1-1)"]


@pytest.mark.parametrize(
    ("arming", "waits"),
    [
        (signing.SignStateStatus.NO_VOLUME, ["inbound p2p and the sign state are"]),
        (signing.SignStateStatus.REQUESTED, ["inbound p2p and the sign state are"]),
        (signing.SignStateStatus.REMOTE, ["inbound p2p is"]),
        (signing.SignStateStatus.UNSAFE, ["inbound p2p is"]),
        (signing.SignStateStatus.READY, []),
    ],
)
def test_reconciler_is_awaited_only_for_missing_sign_state(
    arming: signing.SignStateStatus, waits: list[str]
) -> None:
    wanted = launched()
    (verdict,) = wanted.decisions
    assert verdict.chain is not None
    there = dataclasses.replace(verdict, chain=dataclasses.replace(verdict.chain, sign_state=arming))
    found = outputs.render(dataclasses.replace(wanted, decisions=(there,)))["waits_for_reconciler"]
    assert found == [f"consumer1-1: {one} created by `python reconcile.py`" for one in waits]


def test_manifests_are_split_by_chain_label() -> None:
    from ics.pulumi_program import resources

    shared, chains = resources.by_chain(manifests.render(launched(), "set"))
    assert [m["kind"] for m in shared] == ["Namespace", "NetworkPolicy", "Service"]
    assert [(chain.consumer_id, chain.chain_id) for chain in chains] == [("0", "consumer1-1")]
    assert all(m["metadata"]["labels"][names.CONSUMER] == "0" for m in chains[0].manifests)


def test_pass_snapshot_survives_round_trip(tmp_path: Any) -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.observation(
        snapshot=factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.memory(genesis=b'{"a":1}'),
    )
    handed = handoff.PassSnapshot(
        observed=facts,
        refused=frozenset({"1"}),
        paused=frozenset({"2"}),
        left=frozenset({("Service", "ns", "node")}),
        overrides=("engine=pulumi",),
        digest="abc",
        sent=frozenset({"opt-in to consumer 1 (consumer1-1)"}),
    )
    handoff.write(handed, tmp_path / "facts.json")
    assert handoff.read(tmp_path / "facts.json") == handed
    assert (tmp_path / "facts.json").stat().st_mode & 0o777 == 0o600


def judged(memory: consumer_observed.Memory, **changes: Any) -> desired.Desired:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    facts = factories.observation(snapshot=factories.snapshot(chain, **changes), memory=memory)
    return factories.judge(facts)


def test_paused_chain_with_objects_blocks_program() -> None:
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    held = judged(memory, problems={"0": "the provider gave nonsense"})
    with pytest.raises(
        plan.NothingChanged, match=r"consumer id 0\): ChainUnreadable: the provider gave nonsense"
    ):
        plan.check_removals(held, memory)
    plan.check_removals(held, factories.memories())  # there is nothing that could be removed
    plan.check_removals(judged(memory), memory)


def test_left_chain_blocks_program_until_its_key_is_retired() -> None:
    memory = factories.memory()
    wanted = judged(memory)
    left = dataclasses.replace(wanted.decisions[0], chain=None, retires=factories.place(7))
    expected = f"the key of place {factories.place_id(7)} must be recorded as retired first"
    with pytest.raises(plan.NothingChanged, match=expected):
        plan.check_removals(dataclasses.replace(wanted, decisions=(left,)), memory)


class Pass:
    """Stands for the engine, the sender and the Lease of one pass that ends with its convergence."""

    def __init__(self) -> None:
        self.handed: handoff.PassSnapshot | None = None

    async def preview(self, _: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        return ()

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        self.handed = request.snapshot
        raise errors.Transient("this is as far as it goes")

    async def await_pending(self) -> int:
        return 0

    async def send(self, _: model.Intent) -> None:
        pass

    async def ensure(self) -> None:
        pass

    async def release(self) -> None:
        pass

    async def is_outvoted(self, consumer_id: str, snapshot: model.Snapshot) -> bool:
        return False


async def test_pass_snapshot_names_transactions_sent_by_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = factories.observation(
        snapshot=factories.snapshot(factories.consumer()), memory=factories.staged()
    )

    async def read(world: world.World) -> tuple[consumer_observed.Observed, desired.Desired]:
        return facts, observe.compute(world, facts)

    monkeypatch.setattr(observe, "read", read)
    one = Pass()
    party: Any = one
    place = factories.world(lease=party, provider=party)

    with pytest.raises(errors.Transient, match="as far as it goes"):
        await reconcile.run_pass(place, party, party)

    due = observe.compute(place, facts).intents
    assert due
    sent = frozenset(descriptions.describe(intent) for intent in due)
    assert one.handed == handoff.PassSnapshot(observed=facts, sent=sent)
