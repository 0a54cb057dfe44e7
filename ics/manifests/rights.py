"""RBAC rights of the reconciler: exactly those that passes use; pure.

`tests/cluster/test_reconciler_rights.py` compares them with the requests of whole passes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ics import names
from ics.config import settings
from ics.manifests import chain_kind, objects

_RBAC = "rbac.authorization.k8s.io"

# Namespaces are created and named as chains appear, so a narrower scope is not possible.
_CLUSTER: Sequence[tuple[str, str, str]] = (
    ("", "namespaces", "create get list patch"),
    ("", "configmaps", "create delete get list patch"),
    # Metadata would be enough for some requests, but RBAC has no such right.
    ("", "secrets", "create delete get list patch"),
    ("", "services", "create delete get list patch update"),
    ("", "persistentvolumeclaims", "create get list patch"),
    ("", "serviceaccounts", "get list"),
    # The daemon watches its pods.
    ("", "pods", "delete get list watch"),
    ("", "pods/log", "get"),
    ("", "pods/proxy", "get"),
    ("apps", "statefulsets", "create delete get list patch"),
    ("apps", "deployments", "create delete get list patch"),
    ("batch", "jobs", "create delete get list"),
    ("batch", "cronjobs", "get list"),
    ("networking.k8s.io", "networkpolicies", "create delete get list patch"),
    ("events.k8s.io", "events", "create get patch"),
    (names.DOMAIN, chain_kind.PLURAL, "create delete list patch"),
    (names.DOMAIN, f"{chain_kind.PLURAL}/status", "patch"),
    (_RBAC, "clusterroles", "get list"),
    (_RBAC, "clusterrolebindings", "get list"),
    (_RBAC, "roles", "get list"),
    (_RBAC, "rolebindings", "get list"),
)
_GATEWAY: Sequence[tuple[str, str, str]] = (
    ("coordination.k8s.io", "leases", "create get update"),
    ("discovery.k8s.io", "endpointslices", "create delete list patch"),
)
"""In the gateway's namespace."""
_SNAPSHOTS: Sequence[tuple[str, str, str]] = (
    ("snapshot.storage.k8s.io", "volumesnapshots", "create delete list"),
)
"""Further rights for stacks with `ics:snapshots.class`."""
_GROWTH: Sequence[tuple[str, str, str]] = (("storage.k8s.io", "storageclasses", "get"),)
"""Further rights for stacks with `ics:node.volume.max`."""
_MONITORING: Sequence[tuple[str, str, str]] = (
    ("monitoring.coreos.com", "podmonitors", "create delete get list patch"),
    ("monitoring.coreos.com", "prometheusrules", "create delete get list patch"),
)
"""Further rights for stacks without `ics:monitoring.enabled: false`."""
_PULUMI: Sequence[tuple[str, str, str]] = (
    # Its Kubernetes plugin waits for the end of what it deletes, and without these rights in vain.
    ("", "configmaps", "watch"),
    ("", "events", "list watch"),
    ("", "secrets", "watch"),
    ("", "services", "watch"),
    ("apps", "statefulsets", "watch"),
    ("apps", "deployments", "watch"),
    ("networking.k8s.io", "networkpolicies", "watch"),
)
"""Further rights for passes with Pulumi."""
_DOCTOR: Sequence[tuple[str, str, str]] = (
    ("", "nodes", "list"),
    ("storage.k8s.io", "storageclasses", "list"),
    ("snapshot.storage.k8s.io", "volumesnapshotclasses", "list"),
    # For `ics events`.
    ("events.k8s.io", "events", "list"),
)
"""Further rights for `ics doctor`."""

_OF_ITS_OWN = frozenset({"serviceaccounts", "cronjobs"})

Subject: TypeAlias = Mapping[str, str]
"""RBAC subject."""


def optional(settings: settings.Settings) -> Sequence[tuple[str, str, str]]:
    """Return the rights that only some stacks use, as this one's settings say: group, resource, verbs."""
    return (
        *(_SNAPSHOTS if settings.snapshots.class_name else ()),
        *(_GROWTH if settings.node.volume.max is not None else ()),
        *(_MONITORING if settings.monitoring.enabled is not False else ()),
    )


def role(kind: str, metadata: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a Role or ClusterRole."""
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": dict(metadata), "rules": list(rules)}


def binding(kind: str, metadata: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """Return the binding of the Role or ClusterRole of the same name."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": metadata["name"]},
        "subjects": [dict(subject)],
    }


def of_operator(subject: Subject, gateway: str, with_pulumi: bool = False) -> list[dict[str, Any]]:
    """Return the roles and bindings for running passes from outside the cluster.

    They do not allow `ics purge` and `ics restore`, which delete volumes. The gateway's namespace is included, because
    a Role needs an existing one.

    Args:
        subject: the user, group or service account of the operator's kubeconfig.
        gateway: the gateway's namespace.
        with_pulumi: whether passes may run Pulumi.
    """
    in_whole = (*_CLUSTER, *_SNAPSHOTS, *_GROWTH, *_MONITORING, *(_PULUMI if with_pulumi else ()), *_DOCTOR)
    name = f"ics-{gateway}-operator"
    whole, within = {"name": name}, {"name": name, "namespace": gateway}
    # As a pass would create it.
    labels = dict(objects.POD_SECURITY_LABELS)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gateway, "labels": labels}}
    manifests = [chain_kind.definition(), namespace]
    for kind, table, metadata in (("ClusterRole", in_whole, whole), ("Role", _GATEWAY, within)):
        rules = [_rule(*right) for right in table if _is_of_operator(*right[:2])]
        if kind == "ClusterRole":
            rules.append(_of_definition())
        manifests += [role(kind, metadata, rules), binding(kind, metadata, subject)]
    return manifests


def _is_of_operator(group: str, resource: str) -> bool:
    return group != _RBAC and resource not in _OF_ITS_OWN


def used(
    gateway: str, has_reconciler: bool, optional: Sequence[tuple[str, str, str]] = ()
) -> Iterator[tuple[str, str, str, str]]:
    """Yield group, resource, verb and namespace (empty: all) of every right that passes use.

    Args:
        gateway: the gateway's namespace.
        has_reconciler: whether the stack installs a reconciler, whose own objects are read too.
        optional: see `optional`.
    """
    for table, namespace in (((*_CLUSTER, *optional), ""), (_GATEWAY, gateway)):
        for group, resource, verbs in table:
            if has_reconciler or _is_of_operator(group, resource):
                yield from ((group, resource, verb, namespace) for verb in verbs.split())


def used_by_pulumi() -> Iterator[tuple[str, str, str, str]]:
    """Yield the further rights that passes with Pulumi use, as `used` does."""
    for group, resource, verbs in _PULUMI:
        yield from ((group, resource, verb, "") for verb in verbs.split())


def in_cluster(
    name: str, with_pulumi: bool = False, optional: Sequence[tuple[str, str, str]] = ()
) -> list[dict[str, Any]]:
    """Return the rules of the ClusterRole.

    Args:
        name: of the ClusterRole and its binding. The reconciler can only restore these, because the API
            server forbids granting rights that the client does not have.
        with_pulumi: whether its passes may run Pulumi.
        optional: see `optional`.
    """
    table = (*_CLUSTER, *optional, *(_PULUMI if with_pulumi else ()))
    own = [_rule(_RBAC, kind, "patch", [name]) for kind in ("clusterroles", "clusterrolebindings")]
    return [*(_rule(*right) for right in table), *own, _of_definition()]


def in_gateway(name: str) -> list[dict[str, Any]]:
    """Return the rules of the Role in the gateway's namespace, where it owns the objects of its own name.

    Args:
        name: of its service account, CronJob, Role and binding.
    """
    own = [("", "serviceaccounts"), ("batch", "cronjobs"), (_RBAC, "roles"), (_RBAC, "rolebindings")]
    return [_rule(*right) for right in _GATEWAY] + [_rule(*kind, "patch", [name]) for kind in own]


def _of_definition() -> dict[str, Any]:
    """Return the rule for the definition of `ConsumerChain`, which a newer reconciler replaces."""
    group = "apiextensions.k8s.io"
    return _rule(group, "customresourcedefinitions", "create get patch", [chain_kind.NAME])


def _rule(group: str, resource: str, verbs: str, only: Sequence[str] = ()) -> dict[str, Any]:
    rule: Mapping[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": verbs.split()}
    return dict(rule) | ({"resourceNames": list(only)} if only else {})
