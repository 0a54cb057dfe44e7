"""Cluster access, offline: a fake transport answers the requests."""

import pathlib
from collections.abc import Callable

import httpx
import pytest

from ics import errors
from ics.cluster.api import client, connect, kinds, kubeconfig, requests
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

    with pytest.raises(errors.SettingsError, match=f"check {tmp_path}/ca.crt"):
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
        path.unlink()
        with pytest.raises(errors.Permanent, match=r"token file .*: No such file or directory"):
            await kube.send(requests.get(kinds.SECRET, "a", "b"))

    assert seen == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        ("echo no session >&2; exit 3", errors.Transient, r"failed \(3\): no session; log in again"),
        ("echo words", errors.Permanent, "returned no ExecCredential with a status; check its configuration"),
        (
            """echo '{"status":{}}'""",
            errors.Permanent,
            "returned neither token nor certificate; check its configuration",
        ),
        (None, errors.SettingsError, "No such file or directory: install it with X"),
    ],
)
async def test_failing_plugin_is_named_with_its_hint(
    tmp_path: pathlib.Path, script: str | None, kind: type[errors.IcsError], text: str
) -> None:
    program = tmp_path / "login"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    plugin = kubeconfig.Plugin(
        command=str(program),
        args=(),
        env=(),
        api_version="client.authentication.k8s.io/v1",
        wants_cluster=False,
        install_hint="install it with X",
    )
    access = kubeconfig.Access(server="https://h", plugin=plugin)

    async with answering(lambda _: httpx.Response(200, json={}), access) as kube:
        with pytest.raises(kind, match=text):
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
