"""The engine of `ics:engine: auto`: whichever converged the cluster last.

The set's parent has it on record. So a CLI that is installed or lost never moves a stack from one engine
to the other: only the settings do.
"""

from ics import engines
from ics.cluster.api import client, kinds
from ics.engines.applyset import members, parent


class AutoEngine:
    """Reads the record before its work, and then is that engine."""

    def __init__(
        self,
        kube: client.Client,
        validator: str,
        namespace: str,
        embedded: engines.Engine,
        pulumi: engines.Engine,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kube: client.
            validator: name of the stack's validator.
            namespace: of the gateway.
            embedded: the engine on an empty cluster, and wherever it was the last.
            pulumi: the engine where it was the last.
        """
        self._kube = kube
        self._validator = validator
        self._namespace = namespace
        self._embedded = embedded
        self._pulumi = pulumi

    async def preview(self, order: engines.Order) -> tuple[engines.Change, ...]:
        """See `engines.Engine`."""
        return await (await self._last()).preview(order)

    async def converge(self, order: engines.Order) -> engines.Converged:
        """See `engines.Engine`."""
        return await (await self._last()).converge(order)

    async def destroy(self) -> engines.Converged:
        """See `engines.Engine`."""
        return await (await self._last()).destroy()

    async def _last(self) -> engines.Engine:
        name = members.parent_name(self._validator)
        item = await self._kube.find(kinds.CONFIG_MAP, self._namespace, name, only_metadata=True)
        is_pulumi = item is not None and parent.read(item).engine == engines.PULUMI
        return self._pulumi if is_pulumi else self._embedded
