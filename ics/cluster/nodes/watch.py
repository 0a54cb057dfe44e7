"""Watches this validator's pods, and wakes the reconciler when one changes in a way that a pass would see."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from ics import aio, names
from ics import errors as ics_errors
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.cluster.nodes import decode
from ics.reconciler.daemon import wakeups

WATCH_SECONDS = 300
"""After which the API server ends a watch, and a new one goes on."""
LONGEST_PAUSE = 30.0
"""Seconds between two tries, at most."""


class PodWatch:
    """The watch of one reconciler; `run` never returns."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        ring: Callable[[wakeups.Wake], None],
        luck: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator, whose pods are watched in all namespaces.
            ring: called for each change.
            luck: draws a number from 0 to 1.
        """
        self._kube = kube
        self._labels = {names.MANAGED_BY: names.MANAGER, names.VALIDATOR: validator}
        self._ring = ring
        self._luck = luck
        self._known: dict[str, object] = {}
        self.is_watching = False
        self.trouble = ""
        """Why the last watch ended or could not be had."""

    async def run(self) -> None:
        """Watch, and begin again for ever. A right that is missing may be granted while this runs."""
        failures = 0
        while True:
            try:
                version = await self._list()
                self.is_watching, self.trouble, failures = True, "", 0
                while version:
                    version = await self._watch(version)
            except ics_errors.IcsError as error:
                self.trouble = str(error)
                failures += 1
            finally:
                self.is_watching = False
            await asyncio.sleep(aio.backoff(max(failures, 1), LONGEST_PAUSE, self._luck()))

    async def _list(self) -> str:
        """Take in what there is, and answer the version to go on from."""
        version, items = await self._kube.snapshot_of(kinds.POD, self._labels)
        found = {item["metadata"]["uid"]: _summary(item) for item in items}
        if found != self._known:
            self._known = found
            self._ring(wakeups.Wake("pods"))
        return version

    async def _watch(self, version: str) -> str:
        """Follow one watch to its end and answer the version to go on from; empty: list anew."""
        request = requests.watch(kinds.POD, self._labels, version, WATCH_SECONDS)
        try:
            async for event in self._kube.follow(request, WATCH_SECONDS + 30.0):
                if event.get("type") == "ERROR":
                    return ""  # most often 410: too old
                item = event["object"]
                version = item["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK" and self._changes(event["type"], item):
                    self._ring(wakeups.Wake("pods"))
        except (KeyError, api_errors.Missing) as error:
            raise ics_errors.Transient(
                f"the watch of pods gives an answer of another shape: {error}"
            ) from error
        return version

    def _changes(self, kind: str, item: Mapping[str, Any]) -> bool:
        uid, now = item["metadata"]["uid"], _summary(item)
        if kind == "DELETED":
            return self._known.pop(uid, None) is not None
        before = self._known.get(uid)
        self._known[uid] = now
        return before != now


def _summary(item: Mapping[str, Any]) -> object:
    """What of a pod a pass looks at; a kubelet writes more than that."""
    phase = (item.get("status") or {}).get("phase")
    return (decode.pod(item), phase, "deletionTimestamp" in item["metadata"])
