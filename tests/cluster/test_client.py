"""Ways into a cluster, and what is said when there is none."""

import json
import pathlib
import stat
from typing import Any

import pytest

from ics import errors
from ics.cluster.api import client, connect, kinds, requests
from ics.config import settings as config_settings
from tests.cluster import apiserver, conftest

pytestmark = pytest.mark.cluster


async def who(kube: client.KubeClient) -> str:
    """The user that the API server takes this client for."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    kind = kinds.Kind(
        name="SelfSubjectReview",
        group="authentication.k8s.io",
        version="v1",
        plural="selfsubjectreviews",
        is_namespaced=False,
        rank=-1,
    )
    async with kube:
        answer = await kube.send(requests.KubeRequest(verb="create", kind=kind, body=requests.encode(review)))
    return str(answer.body["status"]["userInfo"]["username"])


def kubeconfig(
    running: apiserver.Server, path: pathlib.Path, user: Any, **cluster: Any
) -> config_settings.ClusterSettings:
    content = {
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": running.url, "certificate-authority": str(running.ca)} | cluster,
            }
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return config_settings.ClusterSettings(kubeconfig=str(path))


def plugin(path: pathlib.Path, *statuses: dict[str, Any]) -> pathlib.Path:
    """A credential plugin that answers with these, one after the other, and keeps what it was told."""
    answers = path.parent / "answers"
    answers.mkdir()
    for number, status in enumerate(statuses, 1):
        (answers / str(number)).write_text(json.dumps({"kind": "ExecCredential", "status": status}))
    path.write_text(
        "#!/bin/sh\n"
        f'printf %s "$KUBERNETES_EXEC_INFO" > {path.parent}/info\n'
        f"echo x >> {path.parent}/runs\n"
        f"cat {answers}/$(wc -l < {path.parent}/runs)\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_token(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    settings = kubeconfig(server, tmp_path / "k", {"token": "editor"})

    assert await who(connect.open_client(settings, tmp_path, {})) == "editor"


async def test_acting_as_another(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    user = {"token": "admin", "as": "other", "as-groups": ["a", "b"]}

    assert await who(connect.open_client(kubeconfig(server, tmp_path / "k", user), tmp_path, {})) == "other"


async def test_relative_path_and_named_context(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": "ca.crt"}}],
        "users": [{"name": n, "user": {"tokenFile": f"{n}.token"}} for n in ("reader", "editor")],
        "contexts": [{"name": n, "context": {"cluster": "c", "user": n}} for n in ("reader", "editor")],
        "current-context": "reader",
    }
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(server.ca.read_bytes())
    (folder / "editor.token").write_text("editor\n")
    (folder / "k").write_text(json.dumps(content))

    settings = config_settings.ClusterSettings(kubeconfig="conf/k", context="editor")

    assert await who(connect.open_client(settings, tmp_path, {})) == "editor"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_plugin(server: apiserver.Server, tmp_path: pathlib.Path, version: str) -> None:
    program = plugin(tmp_path / "login", {"token": "editor"})
    user = {"exec": {"apiVersion": f"client.authentication.k8s.io/{version}", "command": str(program)}}

    assert await who(connect.open_client(kubeconfig(server, tmp_path / "k", user), tmp_path, {})) == "editor"

    told = json.loads((tmp_path / "info").read_text())
    assert told == {
        "kind": "ExecCredential",
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "spec": {"interactive": False},
    }


async def test_plugin_is_run_again_when_its_token_is_refused(
    server: apiserver.Server, tmp_path: pathlib.Path
) -> None:
    plugin(tmp_path / "login", {"token": "outdated"}, {"token": "editor"})
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login"}}

    assert await who(connect.open_client(kubeconfig(server, tmp_path / "k", user), tmp_path, {})) == "editor"

    assert (tmp_path / "runs").read_text() == "x\nx\n"


async def test_plugin_with_a_certificate(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    shown = {
        "clientCertificateData": (server.folder / "client.crt").read_text(),
        "clientKeyData": (server.folder / "client.key").read_text(),
    }
    program = plugin(tmp_path / "login", shown)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}

    assert (
        await who(connect.open_client(kubeconfig(server, tmp_path / "k", user), tmp_path, {})) == "cert-admin"
    )


async def test_certificate_files_and_server_name(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    user = {
        "client-certificate": str(server.folder / "client.crt"),
        "client-key": str(server.folder / "client.key"),
    }
    settings = kubeconfig(server, tmp_path / "k", user, **{"tls-server-name": "test-server"})

    assert await who(connect.open_client(settings, tmp_path, {})) == "cert-admin"


async def test_service_account(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("reader")
    (tmp_path / "ca.crt").write_bytes(server.ca.read_bytes())
    env = {
        "HOME": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": server.url.rpartition(":")[2],
    }

    kube = connect.open_client(config_settings.ClusterSettings(), tmp_path, env, service_account=tmp_path)

    assert await who(kube) == "reader"


async def test_environment_names_several_files(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    kubeconfig(server, tmp_path / "k", {"token": "editor"})
    env = {"KUBECONFIG": f"{tmp_path}/absent:{tmp_path}/k"}

    assert await who(connect.open_client(config_settings.ClusterSettings(), tmp_path, env)) == "editor"


async def test_refused_credentials(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    settings = kubeconfig(server, tmp_path / "k", {"token": "stranger"})

    with pytest.raises(errors.Permanent, match=r"rejected the credentials \(401\)"):
        await who(connect.open_client(settings, tmp_path, {}))


async def test_untrusted_certificate(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes((server.folder / "client.crt").read_bytes())
    settings = kubeconfig(
        server, tmp_path / "k", {"token": "editor"}, **{"certificate-authority": str(other)}
    )

    with pytest.raises(
        errors.SettingsError, match=r"ics:cluster.kubeconfig: /.*/k: context 'x': the certificate of https://"
    ):
        await who(connect.open_client(settings, tmp_path, {}))


async def test_unreachable(server: apiserver.Server, tmp_path: pathlib.Path) -> None:
    settings = kubeconfig(server, tmp_path / "k", {"token": "editor"}, server="https://127.0.0.1:1")

    with pytest.raises(errors.Transient, match=r"API server https://127.0.0.1:1 is unreachable"):
        await who(connect.open_client(settings, tmp_path, {}))


@pytest.mark.parametrize("only_metadata", [True, False])
async def test_long_lists_come_in_pages(
    scene: conftest.Scene, monkeypatch: pytest.MonkeyPatch, only_metadata: bool
) -> None:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.gateway}}
    await scene.kube.apply(home, "test")
    for number in range(5):
        metadata = {"name": f"c{number}", "namespace": scene.gateway, "labels": {"test": scene.validator}}
        await scene.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, "test")
    kube, recorder = await scene.connect()
    monkeypatch.setattr(requests, "PAGE", 2)

    found = await kube.select(kinds.CONFIG_MAP, {"test": scene.validator}, only_metadata=only_metadata)

    assert [item["metadata"]["name"] for item in found] == ["c0", "c1", "c2", "c3", "c4"]
    assert len(recorder.requests) == 3
