"""A final genesis whose time lies ahead of the launch: the node waits, and nothing restarts it."""

import datetime
import hashlib
import json
from typing import Any

import pytest

from ics import model
from ics.config import chain_definition
from ics.consumer import desired, status
from tests.unit import factories

LAUNCH = datetime.datetime(2026, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
"""Time of the launch block in the CCV state."""


def final(minutes: int) -> chain_definition.LoadedDefinition:
    begins = (LAUNCH + datetime.timedelta(minutes=minutes)).isoformat()
    document = {
        **json.loads(factories.BASE),
        "chain_id": "consumer1-1",
        "genesis_time": begins,
        "app_state": {"ccvconsumer": factories.ccv("alice", "bob")},
    }
    content = json.dumps(document).encode()
    source = {"file": "final.json", "sha256": hashlib.sha256(content).hexdigest()}
    return chain_definition.LoadedDefinition(factories.example(genesis={"final": source}).definition, content)


def launched(minutes: int, **observation: Any) -> tuple[desired.Desired, dict[str, model.Observation]]:
    members = factories.joined("alice", "bob", genesis_hash=b"")
    found = factories.consumer(model.Phase.LAUNCHED, members)
    observations = {"0": model.Observation(factories.pod(), error="connection refused")}
    seen = factories.observation(
        factories.snapshot(found, launches={"0": factories.launch("alice", "bob", details=())}),
        memory=factories.staged(),
        observations=observations,
    )
    return factories.judge(seen, definitions=[final(minutes)]), observations


@pytest.mark.parametrize("minutes", [0, 10, 70, 3 * 24 * 60])
def test_start_of_the_node_is_awaited_until_the_genesis_time(minutes: int) -> None:
    wanted, observations = launched(minutes)
    (container, _) = factories.rendered(wanted)["StatefulSet/node"]["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    hour = 3600  # for the replay of a node that has stopped
    assert probe["periodSeconds"] * probe["failureThreshold"] == hour + minutes * 60
    (chain,) = status.report(wanted, observations).chains
    expected = "GenesisTimeAhead" if minutes else "NodeUnreachable"
    assert {c.reason for c in chain.conditions} & {"GenesisTimeAhead", "NodeUnreachable"} == {expected}


def test_genesis_time_at_the_end_of_the_calendar_gives_a_probe_that_the_api_server_takes() -> None:
    wanted, _ = launched(int(datetime.timedelta(days=365 * 7900).total_seconds()) // 60)
    (container, _) = factories.rendered(wanted)["StatefulSet/node"]["spec"]["template"]["spec"]["containers"]
    assert container["startupProbe"]["failureThreshold"] == 2**31 - 1
