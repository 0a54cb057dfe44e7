"""Parts shared by several manifests: metadata, labels, pod security."""

import base64
import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.config import pods
from ics.config import settings as config_settings
from ics.consumer import chain
from ics.cosmos import canonical_json

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
POD_SECURITY_LABELS: Mapping[str, str] = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
"""Labels of every namespace: what breaks the standard is refused, and named at once where a workload is created."""
SKIP_AWAIT: Mapping[str, str] = {"pulumi.com/skipAwait": "true"}
"""Pulumi does not wait for readiness: a chain waits for its quorum, and a slow one must not delay an
update."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of objects, recorded in the labels of every object."""

    validator: str
    provider_chain_id: str
    consumer_id: str = ""
    chain_id: str = ""

    def of_chain(self, chain: chain.ChainPlan) -> "Owner":
        """Return the owner of one chain's objects, of the same validator and provider."""
        return dataclasses.replace(self, consumer_id=chain.consumer_id, chain_id=chain.chain_id)

    def labels(self, component: str) -> dict[str, str]:
        """Return the labels of one object."""
        labels = {
            names.MANAGED_BY: names.MANAGER,
            names.COMPONENT: component,
            names.VALIDATOR: self.validator,
            names.PROVIDER: names.label_value(self.provider_chain_id),
        }
        if self.consumer_id:
            labels[names.CONSUMER] = self.consumer_id
        return labels

    def selector(self, component: str = "") -> dict[str, str]:
        """Return the labels that select all objects of this owner, or those of one component."""
        selector = {
            names.VALIDATOR: self.validator,
            names.PROVIDER: names.label_value(self.provider_chain_id),
        }
        if self.consumer_id:
            selector[names.CONSUMER] = self.consumer_id
        if component:
            selector[names.COMPONENT] = component
        return selector

    def metadata(
        self,
        name: str,
        component: str,
        namespace: str | None = None,
        annotations: Mapping[str, str] | None = None,
        is_retained: bool = False,
    ) -> dict[str, Any]:
        """Return the `metadata` of one object; only `ics purge` deletes a retained object."""
        metadata: dict[str, Any] = {"name": name, "labels": self.labels(component)}
        if namespace is not None:
            metadata["namespace"] = namespace
        if is_retained:
            metadata["labels"][names.RETAIN] = "true"
        merged = dict(annotations or {})
        if self.chain_id:
            merged[names.CHAIN_ID] = self.chain_id
        if merged:
            metadata["annotations"] = merged
        return metadata


def namespace(owner: Owner, name: str) -> dict[str, Any]:
    """Return a retained namespace that admits only pods without privileges (Pod Security Standards)."""
    metadata = owner.metadata(name, names.NAMESPACE, is_retained=True)
    metadata["labels"] |= POD_SECURITY_LABELS
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def config_map(metadata: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """Return a ConfigMap of text values."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def secret(metadata: Mapping[str, Any], data: Mapping[str, model.Secret]) -> dict[str, Any]:
    """Return a Secret; only this function writes secret values in plain text."""
    encoded = {key: base64.b64encode(value.reveal()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def variables(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return environment variables of a container.

    An empty value is omitted, which means the same to Kubernetes: Pulumi's plugin omits it in any case, and the engines
    would make different objects. So a value that another field manager may set must never be empty: an apply without it
    does not take it back.
    """
    return [{"name": name, **({"value": value} if value else {})} for name, value in values.items()]


def volume_spec(node: config_settings.NodeSettings, storage: str) -> dict[str, Any]:
    """Return the spec of the claim of a consumer node's volume.

    Args:
        node: settings of the stack.
        storage: size of the volume.
    """
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage}},
    }
    if node.storage_class:
        spec["storageClassName"] = node.storage_class
    return spec


def literal_variables(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return environment variables whose values are taken as they are: Kubernetes expands `$(NAME)` in no part."""
    return variables({name: value.replace("$(", "$$(") for name, value in values.items()})


def pod_spec(
    containers: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]], **fields: Any
) -> dict[str, Any]:
    """Return the spec of an unprivileged pod without a service account token.

    Args:
        containers: the containers.
        volumes: the volumes.
        fields: further fields by their Kubernetes names; they override the defaults.
    """
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": dict(POD_SECURITY),
        "containers": list(containers),
        "volumes": list(volumes),
        **fields,
    }


def pod_template(
    labels: Mapping[str, str],
    spec: Mapping[str, Any],
    settings: pods.PodSettings,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a pod template with the operator's own pod settings, which add to ours and replace nothing of them.

    Args:
        labels: ours.
        spec: see `pod_spec`.
        settings: the operator's.
        annotations: ours.
    """
    metadata: dict[str, Any] = {"labels": {**settings.labels, **labels}}
    notes = {**settings.annotations, **(annotations or {})}
    if notes:
        metadata["annotations"] = notes
    theirs = settings.spec()
    affinity = _joined(theirs.get("affinity", {}), spec.get("affinity", {}))
    return {
        "metadata": metadata,
        "spec": {**theirs, **spec, **({"affinity": affinity} if affinity else {})},
    }


def _joined(theirs: Any, ours: Any) -> Any:
    """Return both affinities: all terms of either must hold."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        keys = (*theirs, *(key for key in ours if key not in theirs))
        return {key: _joined(theirs.get(key), ours.get(key)) for key in keys}
    if isinstance(theirs, list) and isinstance(ours, list):
        return [*theirs, *ours]
    return theirs if ours is None else ours


def node_template(
    labels: Mapping[str, str],
    spec: Mapping[str, Any],
    settings: pods.PodSettings,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the pod template of a node, with the digests that `update_strategy` compares."""
    bare = pod_template(labels, spec, pods.PodSettings.defaults(), annotations)
    digests = {names.TEMPLATE: checksum(bare), names.POD_SETTINGS: settings.digest()}
    return pod_template(labels, spec, settings, {**(annotations or {}), **digests})


def revision_notes(template: Mapping[str, Any], revision: int) -> dict[str, str]:
    """Return the annotations with which a StatefulSet says of which revision its template is, and which one.

    Args:
        template: see `node_template`.
        revision: see `ics.consumer.revision`.
    """
    return {
        names.NODE_REVISION: str(revision),
        names.TEMPLATE: template["metadata"]["annotations"][names.TEMPLATE],
    }


_YOUNG = datetime.timedelta(seconds=180)
"""Age of a pod below which it may be replaced at once: it was deleted or evicted a moment ago."""


def update_strategy(
    template: Mapping[str, Any], pod: model.PodStatus | None, now: datetime.datetime
) -> dict[str, Any]:
    """Return the update strategy of a node's StatefulSet: a running validator is not restarted for pod settings only.

    Its pod gets them when it is made again for another reason, for example because its host is drained.

    Args:
        template: see `node_template`.
        pod: the running one, None if there is none or it was not observed.
        now: time of the provider's block.
    """
    notes = template["metadata"]["annotations"]
    is_running = pod is not None and pod.ip is not None and not pod.waiting and pod.gone_by is None
    is_held = (
        pod is not None
        and is_running
        and pod.template == notes[names.TEMPLATE]
        and pod.pod_settings != notes[names.POD_SETTINGS]
        and not is_young(pod, now)
    )
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": 1 if is_held else 0}}


def is_young(pod: model.PodStatus, now: datetime.datetime) -> bool:
    """Return whether a pod was made so recently that replacing it does no harm."""
    return pod.created is not None and now - pod.created < _YOUNG


def checksum(value: object) -> str:
    """Return a short digest that rolls a pod when files it reads at its start change."""
    return canonical_json.sha256_hex(json.dumps(value, sort_keys=True).encode())[:16]
