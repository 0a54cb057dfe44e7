"""What the dry runs before a convergence ask the API server."""

import httpx
import pytest

from ics import engines
from ics.cluster.api import client, kubeconfig
from ics.engines.applyset import engine as applyset_engine
from tests.cluster import chains
from tests.unit import kube_api


@pytest.mark.parametrize("count", [2, 12])
async def test_nothing_is_asked_in_namespaces_that_do_not_exist(count: int) -> None:
    api = kube_api.Api()
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path} {'dryRun' in request.url.params}")
        response = api.transport.handler(request)
        assert isinstance(response, httpx.Response)
        return response

    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        engine = applyset_engine.ApplyEngine(kube, "alice", "home")
        found = await engine.converge(
            engines.ApplyRequest(manifests=chains.manifests("alice", "home", range(count)))
        )

    assert found.errors == ()
    assert len(found.changes) == 2 + 6 * count
    assert [
        line for line in asked if line.endswith("True") or "GET /api/v1/namespaces/alice-0/" in line
    ] == []
