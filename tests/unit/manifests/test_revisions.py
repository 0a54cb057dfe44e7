"""Revisions of the nodes' templates: a new version of this program restarts no node by itself."""

import dataclasses
import json
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.cluster.state import node_records, provider_record
from ics.consumer import desired, observed, revision
from ics.manifests import revisions
from tests.unit import factories
from tests.unit.manifests import revision_cases

FIRST: Mapping[str, Any] = json.loads(
    (pathlib.Path(__file__).parent / "revision_1.json").read_text(encoding="utf-8")
)
"""What the first version rendered; it never changes."""


def recorded(number: int, digest: str = "") -> revision.RecordedTemplate:
    return revision.RecordedTemplate(number, digest)


def digest_of(case: str, name: str) -> str:
    return str(FIRST[case][name]["metadata"]["annotations"][names.TEMPLATE])


def running(
    case: str, template: revision.RecordedTemplate, own: revision.RecordedTemplate | None = None
) -> observed.Memory:
    """Return the memory of a chain whose node runs with this template, and of a provider node."""
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True, template=template)
    return dataclasses.replace(
        memory, provider_node=observed.ProviderNodeMemory(has_workload=True, template=own or template)
    )


def digests(case: str) -> observed.Memory:
    node = recorded(1, digest_of(case, "StatefulSet/node"))
    name = "StatefulSet/provider-node"
    return running(case, node, recorded(1, digest_of(case, name)) if name in FIRST[case] else None)


def statement(wanted: desired.Desired, name: str) -> tuple[str, str]:
    notes = factories.rendered(wanted)[name]["metadata"]["annotations"]
    return notes[names.NODE_REVISION], notes[names.TEMPLATE]


@pytest.mark.parametrize("case", revision_cases.CASES)
def test_a_new_version_changes_no_template_and_no_file_of_running_nodes(case: str) -> None:
    """StatefulSets of the first version say nothing, later ones say what they are; both are kept byte for byte."""
    for memory in (running(case, recorded(1)), digests(case)):
        assert revision_cases.templates(revision_cases.CASES[case](memory)) == FIRST[case]


@pytest.mark.parametrize("case", revision_cases.CASES)
def test_a_node_that_starts_gets_the_current_revision(case: str) -> None:
    wanted = revision_cases.CASES[case](factories.memory(genesis=factories.GENESIS))
    assert revision_cases.templates(wanted) != FIRST[case]
    assert [one.revision for one in wanted.chains] == [revision.CURRENT]
    assert "RevisionOld" not in factories.reasons(wanted.decisions[0])


def test_the_current_revision_serves_metrics() -> None:
    found = factories.rendered(revision_cases.CASES["plain"](factories.memory(genesis=factories.GENESIS)))
    for workload, files in (("node", "config"), ("provider-node", "provider-node")):
        ports = found[f"StatefulSet/{workload}"]["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert {"name": "metrics", "containerPort": 26660, "protocol": "TCP"} in ports
        comet = tomllib.loads(found[f"ConfigMap/{files}"]["data"]["config.toml"])
        assert comet["instrumentation"] == {"prometheus": True}


def test_a_statefulset_states_its_revision_and_its_template() -> None:
    kept = revision_cases.CASES["plain"](digests("plain"))
    for name in ("StatefulSet/node", "StatefulSet/provider-node"):
        assert statement(kept, name) == ("1", digest_of("plain", name))
    new = factories.rendered(revision_cases.CASES["plain"](factories.memory(genesis=factories.GENESIS)))
    item = new["StatefulSet/node"]
    template = item["spec"]["template"]["metadata"]["annotations"][names.TEMPLATE]
    assert node_records.template(item) == recorded(revision.CURRENT, template)


def test_another_reason_to_restart_takes_the_current_revision() -> None:
    wanted = revision_cases.judged(digests("plain"), {"image": "another:2"}, node={"stop_grace": "1h"})
    assert [one.revision for one in wanted.chains] == [revision.CURRENT]
    assert "RevisionOld" not in factories.reasons(wanted.decisions[0])


def test_the_running_pod_says_what_a_statefulset_of_the_first_version_does_not() -> None:
    memory = running("plain", recorded(1))
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))

    def chosen(template: str) -> int:
        seen = factories.observation(
            factories.snapshot(chain),
            memory=memory,
            observations={"0": model.Observation(factories.pod(template=template))},
        )
        return factories.judge(seen, definitions=[factories.example()]).chains[0].revision

    assert chosen(digest_of("plain", "StatefulSet/node")) == 1
    assert chosen("another") == revision.CURRENT


def test_the_operator_rolls_one_node_at_a_time() -> None:
    memory = digests("plain")
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))

    def chosen(*requests: str) -> tuple[int, int]:
        seen = factories.observation(
            factories.snapshot(chain), memory=memory, roll_requests=frozenset(requests)
        )
        wanted = factories.judge(seen, provider_node=revision_cases.PROVIDER_NODE)
        return wanted.chains[0].revision, wanted.provider_node.revision

    assert [chosen(), chosen("0"), chosen("provider"), chosen("7")] == [(1, 1), (2, 1), (1, 2), (1, 1)]


def test_nodes_of_an_earlier_revision_are_reported() -> None:
    wanted = revision_cases.CASES["plain"](digests("plain"))
    texts = [
        c.message for c in (*wanted.decisions[0].conditions, *wanted.conditions) if c.reason == "RevisionOld"
    ]
    assert texts == [
        "the node keeps node revision 1 of 2 until it restarts for another reason; to restart it now, run: ics nodes"
        " roll 0",
        "the provider node keeps node revision 1 of 2 until it restarts for another reason; to restart it now, run: ics"
        " nodes roll provider",
    ]


def test_pod_settings_alone_change_no_revision() -> None:
    wanted = revision_cases.judged(digests("plain"), {"pods": {"labels": {"team": "staking"}}})
    assert [one.revision for one in wanted.chains] == [1]


def test_a_later_revision_than_this_version_knows_is_replaced_by_its_own() -> None:
    memory = running("plain", recorded(revision.CURRENT + 1, "x"))
    assert [one.revision for one in revision_cases.judged(memory).chains] == [revision.CURRENT]


def test_settling_twice_changes_nothing_but_the_conditions() -> None:
    wanted = revision_cases.CASES["plain"](digests("plain"))
    assert manifests.render(revisions.settle(wanted), "set") == manifests.render(wanted, "set")


@pytest.mark.parametrize("text", ["", "²", "-1", "two", "1" * 30])
def test_an_edited_revision_is_a_problem_of_its_node_alone(text: str) -> None:
    item = {
        "metadata": {"namespace": "n", "name": "node", "uid": "u", "annotations": {names.NODE_REVISION: text}}
    }
    with pytest.raises(errors.Permanent, match="node-revision"):
        node_records.template(item)
    assert "node-revision" in provider_record.memory([], [item], []).problem
