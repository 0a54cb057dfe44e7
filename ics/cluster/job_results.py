"""Results of Jobs that try something, such as the start of a chain or an image, from the Jobs and their pods; pure."""

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ics import model, names
from ics.cluster import sign_state
from ics.cluster.nodes import decode
from ics.cosmos import times

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OUT_OF_MEMORY = "OOMKilled"
_LONGEST = 1000
"""Characters of what a script says."""


def by_chain(
    jobs: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[model.JobResult, ...]]:
    """Return the results by consumer id, the newest last, from complete Jobs and pods."""
    by_job: dict[tuple[str, str], Mapping[str, Any]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        by_job[metadata["namespace"], metadata["labels"].get("job-name", "")] = pod
    found: dict[str, list[model.JobResult]] = defaultdict(list)
    for job in sorted(jobs, key=lambda item: str(item["metadata"].get("creationTimestamp", ""))):
        metadata = job["metadata"]
        if "deletionTimestamp" in metadata:
            continue
        pod_of_job = by_job.get((metadata["namespace"], metadata["name"]))
        found[metadata["labels"].get(names.CONSUMER, "")].append(result(job, pod_of_job))
    return {consumer_id: tuple(results) for consumer_id, results in found.items()}


def result(job: Mapping[str, Any], pod: Mapping[str, Any] | None) -> model.JobResult:
    """Return the result of one Job from it and its pod."""
    status = None if pod is None else decode.pod(pod)
    containers = [] if pod is None else (pod.get("status") or {}).get("containerStatuses") or []
    states = [container.get("state") or {} for container in containers]
    ended = next((state["terminated"] for state in states if state.get("terminated")), None)
    message = "" if ended is None else _plain(str(ended.get("message") or ""))
    if ended is not None and not message and ended.get("reason") == _OUT_OF_MEMORY:
        message = "its container had too little memory; raise limits.memory in ics:node.resources"
    waiting = (
        "" if status is None or not status.waiting else f"{status.waiting}: {status.detail}".rstrip(": ")
    )
    return model.JobResult(
        fingerprint=(job["metadata"].get("annotations") or {}).get(names.FINGERPRINT, ""),
        state=sign_state.job_state(dict(job)),
        message=message[:_LONGEST],
        waiting=waiting,
        has_started=ended is not None or any(state.get("running") for state in states),
        created=_created(job["metadata"].get("creationTimestamp")),
    )


def _created(text: object) -> datetime.datetime | None:
    try:
        return times.parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Return what a program said as one line, without the colours of its log and other control characters."""
    plain = " ".join(_COLOUR.sub("", text).split())
    return "".join(character for character in plain if character.isprintable())
