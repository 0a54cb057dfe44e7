"""The rights of a reconciler in the cluster: just those that its passes use.

`tests/cluster/test_reconciler_rights.py` compares them with the requests of whole passes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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


_OF_ITS_OWN = frozenset({"serviceaccounts", "cronjobs"})


def used(gateway: str, has_reconciler: bool) -> Iterator[tuple[str, str, str, str]]:
    """Group, resource, verb and namespace (empty: all) of every right that passes use.

    Args:
        gateway: the gateway's namespace.
        has_reconciler: the stack installs a reconciler, whose own objects are looked for as well.
    """
    for table, namespace in ((_CLUSTER, ""), (_GATEWAY, gateway)):
        for group, resource, verbs in table:
            if has_reconciler or not (group == _RBAC or resource in _OF_ITS_OWN):
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
