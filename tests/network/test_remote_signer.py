"""charlie's key for one chain is in no cluster: a remote signer has it, and dials his node.

About a minute and a half. The signer is a real one, of CometBFT's own package.
"""

import base64
import contextlib
import json
import pathlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from devnet import cache, hosts, owner, toolchain
from devnet.progress import Progress
from ics import model, names
from ics.cluster.api import kinds
from ics.keys import derivation
from tests.network import chains, launch, operators, projects, waiting

pytestmark = pytest.mark.network

CHAIN_ID = "signed-elsewhere-1"
KEY = derivation.consensus_key(model.Secret(b"the key of the remote signer".ljust(32)))


@dataclass(frozen=True)
class Scene:
    charlie: operators.Operator
    root: pathlib.Path
    consumer_id: str
    folder: pathlib.Path
    """What the signer has."""

    def up(self) -> operators.Run:
        done = self.charlie.ics("up", project=self.root)
        assert done.code == 0, done.err
        return done

    def chain(self) -> dict[str, Any]:
        """The chain as `ics status` has it."""
        return self.charlie.chain(self.consumer_id, self.charlie.ics("status", project=self.root).json)

    def told(self) -> set[str]:
        return {one["reason"] for one in self.chain()["conditions"]}

    @property
    def namespace(self) -> str:
        return launch.namespace_of(self.charlie, self.consumer_id)

    @contextlib.contextmanager
    def signer(self) -> Iterator[None]:
        """The signer, on charlie's host, for as long as the context lasts."""
        program = cache.ensure(toolchain.remote_signer_recipe(), Progress()) / "remote-signer"
        service = self.charlie.kube.get(kinds.SERVICE, self.namespace, names.SIGNER_SERVICE)
        address = f"{service['spec']['clusterIP']}:26659"
        argv: list[str | pathlib.Path] = [
            program,
            address,
            CHAIN_ID,
            self.folder / "key.json",
            self.folder / "state.json",
        ]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                hosts.in_network(self.charlie.host, argv), stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield
            finally:
                process.terminate()
                process.wait(30)

    def signed(self) -> int:
        """Height that the signer remembers."""
        return int(json.loads((self.folder / "state.json").read_text())["height"])


@pytest.fixture(scope="module")
def scene(charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    consumer_id = chains.create(CHAIN_ID, 600.0)
    root = projects.project(tmp_path_factory.mktemp("remote-signer"))
    # Of this chain nobody else has a definition.
    projects.define(root, "signed-elsewhere", {"chain_id": CHAIN_ID})
    path = root / "stacks" / "Pulumi.charlie.yaml"
    document = yaml.safe_load(path.read_text())
    public = base64.b64encode(KEY.public_key).decode()
    remote = {"public_key": public, "allow_from": [f"{charlie.host.address}/32"]}
    document["config"] |= {
        "ics:participation": {"policy": "listed", "allow": [CHAIN_ID]},
        "ics:relayer": {"enabled": False},
        "ics:consensus_keys": {consumer_id: {"remote": remote}},
    }
    path.write_text(yaml.safe_dump(document))
    folder = tmp_path_factory.mktemp("signer")
    (folder / "key.json").write_bytes(KEY.priv_validator_key_json().reveal())
    (folder / "state.json").write_text('{"height": "0", "round": 0, "step": 0}')
    yield Scene(charlie, root, consumer_id, folder)
    namespace = launch.namespace_of(charlie, consumer_id)
    owner.remove_consumer(consumer_id)
    assert charlie.ics("destroy", project=root).code == 0
    charlie.kube.delete(kinds.NAMESPACE, "", namespace)


def test_the_signers_key_is_assigned_and_is_not_in_the_cluster(scene: Scene) -> None:
    scene.up()
    assert scene.chain()["participation"] == "validating"
    (member,) = chains.ask(f"consumer_validators/{scene.consumer_id}")["validators"]
    assert base64.b64decode(member["consumer_key"]["ed25519"]) == KEY.public_key
    private = KEY.private.reveal()
    secrets = scene.charlie.kube.all(kinds.SECRET, scene.namespace)
    values = [base64.b64decode(value) for item in secrets for value in item.get("data", {}).values()]
    assert values
    assert not any(private in value or base64.b64encode(private)[:40] in value for value in values)


def test_the_node_waits_for_its_signer_and_then_signs(scene: Scene) -> None:
    owner.update_consumer(scene.consumer_id, chains.spec(CHAIN_ID, 3.0))
    waiting.until(
        "it is launched", lambda: chains.phase(scene.consumer_id), lambda phase: phase == "LAUNCHED"
    )
    scene.up()
    waiting.until("the node's pod is there", lambda: scene.charlie.kube.pod(scene.namespace))
    assert "SignerAwaited" in scene.told()

    with scene.signer():
        waiting.until(
            "it signs",
            scene.chain,
            lambda seen: (seen.get("node") or {}).get("signing") and seen["node"]["height"] >= 3,
            every=2,
        )
        scene.up()
        assert not {reason for reason in scene.told() if reason.startswith("Sign")}
        assert not scene.charlie.jobs(scene.namespace), "no memory is laid for a key that is elsewhere"
    assert scene.signed() >= 3
    refused = scene.charlie.ics(
        "sign-state", "reset", scene.consumer_id, "--confirm", CHAIN_ID, project=scene.root
    )
    assert (refused.code, "its remote signer keeps the sign state" in refused.complaint) == (2, True)


def test_without_its_signer_the_chain_stands_and_with_it_it_goes_on(scene: Scene) -> None:
    def heights() -> tuple[int, int]:
        before = scene.charlie.kube.height(scene.namespace)
        time.sleep(5)
        return before, scene.charlie.kube.height(scene.namespace)

    stood, _ = waiting.until("no block is made without a signature", heights, lambda two: two[0] == two[1])
    signed = scene.signed()
    with scene.signer():
        waiting.until("it goes on", scene.signed, lambda height: height > signed + 2, every=2)
    assert scene.charlie.kube.height(scene.namespace) > stood
