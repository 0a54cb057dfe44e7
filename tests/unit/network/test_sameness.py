"""Comparison of a live cluster with a freshly rendered one."""

from collections import Counter
from typing import Any

import pytest

from ics import model, names
from ics.consumer import observed
from ics.relayer import inputs
from tests.network import sameness
from tests.unit import factories

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


def test_compare_ignores_cluster_assigned_fields_and_run_time_records() -> None:
    comparison = sameness.compare(
        [
            service([27346, 27336], FORMER),
            item("ConfigMap", "relayer", data={"mark": "x"}),
            item("Job", "step"),
        ],
        [service([27346], PRESENT, "10.0.0.9")],
        "alice",
    )
    assert comparison == sameness.Comparison(
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
def test_compare_names_each_difference(live: list[Any], fresh: list[Any], differences: list[str]) -> None:
    comparison = sameness.compare(live, fresh, "alice")
    assert (comparison.same, comparison.remembered) == (0, Counter())
    assert len(comparison.differences) == len(differences)
    assert all(
        line.startswith(start) for line, start in zip(comparison.differences, differences, strict=True)
    )


def test_compare_accepts_extra_objects_labelled_retained() -> None:
    live = [
        item("Namespace", HOME, retained=True),
        item("PersistentVolumeClaim", "data", retained=True),
        item("Secret", "consensus-key-0", retained=True),
    ]
    comparison = sameness.compare(live, [], "alice")
    assert (comparison.differences, comparison.remembered.total()) == ([], 3)
    assert len(sameness.compare([item("Secret", "consensus-key-0")], [], "alice").differences) == 1


def test_compare_ignores_run_time_annotations() -> None:
    place = {names.PLACE_ID: factories.place_id()}
    noted = item("Secret", "consensus-key-0", notes={names.VOLUME_UID: "u", **place})
    plain = item("Secret", "consensus-key-0", notes=place)
    assert sameness.compare([noted], [plain], "alice").same == 1


def test_forgotten_memory_keeps_only_workloads_and_places() -> None:
    known = factories.memories(
        {
            "0": observed.ChainMemory(
                namespace=HOME,
                genesis=b"{}",
                records=(factories.record(), factories.record(at=1, is_retired=True)),
                volume_uid="u",
                has_workload=True,
                workload_place=factories.place_id(),
                relayer=inputs.RelayerMemory(has_hermes=True),
            ),
            "1": observed.ChainMemory(namespace="left", volume_uid="u"),
            "2": observed.ChainMemory(namespace="before-it-was-renamed", volume_uid="u"),
        },
        open_ports={"0": model.OpenPorts(27346)},
    )
    assert sameness.forgotten(known, {"2"}) == factories.memories(
        {
            "0": observed.ChainMemory(
                namespace="",
                records=(
                    factories.record(volume=None, is_ready=False),
                    factories.record(at=1, volume=None, is_ready=False, is_retired=True),
                ),
                has_workload=True,
                workload_place=factories.place_id(),
                relayer=inputs.RelayerMemory(has_hermes=True),
            ),
            "2": observed.ChainMemory(namespace="before-it-was-renamed"),
        }
    )
