"""Former ports of chains that moved to another port of the LoadBalancer."""

import dataclasses
import datetime

import pytest

from ics import manifests, model, names
from ics.cluster.state import decode
from ics.consumer import desired, observed
from ics.consumer.peers import gateway_ports
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, 0, 0, 30, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
EARLIER = NOW - datetime.timedelta(hours=1)
LONG_AGO = NOW - DAY


def opened(port: int, *former: tuple[int, datetime.datetime]) -> model.OpenPorts:
    return model.OpenPorts(port, tuple(model.FormerPort(*one) for one in former))


@pytest.mark.parametrize(
    ("recorded", "wanted", "expected"),
    [
        ({}, {"0": 1}, {"0": opened(1)}),
        ({"0": opened(1)}, {"0": 1}, {"0": opened(1)}),
        ({"0": opened(1)}, {"0": 2}, {"0": opened(2, (1, NOW))}),
        ({"0": opened(2, (1, EARLIER))}, {"0": 2}, {"0": opened(2, (1, EARLIER))}),
        ({"0": opened(2, (1, EARLIER))}, {"0": 3}, {"0": opened(3, (2, NOW), (1, EARLIER))}),
        ({"0": opened(2, (1, EARLIER))}, {"0": 1}, {"0": opened(1, (2, NOW))}),
        ({"0": opened(2, (1, LONG_AGO))}, {"0": 2}, {"0": opened(2)}),
        # A chain that moves in takes the port over, and of two that left it the last one keeps it.
        ({"0": opened(1), "1": opened(2)}, {"0": 2, "1": 1}, {"0": opened(2), "1": opened(1)}),
        (
            {"0": opened(3, (1, EARLIER)), "1": opened(1)},
            {"0": 3, "1": 2},
            {"0": opened(3), "1": opened(2, (1, NOW))},
        ),
        # A node that never ran has no peers at its port; a deleted chain leaves no port open.
        ({"9": opened(1)}, {"9": 2}, {"9": opened(2)}),
        ({"0": opened(2, (1, EARLIER))}, {}, {}),
    ],
)
def test_former_port_stays_open_for_grace_period(
    recorded: dict[str, model.OpenPorts], wanted: dict[str, int], expected: dict[str, model.OpenPorts]
) -> None:
    assert gateway_ports.open_ports(recorded, wanted, frozenset({"0", "1"}), NOW, DAY) == expected


def test_open_ports_record_round_trips() -> None:
    record = {"0": opened(2, (1, EARLIER), (5, LONG_AGO)), "12": opened(7)}
    assert gateway_ports.from_annotation(gateway_ports.to_annotation(record)) == record


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"0":[]}', '{"0":["x"]}', '{"0":[1,[2,"2026-01-01"]]}', '{"0":1}']
)
def test_malformed_open_ports_annotation_is_ignored(text: str) -> None:
    service = {"metadata": {"name": "p2p-loadbalancer", "annotations": {names.OPEN_PORTS: text}}}
    assert decode.open_ports([service]) == {}


def test_older_client_takes_port_and_former_port_reopens_after_it_is_gone() -> None:
    """Chain 1 was launched alone; chain 0 has the same chain id, and an older client."""
    first = factories.consumer(
        model.Phase.LAUNCHED, factories.joined("alice", "bob"), client="07-tendermint-1"
    )
    second = factories.consumer(
        model.Phase.LAUNCHED,
        factories.joined("alice", "bob", consumer_id="1"),
        consumer_id="1",
        client="07-tendermint-2",
    )

    def judged(*consumers: model.Consumer, remembered: observed.Memory) -> desired.Desired:
        facts = observed.Observed(
            spare=factories.SPARE, snapshot=factories.snapshot(*consumers), memory=remembered
        )
        return factories.judge(facts)

    def service(desired: desired.Desired) -> model.Manifest:
        return next(
            m for m in manifests.render(desired, "set") if m["metadata"]["name"] == "p2p-loadbalancer"
        )

    staged = factories.staged("alice", "0", "1").chains
    [record] = staged["1"].records
    running = dataclasses.replace(
        staged["1"],
        genesis=factories.GENESIS,
        records=(dataclasses.replace(record, volume_uid="volume-1", is_ready=True),),
        volume_uid="volume-1",
        has_workload=True,
    )
    alone = judged(second, remembered=factories.memories({"1": running}))
    noted = decode.open_ports([service(alone)])
    both = judged(
        first, second, remembered=factories.memories({"0": staged["0"], "1": running}, open_ports=noted)
    )
    home = alone.ports["1"].p2p

    ports = {port["name"]: port["port"] for port in service(both)["spec"]["ports"]}

    # The older client takes the port immediately, so it cannot stay open for the chain that moved.
    assert ports == {"c-0": home, "c-1": home + 10}
    noted = decode.open_ports([service(both)])
    gone = judged(second, remembered=factories.memories({"1": running}, open_ports=noted))
    ports = {port["name"]: port["port"] for port in service(gone)["spec"]["ports"]}
    assert ports == {"c-1": home, f"c-1-{home + 10}": home + 10}
    kept = decode.open_ports([service(gone)])
    late = dataclasses.replace(factories.snapshot(second), time="2026-01-02T00:00:30Z")
    facts = observed.Observed(
        spare=factories.SPARE, snapshot=late, memory=factories.memories({"1": running}, open_ports=kept)
    )
    over = factories.judge(facts)
    assert {port["port"] for port in service(over)["spec"]["ports"]} == {home}
