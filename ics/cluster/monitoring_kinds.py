"""Looks for the Prometheus operator's kinds in the cluster."""

import time
from collections.abc import Callable
from typing import Final

from ics import errors
from ics.cluster.api import client, kinds, requests
from ics.cluster.api import errors as api_errors
from ics.cluster.recent_answers import RecentAnswers
from ics.consumer.monitoring_kinds import MonitoringKinds

_EVERY: Final = 300.0
"""Seconds after which a resident process asks again."""
_KINDS: Final = (kinds.POD_MONITOR, kinds.PROMETHEUS_RULE)
_QUESTION: Final = "kinds"
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
        self._monotonic = monotonic
        self._answers = RecentAnswers[str, MonitoringKinds](_EVERY if stays else 0.0)

    async def read(self) -> MonitoringKinds:
        """Return whether the kinds are there; a resident process keeps the answer for five minutes.

        Raises:
            Transient: the API server is unreachable, and nothing is known from before. Nothing is guessed, because
                objects that seem to be unwanted would be deleted.
        """
        now = self._monotonic()
        if self._answers.due([_QUESTION], now):
            try:
                found = await self._ask()
            except errors.Transient:
                if _QUESTION not in self._answers:
                    raise
                found = self._answers[_QUESTION]
            self._answers.keep({_QUESTION: found}, now)
        return self._answers[_QUESTION]

    async def _ask(self) -> MonitoringKinds:
        """Ask once where the kinds are missing, and twice where they are there, since each pass from cron asks."""
        try:
            for kind in _KINDS:
                await self._kube.send(requests.select(kind, _UNUSED, only_metadata=True))
        except api_errors.ObjectNotFound:
            return MonitoringKinds.MISSING
        except errors.Permanent:
            # Whoever may not list a kind is refused whether it exists or not.
            return MonitoringKinds.FORBIDDEN if await self._are_served() else MonitoringKinds.MISSING
        return MonitoringKinds.THERE

    async def _are_served(self) -> bool:
        try:
            answer = await self._kube.send(requests.discover(kinds.POD_MONITOR))
        except api_errors.ObjectNotFound:
            return False
        except errors.Permanent:
            return True
        served = {str(each.get("name")) for each in answer.body.get("resources") or []}
        return {kind.plural for kind in _KINDS} <= served
