"""Paths, creation order and requests as data."""

import json

import pytest

from ics import errors
from ics.cluster.api import kinds, requests


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        (kinds.NAMESPACE, None, None, "/api/v1/namespaces"),
        (kinds.NAMESPACE, None, "a", "/api/v1/namespaces/a"),
        (kinds.SECRET, "a", "b", "/api/v1/namespaces/a/secrets/b"),
        (kinds.STATEFUL_SET, None, None, "/apis/apps/v1/statefulsets"),
        (kinds.STATEFUL_SET, "a", "b", "/apis/apps/v1/namespaces/a/statefulsets/b"),
        (kinds.CLUSTER_ROLE, "a", "b", "/apis/rbac.authorization.k8s.io/v1/clusterroles/b"),
    ],
)
def test_kind_path_depends_on_namespace_and_name(
    kind: kinds.Kind, namespace: str | None, name: str | None, path: str
) -> None:
    assert kind.path(namespace, name) == path


def test_kind_is_found_by_manifest_and_by_group_kind() -> None:
    for kind in kinds.MEMBERS:
        manifest = {"apiVersion": kind.api_version, "kind": kind.name}
        assert kinds.of(manifest) == kind
        assert kinds.by_group_kind(kind.group_kind) == kind


def test_kinds_are_created_in_order_of_dependency() -> None:
    ordered = [kind.name for kind in sorted(kinds.MEMBERS, key=lambda kind: (kind.rank, kind.name))]
    assert ordered == [
        "Namespace",
        "ClusterRole",
        "ConfigMap",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Role",
        "Secret",
        "Service",
        "ServiceAccount",
        "ClusterRoleBinding",
        "RoleBinding",
        "CronJob",
        "Deployment",
        "Job",
        "StatefulSet",
    ]


def test_manifest_of_unknown_kind_is_refused() -> None:
    with pytest.raises(
        errors.Permanent, match=r"objects of kind Ingress.networking.k8s.io are not supported"
    ):
        kinds.of({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"})


def test_apply_is_forced_and_dry_run_only_on_request() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "a"}}

    earnest, dry = requests.apply(manifest, "m"), requests.apply(manifest, "m", is_dry_run=True)

    assert (earnest.method, earnest.path) == ("PATCH", "/api/v1/namespaces/a/configmaps/b")
    assert earnest.query == {"fieldManager": "m", "force": "true"}
    assert dry.query == {"fieldManager": "m", "force": "true", "dryRun": "All"}
    assert earnest.content_type == "application/apply-patch+yaml"
    assert json.loads(earnest.body or b"") == manifest


def test_delete_has_dry_run_in_its_body() -> None:
    """The API server ignores the query of a DELETE that has a body."""
    request = requests.delete(kinds.JOB, "a", "b", "u", is_dry_run=True)

    assert json.loads(request.body or b"") == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u"},
        "dryRun": ["All"],
    }


def test_select_sorts_labels() -> None:
    request = requests.select(kinds.SECRET, {"b": "2", "a": "1"}, only_metadata=True, after="next")

    assert request.query == {"labelSelector": "a=1,b=2", "limit": "500", "continue": "next"}
    assert request.accept.startswith("application/json;as=PartialObjectMetadataList;")


def test_proxy_request_has_its_own_resource() -> None:
    request = requests.proxy("a", "node-0", 26657, "/status")

    assert request.path == "/api/v1/namespaces/a/pods/node-0:26657/proxy/status"
    assert request.resource == "pods/proxy"
    assert request.subject == "Pod a/node-0:26657"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../secrets",
        "/a/..",
        "/x?y",
        "/x#y",
        "/x%2e%2e/y",
        "/a b",
        "x",
        "",
        "/a\nb",
        "/\u202e",
        "//a/../b",
    ],
)
def test_chains_own_node_does_not_choose_what_is_asked_of_the_api_server(path: str) -> None:
    """Ids in its answers become parts of later paths."""
    with pytest.raises(errors.Permanent, match="is not a path that is asked of a node"):
        requests.proxy("ns", "node-0", 1317, path)


def test_path_of_a_node_is_kept() -> None:
    path = "/ibc/core/channel/v1/channels/channel-0/ports/wasm.cosmos1x/packet_commitments"
    assert requests.proxy("ns", "node-0", 1317, path).path.endswith(f"/proxy{path}")
