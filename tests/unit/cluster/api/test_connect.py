"""Cluster access, offline: a fake transport answers the requests."""

import dataclasses
import io
import json
import pathlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ics import errors, model
from ics.cluster.api import client, connect, credentials, exec_plugins, kinds, kubeconfig, requests
from ics.config import settings


def test_missing_kubeconfig_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError) as raised:
        connect.open_client(settings.ClusterSettings(kubeconfig="absent"), tmp_path, {})

    assert str(raised.value) == (
        f"ics:cluster.kubeconfig: {tmp_path}/absent: No such file or directory; correct the path"
    )


def test_broken_kubeconfig_is_not_quoted(tmp_path: pathlib.Path) -> None:
    (tmp_path / "k").write_text("users:\n- user: {token: hunter2\n")

    with pytest.raises(errors.SettingsError) as raised:
        connect.open_client(settings.ClusterSettings(kubeconfig="k"), tmp_path, {})

    assert str(raised.value) == f"ics:cluster.kubeconfig: {tmp_path}/k: line 3: invalid YAML; correct it"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff", "not text in UTF-8; correct the path"),
        (b"[" * 100_000, "invalid YAML; correct it"),
        (b'{"a": ' * 100_000, "invalid YAML; correct it"),
    ],
)
def test_file_that_is_no_kubeconfig_is_named(tmp_path: pathlib.Path, content: bytes, text: str) -> None:
    (tmp_path / "k").write_bytes(content)

    with pytest.raises(errors.SettingsError) as raised:
        connect.open_client(settings.ClusterSettings(kubeconfig="k"), tmp_path, {})

    assert str(raised.value) == f"ics:cluster.kubeconfig: {tmp_path}/k: {text}"


def test_kubeconfig_of_nobody_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError, match="~nobody-here/k: there is no such user's home"):
        connect.open_client(settings.ClusterSettings(kubeconfig="~nobody-here/k"), tmp_path, {})


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"---\n", b"# words\n", b"%YAML 1.1\n---\n"])
@pytest.mark.parametrize("end", [b"", b"---\nother: document\n", b"...\n"])
def test_first_document_of_a_file_is_read(tmp_path: pathlib.Path, start: bytes, end: bytes) -> None:
    content = (
        b"clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        b"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"
    )
    (tmp_path / "k").write_bytes(start + content + end)

    assert connect.access(settings.ClusterSettings(kubeconfig="k"), tmp_path, {}) == kubeconfig.Access(
        server="https://h"
    )


@pytest.mark.parametrize("end", ["", "\n---\nother: document\n"])
def test_yaml_that_begins_like_json_is_read(tmp_path: pathlib.Path, end: str) -> None:
    fields = (
        "clusters: [{name: c, cluster: {server: 'https://h'}}], contexts: [{name: x, context: {cluster: c}}]"
    )
    (tmp_path / "k").write_text(f"{{{fields}, current-context: x}}{end}")

    assert connect.access(settings.ClusterSettings(kubeconfig="k"), tmp_path, {}).server == "https://h"


@pytest.mark.parametrize("own", [{"token": model.Secret("t")}, {"username": "u"}])
def test_plugin_is_not_run_for_a_user_with_other_credentials(
    tmp_path: pathlib.Path, own: dict[str, Any]
) -> None:
    access = dataclasses.replace(with_plugin(tmp_path, "touch ran"), **own)
    request = httpx.Request("GET", "https://h")
    method = credentials.auth(access, None)
    assert method is not None
    signed = next(method.sync_auth_flow(request))
    assert signed.headers["Authorization"].split()[0] == ("Bearer" if "token" in own else "Basic")
    assert not (tmp_path / "ran").exists()


def test_empty_and_missing_files_of_the_environment_are_passed_over(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("")
    (tmp_path / "k").write_text(
        "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        "users: [{name: u, user: {exec: {command: ./login,"
        " apiVersion: client.authentication.k8s.io/v1}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )

    access = connect.access(
        settings.ClusterSettings(), tmp_path, {"KUBECONFIG": f"{tmp_path}/absent:empty:k"}
    )

    assert access.plugin is not None
    assert access.plugin.command == f"{tmp_path}/./login"


def test_environment_that_names_nothing_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError, match=r"\$KUBECONFIG names no file; correct or unset it"):
        connect.access(settings.ClusterSettings(), tmp_path, {"KUBECONFIG": ":"})


def test_open_client_outside_pod_requires_kubeconfig(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.SettingsError, match="this is not a pod; set the path of one"):
        connect.open_client(
            settings.ClusterSettings(), tmp_path, {"HOME": str(tmp_path)}, service_account=tmp_path
        )


def test_context_in_pod_requires_kubeconfig(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("t")
    env = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    with pytest.raises(errors.SettingsError, match=r"ics:cluster.context: 'x' requires a kubeconfig"):
        connect.open_client(settings.ClusterSettings(context="x"), tmp_path, env, service_account=tmp_path)


def test_pod_uses_its_service_account(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("t")
    env = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}

    assert connect.access(settings.ClusterSettings(), tmp_path, env, tmp_path) == kubeconfig.Access(
        server="https://[fd00::1]:6443", authority_file=tmp_path / "ca.crt", token_file=tmp_path / "token"
    )


def test_unreadable_authority_file_is_named(tmp_path: pathlib.Path) -> None:
    access = kubeconfig.Access(server="https://h", authority_file=tmp_path / "ca.crt")

    with pytest.raises(
        errors.SettingsError,
        match=rf"certificate-authority cannot be read \(No such file or directory\); check {tmp_path}/ca.crt",
    ):
        client.KubeClient(access)


Answer = Callable[[httpx.Request], httpx.Response]


def answering(answer: Answer, access: kubeconfig.Access | None = None) -> client.KubeClient:
    return client.KubeClient(
        access or kubeconfig.Access(server="https://h:6443"), httpx.MockTransport(answer)
    )


def refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def hang(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


@pytest.mark.parametrize(("answer", "words"), [(refuse, "connection refused"), (hang, "ReadTimeout")])
async def test_unreachable_api_server_is_transient_error(answer: Answer, words: str) -> None:
    async with answering(answer) as kube:
        with pytest.raises(errors.Transient) as raised:
            await kube.find(kinds.SECRET, "a", "b")

    assert str(raised.value) == (
        f"Kubernetes API server https://h:6443 is unreachable ({words}); check that it runs, and the address in"
        " ics:cluster.kubeconfig"
    )


async def test_answer_without_json_is_transient_error() -> None:
    async with answering(lambda _: httpx.Response(502, text="<html>bad gateway</html>")) as kube:
        with pytest.raises(errors.Transient, match="Secret a/b: get answered 502: <html>bad gateway</html>"):
            await kube.find(kinds.SECRET, "a", "b")


async def test_token_file_is_read_for_each_request(tmp_path: pathlib.Path) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json={})

    path = tmp_path / "token"
    async with answering(answer, kubeconfig.Access(server="https://h", token_file=path)) as kube:
        for token in ("one\n", "two\n"):
            path.write_text(token)
            await kube.send(requests.get(kinds.SECRET, "a", "b"))
        # It may be away for a moment when it is replaced.
        for content in (None, b"", b"\xff"):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            await kube.send(requests.get(kinds.SECRET, "a", "b"))

    assert seen == ["Bearer one"] + ["Bearer two"] * 4


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file or directory; check the path and its permissions"),
        (b" \n", "is empty; check the file"),
        (b"two\nlines", "contains no token; check the file"),
    ],
)
async def test_token_file_is_named_when_nothing_else_is_accepted(
    tmp_path: pathlib.Path, content: bytes | None, text: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    said = f"ics:cluster.kubeconfig: k: context 'x': tokenFile {path}: {text}"
    for token in (None, model.Secret("outdated")):
        access = kubeconfig.Access(server="https://h", token=token, token_file=path, origin="k: context 'x'")
        async with answering(lambda _: httpx.Response(401, json={}), access) as kube:
            with pytest.raises(errors.Permanent) as raised:
                await kube.find(kinds.SECRET, "a", "b")

        assert str(raised.value) == said


GKE = """\
F1128 12:00:00.000000   12345 cred.go:145] print credential failed with error: Failed to retrieve access token:: \
failure while executing gcloud, with args [config config-helper --format=json]: exit status 1 (err: ERROR: \
(gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed.
Please run:

  $ gcloud auth login

to obtain new credentials.
)
"""


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        ("echo no session >&2; exit 3", errors.Transient, "login failed (3): no session; log in again"),
        ("exit 3", errors.Transient, "login failed (3): it said nothing; log in again"),
        (
            f"cat >&2 <<'END'\n{GKE}END\nexit 1",
            errors.Transient,
            f"login failed (1): {' '.join(GKE.split())}; log in again",
        ),
        (
            r"printf '\033[31mred\033[0m\007\n\342\200\256 text.\n' >&2; exit 1",
            errors.Transient,
            "login failed (1): red text; log in again",
        ),
        (
            "echo words",
            errors.Permanent,
            "login returned no ExecCredential with a status; check its configuration",
        ),
        (
            "printf '%05000d' 0 | tr 0 [",
            errors.Permanent,
            "login returned no ExecCredential with a status; check its configuration",
        ),
        (
            """echo '{"status":{}}'""",
            errors.Permanent,
            "login returned neither token nor certificate; check its configuration",
        ),
        (
            """echo '{"status":{"token":5}}'""",
            errors.Permanent,
            "login returned a status.token that is not plain text; check its configuration",
        ),
        (
            """echo '{"status":{"clientCertificateData":"x"}}'""",
            errors.Permanent,
            "login returned only one of clientCertificateData and clientKeyData; check its configuration",
        ),
        (
            """echo '{"status":{"token":"t","expirationTimestamp":"soon"}}'""",
            errors.Permanent,
            "login returned an expirationTimestamp that is not a time in RFC 3339; check its configuration",
        ),
        (None, errors.SettingsError, "login: No such file or directory: install it with X: see Y"),
    ],
)
async def test_failing_plugin_is_named_with_its_whole_message(
    tmp_path: pathlib.Path, script: str | None, kind: type[errors.IcsError], text: str
) -> None:
    access = with_plugin(tmp_path, script, install_hint="install it with X:\nsee Y.\n")

    async with answering(lambda _: httpx.Response(200, json={}), access) as kube:
        with pytest.raises(kind) as raised:
            await kube.find(kinds.SECRET, "a", "b")

    assert str(raised.value) == (
        f"ics:cluster.kubeconfig: k: context 'x': exec: credential plugin {tmp_path}/{text}"
    )


def with_plugin(
    folder: pathlib.Path, script: str | None, mode: str = "IfAvailable", install_hint: str = ""
) -> kubeconfig.Access:
    program = folder / "login"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    plugin = kubeconfig.Plugin(
        command=str(program),
        args=(),
        env=(),
        api_version="client.authentication.k8s.io/v1",
        wants_cluster=True,
        mode=mode,
        cluster_config={"audience": "a"},
        install_hint=install_hint,
    )
    return kubeconfig.Access(
        server="https://h",
        authority=b"pem",
        server_name="name",
        proxy="http://p",
        plugin=plugin,
        origin="k: context 'x'",
    )


class Terminal(io.StringIO):
    """Stands for the standard input of somebody at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "is_terminal", "said"),
    [
        ("Never", True, False),
        ("IfAvailable", True, True),
        ("IfAvailable", False, False),
        ("Always", True, True),
    ],
)
def test_plugin_is_told_of_cluster_and_terminal(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, mode: str, is_terminal: bool, said: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal() if is_terminal else io.StringIO())
    script = f"""printf %s "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; echo '{{"status":{{"token":"t"}}}}'"""

    access = with_plugin(tmp_path, script, mode)

    assert access.plugin is not None
    assert exec_plugins.run(access.plugin, access).token == model.Secret("t")
    assert json.loads((tmp_path / "info").read_text()) == {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "spec": {
            "interactive": said,
            "cluster": {
                "server": "https://h",
                "tls-server-name": "name",
                "certificate-authority-data": "cGVt",
                "proxy-url": "http://p",
                "config": {"audience": "a"},
            },
        },
    }


async def test_plugin_that_needs_a_terminal_is_refused_without_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    access = with_plugin(tmp_path, "exit 1", "Always")

    async with answering(lambda _: httpx.Response(200, json={}), access) as kube:
        with pytest.raises(
            errors.SettingsError, match=r"context 'x': exec.interactiveMode is Always, but there"
        ):
            await kube.find(kinds.SECRET, "a", "b")


async def test_plugin_is_run_again_after_token_expires(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "login"
    program.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/runs\n"
        'echo "{\\"status\\":{\\"token\\":\\"t\\",\\"expirationTimestamp\\":\\"2020-01-01T00:00:00Z\\"}}"\n'
    )
    program.chmod(0o755)
    plugin = kubeconfig.Plugin(
        command=str(program),
        args=(),
        env=(),
        api_version="client.authentication.k8s.io/v1",
        wants_cluster=False,
    )

    access = kubeconfig.Access(server="https://h", plugin=plugin)
    async with answering(lambda _: httpx.Response(200, json={}), access) as kube:
        for _ in range(3):
            await kube.find(kinds.SECRET, "a", "b")

    assert (tmp_path / "runs").read_text() == "x\nx\nx\n"
