"""EndpointSlices of the shared LoadBalancer."""

import dataclasses
import datetime
from typing import Any

from ics import model, names
from ics.cluster import slices
from tests.unit import factories

SERVICE = {"metadata": {"name": "p2p-loadbalancer", "namespace": "gw", "uid": "service-uid"}}
OWNER = {names.VALIDATOR: "alice"}


def pod(ip: str | None = "10.0.0.1", *, ready: bool = True, node: str | None = "n1") -> model.PodStatus:
    return factories.pod(ip=ip, node_name=node, is_ready=ready)


def live(manifest: dict[str, Any]) -> dict[str, Any]:
    """As the API server shows it."""
    return manifest | {"metadata": manifest["metadata"] | {"uid": "u-" + manifest["metadata"]["name"]}}


def slice_of(consumer: str, status: model.PodStatus) -> dict[str, Any]:
    assert status.ip is not None
    return slices.slice_of(SERVICE, OWNER, consumer, status, status.ip)


def test_slice_describes_port_and_pod_of_a_chain() -> None:
    assert slice_of("7", pod(ready=False)) == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "p2p-loadbalancer-7-ipv4",
            "namespace": "gw",
            "labels": {
                names.VALIDATOR: "alice",
                names.CONSUMER: "7",
                "kubernetes.io/service-name": "p2p-loadbalancer",
                "endpointslice.kubernetes.io/managed-by": "ics-operator",
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": "p2p-loadbalancer", "uid": "service-uid"}
            ],
        },
        "addressType": "IPv4",
        "ports": [{"name": "c-7", "port": 26656, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True, "serving": False, "terminating": False},
                "nodeName": "n1",
            }
        ],
    }


def test_plan_writes_changed_slices_and_deletes_stale_ones() -> None:
    unchanged, moved = slice_of("1", pod()), slice_of("2", pod("10.0.0.2"))
    gone, held, turned = slice_of("3", pod()), slice_of("4", pod()), slice_of("5", pod())
    pods = {
        "1": pod(),
        "2": pod("10.0.0.9"),
        "3": pod(None),
        "5": pod("fd00::1"),
        "6": pod(node=None),
        "7": None,
    }

    found = slices.plan(
        SERVICE, OWNER, pods, frozenset({"4"}), [live(m) for m in (unchanged, moved, gone, held, turned)]
    )

    assert found == slices.SliceChanges(
        write=(
            slice_of("2", pod("10.0.0.9")),
            slice_of("5", pod("fd00::1")),
            slice_of("6", pod(node=None)),
        ),
        remove=(
            ("p2p-loadbalancer-3-ipv4", "u-p2p-loadbalancer-3-ipv4"),
            ("p2p-loadbalancer-5-ipv4", "u-p2p-loadbalancer-5-ipv4"),
        ),
    )


def test_pod_is_led_to_as_soon_as_it_has_an_address() -> None:
    starting = dataclasses.replace(pod(None), starting_ip="10.0.0.1")
    plan = slices.plan(SERVICE, OWNER, {"1": starting}, frozenset(), [])
    assert plan.write == (slice_of("1", pod()),)
    assert slices.plan(SERVICE, OWNER, {"1": pod()}, frozenset(), [live(m) for m in plan.write]).write == ()


def test_recreated_service_gets_its_slices_again() -> None:
    old = live(slice_of("1", pod()))
    anew = {"metadata": SERVICE["metadata"] | {"uid": "other"}}

    assert len(slices.plan(anew, OWNER, {"1": pod()}, frozenset(), [old]).write) == 1


def test_former_port_of_a_chain_still_leads_to_its_node() -> None:
    since = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    opened = {"1": model.OpenPorts(27356, (model.FormerPort(27346, since),))}

    plan = slices.plan(SERVICE, OWNER, {"1": pod()}, frozenset(), [live(slice_of("1", pod()))], opened)

    (written,) = plan.write
    assert written["ports"] == [
        {"name": "c-1", "port": 26656, "protocol": "TCP"},
        {"name": "c-1-27346", "port": 26656, "protocol": "TCP"},
    ]
