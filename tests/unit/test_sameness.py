"""What counts as the same cluster, and what a cluster may remember beyond it."""

from collections import Counter
from typing import Any

import pytest

from ics import model, names
from tests.network import sameness

HOME = "consumer1-1-0-d2b42c08"


def item(
    kind: str, name: str, *, retained: bool = False, notes: dict[str, str] | None = None, **rest: Any
) -> Any:
    marks = {names.CONSUMER: "0", **({names.RETAIN: "true"} if retained else {})}
    metadata = {
        "name": name,
        "namespace": HOME,
        "uid": "of its own",
        "labels": marks,
        "annotations": notes or {},
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def service(ports: list[int], opened: str, address: str = "10.0.0.1") -> Any:
    listed = [{"port": port, "nodePort": 30000 + port % 100, "name": f"c-{port}"} for port in ports]
    return item(
        "Service",
        names.GATEWAY_SERVICE,
        notes={names.OPEN_PORTS: opened},
        spec={"clusterIP": address, "ports": listed},
        status={"loadBalancer": {}},
    )


FORMER = '{"0":[27346,[27336,"2026-01-01T00:00:00+00:00"]]}'
PRESENT = '{"0":[27346]}'


def test_what_the_cluster_gives_and_a_former_port_is_no_difference() -> None:
    found = sameness.compare(
        [
            service([27346, 27336], FORMER),
            item("ConfigMap", "relaying", data={"mark": "x"}),
            item("Job", "step"),
        ],
        [service([27346], PRESENT, "10.0.0.9")],
        "alice",
    )
    assert found == sameness.Comparison(
        1,
        Counter(
            {
                "former port that is still open": 1,
                "record of the relaying": 1,
                "run-time state: slices and Jobs of the loop": 1,
            }
        ),
        [],
    )


@pytest.mark.parametrize(
    ("live", "fresh", "differences"),
    [
        (
            [service([27346, 27336], PRESENT)],
            [service([27346], PRESENT)],
            ["Service consumer1-1-0-d2b42c08/p2p-loadbalancer: .spec.ports is "],
        ),
        (
            [item("ConfigMap", "peers", data={"persistent_peers": "a"})],
            [item("ConfigMap", "peers", data={"persistent_peers": "b"})],
            [
                "ConfigMap consumer1-1-0-d2b42c08/peers: .data.persistent_peers is 'a', a fresh reconciler makes 'b'"
            ],
        ),
        (
            [item("Secret", "node-key", data={"node_key.json": "a"})],
            [item("Secret", "node-key", data={"node_key.json": "b"})],
            ["Secret consumer1-1-0-d2b42c08/node-key: .data.node_key.json"],
        ),
        ([item("ConfigMap", "peers")], [], ["ConfigMap consumer1-1-0-d2b42c08/peers is not wanted"]),
        ([], [item("ConfigMap", "peers")], ["ConfigMap consumer1-1-0-d2b42c08/peers is missing"]),
        (
            [item("StatefulSet", "node", retained=True)],
            [item("StatefulSet", "node", spec={"replicas": 1})],
            [
                "StatefulSet consumer1-1-0-d2b42c08/node: .labels.",
                "StatefulSet consumer1-1-0-d2b42c08/node: .spec.",
            ],
        ),
    ],
)
def test_what_is_a_difference(live: list[Any], fresh: list[Any], differences: list[str]) -> None:
    found = sameness.compare(live, fresh, "alice")
    assert (found.same, found.remembered) == (0, Counter())
    assert len(found.differences) == len(differences)
    assert all(line.startswith(start) for line, start in zip(found.differences, differences, strict=True))


def test_what_is_retained_is_told_by_its_label() -> None:
    live = [
        item("Namespace", HOME, retained=True),
        item("PersistentVolumeClaim", "data", retained=True),
        item("Secret", "consensus-key-0", retained=True),
    ]
    found = sameness.compare(live, [], "alice")
    assert (found.differences, found.remembered.total()) == ([], 3)
    assert len(sameness.compare([item("Secret", "consensus-key-0")], [], "alice").differences) == 1


def test_records_on_an_object_are_left_aside() -> None:
    noted = item("Secret", "consensus-key-0", notes={names.VOLUME_UID: "u", names.GENERATION: "0"})
    plain = item("Secret", "consensus-key-0", notes={names.GENERATION: "0"})
    assert sameness.compare([noted], [plain], "alice").same == 1


def test_a_fresh_reconciler_knows_just_what_runs() -> None:
    known = model.Memory(
        {
            "0": model.ChainMemory(HOME, genesis=b"{}", volume_uid="u", has_workload=True, has_hermes=True),
            "1": model.ChainMemory("left", volume_uid="u"),
            "2": model.ChainMemory("before-it-was-renamed", volume_uid="u"),
        },
        {"0": model.OpenPorts(27346)},
    )
    assert sameness.forgotten(known, {"2"}) == model.Memory(
        {
            "0": model.ChainMemory("", has_workload=True, has_hermes=True),
            "2": model.ChainMemory("before-it-was-renamed"),
        }
    )
