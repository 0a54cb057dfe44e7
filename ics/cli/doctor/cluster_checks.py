"""Checks of the cluster's answers: rights, storage, LoadBalancer, ports, images; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import names
from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.cluster import gateway as cluster_gateway
from ics.config import settings, units

_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_SHARED = (
    "nfs",
    "cephfs",
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "fsx.openzfs.csi.aws.com",
    "filestore.csi.storage.gke.io",
    "file.csi.azure.com",
    "azure-file",
    "smb.csi.k8s.io",
    "glusterfs",
    "lustre",
    "beegfs",
    "juicefs",
    "spectrumscale.csi.ibm.com",
    "csi.weka.io",
    "quobyte",
    "seaweedfs",
)
"""Parts of the names of provisioners whose volumes several machines can mount at once: file systems, not disks."""
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_CANNOT_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


@dataclass(frozen=True, slots=True)
class AccessRight:
    """One right, as RBAC names it."""

    group: str
    resource: str
    """With its subresource, such as `pods/proxy`."""
    verb: str
    namespace: str
    """Empty: in all of them."""


def rights(answers: Mapping[AccessRight, bool], user: str = "passes use") -> list[Finding]:
    """Report missing rights, one line for each resource.

    Args:
        answers: whether the cluster's authorization grants each.
        user: who uses them, in words.
    """
    missing: dict[tuple[str, str, str], list[str]] = {}
    for right, is_granted in answers.items():
        if not is_granted:
            missing.setdefault((right.group, right.resource, right.namespace), []).append(right.verb)
    lines = [
        f"missing: {', '.join(sorted(verbs))} {resource}{f'.{group}' if group else ''}"
        f" {f'in namespace {namespace}' if namespace else 'in the whole cluster'}; grant it with a"
        f" {'RoleBinding' if namespace else 'ClusterRoleBinding'}"
        for (group, resource, namespace), verbs in sorted(missing.items())
    ]
    return findings.of_problems("rights", lines, f"all {len(answers)} rights that {user} are granted")


def storage(classes: Sequence[Mapping[str, Any]], wanted: str) -> Finding:
    """Check the StorageClass of the volumes.

    Args:
        classes: all StorageClasses of the cluster.
        wanted: `ics:node.storage_class`.
    """
    names = sorted(storage_class["metadata"]["name"] for storage_class in classes)
    known = ", ".join(names) or "none"
    check = "ics:node.storage_class"
    if wanted:
        if wanted in names:
            return findings.ok(check, wanted)
        return findings.fail(
            check, f"the cluster has no StorageClass {wanted!r}, only {known}; set one of them"
        )
    default = [found["metadata"]["name"] for found in classes if _is_default(found)]
    if default:
        return findings.ok(check, f"the cluster's default, {', '.join(sorted(default))}")
    return findings.fail(
        check, f"not set, and the cluster has no default StorageClass, only {known}; set one"
    )


def shared_storage(classes: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]) -> list[Finding]:
    """Report StorageClasses whose volumes do not keep a second machine from running a node on them.

    Two processes with one key on one machine are stopped by the lock of the node's database, on two machines by a disk
    that attaches to one of them only. A shared file system does neither for certain.

    Args:
        classes: all StorageClasses of the cluster.
        wanted: name of the StorageClass by setting; empty: the cluster's default.
    """
    by_name = {storage_class["metadata"]["name"]: storage_class for storage_class in classes}
    defaults = sorted(name for name, found in by_name.items() if _is_default(found))
    results = []
    for setting, name in wanted.items():
        used = name or next(iter(defaults), "")
        provisioner = str(by_name.get(used, {}).get("provisioner", ""))
        if any(part in provisioner.lower() for part in _SHARED):
            text = (
                f"{used} ({provisioner}) is a shared file system: two machines can mount a volume at once, and its"
                " locks may not hold between them, so a pod that is forced off a lost machine may still sign beside the"
                " new one; use a class of disks that attach to one machine"
            )
            results.append(findings.warn(setting, text))
    return results


def growth(classes: Sequence[Mapping[str, Any]], settings: settings.Settings) -> list[Finding]:
    """Check whether the volumes that the settings let grow can; empty if they let none.

    Args:
        classes: all StorageClasses of the cluster.
        settings: of the stack.
    """
    check, most = "ics:node.volume.max", settings.node.volume.max
    if most is None:
        return []
    results = []
    for setting, name, size in _volumes(settings):
        found = _used(classes, name)
        if found is None:
            continue  # reported with the setting of the class
        used = found["metadata"]["name"]
        if found.get("allowVolumeExpansion") is not True:
            text = (
                f"StorageClass {used} ({setting}.storage_class) does not expand volumes, so they do not grow; set its"
                " allowVolumeExpansion if its driver can do that, or another class for new volumes"
            )
            results.append(findings.fail(check, text))
        elif units.amount(size) >= units.amount(most):
            text = f"{most} is not more than {setting}.storage ({size}), so volumes of that size do not grow"
            results.append(findings.warn(check, text))
        else:
            results.append(findings.ok(check, f"{used} expands volumes, up to {most}"))
    return list(dict.fromkeys(results))


def snapshots(
    snapshot_classes: Sequence[Mapping[str, Any]],
    classes: Sequence[Mapping[str, Any]],
    settings: settings.Settings,
) -> list[Finding]:
    """Check whether snapshots of the volumes can be made; empty if the settings ask for none.

    Args:
        snapshot_classes: all VolumeSnapshotClasses of the cluster.
        classes: all of its StorageClasses.
        settings: of the stack.
    """
    check, wanted = "ics:snapshots.class", settings.snapshots.class_name
    if not wanted:
        return []
    drivers = {one["metadata"]["name"]: str(one.get("driver", "")) for one in snapshot_classes}
    if wanted not in drivers:
        known = ", ".join(sorted(drivers)) or "none"
        return [
            findings.fail(
                check, f"the cluster has no VolumeSnapshotClass {wanted!r}, only {known}; set one of them"
            )
        ]
    results = []
    for setting, name, _ in _volumes(settings):
        found = _used(classes, name)
        provisioner = "" if found is None else str(found.get("provisioner", ""))
        if found is not None and provisioner != drivers[wanted]:
            text = (
                f"{wanted} is of driver {drivers[wanted]}, but StorageClass {found['metadata']['name']}"
                f" ({setting}.storage_class) is of {provisioner}, so it makes no snapshots of these; set a class"
                " of that driver"
            )
            results.append(findings.fail(check, text))
    return list(dict.fromkeys(results)) or [findings.ok(check, f"{wanted}, of driver {drivers[wanted]}")]


def _volumes(settings: settings.Settings) -> list[tuple[str, str, str]]:
    """Return setting, StorageClass (empty: the default) and size of the volumes of chains, and of the provider node."""
    own = settings.provider_node
    volumes = [("ics:node", settings.node.storage_class, settings.node.storage)]
    return [*volumes, ("ics:provider_node", own.storage_class, own.storage)] if own.enabled else volumes


def _used(classes: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """Return the StorageClass of a name, or the default one; None if there is none."""
    return next(
        (one for one in classes if (one["metadata"]["name"] == name if name else _is_default(one))), None
    )


def _is_default(storage_class: Mapping[str, Any]) -> bool:
    return (storage_class["metadata"].get("annotations") or {}).get(_IS_DEFAULT) == "true"


def gateway(balancer: cluster_gateway.Balancer | None, settings: settings.GatewaySettings) -> Finding:
    """Check the shared LoadBalancer."""
    check = f"LoadBalancer {settings.namespace}/{names.GATEWAY_SERVICE}"
    if balancer is None:
        return findings.ok(check, "not created yet; it is created with the first chain")
    if balancer.address is not None:
        return findings.ok(check, f"has address {balancer.address}")
    if settings.host:
        return findings.ok(check, f"has no address; ics:gateway.host is {settings.host}")
    return Finding(
        check,
        findings.Level.FAIL,
        "has no address, so peers cannot reach this validator's nodes; see `kubectl describe service`, or set"
        " ics:gateway.cloud or ics:gateway.host",
        may_pass=True,
    )


def ports(
    services: Iterable[Mapping[str, Any]], own: str, balancer: cluster_gateway.Balancer | None
) -> list[Finding]:
    """Report other LoadBalancers that use one of our ports at the same address.

    Args:
        services: all Services of the cluster.
        own: the gateway's namespace.
        balancer: the shared LoadBalancer.
    """
    if balancer is None or balancer.address is None:
        return [findings.ok("ports", "none in use yet")]
    taken = []
    for service in services:
        metadata, spec = service["metadata"], service.get("spec") or {}
        if spec.get("type") != "LoadBalancer" or metadata["namespace"] == own:
            continue
        entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        if balancer.address not in [entry.get("ip") or entry.get("hostname") for entry in entries]:
            continue
        same = sorted(balancer.ports & {int(port["port"]) for port in spec.get("ports") or []})
        if same:
            name = f"{metadata['namespace']}/{metadata['name']}"
            taken.append(
                f"Service {name} has {', '.join(map(str, same))} at the same address {balancer.address}; give"
                " one of the two another address"
            )
    return findings.of_problems("ports", taken, f"{len(balancer.ports)} in use, no conflicts")


@dataclass(frozen=True, slots=True)
class ImagePulls:
    """Availability of images in the cluster."""

    on_nodes: frozenset[str]
    """Images that are on some node."""
    failing: Mapping[str, str]
    """By image: the waiting pod, and why."""
    registry: Mapping[str, str]
    """By image that is on no node: the problem its registry reports to this machine; empty: none."""


def failing_pulls(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return `namespace/pod: reason` of our pods that wait for an image, by image."""
    waiting_pods = {}
    for pod in pods:
        status = pod.get("status") or {}
        for kind in ("initContainerStatuses", "containerStatuses"):
            for container in status.get(kind) or []:
                waiting = (container.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in _CANNOT_PULL:
                    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                    waiting_pods[container["image"]] = f"{name}: {waiting['reason']}"
    return waiting_pods


def tags(wanted: Mapping[str, str]) -> list[Finding]:
    """Warn of images that are named by a tag: all of them run beside a key.

    Args:
        wanted: by image, which setting or definition names it.
    """
    return [
        findings.warn(
            f"image {image}",
            f"named by a tag in {named_by}, so whoever may push to its registry can exchange the program beside your"
            " key; name it by digest, NAME@sha256:…, as in the imageID of a running pod",
        )
        for image, named_by in sorted(wanted.items())
        if not _DIGEST.search(image)
    ]


def images(wanted: Mapping[str, str], pulls: ImagePulls) -> list[Finding]:
    """Check whether the cluster can get the images.

    Args:
        wanted: by image, which setting or definition names it.
        pulls: what is known.
    """
    results = []
    for image, named_by in sorted(wanted.items()):
        check = f"image {image}"
        if image in pulls.failing:
            text = (
                f"{pulls.failing[image]}; fix its name in {named_by}, or the cluster's access to its registry"
            )
            results.append(Finding(check, findings.Level.FAIL, text, may_pass=True))
        elif image in pulls.on_nodes:
            results.append(findings.ok(check, "on a node"))
        elif problem := pulls.registry.get(image, ""):
            text = f"on no node, and from this machine {problem}; check its name in {named_by}"
            results.append(findings.warn(check, text))
        else:
            results.append(findings.ok(check, "available in its registry, on no node yet"))
    return results
