"""The owner has removed a chain that nothing was relayed to yet: its node ends, and what is left is cleared away."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from tests.network import chains, governance, kube, launch, operators, waiting

pytestmark = [pytest.mark.network, pytest.mark.story(when="FIRST")]

UNBONDING = 60
"""Seconds, for this one chain: so much later than its removal it is deleted."""
WELL_BEFORE = 20.0
"""Seconds before the deletion at which the last pass begins that does not see it, even on a busy machine."""


@dataclass(frozen=True)
class Removed:
    """A chain whose owner has removed it."""

    twin: str
    """Consumer id."""
    chain_id: str
    removed_at: float
    """Monotonic time."""


@pytest.fixture(scope="module")
def removed(alice: operators.Operator, bob: operators.Operator, consumer: str) -> Removed:
    """A chain beside the one of all stories, removed as soon as it runs."""
    others = [one["consumer_id"] for one in chains.of_phase(3) if one["chain_id"] == launch.TWIN_ID]
    (twin, *_) = others or launch.new([chains.fresh("consumer-more")], [alice, bob])
    chain_id = str(owner.consumer(twin)["chain_id"])
    with operators.Cron([alice, bob]):
        for operator in (alice, bob):
            waiting.until(
                f"{operator.name} sees a block",
                lambda operator=operator: (operator.chain(twin).get("node") or {}).get("height") or 0,  # type: ignore[misc]
            )
    with governance.unbonding(UNBONDING, alice):
        chains.remove(twin)
        removed_at = time.monotonic()
    return Removed(twin, chain_id, removed_at)


def test_a_stopped_chain_with_no_packet_in_flight_keeps_just_its_data(
    alice: operators.Operator, bob: operators.Operator, removed: Removed
) -> None:
    for operator in (alice, bob):
        operator.settled()
        chain = operator.chain(removed.twin)
        assert (chain["phase"], chain["participation"]) == ("STOPPED", "opted-in")
        assert [c["reason"] for c in chain["conditions"]] == ["Stopped"]
        home = launch.namespace_of(operator, removed.twin)
        waiting.until("its pod is gone", lambda home=home, operator=operator: operator.kube.pod(home) is None)  # type: ignore[misc]
        node = operator.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)
        assert node["spec"]["replicas"] == 0
        assert operator.kube.volume(home).exists()
        address = operator.address_of(removed.twin)
        assert int(operator.kube.signing_memory(home, address)["height"]) > 0


def test_a_chain_that_is_not_deleted_yet_is_not_purged(bob: operators.Operator, removed: Removed) -> None:
    audit = bob.audit()

    refused = bob.ics("purge", removed.twin, "--confirm", removed.chain_id)

    assert refused.code == 2
    assert refused.complaint.startswith(f"consumer {removed.twin} ({removed.chain_id}) still runs here")
    assert audit.writes() == []


@pytest.mark.parametrize("name", launch.RUNNERS)
def test_a_deleted_chain_leaves_just_its_volume_and_keys(
    name: str, request: pytest.FixtureRequest, removed: Removed, consumer: str
) -> None:
    operator: operators.Operator = request.getfixturevalue(name)
    left = max(UNBONDING - launch.since(removed.removed_at), 0)
    if left > WELL_BEFORE:
        # Meanwhile the channel of the other chain is about to be opened.
        with operators.Cron([request.getfixturevalue(one) for one in launch.RUNNERS]):
            time.sleep(left - WELL_BEFORE)
    waiting.until(
        "the provider has deleted the chain",
        lambda: chains.phase(removed.twin),
        lambda phase: phase == "DELETED",
        seconds=left + 60,
        every=2,
    )
    before = {launch.shown(item): item for item in operator.kube.members()}
    of_twin = {shown for shown, item in before.items() if consumer_of(item) == removed.twin}
    assert f"c-{removed.twin}" in port_names(operator)
    others = identities(before, consumer)

    operator.settled()

    after = {launch.shown(item): item for item in operator.kube.members()}
    left_of_it = {shown for shown, item in after.items() if consumer_of(item) == removed.twin}
    assert left_of_it == {shown for shown in of_twin if is_retained(before[shown])}
    # The chain that runs on may get its relayer meanwhile.
    assert identities(after, consumer).items() >= others.items()
    assert f"c-{removed.twin}" not in port_names(operator)
    assert f"c-{consumer}" in port_names(operator)
    home = launch.namespace_of(operator, removed.twin)
    assert operator.kube.pod(home) is None
    node = operator.chain(consumer)["node"]
    assert (node["signing"], node["signers"]) == (True, 2)


@pytest.mark.parametrize("name", launch.RUNNERS)
def test_only_the_right_name_purges_it(
    name: str, request: pytest.FixtureRequest, removed: Removed, consumer: str
) -> None:
    operator: operators.Operator = request.getfixturevalue(name)
    home = launch.namespace_of(operator, removed.twin)
    volume = operator.kube.volume(home)
    keys = [names.consensus_key_name(place) for place in operator.places(removed.twin)]
    audit = operator.audit()

    refused = operator.ics("purge", removed.twin, "--confirm", "consumer1-2")

    assert refused.code == 2
    assert refused.complaint.endswith("nothing was changed")
    assert audit.writes() == []
    assert volume.exists()

    purged = operator.ics("purge", removed.twin, "--confirm", removed.chain_id)

    assert purged.code == 0, purged.err
    assert sorted(purged.json["removed"]) == [
        f"ConfigMap {home}/{names.WATERMARK}",
        f"Namespace {home}",
        f"PersistentVolumeClaim {home}/data",
        *(f"Secret {home}/{key}" for key in sorted(keys)),
    ]
    waiting.until("the namespace is gone", lambda: operator.kube.find(kinds.NAMESPACE, "", home) is None)
    waiting.until("its data is gone", lambda: not volume.exists())
    operator.settled()
    assert [item for item in operator.kube.members() if consumer_of(item) == removed.twin] == []
    assert operator.chain(consumer)["node"]["signing"]


def identities(items: Mapping[str, kube.Object], consumer: str) -> dict[str, str]:
    """uid of each object of the chain that runs on, and of those that all chains share."""
    return {
        shown: item["metadata"]["uid"]
        for shown, item in items.items()
        if item["kind"] != "Job" and consumer_of(item) in ("", consumer)
    }


def is_retained(item: kube.Object) -> bool:
    """Namespace, volume, consensus keys and watermark; told by what they are, not by what their labels say."""
    name = item["metadata"]["name"]
    return (
        item["kind"] in ("Namespace", "PersistentVolumeClaim")
        or (item["kind"] == "Secret" and name.startswith("consensus-key-"))
        or (item["kind"] == "ConfigMap" and name == names.WATERMARK)
    )


def consumer_of(item: kube.Object) -> str:
    return str(item["metadata"]["labels"].get(names.CONSUMER, ""))


def port_names(operator: operators.Operator) -> set[str]:
    """Names of the load balancer's ports."""
    service = operator.kube.get(kinds.SERVICE, "provider", names.GATEWAY_SERVICE)
    return {port["name"] for port in service["spec"]["ports"]}
