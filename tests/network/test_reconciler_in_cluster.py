"""charlie installs everything with one command, and from then on the cluster looks after itself.

About four minutes: the CronJob begins a pass a minute.
"""

import json
import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from devnet import owner, plan, reconciler
from devnet.progress import Progress
from ics import names
from ics.cluster.api import kinds
from tests.network import chains, in_cluster, launch, operators, waiting

pytestmark = pytest.mark.network

CHAIN_ID = "in-cluster-1"
_SPAWN_IN = 3600.0
"""Seconds; it is brought forward as soon as the reconciler has joined.

The CronJob's first pass begins up to a minute after the installation, and on a busy machine its pod takes
its time: a launch that does not wait for it would find nobody opted in, and fail for good.
"""


@dataclass(frozen=True)
class Installed:
    """What the story is told of."""

    charlie: operators.Operator
    root: pathlib.Path
    run: operators.Run
    consumer_id: str


@pytest.fixture(scope="module")
def installed(charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """One `ics up` on a cluster that holds nothing but a Secret with charlie's seed and account."""
    reconciler.deliver(plan.host("charlie"), Progress())
    root = in_cluster.project(
        tmp_path_factory.mktemp("in-cluster"), CHAIN_ID, {"enabled": True, "image": reconciler.IMAGE}
    )
    in_cluster.give_secrets(charlie)
    run = charlie.ics("up", project=root)
    consumer_id = chains.create(CHAIN_ID, _SPAWN_IN)
    yield Installed(charlie, root, run, consumer_id)
    gone = charlie.ics("destroy", project=root)
    assert gone.code == 0, gone.err
    # What it failed at is told by the tests: it may not have come so far.
    in_cluster.forget(charlie.kube, consumer_id)
    if chains.phase(consumer_id) == "LAUNCHED":
        owner.remove_consumer(consumer_id)


def test_one_command_installs_it(installed: Installed) -> None:
    assert installed.run.code == 0, installed.run.err
    made = {change.split(" ", 1)[1] for change in installed.run.writes if change.startswith("create ")}
    assert made >= {
        "ClusterRole /ics-provider-charlie",
        "ClusterRoleBinding /ics-provider-charlie",
        "ConfigMap provider/reconciler-chain-ics-example",
        "Secret provider/reconciler-stack",
        "CronJob provider/reconciler",
        "Role provider/reconciler",
        "RoleBinding provider/reconciler",
        "ServiceAccount provider/reconciler",
    }


def test_it_joins_and_launches_by_itself(installed: Installed) -> None:
    began = time.monotonic()

    def chain() -> dict[str, Any]:
        found: dict[str, Any] = installed.charlie.chain(
            installed.consumer_id, installed.charlie.ics("status", project=installed.root).json
        )
        return found

    opted = waiting.until(
        "the reconciler has opted in",
        chain,
        lambda seen: seen.get("participation") == "validating",
        every=3,
        tell=lambda: in_cluster.told(installed.charlie, installed.consumer_id),
    )
    assert opted["chain_id"] == CHAIN_ID
    waiting.figure("installed to opted in by the CronJob", launch.since(began))
    owner.update_consumer(installed.consumer_id, chains.spec(CHAIN_ID, 3.0))
    launched = waiting.until(
        "the chain is launched",
        chain,
        lambda seen: seen["phase"] == "LAUNCHED",
        every=3,
        tell=lambda: in_cluster.told(installed.charlie, installed.consumer_id),
    )
    assert launched["participation"] == "validating"
    waiting.until(
        "its node makes blocks and signs",
        chain,
        lambda seen: (seen.get("node") or {}).get("signing") and seen["node"]["height"] >= 3,
        seconds=400,
        every=3,
        tell=lambda: in_cluster.told(installed.charlie, installed.consumer_id),
    )
    waiting.figure("installed to a node that signs, by the CronJob", launch.since(began))


def test_its_objects_are_what_the_operators_own_machine_says(installed: Installed) -> None:
    waiting.until(
        "nothing is left to change",
        lambda: installed.charlie.ics("plan", project=installed.root).json["changes"],
        lambda changes: changes == [],
        every=10,
    )


def test_its_pods_have_no_rights_of_the_host_and_no_secret_is_in_plain_sight(installed: Installed) -> None:
    kube = installed.charlie.kube
    job = kube.get(kinds.CRON_JOB, "provider", "reconciler")
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    pods = kube.all(kinds.POD, "provider", **{names.COMPONENT: names.RECONCILER})
    assert pods
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"reconciler"}
    maps = kube.all(kinds.CONFIG_MAP, "provider")
    shown = json.dumps([maps, pods, job])
    assert in_cluster.secret("seed") not in shown
    assert in_cluster.secret("account") not in shown


def test_it_may_stay_as_a_deployment(installed: Installed) -> None:
    """The same stack with another mode: the CronJob goes, and one pod stays, with the Lease in its hand."""
    path = installed.root / "stacks" / "Pulumi.charlie.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["ics:reconciler"]["mode"] = "deployment"
    path.write_text(yaml.safe_dump(document))
    kube = installed.charlie.kube
    began = time.monotonic()

    done = waiting.until(
        "no pass of the CronJob is under way, and the mode is changed",
        lambda: installed.charlie.ics("up", project=installed.root),
        lambda run: run.code == 0,
        every=3,
    )

    assert set(done.writes) >= {"create Deployment provider/reconciler", "delete CronJob provider/reconciler"}
    deployment = waiting.until(
        "its pod is ready",
        lambda: kube.get(kinds.DEPLOYMENT, "provider", "reconciler"),
        lambda seen: seen.get("status", {}).get("readyReplicas") == 1,
        every=2,
        tell=lambda: in_cluster.told(installed.charlie, installed.consumer_id),
    )
    waiting.figure("from the change of the mode to a ready pod", launch.since(began))
    assert deployment["spec"]["strategy"]["type"] == "Recreate"
    (pod,) = (
        one
        for one in kube.all(kinds.POD, "provider", **{names.COMPONENT: names.RECONCILER})
        if one["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    )
    waiting.until(
        "it holds the Lease",
        lambda: kube.get(kinds.LEASE, "provider", "ics-charlie")["spec"],
        lambda spec: pod["metadata"]["name"] in (spec.get("holderIdentity") or ""),
    )
    status = installed.charlie.ics("status", project=installed.root)
    assert installed.charlie.chain(installed.consumer_id, status.json)["node"]["signing"]
