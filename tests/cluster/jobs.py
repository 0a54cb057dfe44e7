"""Ends Jobs as their controller would; the API server of these tests has none."""

from typing import Any

from ics.cluster.api import client, kinds, requests

NOW = "2026-01-01T00:00:00Z"
DONE = ("SuccessCriteriaMet", "Complete")
FAILED = ("FailureTarget", "Failed")


async def finish(
    kube: client.KubeClient, namespace: str, name: str, conditions: tuple[str, str], reason: str = ""
) -> None:
    """End a Job with these conditions, in the order in which the controller sets them."""
    because = {"reason": reason} if reason else {}
    met = [{"type": each, "status": "True", "lastTransitionTime": NOW, **because} for each in conditions]
    status: dict[str, Any] = {"conditions": met, "startTime": NOW}
    if conditions == DONE:
        status |= {"completionTime": NOW, "succeeded": 1}
    await kube.send(
        requests.KubeRequest(
            verb="patch",
            kind=kinds.JOB,
            namespace=namespace,
            name=name,
            query={},
            body=requests.encode({"status": status}),
            content_type="application/merge-patch+json",
            subpath="/status",
        )
    )


async def collect(kube: client.KubeClient, namespace: str, name: str) -> None:
    """Delete a Job whose pod is gone, as the garbage collector would; it must be about to be deleted."""
    job = await kube.find(kinds.JOB, namespace, name)
    assert job is not None
    assert job["metadata"]["finalizers"] == ["foregroundDeletion"]
    await kube.send(
        requests.KubeRequest(
            verb="patch",
            kind=kinds.JOB,
            namespace=namespace,
            name=name,
            query={},
            body=requests.encode({"metadata": {"finalizers": None}}),
            content_type="application/merge-patch+json",
        )
    )
