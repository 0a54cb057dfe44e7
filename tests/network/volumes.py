"""Hands at a chain's volume: older copies of its sign state, claims that are made again, marks that are changed."""

import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from ics import names
from ics.cluster.api import kinds
from ics.manifests import objects
from tests.network import kube, operators, waiting

STATE, MARK = "priv_validator_state.json", "mark"
FOREIGN = "0" * 64
"""The sha256 of no certificate."""


def claim(operator: operators.Operator, home: str) -> kube.Object:
    """The chain's claim."""
    return operator.kube.get(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)


def signing(operator: operators.Operator, home: str, key: str) -> pathlib.Path:
    """The folder of a key's sign state and mark on the chain's volume."""
    return operator.kube.volume(home) / pathlib.Path(names.SIGNING_PATH).name / key


def copied(operator: operators.Operator, home: str, key: str) -> dict[str, bytes]:
    """A copy of a key's sign state and mark, by name."""
    folder = signing(operator, home, key)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def signed(copy: Mapping[str, bytes]) -> int:
    """The height of a copied sign state."""
    return int(json.loads(copy[STATE])["height"])


def put_back(operator: operators.Operator, home: str, key: str, files: Mapping[str, bytes]) -> None:
    """Lay a sign state and its mark as they were when they were copied."""
    folder = signing(operator, home, key)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, objects.RUN_AS, objects.RUN_AS)


def stop(operator: operators.Operator, home: str) -> None:
    """Scale the node to no pods and wait until its pod has gone; the next pass scales it back."""
    node = operator.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)
    node["spec"]["replicas"] = 0
    operator.kube.put(kinds.STATEFUL_SET, node)
    waiting.until("the node has ended", lambda: operator.kube.pod(home) is None)


def delete_claim(operator: operators.Operator, home: str) -> None:
    """Delete the claim, which no pod uses, and wait until it has gone."""
    operator.kube.delete(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME)
    waiting.until(
        "the claim is gone", lambda: operator.kube.find(kinds.VOLUME_CLAIM, home, names.VOLUME_NAME) is None
    )


def make_claim(operator: operators.Operator, home: str, like: kube.Object | None = None) -> None:
    """Make the claim by hand, and wait until it has its volume.

    Args:
        operator: whose cluster.
        home: the chain's namespace.
        like: an earlier one, whose labels and notes it gets, as backup tools do; None: it gets none.
    """
    metadata = {"name": names.VOLUME_NAME, "namespace": home}
    operator.kube.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata if like is None else metadata | notes(like),
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    waiting.until("the new one is there", lambda: "volumeName" in claim(operator, home)["spec"])


def notes(item: kube.Object) -> dict[str, Any]:
    """Labels and annotations of an object, without those that Kubernetes itself writes."""
    metadata = item["metadata"]
    return {
        field: {
            key: text
            for key, text in (metadata.get(field) or {}).items()
            if "kubernetes.io/" not in key
            or key.startswith(("app.kubernetes.io/", "applyset.kubernetes.io/"))
        }
        for field in ("labels", "annotations")
    }


def forget_certificates(operator: operators.Operator, home: str, key: str) -> None:
    """Change a key's mark as if the cluster had had another CA when it was written."""
    mark = signing(operator, home, key) / MARK
    mark.write_text(re.sub(r"^ca .*$", f"ca {FOREIGN}", mark.read_text(), flags=re.MULTILINE))


def watermark(operator: operators.Operator, home: str, key: str) -> int:
    """The height that is recorded for a key outside of the volume, -1 if there is none."""
    found = operator.kube.find(kinds.CONFIG_MAP, home, names.WATERMARK) or {}
    return int((found.get("data") or {}).get(key, "-1"))
