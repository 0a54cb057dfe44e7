"""Who may reach what: the NetworkPolicies of a whole stack, judged by `reachability`."""

import ipaddress

import pytest

from ics import manifests, names
from ics.manifests import network_policies
from tests.unit.manifests import reachability, reaching
from tests.unit.manifests.reachability import End


def test_table_of_who_may_reach_what() -> None:
    rendered, ends = reaching.scene()

    found = reaching.judged(rendered, ends)

    print(found)
    assert found == reaching.EXPECTED


def test_every_pod_is_isolated_in_both_directions() -> None:
    rendered, ends = reaching.scene()
    for name, end in reaching.pods([*rendered, *reaching.jobs(reaching.wanted())]).items():
        assert not reachability.is_open(rendered, end, ends["another pod"], 12345, "UDP"), name
        assert not reachability.is_open(rendered, ends["another pod"], end, 12345), name


def test_no_pod_reaches_a_metadata_service() -> None:
    # Also if the settings open a range in which they are.
    ranges = ["0.0.0.0/0", "100.64.0.0/10", "168.63.129.0/24", "fd00::/8", "::/0"]
    rendered, _ = reaching.scene(cluster={"allow_egress": ranges})
    for name, end in reaching.pods([*rendered, *reaching.jobs(reaching.wanted())]).items():
        for cidr in network_policies.METADATA:
            target = End(address=str(ipaddress.ip_network(cidr)[-1]))
            closed = [
                port for port in (80, 443, 988, 26656) if reachability.is_open(rendered, end, target, port)
            ]
            assert closed == [], (name, cidr)


def test_metadata_service_that_the_settings_name_is_open() -> None:
    rendered, ends = reaching.scene(cluster={"allow_egress": ["169.254.170.23/32"]})
    assert reachability.is_open(rendered, ends["StatefulSet/node"], End(address="169.254.170.23"), 80)
    assert not reachability.is_open(rendered, ends["StatefulSet/node"], End(address="169.254.169.254"), 80)


def test_metrics_are_open_to_the_namespaces_in_the_settings() -> None:
    rendered, ends = reaching.scene(cluster={"metrics_from": ["monitoring"]})
    for target, port in (("Deployment/hermes", 3001), ("Deployment/reconciler", 8080)):
        assert reachability.is_open(rendered, ends["Prometheus"], ends[target], port)
        assert not reachability.is_open(rendered, ends["another pod"], ends[target], port)
    assert not reachability.is_open(rendered, ends["Prometheus"], ends["Deployment/hermes"], 3000)


@pytest.mark.parametrize("name", ["StatefulSet/node", "StatefulSet/provider-node", "Deployment/hermes"])
def test_further_ranges_are_reached_at_every_port(name: str) -> None:
    target = End(address="192.168.7.7")
    closed, ends = reaching.scene()
    opened, _ = reaching.scene(cluster={"allow_egress": ["192.168.7.0/24"]})
    for rendered, is_open in ((closed, False), (opened, True)):
        assert reachability.is_open(rendered, ends[name], target, 12345) is is_open


def test_private_peers_are_reached_at_their_ports() -> None:
    node = {
        **reaching.NODE,
        "peers": [f"{'a' * 40}@10.1.1.1:30001"],
        "config": {"config.toml": {"statesync": {"rpc_servers": "http://10.1.1.2:30002,10.1.1.3:30003"}}},
    }
    rendered, ends = reaching.scene(provider_node=node)
    found = [
        port
        for port in (30001, 30002, 30003, 30004)
        if reachability.is_open(rendered, ends["StatefulSet/provider-node"], End(address="10.1.1.9"), port)
    ]
    assert found == [30001, 30002, 30003]


def test_every_namespace_admits_unprivileged_pods_only() -> None:
    rendered, _ = reaching.scene()
    found = {
        one["metadata"]["name"]: one["metadata"]["labels"] for one in rendered if one["kind"] == "Namespace"
    }
    assert len(found) == 2
    for labels in found.values():
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_every_pod_fits_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, as far as these pods have the fields."""
    found = reaching.wanted()
    for one in [*manifests.render(found, "set"), *reaching.jobs(found)]:
        template = (one.get("spec") or {}).get("template")
        if template is None:
            continue
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        kinds = {"emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"}
        assert all(set(volume) - {"name"} <= kinds for volume in pod["volumes"])
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_hermes_listens_for_commands_inside_its_pod_only() -> None:
    rendered, _ = reaching.scene()
    (deployment,) = (
        one for one in rendered if one["metadata"]["name"] == "hermes" and one["kind"] == "Deployment"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [3001]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/metrics", "port": "telemetry"}
    assert {one["metadata"]["labels"][names.COMPONENT] for one in rendered if one["kind"] == "Service"} == {
        names.NODE,
        names.GATEWAY,
        names.PROVIDER_NODE,
    }
