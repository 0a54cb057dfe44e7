"""The StatefulSet that runs the node of one consumer chain."""

from collections.abc import Mapping
from typing import Any

from ics import names
from ics.consumer import chain, desired, lifecycle
from ics.consumer.peers import ports
from ics.cosmos import canonical_json
from ics.manifests import node_files, objects

GRACE_SECONDS = 90
"""A node that is killed while it writes may lose blocks; it is given time to end by itself."""
FILE_MODE = 0o440
"""Of mounted keys: readable by the pod's group only."""

TEMPORARY = "/tmp"  # noqa: S108 - a path in the container
"""Writable and gone with the pod."""


def build(
    wanted: desired.Desired, chain: chain.Chain, genesis: bytes, owner: objects.Owner
) -> dict[str, Any]:
    """One replica, never two pods with one key.

    Pods are managed in parallel because a StatefulSet that keeps order would not replace a pod that
    never came up; with one replica it still never runs two.
    """
    # A stopped chain's relayer goes before its node, and none comes back: that is remembered here.
    notes = {} if chain.stage.relays else {names.ENDING: "true"}
    if chain.is_withheld:
        notes[names.WITHHELD] = "true"
    metadata = owner.metadata(names.NODE_NAME, names.NODE, chain.namespace, {**objects.SKIP_AWAIT, **notes})
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": 0 if chain.stage is lifecycle.Stage.NODE_ENDS else 1,
            "serviceName": names.NODE_NAME,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": owner.labels(names.NODE)},
            "template": {
                "metadata": {
                    "labels": owner.labels(names.NODE),
                    "annotations": _checksums(wanted, chain, genesis),
                },
                "spec": {
                    "terminationGracePeriodSeconds": GRACE_SECONDS,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": dict(objects.POD_SECURITY),
                    "containers": [_container(wanted, chain, genesis)],
                    "volumes": _volumes(chain),
                },
            },
        },
    }


def _checksums(wanted: desired.Desired, chain: chain.Chain, genesis: bytes) -> dict[str, str]:
    """What the node reads only at its start; peers are left out, so that they change without a restart."""
    files = [
        node_files.start_script(chain),
        node_files.of_chain(wanted, chain),
        node_files.app_toml(chain.definition),
    ]
    identity = [chain.node_key.node_id, chain.key.key.address.hex()]
    return {
        f"{names.DOMAIN}/config": objects.checksum(files),
        f"{names.DOMAIN}/keys": objects.checksum(identity),
        names.GENESIS_SHA256: canonical_json.sha256_hex(genesis),
    }


def _key_address(chain: chain.Chain) -> str:
    """Whose memory the node looks for at its start; there is none by the name of a key that is withheld."""
    address = chain.key.key.address.hex().upper()
    return f"{address}-withheld" if chain.is_withheld else address


def _container(wanted: desired.Desired, chain: chain.Chain, genesis: bytes) -> dict[str, Any]:
    environment = {
        "BINARY": chain.definition.binary,
        # Programs write there as soon as they start; their data is on the volume.
        "HOME": TEMPORARY,
        "GENESIS_SHA256": canonical_json.sha256_hex(genesis),
        "KEY_ADDRESS": _key_address(chain),
    }
    return {
        "name": "node",
        "image": chain.definition.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{node_files.CONFIG}/start.sh"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [
            port("p2p", ports.POD_P2P),
            port("rpc", ports.POD_RPC),
            port("rest", ports.POD_REST),
            port("grpc", ports.POD_GRPC),
            *([] if chain.signer is None else [port("signer", ports.POD_SIGNER)]),
        ],
        "resources": {key: dict(value) for key, value in wanted.settings.node.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        # A node may replay for long before it answers, and one that waits for its quorum is well.
        "startupProbe": probe(period=5, failures=720),
        "readinessProbe": probe(period=5, failures=3),
        "livenessProbe": probe(period=10, failures=6),
        "volumeMounts": [
            {"name": "data", "mountPath": node_files.DATA},
            {"name": "tmp", "mountPath": TEMPORARY},
            *(
                {"name": name, "mountPath": path, "readOnly": True}
                for name, path in (
                    ("config", node_files.CONFIG),
                    ("genesis", node_files.GENESIS),
                    ("peers", node_files.PEERS),
                    ("node-key", node_files.NODE_KEY),
                    ("consensus-key", node_files.CONSENSUS_KEY),
                )
            ),
        ],
    }


def _volumes(chain: chain.Chain) -> list[Mapping[str, Any]]:
    def from_secret(name: str, secret: str) -> dict[str, Any]:
        return {"name": name, "secret": {"secretName": secret, "defaultMode": FILE_MODE}}

    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.VOLUME_NAME}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": names.CONFIG}},
        {"name": "genesis", "configMap": {"name": names.GENESIS_NAME}},
        {"name": "peers", "configMap": {"name": names.PEERS}},
        from_secret("node-key", names.NODE_KEY),
        from_secret("consensus-key", names.consensus_key_name(chain.key.generation)),
    ]


def port(name: str, number: int) -> dict[str, Any]:
    """A port of a container."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def probe(period: int, failures: int) -> dict[str, Any]:
    """Whether the node's RPC answers; the period is in seconds."""
    return {
        "httpGet": {"path": "/status", "port": "rpc"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
