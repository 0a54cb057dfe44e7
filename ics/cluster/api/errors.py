"""Classification of the API server's error answers as transient or permanent, with remedies; pure."""

import re
from collections.abc import Mapping
from typing import Any

from ics import errors
from ics.cluster.api import kinds, requests

_NO_RIGHT = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"')


# These have status 500 although the manifest is invalid and a retry cannot succeed.
_MALFORMED = ("failed to create typed patch object", "failed to convert new object")
_TRANSIENT = frozenset({408, 410, 425, 429})
_IMMUTABLE = (
    "immutable",
    "updates to statefulset spec",
    # A volume that should shrink, or grow on a storage class without support for it.
    "storageclass that provisions the pvc must support resize",
    "field can not be less than",
)
_LONGEST = 300


# gRPC codes (google.golang.org/grpc/codes).
_NOT_FOUND = 5
_UNIMPLEMENTED = 12
_REFUSED = frozenset({3, 7, 9, 11, 16})
"""InvalidArgument, PermissionDenied, FailedPrecondition, OutOfRange, Unauthenticated."""


class MissingRight(errors.Permanent):
    """The cluster's authorization rejected the request; the message names the missing permission."""


class Immutable(errors.Permanent):
    """An immutable field differs; only a new object can have its value."""


class ObjectNotFound(errors.Permanent):
    """The object or its namespace does not exist."""


class ChainNotFound(errors.Permanent):
    """The pod's REST gateway answered that the requested object does not exist on its chain."""


class NotImplementedByChain(errors.Permanent):
    """The pod's REST gateway answered that its chain does not have that query."""


class ChainUnavailable(errors.Transient):
    """The pod's REST gateway answered that it is temporarily unavailable."""


class Conflict(errors.Transient):
    """Another client has changed, created or deleted the object meanwhile."""


def error_of(request: requests.KubeRequest, status: int, body: Mapping[str, Any]) -> errors.IcsError:
    """Return the error of an unsuccessful answer.

    Args:
        request: the request.
        status: HTTP status, 400 or more.
        body: the `Status` object, empty if the answer was not one.
    """
    if request.subpath and body.get("kind") != "Status" and isinstance(body.get("error"), Mapping):
        return errors.Transient(rpc_error(body["error"]))  # the pod's own answer, forwarded
    if request.subpath and body.get("kind") != "Status" and isinstance(body.get("code"), int):
        return _gateway_error(request, status, body)
    message = str(body.get("message", ""))
    causes = (body.get("details") or {}).get("causes") or []
    if status == 401:
        return errors.Permanent(
            "ics:cluster.kubeconfig: the Kubernetes API server rejected the credentials (401); renew those of the"
            " context"
        )
    if status == 403:
        return _forbidden(request, message, {cause.get("reason") for cause in causes})
    if status == 404:
        return ObjectNotFound(
            f"{request.subject}: not found ({_shown(request, message)}); create it or correct its name"
        )
    if status == 409:
        return Conflict(f"{request.subject}: {request.verb} answered 409: {_shown(request, message)}")
    if status == 422 or status in (400, 405, 413, 415) or message.startswith(_MALFORMED):
        return _invalid(request, status, message, causes)
    if status in _TRANSIENT or status >= 500:
        return errors.Transient(
            f"{request.subject}: {request.verb} answered {status}: {_shown(request, message)}"
        )
    return errors.Permanent(
        f"{request.subject}: {request.verb} answered {status}: {_shown(request, message)}"
    )


def rpc_error(problem: Mapping[str, Any]) -> str:
    """Return the text of `error` in a JSON-RPC answer."""
    return f"its RPC answers an error: {problem.get('data') or problem.get('message') or 'no message'}"


def _gateway_error(request: requests.KubeRequest, status: int, body: Mapping[str, Any]) -> errors.IcsError:
    """Return the error of a Cosmos SDK chain's REST gateway in a pod, forwarded by the API server."""
    text = _shown(request, str(body.get("message", "")))
    if body["code"] == _NOT_FOUND:
        return ChainNotFound(f"its REST gateway answers {status} to {request.subpath}: {text}")
    if body["code"] == _UNIMPLEMENTED:
        return NotImplementedByChain(f"its REST gateway answers {status} to {request.subpath}: {text}")
    if body["code"] in _REFUSED:
        return errors.Permanent(f"its REST gateway answers {status} to {request.subpath}: {text}")
    return ChainUnavailable(f"its REST gateway answers {status}: {text}")


def _forbidden(request: requests.KubeRequest, message: str, reasons: set[str | None]) -> errors.IcsError:
    if "NamespaceTerminating" in reasons:
        return errors.Transient(
            f"namespace {request.namespace}: deletion in progress; its objects are created once it is gone"
        )
    match = _NO_RIGHT.search(message)
    if match is None and any(text in message for text in _IMMUTABLE):
        return Immutable(f"{request.subject}: immutable: {_shown(request, message)}")
    if match is None:  # an admission plugin: a quota, a policy
        return errors.Permanent(f"{request.subject}: rejected by the cluster: {_shown(request, message)}")
    where = f"in namespace {request.namespace}" if request.namespace else "in the whole cluster"
    verb, user = match["verb"], match["user"]
    group = request.kind.group
    resource = f"{request.resource}.{group}" if group else request.resource
    return MissingRight(
        f"missing permission: {user} cannot {verb} {resource} {where}; grant it with a "
        f"{'RoleBinding' if request.namespace else 'ClusterRoleBinding'}, see ics show rights"
    )


def _invalid(
    request: requests.KubeRequest, status: int, message: str, causes: list[Mapping[str, Any]]
) -> errors.IcsError:
    if any(text in message for text in _IMMUTABLE):
        fields = ", ".join(sorted({str(cause.get("field", "")) for cause in causes} - {""})) or "a field"
        return Immutable(
            f"{request.subject}: {fields} is immutable; revert the change, or delete the object so that it is"
            f" recreated ({_shown(request, message)})"
        )
    return errors.Permanent(f"{request.subject}: rejected ({status}): {_shown(request, message)}")


def _shown(request: requests.KubeRequest, message: str) -> str:
    """Return the server's message as one line, or a placeholder for a Secret, whose value it may quote."""
    if request.kind == kinds.SECRET and request.body is not None:
        return "the server's message is omitted because it may quote the value"
    line = message.splitlines()[0] if message else "no message"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
