"""The rights of who makes passes: just those that passes use; pure.

`tests/cluster/test_reconciler_rights.py` compares them with the requests of whole passes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

_RBAC = "rbac.authorization.k8s.io"

# The chains' namespaces are made and named as chains come, so no narrower scope holds them.
_CLUSTER: Sequence[tuple[str, str, str]] = (
    ("", "namespaces", "create get list patch"),
    ("", "configmaps", "create delete get list patch"),
    # Metadata only where that is enough; but RBAC knows no such right.
    ("", "secrets", "create delete get list patch"),
    ("", "services", "create delete get list patch update"),
    ("", "persistentvolumeclaims", "create get list patch"),
    ("", "serviceaccounts", "get list"),
    # A reconciler that stays watches its pods.
    ("", "pods", "delete get list watch"),
    ("", "pods/proxy", "get"),
    ("apps", "statefulsets", "create delete get list patch"),
    ("apps", "deployments", "create delete get list patch"),
    ("batch", "jobs", "create delete get list"),
    ("batch", "cronjobs", "get list"),
    ("networking.k8s.io", "networkpolicies", "create delete get list patch"),
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
_DOCTOR: Sequence[tuple[str, str, str]] = (
    ("", "nodes", "list"),
    ("storage.k8s.io", "storageclasses", "list"),
)
"""What `ics doctor` looks at besides."""

_OF_ITS_OWN = frozenset({"serviceaccounts", "cronjobs"})

Subject: TypeAlias = Mapping[str, str]
"""Who is granted something: an RBAC subject."""


def role(kind: str, metadata: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A Role or ClusterRole."""
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": dict(metadata), "rules": list(rules)}


def binding(kind: str, metadata: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """Grants the Role or ClusterRole of the same name."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": metadata["name"]},
        "subjects": [dict(subject)],
    }


def of_operator(subject: Subject, gateway: str) -> list[dict[str, Any]]:
    """The roles and bindings of an operator who makes passes from outside, with the embedded engine.

    They do not let him purge anything.

    The gateway's namespace is among them: a Role lives in one that exists.

    Args:
        subject: the user, group or service account that the operator's kubeconfig stands for.
        gateway: the gateway's namespace.
    """
    name = f"ics-{gateway}-operator"
    whole, within = {"name": name}, {"name": name, "namespace": gateway}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gateway}}
    found = [namespace]
    for kind, table, metadata in (("ClusterRole", (*_CLUSTER, *_DOCTOR), whole), ("Role", _GATEWAY, within)):
        rules = [_rule(*right) for right in table if _is_of_operator(*right[:2])]
        found += [role(kind, metadata, rules), binding(kind, metadata, subject)]
    return found


def _is_of_operator(group: str, resource: str) -> bool:
    return group != _RBAC and resource not in _OF_ITS_OWN


def used(gateway: str, has_reconciler: bool) -> Iterator[tuple[str, str, str, str]]:
    """Group, resource, verb and namespace (empty: all) of every right that passes use.

    Args:
        gateway: the gateway's namespace.
        has_reconciler: the stack installs a reconciler, whose own objects are looked for as well.
    """
    for table, namespace in ((_CLUSTER, ""), (_GATEWAY, gateway)):
        for group, resource, verbs in table:
            if has_reconciler or _is_of_operator(group, resource):
                yield from ((group, resource, verb, namespace) for verb in verbs.split())


def in_cluster(name: str) -> list[dict[str, Any]]:
    """Rules of the ClusterRole.

    Args:
        name: of the ClusterRole and its binding. What it patches of its own it can only put back: the API
            server lets nobody grant rights that he has not.
    """
    own = [_rule(_RBAC, kind, "patch", [name]) for kind in ("clusterroles", "clusterrolebindings")]
    return [_rule(*right) for right in _CLUSTER] + own


def in_gateway(name: str) -> list[dict[str, Any]]:
    """Rules of the Role in the gateway's namespace; what is named like it there is its own.

    Args:
        name: of its service account, CronJob, Role and binding.
    """
    own = [("", "serviceaccounts"), ("batch", "cronjobs"), (_RBAC, "roles"), (_RBAC, "rolebindings")]
    return [_rule(*right) for right in _GATEWAY] + [_rule(*kind, "patch", [name]) for kind in own]


def _rule(group: str, resource: str, verbs: str, names: Sequence[str] = ()) -> dict[str, Any]:
    rule: Mapping[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": verbs.split()}
    return dict(rule) | ({"resourceNames": list(names)} if names else {})
