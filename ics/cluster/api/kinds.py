"""Supported kinds of Kubernetes objects with their paths and their order; pure."""

from dataclasses import dataclass

from ics import errors, model, names


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of the Kubernetes API."""

    name: str
    group: str
    """Empty for the core group."""
    version: str
    plural: str
    is_namespaced: bool
    rank: int
    """Order of creation: objects depend only on objects of lower ranks. Deletion uses the reverse order."""

    @property
    def api_version(self) -> str:
        """API version in a manifest: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """Notation of KEP-3659: `ConfigMap`, `StatefulSet.apps`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path of a collection, or of one object if `name` is given."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.is_namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/" + "/".join(parts)


_NAMESPACE_RANK, _CONFIG_RANK, _BINDING_RANK, _WORKLOAD_RANK, _REPORT_RANK, _NO_MEMBER = 0, 1, 2, 3, 4, -1

NAMESPACE = Kind(
    name="Namespace", group="", version="v1", plural="namespaces", is_namespaced=False, rank=_NAMESPACE_RANK
)
CONFIG_MAP = Kind(
    name="ConfigMap", group="", version="v1", plural="configmaps", is_namespaced=True, rank=_CONFIG_RANK
)
SECRET = Kind(name="Secret", group="", version="v1", plural="secrets", is_namespaced=True, rank=_CONFIG_RANK)
SERVICE = Kind(
    name="Service", group="", version="v1", plural="services", is_namespaced=True, rank=_CONFIG_RANK
)
VOLUME_CLAIM = Kind(
    name="PersistentVolumeClaim",
    group="",
    version="v1",
    plural="persistentvolumeclaims",
    is_namespaced=True,
    rank=_CONFIG_RANK,
)
SERVICE_ACCOUNT = Kind(
    name="ServiceAccount",
    group="",
    version="v1",
    plural="serviceaccounts",
    is_namespaced=True,
    rank=_CONFIG_RANK,
)
NETWORK_POLICY = Kind(
    name="NetworkPolicy",
    group="networking.k8s.io",
    version="v1",
    plural="networkpolicies",
    is_namespaced=True,
    rank=_CONFIG_RANK,
)
ROLE = Kind(
    name="Role",
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="roles",
    is_namespaced=True,
    rank=_CONFIG_RANK,
)
CLUSTER_ROLE = Kind(
    name="ClusterRole",
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="clusterroles",
    is_namespaced=False,
    rank=_CONFIG_RANK,
)


# The API server rejects a binding to a role that does not exist.
ROLE_BINDING = Kind(
    name="RoleBinding",
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="rolebindings",
    is_namespaced=True,
    rank=_BINDING_RANK,
)
CLUSTER_ROLE_BINDING = Kind(
    name="ClusterRoleBinding",
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="clusterrolebindings",
    is_namespaced=False,
    rank=_BINDING_RANK,
)
STATEFUL_SET = Kind(
    name="StatefulSet",
    group="apps",
    version="v1",
    plural="statefulsets",
    is_namespaced=True,
    rank=_WORKLOAD_RANK,
)
DEPLOYMENT = Kind(
    name="Deployment",
    group="apps",
    version="v1",
    plural="deployments",
    is_namespaced=True,
    rank=_WORKLOAD_RANK,
)
JOB = Kind(name="Job", group="batch", version="v1", plural="jobs", is_namespaced=True, rank=_WORKLOAD_RANK)
CRON_JOB = Kind(
    name="CronJob", group="batch", version="v1", plural="cronjobs", is_namespaced=True, rank=_WORKLOAD_RANK
)

POD_MONITOR = Kind(
    name="PodMonitor",
    group="monitoring.coreos.com",
    version="v1",
    plural="podmonitors",
    is_namespaced=True,
    rank=_REPORT_RANK,
)
PROMETHEUS_RULE = Kind(
    name="PrometheusRule",
    group="monitoring.coreos.com",
    version="v1",
    plural="prometheusrules",
    is_namespaced=True,
    rank=_REPORT_RANK,
)

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
"""All kinds of members of the set that every cluster has."""
OPTIONAL_MEMBERS = (POD_MONITOR, PROMETHEUS_RULE)
"""Further kinds, which a cluster may lack, and which this program may lack the right to list."""

POD = Kind(name="Pod", group="", version="v1", plural="pods", is_namespaced=True, rank=_NO_MEMBER)
ENDPOINT_SLICE = Kind(
    name="EndpointSlice",
    group="discovery.k8s.io",
    version="v1",
    plural="endpointslices",
    is_namespaced=True,
    rank=_NO_MEMBER,
)
LEASE = Kind(
    name="Lease",
    group="coordination.k8s.io",
    version="v1",
    plural="leases",
    is_namespaced=True,
    rank=_NO_MEMBER,
)
VOLUME_SNAPSHOT = Kind(
    name="VolumeSnapshot",
    group="snapshot.storage.k8s.io",
    version="v1",
    plural="volumesnapshots",
    is_namespaced=True,
    rank=_NO_MEMBER,
)
VOLUME_SNAPSHOT_CLASS = Kind(
    name="VolumeSnapshotClass",
    group="snapshot.storage.k8s.io",
    version="v1",
    plural="volumesnapshotclasses",
    is_namespaced=False,
    rank=_NO_MEMBER,
)
STORAGE_CLASS = Kind(
    name="StorageClass",
    group="storage.k8s.io",
    version="v1",
    plural="storageclasses",
    is_namespaced=False,
    rank=_NO_MEMBER,
)
EVENT = Kind(
    name="Event",
    group="events.k8s.io",
    version="v1",
    plural="events",
    is_namespaced=True,
    rank=_NO_MEMBER,
)

CONSUMER_CHAIN = Kind(
    name="ConsumerChain",
    group=names.DOMAIN,
    version="v1alpha1",
    plural="consumerchains",
    is_namespaced=True,
    rank=_NO_MEMBER,
)
CUSTOM_RESOURCE_DEFINITION = Kind(
    name="CustomResourceDefinition",
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    is_namespaced=False,
    rank=_NO_MEMBER,
)

_OTHERS = (
    POD,
    ENDPOINT_SLICE,
    LEASE,
    VOLUME_SNAPSHOT,
    VOLUME_SNAPSHOT_CLASS,
    STORAGE_CLASS,
    EVENT,
    CONSUMER_CHAIN,
    CUSTOM_RESOURCE_DEFINITION,
)
_BY_GROUP_KIND = {kind.group_kind: kind for kind in (*MEMBERS, *OPTIONAL_MEMBERS, *_OTHERS)}


def by_group_kind(group_kind: str) -> Kind:
    """Return the kind in the notation `StatefulSet.apps`.

    Raises:
        Permanent: the kind is not supported.
    """
    try:
        return _BY_GROUP_KIND[group_kind]
    except KeyError:
        raise errors.Permanent(
            f"objects of kind {group_kind} are not supported by this version; use the version that created them"
        ) from None


def of(manifest: model.Manifest) -> Kind:
    """Return the kind of an object.

    Raises:
        Permanent: the kind is not supported.
    """
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    return by_group_kind(f"{manifest['kind']}.{group}" if group else str(manifest["kind"]))
