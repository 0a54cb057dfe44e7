"""charlie's stack runs a node of the provider too; its key signs only once its memory lies on the volume.

About a minute and a half.
"""

import base64
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devnet import delivery, identities, images, places, plan
from ics.cluster.api import kinds
from ics.keys import derivation
from tests.network import operators, projects, waiting

pytestmark = pytest.mark.network

IMAGE = "localhost/ics-devnet/provider:1"
NAME, HOME = "provider-node", "provider"
POD = f"{NAME}-0"
KEY = derivation.derive_consensus_key(identities.validator(plan.host("charlie")).seed, "moved-1", "0", 0)
ADDRESS = KEY.address.hex().upper()
STATE = '{"height":"0","round":0,"step":0}'


def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As charlie's administrator types it."""
    program, access = places.credentials("bin") / "kubectl", places.credentials("charlie")
    words = ["kubectl", "--kubeconfig", str(access / "kubeconfig-admin"), *arguments]
    return subprocess.run(words, executable=program, capture_output=True, text=True, check=False)


def status() -> dict[str, Any]:
    """What the node says of itself; empty while it does not answer."""
    path = f"/api/v1/namespaces/{HOME}/pods/{POD}:26657/proxy/status"
    done = kubectl("get", "--raw", path)
    found: dict[str, Any] = json.loads(done.stdout)["result"] if done.returncode == 0 else {}
    return found


def height() -> int:
    found = status()
    return int(found["sync_info"]["latest_block_height"]) if found else 0


def running_key() -> str:
    found = status()
    return str(found["validator_info"]["address"]) if found else ""


def create(charlie: operators.Operator, kind: str, name: str, **data: Any) -> None:
    metadata = {"name": name, "namespace": HOME}
    charlie.kube.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, **data})


@pytest.fixture(scope="module")
def installed(
    charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[operators.Run]:
    program = (places.credentials("bin") / "interchain-security-pd").resolve()
    delivery.deliver(charlie.host, images.Image(IMAGE, ("/bin/sh",), (program,)))
    root: pathlib.Path = projects.project(tmp_path_factory.mktemp("provider-node"))
    path = root / "stacks" / "Pulumi.charlie.yaml"
    document = yaml.safe_load(path.read_text())
    peers = [
        f"{identities.validator(host).node.node_id}@{host.address}:{plan.P2P_PORT}" for host in plan.HOSTS
    ]
    document["config"] |= {
        "ics:participation": {"policy": "none"},
        "ics:provider_node": {
            "enabled": True,
            "image": IMAGE,
            "binary": "interchain-security-pd",
            "genesis": {"config_map": {"name": "provider-genesis"}},
            "peers": peers,
            "consensus_key": "moved-key",
            "config": {"config.toml": {"p2p": {"addr_book_strict": False, "allow_duplicate_ip": True}}},
            "storage": "1Gi",
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        },
    }
    path.write_text(yaml.safe_dump(document))
    done = charlie.ics("up", project=root)
    genesis = (places.state() / "provider-genesis.json").read_text()
    create(charlie, "ConfigMap", "provider-genesis", data={"genesis.json": genesis})
    private = base64.b64encode(KEY.priv_validator_key_json().reveal()).decode()
    create(charlie, "Secret", "moved-key", data={"priv_validator_key.json": private})
    yield done
    gone = charlie.ics("destroy", project=root)
    assert gone.code == 0, gone.err
    for kind, name in (
        (kinds.VOLUME_CLAIM, NAME),
        (kinds.CONFIG_MAP, "provider-genesis"),
        (kinds.SECRET, "moved-key"),
    ):
        charlie.kube.delete(kind, HOME, name)


def test_it_follows_the_chain_with_a_throw_away_key(installed: operators.Run) -> None:
    assert installed.code == 0, installed.err
    assert f"create StatefulSet {HOME}/{NAME}" in installed.writes
    waiting.until("the node follows the chain", height, lambda seen: seen > 10, every=2)
    assert running_key() not in ("", ADDRESS)
    said = kubectl("logs", "--namespace", HOME, POD).stdout
    assert f"no sign state of {ADDRESS} on this volume: running with a throw-away key" in said


def test_it_takes_the_key_once_its_memory_lies_on_the_volume(installed: operators.Run) -> None:
    folder = f"/data/signing/{ADDRESS}"
    file = f"{folder}/priv_validator_state.json"
    # Not by --stdin: on a busy machine its end may overtake what it brings, and the file stays empty.
    script = f"set -eu; umask 077; mkdir -p {folder}; printf %s '{STATE}' > {file}; test -s {file}"
    laid = kubectl("exec", "--namespace", HOME, POD, "--", "sh", "-c", script)
    assert laid.returncode == 0, laid.stderr
    assert kubectl("delete", "pod", "--namespace", HOME, POD).returncode == 0
    waiting.until("it runs with the key", running_key, lambda seen: seen == ADDRESS, every=2)
