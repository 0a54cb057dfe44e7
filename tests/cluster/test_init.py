"""`ics init` against a real API server, by its flags and by a person at a terminal."""

import asyncio
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from ics.cli.init import cluster_probes, found
from ics.cluster.api import kinds
from ics.config import settings
from tests.cluster import apiserver, conftest, provider_node

pytestmark = pytest.mark.cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
_DEFINITION = kinds.Kind(
    name="CustomResourceDefinition",
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    is_namespaced=False,
    rank=-1,
)
KINDS = {
    "IPAddressPool": ("metallb.io", "v1beta1", "ipaddresspools", "Namespaced"),
    "VolumeSnapshotClass": ("snapshot.storage.k8s.io", "v1", "volumesnapshotclasses", "Cluster"),
    "Prometheus": ("monitoring.coreos.com", "v1", "prometheuses", "Namespaced"),
}


def definition(kind: str) -> dict[str, Any]:
    group, version, plural, scope = KINDS[kind]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    metadata: dict[str, Any] = {"name": f"{plural}.{group}"}
    if group.endswith("k8s.io"):
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


async def create(scene: conftest.Scene, path: str, body: dict[str, Any]) -> None:
    """Create an object of a kind that the product does not write."""
    headers = {"Authorization": "Bearer admin"}
    async with httpx.AsyncClient(
        transport=conftest.transport(scene.server), base_url=scene.server.url, headers=headers
    ) as session:
        answer = await session.post(path, json=body)
        assert answer.status_code in (201, 409), answer.text


async def furnish(scene: conftest.Scene) -> None:
    """Give the cluster machines of a cloud, classes of volumes and snapshots, MetalLB and a Prometheus."""
    storage = "/apis/storage.k8s.io/v1/storageclasses"
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    common = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.org/disk"}
    await create(scene, storage, {**common, "metadata": {"name": "slow"}})
    fast = {"metadata": {"name": "fast", "annotations": default}, "allowVolumeExpansion": True}
    await create(scene, storage, {**common, **fast})
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "one"},
        "spec": {"providerID": "gce://p/z/one"},
    }
    await create(scene, "/api/v1/nodes", node)
    for kind in KINDS:
        await create(scene, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(kind))
    await served(scene)
    snapshots = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": "csi"},
    }
    await create(scene, "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", snapshots)
    prometheus = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "k8s", "namespace": "default"},
        "spec": {"ruleSelector": {"matchLabels": {"release": "kube"}}},
    }
    await create(scene, "/apis/monitoring.coreos.com/v1/namespaces/default/prometheuses", prometheus)


async def served(scene: conftest.Scene) -> None:
    """Wait until the API server serves the new kinds."""
    async with asyncio.timeout(60):
        while (
            len(await scene.kube.select(_DEFINITION, {})) < len(KINDS)
            or not (await probe(scene)).has_monitors
        ):
            await asyncio.sleep(0.5)


async def probe(scene: conftest.Scene, user: str = "admin") -> found.Cluster:
    chosen = settings.ClusterSettings(kubeconfig=str(scene.server.kubeconfig(user)))
    return await cluster_probes.probe(chosen, pathlib.Path(), os.environ)


async def test_cluster_says_what_it_offers(scene: conftest.Scene) -> None:
    await furnish(scene)
    async with asyncio.timeout(60):
        while not (there := await probe(scene)).snapshot_classes:
            await asyncio.sleep(0.5)
    assert there == found.Cluster(
        cloud="gcp",
        storage_classes=(
            found.StorageClass(name="fast", is_default=True, expands=True),
            found.StorageClass(name="slow"),
        ),
        snapshot_classes=("csi",),
        prometheus=("default/k8s",),
        rule_labels=(("release", "kube"),),
        has_monitors=True,
    )


async def test_user_without_rights_gets_what_is_not_known(scene: conftest.Scene) -> None:
    there = await probe(scene, "nobody")
    assert there.cloud in ("none", "metallb")
    assert len(there.problems) >= 2
    assert all("\n" not in problem for problem in there.problems)


def environment(folder: pathlib.Path, server: apiserver.Server) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "KUBECONFIG": str(server.kubeconfig("admin")),
        "ICS_KEYSTORE": str(folder / "keys"),
        "TERM": "dumb",
    }


@contextlib.contextmanager
def terminal(words: list[str], folder: pathlib.Path, variables: dict[str, str]) -> Iterator["Person"]:
    """A process at a terminal of its own; it is killed at the end, unless it has ended."""
    own, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ics.cli", *words],
        cwd=folder,
        env=variables,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    try:
        yield Person(process, own)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(own)


class Person:
    """Reads what is asked, and types."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor

    def answer(self, question: str, text: str, seconds: float = 120) -> None:
        """Wait for a question, and type an answer with Enter."""
        self.wait(question, seconds)
        os.write(self._descriptor, f"{text}\n".encode())

    def wait(self, text: str, seconds: float = 120) -> None:
        """Wait until a text is shown after what was read before."""
        deadline, before = time.monotonic() + seconds, len(self.shown)
        while not re.search(text, self.shown[before:]):
            assert time.monotonic() < deadline, self.shown
            if select.select([self._descriptor], [], [], 1)[0]:
                try:
                    self.shown += os.read(self._descriptor, 65536).decode(errors="replace")
                except OSError:  # it has ended
                    assert re.search(text, self.shown[before:]), self.shown
                    return


async def test_person_at_a_terminal_answers_and_gets_a_stack(
    scene: conftest.Scene, tmp_path: pathlib.Path
) -> None:
    await furnish(scene)
    usb = tmp_path / "usb"
    usb.mkdir()
    with provider_node.running() as (rest, rpc, grpc):
        words = ["init", "project", "--skip-doctor"]
        with terminal(words, tmp_path, environment(tmp_path, scene.server)) as person:
            for question, text in (
                ("REST address.*: $", rest),
                ("RPC address.*: $", rpc),
                ("gRPC address.*: $", grpc),
                ("Gas price.*: $", ""),
                ("Your validator.*: $", "Alice & Co"),
                ("Name of the stack.*: $", "alice"),
                ("context in the kubeconfig.*: $", ""),
                ("Cloud of the LoadBalancer.*: $", ""),
                ("StorageClass of the nodes.*: $", ""),
                ("VolumeSnapshotClass.*: $", ""),
                ("Chains to join.*: $", "all"),
                ("Who runs the passes.*: $", ""),
                ("Seed of all.*: $", ""),
                ("Account that signs.*: $", ""),
                ("sealed copy.*: $", str(usb / "seed")),
                ("a passphrase.*: $", "correct horse battery"),
                ("once more: $", "correct horse battery"),
            ):
                await asyncio.to_thread(person.answer, question, text)
            await asyncio.to_thread(person.wait, "one pass")
            assert person.process.wait(60) == 0, person.shown
    assert "correct horse" not in person.shown
    path = tmp_path / "project" / "stacks" / "Pulumi.alice.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = yaml.safe_load(path.read_text())["config"]
    assert values["ics:gateway"] == {"namespace": "provider", "cloud": "gcp"}
    assert values["ics:snapshots"] == {"class": "csi"}
    assert values["ics:participation"] == {"policy": "all"}
    assert values["ics:seed"] == {"keystore": "alice-seed"}
    assert (usb / "seed").exists()


async def test_flags_answer_everything(scene: conftest.Scene, tmp_path: pathlib.Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse battery")
    (tmp_path / "passphrase").chmod(0o600)
    with provider_node.running() as (rest, rpc, grpc):
        words = [
            "init", "project", "--yes", "--json", "--rest", rest, "--rpc", rpc, "--grpc", grpc,
            "--validator", "Alice & Co", "--name", "alice", "--seed-copy", str(tmp_path / "copy"),
            "--passphrase-file", "passphrase", "--account", "none", "--cloud", "aws",
        ]  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "ics.cli", *words],
            cwd=tmp_path,
            env=environment(tmp_path, scene.server),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["stack"], printed["changed"]) == ("alice", True)
    levels = {finding["check"]: finding["level"] for finding in printed["findings"]}
    assert levels["ics:provider.rpc"] == levels["ics:provider.rest"] == "fail"  # its newest block is old
    assert levels["cluster"] == "ok"
