"""Plan of the validator's own node of the provider chain: everything its objects depend on but the settings; pure."""

from dataclasses import dataclass, field

from ics import model
from ics.config import provider_node, settings
from ics.consumer import observed, plan_images, provider_key, upgrades
from ics.consumer import revision as node_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNodePlan:
    """Plan of a provider node; of one that the settings do not enable, nothing counts."""

    key: provider_key.ProviderKey = field(default_factory=provider_key.ProviderKey)
    pod: model.PodStatus | None = None
    """Its pod, if it was observed."""
    volume_uid: str | None = None
    """uid of its current volume, None before it exists."""
    recorded: node_revision.RecordedTemplate | None = None
    """Template of its StatefulSet; None if that does not exist."""
    is_rolled: bool = False
    """Whether the operator asks for a restart at the current revision."""
    upgrade: upgrades.NodeUpgrade | None = None
    """The version of its software, and what comes next; None: it is not enabled."""
    revision: int = node_revision.CURRENT
    """Of its template; `ics.manifests.revisions` settles it."""

    def version(self, node: provider_node.ProviderNodeSettings) -> upgrades.Version:
        """Return the version of the provider's software that it gets."""
        return first_version(node) if self.upgrade is None else self.upgrade.version

    @property
    def halt_height(self) -> int:
        """Height whose block it refuses; 0: none."""
        return 0 if self.upgrade is None else self.upgrade.halt_height


def first_version(node: provider_node.ProviderNodeSettings) -> upgrades.Version:
    """Return the version that executes the first block on an empty volume."""
    return upgrades.Version(node.image, node.binary_hash)


def plan(
    observed: observed.Observed, settings: settings.Settings, key: provider_key.ProviderKey
) -> ProviderNodePlan:
    """Plan the provider node.

    Args:
        observed: everything observed in this pass.
        settings: of the stack.
        key: whether it gets its key.
    """
    return ProviderNodePlan(
        key=key,
        upgrade=_upgrade(observed, settings),
        pod=None if observed.provider_node is None else observed.provider_node.pod,
        volume_uid=observed.memory.provider_node.volume_uid,
        recorded=observed.memory.provider_node.template,
        is_rolled=node_revision.PROVIDER in observed.roll_requests,
    )


def _upgrade(observed: observed.Observed, settings: settings.Settings) -> upgrades.NodeUpgrade | None:
    node, memory, seen = settings.provider_node, observed.memory.provider_node, observed.provider_node
    if not node.enabled:
        return None
    return upgrades.assess(
        upgrades.Situation(
            consumer_id="",
            base=first_version(node),
            upgrades=node.upgrades,
            record=memory.software,
            # Whether a claim is the one on which it ran before is on record only of a node that has a key.
            runs=memory.has_workload
            and (memory.record is None or memory.record.volume_uid == memory.volume_uid),
            pod=None if seen is None else seen.pod,
            node=None if seen is None else seen.node,
            halted=observed.halted.get(node_revision.PROVIDER),
            plan=observed.upgrade_plans.get(node_revision.PROVIDER),
            binary=node.binary,
            flags=("--halt-height=1",) if any(one.halt for one in node.upgrades) else (),
            image_rules=plan_images.rules(
                node.plan_images,
                [node.image, *(one.image for one in node.upgrades)],
                require_digest=settings.plan_images.require_digest,
            ),
            pulls=observed.pulls.get(node_revision.PROVIDER, {}),
            # The provider's set is large, and one of its validators may restart at any time.
            may_restart=True,
            now=observed.snapshot.moment,
            interval=settings.signing.watermark_interval,
        )
    )
