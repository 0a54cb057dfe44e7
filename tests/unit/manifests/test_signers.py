"""A second pod with a consensus key is found among a chain's objects, however it would get it."""

import copy
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.manifests import signers
from tests.unit.manifests import test_consumer

KEY = names.consensus_key_name("1" * 32)


def chain() -> list[Any]:
    return [
        copy.deepcopy(dict(m)) for m in manifests.render(test_consumer.wanted(test_consumer.LAUNCHED), "set")
    ]


def test_rendered_chain_has_one_signer() -> None:
    assert signers.second_signers(chain()) == {}
    (node,) = (m for m in chain() if m["kind"] == "StatefulSet")
    mounted = {
        v["secret"]["secretName"] for v in node["spec"]["template"]["spec"]["volumes"] if "secret" in v
    }
    assert any(map(names.is_consensus_key, mounted))


WAYS: dict[str, dict[str, Any]] = {
    "volume": {"volumes": [{"name": "k", "secret": {"secretName": KEY}}]},
    "projected volume": {"volumes": [{"name": "k", "projected": {"sources": [{"secret": {"name": KEY}}]}}]},
    "variable": {"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": KEY, "key": "k"}}}]}]},
    "all variables": {"initContainers": [{"envFrom": [{"secretRef": {"name": KEY}}]}]},
}


@pytest.mark.parametrize("pod", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "Job"])
def test_another_workload_with_the_key_is_found(kind: str, pod: dict[str, Any]) -> None:
    other: model.Manifest = {
        "kind": kind,
        "metadata": {"namespace": "ns", "name": "sentry-1", "labels": {names.CONSUMER: "0"}},
        "spec": {"template": {"spec": pod}},
    }
    text = (
        f"{kind} ns/sentry-1: it has the consensus key {KEY}, which only the validator's node may have;"
        " nothing is written, please report this"
    )
    assert signers.second_signers([*chain(), other]) == {"0": text}
    with pytest.raises(errors.Permanent, match="sentry-1"):
        signers.check([*chain(), other])


def test_key_of_a_cron_job_is_found() -> None:
    pod = {"volumes": [{"name": "k", "secret": {"secretName": KEY}}]}
    other: model.Manifest = {
        "kind": "CronJob",
        "metadata": {"name": "backup", "labels": {}},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    assert list(signers.second_signers([other])) == [""]


def test_second_replica_of_the_node_is_found() -> None:
    found = chain()
    (node,) = (m for m in found if m["kind"] == "StatefulSet")
    node["spec"]["replicas"] = 2
    assert "2 pods would have the consensus key" in signers.second_signers(found)["0"]
