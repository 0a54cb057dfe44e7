"""Queries of the cluster for `ics doctor`."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ics import errors, names, proxies
from ics.cli.doctor import cluster_checks, registry
from ics.cluster import snapshots
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.config import settings
from ics.manifests import rights

_REVIEW = kinds.Kind(
    name="SelfSubjectAccessReview",
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    is_namespaced=False,
    rank=-1,
)
_NODE = kinds.Kind(name="Node", group="", version="v1", plural="nodes", is_namespaced=False, rank=-1)


async def granted(
    kube: client.KubeClient, settings: settings.Settings
) -> Mapping[cluster_checks.AccessRight, bool]:
    """Ask the cluster whether it grants each right that passes use; every user may ask that for itself."""
    wanted = rights.used(settings.gateway.namespace, settings.reconciler.enabled, rights.optional(settings))
    return await _granted(kube, wanted)


async def granted_to_pulumi(kube: client.KubeClient) -> Mapping[cluster_checks.AccessRight, bool]:
    """Ask the cluster whether it grants each further right that passes with Pulumi use."""
    return await _granted(kube, rights.used_by_pulumi())


async def _granted(
    kube: client.KubeClient, rights: Iterable[tuple[str, str, str, str]]
) -> Mapping[cluster_checks.AccessRight, bool]:
    wanted = [cluster_checks.AccessRight(*right) for right in rights]
    answers = await asyncio.gather(*(_is_granted(kube, right) for right in wanted))
    return dict(zip(wanted, answers, strict=True))


async def _is_granted(kube: client.KubeClient, right: cluster_checks.AccessRight) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": _REVIEW.name,
        "spec": {"resourceAttributes": attributes},
    }
    answer = await kube.send(
        requests.KubeRequest(verb="create", kind=_REVIEW, body=json.dumps(body).encode())
    )
    return answer.body["status"].get("allowed") is True


async def storage_classes(kube: client.KubeClient) -> list[dict[str, Any]]:
    """Return all StorageClasses."""
    return await kube.select(kinds.STORAGE_CLASS, {})


async def nodes(kube: client.KubeClient) -> list[dict[str, Any]]:
    """Return all machines of the cluster."""
    return await kube.select(_NODE, {})


async def snapshot_classes(kube: client.KubeClient) -> list[dict[str, Any]]:
    """Return all VolumeSnapshotClasses.

    Raises:
        Permanent: the cluster does not know the kind.
    """
    try:
        return await kube.select(kinds.VOLUME_SNAPSHOT_CLASS, {})
    except api_errors.ObjectNotFound:
        raise errors.Permanent(snapshots.NO_KIND) from None


async def services(kube: client.KubeClient) -> list[dict[str, Any]]:
    """Return all Services of the cluster."""
    return await kube.select(kinds.SERVICE, {})


async def pulls(kube: client.KubeClient, validator: str, wanted: Iterable[str]) -> cluster_checks.ImagePulls:
    """Look for images on the nodes and at our own pods, and for the rest at their registries."""
    ours = {names.MANAGED_BY: names.MANAGER, names.VALIDATOR: validator}
    nodes, pods = await asyncio.gather(kube.select(_NODE, {}), kube.select(kinds.POD, ours))
    there = frozenset(
        name
        for node in nodes
        for image in (node.get("status") or {}).get("images") or []
        for name in image.get("names") or []
    )
    failing = cluster_checks.failing_pulls(pods)
    # A node names Docker Hub's images in full.
    missing = [
        image
        for image in wanted
        if image not in failing and not {image, f"docker.io/{image}", f"docker.io/library/{image}"} & there
    ]
    async with proxies.new_client(timeout=5.0) as session:
        said = await asyncio.gather(*(registry.problem(image, session) for image in missing))
    on_nodes = frozenset(wanted) - frozenset(missing)
    return cluster_checks.ImagePulls(on_nodes, failing, dict(zip(missing, said, strict=True)))
