"""Watch of this validator's pods, which wakes the reconciler after changes that are relevant to a pass."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ics import aio, errors, model, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.cluster.nodes import decode

_WATCH_SECONDS = 300
"""Seconds after which the API server ends a watch and a new one continues."""
_LONGEST_PAUSE = 30.0
"""Maximum seconds between two attempts."""


class PodWatch:
    """Pod watch of one reconciler; `run` never returns."""

    def __init__(
        self,
        kube: client.KubeClient,
        validator: str,
        on_change: Callable[[bool], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            validator: name of the stack's validator, whose pods are watched in all namespaces.
            on_change: called for each change, with whether a node has got an address, which its peers wait for.
            jitter: draws a number from 0 to 1.
        """
        self._kube = kube
        self._labels = {names.MANAGED_BY: names.MANAGER, names.VALIDATOR: validator}
        self._on_change = on_change
        self._jitter = jitter
        self._known: dict[str, _Summary] = {}
        self.is_watching = False
        self.trouble = ""
        """Reason why the last watch ended or failed to start."""

    async def run(self) -> None:
        """Watch and restart forever, because a missing permission may be granted while this runs."""
        failures = 0
        while True:
            try:
                version = await self._list()
                self.is_watching, self.trouble, failures = True, "", 0
                while version:
                    version = await self._watch(version)
            except errors.IcsError as error:
                self.trouble = str(error)
                failures += 1
            finally:
                self.is_watching = False
            await asyncio.sleep(aio.backoff(max(failures, 1), _LONGEST_PAUSE, self._jitter()))

    async def _list(self) -> str:
        """List the pods and return the version from which to watch."""
        version, items = await self._kube.snapshot_of(kinds.POD, self._labels)
        summaries = {item["metadata"]["uid"]: _summary(item) for item in items}
        if summaries != self._known:
            has_address = any(_has_new_address(self._known.get(uid), now) for uid, now in summaries.items())
            self._known = summaries
            self._on_change(has_address)
        return version

    async def _watch(self, version: str) -> str:
        """Follow one watch to its end and return the version from which to continue; empty: list again."""
        request = requests.watch(kinds.POD, self._labels, version, _WATCH_SECONDS)
        try:
            async for event in self._kube.follow(request, _WATCH_SECONDS + 30.0):
                if event.get("type") == "ERROR":
                    return ""  # usually 410: the version is too old
                item = event["object"]
                version = item["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._compare(event["type"], item)
        except (KeyError, api_errors.ObjectNotFound) as error:
            raise errors.Transient(f"watch of pods: the answer has an unexpected format: {error}") from error
        return version

    def _compare(self, kind: str, item: Mapping[str, Any]) -> None:
        """Report a pod that has changed."""
        uid, now = item["metadata"]["uid"], _summary(item)
        before = self._known.pop(uid, None)
        if kind == "DELETED":
            if before is not None:
                self._on_change(False)
            return
        self._known[uid] = now
        if before != now:
            self._on_change(_has_new_address(before, now))


@dataclass(frozen=True, slots=True)
class _Summary:
    """The fields of a pod that are relevant to a pass; a kubelet writes more."""

    status: model.PodStatus
    phase: str | None
    is_ending: bool
    is_node: bool


def _summary(item: Mapping[str, Any]) -> _Summary:
    phase = (item.get("status") or {}).get("phase")
    component = (item["metadata"].get("labels") or {}).get(names.COMPONENT)
    is_node = component in (names.NODE, names.SENTRY)
    return _Summary(decode.pod(item), phase, "deletionTimestamp" in item["metadata"], is_node)


def _has_new_address(before: _Summary | None, now: _Summary) -> bool:
    """Return whether a LoadBalancer must lead to another address of a node from now on."""
    address = now.status.routed_ip
    return now.is_node and address is not None and (before is None or before.status.routed_ip != address)
