"""The Lease during an update of another program that makes a Validator through the component package."""

import os
import signal
from collections.abc import Iterator

import pytest

from ics.engines.pulumi import processes
from tests.network import waiting
from tests.pulumi import platforms, stage

pytestmark = pytest.mark.pulumi


@pytest.fixture(scope="module")
def other(chain: stage.Stage) -> Iterator[platforms.Platform]:
    made = platforms.make(chain)
    yield made
    processes.end(processes.orphans(made.folder), 5.0)  # of the CLI that is killed


def test_update_returns_the_lease_when_the_cli_has_ended_the_package(
    chain: stage.Stage, other: platforms.Platform
) -> None:
    for _ in range(2):  # the second one has the address of the LoadBalancer, and the volumes
        with other.running("up", "--yes", "--skip-preview") as update:
            waiting.until("the update has the Lease", chain.lease_holder, tell=lambda: other.output)
            code = update.wait()

        assert code == 0, other.output
        waiting.until("the Lease is returned", chain.lease_holder, lambda holder: not holder)
    other.run("preview", "--expect-no-changes")


def test_lease_is_returned_although_the_cli_was_killed(chain: stage.Stage, other: platforms.Platform) -> None:
    with other.running("up", "--yes", "--skip-preview", "--refresh") as update:
        waiting.until("the update has the Lease", chain.lease_holder, tell=lambda: other.output)
        os.kill(update.pid, signal.SIGKILL)
        update.wait()

    waiting.until("the Lease is returned", chain.lease_holder, lambda holder: not holder)
