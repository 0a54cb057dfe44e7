"""Requests to the API server as data; pure. `client.Client.send` is the one place that sends them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ics import model
from ics.cluster.api import kinds

PAGE = 500
"""Objects in one answer of a list."""

Propagation: TypeAlias = Literal["Background", "Foreground"]

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, with what an error message has to name."""

    verb: str
    """As in RBAC: get, list, watch, create, update, patch, delete."""
    kind: kinds.Kind
    namespace: str | None = None
    name: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = _JSON
    accept: str = _JSON
    subpath: str = ""
    """What follows the object's path, such as `/proxy/status`."""

    @property
    def method(self) -> str:
        """HTTP method."""
        methods = {
            "get": "GET",
            "list": "GET",
            "watch": "GET",
            "create": "POST",
            "update": "PUT",
            "patch": "PATCH",
            "delete": "DELETE",
        }
        return methods[self.verb]

    @property
    def path(self) -> str:
        """Path below the server's address."""
        name = None if self.verb == "create" else self.name
        return self.kind.path(self.namespace, name) + self.subpath

    @property
    def resource(self) -> str:
        """The resource as RBAC names it, such as `pods/proxy`."""
        sub = self.subpath.split("/")
        return f"{self.kind.plural}/{sub[1]}" if len(sub) > 1 else self.kind.plural

    @property
    def subject(self) -> str:
        """What the request is about, for messages: `StatefulSet provider/node`."""
        if self.name is None:
            return self.kind.plural
        return (
            f"{self.kind.name} {self.namespace}/{self.name}"
            if self.namespace
            else f"{self.kind.name} {self.name}"
        )


def get(kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False) -> Request:
    """Read one object."""
    return Request("get", kind, namespace, name, accept=f"{_METADATA},{_JSON}" if only_metadata else _JSON)


def select(
    kind: kinds.Kind,
    labels: Mapping[str, str | tuple[str, ...]],
    *,
    namespace: str | None = None,
    only_metadata: bool = False,
    after: str = "",
) -> Request:
    """One page of the objects that carry all of these labels.

    Args:
        kind: of the objects.
        labels: names and values; of several values each will do.
        namespace: None for all namespaces.
        only_metadata: no spec, data or status; managedFields are part of the metadata.
        after: `continue` of the page before.
    """
    selector = ",".join(
        f"{name}={value}" if isinstance(value, str) else f"{name} in ({','.join(value)})"
        for name, value in sorted(labels.items())
    )
    query = {"labelSelector": selector, "limit": str(PAGE)} | ({"continue": after} if after else {})
    return Request(
        "list", kind, namespace, query=query, accept=f"{_METADATA_LIST},{_JSON}" if only_metadata else _JSON
    )


def watch(kind: kinds.Kind, labels: Mapping[str, str], version: str, seconds: int) -> Request:
    """All that happens to the objects with these labels, in all namespaces.

    Args:
        kind: of the objects.
        labels: names and values.
        version: `resourceVersion` of the list that is known already.
        seconds: after which the server ends the answer.
    """
    found = select(kind, labels)
    query = {
        "labelSelector": found.query["labelSelector"],
        "watch": "1",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    return Request("watch", kind, query=query)


def apply(
    manifest: model.Manifest, manager: str, *, is_dry_run: bool = False, only_metadata: bool = False
) -> Request:
    """Server-side apply, taking over fields that others own."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if is_dry_run else {})
    return Request(
        "patch",
        kinds.of(manifest),
        metadata.get("namespace"),
        metadata["name"],
        query,
        encode(manifest),
        _APPLY,
        f"{_METADATA},{_JSON}" if only_metadata else _JSON,
    )


def create(manifest: model.Manifest, manager: str) -> Request:
    """Make an object that must not exist yet."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager}
    return Request(
        "create", kinds.of(manifest), metadata.get("namespace"), metadata["name"], query, encode(manifest)
    )


def update(manifest: model.Manifest, manager: str, *, is_dry_run: bool = False) -> Request:
    """Replace an object; its resourceVersion makes sure that it is the one that was read."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager} | ({"dryRun": "All"} if is_dry_run else {})
    return Request(
        "update", kinds.of(manifest), metadata.get("namespace"), metadata["name"], query, encode(manifest)
    )


def delete(
    kind: kinds.Kind,
    namespace: str | None,
    name: str,
    uid: str | None,
    *,
    is_dry_run: bool = False,
    propagation: Propagation = "Background",
) -> Request:
    """Delete one object and what belongs to it.

    Args:
        kind: of the object.
        namespace: None for a cluster-scoped one.
        name: of the object.
        uid: only the object with this uid; None for any.
        is_dry_run: check only whether it could be done.
        propagation: `Foreground`: the object itself is gone only after all that belongs to it.
    """
    # For Jobs the API's own default would leave the pods behind.
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    if uid is not None:
        options["preconditions"] = {"uid": uid}
    query = {"dryRun": "All"} if is_dry_run else {}
    if is_dry_run:
        # With a body the API server does not look at the query, and would delete in earnest.
        options["dryRun"] = ["All"]
    return Request("delete", kind, namespace, name, query, encode(options))


def proxy(namespace: str, pod: str, port: int, path: str, query: Mapping[str, str] | None = None) -> Request:
    """A GET that the API server passes on to a port of a pod."""
    return Request("get", kinds.POD, namespace, f"{pod}:{port}", query or {}, subpath=f"/proxy{path}")


def encode(document: Mapping[str, Any]) -> bytes:
    """JSON, sorted and without spaces; server-side apply takes it as YAML."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
