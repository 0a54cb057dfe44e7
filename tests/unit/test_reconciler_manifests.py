"""The reconciler in the cluster: what is installed, and that it renders itself just as it was installed."""

import json
import pathlib
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from devnet import reconciler as image
from ics import errors, manifests, model
from ics.config import chain_definition, secret_sources, stack_file
from ics.config import settings as config_settings
from ics.consumer import desired, observed
from ics.manifests import reconciler
from tests.unit import scenes

ROOT = pathlib.Path(__file__).parents[2]
PLACE = {"namespace": "ics-secrets", "name": "alice"}
ENABLED: dict[str, Any] = {
    "cluster": {"kubeconfig": "~/.kube/config", "context": "far", "namespace_prefix": "a"},
    "engine": "pulumi",
    "participation": {"policy": "listed", "allow": ["consumer1-1"]},
    "gateway": {"cloud": "aws", "namespace": "home"},
    "node": {"stop_grace": "90m"},
    "reconciler": {
        "enabled": True,
        "image": "registry.example.com/ics:1",
        "seed": {**PLACE, "key": "seed"},
        "account": {**PLACE, "key": "account"},
    },
}


def settings(**changes: Any) -> config_settings.Settings:
    return scenes.settings(**{**ENABLED, **changes})


def rendered(found: config_settings.Settings, *loaded: chain_definition.Loaded) -> list[model.Manifest]:
    chain = scenes.consumer(model.Phase.LAUNCHED, scenes.joined("alice", "bob"))
    facts = observed.Seen(
        scenes.snapshot(chain, launches={"0": scenes.launch("alice", "bob")}), model.Memory()
    )
    wanted = desired.desired(facts, found, scenes.seed("alice"), loaded or [scenes.example()])
    return list(manifests.render(wanted, "set"))


def own(found: list[model.Manifest]) -> dict[str, model.Manifest]:
    return {
        f"{m['kind']}/{m['metadata']['name']}": m
        for m in found
        if m["metadata"]["labels"]["app.kubernetes.io/component"] == "reconciler"
    }


def project(folder: pathlib.Path, found: dict[str, model.Manifest]) -> pathlib.Path:
    """The project's folder as the pod sees it."""
    workload = found.get("CronJob/reconciler") or found["Deployment/reconciler"]
    spec = workload["spec"]
    pod = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    (volume,) = (v for v in pod["volumes"] if v["name"] == "stacks")
    for source in volume["projected"]["sources"]:
        data = found[f"ConfigMap/{source['configMap']['name']}"]["data"]
        for item in source["configMap"]["items"]:
            path = folder / "stacks" / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(data[item["key"]])
    return folder


def test_nothing_is_installed_unasked() -> None:
    assert own(rendered(scenes.settings())) == {}


def test_what_is_installed() -> None:
    assert sorted(own(rendered(settings()))) == [
        "ClusterRole/ics-home-alice",
        "ClusterRoleBinding/ics-home-alice",
        "ConfigMap/reconciler-chain-ics-example",
        "ConfigMap/reconciler-stack",
        "CronJob/reconciler",
        "Role/reconciler",
        "RoleBinding/reconciler",
        "ServiceAccount/reconciler",
    ]


@pytest.mark.parametrize("mode", ["cron", "deployment"])
async def test_it_renders_itself_as_it_was_installed(mode: str, tmp_path: pathlib.Path) -> None:
    first = rendered(settings(reconciler={**ENABLED["reconciler"], "mode": mode}))
    root = project(tmp_path, own(first))
    inside = stack_file.load_settings(root, "alice", {})
    definitions = await stack_file.load_definitions(root, no_fetch)
    assert rendered(inside, *definitions) == first


async def no_fetch(url: str) -> bytes:
    raise AssertionError(url)


def test_inside_it_knows_no_kubeconfig_and_reads_secrets_from_kubernetes() -> None:
    document = yaml.safe_load(reconciler.stack_file(settings()))
    inside = config_settings.parse(
        {key.removeprefix("ics:"): value for key, value in document["config"].items()}, "the ConfigMap"
    )
    assert inside.cluster == config_settings.Cluster(namespace_prefix="a")
    assert inside.engine == "apply"
    assert inside.seed.secret == secret_sources.SecretObject(**PLACE, key="seed")
    assert inside.account is not None
    assert inside.account.secret == secret_sources.SecretObject(**PLACE, key="account")
    assert (inside.participation, inside.node.stop_grace) == (settings().participation, 5400)


def test_a_cron_job_that_never_runs_twice_at_once() -> None:
    job = own(rendered(settings()))["CronJob/reconciler"]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["concurrencyPolicy"], job["startingDeadlineSeconds"]) == ("Forbid", 120)
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert container["args"] == ["--once", "--stack", "alice"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_deployment_that_stays_is_asked_for_its_health_and_rolls_with_its_files() -> None:
    stays = {**ENABLED["reconciler"], "mode": "deployment"}
    found = own(rendered(settings(reconciler=stays)))["Deployment/reconciler"]["spec"]
    other = own(rendered(settings(reconciler=stays, node={"storage": "20Gi"})))["Deployment/reconciler"][
        "spec"
    ]
    (container,) = found["template"]["spec"]["containers"]
    assert (found["replicas"], found["strategy"]) == (1, {"type": "Recreate"})
    assert container["args"] == ["--watch", "--stack", "alice"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8080}
    assert found["template"]["metadata"] != other["template"]["metadata"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image": ""}, "reconciler.image: missing"),
        ({"seed": None}, r"reconciler.seed: missing: in the cluster ics:seed can be read from a Secret only"),
        ({"account": None}, "reconciler.account: missing"),
        ({"schedule": "every minute"}, "ics:reconciler.schedule"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.SettingsError, match=complaint):
        settings(reconciler={**ENABLED["reconciler"], **changes})


def test_a_genesis_that_no_config_map_holds_is_refused() -> None:
    example = scenes.example()
    large = chain_definition.Loaded(example.definition, b" " * 700_001)
    with pytest.raises(errors.SettingsError, match=r"ics-example\.yaml: the genesis file has 700001 bytes"):
        rendered(settings(), large)


def test_no_secret_is_in_its_files() -> None:
    text = json.dumps(list(own(rendered(settings())).values()))
    assert scenes.seed("alice").reveal().hex() not in text


def test_the_image_holds_what_the_product_needs_at_the_versions_of_make_check() -> None:
    def pins(name: str) -> dict[str, str]:
        blocks = (ROOT / name).read_text().split("\n\n")
        lines = "\n".join(blocks).splitlines()
        found: dict[str, str] = {}
        current = ""
        for line in lines:
            if line[:1].isalnum():
                current = line.split("==")[0]
            if line.strip() and not line.lstrip().startswith("#"):
                found[current] = found.get(current, "") + line.strip()
        return found

    everything, in_image = pins("requirements.txt"), pins("requirements-image.txt")
    assert in_image.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name for name in project["dependencies"] if not name.startswith("pulumi")}
    assert needed <= set(in_image)
    assert image.libraries() == tuple(in_image)


def test_the_image_needs_no_pulumi() -> None:
    """With the embedded engine, whose passes are all that it makes: neither module, metadata nor program."""
    program = """
import sys
from importlib import metadata

for name in ("pulumi", "pulumi_kubernetes"):
    sys.modules[name] = None

known = metadata.Distribution.from_name

def without(name):
    if name.startswith("pulumi"):
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.Distribution.from_name = without

import argparse, asyncio, types
import reconcile
from ics.reconciler import wiring
from ics.cli import __main__, options
from ics.engines import auto

settings = types.SimpleNamespace(engine="apply")
asyncio.run(options.offer_installation(argparse.Namespace(install_pulumi=False), settings))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_local_networks_image_has_what_the_dockerfile_copies() -> None:
    assert image.copied() == ("ics", "Pulumi.yaml", "reconcile.py")
    assert "USER 1000:1000" in (ROOT / "Dockerfile").read_text()
