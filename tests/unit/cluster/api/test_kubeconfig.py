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


def plugin(**fields: Any) -> dict[str, Any]:
    return user(exec={"command": "x", "apiVersion": "client.authentication.k8s.io/v1"} | fields)


CA_INVALID = "certificate-authority-data is not valid base64; correct it"


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
            "insecure-skip-tls-verify": False,
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
                    "as-uid": "7",
                    "as-user-extra": {"acme.com/team": ["red", "grün"]},
                },
            }
        ]
    }
    assert kubeconfig.choose([(PATH, content)], None) == kubeconfig.Access(
        server="https://h",
        authority=b"pem",
        authority_file=pathlib.Path("/conf/ca.crt"),
        server_name="name",
        proxy="http://p",
        certificate=b"pem",
        certificate_file=pathlib.Path("/conf/u.crt"),
        key=model.Secret(b"pem"),
        key_file=pathlib.Path("/keys/u.key"),
        token_file=pathlib.Path("/conf/token"),
        username="n",
        password=model.Secret("p"),
        act_as=(
            ("Impersonate-User", "other"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Extra-acme.com%2Fteam", "red"),
            ("Impersonate-Extra-acme.com%2Fteam", "grün"),
        ),
    )


def test_exec_plugin_is_read() -> None:
    content = user(
        exec={
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "bin/login",
            "args": ["get", "1"],
            "env": [{"name": "A", "value": "b"}, {"name": "X"}, {"name": "Y", "value": None}],
            "interactiveMode": "Never",
            "provideClusterInfo": True,
            "installHint": "install it",
        }
    )
    assert kubeconfig.choose([(PATH, content)], None).plugin == kubeconfig.Plugin(
        command="/conf/bin/login",
        args=("get", "1"),
        env=(("A", "b"), ("X", ""), ("Y", "")),
        api_version="client.authentication.k8s.io/v1",
        wants_cluster=True,
        mode="Never",
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


@pytest.mark.parametrize("separator", ["\n", "\r\n", " ", "\n    "])
def test_wrapped_base64_is_read(separator: str) -> None:
    text = base64.b64encode(b"certificate" * 20).decode()
    wrapped = separator.join(text[at : at + 64] for at in range(0, len(text), 64)) + separator

    access = kubeconfig.choose([(PATH, cluster(**{"certificate-authority-data": wrapped}))], None)

    assert access.authority == b"certificate" * 20


@pytest.mark.parametrize("entry", [{}, {"user": None}, {"user": {}}])
def test_missing_fields_are_their_defaults(entry: dict[str, Any]) -> None:
    content = document(users=[{"name": "u", **entry}])

    assert kubeconfig.choose([(PATH, content)], None) == kubeconfig.Access(server="https://h:6443")


@pytest.mark.parametrize(
    ("fields", "server"),
    [
        ({"server": "h:6443"}, "http://h:6443"),
        ({"server": "h:6443", "certificate-authority": "f"}, "https://h:6443"),
        ({"server": "h", "insecure-skip-tls-verify": True}, "https://h"),
        ({"server": "https://rancher/k8s/clusters/c-1/"}, "https://rancher/k8s/clusters/c-1"),
        ({"server": "https://[::1]:6443"}, "https://[::1]:6443"),
        ({"server": "HTTPS://h"}, "https://h"),
    ],
)
def test_server_is_read_as_by_kubectl(fields: dict[str, Any], server: str) -> None:
    assert kubeconfig.choose([(PATH, cluster(**fields))], None).server == server


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
def test_no_credential_is_used_without_tls(scheme: str) -> None:
    access = kubeconfig.choose([(PATH, cluster(server=f"{scheme}://localhost:8080"))], None)

    assert access == kubeconfig.Access(server="http://localhost:8080")


def test_cluster_extension_is_read_for_the_plugin() -> None:
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}},
    ]
    content = plugin(provideClusterInfo=True) | {
        "clusters": cluster(extensions=extensions)["clusters"],
    }

    chosen = kubeconfig.choose([(PATH, content)], None).plugin

    assert chosen is not None
    assert chosen.cluster_config == {"audience": "a"}


def test_cluster_extensions_that_are_no_list_are_named() -> None:
    content = plugin(provideClusterInfo=True) | {"clusters": cluster(extensions=1.5)["clusters"]}
    with pytest.raises(errors.SettingsError, match="cluster 'c': extensions is not a list; correct it"):
        kubeconfig.choose([(PATH, content)], None)


@pytest.mark.parametrize("command", ["login", "./login", "/bin/login"])
def test_plugin_in_a_folder_is_relative_to_the_file(command: str) -> None:
    chosen = kubeconfig.choose([(pathlib.Path("k"), plugin(command=command))], None).plugin

    assert chosen is not None
    assert chosen.command == (f"./{command}" if command == "./login" else command)


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
        (
            {},
            None,
            "ics:cluster.kubeconfig: /conf/k has no context; set the path of the file by which kubectl reaches the"
            " cluster",
        ),
        (document(), "y", "ics:cluster.context: /conf/k has no context 'y'; set one of x, nobody"),
        (
            document(contexts=[{"name": "\ud800\x1b[2J"}]),
            "y",
            "ics:cluster.context: /conf/k has no context 'y'; set one of \\ud800\\x1b[2J",
        ),
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
            "ics:cluster.kubeconfig: /conf/k: context 'x': cluster is missing; add it",
        ),
        (
            document(contexts=[{"name": "x", "context": "c"}]),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x' is not a table of fields; correct it",
        ),
        (
            document(contexts=[{"name": 2026, "context": {}}]),
            "2026",
            "ics:cluster.kubeconfig: /conf/k: contexts: the name 2026 is not text; put it in quotes",
        ),
        (
            document(**{"current-context": 2026}),
            None,
            "ics:cluster.kubeconfig: /conf/k: current-context is not text; put it in quotes",
        ),
        (
            cluster(**{"certificate-authority-data": "?"}),
            None,
            f"ics:cluster.kubeconfig: /conf/k: context 'x': cluster 'c': {CA_INVALID}",
        ),
        (
            user(token=5),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': user 'u': token is not text; put it in quotes",
        ),
        (
            user(exec={"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': user 'u': unsupported exec.apiVersion"
            " 'client.authentication.k8s.io/v1alpha1'; use client.authentication.k8s.io/v1",
        ),
        *(
            (content, None, f"ics:cluster.kubeconfig: /conf/k: context 'x': {text}")
            for content, text in (
                (cluster(server=None), "cluster 'c': server is missing; add https://HOST:PORT"),
                *(
                    (cluster(server=text), f"cluster 'c': invalid server {text!r}; use https://HOST:PORT")
                    for text in (
                        "https://h:99999",
                        "https://",
                        "https://[::1",
                        "ftp://h",
                        "https://h h",
                        "h:x",
                    )
                ),
                (
                    cluster(**{"proxy-url": "p:1080"}),
                    "cluster 'c': proxy-url is not valid; use http, https, socks5, socks5h://HOST:PORT",
                ),
                (
                    cluster(**{"insecure-skip-tls-verify": "true"}),
                    "cluster 'c': insecure-skip-tls-verify is neither true nor false; correct it",
                ),
                (
                    cluster(**{"insecure-skip-tls-verify": True, "certificate-authority": "f"}),
                    "cluster 'c': insecure-skip-tls-verify excludes a certificate-authority; remove one of them",
                ),
                (cluster(**{"certificate-authority-data": "é"}), f"cluster 'c': {CA_INVALID}"),
                (user(token="a\nb"), "user 'u': token contains characters that no token has; correct it"),
                (user(token="é"), "user 'u': token contains characters that no token has; correct it"),
                (
                    user(username="\ud800"),
                    "user 'u': username contains a character that no system can hold; correct it",
                ),
                (
                    user(**{"as": "a\nb"}),
                    "user 'u': as contains characters that no header can hold; correct it",
                ),
                (
                    user(**{"as-groups": ["a"]}),
                    "user 'u': as is missing, but as-uid, as-groups or as-user-extra is set; add it",
                ),
                (user(**{"as-groups": "a"}), "user 'u': as-groups is not a list; correct it"),
                (
                    user(**{"as-user-extra": ["a"]}),
                    "user 'u': as-user-extra is not a table of fields; correct it",
                ),
                (user(exec="x"), "user 'u': exec is not a table of fields; correct it"),
                (plugin(env=["A=b"]), "user 'u': exec: env[0] is not a table of fields; correct it"),
                (plugin(env={"A": "b"}), "user 'u': exec: env is not a list; correct it"),
                (
                    plugin(env=[{"value": "x"}]),
                    "user 'u': exec: env[0]: name is missing or contains '='; correct it",
                ),
                (
                    plugin(env=[{"name": "A", "value": 1}]),
                    "user 'u': exec: env[0]: value is not text; put it in quotes",
                ),
                (plugin(args=["get", 1]), "user 'u': exec: args[1] is not text; put it in quotes"),
                (
                    plugin(args=["\0"]),
                    "user 'u': exec: args[0] contains a character that no system can hold; correct it",
                ),
                (
                    plugin(interactiveMode="Sometimes"),
                    "user 'u': invalid exec.interactiveMode 'Sometimes'; use Never, IfAvailable, Always",
                ),
            )
        ),
        (
            user(exec={"args": []}),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': user 'u': exec has no command; add it",
        ),
        (
            user(**{"auth-provider": {"name": "gcp"}}),
            None,
            "ics:cluster.kubeconfig: /conf/k: context 'x': user 'u': Kubernetes has removed auth-provider; use exec,"
            " a token or a key",
        ),
    ],
)
def test_invalid_kubeconfig_is_refused_with_reason(content: object, context: str | None, text: str) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        kubeconfig.choose([(PATH, content)], context)

    assert str(raised.value) == text
