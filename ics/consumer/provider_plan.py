"""Plan of the validator's own node of the provider chain: everything its objects depend on but the settings; pure."""

import dataclasses
from dataclasses import dataclass, field

from ics import model, names
from ics.conditions import Condition
from ics.config import provider_node, settings
from ics.consumer import observed, provider_key, snapshots, upgrades, volumes
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
    volume: volumes.VolumePlan | None = None
    """Size of its volume; None: that of the settings."""
    snapshot_step: snapshots.SnapshotStep = field(default_factory=snapshots.SnapshotStep)
    """Snapshots of its volume to create and to delete."""
    conditions: tuple[Condition, ...] = ()
    """Of its upgrade and its volume."""

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
    planned = ProviderNodePlan(
        key=key,
        pod=None if observed.provider_node is None else observed.provider_node.pod,
        volume_uid=observed.memory.provider_node.volume_uid,
        recorded=observed.memory.provider_node.template,
        is_rolled=node_revision.PROVIDER in observed.roll_requests,
    )
    if not settings.provider_node.enabled:
        return planned
    return _upgraded(observed, settings, _with_volume(observed, settings, planned))


def _with_volume(
    observed: observed.Observed, settings: settings.Settings, planned: ProviderNodePlan
) -> ProviderNodePlan:
    volume = volumes.plan(
        settings.provider_node.storage,
        settings.node.volume,
        observed.memory.provider_node.claim,
        observed.volume_uses.get((settings.gateway.namespace, names.PROVIDER_NODE_POD)),
        observed.expandable,
        texts=volumes.OF_PROVIDER_NODE,
    )
    return dataclasses.replace(planned, volume=volume, conditions=volume.conditions)


def _upgraded(
    observed: observed.Observed, settings: settings.Settings, planned: ProviderNodePlan
) -> ProviderNodePlan:
    """Return the plan with the version of the software, which is not switched before a snapshot is made."""
    situation = _situation(observed, settings)
    upgrade = upgrades.assess(situation)
    before: int | None = None
    more: tuple[Condition, ...] = ()
    if upgrade.awaits_switch is not None:
        verdict = snapshots.before_upgrade(
            settings.snapshots,
            observed.volume_snapshots,
            snapshots.OF_PROVIDER_NODE,
            upgrade.awaits_switch,
            observed.snapshot.moment,
        )
        before, more = (upgrade.awaits_switch if verdict.is_due else None), verdict.conditions
        if not verdict.may_switch:
            upgrade = upgrades.assess(dataclasses.replace(situation, may_switch=False))
    step = snapshots.next_step(
        settings.snapshots,
        observed.volume_snapshots,
        snapshots.OF_PROVIDER_NODE,
        observed.snapshot.moment,
        # Its volume is large, and other nodes of the provider have the same data.
        is_sound=False,
        before=before,
    )
    conditions = (*upgrade.conditions, *more, *planned.conditions)
    return dataclasses.replace(planned, upgrade=upgrade, snapshot_step=step, conditions=conditions)


def snapshot_source(settings: settings.Settings) -> snapshots.SnapshotSource:
    """Return the volume of the provider node, as the source of snapshots."""
    return snapshots.SnapshotSource(
        consumer_id=snapshots.OF_PROVIDER_NODE,
        chain_id="",
        namespace=settings.gateway.namespace,
        claim=names.PROVIDER_NODE,
    )


def _situation(observed: observed.Observed, settings: settings.Settings) -> upgrades.Situation:
    node, memory, seen = settings.provider_node, observed.memory.provider_node, observed.provider_node
    return upgrades.Situation(
        consumer_id="",
        base=first_version(node),
        upgrades=node.upgrades,
        record=memory.software,
        # Whether a claim is the one on which it ran before is on record only of a node that has a key.
        runs=memory.has_workload and (memory.record is None or memory.record.volume_uid == memory.volume_uid),
        pod=None if seen is None else seen.pod,
        node=None if seen is None else seen.node,
        halted=observed.halted.get(node_revision.PROVIDER),
        plan=observed.upgrade_plans.get(node_revision.PROVIDER),
        binary=node.binary,
        pull=observed.pulls.get(node_revision.PROVIDER),
        # The provider's set is large, and one of its validators may restart at any time.
        may_restart=True,
        now=observed.snapshot.moment,
        interval=settings.signing.watermark_interval,
    )
