"""Two faults call the operator within seconds, by the rules and by the push; the others are in the soak.

On a real provider chain of one node and a real API server, with a reconciler that stays.
"""

import shutil
from collections.abc import Iterator
from urllib import parse

import pytest

from tests import documents
from tests.network import alarms, stage

pytestmark = pytest.mark.network

NAME = "alice"


@pytest.fixture(scope="module")
def forwarder(place: stage.Stage) -> Iterator[alarms.Forwarder]:
    found = alarms.Forwarder(place.node.rest)
    yield found
    found.close()


@pytest.fixture(scope="module")
def called(
    place: stage.Stage, forwarder: alarms.Forwarder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[alarms.Alarms]:
    shutil.copy(documents.ROOT / "reconcile.py", place.root)
    flags = (
        *("--set", f"provider.rest=[{forwarder.url}, {place.node.rest}]"),
        *("--set", "relayer.enabled=false"),
    )
    with alarms.Alarms(NAME, tmp_path_factory.mktemp("alarms"), *flags, project=place.root) as found:
        yield found


def test_endpoint_is_down(called: alarms.Alarms, forwarder: alarms.Forwarder) -> None:
    alarm = alarms.Alarm("IcsEndpointDown", ("EndpointTrouble",), NAME)
    called.quiet(alarm)
    with forwarder.down():
        called.fires(alarm)
        down = called.query("ics_endpoint_up == 0")
        assert [one["metric"]["endpoint"] for one in down] == [parse.urlsplit(forwarder.url).netloc]
    called.resolves(alarm)


def test_reconciler_is_gone(called: alarms.Alarms) -> None:
    """Of pushes, the watchdog's resolves: it was the only one that every pass made."""
    alarm = alarms.Alarm("IcsReconcilerGone", (), NAME)
    called.quiet(alarm)
    called.daemon.kill(NAME)
    called.fires(alarm)
    called.daemon.start_again(NAME)
    called.resolves(alarm)
