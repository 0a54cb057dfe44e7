"""Decoding of pods and of answers from nodes."""

import datetime
from typing import Any

import pytest

from ics import errors, model
from ics.cluster.api import errors as api_errors
from ics.cluster.nodes import decode
from ics.cosmos import answers


def pod(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "node-0", **metadata}, "spec": {"nodeName": "n1"}, "status": status}


RUNNING = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}


GONE_BY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def container(restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": "node", "restartCount": restarts, "state": state}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            pod(RUNNING | {"containerStatuses": [container(3, running={})]}),
            model.PodStatus(
                name="node-0", ip="10.0.0.1", node_name="n1", is_ready=True, restarts=3, waiting=""
            ),
        ),
        (
            pod(RUNNING, deletionTimestamp="2026-01-01T00:00:00Z"),
            model.PodStatus(
                name="node-0",
                ip="10.0.0.1",
                node_name="n1",
                is_ready=False,
                restarts=0,
                waiting="",
                gone_by=GONE_BY,
            ),
        ),
        (
            pod(
                {
                    "phase": "Running",
                    "podIP": "10.0.0.1",
                    "containerStatuses": [container(9, waiting={"reason": "CrashLoopBackOff"})],
                }
            ),
            model.PodStatus(
                name="node-0",
                ip="10.0.0.1",
                node_name="n1",
                is_ready=False,
                restarts=9,
                waiting="CrashLoopBackOff",
            ),
        ),
        (
            pod(
                {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
                }
            ),
            model.PodStatus(
                name="node-0", ip=None, node_name="n1", is_ready=False, restarts=0, waiting="Unschedulable"
            ),
        ),
        (
            pod({"phase": "Pending", "podIP": "10.0.0.1"}),
            model.PodStatus(
                name="node-0",
                ip=None,
                node_name="n1",
                is_ready=False,
                restarts=0,
                waiting="",
                starting_ip="10.0.0.1",
            ),
        ),
        (
            pod(
                {
                    "phase": "Running",
                    "podIP": "10.0.0.1",
                    "conditions": [
                        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                    ],
                }
            ),
            model.PodStatus(
                name="node-0",
                ip="10.0.0.1",
                node_name="n1",
                is_ready=False,
                restarts=0,
                waiting="",
                unready_since=GONE_BY,
            ),
        ),
        (
            pod({"phase": "Failed", "podIP": "10.0.0.1"}),
            model.PodStatus(name="node-0", ip=None, node_name="n1", is_ready=False, restarts=0, waiting=""),
        ),
        (
            {"metadata": {"name": "node-0"}},
            model.PodStatus(name="node-0", ip=None, node_name=None, is_ready=False, restarts=0, waiting=""),
        ),
    ],
)
def test_pod_is_decoded(item: dict[str, Any], expected: model.PodStatus) -> None:
    assert decode.pod(item) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"terminated": {"exitCode": 0, "message": "ready AB"}}, "ready AB"),
        # The node's own container may write a message, too, and so may another init container.
        ({"terminated": {"exitCode": 0}}, ""),
        ({"running": {}}, ""),
        ({"waiting": {"reason": "PodInitializing"}}, ""),
        (None, ""),
    ],
)
def test_result_of_key_check_is_the_message_of_its_container(
    state: dict[str, Any] | None, expected: str
) -> None:
    other = {"name": "other", "state": {"terminated": {"message": "missing AB"}}}
    check = [] if state is None else [{"name": "key-check", "state": state}]
    node = container(terminated={"message": "missing AB"})
    status = {"initContainerStatuses": [other, *check], "containerStatuses": [node]}
    assert decode.pod(pod(RUNNING | status)).key_check == expected


@pytest.mark.parametrize("state", ["state", "lastState"])
def test_later_check_of_the_nodes_own_container_counts(state: str) -> None:
    """An init container does not run again after the disk was emptied under its pod."""
    check = {"name": "key-check", "state": {"terminated": {"message": f"ready {'A' * 40}"}}}
    node = {"name": "node", state: {"terminated": {"message": f"missing {'A' * 40}"}}}
    status = {"initContainerStatuses": [check], "containerStatuses": [node]}
    assert decode.pod(pod(RUNNING | status)).key_check == f"missing {'A' * 40}"


@pytest.mark.parametrize(
    ("latest", "earliest", "has_commit"),
    [("0", "0", False), ("1", "1", False), ("2", "1", True), ("10", "10", False), ("11", "10", True)],
)
def test_commit_is_available_if_previous_block_is_kept(latest: str, earliest: str, has_commit: bool) -> None:
    sync = {"latest_block_height": latest, "earliest_block_height": earliest}

    assert decode.has_commit(answers.Field("/status", {"sync_info": sync})) is has_commit


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.Transient("503: dial tcp 10.1.2.3:26657: connect: connection refused"),
            "its RPC refuses connections",
        ),
        (
            errors.Transient("Pod a/node-0:26657: no answer within 3.0 s"),
            "its RPC does not answer in time",
        ),
        (errors.Transient("its RPC answers an error: bad"), "its RPC answers an error: bad"),
        (
            api_errors.MissingRight("missing permission: u cannot get pods/proxy"),
            "missing permission: u cannot get pods/proxy",
        ),
        (
            errors.Transient("read tcp 10.0.0.1:44321->10.1.2.3:26657: reset"),
            "its RPC is unreachable: read tcp …->…: reset",
        ),
        (
            answers.MalformedAnswer("/status", "sync_info.latest_block_height", "'x'", "a whole number"),
            "its RPC answers in an unknown format (answer to /status: field sync_info.latest_block_height is"
            " not a whole number)",
        ),
    ],
)
def test_error_text_is_stable(error: errors.IcsError, text: str) -> None:
    assert decode.error_text(error) == text


def test_rpc_result_is_returned_or_its_error_raised() -> None:
    assert decode.result("/status", {"result": {"a": 1}}).value == {"a": 1}
    with pytest.raises(errors.Transient, match="its RPC answers an error: words"):
        decode.result("/status", {"error": {"message": "words"}})
    with pytest.raises(errors.Transient, match="its RPC answers an error: no message"):
        decode.result("/status", {})


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"state": {"terminated": {"message": "binary ab"}}}, "binary ab"),
        ({"state": {"waiting": {}}, "lastState": {"terminated": {"message": "binary ab"}}}, "binary ab"),
        ({"state": {"running": {}}, "lastState": None}, ""),
        ({"name": "other", "state": {"terminated": {"message": "binary ab"}}}, ""),
    ],
)
def test_message_of_an_ended_node_is_read_also_after_its_restart(
    state: dict[str, Any], expected: str
) -> None:
    status = {"containerStatuses": [{**container(), **state}]}
    assert decode.pod(pod(RUNNING | status)).ending == expected


def test_companions_are_not_taken_for_the_node() -> None:
    """The kubelet sorts containers by name, and whatever a companion writes must not count as a check's result."""
    companion = {
        "name": "feeder",
        "restartCount": 12,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"message": f"ready {'AB' * 20}"}},
    }
    node = {
        "name": "node",
        "restartCount": 1,
        "ready": True,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }
    found = decode.pod(pod({"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [companion, node]}))
    assert (found.restarts, found.waiting, found.key_check, found.is_ready) == (1, "", "", True)
    assert found.started is not None
    assert found.companions == {"feeder": "CrashLoopBackOff: back-off"}


METRICS = """\
# HELP cometbft_statesync_syncing Whether or not a node is state syncing. 1 if yes, 0 if no.
# TYPE cometbft_statesync_syncing gauge
cometbft_statesync_syncing{chain_id="consumer1-1"} 1
cometbft_p2p_message_receive_bytes_total{chain_id="consumer1-1",message_type="p2p_PexAddrs"} 77
cometbft_p2p_message_receive_bytes_total{chain_id="consumer1-1",message_type="statesync_SnapshotsResponse"} 152
cometbft_p2p_message_receive_bytes_total{chain_id="consumer1-1",message_type="statesync_ChunkResponse"} 1.048576e+06
cometbft_p2p_message_send_bytes_total{chain_id="consumer1-1",message_type="statesync_ChunkResponse"} 5
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (METRICS, model.StateSyncStatus(is_syncing=True, has_offer=True, received=1048576)),
        (
            "cometbft_statesync_syncing 0\n",
            model.StateSyncStatus(is_syncing=False, has_offer=False, received=0),
        ),
        ("", None),
        ("<html>", None),
        ("cometbft_statesync_syncing{ 1\n" * 1000, None),
        (
            'x_statesync_syncing 1\nx_p2p_message_receive_bytes_total{message_type="statesync_ChunkResponse"} 9e99\n',
            model.StateSyncStatus(is_syncing=True, has_offer=False, received=2**62),
        ),
    ],
)
def test_state_sync_is_read_from_the_nodes_metrics(text: str, expected: model.StateSyncStatus | None) -> None:
    assert decode.state_sync(text) == expected
