"""What a refusing answer of the API server means: Transient or Permanent, and the mend; pure."""

import re
from collections.abc import Mapping
from typing import Any

from ics import errors
from ics.cluster.api import kinds, requests

_NO_RIGHT = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"')


# These two come with code 500, though the manifest is at fault and nothing changes by itself.
_MISSHAPEN = ("failed to create typed patch object", "failed to convert new object")
_TRANSIENT = frozenset({408, 410, 425, 429})
_IMMUTABLE = (
    "immutable",
    "updates to statefulset spec",
    # A volume that is to grow on a class that cannot, or to shrink.
    "storageclass that provisions the pvc must support resize",
    "field can not be less than",
)
_LONGEST = 300


# gRPC codes (google.golang.org/grpc/codes).
_NOT_FOUND = 5
_REFUSED = frozenset({3, 7, 9, 11, 12, 16})
"""InvalidArgument, PermissionDenied, FailedPrecondition, OutOfRange, Unimplemented, Unauthenticated."""


class MissingRight(errors.Permanent):
    """The cluster's authorization says no; the message names the right to grant."""


class Immutable(errors.Permanent):
    """What differs cannot be changed in place: only another object could have it."""


class Missing(errors.Permanent):
    """The object, or the namespace that it belongs in, is not there."""


class Absent(errors.Permanent):
    """The pod itself answers, through its REST gateway, that its chain has no such thing."""


class Troubled(errors.Transient):
    """The pod itself answers, through its REST gateway, that it cannot answer just now."""


class Conflict(errors.Transient):
    """Somebody else has changed, made or removed the object meanwhile."""


def error_of(request: requests.Request, status: int, body: Mapping[str, Any]) -> errors.IcsError:
    """Turn an answer that is no success into an error.

    Args:
        request: what was asked.
        status: HTTP status, 400 or more.
        body: the `Status` object, empty when the answer was none.
    """
    if request.subpath and body.get("kind") != "Status" and isinstance(body.get("error"), Mapping):
        return errors.Transient(rpc_error(body["error"]))  # the pod's own answer, passed on
    if request.subpath and body.get("kind") != "Status" and isinstance(body.get("code"), int):
        return _gateway_error(request, status, body)
    message = str(body.get("message", ""))
    causes = (body.get("details") or {}).get("causes") or []
    if status == 401:
        return errors.Permanent(
            "the Kubernetes API server refuses the credentials (401): renew those of"
            " ics:cluster.kubeconfig's context"
        )
    if status == 403:
        return _forbidden(request, message, {cause.get("reason") for cause in causes})
    if status == 404:
        return Missing(f"{request.subject}: not found ({_shown(request, message)}): make it or mend its name")
    if status == 409:
        return Conflict(f"{request.subject}: {request.verb} answered 409: {_shown(request, message)}")
    if status == 422 or status in (400, 405, 413, 415) or message.startswith(_MISSHAPEN):
        return _invalid(request, status, message, causes)
    if status in _TRANSIENT or status >= 500:
        return errors.Transient(
            f"{request.subject}: {request.verb} answered {status}: {_shown(request, message)}"
        )
    return errors.Permanent(
        f"{request.subject}: {request.verb} answered {status}: {_shown(request, message)}"
    )


def rpc_error(problem: Mapping[str, Any]) -> str:
    """Words for `error` of a JSON-RPC answer."""
    return f"its RPC answers an error: {problem.get('data') or problem.get('message') or 'without words'}"


def _gateway_error(request: requests.Request, status: int, body: Mapping[str, Any]) -> errors.IcsError:
    """Error of a Cosmos SDK chain's REST gateway in a pod, passed on."""
    words = _shown(request, str(body.get("message", "")))
    if body["code"] == _NOT_FOUND:
        return Absent(f"its REST gateway answers {status} to {request.subpath}: {words}")
    if body["code"] in _REFUSED:
        return errors.Permanent(f"its REST gateway answers {status} to {request.subpath}: {words}")
    return Troubled(f"its REST gateway answers {status}: {words}")


def _forbidden(request: requests.Request, message: str, reasons: set[str | None]) -> errors.IcsError:
    if "NamespaceTerminating" in reasons:
        return errors.Transient(f"namespace {request.namespace} is being deleted: what belongs in it waits")
    match = _NO_RIGHT.search(message)
    if match is None and any(words in message for words in _IMMUTABLE):
        return Immutable(f"{request.subject}: cannot be changed in place: {_shown(request, message)}")
    if match is None:  # an admission plugin: a quota, a policy
        return errors.Permanent(f"{request.subject}: refused by the cluster: {_shown(request, message)}")
    where = f"in namespace {request.namespace}" if request.namespace else "in the whole cluster"
    verb, user = match["verb"], match["user"]
    group = request.kind.group
    resource = f"{request.resource}.{group}" if group else request.resource
    return MissingRight(
        f"missing right: {user} cannot {verb} {resource} {where}: grant it with a "
        f"{'RoleBinding' if request.namespace else 'ClusterRoleBinding'} (ics show rights prints what is needed)"
    )


def _invalid(
    request: requests.Request, status: int, message: str, causes: list[Mapping[str, Any]]
) -> errors.IcsError:
    if any(words in message for words in _IMMUTABLE):
        fields = ", ".join(sorted({str(cause.get("field", "")) for cause in causes} - {""})) or "a field"
        return Immutable(
            f"{request.subject}: {fields} cannot be changed in place: set it back, or delete the object"
            f" so that it is made anew ({_shown(request, message)})"
        )
    return errors.Permanent(f"{request.subject}: not accepted ({status}): {_shown(request, message)}")


def _shown(request: requests.Request, message: str) -> str:
    """The server's words in one line; of a Secret none, for they may quote its value."""
    if request.kind == kinds.SECRET and request.body is not None:
        return "the server's words are left out, for they may quote the value"
    line = message.splitlines()[0] if message else "no message"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
