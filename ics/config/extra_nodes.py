"""How many sentries and full nodes a chain has beside the validator's node: for the stack and for definitions; pure."""

import pydantic

from ics.config import base

_MOST = 9


class ExtraNodes(base.Frozen):
    """Nodes of each chain without a consensus key, in addition to the validator's own."""

    sentries: int = pydantic.Field(default=0, ge=0, le=_MOST)
    """Sentries, behind which the validator's node is hidden: its only peers, which are published in its place."""
    full: int = pydantic.Field(default=0, ge=0, le=_MOST)
    """Full nodes, for queries through the Service `node-rpc`."""


class OwnExtraNodes(base.Frozen):
    """The same of one chain; what is not set is that of the stack."""

    sentries: int | None = pydantic.Field(default=None, ge=0, le=_MOST)
    """Sentries of the chain, behind which the validator's node is hidden; none: `ics:nodes.sentries`."""
    full: int | None = pydantic.Field(default=None, ge=0, le=_MOST)
    """Full nodes of the chain, for queries; none: `ics:nodes.full`."""

    def over(self, stack: ExtraNodes) -> ExtraNodes:
        """Return the numbers of the chain in a stack with these defaults."""
        return ExtraNodes(
            sentries=stack.sentries if self.sentries is None else self.sentries,
            full=stack.full if self.full is None else self.full,
        )
