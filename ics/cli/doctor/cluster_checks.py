"""Judges what the cluster told: rights, storage, LoadBalancer, ports, images; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import names
from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.cluster import gateway as cluster_gateway
from ics.config import settings

_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_CANNOT_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


@dataclass(frozen=True, slots=True)
class Right:
    """One right, as RBAC names it."""

    group: str
    resource: str
    """With its subresource, such as `pods/proxy`."""
    verb: str
    namespace: str
    """Empty: in all of them."""


def rights(answers: Mapping[Right, bool]) -> list[Finding]:
    """Name the rights that are missing, one line for each resource.

    Args:
        answers: whether the cluster's authorization grants each.
    """
    missing: dict[tuple[str, str, str], list[str]] = {}
    for right, is_granted in answers.items():
        if not is_granted:
            missing.setdefault((right.group, right.resource, right.namespace), []).append(right.verb)
    lines = [
        f"missing: {', '.join(sorted(verbs))} {resource}{f'.{group}' if group else ''}"
        f" {f'in namespace {namespace}' if namespace else 'in the whole cluster'}: grant it by a"
        f" {'RoleBinding' if namespace else 'ClusterRoleBinding'}"
        for (group, resource, namespace), verbs in sorted(missing.items())
    ]
    return findings.of_problems("rights", lines, f"all {len(answers)} that passes use are granted")


def storage(classes: Sequence[Mapping[str, Any]], wanted: str) -> Finding:
    """Judge the StorageClass of the volumes.

    Args:
        classes: all StorageClasses of the cluster.
        wanted: `ics:node.storage_class`.
    """
    names = sorted(one["metadata"]["name"] for one in classes)
    known = ", ".join(names) or "none"
    check = "ics:node.storage_class"
    if wanted:
        if wanted in names:
            return findings.ok(check, wanted)
        return findings.fail(
            check, f"the cluster has no StorageClass {wanted!r}, only {known}: name one of them"
        )
    default = [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(_IS_DEFAULT) == "true"
    ]
    if default:
        return findings.ok(check, f"the cluster's default, {', '.join(sorted(default))}")
    return findings.fail(
        check, f"is empty and the cluster has no default StorageClass, only {known}: name one"
    )


def gateway(found: cluster_gateway.Balancer | None, settings: settings.Gateway) -> Finding:
    """Judge the shared LoadBalancer."""
    check = f"LoadBalancer {settings.namespace}/{names.GATEWAY_SERVICE}"
    if found is None:
        return findings.ok(check, "is not there yet; it is made with the first chain")
    if found.address is not None:
        return findings.ok(check, f"is at {found.address}")
    if settings.host:
        return findings.ok(check, f"has no address of its own; ics:gateway.host says {settings.host}")
    return Finding(
        check,
        findings.Level.FAIL,
        "has no address: peers cannot reach this validator's nodes: see `kubectl describe service`, or set"
        " ics:gateway.cloud, or ics:gateway.host",
        may_pass=True,
    )


def ports(
    services: Iterable[Mapping[str, Any]], own: str, found: cluster_gateway.Balancer | None
) -> list[Finding]:
    """Other LoadBalancers that take a port of ours at the same address.

    Args:
        services: all Services of the cluster.
        own: the gateway's namespace.
        found: the shared LoadBalancer.
    """
    if found is None or found.address is None:
        return [findings.ok("ports", "none is in use yet")]
    taken = []
    for service in services:
        metadata, spec = service["metadata"], service.get("spec") or {}
        if spec.get("type") != "LoadBalancer" or metadata["namespace"] == own:
            continue
        entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        if found.address not in [entry.get("ip") or entry.get("hostname") for entry in entries]:
            continue
        same = sorted(found.ports & {int(port["port"]) for port in spec.get("ports") or []})
        if same:
            name = f"{metadata['namespace']}/{metadata['name']}"
            taken.append(
                f"Service {name} has {', '.join(map(str, same))} at the same address {found.address}: give"
                " one of the two another address"
            )
    return findings.of_problems("ports", taken, f"{len(found.ports)} in use, and by nobody else")


@dataclass(frozen=True, slots=True)
class Pulls:
    """What is known of getting images into the cluster."""

    on_nodes: frozenset[str]
    """Names of images that some node has."""
    failing: Mapping[str, str]
    """By image: the pod that waits for it, and why."""
    registry: Mapping[str, str]
    """By image, for those on no node: what its registry says, asked from here; empty: it has it."""


def failing_pulls(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By image: `namespace/pod: reason` of our pods that wait for it."""
    found = {}
    for pod in pods:
        status = pod.get("status") or {}
        for kind in ("initContainerStatuses", "containerStatuses"):
            for container in status.get(kind) or []:
                waiting = (container.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in _CANNOT_PULL:
                    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                    found[container["image"]] = f"{name}: {waiting['reason']}"
    return found


def images(wanted: Mapping[str, str], pulls: Pulls) -> list[Finding]:
    """Judge whether the cluster can have the images.

    Args:
        wanted: by image, which setting or definition names it.
        pulls: what is known.
    """
    found = []
    for image, named_by in sorted(wanted.items()):
        check = f"image {image}"
        if image in pulls.failing:
            text = (
                f"{pulls.failing[image]}: mend its name in {named_by}, or the cluster's way to its registry"
            )
            found.append(Finding(check, findings.Level.FAIL, text, may_pass=True))
        elif image in pulls.on_nodes:
            found.append(findings.ok(check, "a node has it"))
        elif problem := pulls.registry.get(image, ""):
            text = f"no node has it, and asked from here {problem}: mend its name in {named_by}"
            found.append(findings.warn(check, text))
        else:
            found.append(findings.ok(check, "no node has it yet; its registry does"))
    return found
