"""`pulumi up` after a volume grew, and after one was restored: neither is made smaller, nor replaced.

The program runs by itself, over a simulated provider; what the storage driver and `ics restore` do is done by hand.
"""

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from ics import names
from ics.cluster.api import kinds, requests
from ics.manifests import snapshots as manifests
from tests.pulumi import stage
from tests.unit.cli.commands import test_snapshot

pytestmark = pytest.mark.pulumi

CLASS = "grows"


def sent(place: stage.Stage, *wanted: requests.KubeRequest) -> list[dict[str, Any]]:
    """The API server's answers."""

    async def send() -> list[dict[str, Any]]:
        kube, _ = place.kube()
        async with kube:
            return [(await kube.send(one)).body for one in wanted]

    return asyncio.run(send())


def claims(place: stage.Stage) -> list[dict[str, Any]]:
    """The chains' volumes, in the order of their namespaces."""
    (listed,) = sent(place, requests.KubeRequest(verb="list", kind=kinds.VOLUME_CLAIM))
    prefix = place.settings.cluster.namespace_prefix
    found = [one for one in listed["items"] if one["metadata"]["namespace"].startswith(prefix)]
    return sorted(found, key=lambda one: str(one["metadata"]["namespace"]))


def patch(item: dict[str, Any], change: dict[str, Any], subpath: str = "") -> requests.KubeRequest:
    return requests.KubeRequest(
        verb="patch",
        kind=kinds.VOLUME_CLAIM,
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        body=json.dumps(change).encode(),
        content_type="application/merge-patch+json",
        subpath=subpath,
    )


def bind(place: stage.Stage, item: dict[str, Any]) -> None:
    """Give a claim its volume, as a storage driver does."""
    size = item["spec"]["resources"]["requests"]
    volume = {"spec": {"volumeName": f"pv-{item['metadata']['uid']}"}}
    sent(place, patch(item, volume), patch(item, {"status": {"phase": "Bound", "capacity": size}}, "/status"))


def sizes(found: list[dict[str, Any]]) -> list[str]:
    return [one["spec"]["resources"]["requests"]["storage"] for one in found]


def uids(found: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["uid"] for one in found]


def test_volume_that_grew_is_not_made_smaller(chain: stage.Stage) -> None:
    chain.set("node", {"storage": "10Gi", "storage_class": CLASS, "volume": {"max": "100Gi"}})
    expanding = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS},
        "provisioner": "none",
        "allowVolumeExpansion": True,
    }
    sent(chain, requests.create(expanding, "driver"))
    chain.pulumi("stack", "init")
    for _ in range(2):  # the second one has the address of the LoadBalancer, and the volumes
        chain.pulumi("up", "--yes", "--skip-preview")
    before = claims(chain)
    assert sizes(before) == ["10Gi"] * len(before)
    assert before
    for item in before:
        bind(chain, item)
    # By a pass with the embedded engine, or by hand.
    sent(chain, patch(before[0], {"spec": {"resources": {"requests": {"storage": "14Gi"}}}}))

    chain.pulumi("up", "--yes", "--skip-preview")

    after = claims(chain)
    assert sizes(after) == ["14Gi", *sizes(before[1:])]
    assert uids(after) == uids(before)
    chain.pulumi("preview", "--expect-no-changes")


def test_volume_that_was_restored_is_not_replaced(chain: stage.Stage) -> None:
    old, *others = claims(chain)
    snapshot = dataclasses.replace(test_snapshot.READY, app_height="41")
    made = manifests.restored_claim(old, snapshot, "20Gi", CLASS)
    # Its finalizer waits for a controller that is not there.
    sent(chain, patch(old, {"metadata": {"finalizers": None}}))
    chain.delete(kinds.VOLUME_CLAIM, old["metadata"]["namespace"], old["metadata"]["name"])
    sent(chain, requests.create(made, names.LOOP_MANAGER))
    restored = claims(chain)
    assert uids(restored) != uids([old, *others])
    bind(chain, restored[0])

    chain.pulumi("up", "--yes", "--skip-preview")

    after = claims(chain)
    assert uids(after) == uids(restored)
    assert sizes(after) == ["20Gi", *sizes(others)]
    assert after[0]["spec"]["dataSource"]["name"] == snapshot.name
    assert after[0]["metadata"]["annotations"][names.RESTORED_FROM] == snapshot.name
    chain.pulumi("up", "--yes", "--skip-preview")
    chain.pulumi("preview", "--expect-no-changes")
    assert uids(claims(chain)) == uids(restored)
