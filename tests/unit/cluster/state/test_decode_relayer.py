"""Relayer state of a chain, decoded from its objects."""

import base64
import datetime
from typing import Any

import pytest

from ics import model, names
from ics.cluster import sign_state
from ics.cluster.state import decode, relayer_record
from ics.consumer import observed
from ics.relayer import inputs
from tests.unit import factories

SINCE = datetime.datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=datetime.UTC)
RECORD = inputs.RelayingRecord(
    fingerprint="consumer/connection-0=INIT",
    since=SINCE,
    is_ours=True,
    acted_on="before",
    accepted_config="ab" * 32,
    accepted_base="cd" * 32,
    pending=(5, 0),
    pending_since=(SINCE, None),
    restarted=SINCE,
    open_since=SINCE,
)
NEW = inputs.RelayingRecord(fingerprint="", since=SINCE)
OVER = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
LATE = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}


def item(name: str, namespace: str = "n", component: str = names.HERMES, **rest: Any) -> dict[str, Any]:
    marks = {names.CONSUMER: "1", names.COMPONENT: component}
    metadata = {"name": name, "namespace": namespace, "labels": marks, "uid": "u"} | {
        "creationTimestamp": "2026-11-22T12:00:00Z"
    }
    return {"metadata": metadata, **rest}


def deployment(name: str, component: str = names.HERMES, namespace: str = "n", **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"image": "hermes:1"}]}}
    return item(name, namespace, component, spec={"template": template, **spec})


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def memory(*volumes: dict[str, Any], **left: Any) -> observed.Memory:
    return decode.memory(volumes, [], [], [], decode.Relaying(**left))


@pytest.mark.parametrize("record", [RECORD, NEW])
def test_relayer_record_survives_round_trip(record: inputs.RelayingRecord) -> None:
    written = item(names.RELAYER_NAME, data=relayer_record.to_data(record))
    candidate = item("hermes-candidate", data={"x": packed("[global]")})

    found = memory(config_maps=[written], configs=[candidate])

    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="n", relayer=inputs.RelayerMemory(record=record, has_objects=True)
            )
        }
    )


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {**relayer_record.to_data(RECORD), "pending": "x"},
        {**relayer_record.to_data(RECORD), "pending": "5"},
        {**relayer_record.to_data(RECORD), "since": "2026-11-22T12:00:00"},
        {name: text for name, text in relayer_record.to_data(RECORD).items() if name != "base"},
    ],
)
def test_edited_relayer_record_is_a_problem(data: dict[str, str] | None) -> None:
    (found,) = memory(config_maps=[item("relayer", data=data)]).chains.values()
    assert found.problem.startswith("ConfigMap n/relayer: ")
    assert "delete this ConfigMap" in found.problem


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, model.JobState.RUNNING),
        ({"active": 1}, model.JobState.RUNNING),
        (OVER, model.JobState.DONE),
        (FAILED, model.JobState.FAILED),
        (LATE | {"active": 0, "terminating": 0}, model.JobState.FAILED),
        (LATE | {"terminating": 1}, model.JobState.RUNNING),
        (LATE | {"active": 1}, model.JobState.RUNNING),
    ],
)
def test_job_is_running_while_its_pod_may_sign(status: dict[str, Any], expected: model.JobState) -> None:
    found = memory(jobs=[item("step", status=status)])

    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="n", relayer=inputs.RelayerMemory(jobs={"step": expected}, has_objects=True)
            )
        }
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({"deployments": [deployment("hermes", replicas=1)]}, True),
        ({"deployments": [deployment("hermes")]}, True),
        ({"deployments": [deployment("hermes", replicas=0)]}, False),
        ({"deployments": [deployment("hermes-evidence", names.EVIDENCE)]}, False),
        ({"pods": [item("hermes-1", status={"phase": "Pending"})]}, True),
        ({"pods": [item("hermes-1", status={"phase": "Running"})]}, True),
        ({"pods": [item("hermes-1", status={})]}, True),
        ({"pods": [item("hermes-1", status={"phase": "Failed"})]}, False),
        ({"pods": [item("evidence-1", component=names.EVIDENCE, status={"phase": "Running"})]}, False),
    ],
)
def test_hermes_may_sign_depends_on_its_replicas_and_pods(left: dict[str, Any], expected: bool) -> None:
    (found,) = memory(item("data"), **left).chains.values()

    assert found.relayer.has_hermes is expected


def test_relayer_of_another_namespace_is_named_while_it_should_have_a_pod() -> None:
    home = item("data")
    (found,) = memory(home, deployments=[deployment("hermes", namespace="copy")]).chains.values()
    assert (found.namespace, found.relaying_copies) == ("n", ("copy",))
    quiet = [
        deployment("hermes", namespace="copy", replicas=0),
        deployment("hermes-evidence", names.EVIDENCE, namespace="copy"),
        deployment("hermes"),
    ]
    (found,) = memory(home, deployments=quiet).chains.values()
    assert found.relaying_copies == ()


def test_config_of_each_hermes_is_decoded() -> None:
    configs = [item(name, data={"config.toml": packed(name)}) for name in ("hermes", "hermes-base")]
    watch = deployment("hermes-evidence", names.EVIDENCE)

    (found,) = memory(configs=configs, deployments=[watch]).chains.values()
    (both,) = memory(configs=configs, deployments=[deployment("hermes"), watch]).chains.values()

    assert (found.relayer.hermes, found.relayer.hermes_base) == (
        None,
        inputs.Setup("hermes:1", "hermes-base"),
    )
    assert (both.relayer.hermes, both.relayer.hermes_base) == (
        inputs.Setup("hermes:1", "hermes"),
        found.relayer.hermes_base,
    )


def test_hermes_pod_in_earlier_namespace_may_sign() -> None:
    found = memory(item("data"), pods=[item("hermes-1", "earlier", status={"phase": "Running"})])

    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="n", volume_uid="u", relayer=inputs.RelayerMemory(has_hermes=True)
            )
        }
    )


def test_health_of_each_hermes_is_decoded() -> None:
    made = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
    lost = {"conditions": [{"type": "Available", "lastTransitionTime": "2026-11-22T12:01:00Z"}]}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    leaving = item("hermes-1", status=ready)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"

    (found,) = memory(
        deployments=[
            deployment("hermes") | {"status": lost},
            deployment("hermes-evidence", names.EVIDENCE),
        ],
        pods=[
            leaving,
            item("evidence-1", component=names.EVIDENCE, status={"phase": "Failed"}),
            item("evidence-2", component=names.EVIDENCE, status=ready),
            item("evidence-3", component=names.EVIDENCE),
        ],
    ).chains.values()

    pod = factories.pod(name="evidence-2", ip=None, node_name=None, uid="u", created=made)
    assert found.relayer.instances == {
        names.EVIDENCE: inputs.Instance(pod, made),
        names.HERMES: inputs.Instance(None, made + datetime.timedelta(minutes=1)),
    }


def test_termination_message_is_assigned_to_its_job() -> None:
    state = {"terminated": {"exitCode": 1, "message": "/bin/sh: hermes: not found\n"}}
    pod = item("step-x", component=names.RELAYER_STEP, status={"containerStatuses": [{"state": state}]})
    pod["metadata"]["labels"][relayer_record.JOB_NAME] = "step"

    (found,) = memory(pods=[pod]).chains.values()

    assert (found.relayer.last_words, found.relayer.instances) == ({"step": "/bin/sh: hermes: not found"}, {})


@pytest.mark.parametrize(
    ("status", "expected"),
    [({}, False), (OVER, False), (FAILED, False), (LATE, True)],
)
def test_sign_state_job_is_late_only_after_its_deadline(status: dict[str, Any], expected: bool) -> None:
    assert sign_state.is_late(item("check", status=status)) is expected


REFUSED = """\
The Hermes configuration file at path '/etc/hermes/config.toml' is invalid, reason: parse error
Please see the example configuration for detailed information about the supported configuration options
"""
QUERY = """\
{"timestamp":"2026-11-22T12:52:07Z","level":"INFO","fields":{"message":"running Hermes v1.10.5"}}
{"result":"Restored key 'relayer' (cosmos1x) on chain provider-1","status":"success"}
{"result":"Query of client '07-tendermint-77' failed","status":"error"}
"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (REFUSED, REFUSED.splitlines()[0]),
        (QUERY, "Query of client '07-tendermint-77' failed"),
        ("/bin/sh: hermes: not found\n", "/bin/sh: hermes: not found"),
        ("x" * 5000, "x" * 400),
        ("", ""),
    ],
)
def test_termination_message_is_reduced_to_its_error(message: str, expected: str) -> None:
    state = {"terminated": {"exitCode": 1, "message": message}}

    assert relayer_record.last_words(item("p", status={"containerStatuses": [{"state": state}]})) == expected
    assert relayer_record.last_words(item("p")) == ""


@pytest.mark.parametrize(("name", "expected"), [("hermes-candidate", True), ("hermes", False)])
def test_only_candidate_config_counts_as_relayer_object(name: str, expected: bool) -> None:
    (found,) = memory(configs=[item(name, data={"config.toml": packed("[global]")})]).chains.values()
    assert found.relayer.has_objects == expected


@pytest.mark.parametrize(("note", "expected"), [({}, False), ({names.ENDING: "true"}, True)])
def test_annotation_marks_node_as_ending(note: dict[str, str], expected: bool) -> None:
    workload = item("node")
    workload["metadata"]["annotations"] = note
    (found,) = decode.memory([], [], [workload], []).chains.values()
    assert (found.has_workload, found.is_ending) == (True, expected)
