"""charlie installs everything with one `pulumi up`, and the reconciler in the cluster goes on with the same state.

The state is in a folder that both can reach: on this machine the volume of a claim is one.
"""

import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from devnet import owner, places, plan, reconciler, volumes
from devnet.progress import Progress
from ics import names
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.manifests import objects
from tests.network import chains, in_cluster, kube, launch, operators, waiting

MISSING = reconciler.missing_of_pulumi()
pytestmark = [
    pytest.mark.network,
    pytest.mark.pulumi,
    pytest.mark.skipif(
        bool(MISSING), reason=f"the reconciler's image with Pulumi requires {', '.join(MISSING)} on the PATH"
    ),
]

CHAIN_ID = "in-cluster-pulumi-1"
CLAIM = "ics-state"
PASSPHRASE = "of the story in the cluster"
_POD_USER = 1000
_SPAWN_IN = 3600.0
"""Seconds; it is brought forward as soon as the reconciler has joined."""


@dataclass(frozen=True)
class Installed:
    """What the story is told of."""

    charlie: operators.Operator
    root: pathlib.Path
    state: pathlib.Path
    consumer_id: str

    def pulumi(self, *command: str) -> str:
        """The CLI by hand, with the state that the pod has, too; answers what it printed."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in operators.OWN}
        environment |= {
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.root / "passphrase"),
        }
        done = subprocess.run(
            ["pulumi", "--non-interactive", *command, "--stack", "charlie"],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        # Its files belong to whoever wrote them, and this is not the pod's user.
        for path in (self.state, *self.state.rglob("*")):
            os.chown(path, _POD_USER, _POD_USER)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def chain(self) -> dict[str, Any]:
        status = self.charlie.ics("status", project=self.root).json
        found: dict[str, Any] = self.charlie.chain(self.consumer_id, status)
        return found

    def told(self) -> str:
        return in_cluster.told(self.charlie, self.consumer_id)


def state_folder(charlie: operators.Operator) -> pathlib.Path:
    """The folder of a new claim in the gateway's namespace, which its operator creates beforehand."""
    if charlie.kube.find(kinds.NAMESPACE, "", "provider") is None:
        metadata: dict[str, Any] = {"name": "provider", "labels": dict(objects.POD_SECURITY_LABELS)}
        charlie.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": volumes.LOCAL,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": CLAIM, "namespace": "provider"}
    charlie.kube.create(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    )
    claim = waiting.until(
        "the claim has its volume",
        lambda: charlie.kube.get(kinds.VOLUME_CLAIM, "provider", CLAIM),
        lambda found: found.get("status", {}).get("phase") == "Bound",
        every=1,
    )
    volume = charlie.kube.get(kube.VOLUME, "", claim["spec"]["volumeName"])
    return pathlib.Path(volume["spec"]["hostPath"]["path"])


def project(folder: pathlib.Path, state: pathlib.Path) -> pathlib.Path:
    """A project whose stack charlie has Pulumi's engine, and a reconciler in the cluster with the same."""
    root = in_cluster.project(
        folder,
        CHAIN_ID,
        {
            "enabled": True,
            "mode": "deployment",
            "image": reconciler.IMAGE_WITH_PULUMI,
            "state_volume": CLAIM,
            "resources": {
                "requests": {"cpu": "50m", "memory": "256Mi"},
                "limits": {"memory": "2Gi"},
            },
        },
        ("seed", "account", "passphrase"),
        engine="pulumi",
        pulumi={"backend": f"file://{state}", "passphrase": {"file": "passphrase"}},
    )
    shutil.copy(places.CHECKOUT / "__main__.py", root)
    for name in ("ics", ".venv"):
        (root / name).symlink_to(places.CHECKOUT / name)
    (root / "passphrase").touch(0o600)
    (root / "passphrase").write_text(PASSPHRASE)
    return root


@pytest.fixture(scope="module")
def installed(charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A cluster with a Secret, a claim and nothing else; then one `pulumi up`."""
    reconciler.deliver_with_pulumi(plan.host("charlie"), Progress())
    in_cluster.give_secrets(charlie, passphrase=PASSPHRASE)
    state = state_folder(charlie)
    root = project(tmp_path_factory.mktemp("in-cluster-pulumi"), state)
    story = Installed(charlie, root, state, chains.create(CHAIN_ID, _SPAWN_IN))
    story.pulumi("stack", "init")
    story.pulumi("up", "--yes", "--skip-preview")
    yield story
    gone = charlie.ics("destroy", project=root)
    assert gone.code == 0, gone.err
    in_cluster.forget(charlie.kube, story.consumer_id)
    if chains.phase(story.consumer_id) == "LAUNCHED":
        owner.remove_consumer(story.consumer_id)
    charlie.kube.delete(kinds.VOLUME_CLAIM, "provider", CLAIM)


def test_from_one_pulumi_up_to_a_signing_chain(installed: Installed) -> None:
    began = time.monotonic()
    waiting.until(
        "the reconciler has opted in",
        installed.chain,
        lambda seen: seen.get("participation") == "validating",
        seconds=600,
        every=3,
        tell=installed.told,
    )
    waiting.figure("installed with Pulumi to opted in by the reconciler in the cluster", launch.since(began))
    owner.update_consumer(installed.consumer_id, chains.spec(CHAIN_ID, 3.0))
    launched = waiting.until(
        "its node makes blocks and signs",
        installed.chain,
        lambda seen: (seen.get("node") or {}).get("signing") and seen["node"]["height"] >= 3,
        seconds=600,
        every=3,
        tell=installed.told,
    )
    assert launched["phase"] == "LAUNCHED"
    waiting.figure("installed with Pulumi to a node that signs", launch.since(began))


def test_its_passes_are_pulumis_in_the_same_state(installed: Installed) -> None:
    name = members.parent_name("charlie")
    parent = waiting.until(
        "a pass of Pulumi's engine is on record",
        lambda: installed.charlie.kube.get(kinds.CONFIG_MAP, "provider", name),
        lambda found: found["metadata"]["annotations"].get(names.ENGINE) == "pulumi",
        seconds=600,
        every=5,
        tell=installed.told,
    )
    assert parent["metadata"]["annotations"][names.ENGINE] == "pulumi"
    waiting.until(
        "the state has the chain's node, and nothing is left to change",
        lambda: installed.pulumi("stack", "export"),
        lambda text: f"statefulset/{installed.chain()['namespace']}/{names.NODE_NAME}" in text,
        seconds=600,
        every=10,
        tell=installed.told,
    )
    installed.pulumi("preview", "--expect-no-changes")


def test_the_state_says_of_the_cluster_what_it_said_before(installed: Installed) -> None:
    """The pod has a kubeconfig at the path that the state names, so no run takes one cluster for another."""
    assert '"kubeconfig": ".devnet/charlie/kubeconfig-admin"' in installed.pulumi("stack", "export")
