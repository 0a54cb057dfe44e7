"""Plan of the validator's own node of the provider chain: everything its objects depend on but the settings; pure."""

from dataclasses import dataclass, field

from ics import model
from ics.consumer import observed, provider_key, upgrades
from ics.consumer import revision as node_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNodePlan:
    """Plan of a provider node; of one that the settings do not enable, nothing counts."""

    key: provider_key.ProviderKey = field(default_factory=provider_key.ProviderKey)
    pod: model.PodStatus | None = None
    """Its pod, if it was observed."""
    recorded: node_revision.RecordedTemplate | None = None
    """Template of its StatefulSet; None if that does not exist."""
    is_rolled: bool = False
    """Whether the operator asks for a restart at the current revision."""
    upgrade: upgrades.NodeUpgrade | None = None
    """The version of its software, and what comes next; None: it is not enabled."""
    revision: int = node_revision.CURRENT
    """Of its template; `ics.manifests.revisions` settles it."""


def plan(observed: observed.Observed, key: provider_key.ProviderKey) -> ProviderNodePlan:
    """Plan the provider node.

    Args:
        observed: everything observed in this pass.
        key: whether it gets its key.
    """
    return ProviderNodePlan(
        key=key,
        pod=None if observed.provider_node is None else observed.provider_node.pod,
        recorded=observed.memory.provider_node.template,
        is_rolled=node_revision.PROVIDER in observed.roll_requests,
    )
