"""Launches by the daemon with Pulumi's engine while the CLI by hand is in its way: at its prompt, in an update, killed.

From the NewBlock event of the launch block, as a subscriber of its own at alice's provider node receives it, to genesis
and StatefulSet accepted by her API server.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.network import (
    chains,
    launch,
    launch_times,
    operators,
    pulumi_projects,
    residents,
    waiting,
)
from tests.pulumi import terminal

pytestmark = [
    pytest.mark.soak,
    pytest.mark.pulumi,
    pytest.mark.skipif(
        shutil.which("pulumi") is None, reason="pulumi requires the Pulumi CLI, which is not on the PATH"
    ),
]

SETTINGS = {"ics:engine": "pulumi", "ics:relayer": {"enabled": False}}
SOON = 3.0
"""Seconds from the last preparation to the spawn time."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pulumi_projects.Project:
    return pulumi_projects.project(tmp_path_factory.mktemp("pulumi"), SETTINGS)


@pytest.fixture(scope="module")
def staying(
    project: pulumi_projects.Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[residents.Residents]:
    logs = tmp_path_factory.mktemp("logs")
    with residents.Residents(("alice", "bob"), logs, project=project.root) as found:
        yield found


@contextlib.contextmanager
def prompting(project: pulumi_projects.Project, operator: operators.Operator) -> Iterator[None]:
    """`pulumi up` waits at its prompt, and holds the stack's lock."""
    with terminal.prompt(project.root, operator.name, project.environment) as prompt:
        yield
        assert prompt.process.poll() is None
        assert project.locks(operator)
        prompt.interrupt()


@contextlib.contextmanager
def updating(project: pulumi_projects.Project, operator: operators.Operator) -> Iterator[None]:
    """One `pulumi up` follows the other."""
    is_over, done = threading.Event(), 0

    def repeat() -> None:
        nonlocal done
        while not is_over.is_set():
            project.pulumi(operator, "up", "--yes", "--refresh")
            done += 1

    thread = threading.Thread(target=repeat)
    thread.start()
    waiting.until("an update runs", lambda: project.locks(operator))
    yield
    is_over.set()
    thread.join()
    assert done


@contextlib.contextmanager
def killed(project: pulumi_projects.Project, operator: operators.Operator) -> Iterator[None]:
    """A `pulumi up` was killed in its update, and its lock is left."""
    command = project.command(operator, "up", "--yes", "--refresh")
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        waiting.until("the update runs", lambda: project.locks(operator), every=0.02)
        os.killpg(process.pid, signal.SIGKILL)
    yield


WAYS = {"at its prompt": prompting, "in an update": updating, "killed": killed}


@pytest.mark.parametrize("way", WAYS)
def test_launch_does_not_wait_for_a_cli_by_hand(
    way: str,
    project: pulumi_projects.Project,
    staying: residents.Residents,
    alice: operators.Operator,
    bob: operators.Operator,
    tmp_path: pathlib.Path,
) -> None:
    chain_id = chains.fresh("consumer8")
    consumer_id = chains.create(chain_id, launch.HOUR)
    for operator in (alice, bob):
        waiting.until(
            f"{operator.name} has joined and staged it",
            lambda operator=operator: launch_times.unstaged(operator, [consumer_id]),  # type: ignore[misc]
            lambda seen: not seen,
            every=3.0,
        )
    with launch_times.subscribed(alice.host.rpc) as launched:
        with WAYS[way](project, alice):
            chains.move(consumer_id, chain_id, SOON)
            accepted = waiting.until(
                "genesis and StatefulSet are accepted",
                lambda: launch_times.accepted(alice).get(consumer_id, 0.0),
            )
        waiting.figure(f"launch block to StatefulSet, `pulumi up` {way}", accepted - launched[consumer_id])
    waiting.until("it makes blocks", lambda: alice.kube.height(launch.namespace_of(alice, consumer_id)) >= 3)
    assert staying.dead() == []
    chains.remove(consumer_id)
    home = launch.namespace_of(alice, consumer_id)
    waiting.until("its node has ended", lambda: alice.kube.pod(home) is None)
    assert project.ics(alice, "up", "pulumi").code == 0
    project.pulumi(alice, "preview", "--expect-no-changes")
