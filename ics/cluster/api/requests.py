"""Requests to the API server as data, which `client.KubeClient.send` sends; pure."""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from ics import errors, model, plain_text
from ics.cluster.api import kinds
from ics.cosmos import canonical_json

PAGE = 500
"""Maximum objects in one page of a list."""

_PROXIED_PATH = re.compile(r"(/[A-Za-z0-9._~+:@=,-]*)+")

Propagation: TypeAlias = Literal["Background", "Foreground"]

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeRequest:
    """One request with the data for error messages."""

    verb: str
    """RBAC verb: get, list, watch, create, update, patch, delete."""
    kind: kinds.Kind
    namespace: str | None = None
    name: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = _JSON
    accept: str = _JSON
    subpath: str = ""
    """Suffix of the object's path, such as `/proxy/status`."""

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
        """RBAC resource, such as `pods/proxy`."""
        sub = self.subpath.split("/")
        return f"{self.kind.plural}/{sub[1]}" if len(sub) > 1 else self.kind.plural

    @property
    def subject(self) -> str:
        """Subject of the request for messages, such as `StatefulSet provider/node`."""
        if self.name is None:
            return self.kind.plural
        return (
            f"{self.kind.name} {self.namespace}/{self.name}"
            if self.namespace
            else f"{self.kind.name} {self.name}"
        )


def get(kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False) -> KubeRequest:
    """Return a request that reads one object."""
    return KubeRequest(
        verb="get",
        kind=kind,
        namespace=namespace,
        name=name,
        accept=f"{_METADATA},{_JSON}" if only_metadata else _JSON,
    )


def discover(kind: kinds.Kind) -> KubeRequest:
    """Return a request for the kinds that the cluster serves in a kind's group and version; every user may ask."""
    group = dataclasses.replace(kind, plural="", is_namespaced=False)
    return KubeRequest(verb="get", kind=group)


def select(
    kind: kinds.Kind,
    labels: Mapping[str, str | tuple[str, ...]],
    *,
    namespace: str | None = None,
    only_metadata: bool = False,
    after: str = "",
) -> KubeRequest:
    """Return a request for one page of the objects with all of these labels.

    Args:
        kind: kind of the objects.
        labels: names and values; one of several values must match.
        namespace: None for all namespaces.
        only_metadata: omit spec, data and status; managedFields are part of the metadata.
        after: `continue` of the previous page.
    """
    selector = ",".join(
        f"{name}={value}" if isinstance(value, str) else f"{name} in ({','.join(value)})"
        for name, value in sorted(labels.items())
    )
    query = {"labelSelector": selector, "limit": str(PAGE)} | ({"continue": after} if after else {})
    return KubeRequest(
        verb="list",
        kind=kind,
        namespace=namespace,
        query=query,
        accept=f"{_METADATA_LIST},{_JSON}" if only_metadata else _JSON,
    )


def watch(kind: kinds.Kind, labels: Mapping[str, str], version: str, seconds: int) -> KubeRequest:
    """Return a request that watches the objects with these labels in all namespaces.

    Args:
        kind: kind of the objects.
        labels: names and values.
        version: `resourceVersion` of the preceding list.
        seconds: duration after which the server ends the watch.
    """
    listing = select(kind, labels)
    query = {
        "labelSelector": listing.query["labelSelector"],
        "watch": "1",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    return KubeRequest(verb="watch", kind=kind, query=query)


def apply(
    manifest: model.Manifest,
    manager: str,
    *,
    is_dry_run: bool = False,
    only_metadata: bool = False,
    subpath: Literal["", "/status"] = "",
) -> KubeRequest:
    """Return a request for a server-side apply that takes over fields of other managers."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if is_dry_run else {})
    return KubeRequest(
        verb="patch",
        kind=kinds.of(manifest),
        namespace=metadata.get("namespace"),
        name=metadata["name"],
        query=query,
        body=encode(manifest),
        content_type=_APPLY,
        accept=f"{_METADATA},{_JSON}" if only_metadata else _JSON,
        subpath=subpath,
    )


def create(manifest: model.Manifest, manager: str) -> KubeRequest:
    """Return a request that creates an object, which must not exist yet."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager}
    return KubeRequest(
        verb="create",
        kind=kinds.of(manifest),
        namespace=metadata.get("namespace"),
        name=metadata["name"],
        query=query,
        body=encode(manifest),
    )


def update(manifest: model.Manifest, manager: str, *, is_dry_run: bool = False) -> KubeRequest:
    """Return a request that replaces an object unless its resourceVersion has changed."""
    metadata = manifest["metadata"]
    query = {"fieldManager": manager} | ({"dryRun": "All"} if is_dry_run else {})
    return KubeRequest(
        verb="update",
        kind=kinds.of(manifest),
        namespace=metadata.get("namespace"),
        name=metadata["name"],
        query=query,
        body=encode(manifest),
    )


def delete(
    kind: kinds.Kind,
    namespace: str | None,
    name: str,
    uid: str | None,
    *,
    is_dry_run: bool = False,
    propagation: Propagation = "Background",
) -> KubeRequest:
    """Return a request that deletes one object and its dependents.

    Args:
        kind: kind of the object.
        namespace: None for a cluster-scoped object.
        name: name of the object.
        uid: delete only the object with this uid; None: any.
        is_dry_run: only check whether the deletion is possible.
        propagation: `Foreground`: the object is deleted after all its dependents.
    """
    # For Jobs, the API's default would leave the pods behind.
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    if uid is not None:
        options["preconditions"] = {"uid": uid}
    query = {"dryRun": "All"} if is_dry_run else {}
    if is_dry_run:
        # If there is a body, the API server ignores the query and would really delete.
        options["dryRun"] = ["All"]
    return KubeRequest(
        verb="delete", kind=kind, namespace=namespace, name=name, query=query, body=encode(options)
    )


def proxy(
    namespace: str, pod: str, port: int, path: str, query: Mapping[str, str] | None = None
) -> KubeRequest:
    """Return a GET request that the API server forwards to a port of a pod.

    Raises:
        Permanent: the API server, or the pod, would read the path as a different one. A part of it may come from the
            chain's own node, which must not choose what is asked of the API server.
    """
    if not _PROXIED_PATH.fullmatch(path) or ".." in path.split("/"):
        raise errors.Permanent(f"{plain_text.visible(path)!r} is not a path that is asked of a node")
    return KubeRequest(
        verb="get",
        kind=kinds.POD,
        namespace=namespace,
        name=f"{pod}:{port}",
        query=query or {},
        subpath=f"/proxy{path}",
    )


def log(namespace: str, pod: str, container: str, lines: int, size: int) -> KubeRequest:
    """Return a request for the newest lines of a container's log, each with its time before it.

    Args:
        namespace: of the pod.
        pod: its name.
        container: its name.
        lines: the newest ones, and no more than this number.
        size: no more bytes than this number.
    """
    query = {
        "container": container,
        "tailLines": str(lines),
        "limitBytes": str(size),
        "timestamps": "true",
    }
    return KubeRequest(verb="get", kind=kinds.POD, namespace=namespace, name=pod, query=query, subpath="/log")


class Encoded(dict[str, Any]):
    """A document that is not changed any more, so that it is encoded once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document."""
        super().__init__(document)
        self.document = document

    @functools.cached_property
    def sha256(self) -> str:
        """Digest of the document, in hex."""
        return canonical_json.sha256_hex(self.body)

    @functools.cached_property
    def body(self) -> bytes:
        """The document as JSON."""
        return _encode(self)

    def digested(self) -> Self:
        """Return the document for the next pass, which needs its digest, and its bytes only if that has changed."""
        _ = self.sha256
        self.__dict__.pop("body", None)
        return self


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode a document as JSON, sorted and without spaces, which server-side apply reads as YAML."""
    return document.body if isinstance(document, Encoded) else _encode(document)


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
