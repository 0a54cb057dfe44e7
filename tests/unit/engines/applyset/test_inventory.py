"""The set's parent as it is read and written."""

import dataclasses
import json
from typing import Any

import httpx

from ics import engines, names
from ics.cluster.api import client, kubeconfig
from ics.engines import tenure
from ics.engines.applyset import inventory, parent


async def test_backend_on_record_outlives_passes_of_the_other_engine() -> None:
    before = parent.Parent(tenure=tenure.Tenure(engine=engines.PULUMI), backend="s3://former")
    item = parent.manifest("alice", "provider", before)
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, content=request.content)

    access = kubeconfig.Access(server="https://h:6443")
    known = inventory.Inventory(validator="alice", namespace="provider", item=item, parent=before, members={})
    async with client.KubeClient(access, httpx.MockTransport(answer)) as kube:
        after, _ = await inventory.commit(
            kube, known, parent.Parent(tenure=tenure.Tenure(engine=engines.APPLY))
        )
        moved, writes = await inventory.commit(kube, after.after_pulumi("gs://new"), parent.Parent())
        again = await inventory.commit(kube, moved, dataclasses.replace(moved.parent, backend=""))

    backends = [body["metadata"]["annotations"][names.STATE_BACKEND] for body in sent]
    assert (backends, writes, again[1]) == (["s3://former", "gs://new"], 1, 0)
