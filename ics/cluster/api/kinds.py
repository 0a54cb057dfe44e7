"""The kinds of Kubernetes objects that this product handles, their paths and their order; pure."""

from dataclasses import dataclass

from ics import errors, model


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind, as the API server serves it."""

    name: str
    group: str
    """Empty for the core group."""
    version: str
    plural: str
    is_namespaced: bool
    rank: int
    """Order of making: an object needs at most objects of lower ranks. Removing goes the other way."""

    @property
    def api_version(self) -> str:
        """As in a manifest: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """As KEP-3659 writes it: `ConfigMap`, `StatefulSet.apps`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Path of a collection, or of one object when `name` is given."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.is_namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/" + "/".join(parts)


_NAMESPACE_RANK, _CONFIG_RANK, _BINDING_RANK, _WORKLOAD_RANK, _NO_MEMBER = 0, 1, 2, 3, -1

NAMESPACE = Kind("Namespace", "", "v1", "namespaces", False, _NAMESPACE_RANK)
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps", True, _CONFIG_RANK)
SECRET = Kind("Secret", "", "v1", "secrets", True, _CONFIG_RANK)
SERVICE = Kind("Service", "", "v1", "services", True, _CONFIG_RANK)
VOLUME_CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", True, _CONFIG_RANK)
SERVICE_ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", True, _CONFIG_RANK)
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", True, _CONFIG_RANK)
ROLE = Kind("Role", "rbac.authorization.k8s.io", "v1", "roles", True, _CONFIG_RANK)
CLUSTER_ROLE = Kind("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles", False, _CONFIG_RANK)


# A binding is refused while the role that it names is unknown.
ROLE_BINDING = Kind("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings", True, _BINDING_RANK)
CLUSTER_ROLE_BINDING = Kind(
    "ClusterRoleBinding", "rbac.authorization.k8s.io", "v1", "clusterrolebindings", False, _BINDING_RANK
)
STATEFUL_SET = Kind("StatefulSet", "apps", "v1", "statefulsets", True, _WORKLOAD_RANK)
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", True, _WORKLOAD_RANK)
JOB = Kind("Job", "batch", "v1", "jobs", True, _WORKLOAD_RANK)
CRON_JOB = Kind("CronJob", "batch", "v1", "cronjobs", True, _WORKLOAD_RANK)

MEMBERS = (
    NAMESPACE,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    VOLUME_CLAIM,
    SERVICE_ACCOUNT,
    NETWORK_POLICY,
    ROLE,
    CLUSTER_ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    STATEFUL_SET,
    DEPLOYMENT,
    JOB,
    CRON_JOB,
)
"""Every kind that an object of the set may have."""

POD = Kind("Pod", "", "v1", "pods", True, _NO_MEMBER)
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", True, _NO_MEMBER)
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases", True, _NO_MEMBER)

_BY_GROUP_KIND = {kind.group_kind: kind for kind in (*MEMBERS, POD, ENDPOINT_SLICE, LEASE)}


def by_group_kind(group_kind: str) -> Kind:
    """The kind written as `StatefulSet.apps`.

    Raises:
        Permanent: no such kind is handled here.
    """
    try:
        return _BY_GROUP_KIND[group_kind]
    except KeyError:
        raise errors.Permanent(
            f"objects of kind {group_kind} are not handled by this version: use the version that made them"
        ) from None


def of(manifest: model.Manifest) -> Kind:
    """The kind of an object.

    Raises:
        Permanent: no such kind is handled here.
    """
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    return by_group_kind(f"{manifest['kind']}.{group}" if group else str(manifest["kind"]))
