"""The Helm chart: what it takes from the product, and that its reconciler is the one that a stack installs."""

import pathlib
import shutil
import subprocess
from typing import Any

import pytest
import yaml

import ics
from ics import model
from ics.config import settings as config_settings
from ics.config import stack_file
from ics.manifests import reconciler
from tests import chart
from tests.unit.manifests import test_reconciler

with_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="no helm here")
STAR = {"name": "star", "match": {"chain_id": "star-1"}, "image": "registry.example.com/star:1"}


def values(mode: str = "cron") -> dict[str, Any]:
    """A stack file as one has it outside the cluster, and a definition."""
    found = test_reconciler.settings(reconciler={**test_reconciler.ENABLED["reconciler"], "mode": mode})
    config = yaml.safe_load(reconciler.stack_file(found))["config"]
    config["ics:cluster"] |= {"kubeconfig": "~/.kube/config", "context": "far"}
    config |= {"ics:seed": {"file": "seed"}, "ics:account": {"file": "account"}}
    return {"config": config, "chains": {"star": STAR}, "files": {"star.genesis.json": "{}"}}


def run(
    folder: pathlib.Path, given: dict[str, Any], namespace: str = "home"
) -> "subprocess.CompletedProcess[str]":
    """Render the chart."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(given))
    release = ["ics", str(chart.CHART), "--namespace", namespace, "--values", str(file)]
    words = ["helm", "template", *release, "--kube-version", "1.34.0"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def templated(folder: pathlib.Path, given: dict[str, Any]) -> dict[str, model.Manifest]:
    done = run(folder, given)
    assert done.returncode == 0, done.stderr
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(done.stdout)}


def pod(workload: model.Manifest) -> dict[str, Any]:
    """The pod of a workload, without the names of its service account and its files."""
    spec = workload["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    volumes = sorted(volume["name"] for volume in found["volumes"])
    return {**found, "serviceAccountName": "", "volumes": volumes}


def test_chart_has_the_rights_and_defaults_of_the_product() -> None:
    assert chart.FILE.read_text() == chart.product(), f"run {chart.COMMAND}"


def test_chart_has_the_version_of_the_product() -> None:
    found = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert (found["version"], found["appVersion"]) == (ics.VERSION, ics.VERSION)


@with_helm
@pytest.mark.parametrize("mode", ["cron", "deployment"])
def test_chart_runs_the_reconciler_that_a_stack_would_install(mode: str, tmp_path: pathlib.Path) -> None:
    found = test_reconciler.settings(reconciler={**test_reconciler.ENABLED["reconciler"], "mode": mode})
    ours = test_reconciler.own(test_reconciler.rendered(found))
    kind = "CronJob" if mode == "cron" else "Deployment"
    workload = templated(tmp_path, values(mode))[f"{kind}/ics"]

    assert pod(workload) == pod(ours[f"{kind}/reconciler"])
    fields = ("schedule", "concurrencyPolicy", "startingDeadlineSeconds", "strategy", "replicas")
    for field in fields:
        assert workload["spec"].get(field) == ours[f"{kind}/reconciler"]["spec"].get(field)


@with_helm
def test_pod_of_chart_reads_the_stack_without_what_is_outside_the_cluster(tmp_path: pathlib.Path) -> None:
    found = test_reconciler.settings()
    made = templated(tmp_path, values())
    (tmp_path / "stacks").mkdir()
    for name, text in made["Secret/ics-stack"]["stringData"].items():
        (tmp_path / "stacks" / name).write_text(text)
    inside = stack_file.load_settings(tmp_path, "alice", {})

    (tmp_path / "stacks" / "Pulumi.alice.yaml").write_text(reconciler.stack_file(found))
    installed = stack_file.load_settings(tmp_path, "alice", {})
    changes = {"engine": "apply", "reconciler": config_settings.ReconcilerSettings()}
    assert inside == installed.model_copy(update=changes)
    assert yaml.safe_load(made["ConfigMap/ics-chain-star"]["data"]["star.yaml"]) == STAR
    assert made["ConfigMap/ics-files"]["data"] == {"star.genesis.json": "{}"}


@with_helm
@pytest.mark.parametrize(
    ("changes", "namespace", "problem"),
    [
        ({"ics:validator": None}, "home", "ics:validator is missing; pass the stack file"),
        ({"ics:reconciler": None}, "home", "ics:reconciler.image is missing; name the image"),
        ({"ics:engine": "pulumi"}, "home", "ics:engine: pulumi; the chart installs the embedded engine"),
        ({}, "other", 'ics:gateway.namespace: "home", but the release is in "other"'),
        ({"ics:reconciler": {"image": "x:1"}}, "home", "ics:reconciler.seed is missing; name a Secret"),
        ({"ics:reconciler": {"image": "x:1", "mode": "daemon"}}, "home", "use cron or deployment"),
    ],
)
def test_mistake_in_values_is_named(
    changes: dict[str, Any], namespace: str, problem: str, tmp_path: pathlib.Path
) -> None:
    given = values()
    given["config"] |= changes
    done = run(tmp_path, given, namespace)
    assert done.returncode != 0
    assert problem in done.stderr
