import ipaddress

from devnet import plan


def test_every_address_is_in_a_guarded_range() -> None:
    ranges = [ipaddress.ip_network(each) for each in plan.RANGES]
    for host in plan.HOSTS:
        for address in (host.address, host.balancer, host.kubernetes_service):
            assert any(ipaddress.ip_address(address) in each for each in ranges)
        for network in (host.pods, host.services):
            assert any(ipaddress.ip_network(network).subnet_of(each) for each in ranges)  # type: ignore[arg-type]


def test_hosts_share_no_address() -> None:
    addresses = [
        text for host in plan.HOSTS for text in (host.address, host.balancer, host.pods, host.services)
    ]
    assert len(set(addresses)) == len(addresses)
    assert plan.BRIDGE_ADDRESS not in addresses


def test_validator_powers_follow_the_specification() -> None:
    assert [host.tokens // 10**6 for host in plan.HOSTS] == [300_000, 200_000, 100_000]


def test_interface_names_fit_the_kernel() -> None:
    assert max(len(host.namespace) for host in plan.HOSTS) <= 15
