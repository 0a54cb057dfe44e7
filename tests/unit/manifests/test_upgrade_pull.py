"""The Job that pulls the image of a coming upgrade: its objects, its script, and what it says."""

import asyncio
import datetime
import hashlib
import json
import pathlib
import subprocess
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ics import model, names
from ics.cli.commands import chain as command
from ics.cluster import upgrade_pulls
from ics.cluster.api import client, kinds
from ics.config import pods
from ics.consumer import image_pulls
from ics.manifests import objects, upgrade_pull
from ics.reconciler import outcome, upgrade_steps
from tests.unit import factories
from tests.unit.reconciler import test_upgrades

OWNER = objects.Owner("alice", factories.PROVIDER)
TARGET = image_pulls.PullTarget(image="chain:v2", binary="chaind", binary_hash="b" * 64, host="n1")


def test_job_runs_the_image_on_the_machine_of_the_node_without_anything_of_the_validator() -> None:
    settings = pods.PodSettings(image_pull_secrets=("registry",))
    found = upgrade_pull.job(OWNER.of_chain(chain()), "ns", TARGET, settings)
    spec = found["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (container["image"], spec["volumes"], spec["imagePullSecrets"]) == (
        "chain:v2",
        [{"name": "tmp", "emptyDir": {}}],
        [{"name": "registry"}],
    )
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]
    assert found["metadata"]["annotations"][names.FINGERPRINT] == TARGET.fingerprint
    assert spec["automountServiceAccountToken"] is False


def chain() -> Any:
    return test_upgrades.judged(test_upgrades.seen(50, 50, record=50)).chains[0]


PROGRAM = """\
#!/bin/sh
if [ "$1" = version ]; then echo v2.0.0 >&2; exit 0; fi
for flag in "$@"; do
  case "$flag" in --x-wrong*) echo "Error: unknown flag: $flag"; echo usage; exit 1 ;; esac
done
echo "$@" > "$HOME/started"
"""


@pytest.mark.parametrize(
    ("binary", "digest", "flags", "code", "message"),
    [
        ("chaind", "", (), 0, "chaind v2.0.0"),
        ("chaind", "right", ("--x-right=a b",), 0, "chaind v2.0.0"),
        ("chaind", "a" * 64, (), 1, "not binary_hash " + "a" * 64),
        ("otherd", "", (), 1, "the image has no otherd"),
        (
            "chaind",
            "",
            ("--x-wrong=1",),
            1,
            "chaind start --help, with the flags of the node, ended with code 1: Error: unknown flag: --x-wrong=1",
        ),
    ],
)
def test_script_says_whether_the_image_has_the_binary_and_whether_that_knows_its_flags(
    tmp_path: pathlib.Path, binary: str, digest: str, flags: tuple[str, ...], code: int, message: str
) -> None:
    program = tmp_path / "chaind"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    right = hashlib.sha256(program.read_bytes()).hexdigest()
    script = upgrade_pull.SCRIPT.replace("/dev/termination-log", str(tmp_path / "message"))
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "BINARY": binary,
        "BINARY_HASH": right if digest == "right" else digest,
    }
    done = subprocess.run(["/bin/sh", "-c", script, "try", *flags], env=environment, check=False)
    assert done.returncode == code
    assert (tmp_path / "message").read_text().endswith(message)
    if not code:
        started = " ".join(["start --home", str(tmp_path), *flags, "--help"])
        assert (tmp_path / "started").read_text().strip() == started


@pytest.mark.parametrize(("said", "code"), [("exec format error", 126), ("", 3)])
def test_script_says_what_a_binary_that_does_not_run_says(
    tmp_path: pathlib.Path, said: str, code: int
) -> None:
    program = tmp_path / "chaind"
    program.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
    program.chmod(0o755)
    script = upgrade_pull.SCRIPT.replace("/dev/termination-log", str(tmp_path / "message"))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "BINARY": "chaind"}
    done = subprocess.run(["/bin/sh", "-c", script, "try"], env=environment, check=False)
    assert done.returncode == 1
    assert (tmp_path / "message").read_text() == f"chaind version ended with code {code}: {said}"


class Kube:
    """Keeps Jobs and their pods."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        self.deleted: list[str] = []

    async def select(self, kind: kinds.Kind, selector: Mapping[str, str]) -> list[dict[str, Any]]:
        items = self.pods if kind == kinds.POD else list(self.jobs.values())
        return [one for one in items if selector.items() <= one["metadata"]["labels"].items()]

    async def find(self, kind: kinds.Kind, namespace: str, name: str, **_: object) -> dict[str, Any] | None:
        return self.jobs.get(name)

    async def delete(self, kind: kinds.Kind, namespace: str, name: str, uid: str) -> None:
        del self.jobs[name]
        self.deleted.append(uid)

    async def send(self, request: Any) -> None:
        item = json.loads(request.body)
        metadata = item["metadata"]
        assert metadata["name"] not in self.jobs
        metadata = {
            **metadata,
            "uid": f"uid-{len(self.deleted)}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        self.jobs[metadata["name"]] = {**item, "metadata": metadata, "status": {}}

    def waits(self, reason: str) -> None:
        for name, job in self.jobs.items():
            labels = {**job["metadata"]["labels"], "job-name": name}
            state = {"waiting": {"reason": reason, "message": "no such image"}}
            self.pods = [
                {
                    "metadata": {"name": "p", "namespace": job["metadata"]["namespace"], "labels": labels},
                    "status": {"containerStatuses": [{"name": "pull", "state": state}]},
                }
            ]


async def _lease() -> None:
    return None


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("ContainerCreating", image_pulls.PullState.RUNNING),
        ("ImagePullBackOff", image_pulls.PullState.FAILED),
        ("ErrImagePull", image_pulls.PullState.FAILED),
    ],
)
async def test_a_pull_is_created_read_and_created_again(reason: str, state: image_pulls.PullState) -> None:
    kube = Kube()
    pulls = upgrade_pulls.UpgradePulls(cast(client.KubeClient, kube), OWNER, _lease)
    for consumer_id in ("0", ""):
        await pulls.ensure(consumer_id, "c-1" if consumer_id else "", "ns", TARGET, pods.PodSettings())
        kube.waits(reason)
        found = await pulls.read()
        pull = found[consumer_id or "provider"][TARGET.fingerprint]
        assert (pull.state, pull.fingerprint) == (state, TARGET.fingerprint)
        assert pull.created == datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert kube.deleted == ["uid-0"]


@pytest.mark.parametrize(("reason", "is_ok"), [("", True), ("ErrImagePull", False)])
async def test_a_rehearsal_looks_into_the_image_of_each_upgrade(reason: str, is_ok: bool) -> None:
    kube = Kube()
    owner = objects.Owner("alice", factories.PROVIDER, "rehearsal", "c-1")
    definition = test_upgrades.definition().definition

    async def pause(_: float) -> None:
        if reason:
            kube.waits(reason)
        for job in kube.jobs.values():
            job["status"] = {} if reason else {"conditions": [{"type": "Complete", "status": "True"}]}

    found = await command._look_into(
        cast(client.KubeClient, kube),
        owner,
        "ns",
        definition,
        definition.upgrades[0],
        pods.PodSettings(),
        pause,
    )
    assert (found["upgrade"], found["height"], found["ok"]) == ("v2", 120, is_ok)
    (job,) = kube.jobs.values()
    assert "affinity" not in job["spec"]["template"]["spec"]


class Pulls:
    """Takes orders."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, str, str]] = []

    async def ensure(
        self, consumer_id: str, chain_id: str, namespace: str, target: image_pulls.PullTarget, _: object
    ) -> None:
        await asyncio.sleep(0)
        self.orders.append((consumer_id, namespace, target.image))


async def test_a_pass_pulls_what_comes_next_once() -> None:
    cluster = Pulls()
    found = test_upgrades.seen(50, 50, record=50)
    wanted = test_upgrades.judged(found)
    await upgrade_steps.pull(factories.world(cluster), wanted, found, outcome.Collector())
    assert cluster.orders == [("0", "ns", "chain:v2")]
    target = wanted.chains[0].upgrade
    assert target is not None
    assert target.pull is not None
    done = image_pulls.Pull(image_pulls.PullState.DONE, "", target.pull.fingerprint, None)
    again = test_upgrades.seen(50, 50, record=50, pulls={"0": {done.fingerprint: done}})
    judged = test_upgrades.judged(again)
    await upgrade_steps.pull(factories.world(cluster), judged, again, outcome.Collector())
    assert len(cluster.orders) == 1
    assert "UpgradeReady" in factories.reasons(judged.decisions[0])
    assert isinstance(again.observations["0"], model.Observation)
