"""Plan of the validator's own node of the provider chain: everything its objects depend on but the settings; pure."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ics import model, names
from ics.conditions import Condition
from ics.config import provider_node, settings
from ics.consumer import image_pulls, observed, plan_images, provider_key, snapshots, upgrades, volumes
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNodeInputs:
    """What is known about the node, also if the provider does not answer."""

    memory: observed.ProviderNodeMemory
    observation: model.Observation | None
    """Of the node; None: it was not observed."""
    now: datetime.datetime
    halted: int | None = None
    """Height at which it was seen to stand, twice; None: it was not."""
    chain_plan: model.UpgradePlan | None = None
    """What the provider says about its next upgrade; None: it was not asked."""
    pulls: Mapping[str, image_pulls.Pull] = field(default_factory=dict)
    """Newest pulls of images for it, by their fingerprints."""
    volume_snapshots: snapshots.VolumeSnapshots = field(default_factory=snapshots.VolumeSnapshots)
    is_rolled: bool = False
    """Whether the operator asks for a restart at the current revision."""


def inputs(observed: observed.Observed) -> ProviderNodeInputs:
    """Return what a pass has observed of the node."""
    return ProviderNodeInputs(
        memory=observed.memory.provider_node,
        observation=observed.provider_node,
        now=observed.snapshot.moment,
        halted=observed.halted.get(node_revision.PROVIDER),
        chain_plan=observed.upgrade_plans.get(node_revision.PROVIDER),
        pulls=observed.pulls.get(node_revision.PROVIDER, {}),
        volume_snapshots=observed.volume_snapshots,
        is_rolled=node_revision.PROVIDER in observed.roll_requests,
    )


def plan(
    observed: observed.Observed, settings: settings.Settings, key: provider_key.ProviderKey
) -> ProviderNodePlan:
    """Plan the provider node.

    Args:
        observed: everything observed in this pass.
        settings: of the stack.
        key: whether it gets its key.
    """
    known = inputs(observed)
    planned = _planned(known, key)
    if not settings.provider_node.enabled:
        return planned
    return _upgraded(known, settings, _with_volume(observed, settings, planned))


def plan_alone(
    inputs: ProviderNodeInputs, settings: settings.Settings, key: provider_key.ProviderKey
) -> ProviderNodePlan:
    """Plan version and key of the provider node, as `plan` does, by what the cluster says alone."""
    return _upgraded(inputs, settings, _planned(inputs, key))


def _planned(inputs: ProviderNodeInputs, key: provider_key.ProviderKey) -> ProviderNodePlan:
    return ProviderNodePlan(
        key=key,
        pod=None if inputs.observation is None else inputs.observation.pod,
        volume_uid=inputs.memory.volume_uid,
        recorded=inputs.memory.template,
        is_rolled=inputs.is_rolled,
    )


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
    inputs: ProviderNodeInputs, settings: settings.Settings, planned: ProviderNodePlan
) -> ProviderNodePlan:
    """Return the plan with the version of the software, which is not switched before a snapshot is made."""
    situation = _situation(inputs, settings)
    upgrade = upgrades.assess(situation)
    before: int | None = None
    more: tuple[Condition, ...] = ()
    if upgrade.awaits_switch is not None:
        verdict = snapshots.before_upgrade(
            settings.snapshots,
            inputs.volume_snapshots,
            snapshots.OF_PROVIDER_NODE,
            upgrade.awaits_switch,
            inputs.now,
        )
        before, more = (upgrade.awaits_switch if verdict.is_due else None), verdict.conditions
        if not verdict.may_switch:
            upgrade = upgrades.assess(dataclasses.replace(situation, may_switch=False))
    step = snapshots.next_step(
        settings.snapshots,
        inputs.volume_snapshots,
        snapshots.OF_PROVIDER_NODE,
        inputs.now,
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


def _situation(inputs: ProviderNodeInputs, settings: settings.Settings) -> upgrades.Situation:
    node, memory, seen = settings.provider_node, inputs.memory, inputs.observation
    return upgrades.Situation(
        consumer_id="",
        base=first_version(node),
        upgrades=node.upgrades,
        record=memory.software,
        # Whether a claim is the one on which it ran before is on record only of a node that has a key.
        runs=memory.has_workload and (memory.record is None or memory.record.volume_uid == memory.volume_uid),
        pod=None if seen is None else seen.pod,
        node=None if seen is None else seen.node,
        halted=inputs.halted,
        plan=inputs.chain_plan,
        binary=node.binary,
        flags=("--halt-height=1",) if any(one.halt for one in node.upgrades) else (),
        image_rules=plan_images.rules(
            node.plan_images,
            [node.image, *(one.image for one in node.upgrades)],
            require_digest=settings.plan_images.require_digest,
        ),
        pulls=inputs.pulls,
        # The provider's set is large, and one of its validators may restart at any time.
        may_restart=True,
        now=inputs.now,
        interval=settings.signing.watermark_interval,
    )
