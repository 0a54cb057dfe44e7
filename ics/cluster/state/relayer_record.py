"""Decoders of a relayer's objects in the cluster: record, Jobs, Deployments and pods; pure."""

import base64
import datetime
import json
from collections.abc import Mapping
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cosmos import times
from ics.relayer import inputs

Item = Mapping[str, Any]

JOB_NAME = "batch.kubernetes.io/job-name"
"""Label that Kubernetes sets on a Job's pods."""
LOOP_MADE = (names.RELAYER_NAME, names.HERMES_CANDIDATE)
"""ConfigMap and Secret of the relayer that the loop creates; they are not part of the engines' set."""


def to_data(wanted: inputs.RelayingRecord) -> dict[str, str]:
    """Encode a relayer record as data of its ConfigMap."""
    return {
        "mark": wanted.fingerprint,
        "since": _written(wanted.since),
        "ours": "true" if wanted.is_ours else "false",
        "acted_on": wanted.acted_on,
        "config": wanted.accepted_config,
        "base": wanted.accepted_base,
        "pending": " ".join(map(str, wanted.pending)),
        "open_since": _written(wanted.open_since),
        "pending_since": ",".join(map(_written, wanted.pending_since)),
        "restarted": _written(wanted.restarted),
    }


def _written(moment: datetime.datetime | None) -> str:
    return "" if moment is None else moment.astimezone(datetime.UTC).isoformat()


def _read(text: str) -> datetime.datetime | None:
    return times.parse_time(text) if text else None


def parse(item: Item) -> inputs.RelayingRecord:
    """Decode the relayer record in its ConfigMap.

    Raises:
        Permanent: the record was edited.
    """
    data = item.get("data") or {}
    try:
        to_consumer, to_provider = map(int, data["pending"].split())
        since_to_consumer, since_to_provider = map(_read, data["pending_since"].split(","))
        return inputs.RelayingRecord(
            fingerprint=data["mark"],
            since=times.parse_time(data["since"]),
            is_ours=data["ours"] == "true",
            acted_on=data["acted_on"],
            accepted_config=data["config"],
            pending_since=(since_to_consumer, since_to_provider),
            restarted=_read(data["restarted"]),
            accepted_base=data["base"],
            pending=(to_consumer, to_provider),
            open_since=_read(data["open_since"]),
        )
    except (KeyError, ValueError) as error:
        where = f"ConfigMap {item['metadata']['namespace']}/{item['metadata']['name']}"
        raise errors.Permanent(
            f"{where}: invalid relayer record ({error!r}); delete this ConfigMap, so that it is created again"
        ) from None


def config(item: Item) -> str | None:
    """Return Hermes' config in a Secret; None if there is none, or it was edited into something else than text."""
    try:
        return base64.b64decode((item.get("data") or {})["config.toml"], validate=True).decode()
    except (KeyError, ValueError):
        return None


def job_state(item: Item) -> model.JobState:
    """Return the state of a Hermes Job; while its pod exists it may sign, and counts as running."""
    status = item.get("status") or {}
    if status.get("active") or status.get("terminating"):
        return model.JobState.RUNNING
    return sign_state.job_state(dict(item))


def last_words(pod: Item) -> str:
    """Return why Hermes failed in a pod, from the end of its log in the pod's status; at most 400 characters.

    Hermes prints a JSON object as the result of a command, and plain text for an invalid configuration.
    """
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated") or {}
        lines = [line for line in str(ended.get("message") or "").splitlines() if line.strip()]
        results = [result for line in lines if (result := _error_result(line))]
        plain = [line for line in lines if not line.startswith("{")]
        if results or plain:
            return (results[-1:] or plain)[0][:400]
    return ""


def _error_result(line: str) -> str:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    is_error = isinstance(answer, dict) and answer.get("status") == "error"
    return str(answer.get("result")) if is_error else ""


def component(item: Item) -> str:
    """Return the component label of an object."""
    return str(item["metadata"]["labels"].get(names.COMPONENT, ""))


def available_since(deployment: Item) -> datetime.datetime:
    """Return when a Deployment last gained or lost its available pod, or when it was created."""
    conditions = (deployment.get("status") or {}).get("conditions") or []
    turned = [c["lastTransitionTime"] for c in conditions if c["type"] == "Available"]
    return times.parse_time((turned or [deployment["metadata"]["creationTimestamp"]])[0])


def image(deployment: Item) -> str:
    """Return the image of a Deployment's container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def has_replicas(deployment: Item) -> bool:
    """Return whether a Deployment should have a pod."""
    return int((deployment.get("spec") or {}).get("replicas", 1)) > 0


def is_alive(pod: Item) -> bool:
    """Return whether a pod has not ended."""
    # An evicted pod stays as Failed for a long time.
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
