"""A whole stack with one chain, and who may reach what in it: as `reachability` judges it, and as it is enforced."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import manifests, model
from ics.consumer import desired, observed
from ics.manifests import hermes_jobs, objects, sign_state_job
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


@dataclass(frozen=True, slots=True)
class Question:
    """May the source, by its name, open a connection to a port of the target?"""

    source: str
    label: str
    """Of the target's port, in the table."""
    target: str
    port: int
    protocol: str


def questions(ends: Iterable[str]) -> list[Question]:
    """What the table answers: each pod of the stack to all, and strangers to those pods."""
    own = [name for name in ends if "/" in name]
    return [
        Question(source, *row)
        for source in (*own, *STRANGERS)
        for row in (*OURS, *(OTHERS if source in own else ()))
        if source != row[1]
    ]


def table(asked: Sequence[Question], is_open: Callable[[Question], bool]) -> str:
    """A line for each source, with what is open to it."""
    sources = list(dict.fromkeys(one.source for one in asked))
    width = max(map(len, sources))
    found = {name: [one.label for one in asked if one.source == name and is_open(one)] for name in sources}
    return "".join(f"{name:<{width}}  {', '.join(found[name]) or '-'}\n" for name in sources)


def judged(rendered: Sequence[model.Manifest], ends: Mapping[str, End]) -> str:
    """The table as Kubernetes defines the policies."""

    def is_open(one: Question) -> bool:
        return reachability.is_open(rendered, ends[one.source], ends[one.target], one.port, one.protocol)

    return table(questions(ends), is_open)
