"""Volumes of all nodes of a validator: which are measured, whose classes are read, and what becomes of them."""

import dataclasses
from typing import Any

from ics import model
from ics.conditions import Reason, Severity
from ics.consumer import desired, node_volumes, observed, revision
from tests.unit import factories
from tests.unit.consumer import test_volumes

GENESIS = {"url": "https://example.com/g.json", "sha256": "0" * 64}
NODE = {"enabled": True, "image": "pd:1", "genesis": GENESIS, "storage": "10Gi"}
CLAIM = test_volumes.CLAIM
MEASURING = revision.RecordedTemplate(revision.VOLUME_USE, "")


def memory(template: revision.RecordedTemplate | None = MEASURING) -> observed.Memory:
    """A chain with a sentry, and the provider node; all of them run."""
    sentry = observed.ExtraNodeMemory(has_workload=True, claim=CLAIM)
    own = observed.ProviderNodeMemory(has_workload=True, volume_uid="v", claim=CLAIM, template=template)
    found = factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        claim=CLAIM,
        template=template,
        extra_nodes={"sentry-1": sentry},
    )
    return dataclasses.replace(found, provider_node=own)


def settings(**changes: Any) -> Any:
    return factories.settings(provider_node=NODE, **changes)


def test_every_node_that_was_started_has_one() -> None:
    found = {node.pod: node.is_measured for node in node_volumes.of(memory(), settings())}
    assert found == {
        ("ns", "node-0"): True,
        ("ns", "sentry-1-0"): True,
        ("provider", "provider-node-0"): True,
    }
    # A pod of the first revision does not measure; sentries came with the second one.
    found = {node.pod: node.is_measured for node in node_volumes.of(memory(None), settings())}
    assert found == {
        ("ns", "node-0"): False,
        ("ns", "sentry-1-0"): True,
        ("provider", "provider-node-0"): False,
    }
    without = [node.pod for node in node_volumes.of(memory(), factories.settings())]
    assert without == [("ns", "node-0"), ("ns", "sentry-1-0")]


def test_classes_are_read_only_of_volumes_that_may_become_larger() -> None:
    def read(*sizes: str, **node: Any) -> frozenset[str]:
        stack = settings(node={"storage": "10Gi", **node})
        return node_volumes.classes(node_volumes.of(memory(), stack), stack, sizes)

    assert read() == frozenset()
    assert read("5Gi") == frozenset()
    assert read("20Gi") == {"fast"}
    assert read(volume={"max": "20Gi"}) == {"fast"}


def judged(percent: int, **node: Any) -> desired.Desired:
    use = test_volumes.used(percent)
    pods = (("ns", "sentry-1-0"), ("provider", "provider-node-0"))
    seen = factories.observation(
        factories.snapshot(factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))),
        memory=memory(),
        volume_uses=dict.fromkeys(pods, use),
        expandable={"fast": True},
    )
    definition = factories.example(nodes={"sentries": 1})
    return factories.judge(
        seen, definitions=[definition], provider_node=NODE, node={"storage": "10Gi", **node}
    )


def sizes(wanted: desired.Desired) -> dict[str, str]:
    found = factories.rendered(wanted)
    return {
        name: found[f"PersistentVolumeClaim/{name}"]["spec"]["resources"]["requests"]["storage"]
        for name in ("data", "sentry-1-data", "provider-node")
    }


def test_volumes_of_sentries_and_of_the_provider_node_grow_like_any_other() -> None:
    assert sizes(judged(85)) == {"data": "10Gi", "sentry-1-data": "10Gi", "provider-node": "10Gi"}
    grown = judged(85, volume={"max": "100Gi"})
    assert sizes(grown) == {"data": "10Gi", "sentry-1-data": "12Gi", "provider-node": "12Gi"}


def test_conditions_name_the_node() -> None:
    wanted = judged(91)
    (of_chain,) = [c for c in wanted.decisions[0].conditions if c.reason is Reason.VOLUME_FILLING]
    (own,) = [c for c in wanted.conditions if c.reason is Reason.VOLUME_FILLING]
    assert of_chain.message.startswith("the volume of sentry-1 is 91 % full; raise storage in its definition")
    assert own.message.startswith(
        "the volume of the provider node is 91 % full; raise ics:provider_node.storage"
    )
    assert (of_chain.severity, own.severity) == (Severity.CRITICAL, Severity.CRITICAL)


def test_volume_that_has_grown_stays_as_large() -> None:
    grown = dataclasses.replace(CLAIM, requested="14Gi", capacity="14Gi")
    stored = memory()
    sentry = dataclasses.replace(stored.chains["0"].extra_nodes["sentry-1"], claim=grown)
    chain = dataclasses.replace(stored.chains["0"], claim=grown, extra_nodes={"sentry-1": sentry})
    own = dataclasses.replace(stored.provider_node, claim=grown)
    seen = factories.observation(
        factories.snapshot(factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))),
        memory=dataclasses.replace(factories.memories({"0": chain}), provider_node=own),
    )
    wanted = factories.judge(seen, definitions=[factories.example(nodes={"sentries": 1})], provider_node=NODE)
    assert sizes(wanted) == {"data": "14Gi", "sentry-1-data": "14Gi", "provider-node": "14Gi"}
