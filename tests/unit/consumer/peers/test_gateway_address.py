"""A LoadBalancer without an address is a condition that says what to do."""

import pytest

from ics import model
from ics.conditions import Severity
from ics.config import settings
from ics.consumer import observed
from ics.consumer.peers import gateway_address

OPEN = {"0": model.OpenPorts(port=26656)}


def found(
    memory: observed.Memory, *, is_needed: bool = True, **gateway: object
) -> list[tuple[Severity, str]]:
    own = settings.GatewaySettings.model_validate(gateway)
    return [
        (one.severity, one.message) for one in gateway_address.conditions(own, memory, is_needed=is_needed)
    ]


@pytest.mark.parametrize(
    ("cloud", "advice"),
    [
        ("none", "where there is no cloud, install MetalLB"),
        ("metallb", "kubectl get ipaddresspools -A"),
        ("aws", "kubectl -n provider describe service p2p-loadbalancer"),
    ],
)
def test_it_says_what_to_do(cloud: str, advice: str) -> None:
    [(severity, text)] = found(observed.Memory(open_ports=OPEN), cloud=cloud)
    assert severity is Severity.WARNING
    assert text.startswith(
        "Service provider/p2p-loadbalancer has no address, so peers cannot reach the nodes here"
    )
    assert advice in text


def test_before_a_launch_the_cloud_has_time() -> None:
    [(severity, _)] = found(observed.Memory(open_ports=OPEN), is_needed=False)
    assert severity is Severity.INFO


def test_nothing_is_said_with_an_address_or_a_host_or_before_the_service() -> None:
    assert found(observed.Memory(open_ports=OPEN, gateway_address="192.0.2.1")) == []
    assert found(observed.Memory(open_ports=OPEN), host="p2p.example.org") == []
    assert found(observed.Memory()) == []
