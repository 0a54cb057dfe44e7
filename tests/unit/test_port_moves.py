"""A chain that moves to another port of the LoadBalancer keeps the old one for a while."""

import dataclasses
import datetime

import pytest

from ics import manifests, model, names
from ics.cluster.state import decode
from ics.consumer import desired, observed
from ics.consumer.peers import gateway_ports
from tests.unit import scenes

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
        # Nobody dialled a node that never ran; a chain that is gone leaves nothing open.
        ({"9": opened(1)}, {"9": 2}, {"9": opened(2)}),
        ({"0": opened(2, (1, EARLIER))}, {}, {}),
    ],
)
def test_the_old_port_stays_open_for_the_grace_time(
    recorded: dict[str, model.OpenPorts], wanted: dict[str, int], expected: dict[str, model.OpenPorts]
) -> None:
    assert gateway_ports.open_ports(recorded, wanted, frozenset({"0", "1"}), NOW, DAY) == expected


def test_the_record_is_read_as_it_was_written() -> None:
    record = {"0": opened(2, (1, EARLIER), (5, LONG_AGO)), "12": opened(7)}
    assert gateway_ports.read(gateway_ports.written(record)) == record


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"0":[]}', '{"0":["x"]}', '{"0":[1,[2,"2026-01-01"]]}', '{"0":1}']
)
def test_a_record_that_somebody_changed_counts_as_none(text: str) -> None:
    service = {"metadata": {"name": "p2p-loadbalancer", "annotations": {names.OPEN_PORTS: text}}}
    assert decode.open_ports([service]) == {}


def test_a_launch_before_ours_moves_the_service_and_leaves_the_old_port_open() -> None:
    """Chain 1 was launched alone; chain 0 has the same chain id, and an older client."""
    first = scenes.consumer(model.Phase.LAUNCHED, scenes.joined("alice", "bob"), client="07-tendermint-1")
    second = scenes.consumer(
        model.Phase.LAUNCHED,
        scenes.joined("alice", "bob", consumer_id="1"),
        consumer_id="1",
        client="07-tendermint-2",
    )

    def judged(*consumers: model.Consumer, remembered: model.Memory) -> desired.Desired:
        facts = observed.Seen(scenes.snapshot(*consumers), remembered)
        return desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])

    def service(wanted: desired.Desired) -> model.Manifest:
        return next(m for m in manifests.render(wanted, "set") if m["metadata"]["name"] == "p2p-loadbalancer")

    record = model.SigningRecord(0, scenes.consumer_key("alice", "1").address.hex().upper(), "volume-1", True)
    running = model.ChainMemory("ns", scenes.GENESIS, (record,), "volume-1", True)
    alone = judged(second, remembered=model.Memory({"1": running}))
    noted = decode.open_ports([service(alone)])
    both = judged(first, second, remembered=model.Memory({"1": running}, noted))
    home = alone.ports["1"].p2p

    ports = {port["name"]: port["port"] for port in service(both)["spec"]["ports"]}

    # The elder takes the port at once: there it cannot stay open for the one that moved.
    assert ports == {"c-0": home, "c-1": home + 10}
    gone = judged(second, remembered=model.Memory({"1": running}, decode.open_ports([service(both)])))
    ports = {port["name"]: port["port"] for port in service(gone)["spec"]["ports"]}
    assert ports == {"c-1": home, f"c-1-{home + 10}": home + 10}
    kept = decode.open_ports([service(gone)])
    late = dataclasses.replace(scenes.snapshot(second), time="2026-01-02T00:00:30Z")
    facts = observed.Seen(late, model.Memory({"1": running}, kept))
    over = desired.desired(facts, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    assert {port["port"] for port in service(over)["spec"]["ports"]} == {home}
