"""Shapes that several manifests share: metadata, labels, pod security."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import model, names

RUN_AS = 1000
"""uid and gid of every container."""

POD_SECURITY: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": RUN_AS,
    "runAsGroup": RUN_AS,
    "fsGroup": RUN_AS,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
SKIP_AWAIT: Mapping[str, str] = {"pulumi.com/skipAwait": "true"}
"""Readiness is judged here: a chain waits for its quorum, and one slow chain must not hold an update."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose objects these are: goes into the labels of every object."""

    validator: str
    provider_chain_id: str
    consumer_id: str = ""
    chain_id: str = ""

    def labels(self, component: str) -> dict[str, str]:
        """Labels of one object."""
        found = {
            names.MANAGED_BY: names.MANAGER,
            names.COMPONENT: component,
            names.VALIDATOR: self.validator,
            names.PROVIDER: names.label_value(self.provider_chain_id),
        }
        if self.consumer_id:
            found[names.CONSUMER] = self.consumer_id
        return found

    def metadata(
        self,
        name: str,
        component: str,
        namespace: str | None = None,
        annotations: Mapping[str, str] | None = None,
        is_retained: bool = False,
    ) -> dict[str, Any]:
        """`metadata` of one object; what is retained leaves only with `ics purge`."""
        found: dict[str, Any] = {"name": name, "labels": self.labels(component)}
        if namespace is not None:
            found["namespace"] = namespace
        if is_retained:
            found["labels"][names.RETAIN] = "true"
        notes = dict(annotations or {})
        if self.chain_id:
            notes[names.CHAIN_ID] = self.chain_id
        if notes:
            found["annotations"] = notes
        return found


def config_map(metadata: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap of text values."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def secret(metadata: Mapping[str, Any], data: Mapping[str, model.Secret]) -> dict[str, Any]:
    """A Secret; the only place where a secret value is written in plain."""
    encoded = {key: base64.b64encode(value.reveal()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def checksum(value: object) -> str:
    """Short digest that rolls a pod when what it reads at its start has changed."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
