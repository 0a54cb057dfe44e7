"""The reconciler in the cluster: its objects, and that it renders them unchanged from inside."""

import base64
import json
import pathlib
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from typing import Any

import pytest
import yaml
from packaging import requirements, utils

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

ENCRYPTION = {"encryptionsalt": "v1:salt"}
WITH_PULUMI: dict[str, Any] = {
    "engine": "pulumi",
    "pulumi": {"backend": "s3://state", "passphrase": {"file": "passphrase"}, "encryption": ENCRYPTION},
    "reconciler": {**ENABLED["reconciler"], "passphrase": {**PLACE, "key": "passphrase"}},
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


@pytest.mark.parametrize(
    "changes",
    [
        WITH_PULUMI,
        WITH_PULUMI | {"engine": "auto"},
        WITH_PULUMI | {"cluster": {"context": "far"}},
        WITH_PULUMI | {"reconciler": {**WITH_PULUMI["reconciler"], "engine": "apply"}},
        {"engine": "auto"},
    ],
)
async def test_reconciler_with_pulumi_renders_itself_unchanged(
    changes: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    first = rendered(settings(**changes))
    root = project(tmp_path, own(first))
    inside = stack_file.load_settings(root, "alice", {})
    definitions = await stack_file.load_definitions(root, no_fetch)
    assert rendered(inside, *definitions) == first


def pod_of(found: dict[str, model.Manifest]) -> Any:
    return found["CronJob/reconciler"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_reconciler_gets_the_stacks_engine_with_its_state() -> None:
    document = yaml.safe_load(reconciler.stack_file(settings(**WITH_PULUMI)))
    assert document["config"]["ics:engine"] == "pulumi"
    assert document["encryptionsalt"] == "v1:salt"
    assert document["config"]["ics:pulumi"] == {
        "backend": "s3://state",
        "passphrase": {"secret": {**PLACE, "key": "passphrase"}},
    }
    assert document["config"]["ics:cluster"] == ENABLED["cluster"]


def test_embedded_reconciler_has_no_state() -> None:
    embedded = {**WITH_PULUMI["reconciler"], "engine": "apply"}
    document = yaml.safe_load(reconciler.stack_file(settings(**WITH_PULUMI | {"reconciler": embedded})))
    assert document["config"]["ics:engine"] == "apply"
    assert "ics:pulumi" not in document["config"]
    assert "encryptionsalt" not in document


@pytest.mark.parametrize(
    ("kubeconfig", "inside"),
    [
        ("kubeconfig", "/app/kubeconfig"),
        ("../shared/config", "/shared/config"),
        ("~/.kube/config", "/home/node/.kube/config"),
        ("/etc/rancher/k3s.yaml", "/etc/rancher/k3s.yaml"),
    ],
)
def test_reconciler_finds_its_own_kubeconfig_where_the_state_says(kubeconfig: str, inside: str) -> None:
    cluster = {"kubeconfig": kubeconfig, "context": "far"}
    found = own(rendered(settings(**WITH_PULUMI | {"cluster": cluster})))
    (container,) = pod_of(found)["containers"]
    config = yaml.safe_load(found["ConfigMap/reconciler-kubeconfig"]["data"]["kubeconfig"])
    mounts = {mount["mountPath"]: mount.get("subPath") for mount in container["volumeMounts"]}
    assert mounts[inside] == "kubeconfig"
    assert config["current-context"] == "far"
    assert config["users"][0]["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}


def test_reconciler_without_a_kubeconfig_in_the_state_needs_none() -> None:
    found = own(rendered(settings(**WITH_PULUMI | {"cluster": {}})))
    assert "ConfigMap/reconciler-kubeconfig" not in found
    (container,) = pod_of(found)["containers"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [
        "/app/stacks",
        "/tmp",
        "/home/node",
    ]


def test_folder_with_the_state_is_mounted_at_its_path() -> None:
    volume = {
        **WITH_PULUMI["reconciler"],
        "backend": "file:///var/lib/ics",
        "state_volume": "ics-state",
        "environment": "ics-cloud",
    }
    pod = pod_of(own(rendered(settings(**WITH_PULUMI | {"reconciler": volume}))))
    (container,) = pod["containers"]
    (state,) = (v for v in pod["volumes"] if v["name"] == "state")
    assert state == {"name": "state", "persistentVolumeClaim": {"claimName": "ics-state"}}
    assert {"name": "state", "mountPath": "/var/lib/ics"} in container["volumeMounts"]
    assert container["envFrom"] == [{"secretRef": {"name": "ics-cloud"}}]
    assert container["env"] == [{"name": "HOME", "value": "/home/node"}]


def test_only_pulumi_gets_the_right_to_watch_what_it_deletes() -> None:
    def watched(found: config_settings.Settings) -> set[str]:
        rules = own(rendered(found))["ClusterRole/ics-home-alice"]["rules"]
        return {kind for rule in rules if "watch" in rule["verbs"] for kind in rule["resources"]}

    assert watched(settings()) == {"pods"}
    assert watched(settings(**WITH_PULUMI)) == {
        "pods",
        "configmaps",
        "events",
        "secrets",
        "services",
        "statefulsets",
        "deployments",
        "networkpolicies",
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pulumi": {"encryption": ENCRYPTION}}, r"ics:reconciler\.backend: missing, for its pod has no"),
        (
            {"pulumi": {**WITH_PULUMI["pulumi"], "backend": "file:///var/lib/ics"}},
            r"ics:reconciler\.state_volume: missing, for the state is in a folder \(file:///var/lib/ics\)",
        ),
        (
            {"pulumi": {**WITH_PULUMI["pulumi"], "backend": "file://~/state"}},
            r"ics:reconciler\.backend: 'file://~/state' is not an absolute path in its pod",
        ),
        ({"reconciler": ENABLED["reconciler"]}, r"ics:reconciler\.passphrase: missing, but in the cluster"),
        (
            {"pulumi": {"backend": "s3://state"}},
            r"ics:reconciler: the stack file has no encryptionsalt .* run `pulumi stack init alice` first",
        ),
    ],
)
def test_state_that_the_pod_cannot_reach_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.SettingsError, match=complaint):
        settings(**WITH_PULUMI | changes)


def test_stack_of_another_name_than_its_validator_is_refused(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "stacks"
    folder.mkdir()
    text = reconciler.stack_file(settings(**WITH_PULUMI))
    (folder / "Pulumi.prod.yaml").write_text(text)
    with pytest.raises(errors.SettingsError, match=r"run `pulumi stack rename alice`"):
        stack_file.load_settings(tmp_path, "prod", {})


@pytest.mark.parametrize(
    ("engine", "chosen", "reasons"),
    [
        ("pulumi", "apply", ["ReconcilerEmbedded"]),
        ("pulumi", "stack", []),
        ("auto", "apply", ["ReconcilerEmbedded"]),
        ("apply", "apply", []),
    ],
)
def test_status_says_that_the_reconciler_uses_the_embedded_engine(
    engine: str, chosen: str, reasons: list[str]
) -> None:
    found = settings(
        **WITH_PULUMI | {"engine": engine, "reconciler": {**WITH_PULUMI["reconciler"], "engine": chosen}}
    )
    facts = observed.Observed(spare=factories.SPARE, snapshot=factories.snapshot())
    wanted = factories.judge(facts, stack=found, definitions=[factories.example()])
    assert [condition.reason.value for condition in wanted.conditions] == reasons


async def no_fetch(url: str) -> bytes:
    raise AssertionError(url)


def test_stack_file_of_reconciler_has_no_kubeconfig_and_reads_secrets_from_kubernetes() -> None:
    document = yaml.safe_load(reconciler.stack_file(settings()))
    inside = config_settings.parse(
        {key.removeprefix("ics:"): value for key, value in document["config"].items()}, "the ConfigMap"
    )
    assert inside.cluster == config_settings.ClusterSettings(namespace_prefix="a")
    assert inside.engine == "auto"
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
    with_pulumi = pins("requirements-pulumi.txt")
    assert in_image.items() | with_pulumi.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name.partition("[")[0] for name in project["dependencies"]}
    assert needed - set(in_image) == {"pulumi", "pulumi-kubernetes"}
    assert needed | {"pulumi-policy"} <= set(in_image) | set(with_pulumi)
    assert set(in_image) & set(with_pulumi) == set()
    assert image.libraries("requirements-image.txt") == tuple(in_image)


def test_image_with_pulumi_has_every_library_that_the_program_imports() -> None:
    """Pulumi's libraries and theirs, as their metadata says, so that a new version cannot lack one."""
    installed = set(image.libraries("requirements-image.txt", "requirements-pulumi.txt"))
    waiting, seen = ["pulumi", "pulumi-kubernetes"], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            required = (requirements.Requirement(text) for text in metadata.requires(name) or ())
            waiting += [
                utils.canonicalize_name(one.name)
                for one in required
                if one.marker is None or one.marker.evaluate({"extra": ""})
            ]
    assert seen <= installed


def test_image_with_pulumi_has_the_versions_of_its_libraries() -> None:
    text = (ROOT / "Dockerfile.pulumi").read_text()
    version, plugin = metadata.version("pulumi"), metadata.version("pulumi-kubernetes")
    assert f"\nARG PULUMI_BASE=pulumi/pulumi-base:{version}-debian\n" in text
    assert "\nFROM ${PULUMI_BASE} AS pulumi\n" in text
    assert f'test "$(pulumi version)" = v{version} ' in text
    assert (
        f"PULUMI_BASE=pulumi/pulumi-base:{version}-debian@" in (ROOT / "docs" / "reconciler.md").read_text()
    )
    assert f"pulumi plugin install resource kubernetes {plugin} " in text
    assert f"/resource-kubernetes-v{plugin}/" in text


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.pulumi"])
def test_image_can_be_built_for_any_architecture(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.findall(r"(?i)amd64|x86|arm64|aarch|--platform|TARGETARCH|uname", text) == []


def test_both_images_have_the_same_base_and_only_files_that_the_build_may_read() -> None:
    plain, with_pulumi = ((ROOT / name).read_text() for name in ("Dockerfile", "Dockerfile.pulumi"))
    bases = set(re.findall(r"^FROM (\S+@\S+)", plain, re.MULTILINE))
    assert bases == set(re.findall(r"^FROM (\S+@\S+)", with_pulumi, re.MULTILINE))
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copies = re.findall(r"^COPY ((?!--from)[^\n]+)$", plain + with_pulumi, re.MULTILINE)
    read = {name for words in copies for name in words.split()[:-1]}
    assert read == allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert "latest" not in plain + with_pulumi


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

import asyncio, types
import reconcile
from ics.reconciler import wiring
from ics.cli import __main__, options
from ics.engines import auto

settings = types.SimpleNamespace(engine="apply")
asyncio.run(options.offer_installation(False, settings))
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
    with_pulumi = ("ics", "policies", "Pulumi.yaml", "__main__.py", "reconcile.py")
    assert image.copied("Dockerfile.pulumi") == with_pulumi
    for name in ("Dockerfile", "Dockerfile.pulumi"):
        assert "USER 1000:1000" in (ROOT / name).read_text()
