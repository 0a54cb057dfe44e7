"""The ConfigMap of a chain's genesis, and the init container that prepares a large one on the node's volume; pure."""

import base64
from typing import Any

from ics import names
from ics.consumer import genesis
from ics.cosmos import canonical_json, genesis_order
from ics.manifests import node_files, objects

_TEMPORARY = "/tmp"  # noqa: S108 - a path in the container
_SUB_PATH = node_files.PREPARED_GENESIS.rpartition("/")[2]


def config_map(
    content: bytes | genesis_order.Ordered, namespace: str, owner: objects.Owner
) -> dict[str, Any]:
    """Return the ConfigMap with a genesis: plain, compressed, or the order of a large one."""
    notes = {names.GENESIS_SHA256: genesis.digest(content)}
    if isinstance(content, genesis_order.Ordered):
        notes[names.GENESIS_ORDER] = content.order.digest
        if content.report is not None:
            notes[names.GENESIS_REPORT] = content.report.encode().decode()
    metadata = owner.metadata(names.GENESIS_NAME, names.GENESIS, namespace, notes)
    if isinstance(content, genesis_order.Ordered):
        return objects.config_map(metadata, {genesis_order.FILE: content.order.encode().decode()})
    if len(content) <= genesis.PLAIN_LIMIT:
        return objects.config_map(metadata, {"genesis.json": content.decode()})
    packed = base64.b64encode(genesis.compress(content)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "binaryData": {"genesis.json.gz": packed},
    }


def expected(content: bytes | genesis_order.Ordered) -> str:
    """Return what the start script compares: the sha256 of the genesis, or of the order by which it was prepared."""
    return canonical_json.sha256_hex(content) if isinstance(content, bytes) else content.order.digest


def containers(content: bytes | genesis_order.Ordered) -> list[dict[str, Any]]:
    """Return the init container that prepares a large genesis; nothing for others.

    Of the volume it mounts only its own folder: it reads a stranger's file, and needs no sign state.
    """
    if isinstance(content, bytes):
        return []
    environment = {
        "ORDER": f"{node_files.GENESIS}/{genesis_order.FILE}",
        "FOLDER": node_files.PREPARED_GENESIS,
        "RESULT_FILE": "/dev/termination-log",
        "HOME": _TEMPORARY,
    }
    return [
        {
            "name": names.GENESIS_CONTAINER,
            "image": content.order.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-m", "ics.cli.genesis_container"],
            "workingDir": "/app",
            "env": objects.variables(environment),
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": dict(objects.CONTAINER_SECURITY),
            "volumeMounts": [
                {"name": "data", "mountPath": node_files.PREPARED_GENESIS, "subPath": _SUB_PATH},
                {"name": "genesis", "mountPath": node_files.GENESIS, "readOnly": True},
                {"name": "tmp", "mountPath": _TEMPORARY},
            ],
        }
    ]
