"""Valid and invalid kubeconfigs."""

import base64
import pathlib
from typing import Any

import pytest

from ics import errors, model
from ics.cluster.api import kubeconfig

PATH = pathlib.Path("/conf/k")


def document(**changes: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": "https://h:6443/"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u"}},
            {"name": "nobody", "context": {"cluster": "c"}},
        ],
        "current-context": "x",
    } | changes


def user(**fields: Any) -> dict[str, Any]:
    return document(users=[{"name": "u", "user": fields}])


def cluster(**fields: Any) -> dict[str, Any]:
    return document(clusters=[{"name": "c", "cluster": {"server": "https://h"} | fields}])


def test_kubeconfig_uses_current_context() -> None:
    assert kubeconfig.choose([(PATH, document())], None) == kubeconfig.Access(
        server="https://h:6443", token=model.Secret("t")
    )


def test_context_without_user_has_no_credentials() -> None:
    assert kubeconfig.choose([(PATH, document())], "nobody") == kubeconfig.Access(server="https://h:6443")


def test_all_kubeconfig_fields_are_read() -> None:
    data = base64.b64encode(b"pem").decode()
    content = cluster(
        **{
            "certificate-authority": "ca.crt",
            "certificate-authority-data": data,
            "insecure-skip-tls-verify": True,
            "tls-server-name": "name",
            "proxy-url": "http://p",
        }
    ) | {
        "users": [
            {
                "name": "u",
                "user": {
                    "client-certificate": "u.crt",
                    "client-certificate-data": data,
                    "client-key": "/keys/u.key",
                    "client-key-data": data,
                    "tokenFile": "token",
                    "username": "n",
                    "password": "p",
                    "as": "other",
                    "as-groups": ["a", "b"],
                },
            }
        ]
    }
    assert kubeconfig.choose([(PATH, content)], None) == kubeconfig.Access(
        server="https://h",
        authority=b"pem",
        authority_file=pathlib.Path("/conf/ca.crt"),
        is_unverified=True,
        server_name="name",
        proxy="http://p",
        certificate=b"pem",
        certificate_file=pathlib.Path("/conf/u.crt"),
        key=model.Secret(b"pem"),
        key_file=pathlib.Path("/keys/u.key"),
        token_file=pathlib.Path("/conf/token"),
        username="n",
        password=model.Secret("p"),
        act_as=(("Impersonate-User", "other"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")),
    )


def test_exec_plugin_is_read() -> None:
    content = user(
        exec={
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "bin/login",
            "args": ["get", 1],
            "env": [{"name": "A", "value": "b"}],
            "provideClusterInfo": True,
            "installHint": "install it",
        }
    )
    assert kubeconfig.choose([(PATH, content)], None).plugin == kubeconfig.Plugin(
        command="/conf/bin/login",
        args=("get", "1"),
        env=(("A", "b"),),
        api_version="client.authentication.k8s.io/v1",
        wants_cluster=True,
        install_hint="install it",
    )


def test_first_kubeconfig_file_takes_precedence() -> None:
    other = pathlib.Path("/other/k")
    second = document(**{"current-context": "y"}) | {
        "users": [{"name": "u", "user": {"token": "second"}}, {"name": "w", "user": {"tokenFile": "t"}}],
        "contexts": [{"name": "y", "context": {"cluster": "c", "user": "w"}}],
    }
    documents = [(PATH, document()), (other, second)]

    assert kubeconfig.choose(documents, None).token == model.Secret("t")
    assert kubeconfig.choose(documents, "y").token_file == pathlib.Path("/other/t")


@pytest.mark.parametrize(
    ("content", "context", "text"),
    [
        ("words", None, "ics:cluster.kubeconfig: /conf/k: not a kubeconfig; set the path of one"),
        (None, None, "ics:cluster.kubeconfig: /conf/k: not a kubeconfig; set the path of one"),
        (
            document(**{"current-context": ""}),
            None,
            "ics:cluster.context: /conf/k has no current context; set one of x, nobody",
        ),
        ({}, None, "ics:cluster.context: /conf/k has no current context; set one of (none)"),
        (document(), "y", "ics:cluster.context: /conf/k has no context 'y'; set one of x, nobody"),
        (
            document(clusters=[]),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': cluster 'c' not found; add it",
        ),
        (
            document(users=None),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': user 'u' not found; add it",
        ),
        (
            document(users="u"),
            None,
            "ics:cluster.kubeconfig: /conf/k: users is not a list of named entries; correct it",
        ),
        (
            document(contexts=[{"name": "x"}]),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x' is empty; correct it",
        ),
        (
            cluster(server="h:6443"),
            None,
            "ics:cluster.kubeconfig: /conf/k: cluster 'c': invalid server 'h:6443'; use https://HOST:PORT",
        ),
        (
            cluster(**{"certificate-authority-data": "?"}),
            None,
            "ics:cluster.kubeconfig: /conf/k: cluster 'c': certificate-authority-data is not valid base64; correct it",
        ),
        (user(token=5), None, "ics:cluster.kubeconfig: /conf/k: user 'u': token is not text; correct it"),
        (
            user(exec={"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}),
            None,
            "ics:cluster.kubeconfig: /conf/k: user 'u': unsupported exec.apiVersion"
            " 'client.authentication.k8s.io/v1alpha1'; use client.authentication.k8s.io/v1",
        ),
        (
            user(exec={"args": []}),
            None,
            "ics:cluster.kubeconfig: /conf/k: user 'u': exec has no command; add it",
        ),
        (
            user(**{"auth-provider": {"name": "gcp"}}),
            None,
            "ics:cluster.kubeconfig: /conf/k: user 'u': Kubernetes has removed auth-provider; use exec, a token or"
            " a key",
        ),
    ],
)
def test_invalid_kubeconfig_is_refused_with_reason(content: object, context: str | None, text: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        kubeconfig.choose([(PATH, content)], context)

    assert str(raised.value) == text
