"""The Pulumi program under Pulumi's own mocks: registered resources equal the manifests."""

import asyncio
import dataclasses
import operator
import pathlib
import re
import runpy
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from ics import engines, manifests, model, names
from ics.consumer import desired, signing
from ics.consumer import genesis as consumer_genesis
from ics.consumer import observed as consumer_observed
from ics.engines.pulumi import outputs
from ics.engines.pulumi import provider as pulumi_provider
from ics.pulumi_program import lease_keeper, notes, plan, preparation
from tests.unit import factories

P = model.Phase
PROGRAM = pathlib.Path(__file__).parents[3] / "__main__.py"


class Recorder(mocks.Mocks):
    """Keeps what is registered; answers with the inputs, as the cluster would."""

    def __init__(self) -> None:
        self.registered: list[mocks.MockResourceArgs] = []
        self.ignored: dict[str, list[str]] = {}
        """By name: inputs that stay as they were first."""
        self.protected: set[str] = set()
        """Names of resources that a deletion is refused for."""
        self.plugins: dict[str, tuple[str, list[str]]] = {}
        """By name: the version of the plugin, and the outputs that are secrets."""

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
        recorder.plugins[request.name] = (request.version, list(request.additionalSecretOutputs))
        if request.protect:
            recorder.protected.add(request.name)
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
    from ics.engines.pulumi import resources

    rendered = manifests.render(found, "set")

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        resources.stack(rendered, outputs.render(rendered), "kubeconfig", "context")

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


EXTRA_NODES: dict[str, Any] = {"nodes": {"sentries": 2, "full": 1}}


@pytest.mark.parametrize("changes", [{}, WHOLE, {**WHOLE, "reconciler": STAYS}, EXTRA_NODES])
def test_every_manifest_is_registered_unchanged(recorder: Recorder, changes: dict[str, Any]) -> None:
    rendered = declare(launched(**changes))
    objects = [plain(r.inputs) for r in recorder.registered if r.typ.startswith("kubernetes:")]
    by_key = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}
    assert len(by_key) == len(rendered)
    for manifest in rendered:
        metadata = manifest["metadata"]
        assert by_key[manifest["kind"], metadata.get("namespace"), metadata["name"]] == manifest


def test_objects_are_registered_as_by_the_classes_of_the_library(recorder: Recorder) -> None:
    import pulumi_kubernetes as kubernetes

    from ics.engines.pulumi import components

    packages = {"v1": "core.v1", "networking.k8s.io/v1": "networking.v1"}
    packages["rbac.authorization.k8s.io/v1"] = "rbac.v1"
    by_kind = {
        m["kind"]: m
        for changes in (WHOLE, {**WHOLE, "reconciler": STAYS})
        for m in manifests.render(launched(**changes), "set")
    }
    names_of = {kind: components.resource_name(manifest) for kind, manifest in by_kind.items()}
    assert {"ClusterRole", "CronJob", "Deployment", "NetworkPolicy", "Secret", "StatefulSet"} <= set(by_kind)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        for kind, manifest in by_kind.items():
            components.KubernetesObject(manifest, pulumi.ResourceOptions())
            group = packages.get(manifest["apiVersion"], manifest["apiVersion"].replace("/", "."))
            create = getattr(operator.attrgetter(group)(kubernetes), kind)
            fields = {re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", key): v for key, v in manifest.items()}
            create(f"library {kind}", **fields)

    run()
    registered = {r.name: (r.typ, plain(r.inputs), *recorder.plugins[r.name]) for r in recorder.registered}
    for kind, name in names_of.items():
        assert registered[name] == registered[f"library {kind}"]


def test_endpoint_of_a_chain_behind_sentries_is_that_of_its_first_sentry(recorder: Recorder) -> None:
    from ics.engines.pulumi import components

    plain_chain, behind = (manifests.render(launched(**changes), "set") for changes in ({}, EXTRA_NODES))
    assert outputs.render(behind)["endpoints"] == outputs.render(plain_chain)["endpoints"] != {}
    assert components._endpoint(behind) == components._endpoint(plain_chain) != ""


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
    monkeypatch.setattr(preparation, "_held", set())
    monkeypatch.setattr(lease_keeper.LeaseKeeper, "start", lambda *_: None)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        runpy.run_path(str(PROGRAM), run_name="__main__")

    run()
    (provider,) = (r for r in recorder.registered if r.typ == "pulumi:providers:kubernetes")
    assert "kubeconfig" not in provider.inputs


def test_change_of_cluster_identifier_is_ignored(recorder: Recorder) -> None:
    declare(launched())
    assert recorder.ignored["cluster"] == ["clusterIdentifier"]


@pytest.mark.parametrize("protects", [True, False])
def test_only_the_provider_is_protected(recorder: Recorder, protects: bool) -> None:
    from ics.engines.pulumi import resources

    rendered = manifests.render(launched(), "set")

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        resources.stack(rendered, {}, None, None, protects=protects)

    run()
    assert recorder.protected == ({"cluster"} if protects else set())


def test_spec_of_a_kept_volume_is_ignored(recorder: Recorder) -> None:
    from ics.engines.pulumi import components, resources

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


def test_alerts_and_scrapes_are_registered_as_custom_resources(recorder: Recorder) -> None:
    import pulumi_kubernetes as kubernetes

    rendered = declare(dataclasses.replace(launched(), has_monitoring=True))
    assert "monitoring" in {r.name for r in recorder.registered if r.typ.startswith("ics:")}
    own = {r.name: (r.typ, plain(r.inputs)) for r in recorder.registered}
    found = [m for m in rendered if m["kind"] in ("PodMonitor", "PrometheusRule")]
    assert len(found) == 4

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> None:
        for manifest in found:
            fields = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
            name = f"library {manifest['metadata']['name']}"
            api, kind = manifest["apiVersion"], manifest["kind"]
            kubernetes.apiextensions.CustomResource(name, api_version=api, kind=kind, **fields)

    run()
    library = {r.name: (r.typ, plain(r.inputs)) for r in recorder.registered}
    for manifest in found:
        metadata = manifest["metadata"]
        name = f"{manifest['kind'].lower()}/{metadata['namespace']}/{metadata['name']}"
        assert own[name] == library[f"library {metadata['name']}"]


def test_relayer_belongs_to_component_of_its_chain(recorder: Recorder) -> None:
    from ics.engines.pulumi import resources

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


def test_outputs_are_read_from_the_manifests() -> None:
    wanted = launched()
    [chain] = wanted.chains
    assert chain.genesis is not None
    ports = {name: getattr(chain.ports, name) for name in ("p2p", "rpc", "rest", "grpc")}
    found = outputs.render(manifests.render(wanted, "set"))
    assert found == {
        "namespaces": {"0": chain.namespace},
        "endpoints": {"0": chain.peering.external_address},
        "ports": {"0": {"chain_id": "consumer1-1", **ports}},
        "genesis_sha256": {"0": consumer_genesis.digest(chain.genesis)},
    }


def test_facts_that_change_without_an_update_are_no_outputs() -> None:
    """An opt-in changes no object, so no update would write its outputs."""
    before = factories.judge(factories.consumer(), memory=factories.staged())
    after = factories.judge(
        factories.consumer(P.INITIALIZED, factories.joined("alice")), memory=factories.staged()
    )
    assert before.announced != after.announced
    first, second = (manifests.render(each, "set") for each in (before, after))
    assert first == second
    assert outputs.render(first) == outputs.render(second)


def test_due_transactions_are_noted_with_the_height() -> None:
    staged = factories.judge(factories.consumer(), memory=factories.staged())
    [due] = [line for line in notes.render(staged) if "transaction due" in line]
    beginning = f"at height {staged.height}: transaction due, sent by `ics up`: opt-in to consumer 0"
    assert due.startswith(beginning)
    assert factories.consumer_key("alice").private.reveal().hex() not in repr(notes.render(staged))


def test_opt_in_whose_place_is_not_on_record_yet_is_noted() -> None:
    """The pass that records it sends it, too."""
    first = factories.judge(factories.consumer(), memory=factories.memories())
    assert first.intents == ()
    assert len([line for line in notes.render(first) if "opt-in to consumer 0 (consumer1-1)" in line]) == 1


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
    lines = notes.render(dataclasses.replace(wanted, decisions=(there,)))
    found = [line.partition(": ")[2] for line in lines if "created by" in line]
    assert found == [f"consumer1-1: {one} created by `ics up`" for one in waits]


def test_manifests_are_split_by_chain_label() -> None:
    from ics.engines.pulumi import resources

    shared, chains = resources.by_chain(manifests.render(launched(), "set"))
    assert [m["kind"] for m in shared] == ["Namespace", "NetworkPolicy", "Service"]
    assert [(chain.consumer_id, chain.chain_id) for chain in chains] == [("0", "consumer1-1")]
    assert all(m["metadata"]["labels"][names.CONSUMER] == "0" for m in chains[0].manifests)


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
