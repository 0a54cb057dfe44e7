"""Who may reach what: the NetworkPolicies of a whole stack, judged by `reachability`."""

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from ics import manifests, model, names
from ics.consumer import desired, observed
from ics.manifests import hermes_jobs, network_policies, objects, sign_state_job
from ics.relayer import inputs, plan
from tests.unit import factories
from tests.unit.manifests import reachability
from tests.unit.manifests.reachability import End

P = model.Phase
LAUNCHED = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
HOME = "provider"
SETUP = inputs.Setup(image="hermes:1", config="x = 1\n")
RELAY = plan.RelayerPlan(
    base=SETUP,
    relays=SETUP,
    consumer_mnemonic=model.Secret("a"),
    provider_mnemonic=model.Secret("b"),
    evidence_mnemonic=model.Secret("c"),
)
NODE = {
    "enabled": True,
    "image": "pd:1",
    "binary": "pd",
    "genesis": {"url": "https://example.com/genesis.json.gz", "sha256": "0" * 64},
    "consensus_key": "priv",
}
PROVIDER = {"rpc": ["https://rpc.example.com"], "grpc": ["http://grpc.nodes.svc:9090"]}


def wanted(**changes: Any) -> desired.Desired:
    settings: dict[str, Any] = {
        "provider_node": NODE,
        "reconciler": {
            "enabled": True,
            "mode": "deployment",
            "image": "ics:1",
            "seed": {"namespace": "s", "name": "a", "key": "seed"},
            "account": {"namespace": "s", "name": "a", "key": "account"},
        },
        **changes,
    }
    base = factories.settings(**settings)
    provider = base.provider.model_validate({**base.provider.model_dump(), **PROVIDER})
    facts = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(LAUNCHED, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.staged(),
    )
    found = factories.judge(facts, stack=base.model_copy(update={"provider": provider}))
    (decision,) = found.decisions
    assert decision.chain is not None
    relaying = dataclasses.replace(decision, chain=dataclasses.replace(decision.chain, relay=RELAY))
    return dataclasses.replace(found, decisions=(relaying,))


def jobs(found: desired.Desired) -> list[model.Manifest]:
    """The Jobs of the stack's chain and of its provider node, which the reconciler creates itself."""
    (chain,) = found.chains
    shared = objects.Owner(found.settings.validator, found.provider_chain_id)
    owner = shared.of_chain(chain)
    step = hermes_jobs.HermesStep(name="step", image="i", config="c", signers=(), commands=())
    return [
        hermes_jobs.step_job(owner, chain.namespace, step),
        hermes_jobs.check_job(owner, chain.namespace, SETUP),
        sign_state_job.job(owner, chain.namespace, "u" * 36, "AB", "i"),
        sign_state_job.mark_job(owner, chain.namespace, "u" * 36, "AB", "i", ["c"]),
        sign_state_job.provider_job(
            shared,
            found.settings.gateway.namespace,
            found.settings.provider_node,
            "u" * 36,
            model.SignedState(height=0, round=0, step=0),
            ["c"],
        ),
    ]


def pods(found: Iterable[model.Manifest]) -> dict[str, End]:
    """Every workload's pod, by its kind and name."""
    ends: dict[str, End] = {}
    for one in found:
        spec = one.get("spec") or {}
        template = spec.get("template") or (spec.get("jobTemplate") or {}).get("spec", {}).get("template")
        if template is not None:
            metadata = one["metadata"]
            ends[f"{one['kind']}/{metadata['name']}"] = End(
                address=f"10.232.0.{len(ends) + 10}",
                namespace=metadata["namespace"],
                labels=template["metadata"]["labels"],
            )
    return ends


def scene(**changes: Any) -> tuple[list[model.Manifest], dict[str, End]]:
    found = wanted(**changes)
    rendered = list(manifests.render(found, "set"))
    ends = pods([*rendered, *jobs(found)])
    prometheus = End(address="10.232.0.200", namespace="monitoring", labels={"app": "prometheus"})
    return rendered, ends | {
        "another pod": End(address="10.232.0.201", namespace="default"),
        "Prometheus": prometheus,
        "API server": End(address="10.231.0.10"),
        "peer": End(address="203.0.113.7"),
        "private host": End(address="192.168.7.7"),
        "IPv4 metadata": End(address="169.254.169.254"),
        "IPv6 metadata": End(address="fd00:ec2::254"),
        "DNS": End(address="10.232.0.202", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
        "Service's pod": End(address="10.232.0.203", namespace="nodes"),
    }


OURS: Sequence[tuple[str, str, int, str]] = (
    ("node p2p", "StatefulSet/node", 26656, "TCP"),
    ("node RPC", "StatefulSet/node", 26657, "TCP"),
    ("node signer", "StatefulSet/node", 26659, "TCP"),
    ("provider node RPC", "StatefulSet/provider-node", 26657, "TCP"),
    ("Hermes REST", "Deployment/hermes", 3000, "TCP"),
    ("Hermes metrics", "Deployment/hermes", 3001, "TCP"),
    ("reconciler", "Deployment/reconciler", 8080, "TCP"),
    ("Job", "Job/sign-state-uuuuuuuu", 80, "TCP"),
)
OTHERS: Sequence[tuple[str, str, int, str]] = (
    ("DNS", "DNS", 53, "UDP"),
    ("metadata", "IPv4 metadata", 80, "TCP"),
    ("metadata (IPv6)", "IPv6 metadata", 80, "TCP"),
    ("API server", "API server", 6443, "TCP"),
    ("another pod", "another pod", 8080, "TCP"),
    ("private SSH", "private host", 22, "TCP"),
    ("private peer", "private host", 26656, "TCP"),
    ("peer", "peer", 31337, "TCP"),
    ("provider RPC", "peer", 443, "TCP"),
    ("provider gRPC", "Service's pod", 19090, "TCP"),
)
STRANGERS = ("another pod", "Prometheus", "API server", "private host", "peer")

EXPECTED = """\
Deployment/hermes                  node RPC, DNS, provider RPC, provider gRPC
Deployment/hermes-evidence         node RPC, DNS, provider RPC, provider gRPC
Deployment/reconciler              node p2p, node RPC, provider node RPC, DNS, API server, \
another pod, private SSH, private peer, peer, provider RPC, provider gRPC
StatefulSet/node                   DNS, private peer, peer, provider RPC
StatefulSet/provider-node          node p2p, DNS, private peer, peer, provider RPC
Job/step                           node RPC, DNS, provider RPC, provider gRPC
Job/hermes-check-3b680eb710fb3fb1  node RPC, DNS, provider RPC, provider gRPC
Job/sign-state-uuuuuuuu            -
Job/mark-uuuuuuuu-2e7d2c03         -
Job/provider-sign-state-uuuuuuuu   -
another pod                        node p2p, node RPC, provider node RPC
Prometheus                         node p2p, node RPC, provider node RPC
API server                         node p2p, node RPC, provider node RPC
private host                       node p2p, node RPC, provider node RPC
peer                               node p2p
"""
"""Who (a line each) may open a connection to what: each pod of the stack to all, and strangers to those pods."""


def table(rendered: Sequence[model.Manifest], ends: Mapping[str, End]) -> str:
    width = max(map(len, ends))
    own = [name for name in ends if "/" in name]
    lines = []
    for source in (*own, *STRANGERS):
        found = [
            label
            for label, target, port, protocol in (*OURS, *(OTHERS if source in own else ()))
            if source != target and reachability.is_open(rendered, ends[source], ends[target], port, protocol)
        ]
        lines.append(f"{source:<{width}}  {', '.join(found) or '-'}\n")
    return "".join(lines)


def test_table_of_who_may_reach_what() -> None:
    rendered, ends = scene()

    found = table(rendered, ends)

    print(found)
    assert found == EXPECTED


def test_every_pod_is_isolated_in_both_directions() -> None:
    rendered, ends = scene()
    for name, end in pods([*rendered, *jobs(wanted())]).items():
        assert not reachability.is_open(rendered, end, ends["another pod"], 12345, "UDP"), name
        assert not reachability.is_open(rendered, ends["another pod"], end, 12345), name


def test_no_pod_reaches_a_metadata_service() -> None:
    # Also if the settings open a range in which they are.
    ranges = ["0.0.0.0/0", "100.64.0.0/10", "168.63.129.0/24", "fd00::/8", "::/0"]
    rendered, _ = scene(cluster={"allow_egress": ranges})
    for name, end in pods([*rendered, *jobs(wanted())]).items():
        for cidr in network_policies.METADATA:
            target = End(address=str(ipaddress.ip_network(cidr)[-1]))
            closed = [
                port for port in (80, 443, 988, 26656) if reachability.is_open(rendered, end, target, port)
            ]
            assert closed == [], (name, cidr)


def test_metadata_service_that_the_settings_name_is_open() -> None:
    rendered, ends = scene(cluster={"allow_egress": ["169.254.170.23/32"]})
    assert reachability.is_open(rendered, ends["StatefulSet/node"], End(address="169.254.170.23"), 80)
    assert not reachability.is_open(rendered, ends["StatefulSet/node"], End(address="169.254.169.254"), 80)


def test_metrics_are_open_to_the_namespaces_in_the_settings() -> None:
    rendered, ends = scene(cluster={"metrics_from": ["monitoring"]})
    for target, port in (("Deployment/hermes", 3001), ("Deployment/reconciler", 8080)):
        assert reachability.is_open(rendered, ends["Prometheus"], ends[target], port)
        assert not reachability.is_open(rendered, ends["another pod"], ends[target], port)
    assert not reachability.is_open(rendered, ends["Prometheus"], ends["Deployment/hermes"], 3000)


@pytest.mark.parametrize("name", ["StatefulSet/node", "StatefulSet/provider-node", "Deployment/hermes"])
def test_further_ranges_are_reached_at_every_port(name: str) -> None:
    target = End(address="192.168.7.7")
    closed, ends = scene()
    opened, _ = scene(cluster={"allow_egress": ["192.168.7.0/24"]})
    for rendered, is_open in ((closed, False), (opened, True)):
        assert reachability.is_open(rendered, ends[name], target, 12345) is is_open


def test_private_peers_are_reached_at_their_ports() -> None:
    node = {
        **NODE,
        "peers": [f"{'a' * 40}@10.1.1.1:30001"],
        "config": {"config.toml": {"statesync": {"rpc_servers": "http://10.1.1.2:30002,10.1.1.3:30003"}}},
    }
    rendered, ends = scene(provider_node=node)
    found = [
        port
        for port in (30001, 30002, 30003, 30004)
        if reachability.is_open(rendered, ends["StatefulSet/provider-node"], End(address="10.1.1.9"), port)
    ]
    assert found == [30001, 30002, 30003]


def test_every_namespace_admits_unprivileged_pods_only() -> None:
    rendered, _ = scene()
    found = {
        one["metadata"]["name"]: one["metadata"]["labels"] for one in rendered if one["kind"] == "Namespace"
    }
    assert len(found) == 2
    for labels in found.values():
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_every_pod_fits_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, as far as these pods have the fields."""
    found = wanted()
    for one in [*manifests.render(found, "set"), *jobs(found)]:
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
    rendered, _ = scene()
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
