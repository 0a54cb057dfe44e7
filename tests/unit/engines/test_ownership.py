"""Two validators in one cluster whose settings give their chains the same namespaces."""

import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from ics import engines, errors, names
from ics.cluster.api import client, kubeconfig
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from ics.engines.pulumi import cli, engine, provider, session, stack
from tests.cluster import chains
from tests.unit import kube_api

SHARED = "alice-1"
"""Namespace that the settings of both give chain 1."""
EXPECTED = (
    f"Namespace {SHARED}: belongs to validator alice, so bob changes nothing in it;"
    " set another ics:cluster.namespace_prefix"
)


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[kube_api.Api, client.KubeClient]]:
    """A cluster with alice's gateway, and her chains 0 and 1."""
    server = kube_api.Api()
    async with client.KubeClient(kubeconfig.Access(server="https://h:6443"), server.transport) as kube:
        own = applyset_engine.ApplyEngine(kube, "alice", "alice-home")
        done = await own.converge(
            engines.ApplyRequest(manifests=chains.manifests("alice", "alice-home", [0, 1]))
        )
        assert done.errors == ()
        yield server, kube


def request() -> engines.ApplyRequest:
    """Bob's gateway, his chain 0, and a chain 1 in a namespace of alice."""
    wanted = chains.manifests("bob", "bob-home", [0, 1])
    for manifest in wanted:
        metadata = manifest["metadata"]
        if metadata.get("namespace") == "bob-1":
            metadata["namespace"] = SHARED
        elif metadata["name"] == "bob-1":
            metadata["name"] = SHARED
    return engines.ApplyRequest(manifests=wanted)


def embedded(kube: client.KubeClient, _: pathlib.Path) -> engines.Engine:
    return applyset_engine.ApplyEngine(kube, "bob", "bob-home")


def pulumi(kube: client.KubeClient, root: pathlib.Path) -> engines.Engine:
    cluster = provider.ProviderInputs(None, None)

    async def passphrase() -> None:
        return None

    return engine.PulumiEngine(kube, "bob", "bob-home", stack.Stack(root, "bob"), passphrase, cluster)


@pytest.mark.parametrize("make", [embedded, pulumi])
async def test_namespace_of_another_validator_is_not_touched(
    cluster: tuple[kube_api.Api, client.KubeClient],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    make: Callable[..., engines.Engine],
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise errors.Transient("no Pulumi here")

    monkeypatch.setattr(session, "open_session", refuse)
    monkeypatch.setattr(cli, "check", lambda: None)
    server, kube = cluster
    before = {path: item for path, item in server.objects.items() if SHARED in path}
    assert before

    done = await make(kube, tmp_path).converge(request())

    assert EXPECTED in [str(error) for error in done.errors]
    assert {path: item for path, item in server.objects.items() if SHARED in path} == before
    # His other chain is made all the same; with Pulumi, the fast path makes it.
    node = server.find(members.Key("StatefulSet.apps", "bob-0", names.NODE_NAME))
    assert node is not None


async def test_namespace_that_another_validator_makes_meanwhile_is_not_touched() -> None:
    server = kube_api.Api()
    theirs = [each for each in chains.manifests("alice", "alice-home", [1]) if each["kind"] == "Namespace"]

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH" and request.url.path.endswith(f"/namespaces/{SHARED}"):
            while theirs:  # it is made after the look at what is there
                server.apply(theirs.pop())
        return await server.transport.handle_async_request(request)

    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        done = await applyset_engine.ApplyEngine(kube, "bob", "bob-home").converge(request())

    assert [str(error) for error in done.errors] == [EXPECTED]
    owner = server.objects["namespaces", SHARED]["metadata"]["labels"][names.VALIDATOR]
    assert (owner, [path for path in server.objects if SHARED in path]) == ("alice", [("namespaces", SHARED)])


async def test_plan_and_manual_run_name_the_owner(cluster: tuple[kube_api.Api, client.KubeClient]) -> None:
    _, kube = cluster
    own = applyset_engine.ApplyEngine(kube, "bob", "bob-home")

    changes = await own.preview(request())

    refused = {change.ref for change in changes if change.problem is not None}
    assert {str(change.problem) for change in changes if change.problem is not None} == {EXPECTED}
    assert refused == {change.ref for change in changes if change.consumer_id == "1"}
    with pytest.raises(errors.Permanent, match="belongs to validator alice"):
        await own.review(request())


async def test_namespace_that_names_no_validator_is_adopted(
    cluster: tuple[kube_api.Api, client.KubeClient],
) -> None:
    server, kube = cluster
    server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bob-0"}})
    done = await applyset_engine.ApplyEngine(kube, "bob", "bob-home").converge(
        engines.ApplyRequest(manifests=chains.manifests("bob", "bob-home", [0]))
    )
    assert done.errors == ()
    adopted = server.objects["namespaces", "bob-0"]
    assert adopted["metadata"]["labels"][names.VALIDATOR] == "bob"
