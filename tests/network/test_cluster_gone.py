"""The API server does not answer for longer than the daemon's Lease lasts: the operator is called until it does."""

import json
import pathlib
import shutil
import time
from collections.abc import Iterator
from urllib import parse

import pytest

from tests import documents
from tests.network import alarms, detours, stage

pytestmark = pytest.mark.soak

NAME = "alice"
LONGER = 100.0
"""Seconds after which the Lease has expired, and after which what is no longer pushed has resolved."""


@pytest.fixture
def detour(place: stage.Stage) -> Iterator[detours.Detour]:
    """The way of the project's kubeconfig to the API server."""
    shutil.copy(documents.ROOT / "reconcile.py", place.root)
    path = place.root / ".devnet" / NAME / "kubeconfig"
    document = json.loads(path.read_text())
    port = parse.urlsplit(place.server.url).port
    assert port is not None
    with detours.Detour(port) as found:
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{found.port}"
        path.write_text(json.dumps(document))
        yield found


def test_cluster_is_gone(place: stage.Stage, detour: detours.Detour, tmp_path: pathlib.Path) -> None:
    alarm = alarms.Alarm("IcsActing", ("ReconcileFailed",), NAME)
    with alarms.Alarms(NAME, tmp_path, "--set", "relayer.enabled=false", project=place.root) as called:
        called.quiet(alarm)
        with detour.closed():
            called.fires(alarm)
            time.sleep(LONGER)
            called.still_fires(alarm)
        called.resolves(alarm)
