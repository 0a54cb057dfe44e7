"""charlie's stack runs a node of the provider too; its key signs only once its operator lets it, by name.

About two minutes and a half.
"""

import base64
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from devnet import delivery, identities, images, places, plan
from ics import names
from ics.cluster.api import kinds
from ics.keys import derivation
from tests.network import operators, projects, provider_pod, waiting

pytestmark = pytest.mark.network

IMAGE = "localhost/ics-devnet/provider:1"
NAME, HOME, POD = provider_pod.NAME, provider_pod.HOME, provider_pod.POD
KEY = derivation.derive_consensus_key(
    identities.validator(plan.host("charlie")).seed, "moved-1", "0", "0" * 32
)
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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return projects.project(tmp_path_factory.mktemp("provider-node"))


@pytest.fixture(scope="module")
def installed(charlie: operators.Operator, root: pathlib.Path) -> Iterator[operators.Run]:
    program = (places.credentials("bin") / "interchain-security-pd").resolve()
    delivery.deliver(charlie.host, images.Image(IMAGE, ("/bin/sh",), (program,)))
    provider_pod.configure(root, IMAGE, consensus_key="moved-key")
    done = charlie.ics("up", project=root)
    provider_pod.create_genesis(charlie)
    private = base64.b64encode(KEY.priv_validator_key_json().reveal()).decode()
    provider_pod.create(charlie, "Secret", "moved-key", data={"priv_validator_key.json": private})
    yield done
    provider_pod.remove(
        charlie, root, (kinds.CONFIG_MAP, names.PROVIDER_SIGNING), (kinds.SECRET, "moved-key")
    )


def check() -> str:
    """What the pod's own check said: the result and the address of the mounted key."""
    return kubectl("logs", "--namespace", HOME, POD, "--container", names.KEY_CHECK).stdout.strip()


def released(charlie: operators.Operator, root: pathlib.Path) -> None:
    """Its operator lets it sign, which the command refuses as long as a peer may know of a newer block."""
    order = ("sign-state", "reset", "provider", "--confirm", "provider")
    waiting.until(
        "it has caught up, and is released",
        lambda: charlie.ics(*order, project=root),
        lambda reset: reset.code == 0,
        every=3,
    )


def test_it_follows_the_chain_with_a_throw_away_key(installed: operators.Run) -> None:
    assert installed.code == 0, installed.err
    assert f"create StatefulSet {HOME}/{NAME}" in installed.writes
    waiting.until("the node follows the chain", height, lambda seen: seen > 10, every=2)
    assert running_key() not in ("", ADDRESS)
    assert check() == f"withheld {ADDRESS}"


def test_sign_state_by_hand_is_not_used_by_itself(installed: operators.Run) -> None:
    folder = f"/data/signing/{ADDRESS}"
    file = f"{folder}/priv_validator_state.json"
    # Not by --stdin: on a busy machine its end may overtake what it brings, and the file stays empty.
    script = f"set -eu; umask 077; mkdir -p {folder}; printf %s '{STATE}' > {file}; test -s {file}"
    laid = kubectl("exec", "--namespace", HOME, POD, "--", "sh", "-c", script)
    assert laid.returncode == 0, laid.stderr
    assert kubectl("delete", "pod", "--namespace", HOME, POD).returncode == 0
    waiting.until("it runs again", running_key, bool, every=2)
    assert (running_key() == ADDRESS, check()) == (False, f"withheld {ADDRESS}")


def test_it_takes_the_key_once_its_operator_lets_it_sign(
    charlie: operators.Operator, installed: operators.Run, root: pathlib.Path
) -> None:
    released(charlie, root)

    def passed() -> str:
        done = charlie.ics("up", project=root)
        assert done.code == 0, done.err
        return running_key()

    waiting.until("it runs with the key", passed, lambda seen: seen == ADDRESS, every=2)
    assert check() == f"ready {ADDRESS}"


def test_on_another_volume_it_has_no_key_until_its_operator_lets_it_sign(
    charlie: operators.Operator, installed: operators.Run, root: pathlib.Path
) -> None:
    charlie.kube.delete(kinds.VOLUME_CLAIM, HOME, NAME)
    assert kubectl("delete", "pod", "--namespace", HOME, POD).returncode == 0
    waiting.until("the claim is gone", lambda: charlie.kube.find(kinds.VOLUME_CLAIM, HOME, NAME) is None)

    def passed() -> str:
        done = charlie.ics("up", project=root)
        assert done.code == 0, done.err
        return running_key()

    # A pod that began before the pass withheld the key finds no sign state for it, and is replaced.
    waiting.until(
        "it runs again, without the key",
        lambda: (passed(), check()),
        lambda seen: seen[0] not in ("", ADDRESS) and seen[1] == f"withheld {ADDRESS}",
        every=2,
    )
    conditions = charlie.ics("status", project=root).json["conditions"]
    (condition,) = [one for one in conditions if one["reason"] == "ProviderKeyWithheld"]
    assert condition["severity"] == "critical"
    assert "ics sign-state reset provider --confirm provider" in condition["message"]
    released(charlie, root)
    waiting.until("it runs with the key", passed, lambda seen: seen == ADDRESS, every=2)
    assert check() == f"ready {ADDRESS}"
