"""Runs that were killed, and locks of other people."""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import time
from collections.abc import Awaitable, Callable

import psutil
import pytest

from ics import engines, errors, names
from ics.cluster.api import client, kinds
from ics.engines.pulumi import pods
from tests.pulumi import stage

pytestmark = pytest.mark.pulumi

CHAINS = range(6)


def test_a_run_that_was_killed_is_completed_by_the_next_pass(place: stage.Stage) -> None:
    chains = CHAINS[:3]
    order = place.order(place.facts(chains))
    running = place.started(chains)
    deadline = time.monotonic() + 300
    while not is_writing(place):
        assert running.poll() is None, "the pass came to its end before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(json.loads(place.locks[0].read_text())["pid"], signal.SIGKILL)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert place.locks

    done, _ = place.converge(order)

    assert done.errors == ()
    assert len(place.objects(order)) == len(order.manifests)
    assert place.converge(order)[0].writes == 0
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts(chains))


def test_pending_operations_of_a_killed_run_are_removed_by_the_next_pass(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_SKIP_CHECKPOINTS", "false")  # as in a run by hand
    running = place.started(CHAINS)
    deadline = time.monotonic() + 300
    while not (place.locks and pending(place)):
        assert running.poll() is None, "the pass came to its end before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (lock,) = place.locks
    os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert place.locks == [lock]
    struck = pending(place)
    assert struck
    order = place.order(place.facts(CHAINS))

    done, _ = place.converge(order)

    assert done.errors == ()
    unlocked, forgotten = [
        text for text in done.repairs if "half written" not in text
    ]  # it depends on the moment
    assert unlocked.startswith(f"Pulumi stack {place.validator}: removed the lock of a crashed run")
    assert all(one in forgotten for one in struck)
    assert (place.locks, pending(place)) == ([], [])
    assert place.converge(order)[0].writes == 0
    assert place.preview(order, "apply") == ()
    assert len(place.objects(order)) == len(order.manifests)
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts(CHAINS))


def is_writing(place: stage.Stage) -> bool:
    """Whether the run that holds the stack's lock has started the plugin."""
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
        cli = psutil.Process(json.loads(place.locks[0].read_text())["pid"])
        return any(child.name().startswith("pulumi-resource") for child in cli.children())
    return False


def pending(place: stage.Stage) -> list[str]:
    """Names of the resources that the state has as half done."""
    with contextlib.suppress(OSError, ValueError):  # it is being written
        found = place.checkpoint.get("pending_operations") or []
        return [one["resource"]["urn"].rpartition("::")[2] for one in found]
    return []


def test_the_lock_of_somebody_else_is_respected_and_named(place: stage.Stage) -> None:
    lock = foreign_lock(place, "elsewhere")
    order = place.order(place.facts([*CHAINS, 9]))

    done, _ = place.converge(order)

    (error,) = done.errors
    assert isinstance(error, errors.Transient)
    assert "bob@elsewhere (process 1, since 2026-01-02 03:04:05" in str(error)
    assert place.locks == [lock]
    # The launch did not wait for it.
    assert len(place.objects(order)) == len(order.manifests)

    place.pulumi("cancel", "--yes")
    assert place.converge(order)[0].errors == ()
    assert place.converge(order)[0].writes == 0


def test_launch_and_repair_do_not_wait_for_an_open_prompt(place: stage.Stage) -> None:
    before = place.order(place.facts([*CHAINS, 9]))
    path = place.root / "stacks" / "chains" / "ics-example.yaml"
    path.write_text(path.read_text().replace("v7.0.1", "v7.0.2"))
    home = home_of(before, "9")
    order = place.order(place.facts([*CHAINS, 9], launching=[10]))

    with place.prompting(place.facts([*CHAINS, 9])):
        assert len(place.locks) == 1
        place.delete(kinds.CONFIG_MAP, home, "peers")
        place.delete(kinds.SERVICE, home, "node")
        done, _ = place.converge(order)
        found = place.objects(order)

    [error] = done.errors
    assert isinstance(error, engines.StackLocked)
    assert len(found) == len(order.manifests)
    drifted = {str(change.ref) for change in done.changes if change.is_drift}
    assert drifted == {f"ConfigMap {home}/peers", f"Service {home}/node"}
    recorded, _ = place.converge(order)  # the lock of the process that was killed is removed
    assert recorded.errors == ()
    assert place.converge(order)[0].writes == 0
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts([*CHAINS, 9, 10]))


def test_the_lock_of_a_pod_that_is_gone_is_removed(
    place: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign_lock(place, "reconciler-1")
    order = place.order(place.facts([*CHAINS, 9, 10, 11]))
    monkeypatch.setattr(pods, "own", pod("reconciler-1"))
    locked, _ = place.converge(order)  # as the pod that was killed, which leaves its name
    assert [type(error) for error in locked.errors] == [engines.StackLocked]
    monkeypatch.setattr(pods, "own", pod("reconciler-2"))

    done, _ = place.converge(order)

    assert done.errors == ()
    assert ["removed the lock of a crashed run: bob@reconciler-1" in repair for repair in done.repairs] == [
        True
    ]
    assert place.locks == []
    assert place.converge(order)[0].writes == 0


def test_launch_interrupts_an_update_which_the_next_pass_completes(place: stage.Stage) -> None:
    """The daemon sets `hurry`; the chains that launch stand for a long update."""
    more = [*CHAINS, 9, 10, 11, *range(20, 32)]
    hurry = asyncio.Event()
    order = place.order(place.facts(more), hurry=hurry)
    rest = place.order(place.facts(more))

    async def interrupted() -> engines.Converged:
        kube, _ = place.kube()
        async with kube:
            converging = asyncio.create_task(place.engine(kube, "pulumi").converge(order))
            while not is_writing(place):
                await asyncio.sleep(0.05)
                assert not converging.done()
            hurry.set()
            return await converging

    done = asyncio.run(interrupted())

    assert ["a chain launches" in str(error) for error in done.errors] == [True]
    assert place.locks == []  # it has completed its requests, and was not killed
    completed, _ = place.converge(rest)
    assert (completed.errors, completed.repairs) == ((), ())
    assert place.converge(rest)[0].writes == 0
    place.pulumi("preview", "--expect-no-changes", "--refresh", handed=place.facts(more))


def pod(name: str) -> Callable[[client.KubeClient], Awaitable[str]]:
    """Stands for `pods.own` in this pod."""

    async def own(_: client.KubeClient) -> str:
        return f"default/{name}"

    return own


def foreign_lock(place: stage.Stage, host: str) -> pathlib.Path:
    """Lock the stack as a process of another host does."""
    folder = place.backend / ".pulumi" / "locks" / "organization" / "ics" / place.validator
    folder.mkdir(parents=True, exist_ok=True)
    lock: pathlib.Path = folder / "4b0b.json"
    content = {"pid": 1, "username": "bob", "hostname": host, "timestamp": "2026-01-02T03:04:05Z"}
    lock.write_text(json.dumps(content))
    return lock


def home_of(order: engines.ApplyRequest, consumer: str) -> str:
    """Namespace of a chain."""
    return next(
        str(m["metadata"]["namespace"])
        for m in order.manifests
        if m["kind"] == "StatefulSet" and m["metadata"]["labels"][names.CONSUMER] == consumer
    )
