"""Decoders of pod status and of a node's RPC answers; pure."""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ics import errors, model, names
from ics.cluster.api import errors as api_errors
from ics.consumer import consensus_view, key_check
from ics.cosmos import answers, times

_COMMITTED = 2
"""BlockIDFlagCommit: the signature is for the block itself (1 is absent, 3 is nil)."""
NO_ANSWER = "its RPC does not answer in time"
_NUMBER = r"([0-9]{1,30}(?:\.[0-9]{1,30})?(?:e\+?[0-9]{1,2})?)"
_SYNCING = re.compile(rf"^\w+_statesync_syncing(?:{{[^}}\n]*}})? {_NUMBER}$", re.MULTILINE)
_RECEIVED = re.compile(
    r"^\w+_p2p_message_receive_bytes_total{[^}\n]*message_type=\"statesync_(\w+)\"[^}\n]*} " + _NUMBER + "$",
    re.MULTILINE,
)
_MOST_BYTES = 2.0**62
_LONGEST_DETAIL = 200
_ADDRESS = re.compile(r"(?<![\w-])\[?[0-9a-f:.]+\]?:\d+")


def pod(item: Mapping[str, Any]) -> model.PodStatus:
    """Decode a pod."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    everything = status.get("containerStatuses") or []
    # The kubelet sorts them by name, and a companion's words and restarts are not the node's.
    containers = [one for one in everything if one.get("name") == names.NODE_CONTAINER] or everything
    companions = [one for one in everything if one not in containers]
    is_ready = conditions.get("Ready", {}).get("status") == "True" or (
        bool(companions) and all(one.get("ready") is True for one in containers)
    )
    notes = item["metadata"].get("annotations") or {}
    gone_by = _moment(item["metadata"].get("deletionTimestamp"))
    address, phase = status.get("podIP") or None, status.get("phase")
    waiting, detail = _waiting([*(status.get("initContainerStatuses") or []), *containers], conditions)
    return model.PodStatus(
        name=item["metadata"]["name"],
        ip=address if phase == "Running" else None,
        node_name=spec.get("nodeName") or None,
        is_ready=is_ready and gone_by is None,
        restarts=max((c.get("restartCount", 0) for c in containers), default=0),
        waiting=waiting,
        image=_image(spec),
        detail=detail,
        uid=item["metadata"].get("uid", ""),
        created=_moment(item["metadata"].get("creationTimestamp")),
        started=_moment(next((_started(c) for c in containers), None)),
        unready_since=None if is_ready else _moment(conditions.get("Ready", {}).get("lastTransitionTime")),
        gone_by=gone_by,
        template=notes.get(names.TEMPLATE, ""),
        pod_settings=notes.get(names.POD_SETTINGS, ""),
        key_check=_key_check(status.get("initContainerStatuses") or [], containers),
        ending=_ending(containers),
        companions=_not_running(companions),
        genesis=_last_message(status.get("initContainerStatuses") or [], names.GENESIS_CONTAINER),
        starting_ip=address if phase == "Pending" else None,
    )


def _image(spec: Mapping[str, Any]) -> str:
    """Return the image that a pod's specification has for the node's container, empty if there is none."""
    containers = spec.get("containers") or []
    return next(
        (str(one.get("image", "")) for one in containers if one.get("name") == names.NODE_CONTAINER), ""
    )


def _not_running(companions: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return why containers beside the node do not run, by name; those that run are left out."""
    waiting = {str(one.get("name")): _waiting([one], {}) for one in companions}
    return {name: ": ".join(filter(None, texts)) for name, texts in sorted(waiting.items()) if any(texts)}


def _key_check(init: Sequence[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]]) -> str:
    """Return the result of a pod's last check: of its node's container if that has ended once, else its own."""
    own = [_message(one, "state") for one in init if one.get("name") == names.KEY_CHECK]
    later = [_message(one, state) for one in containers for state in ("state", "lastState")]
    results = [message for message in later if key_check.parse(message)[0] is not None]
    return next(iter((*results, *own)), "")


def _ending(containers: Sequence[Mapping[str, Any]]) -> str:
    """Return the message with which the node's container ended last, now or before its restart."""
    return _last_message(containers, names.NODE_CONTAINER)


def _last_message(containers: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return the message with which a container ended last, now or before its restart."""
    named = [one for one in containers if one.get("name") == name]
    messages = [_message(one, state) for one in named for state in ("state", "lastState")]
    return next(filter(None, messages), "")


def _message(container: Mapping[str, Any], state: str) -> str:
    """Return the termination message in one of a container's states, empty if it did not end in it."""
    return str(((container.get(state) or {}).get("terminated") or {}).get("message") or "")


def _started(container: Mapping[str, Any]) -> str | None:
    started_at = ((container.get("state") or {}).get("running") or {}).get("startedAt")
    return None if started_at is None else str(started_at)


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else times.parse_time(text)


def _waiting(
    containers: Sequence[Mapping[str, Any]], conditions: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str]:
    """Return why a pod waits, and what the scheduler or the kubelet says about it; two empty texts if it does not."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable"), _shortened(scheduled.get("message"))
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting is not None:
            return str(waiting.get("reason") or "Waiting"), _shortened(waiting.get("message"))
    return "", ""


def _shortened(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _LONGEST_DETAIL else f"{line[: _LONGEST_DETAIL - 1]}…"


def result(path: str, body: Mapping[str, Any]) -> answers.Field:
    """Return `result` of a JSON-RPC answer.

    Args:
        path: the method that was called.
        body: the answer.

    Raises:
        Transient: it contains an error, or no result.
    """
    content = body.get("result")
    if isinstance(content, Mapping):
        return answers.Field(path, content)
    problem = body.get("error")
    raise errors.Transient(api_errors.rpc_error(problem if isinstance(problem, Mapping) else {}))


def height(status: answers.Field) -> int:
    """Return the height of the node's last block, 0 before the first."""
    return status["sync_info"]["latest_block_height"].integer()


def app_height(info: answers.Field) -> int:
    """Return the height that the application has executed, 0 before the first, from the result of `/abci_info`."""
    height = info["response"].get("last_block_height")
    return 0 if height is None else height.integer()


def state_sync(metrics: str) -> model.StateSyncStatus | None:
    """Return what CometBFT's metrics say about a node's state sync; None if they say nothing about it.

    There is no metric of the snapshots and chunks themselves (CometBFT v0.38, statesync/metrics.go), but one of the
    bytes of each kind of message (p2p/metrics.go).
    """
    syncing = _SYNCING.search(metrics)
    if syncing is None:
        return None
    received = {name: float(number) for name, number in _RECEIVED.findall(metrics)}
    return model.StateSyncStatus(
        is_syncing=float(syncing[1]) > 0,
        has_offer=received.get("SnapshotsResponse", 0.0) > 0,
        received=int(min(received.get("ChunkResponse", 0.0), _MOST_BYTES)),
    )


def has_commit(status: answers.Field) -> bool:
    """Return whether the node has the second to last block, whose commit is complete.

    The commit of the last block is the first one that this node received, and lacks late signatures.
    """
    earliest = status["sync_info"]["earliest_block_height"].integer()
    return height(status) - 1 >= max(earliest, 1)


def block_time(status: answers.Field) -> datetime.datetime | None:
    """Return the time of the node's last block, None before the first."""
    return status["sync_info"]["latest_block_time"].moment() if height(status) > 0 else None


def node_ids(net_info: answers.Field) -> frozenset[str]:
    """Return the node ids of the peers to which a node is connected."""
    return frozenset(peer["node_info"]["id"].text() for peer in net_info.get("peers") or ())


def node(
    status: answers.Field,
    net_info: answers.Field,
    commit: answers.Field | None,
    validators: Sequence[answers.Field],
    view: consensus_view.ConsensusView | None = None,
    *,
    is_silent: bool = False,
    app_height: int | None = None,
    state_sync: model.StateSyncStatus | None = None,
) -> model.NodeStatus:
    """Combine the answers of one node.

    Args:
        status: result of `/status`.
        net_info: result of `/net_info`.
        commit: result of `/commit` at the second to last block, None if there is none.
        validators: members of all pages of `/validators`, empty before the first block.
        view: of its peers' heights and of their votes, None if it is unknown.
        is_silent: the node was queried for it and did not answer in time.
        app_height: that its application has executed, None if it did not say.
        state_sync: of a node without a block, None if it is unknown.
    """
    return model.NodeStatus(
        height=height(status),
        is_catching_up=status["sync_info"]["catching_up"].boolean(),
        consensus_key=status["validator_info"]["pub_key"]["value"].base64(),
        peers=net_info["n_peers"].integer(),
        signers=frozenset() if commit is None else signers(commit),
        validators={v["address"].hex(): v["voting_power"].integer() for v in validators},
        peer_ids=node_ids(net_info),
        block_time=block_time(status),
        blocks_behind=None if view is None else view.blocks_behind,
        is_silent=is_silent,
        ballot=None if view is None else view.ballot(),
        app_height=app_height,
        state_sync=state_sync,
    )


def signers(commit: answers.Field) -> frozenset[bytes]:
    """Return the addresses (20 bytes) that signed a block, from the result of `/commit`."""
    signatures = commit["signed_header"]["commit"]["signatures"]
    return frozenset(
        s["validator_address"].hex() for s in signatures if s["block_id_flag"].value == _COMMITTED
    )


def error_text(error: Exception) -> str:
    """Return why a node's RPC did not answer, as a text that is stable over passes."""
    if not isinstance(error, errors.IcsError):
        return str(errors.of_chain(error))
    if isinstance(error, answers.MalformedAnswer):
        return f"its RPC answers in an unknown format ({error.summary})"
    text = str(error)
    if isinstance(error, api_errors.MissingRight):
        return text
    if "connection refused" in text:
        return "its RPC refuses connections"
    if "no answer within" in text or "i/o timeout" in text or "deadline exceeded" in text:
        return NO_ANSWER
    if "its RPC answers" in text:
        return text[text.index("its RPC answers") :]
    return f"its RPC is unreachable: {_ADDRESS.sub('…', text)}"
