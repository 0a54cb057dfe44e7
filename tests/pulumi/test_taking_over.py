"""The program without the reconciler, over a simulated provider: the first preview, and a volume that is to stay."""

import asyncio
from typing import Any

import pytest

from ics.cluster.api import kinds
from tests.pulumi import stage

pytestmark = pytest.mark.pulumi


def volumes(place: stage.Stage) -> list[dict[str, Any]]:
    """The volumes of the stage's validator."""

    async def read() -> list[dict[str, Any]]:
        kube, _ = place.kube()
        async with kube:
            return await kube.select(kinds.VOLUME_CLAIM, {})

    prefix = place.settings.cluster.namespace_prefix
    return [one for one in asyncio.run(read()) if one["metadata"]["namespace"].startswith(prefix)]


def names_of(items: list[dict[str, Any]]) -> list[str]:
    """The names that confirm a change of these volumes."""
    return [
        f"PersistentVolumeClaim/{m['namespace']}/{m['name']}@{m['uid'][:8]}"
        for m in (item["metadata"] for item in items)
    ]


def specs(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["metadata"]["uid"]: item["spec"] for item in items}


def test_a_volume_that_is_to_stay_does_not_stop_a_bare_up(chain: stage.Stage) -> None:
    chain.pulumi("stack", "init")
    for _ in range(2):  # the second one has the address of the LoadBalancer, and the volumes
        chain.pulumi("up", "--yes", "--skip-preview")
    chain.pulumi("preview", "--expect-no-changes")
    there = volumes(chain)
    assert there
    chain.set("node", {"storage": "20Gi"})

    previewed = chain.pulumi("preview")
    assert "exist in the cluster already" not in previewed  # the state has them all
    with pytest.raises(AssertionError, match="nothing was changed") as raised:
        chain.pulumi("up", "--yes", "--skip-preview")
    for text in (previewed, str(raised.value)):
        lines = text.partition("Diagnostics:")[2].splitlines()
        asked = [line for line in lines if "add that name to ics:confirm" in line]
        assert all(sum(name in line for line in asked) == 1 for name in names_of(there)), text
        assert all(sum(name in line for name in names_of(there)) == 1 for line in asked), text

    chain.set("confirm", names_of(there))
    chain.pulumi("up", "--yes", "--skip-preview")

    assert specs(volumes(chain)) == specs(there)
    chain.pulumi("preview", "--expect-no-changes")


def test_first_preview_says_that_existing_objects_are_taken_over(chain: stage.Stage) -> None:
    before = volumes(chain)
    chain.pulumi("stack", "rm", "--yes", "--force", "--preserve-config")  # the state is lost
    chain.pulumi("stack", "init")

    said = chain.pulumi("preview")
    chain.pulumi("up", "--yes", "--skip-preview")

    count = sum(resource["type"].startswith("kubernetes:") for resource in chain.checkpoint["resources"])
    assert f"{count} of these objects exist in the cluster already" in said
    assert "none of them is recreated or restarted" in said
    assert specs(volumes(chain)) == specs(before)
    chain.pulumi("preview", "--expect-no-changes")
