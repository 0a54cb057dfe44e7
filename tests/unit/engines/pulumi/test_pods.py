"""The pod in which a pass runs, whose lock a later pass may remove."""

import pathlib
import socket

import pytest

from ics.cluster.api import client, connect, kubeconfig
from ics.engines.pulumi import pods
from tests.unit import kube_api


@pytest.mark.parametrize(
    ("is_in_cluster", "host", "recorded"),
    [
        pytest.param(True, "reconciler-1", "provider/reconciler-1", id="pod"),
        pytest.param(True, "worker-7", "", id="network of the host"),
        pytest.param(False, "reconciler-1", "", id="outside"),
    ],
)
async def test_only_a_host_that_is_a_pod_is_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, is_in_cluster: bool, host: str, recorded: str
) -> None:
    if is_in_cluster:
        (tmp_path / "namespace").write_text("provider")
    monkeypatch.setattr(connect, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    server = kube_api.Api()
    server.objects["namespaces", "provider", "pods", "reconciler-1"] = {"metadata": {"name": "reconciler-1"}}
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), server.transport) as kube:
        assert await pods.own(kube) == recorded
