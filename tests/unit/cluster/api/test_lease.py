"""A Lease that cannot be renewed while the API server is unreachable."""

import httpx
import pytest

from ics import errors, names
from ics.cluster.api import client, kubeconfig, lease
from tests.unit import kube_api


async def test_lease_that_could_not_be_renewed_in_time_counts_as_another_holders() -> None:
    server, seconds, is_reachable = kube_api.Api(), 0.0, True

    def answer(request: httpx.Request) -> httpx.Response:
        if not is_reachable:
            raise httpx.ConnectError("no route to host")
        return server.transport.handle_request(request)

    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        own = lease.Lease(kube, "alice", "provider", "a pass", 120, monotonic=lambda: seconds)
        await own.ensure()
        is_reachable = False

        seconds = 39.0
        await own.ensure()
        seconds = 79.0
        with pytest.raises(errors.Transient) as unreachable:
            await own.ensure()
        assert not isinstance(unreachable.value, lease.HeldByOther)
        seconds = 80.0
        with pytest.raises(lease.HeldByOther, match="not renewed in time"):
            await own.ensure()

        is_reachable = True
        await own.ensure()


async def test_transaction_is_recorded_however_large_the_record_of_answers_is() -> None:
    server = kube_api.Api()
    access = kubeconfig.Access(server="https://h:6443")
    async with client.KubeClient(access, server.transport) as kube:
        own = lease.Lease(kube, "alice", "provider", "a pass", 120)
        await own.annotate({names.COSTS: "c" * 60_000, names.REPORTED: "r" * 60_000})
        await own.annotate({names.ANSWERS: "a" * 100_000})
        assert {names.COSTS, names.REPORTED, names.ANSWERS} <= (await own.annotations()).keys()
        await own.annotate({names.TOP_UPS: "t" * 40_000, names.TRANSACTION: "provider-1 AB 7"})
        kept = await own.annotations()
        assert names.ANSWERS not in kept
        assert {names.COSTS, names.REPORTED, names.TOP_UPS, names.TRANSACTION} <= kept.keys()
        await own.annotate({names.ORDERS: "o" * 100_000})
        await own.release()
        kept = await own.annotations()
    assert {names.COSTS, names.TOP_UPS, names.TRANSACTION, names.ORDERS} <= kept.keys()
    assert kept.keys().isdisjoint({names.REPORTED, names.ANSWERS})
