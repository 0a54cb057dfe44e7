"""The example stacks: each one loads after copying and renders the objects of its cloud."""

import pathlib
import shutil

import pydantic
import pytest
import yaml
from pydantic.fields import FieldInfo

from ics import manifests, model
from ics.config import settings, stack_file
from ics.consumer import observed
from ics.manifests import gateway
from tests.unit import factories

EXAMPLES = pathlib.Path(__file__).parents[3] / "stacks" / "examples"
NLB = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "external",
    "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "instance",
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
    "service.beta.kubernetes.io/aws-load-balancer-attributes": "load_balancing.cross_zone.enabled=true",
}
PUBLISHED = {
    "eks": NLB
    | {"service.beta.kubernetes.io/aws-load-balancer-eip-allocations": "eipalloc-0123456789abcdef0"},
    "gke": {
        "cloud.google.com/l4-rbs": "enabled",
        "networking.gke.io/load-balancer-ip-addresses": "p2p-address",
    },
    "aks": {
        "service.beta.kubernetes.io/azure-load-balancer-internal": "false",
        "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": "30",
        "service.beta.kubernetes.io/azure-pip-name": "p2p-address",
        "service.beta.kubernetes.io/azure-load-balancer-resource-group": "validator-network",
    },
    "metallb": {
        "metallb.io/allow-shared-ip": "p2p-mainnet",
        "metallb.io/address-pool": "public",
        "metallb.io/loadBalancerIPs": "203.0.113.10",
    },
    "two-clusters-mainnet": NLB,
    "two-clusters-testnet": {"metallb.io/allow-shared-ip": "p2p-testnet"},
}
OURS = {"pulumi.com/skipAwait": "true", "pulumi.com/patchFieldManager": "ics-operator"}


def loaded(folder: pathlib.Path, name: str) -> settings.Settings:
    (folder / "stacks").mkdir()
    shutil.copy(EXAMPLES / f"Pulumi.{name}.yaml", folder / "stacks" / "Pulumi.mine.yaml")
    return stack_file.load_settings(folder, "mine", {})


def test_every_example_stack_is_covered() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {f"Pulumi.{name}.yaml" for name in PUBLISHED}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_example_stack_renders_load_balancer_of_its_cloud(name: str, tmp_path: pathlib.Path) -> None:
    settings = loaded(tmp_path, name)
    # The only value that must belong to a known validator: the provider of the factories knows alice.
    settings = settings.model_copy(update={"operator_address": factories.valoper("alice")})
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    facts = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.staged(),
    )
    rendered = manifests.render(factories.judge(facts, stack=settings), "set")
    (service,) = (m for m in rendered if m["metadata"]["name"] == "p2p-loadbalancer")
    opened = {"ics-operator.dev/ports": '{"0":[35376]}'}
    assert service["metadata"]["annotations"] == PUBLISHED[name] | OURS | opened
    assert service["spec"]["type"] == "LoadBalancer"
    (volume,) = (
        m for m in rendered if m["kind"] == "PersistentVolumeClaim" and m["metadata"]["name"] == "data"
    )
    assert volume["spec"]["resources"]["requests"]["storage"] == settings.node.storage


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("eks", {"Deployment/reconciler"}),
        ("gke", {"CronJob/reconciler"}),
        ("metallb", {"StatefulSet/provider-node"}),
        ("aks", set()),
    ],
)
def test_example_stack_renders_its_extra_workloads(
    name: str, wanted: set[str], tmp_path: pathlib.Path
) -> None:
    settings = loaded(tmp_path, name).model_copy(update={"operator_address": factories.valoper("alice")})
    facts = observed.Observed(
        spare=factories.SPARE, snapshot=factories.snapshot(), memory=factories.memories()
    )
    rendered = manifests.render(factories.judge(facts, stack=settings, definitions=[]), "set")
    runs = {f"{m['kind']}/{m['metadata']['name']}" for m in rendered if m["kind"] in RUNS}
    assert runs == wanted


RUNS = ("CronJob", "Deployment", "StatefulSet")


def test_gateway_annotations_of_the_stack_override_those_of_the_cloud() -> None:
    scheme = "service.beta.kubernetes.io/aws-load-balancer-scheme"
    settings = factories.settings(gateway={"cloud": "aws", "annotations": {scheme: "internal"}})
    assert gateway.annotations(settings) == NLB | {scheme: "internal"}


def test_two_cluster_examples_use_different_contexts(tmp_path: pathlib.Path) -> None:
    contexts = []
    for name in ("two-clusters-mainnet", "two-clusters-testnet"):
        folder = tmp_path / name
        folder.mkdir()
        contexts.append(loaded(folder, name).cluster.context)
    assert contexts == ["frankfurt", "homelab"]


def test_pulumi_yaml_declares_the_type_of_every_setting() -> None:
    document = yaml.safe_load((EXAMPLES.parents[1] / "Pulumi.yaml").read_text())
    typed = {key: item.get("type") for key, item in document["config"].items()}
    assert document["stackConfigDir"] == "stacks"
    # An account may be left out, and Pulumi has no word for a setting without a type and without a value.
    wanted = {key: kind(field) for key, field in settings.Settings.model_fields.items() if key != "account"}
    assert typed.items() <= (wanted | {"seed": None}).items()
    required = {key for key, item in document["config"].items() if "default" not in item}
    assert required == {"validator", "operator_address", "seed"}


def kind(field: FieldInfo) -> str:
    """As Pulumi names it."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, pydantic.BaseModel | dict) or field.annotation is settings.ProviderSettings:
        return "object"
    if isinstance(default, bool):
        return "boolean"
    return "array" if isinstance(default, tuple) else "string"
