"""A quiet hour: a pass over a converged cluster leaves no trace."""

import asyncio
import os
import time
from collections.abc import Mapping

import pytest

from devnet import places
from ics.reconciler import reconcile, wiring
from tests.network import launch, operators, waiting

pytestmark = pytest.mark.network


@pytest.mark.parametrize("name", ["alice", "bob", "charlie"])
def test_a_second_pass_writes_nothing_and_sends_nothing(
    name: str, everybody: Mapping[str, operators.Operator], consumer: str
) -> None:
    operator = everybody[name]
    operator.settled(tries=30, quiet=3)
    audit, before, sent = operator.audit(), versions(operator), len(operator.transactions())

    done = operator.once()

    assert done.json["changes"] == []
    assert done.json["transactions"] == []
    assert audit.writes(with_reports=True) == []
    assert versions(operator) == before
    assert len(operator.transactions()) == sent
    waiting.figure(f"idle pass of {name}, the whole process", done.seconds)
    waiting.figure(f"idle pass of {name}, the pass itself", asyncio.run(pass_in_process(name)))


def versions(operator: operators.Operator) -> dict[str, str]:
    """What changes with every write to an object of the operator's: its resourceVersion.

    Of workloads the generation, for their status is written by Kubernetes itself at any time.
    """
    found = {}
    for item in operator.kube.members():
        metadata = item["metadata"]
        has_status = item["kind"] in ("StatefulSet", "Deployment", "Job")
        found[launch.shown(item)] = str(metadata["generation"] if has_status else metadata["resourceVersion"])
    return found


async def pass_in_process(name: str) -> float:
    """Seconds of one idle pass in a process that has everything loaded, connections included."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_")}
    async with wiring.open_stack(places.CHECKOUT, name, environment) as found:
        began = time.monotonic()
        done = await reconcile.run_pass(found.world, found.engine, found.sender)
        took = time.monotonic() - began
    assert (done.changes, done.sent, done.troubles) == ((), (), ())
    return took


def test_a_preview_says_that_there_is_nothing_to_do(alice: operators.Operator, consumer: str) -> None:
    alice.settled(tries=30, quiet=3)
    audit = alice.audit()

    done = alice.reconcile("--plan")

    assert (done.code, done.json["changes"], done.json["transactions"]) == (0, [], [])
    assert audit.writes(with_reports=True) == []
