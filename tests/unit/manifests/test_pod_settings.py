"""Scheduling, pull secrets, labels and annotations for every pod of the product."""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from ics import errors, model, names
from ics.cluster import pull_secrets, sign_state
from ics.cluster.nodes import decode
from ics.config import pods, stack_file
from ics.config import settings as config_settings
from ics.consumer import chain, desired, status, upgrades
from ics.manifests import hermes_jobs, objects, relayer, sign_state_job
from ics.relayer import inputs, plan
from tests.model import kube
from tests.unit import factories

STACK: dict[str, Any] = {
    "node_selector": {"pool": "validators"},
    "tolerations": [{"key": "dedicated", "value": "validators", "effect": "NoSchedule"}],
    "affinity": {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]},
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
    },
    "topology_spread": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "image_pull_secrets": ["registry"],
    "priority_class": "validators",
    "labels": {"team": "staking"},
    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
}
OWN: dict[str, Any] = {
    "node_selector": {"disk": "fast"},
    "image_pull_secrets": ["private"],
    "labels": {"chain": "example"},
}


def settings(**changes: Any) -> config_settings.Settings:
    return factories.settings(
        pods=STACK,
        provider_node={
            "enabled": True,
            "image": "pd:1",
            "genesis": {"url": "https://example.com/g.json", "sha256": "0" * 64},
            "consensus_key": "key",
            "pods": {"node_selector": {"disk": "large"}},
        },
        seed={"secret": {"namespace": "provider", "name": "seed", "key": "seed"}},
        account={"secret": {"namespace": "provider", "name": "account", "key": "account"}},
        reconciler={"enabled": True, "image": "ics:1", **changes},
    )


def judged(
    stack: config_settings.Settings, pod: model.PodStatus | None = None, **changes: Any
) -> desired.Desired:
    found = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    seen = factories.observation(
        factories.snapshot(found, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.memory(
            has_workload=True, workload_place=factories.place_id(), genesis=factories.GENESIS
        ),
        observations={} if pod is None else {"0": model.Observation(pod, factories.node("alice", "bob"))},
    )
    return factories.judge(seen, stack=stack, definitions=[factories.example(pods=changes)])


def templates(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key, value in manifest.items():
        if key in ("template",) and isinstance(value, Mapping) and "containers" in value.get("spec", {}):
            yield value
        elif isinstance(value, Mapping):
            yield from templates(value)


def jobs(chain: chain.ChainPlan, stack: config_settings.Settings) -> list[model.Manifest]:
    owner = objects.Owner("alice", factories.PROVIDER).of_chain(chain)
    step = hermes_jobs.HermesStep(
        name="s", image="h", config="c", signers=(), commands=[("version",)], pods=chain.pods
    )
    node = stack.provider_node
    reset = model.SignedState(height=1, round=0, step=3)
    merged = stack.pods.merged(node.pods)
    return [
        sign_state_job.job(owner, "ns", "12345678", "AA", "image", None, (), chain.pods),
        sign_state_job.mark_job(owner, "ns", "12345678", "AA", "image", ("c" * 64,), chain.pods),
        sign_state_job.provider_job(owner, "provider", node, "12345678", reset, (), merged),
        sign_state_job.provider_mark_job(owner, "provider", node, "12345678", ("c" * 64,), merged),
        hermes_jobs.step_job(owner, "ns", step),
        hermes_jobs.check_job(owner, "ns", inputs.Setup("h", ""), chain.pods),
    ]


def relayers(chain: chain.ChainPlan) -> list[dict[str, Any]]:
    setup = inputs.Setup("hermes:1", "[global]")
    secret = model.Secret("words")
    planned = cast(
        Any,
        type(
            "Plan",
            (),
            {
                "consumer_mnemonic": secret,
                "provider_mnemonic": secret,
                "evidence_mnemonic": secret,
                "base": setup,
                "relays": setup,
            },
        )(),
    )
    return relayer.build(
        chain,
        cast(plan.RelayerPlan, planned),
        factories.PROVIDER,
        objects.Owner("alice", "p").of_chain(chain),
    )


@pytest.mark.parametrize("mode", ["cron", "deployment"])
def test_every_pod_gets_the_settings_of_the_stack(mode: str) -> None:
    stack = settings(mode=mode)
    wanted = judged(stack)
    (chain,) = wanted.chains
    built = [*factories.rendered(wanted).values(), *jobs(chain, stack), *relayers(chain)]
    found = [(m, template) for m in built for template in templates(m)]
    components = {m["metadata"]["labels"][names.COMPONENT] for m, _ in found}
    assert components == {
        names.NODE,
        names.SIGN_STATE,
        names.PROVIDER_NODE,
        names.PROVIDER_SIGN_STATE,
        names.RELAYER_STEP,
        names.HERMES,
        names.EVIDENCE,
        names.RECONCILER,
    }
    for _, template in found:
        spec, metadata = template["spec"], template["metadata"]
        assert spec["nodeSelector"]["pool"] == "validators"
        assert spec["tolerations"] == [
            {"key": "dedicated", "operator": "Equal", "value": "validators", "effect": "NoSchedule"}
        ]
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["priorityClassName"] == "validators"
        assert spec["topologySpreadConstraints"] == STACK["topology_spread"]
        assert {"topologyKey": "zone"} in spec["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        assert metadata["labels"]["team"] == "staking"
        assert metadata["labels"][names.MANAGED_BY] == names.MANAGER
        assert metadata["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


def test_definition_and_provider_node_add_to_the_settings_of_the_stack() -> None:
    wanted = judged(settings(), **OWN)
    node = factories.rendered(wanted)["StatefulSet/node"]["spec"]
    spec = node["template"]["spec"]
    assert spec["nodeSelector"] == {"pool": "validators", "disk": "fast"}
    assert spec["imagePullSecrets"] == [{"name": "private"}]
    assert node["template"]["metadata"]["labels"]["chain"] == "example"
    assert "chain" not in node["selector"]["matchLabels"]
    provider = factories.rendered(wanted)["StatefulSet/provider-node"]["spec"]["template"]["spec"]
    assert provider["nodeSelector"] == {"pool": "validators", "disk": "large"}


def test_sign_state_job_stays_beside_the_node_also_with_an_affinity_of_the_operator() -> None:
    (chain,) = judged(settings()).chains
    terms = jobs(chain, settings())[0]["spec"]["template"]["spec"]["affinity"]["podAffinity"]
    topologies = [t["topologyKey"] for t in terms["requiredDuringSchedulingIgnoredDuringExecution"]]
    assert topologies == ["zone", "kubernetes.io/hostname"]


def test_settings_survive_the_reconcilers_own_stack_file() -> None:
    stack = settings()
    again = config_settings.parse(
        {key: value for key, value in stack.model_dump(mode="json", exclude_defaults=True).items()}, "test"
    )
    assert (again.pods, again.pods.digest()) == (stack.pods, stack.pods.digest())


# -- a running validator -------------------------------------------------------------------------------------

OLD = datetime.datetime(2025, 12, 1, tzinfo=datetime.UTC)


def running(stack: config_settings.Settings, **changes: Any) -> model.PodStatus:
    """The pod that these settings made."""
    node = factories.rendered(judged(stack))["StatefulSet/node"]
    metadata = node["spec"]["template"]["metadata"] | {
        "name": "node-0",
        "creationTimestamp": "2025-12-01T00:00:00Z",
    }
    status = {"phase": "Running", "podIP": "10.0.0.1"}
    return dataclasses.replace(decode.pod({"metadata": metadata, "spec": {}, "status": status}), **changes)


def partition(wanted: desired.Desired) -> int:
    strategy = factories.rendered(wanted)["StatefulSet/node"]["spec"]["updateStrategy"]
    assert strategy["type"] == "RollingUpdate"
    return int(strategy["rollingUpdate"]["partition"])


def test_change_of_pod_settings_alone_restarts_no_running_validator() -> None:
    plain = factories.settings()
    pod = running(plain)
    changed = factories.settings(pods=STACK)
    assert (partition(judged(plain, pod)), partition(judged(changed, pod))) == (0, 1)
    # The image, like everything else in the template, restarts it as before, and then brings the settings too.
    wanted = judged(changed, pod)
    moved = dataclasses.replace(
        wanted.decisions[0].chain,
        upgrade=upgrades.NodeUpgrade(version=upgrades.Version("other:1")),  # type: ignore[type-var]
    )
    decisions = (dataclasses.replace(wanted.decisions[0], chain=moved),)
    assert partition(dataclasses.replace(wanted, decisions=decisions)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"ip": None},
        {"waiting": "Unschedulable"},
        {"gone_by": OLD},
        {"created": factories.snapshot().moment},
    ],
)
def test_pod_that_does_not_run_yet_gets_the_settings_at_once(changes: dict[str, Any]) -> None:
    pod = running(factories.settings(), **changes)
    assert partition(judged(factories.settings(pods=STACK), pod)) == 0


async def test_withheld_key_does_not_wait_for_the_pods_next_start() -> None:
    """A StatefulSet whose pod settings wait would not replace its pod, and the node would keep its key."""
    applied: list[Any] = []

    class Kube:
        async def find(self, *_: object, **__: object) -> dict[str, Any]:
            return {"metadata": {"uid": "u", "annotations": {names.PLACE_ID: "p"}}}

        async def apply(self, manifest: Any, manager: str) -> None:
            applied.append(manifest)

    await sign_state.withhold_from(cast(Any, Kube()), "ns", "node", "p")
    (manifest,) = applied
    assert manifest["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def test_settings_that_wait_are_said() -> None:
    changed = factories.settings(pods=STACK)
    for stack, expected in ((factories.settings(), True), (changed, False)):
        pod = running(stack)
        wanted = judged(changed, pod)
        seen = {"0": model.Observation(pod, factories.node("alice", "bob"))}
        (report,) = status.report(wanted, seen).chains
        assert ("PodSettingsWait" in factories.reasons(report)) is expected


# -- the settings themselves -----------------------------------------------------------------------------------


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def test_numbers_of_yaml_are_texts_where_kubernetes_wants_texts() -> None:
    written = (
        "affinity: {nodeAffinity: {weight: 7, matchExpressions: [{key: a, values: [3, 1.10, 010]}]}}\n"
        "topology_spread:\n"
        "- {maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule,"
        " labelSelector: {matchLabels: {version: 1.10}}}"
    )
    found = pods.PodSettings.model_validate(stack_file.parse_text(written)).spec()

    assert found["affinity"]["nodeAffinity"] == {
        "weight": 7,
        "matchExpressions": [{"key": "a", "values": ["3", "1.10", "010"]}],
    }
    assert found["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": {"version": "1.10"}}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"node_selector": {"a b": "c"}}, "pods.node_selector: 'a b' is not a key of Kubernetes"),
        ({"node_selector": {"a": "b c"}}, "pods.node_selector: a: 'b c' is not a label's value"),
        ({"labels": {names.COMPONENT: "x"}}, "is how this program or Kubernetes finds its objects"),
        (
            {"labels": {f"{names.DOMAIN}/validator": "x"}},
            "is how this program or Kubernetes finds its objects",
        ),
        ({"annotations": {names.TEMPLATE: "x"}}, "is how this program or Kubernetes finds its objects"),
        ({"labels": {"job-name": "x"}}, "is how this program or Kubernetes finds its objects"),
        (
            {"labels": {"batch.kubernetes.io/job-name": "x"}},
            "is how this program or Kubernetes finds its objects",
        ),
        ({"tolerations": [{"key": "a b", "operator": "Exists"}]}, "'a b' is not a key of Kubernetes"),
        (
            {"topology_spread": [{"maxSkew": 1, "topologyKey": "", "whenUnsatisfiable": "DoNotSchedule"}]},
            "'' is not a key of Kubernetes",
        ),
        ({"tolerations": [{"operator": "Exist"}]}, "pods.tolerations.0.operator: "),
        ({"tolerations": [{"value": "x"}]}, "a toleration without a key needs operator: Exists"),
        ({"affinity": {"nodeaffinity": {}}}, "pods.affinity.nodeaffinity: unknown setting"),
        (
            {"affinity": {"nodeAffinity": {"a": float("nan")}}},
            "pods.affinity.nodeAffinity: a: nan is not a whole",
        ),
        ({"affinity": {"nodeAffinity": {"a": [1.5]}}}, "pods.affinity.nodeAffinity: a.0: 1.5 is not a whole"),
        (
            {"affinity": {"podAffinity": {"a": 2**64}}},
            "a: 18446744073709551616 is not a whole number of 64 bits",
        ),
        ({"affinity": {"podAffinity": {"a": datetime.date(2026, 1, 1)}}}, "a: a date where text is expected"),
        ({"affinity": {"podAffinity": {"a": {"b": None}}}}, "a.b: has no value; give one"),
        ({"affinity": {"podAffinity": {"a": b"x"}}}, "a: a bytes, which JSON does not know"),
        ({"affinity": {"podAffinity": {"a": {1: 2}}}}, "a: key 1 is not text"),
        ({"affinity": {"podAffinity": {"a": "\ud800"}}}, "a: not valid Unicode"),
        ({"affinity": {"podAntiAffinity": {"a": ENDLESS}}}, "a.0.0…: nested too deeply"),
        ({"affinity": {"podAffinity": {"values": [True]}}}, "values.0: true or false where text is expected"),
        (
            {"topology_spread": [{**SPREAD, "labelSelector": {"a": 0.5}}]},
            "labelSelector: a: 0.5 is not a whole",
        ),
        ({"topology_spread": [{"maxSkew": 0}]}, "pods.topology_spread.0.maxSkew: "),
        ({"image_pull_secrets": ["Registry"]}, "'Registry' is not the name of an object"),
    ],
)
def test_settings_that_the_api_server_would_refuse_are_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        factories.settings(pods=changes)
    assert text in str(caught.value)
    with pytest.raises(errors.SettingsError):
        factories.example(pods=changes)


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"requests": {"cpu": "lots"}}, "requests.cpu: invalid quantity 'lots'"),
        ({"requests": {"memory": "8GB"}}, "requests.memory: invalid quantity '8GB'"),
        ({"requests": {"disk": "1"}}, "requests.disk: not a resource"),
        ({"limit": {"cpu": "1"}}, "limit: unknown; use requests and limits"),
        (
            {"requests": {"cpu": "2"}, "limits": {"cpu": "1900m"}},
            "requests.cpu: 2 is more than its limit 1900m",
        ),
        ({"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}, "requests.memory: 1Gi is more than"),
        ({"requests": {"memory": "2e9"}, "limits": {"memory": "1Gi"}}, "requests.memory: 2e9 is more than"),
    ],
)
def test_resources_that_the_api_server_would_refuse_are_named(resources: dict[str, Any], text: str) -> None:
    for section in ("node", "reconciler", "provider_node"):
        with pytest.raises(errors.SettingsError) as caught:
            factories.settings(**cast(Any, {section: {"resources": resources}}))
        assert f"{section}.resources: {text}" in str(caught.value)


def test_resources_in_every_unit_are_taken() -> None:
    taken = {
        "requests": {"cpu": 0.5, "memory": "1e9", "hugepages-2Mi": "0"},
        "limits": {"cpu": 1, "memory": "1Pi"},
    }
    assert factories.settings(node={"resources": taken}).node.resources["limits"]["cpu"] == "1"


def test_settings_that_are_not_set_add_nothing() -> None:
    assert pods.PodSettings().spec() == {}


# -- pull secrets ------------------------------------------------------------------------------------------------


class Cluster:
    """Pull secrets of one chain in a cluster in memory."""

    def __init__(self) -> None:
        self.objects = kube.Objects()
        self.steps: list[str] = []
        client = cast(Any, kube.Client(self.objects, self._step, ""))
        self.adapter = pull_secrets.PullSecrets(client, objects.Owner("alice", "p"), "provider", self._lease)
        (self.chain,) = judged(factories.settings(pods={"image_pull_secrets": ["registry"]})).chains

    async def _step(self, text: str) -> None:
        self.steps.append(text)

    async def _lease(self) -> None:
        pass

    def put(self, namespace: str, data: dict[str, str], **metadata: Any) -> None:
        self.objects.put(
            kube.Key("Secret", namespace, "registry"),
            {"kind": "Secret", "metadata": metadata, "type": "kubernetes.io/dockerconfigjson", "data": data},
        )

    def data(self) -> Any:
        found = self.objects.get("Secret", self.chain.namespace, "registry")
        return None if found is None else json.loads(json.dumps(found["data"]))


async def test_pull_secret_is_copied_to_the_chain_and_follows_its_source() -> None:
    cluster = Cluster()
    cluster.put("provider", {".dockerconfigjson": "b25l"})
    assert [await cluster.adapter.ensure(cluster.chain) for _ in range(2)] == [1, 0]
    assert cluster.data() == {".dockerconfigjson": "b25l"}
    cluster.put("provider", {".dockerconfigjson": "dHdv"})
    assert await cluster.adapter.ensure(cluster.chain) == 1


async def test_pull_secret_of_somebody_else_is_left_alone() -> None:
    cluster = Cluster()
    cluster.put(cluster.chain.namespace, {".dockerconfigjson": "aGlz"})
    assert await cluster.adapter.ensure(cluster.chain) == 0
    assert cluster.data() == {".dockerconfigjson": "aGlz"}


async def test_missing_pull_secret_is_named() -> None:
    cluster = Cluster()
    with pytest.raises(errors.Permanent, match="no Secret registry in namespace provider; create it there"):
        await cluster.adapter.ensure(cluster.chain)
