"""Kubernetes Events about the validator's chains (events.k8s.io/v1).

The Event of a chain regards its node's StatefulSet, and before that exists its volume; that of the validator regards
the ConfigMap of its set. An Event about a Namespace would be in `default`, where its reader does not look.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ics import errors, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.cosmos import times
from ics.manifests import objects
from ics.monitoring import events

CONTROLLER: Final = "ics-operator"
_INSTANCE_LENGTH: Final = 128
_MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An Event as it is shown."""

    seen: datetime.datetime
    """Time of its last occurrence."""
    count: int
    type: str
    reason: str
    consumer_id: str
    object: str
    note: str


class Events:
    """Events of one validator."""

    def __init__(
        self,
        kube: client.KubeClient,
        owner: objects.Owner,
        gateway_namespace: str,
        instance: str,
        now: Callable[[], datetime.datetime],
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            owner: validator and provider.
            gateway_namespace: of the ConfigMap of its set.
            instance: name of this process.
            now: returns the time.
        """
        self._kube = kube
        self._owner = owner
        self._home = gateway_namespace
        self._instance = instance[:_INSTANCE_LENGTH]
        self._now = now

    async def write(self, transition: events.Transition) -> None:
        """Write the Event of a transition; one that has happened before is counted.

        Raises:
            Transient: the API server is unreachable.
            Permanent: a permission is missing.
        """
        regarding = await self._regarding(transition)
        if regarding is None:
            return  # neither StatefulSet nor volume exists yet, as before the first pass that writes
        manifest = self._manifest(transition, regarding)
        try:
            await self._kube.send(requests.create(manifest, names.FIELD_MANAGER))
        except api_errors.Conflict:
            await self._count(manifest["metadata"]["namespace"], manifest["metadata"]["name"])

    async def read(self) -> list[RecordedEvent]:
        """Return the validator's Events, the latest last.

        Raises:
            Transient: the API server is unreachable.
            Permanent: the permission to list Events is missing.
        """
        found = await self._kube.select(kinds.EVENT, self._owner.selector())
        return sorted(map(_recorded, found), key=lambda event: event.seen)

    async def _regarding(self, transition: events.Transition) -> dict[str, Any] | None:
        if not transition.namespace:
            candidates = [(kinds.CONFIG_MAP, self._home, f"ics-{self._owner.validator}")]
        else:
            candidates = [
                (kinds.STATEFUL_SET, transition.namespace, names.NODE_NAME),
                (kinds.VOLUME_CLAIM, transition.namespace, names.VOLUME_NAME),
            ]
        for kind, namespace, name in candidates:
            live = await self._kube.find(kind, namespace, name)
            if live is not None:
                return {
                    "apiVersion": kind.api_version,
                    "kind": kind.name,
                    "namespace": namespace,
                    "name": name,
                    "uid": live["metadata"]["uid"],
                }
        return None

    def _manifest(self, transition: events.Transition, regarding: Mapping[str, Any]) -> dict[str, Any]:
        labels = {**self._owner.selector()}
        if transition.consumer_id:
            labels[names.CONSUMER] = transition.consumer_id
        return {
            "apiVersion": kinds.EVENT.api_version,
            "kind": kinds.EVENT.name,
            "metadata": {
                "name": f"{regarding['name']}.{transition.digest}",
                "namespace": regarding["namespace"],
                "labels": labels,
            },
            "eventTime": _micro(self._now()),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": transition.action,
            "reason": transition.reason,
            "regarding": dict(regarding),
            "note": transition.note,
            "type": "Warning" if transition.is_warning else "Normal",
        }

    async def _count(self, namespace: str, name: str) -> None:
        """Count a repetition of an Event that exists already."""
        live = await self._kube.find(kinds.EVENT, namespace, name)
        if live is None:
            return  # it has just expired
        count = int((live.get("series") or {}).get("count", 1)) + 1
        series = {"count": count, "lastObservedTime": _micro(self._now())}
        await self._kube.send(
            requests.KubeRequest(
                verb="patch",
                kind=kinds.EVENT,
                namespace=namespace,
                name=name,
                query={"fieldManager": names.FIELD_MANAGER},
                body=requests.encode({"series": series}),
                content_type=_MERGE,
            )
        )


def _micro(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _recorded(item: Mapping[str, Any]) -> RecordedEvent:
    metadata, regarding = item["metadata"], item.get("regarding") or {}
    series = item.get("series") or {}
    try:
        seen = times.parse_time(series.get("lastObservedTime") or item["eventTime"])
    except (KeyError, TypeError, ValueError, errors.IcsError):
        seen = times.parse_time(metadata["creationTimestamp"])
    return RecordedEvent(
        seen=seen,
        count=int(series.get("count", 1)),
        type=str(item.get("type", "")),
        reason=str(item.get("reason", "")),
        consumer_id=str((metadata.get("labels") or {}).get(names.CONSUMER, "")),
        object=f"{regarding.get('kind', '')} {regarding.get('namespace', '')}/{regarding.get('name', '')}",
        note=str(item.get("note", "")),
    )
