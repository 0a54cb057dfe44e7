"""Error classes of refusals; the messages are those of a v1.34 API server."""

from typing import Any

import pytest

from ics import errors
from ics.cluster.api import errors as api_errors
from ics.cluster.api import kinds, requests

SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "node", "namespace": "a"}}
HOME = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "zz"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}}
APPLY = requests.apply(SET, "m")


def status(message: str, *causes: dict[str, str]) -> dict[str, Any]:
    return {"kind": "Status", "message": message, "details": {"causes": list(causes)}}


CASES: list[tuple[str, requests.KubeRequest, int, dict[str, Any], type[errors.IcsError], str]] = [
    (
        "right missing cluster-wide",
        requests.apply(HOME, "m"),
        403,
        status(
            'namespaces "zz" is forbidden: User "reader" cannot patch resource "namespaces" in API group ""'
            ' in the namespace "zz"'
        ),
        api_errors.MissingRight,
        "missing permission: reader cannot patch namespaces in the whole cluster; grant it with a ClusterRoleBinding,"
        " see ics show rights",
    ),
    (
        "right missing in a namespace",
        APPLY,
        403,
        status(
            'statefulsets.apps "node" is forbidden: User "system:serviceaccount:a:b" cannot create resource'
            ' "statefulsets" in API group "apps" in the namespace "a"'
        ),
        api_errors.MissingRight,
        "missing permission: system:serviceaccount:a:b cannot create statefulsets.apps in namespace a; grant it with a"
        " RoleBinding, see ics show rights",
    ),
    (
        "namespace on its way out",
        APPLY,
        403,
        status("forbidden: because it is being terminated", {"reason": "NamespaceTerminating"}),
        errors.Transient,
        "namespace a: deletion in progress; its objects are created once it is gone",
    ),
    (
        "quota",
        APPLY,
        403,
        status('pods "x" is forbidden: exceeded quota: q, requested: cpu=1'),
        errors.Permanent,
        'StatefulSet a/node: rejected by the cluster: pods "x" is forbidden: exceeded quota: q, requested: cpu=1',
    ),
    (
        "immutable",
        APPLY,
        422,
        status(
            "PersistentVolumeClaim is invalid: spec: Forbidden: spec is immutable\n@@ -6 +6 @@\n",
            {"field": "spec", "reason": "FieldValueForbidden"},
        ),
        api_errors.Immutable,
        "StatefulSet a/node: spec is immutable; revert the change, or delete the object so that it"
        " is recreated (PersistentVolumeClaim is invalid: spec: Forbidden: spec is immutable)",
    ),
    (
        "misshapen",
        APPLY,
        500,
        status(
            "failed to create typed patch object (a/node; apps/v1): .spec.x: field not declared in schema"
        ),
        errors.Permanent,
        "StatefulSet a/node: rejected (500): failed to create typed patch object (a/node; apps/v1): .spec.x:"
        " field not declared in schema",
    ),
    (
        "value of a Secret",
        requests.apply(SECRET, "m"),
        422,
        status("Secret is invalid: data: hunter2"),
        errors.Permanent,
        "Secret a/s: rejected (422): the server's message is omitted because it may quote the value",
    ),
    (
        "conflict",
        APPLY,
        409,
        status("changed"),
        api_errors.Conflict,
        "StatefulSet a/node: patch answered 409: changed",
    ),
    ("overload", APPLY, 429, {}, errors.Transient, "StatefulSet a/node: patch answered 429: no message"),
    ("outage", APPLY, 503, {}, errors.Transient, "StatefulSet a/node: patch answered 503: no message"),
    (
        "nothing there",
        requests.get(kinds.SECRET, "a", "s"),
        404,
        status("not found"),
        api_errors.ObjectNotFound,
        "Secret a/s: not found (not found); create it or correct its name",
    ),
    (
        "credentials",
        APPLY,
        401,
        status("Unauthorized"),
        errors.Permanent,
        "ics:cluster.kubeconfig: the Kubernetes API server rejected the credentials (401); renew those of the context",
    ),
    (
        "a pod's own answer",
        requests.proxy("a", "node-0", 26657, "/commit"),
        500,
        {"jsonrpc": "2.0", "error": {"code": -32603, "message": "Internal error", "data": "no such height"}},
        errors.Transient,
        "its RPC answers an error: no such height",
    ),
]


@pytest.mark.parametrize(
    ("request_", "code", "body", "kind", "text"), [pytest.param(*c[1:], id=c[0]) for c in CASES]
)
def test_api_status_becomes_error_class_and_text(
    request_: requests.KubeRequest, code: int, body: dict[str, Any], kind: type[errors.IcsError], text: str
) -> None:
    error = api_errors.error_of(request_, code, body)

    assert (type(error), str(error)) == (kind, text)


def test_long_error_text_is_cut() -> None:
    assert len(str(api_errors.error_of(APPLY, 503, status("x" * 5000)))) < 400
