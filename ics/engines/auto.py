"""Engine of `ics:engine: auto`: the one that converged the cluster last.

The set's parent records it. Installing or removing the Pulumi CLI therefore never moves a stack to the other
engine; only the settings do.
"""

from collections.abc import Callable

from ics import engines
from ics.cluster.api import client, kinds
from ics.engines.applyset import members, parent


class AutoEngine:
    """Engine that delegates every call to the recorded engine."""

    def __init__(
        self,
        kube: client.KubeClient,
        validator: str,
        namespace: str,
        embedded: engines.Engine,
        pulumi: Callable[[], engines.Engine],
    ) -> None:
        """Initialize without sending requests.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: namespace of the gateway.
            embedded: the engine for an empty cluster, and if it was the last one.
            pulumi: returns the engine if it was the last one, the same at each call.
        """
        self._kube = kube
        self._validator = validator
        self._namespace = namespace
        self._embedded = embedded
        self._pulumi = pulumi

    async def preview(self, request: engines.ApplyRequest) -> tuple[engines.Change, ...]:
        """See `engines.Engine`."""
        return await (await self._last()).preview(request)

    async def plan(self, request: engines.ApplyRequest) -> engines.PlannedChanges:
        """See `engines.Engine`."""
        return await (await self._last()).plan(request)

    async def converge(self, request: engines.ApplyRequest) -> engines.Converged:
        """See `engines.Engine`."""
        return await (await self._last()).converge(request)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`."""
        return await (await self._last()).destroy()

    async def _last(self) -> engines.Engine:
        name = members.parent_name(self._validator)
        item = await self._kube.find(kinds.CONFIG_MAP, self._namespace, name, only_metadata=True)
        is_pulumi = item is not None and parent.read(item).engine == engines.PULUMI
        return self._pulumi() if is_pulumi else self._embedded
