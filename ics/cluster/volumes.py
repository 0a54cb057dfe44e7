"""Volumes in the cluster: how full they are, as their pods' logs say, and whether their classes expand."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from ics import errors, names
from ics.cluster.api import client, kinds, requests
from ics.cluster.recent_answers import RecentAnswers
from ics.consumer import volumes

KEPT_SECONDS = 600.0
"""Time for which the daemon keeps an answer."""
_LINES = 360
"""Newest lines of a log that are read: those of six hours."""
_SIZE = 128 * 1024
"""Most bytes of them; a line has about a hundred."""
_TIMEOUT = 5.0


class Volumes:
    """Volumes of one validator's nodes."""

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
            stays: whether answers are kept for some minutes, for the passes that follow.
            monotonic: the clock by which they are.
        """
        self._kube = kube
        self._monotonic = monotonic
        seconds = KEPT_SECONDS if stays else 0.0
        self._uses = RecentAnswers[tuple[volumes.PodName, str], volumes.VolumeUse | None](seconds)
        self._classes = RecentAnswers[str, bool | None](seconds)

    async def uses(
        self, capacities: Mapping[volumes.PodName, str]
    ) -> dict[volumes.PodName, volumes.VolumeUse]:
        """Return the use of nodes' volumes; of those that do not say it, none.

        Args:
            capacities: of their claims; after a change of it, nothing kept counts.
        """
        now = self._monotonic()
        due = self._uses.due(capacities.items(), now)
        answers = await asyncio.gather(*(self._read(pod) for pod, _ in due))
        self._uses.keep(dict(zip(due, answers, strict=True)), now)
        self._uses.forget_all_but(capacities.items())
        return {each[0]: use for each in capacities.items() if (use := self._uses[each]) is not None}

    async def expandable(self, storage_classes: Iterable[str]) -> dict[str, bool]:
        """Return whether StorageClasses allow expansion, by name; without those that cannot be read."""
        now = self._monotonic()
        wanted = set(filter(None, storage_classes))
        due = self._classes.due(wanted, now)
        answers = await asyncio.gather(*map(self._allows, due))
        self._classes.keep(dict(zip(due, answers, strict=True)), now)
        return {name: answer for name in wanted if (answer := self._classes[name]) is not None}

    async def _read(self, pod: volumes.PodName) -> volumes.VolumeUse | None:
        request = requests.log(*pod, names.VOLUME_USE, _LINES, _SIZE)
        try:
            return volumes.parse_log(await self._kube.text(request, _TIMEOUT))
        except errors.IcsError:
            # A pod that starts, or a right that is missing, as `ics doctor` says: nothing is known then.
            return None

    async def _allows(self, name: str) -> bool | None:
        try:
            found = await self._kube.find(kinds.STORAGE_CLASS, None, name)
        except errors.IcsError:
            return None
        return found is not None and found.get("allowVolumeExpansion") is True
