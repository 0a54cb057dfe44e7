"""The reconciler in the cluster: its objects, and that it renders them unchanged from inside."""

import base64
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
from ics.consumer import observed
from ics.manifests import reconciler
from tests.unit import factories

ROOT = pathlib.Path(__file__).parents[3]
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
    return factories.settings(**{**ENABLED, **changes})


def rendered(
    found: config_settings.Settings, *loaded: chain_definition.LoadedDefinition
) -> list[model.Manifest]:
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    facts = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.staged(),
    )
    wanted = factories.judge(facts, stack=found, definitions=loaded or [factories.example()])
    return list(manifests.render(wanted, "set"))


def own(found: list[model.Manifest]) -> dict[str, model.Manifest]:
    return {
        f"{m['kind']}/{m['metadata']['name']}": m
        for m in found
        if m["metadata"]["labels"]["app.kubernetes.io/component"] == "reconciler"
    }


def project(folder: pathlib.Path, found: dict[str, model.Manifest]) -> pathlib.Path:
    """Write the project's folder as the pod sees it."""
    workload = found.get("CronJob/reconciler") or found["Deployment/reconciler"]
    spec = workload["spec"]
    pod = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    (volume,) = (v for v in pod["volumes"] if v["name"] == "stacks")
    for source in volume["projected"]["sources"]:
        ((kind, listed),) = source.items()
        data = found[f"{kind[0].upper()}{kind[1:]}/{listed['name']}"]["data"]
        for item in listed["items"]:
            path = folder / "stacks" / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = data[item["key"]]
            path.write_text(base64.b64decode(text).decode() if kind == "secret" else text)
    return folder


def test_reconciler_is_absent_by_default() -> None:
    assert own(rendered(factories.settings())) == {}


def test_reconciler_objects_match_settings() -> None:
    assert sorted(own(rendered(settings()))) == [
        "ClusterRole/ics-home-alice",
        "ClusterRoleBinding/ics-home-alice",
        "ConfigMap/reconciler-chain-ics-example",
        "CronJob/reconciler",
        "Role/reconciler",
        "RoleBinding/reconciler",
        "Secret/reconciler-stack",
        "ServiceAccount/reconciler",
    ]


@pytest.mark.parametrize("mode", ["cron", "deployment"])
async def test_reconciler_in_cluster_renders_itself_unchanged(mode: str, tmp_path: pathlib.Path) -> None:
    first = rendered(settings(reconciler={**ENABLED["reconciler"], "mode": mode}))
    root = project(tmp_path, own(first))
    inside = stack_file.load_settings(root, "alice", {})
    definitions = await stack_file.load_definitions(root, no_fetch)
    assert rendered(inside, *definitions) == first


async def no_fetch(url: str) -> bytes:
    raise AssertionError(url)


def test_stack_file_of_reconciler_has_no_kubeconfig_and_reads_secrets_from_kubernetes() -> None:
    document = yaml.safe_load(reconciler.stack_file(settings()))
    inside = config_settings.parse(
        {key.removeprefix("ics:"): value for key, value in document["config"].items()}, "the ConfigMap"
    )
    assert inside.cluster == config_settings.ClusterSettings(namespace_prefix="a")
    assert inside.engine == "apply"
    assert inside.seed.secret == secret_sources.SecretObject(**PLACE, key="seed")
    assert inside.account is not None
    assert inside.account.secret == secret_sources.SecretObject(**PLACE, key="account")
    assert (inside.participation, inside.node.stop_grace) == (settings().participation, 5400)


def test_cron_job_forbids_concurrent_passes() -> None:
    job = own(rendered(settings()))["CronJob/reconciler"]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["concurrencyPolicy"], job["startingDeadlineSeconds"]) == ("Forbid", 120)
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert container["args"] == ["--once", "--stack", "alice"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_deployment_has_probes_and_restarts_when_its_files_change() -> None:
    stays = {**ENABLED["reconciler"], "mode": "deployment"}
    objects = own(rendered(settings(reconciler=stays)))["Deployment/reconciler"]["spec"]
    other = own(rendered(settings(reconciler=stays, node={"storage": "20Gi"})))["Deployment/reconciler"][
        "spec"
    ]
    (container,) = objects["template"]["spec"]["containers"]
    assert (objects["replicas"], objects["strategy"]) == (1, {"type": "Recreate"})
    assert container["args"] == ["--watch", "--stack", "alice"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8080}
    assert objects["template"]["metadata"] != other["template"]["metadata"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image": ""}, "reconciler.image: missing"),
        (
            {"seed": None},
            r"ics:reconciler.seed: missing, but in the cluster ics:seed must come from a Secret",
        ),
        ({"account": None}, "reconciler.account: missing"),
        ({"schedule": "every minute"}, "ics:reconciler.schedule"),
    ],
)
def test_incomplete_reconciler_settings_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.SettingsError, match=complaint):
        settings(reconciler={**ENABLED["reconciler"], **changes})


def test_definition_with_large_genesis_file_is_refused_in_cluster() -> None:
    example = factories.example()
    large = chain_definition.LoadedDefinition(example.definition, b" " * 700_001)
    with pytest.raises(errors.SettingsError, match=r"ics-example\.yaml: the genesis file has 700001 bytes"):
        rendered(settings(), large)


def test_reconciler_objects_contain_no_seed() -> None:
    text = json.dumps(list(own(rendered(settings())).values()))
    assert factories.seed("alice").reveal().hex() not in text


def test_image_requirements_are_pinned_as_in_requirements_txt() -> None:
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
    needed = {name.partition("[")[0] for name in project["dependencies"] if not name.startswith("pulumi")}
    assert needed <= set(in_image)
    assert image.libraries() == tuple(in_image)


def test_image_with_apply_engine_imports_no_pulumi() -> None:
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


def test_local_network_image_copies_same_files_as_dockerfile() -> None:
    assert image.copied() == ("ics", "Pulumi.yaml", "reconcile.py")
    assert "USER 1000:1000" in (ROOT / "Dockerfile").read_text()
