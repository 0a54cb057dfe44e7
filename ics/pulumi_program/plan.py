"""Plan of the Pulumi program, computed before any resource is registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ics import errors, model
from ics.consumer import desired, observed
from ics.engines import guard, handoff
from ics.engines.applyset import engine as applyset_engine
from ics.engines.pulumi import processes
from ics.pulumi_program import outputs
from ics.reconciler import observe, opt_ins, reconcile, wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramPlan:
    """Manifests, outputs and cluster of the Pulumi program."""

    manifests: tuple[model.Manifest, ...]
    outputs: Mapping[str, Any]
    kubeconfig: str | None
    """Path of the kubeconfig for Pulumi's plugin and state; None: the user's default one."""
    context: str | None
    path: Path | None = None
    """Path of that kubeconfig on this machine."""
    warnings: tuple[str, ...] = ()
    """In a manual preview: changes that the update would reject without a confirmation, one line each."""


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
        overrides: settings from elsewhere, see `ics.config.stack_file`; those of a pass take their place.
        is_preview: report changes that require a confirmation as warnings instead of an error.

    Raises:
        IcsError: the stack, the provider or the cluster cannot be read.
        Permanent: a change requires a confirmation, or cannot be expressed by a Pulumi program.
    """
    facts_file = environment.get(handoff.VARIABLE)
    snapshot = handoff.read(Path(facts_file)) if facts_file else None
    async with wiring.open_stack(
        root, name, environment, snapshot.overrides if snapshot else overrides
    ) as opened:
        if snapshot is None:
            seen, wanted = await observe.read(opened.world)
        else:
            seen = snapshot.observed
            wanted = observe.compute(opened.world, seen)
        warnings: tuple[str, ...] = ()
        if snapshot is None:
            check_removals(wanted, seen.memory)
            warnings = blocking_changes(await _review(opened, wanted, seen))
    if warnings and not is_preview:
        raise errors.Permanent(f"nothing was changed: {'; '.join(warnings)}")
    if snapshot is None:
        manifests = reconcile.render(wanted)
    else:
        wanted = opt_ins.exclude(wanted, snapshot.refused, seen.memory)
        manifests = _render_for_pass(wanted, snapshot)
    sent = snapshot.sent if snapshot else frozenset()
    cluster = opened.world.settings.cluster
    path = None if cluster.kubeconfig is None else root / Path(cluster.kubeconfig).expanduser()
    kubeconfig = None if path is None else plugin_path(cluster.kubeconfig or "", path, processes.home())
    return ProgramPlan(
        manifests=manifests,
        outputs=outputs.render(wanted, sent),
        kubeconfig=kubeconfig,
        context=cluster.context,
        path=path,
        warnings=warnings,
    )


async def _review(
    opened: wiring.OpenStack, desired: desired.Desired, observed: observed.Observed
) -> guard.Review:
    """Let the embedded engine review the changes, because a manual Pulumi run has no guard of its own."""
    settings = opened.world.settings
    engine = applyset_engine.ApplyEngine(opened.kube, settings.validator, settings.gateway.namespace)
    return await engine.review(
        reconcile.apply_request(opened.world, desired, handoff.PassSnapshot(observed=observed))
    )


def plugin_path(written: str, path: Path, home: Path) -> str:
    """Return a kubeconfig's path in the form for Pulumi's plugin, which is also stored in the state.

    It is kept as written, because an absolute path would fail on other machines; the plugin also runs in the
    project's folder. The content is not used, because its credentials would be stored in the state and in a file
    that the plugin leaves behind.

    Args:
        written: path in the settings.
        path: its absolute path on this machine.
        home: the plugin's expansion of `~/`.
    """
    is_other_home = written.startswith("~") and home / written[2:] != path
    return str(path) if is_other_home else written


def blocking_changes(review: guard.Review) -> tuple[str, ...]:
    """Return one line for each object that prevents a manual Pulumi run.

    Args:
        review: review of all changes; the names in `ics:confirm` are its confirmations.
    """
    pending = {question.ref for question in review.confirmations}
    questions = [f"{question.text}, or add that name to ics:confirm" for question in review.confirmations]
    unchanged = [
        f"{ref}: confirmed to stay unchanged, which a Pulumi program cannot express; revert the change, or run"
        " `python reconcile.py`, which does not change it"
        for ref in sorted(review.left - pending)
    ]
    return (*questions, *unchanged)


def _render_for_pass(desired: desired.Desired, snapshot: handoff.PassSnapshot) -> tuple[model.Manifest, ...]:
    """Return the manifests of the pass, whose engine prevents the deletion of omitted chains."""
    manifests = handoff.exclude(reconcile.render(desired), snapshot.paused, snapshot.left)
    if snapshot.digest not in ("", handoff.digest(manifests)):
        raise errors.Permanent(
            f"{handoff.VARIABLE}: the program renders other objects than the pass that started it, because its"
            " settings, definitions or secrets differ; check the environment, and retry if a file has changed meanwhile"
        )
    return manifests


def check_removals(desired: desired.Desired, memory: observed.Memory) -> None:
    """Reject a plan that omits chains with objects, because Pulumi would delete their nodes.

    Args:
        desired: the desired state.
        memory: state of earlier passes in the cluster.

    Raises:
        Transient: a chain with objects is paused, or was left and its key is not recorded as retired.
    """
    problems = [
        f"{v.summary.chain_id} (consumer id {v.summary.consumer_id}): {_why(v)}"
        for v in desired.decisions
        if v.retires is not None
        or (v.summary.consumer_id in desired.paused and v.summary.consumer_id in memory.chains)
    ]
    if problems:
        raise errors.Transient(
            "nothing was changed, because Pulumi would delete the nodes of these chains:"
            f" {'; '.join(problems)}; fix this, or run `python reconcile.py`, which does not change them"
        )


def _why(decision: desired.ChainDecision) -> str:
    if decision.retires is not None:
        place_id = decision.retires.place_id
        return f"the chain was left, and the key of place {place_id} must be recorded as retired first"
    return ", ".join(f"{condition.reason}: {condition.message}" for condition in decision.conditions)
