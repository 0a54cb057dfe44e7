"""Plan of the Pulumi program, computed before any resource is registered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ics import engines, errors, model
from ics.cluster.api import client, kinds
from ics.consumer import chain_decision, desired, observed
from ics.engines import guard
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members
from ics.engines.pulumi import outputs, processes, provider, resources
from ics.pulumi_program import notes
from ics.reconciler import observe, reconcile, wiring


class NothingChanged(errors.Permanent):
    """A manual run that is refused as a whole, with one line for each reason."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Initialize with the reasons."""
        super().__init__(f"nothing was changed: {'; '.join(lines)}")
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramPlan:
    """Manifests, outputs and cluster of the Pulumi program."""

    manifests: tuple[model.Manifest, ...]
    outputs: Mapping[str, Any]
    cluster: provider.ProviderInputs
    warnings: tuple[str, ...] = ()
    """In a manual preview: changes that the update would reject without a confirmation, one line each."""
    kept: frozenset[engines.Ref] = frozenset()
    """In a manual run: objects that are confirmed to stay unchanged, although they differ from the settings."""
    protects: bool = False
    """Whether a node runs, or may run, so that `pulumi destroy` must not start unasked."""
    notes: tuple[str, ...] = ()
    """In a manual run: what is due and what is wrong at the height that was read, one line each."""
    adoptable: frozenset[members.Key] = frozenset()
    """In a manual run: objects that exist in the cluster, and are not replaced if the state has them."""


async def compute(
    root: Path,
    name: str,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
    *,
    is_preview: bool = False,
) -> ProgramPlan:
    """Compute the plan of the Pulumi program without sending or changing anything.

    Args:
        root: the project's folder.
        name: name of the stack.
        environment: environment of the process.
        overrides: settings from elsewhere, see `ics.config.stack_file`.
        is_preview: report changes that require a confirmation as warnings instead of an error.

    Raises:
        IcsError: the stack, the provider or the cluster cannot be read.
        NothingChanged: a change requires a confirmation, or a chain with objects cannot be declared.
    """
    async with wiring.open_stack(root, name, environment, overrides) as opened:
        seen, wanted = await observe.read(opened.world)
        check_removals(wanted, seen.memory)
        by_hand = await _by_hand(opened, wanted, seen, is_preview)
    if by_hand.warnings and not is_preview:
        raise NothingChanged(by_hand.warnings)
    return ProgramPlan(
        manifests=by_hand.manifests,
        outputs=outputs.render(by_hand.manifests),
        cluster=provider.ProviderInputs.of(opened.world.settings.cluster, root, processes.home()),
        warnings=by_hand.warnings,
        kept=by_hand.kept,
        protects=resources.has_node(by_hand.manifests),
        notes=notes.render(wanted),
        adoptable=by_hand.adoptable,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """What a manual run declares, and says, because it has no engine that would hold anything back."""

    manifests: tuple[model.Manifest, ...] = ()
    warnings: tuple[str, ...] = ()
    kept: frozenset[engines.Ref] = frozenset()
    adoptable: frozenset[members.Key] = frozenset()


async def _by_hand(
    opened: wiring.OpenStack, desired: desired.Desired, observed: observed.Observed, is_preview: bool
) -> ByHand:
    """Let the embedded engine review the changes.

    In a preview, a volume that waits for a confirmation stays as it is, too: the plugin's dry run would let the whole
    preview fail.
    """
    settings = opened.world.settings
    engine = applyset_engine.ApplyEngine(opened.kube, settings.validator, settings.gateway.namespace)
    reviewed = await engine.review(reconcile.apply_request(opened.world, observed, desired))
    review = reviewed.review
    manifests = reconcile.render(desired)
    waiting = {question.ref for question in review.confirmations}
    kept = frozenset(
        ref
        for ref in review.left
        if ref not in waiting or (is_preview and ref.kind == kinds.VOLUME_CLAIM.name)
    )
    return ByHand(
        manifests=tuple([await _keep(opened.kube, manifest, kept) for manifest in manifests]),
        warnings=blocking_changes(review),
        kept=kept,
        adoptable=frozenset(key for key in reviewed.existing if key.ref not in reviewed.replaced - kept),
    )


async def _keep(
    kube: client.KubeClient, manifest: model.Manifest, kept: Collection[engines.Ref]
) -> model.Manifest:
    """Return the manifest with the live values of its spec if the object is to stay as it is.

    So Pulumi can take over an object that its state lacks; for one in its state the program lets the whole spec be.
    """
    key = members.key_of(manifest)
    if key.ref not in kept:
        return manifest
    item = await kube.find(key.kind, key.namespace, key.name)
    return manifest if item is None else {**manifest, "spec": _live_values(manifest["spec"], item["spec"])}


def _live_values(wanted: Any, live: Any) -> Any:
    """Return the live values of the fields that are wanted; live values of other fields are not ours."""
    if not isinstance(wanted, dict) or not isinstance(live, dict):
        return live
    return {key: _live_values(value, live[key]) for key, value in wanted.items() if key in live}


def blocking_changes(review: guard.Review) -> tuple[str, ...]:
    """Return one line for each object that prevents a manual Pulumi run.

    Args:
        review: review of all changes; the names in `ics:confirm` are its confirmations.
    """
    return tuple(f"{question.text}, or add that name to ics:confirm" for question in review.confirmations)


def check_removals(desired: desired.Desired, memory: observed.Memory) -> None:
    """Reject a plan that omits chains with objects, because Pulumi would delete their nodes.

    Args:
        desired: the desired state.
        memory: state of earlier passes in the cluster.

    Raises:
        NothingChanged: a chain with objects is paused, or was left and its key is not recorded as retired.
    """
    problems = [
        f"{v.summary.chain_id} (consumer id {v.summary.consumer_id}): {_why(v)}"
        for v in desired.decisions
        if v.retires is not None
        or (v.summary.consumer_id in desired.paused and v.summary.consumer_id in memory.chains)
    ]
    if problems:
        raise NothingChanged(
            [
                f"{problem}; Pulumi would delete its node: fix this, or run `ics up`, which does not change it"
                for problem in problems
            ]
        )


def _why(decision: chain_decision.ChainDecision) -> str:
    if decision.retires is not None:
        place_id = decision.retires.place_id
        return f"the chain was left, and the key of place {place_id} must be recorded as retired first"
    return ", ".join(f"{condition.reason}: {condition.message}" for condition in decision.conditions)
