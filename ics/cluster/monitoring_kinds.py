"""Looks for the Prometheus operator's kinds in the cluster."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ics import errors
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.consumer.monitoring_kinds import MonitoringKinds

_EVERY: Final = 300.0
"""Seconds after which a resident process asks again."""
_UNUSED: Final = {"ics-operator.dev/none": "none"}
"""Labels that no object has: only whether the list is allowed matters."""


class MonitoringKindsReader:
    """What one cluster has."""

    def __init__(
        self,
        kube: client.KubeClient,
        *,
        stays: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            stays: whether the process makes one pass after the other.
            monotonic: returns the seconds of a monotonic clock.
        """
        self._kube = kube
        self._stays = stays
        self._monotonic = monotonic
        self._found: MonitoringKinds | None = None
        self._asked_at = 0.0

    async def read(self) -> MonitoringKinds:
        """Return whether the kinds are there; a resident process keeps the answer for five minutes.

        Raises:
            Transient: the API server is unreachable, and nothing is known from before. Nothing is guessed, because
                objects that seem to be unwanted would be deleted.
        """
        is_fresh = self._stays and self._monotonic() - self._asked_at < _EVERY
        if self._found is not None and is_fresh:
            return self._found
        try:
            self._found = await self._ask()
        except errors.Transient:
            if self._found is None:
                raise
        self._asked_at = self._monotonic()
        return self._found

    async def _ask(self) -> MonitoringKinds:
        try:
            answer = await self._kube.send(requests.discover(kinds.POD_MONITOR))
            served = {str(each.get("name")) for each in answer.body.get("resources") or []}
            wanted = (kinds.POD_MONITOR, kinds.PROMETHEUS_RULE)
            if not {kind.plural for kind in wanted} <= served:
                return MonitoringKinds.MISSING
            lists = (requests.select(kind, _UNUSED, only_metadata=True) for kind in wanted)
            await asyncio.gather(*(self._kube.send(each) for each in lists))
        except api_errors.ObjectNotFound:
            return MonitoringKinds.MISSING
        except errors.Permanent:
            return MonitoringKinds.FORBIDDEN
        return MonitoringKinds.THERE
