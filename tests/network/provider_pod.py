"""charlie's stack with a node of the provider in its cluster."""

import pathlib
from typing import Any

import yaml

from devnet import identities, places, plan
from ics import names
from ics.cluster.api import kinds
from tests.network import operators

NAME, HOME = names.PROVIDER_NODE, "provider"
POD = names.PROVIDER_NODE_POD


def configure(root: pathlib.Path, image: str, **changes: Any) -> None:
    """Let charlie's stack run a provider node, and join no chain.

    Args:
        root: the project.
        image: of the node.
        changes: other parts of `ics:provider_node`.
    """
    path = root / "stacks" / "Pulumi.charlie.yaml"
    document = yaml.safe_load(path.read_text())
    peers = [
        f"{identities.validator(host).node.node_id}@{host.address}:{plan.P2P_PORT}" for host in plan.HOSTS
    ]
    document["config"] |= {
        "ics:participation": {"policy": "none"},
        "ics:provider_node": {
            "enabled": True,
            "image": image,
            "binary": "interchain-security-pd",
            "genesis": {"config_map": {"name": "provider-genesis"}},
            "peers": peers,
            "config": {"config.toml": {"p2p": {"addr_book_strict": False, "allow_duplicate_ip": True}}},
            "storage": "1Gi",
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
            **changes,
        },
    }
    path.write_text(yaml.safe_dump(document))


def create(charlie: operators.Operator, kind: str, name: str, **data: Any) -> None:
    """Create an object beside the node."""
    metadata = {"name": name, "namespace": HOME}
    charlie.kube.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, **data})


def create_genesis(charlie: operators.Operator) -> None:
    """Create the ConfigMap with the provider's genesis, which the settings name."""
    genesis = (places.state() / "provider-genesis.json").read_text()
    create(charlie, "ConfigMap", "provider-genesis", data={"genesis.json": genesis})


def remove(charlie: operators.Operator, root: pathlib.Path, *more: tuple[kinds.Kind, str]) -> None:
    """Destroy the stack, and delete what it keeps and what was created beside it."""
    gone = charlie.ics("destroy", project=root)
    assert gone.code == 0, gone.err
    for kind, name in ((kinds.VOLUME_CLAIM, NAME), (kinds.CONFIG_MAP, "provider-genesis"), *more):
        if charlie.kube.find(kind, HOME, name) is not None:
            charlie.kube.delete(kind, HOME, name)
