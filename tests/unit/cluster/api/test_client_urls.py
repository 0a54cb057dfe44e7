"""The URL of a request is that of its own path and query, whatever was asked before."""

import httpx
import pytest

from ics import model
from ics.cluster.api import client, kinds, kubeconfig, requests

ASKED = [
    requests.select(kinds.POD, {"app": "a b&c"}),
    requests.select(kinds.POD, {"app": "é"}),
    requests.select(kinds.POD, {"app": "é"}, namespace="n"),
    requests.select(kinds.POD, {"app": "é"}, after="x"),
    requests.get(kinds.POD, "n", "p"),
    requests.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}, "me"),
]


@pytest.mark.parametrize("most", [256, 2])
async def test_each_request_has_its_own_url_again_and_again(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, str(request.url)))
        return httpx.Response(200, json={"items": []})

    monkeypatch.setattr(client, "_MOST_URLS", most)
    access = kubeconfig.Access(server="https://cluster.example/base", token=model.Secret("t"))
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        for one in [*ASKED, *ASKED, *reversed(ASKED)]:
            await kube.send(one)
    async with httpx.AsyncClient(base_url=access.server) as http:
        expected = [
            (one.method, str(http.build_request(one.method, one.path, params=one.query).url)) for one in ASKED
        ]
    assert seen == [*expected, *expected, *reversed(expected)]
