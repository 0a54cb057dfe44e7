"""What a pod's status and a node's RPC answers say; pure."""

import base64
import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ics import errors as ics_errors
from ics import model
from ics.cluster.api import errors as api_errors

_COMMITTED = 2
"""BlockIDFlagCommit: the signature is for the block itself (1 is absent, 3 is nil)."""
NO_ANSWER = "its RPC gives no answer in time"
_ADDRESS = re.compile(r"(?<![\w-])\[?[0-9a-f:.]+\]?:\d+")


def pod(item: Mapping[str, Any]) -> model.PodStatus:
    """A pod as the API server shows it."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    containers = status.get("containerStatuses") or []
    gone_by = _moment(item["metadata"].get("deletionTimestamp"))
    return model.PodStatus(
        name=item["metadata"]["name"],
        ip=(status.get("podIP") or None) if status.get("phase") == "Running" else None,
        node_name=spec.get("nodeName") or None,
        is_ready=conditions.get("Ready", {}).get("status") == "True" and gone_by is None,
        restarts=max((c.get("restartCount", 0) for c in containers), default=0),
        waiting=_waiting([*(status.get("initContainerStatuses") or []), *containers], conditions),
        uid=item["metadata"].get("uid", ""),
        created=_moment(item["metadata"].get("creationTimestamp")),
        started=_moment(next((_started(c) for c in containers), None)),
        gone_by=gone_by,
    )


def _started(container: Mapping[str, Any]) -> str | None:
    found = ((container.get("state") or {}).get("running") or {}).get("startedAt")
    return None if found is None else str(found)


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)


def _waiting(containers: Sequence[Mapping[str, Any]], conditions: Mapping[str, Mapping[str, Any]]) -> str:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable")
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting is not None:
            return str(waiting.get("reason") or "Waiting")
    return ""


def result(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """`result` of a JSON-RPC answer.

    Raises:
        Transient: it is none, or an error.
    """
    found = body.get("result")
    if isinstance(found, Mapping):
        return found
    problem = body.get("error")
    raise ics_errors.Transient(api_errors.rpc_error(problem if isinstance(problem, Mapping) else {}))


def height(status: Mapping[str, Any]) -> int:
    """Height of the node's last block, 0 before the first."""
    return int(status["sync_info"]["latest_block_height"])


def has_commit(status: Mapping[str, Any]) -> bool:
    """Whether the block before the last is there, whose commit is complete.

    The commit of the last block itself is only the one that this node saw first: late signatures are
    missing from it.
    """
    earliest = int(status["sync_info"].get("earliest_block_height") or 0)
    return height(status) - 1 >= max(earliest, 1)


def block_time(status: Mapping[str, Any]) -> datetime.datetime | None:
    """When the node's last block was made, None before the first."""
    return _moment(status["sync_info"].get("latest_block_time")) if height(status) > 0 else None


def node_ids(net_info: Mapping[str, Any]) -> frozenset[str]:
    """Node ids of the peers that a node is connected with."""
    return frozenset(peer["node_info"]["id"] for peer in net_info.get("peers") or [])


def blocks_behind(dump: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    """How many blocks the peers have that the node lacks.

    Args:
        dump: result of `/dump_consensus_state`: each peer says at which height it votes.
        status: result of `/status`; while a node fetches blocks its own consensus stands still.
    """
    own = max(int(dump["round_state"]["height"]), height(status) + 1)
    states = [(peer.get("peer_state") or {}).get("round_state") or {} for peer in dump.get("peers") or []]
    return max([int(state.get("height") or 0) - own for state in states] + [0])


def node(
    status: Mapping[str, Any],
    net_info: Mapping[str, Any],
    commit: Mapping[str, Any] | None,
    validators: Sequence[Mapping[str, Any]],
    behind: int | None = None,
    *,
    is_silent: bool = False,
) -> model.NodeStatus:
    """Put the answers of one node together.

    Args:
        status: result of `/status`.
        net_info: result of `/net_info`.
        commit: result of `/commit` at the block before the last, None when there is none.
        validators: members of all pages of `/validators`, none before the first block.
        behind: see `blocks_behind`, None when it is not known.
        is_silent: it was asked for, and there was no answer in time.
    """
    signatures = commit["signed_header"]["commit"]["signatures"] if commit is not None else []
    return model.NodeStatus(
        height=height(status),
        is_catching_up=bool(status["sync_info"]["catching_up"]),
        consensus_key=base64.b64decode(status["validator_info"]["pub_key"]["value"]),
        peers=int(net_info["n_peers"]),
        signers=frozenset(
            bytes.fromhex(s["validator_address"]) for s in signatures if s["block_id_flag"] == _COMMITTED
        ),
        validators={bytes.fromhex(v["address"]): int(v["voting_power"]) for v in validators},
        peer_ids=node_ids(net_info),
        block_time=block_time(status),
        blocks_behind=behind,
        is_silent=is_silent,
    )


def error_text(error: ics_errors.IcsError) -> str:
    """Why a node's RPC gave no answer, in words that stay the same while nothing changes."""
    text = str(error)
    if isinstance(error, api_errors.MissingRight):
        return text
    if "connection refused" in text:
        return "its RPC refuses connections"
    if "no answer within" in text or "i/o timeout" in text or "deadline exceeded" in text:
        return NO_ANSWER
    if "its RPC answers" in text:
        return text
    return f"its RPC is not reached: {_ADDRESS.sub('…', text)}"
