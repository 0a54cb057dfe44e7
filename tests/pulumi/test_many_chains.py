"""Fifty chains in a stack, one of which launches: how soon its node is accepted, by either way."""

import statistics
import threading
import time
from typing import Any

import httpx
import pytest

from ics import engines
from ics.cluster.api import connect, tls
from ics.engines.pulumi import runs, session, work
from tests.network import waiting
from tests.pulumi import stage
from tests.pulumi.test_engine import home

pytestmark = pytest.mark.pulumi

RECORDED = 49


def accepted(place: stage.Stage, launching: int) -> tuple[float, float, engines.Converged]:
    """Seconds from the start of a pass until the StatefulSet is there, and until it is over."""
    began = time.monotonic()
    order = place.order(place.facts(range(launching), launching=[launching]))
    where = home(order, str(launching))
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        access = connect.access(place.settings.cluster, place.root, {})
        context = tls.context_of(access)
        assert context is not None
        with httpx.Client(verify=context, headers={"Authorization": "Bearer admin"}) as http:
            while not is_over.is_set() and not seen:
                answer = http.get(f"{place.server.url}/apis/apps/v1/namespaces/{where}/statefulsets/node")
                if answer.status_code == httpx.codes.OK:
                    seen.append(time.monotonic() - began)
                is_over.wait(0.05)

    watching = threading.Thread(target=look)
    watching.start()
    done, _ = place.converge(order)
    over = time.monotonic() - began
    is_over.set()
    watching.join()
    assert seen
    return seen[0], over, done


def test_a_launch_among_fifty_chains(place: stage.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    place.converge(place.order(place.facts(range(RECORDED))), "apply")
    began = time.monotonic()
    first, _ = place.converge(place.order(place.facts(range(RECORDED))))
    waiting.figure(f"Pulumi takes over {RECORDED} chains", time.monotonic() - began)
    assert (first.changes, first.errors) == ((), ())
    updated: list[tuple[str, ...]] = []
    update = session.Session.update

    def recorded(
        self: session.Session, program: Any, targets: tuple[str, ...], *more: Any, **named: Any
    ) -> runs.RunResult:
        updated.append(targets)
        return update(self, program, targets, *more, **named)

    monkeypatch.setattr(session.Session, "update", recorded)

    found = [accepted(place, launching) for launching in range(RECORDED, RECORDED + 3)]

    waiting.figure("StatefulSet accepted, by the quick lane, p50", statistics.median(t for t, _, _ in found))
    waiting.figure("… and the pass is over, p50", statistics.median(t for _, t, _ in found))
    for number, (_, _, done) in enumerate(found, RECORDED):
        assert done.errors == ()
        assert {change.consumer_id for change in done.changes} == {"", str(number)}
    for number, targets in enumerate(updated, RECORDED):
        named = {urn.rpartition("::")[2] for urn in targets}
        shared = f"service/{place.settings.gateway.namespace}/p2p-loadbalancer"
        where = home(place.order(place.facts(range(number + 1))), str(number))
        objects = {name for name in named if where in name}
        assert objects
        assert named - objects <= {"cluster", "gateway", shared, f"consumer-{number}", f"relayer-{number}"}

    monkeypatch.setattr(work.UpdateWork, "fast_path_changes", lambda self, changes: [])
    slow = accepted(place, RECORDED + 3)
    waiting.figure("StatefulSet accepted, by Pulumi's targets alone", slow[0])
    assert slow[2].errors == ()
