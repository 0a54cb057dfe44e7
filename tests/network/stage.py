"""One validator's whole world without pods: a provider chain of one node, an API server, and a project.

What the commands read and write is real; only nothing runs in the cluster. It is up in about 15 s and
needs neither root nor the local network.
"""

import contextlib
import datetime
import hashlib
import json
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from devnet import plan
from ics import model
from ics.keys import derivation
from tests import documents
from tests.cluster import apiserver
from tests.network import provider_node

SEED = hashlib.sha256(b"the seed of the stage").hexdigest()
CHAIN_ID = "consumer1-1"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "none.example",
}
STACK = pathlib.Path("stacks", "Pulumi.alice.yaml")
NO_BALANCER = {"GatewayWithoutAddress": "warning"}
"""What every stack with a chain says here, where no controller gives Services an address."""


@dataclass(frozen=True)
class Stage:
    """What a test may use of it."""

    node: provider_node.Node
    server: apiserver.Server
    root: pathlib.Path
    """The project, with one stack, alice."""
    consumer_id: str
    """A chain that waits for its spawn time, which does not come, and that has a definition."""

    @property
    def seed(self) -> model.Secret:
        """The 32 bytes of alice's seed."""
        return derivation.parse_seed(model.Secret(SEED))

    @property
    def operator(self) -> provider_node.Operator:
        """Alice on the chain."""
        return self.node.operators["alice"]

    def kubectl(self, *words: str, given: Any = None) -> str:
        """Run kubectl as the cluster's admin; `given` is a manifest for its stdin. Answers what it prints."""
        reader = documents.with_kubectl(
            documents.Reader(self.root, documents.own_environment(), {}), self.server.kubeconfig("admin")
        )
        text = None if given is None else json.dumps(given)
        environment = dict(reader.environment)
        done = subprocess.run(
            ["kubectl", *words], env=environment, input=text, text=True, check=True, stdout=subprocess.PIPE
        )
        return done.stdout

    def stack(self) -> dict[str, Any]:
        """The content of the stack file."""
        found: dict[str, Any] = yaml.safe_load((self.root / STACK).read_text())
        return found

    def details(self, name: str = "alice") -> str:
        """What a validator's description says on the chain."""
        path = f"/cosmos/staking/v1beta1/validators/{self.node.operators[name].operator_address}"
        return str(self.node.ask(path)["validator"]["description"]["details"])

    def transactions(self) -> int:
        """How many transactions alice's account has signed: its sequence."""
        answer = self.node.ask(f"/cosmos/auth/v1beta1/account_info/{self.operator.account}")
        return int(answer["info"]["sequence"])


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Stage]:
    """The stage for as long as the context lasts."""
    programs = apiserver.programs()
    assert programs is not None, "etcd and the all-in-one kubernetes binary are needed"
    for name in ("chain", "apiserver"):
        (folder / name).mkdir()
    with (
        contextlib.contextmanager(provider_node.running)(folder / "chain") as node,
        apiserver.running(folder / "apiserver", *programs, ["admin", "nobody"]) as server,
    ):
        root = project(folder / "project", node, server)
        base = (root / "stacks/chains/ics-example.genesis.json").read_bytes()
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
        spawn = later.isoformat().replace("+00:00", "Z")
        consumer_id = node.create_consumer(CHAIN_ID, spawn, genesis_hash=hashlib.sha256(base).digest())
        found = Stage(node, server, root, consumer_id)
        found.kubectl("apply", "-f", "-", given=STORAGE_CLASS)
        yield found


def project(root: pathlib.Path, node: provider_node.Node, server: apiserver.Server) -> pathlib.Path:
    """A project with alice's stack, her secrets in `.devnet/alice` as on the local network."""
    credentials = root / ".devnet" / "alice"
    credentials.mkdir(parents=True)
    shutil.copy(documents.ROOT / "Pulumi.yaml", root)
    (root / "stacks").mkdir()
    shutil.copytree(documents.ROOT / "stacks/chains", root / "stacks/chains")
    for file, text in (("seed", SEED), ("account", node.operators["alice"].mnemonic)):
        (credentials / file).write_text(text)
        (credentials / file).chmod(0o600)
    shutil.copy(server.kubeconfig("admin"), credentials / "kubeconfig")
    shutil.copy(server.ca, credentials)
    document = yaml.safe_load((documents.ROOT / STACK).read_text())
    document["config"] |= {
        "ics:operator_address": node.operators["alice"].operator_address,
        "ics:provider": {
            "chain_id": provider_node.CHAIN_ID,
            "rest": [node.rest],
            "rpc": [node.rpc],
            "grpc": [node.grpc],
            "gas_price": plan.MIN_GAS_PRICE,
        },
    }
    (root / STACK).write_text(yaml.safe_dump(document))
    return root
