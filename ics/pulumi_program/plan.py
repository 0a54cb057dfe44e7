"""What the Pulumi program declares, computed before any resource is registered."""

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Declared:
    """What the Pulumi program declares."""

    manifests: tuple[model.Manifest, ...]
    outputs: Mapping[str, Any]
    kubeconfig: str | None
    """Path of the kubeconfig as Pulumi's plugin and its state have it, None for the user's default one."""
    context: str | None
    path: Path | None = None
    """Where that kubeconfig lies here."""
    warnings: tuple[str, ...] = ()
    """Of a preview by hand: what the update would refuse to do unasked, one line for each."""


async def declared(
    root: Path, name: str, environment: Mapping[str, str], *, is_preview: bool = False
) -> Declared:
    """Compute what the Pulumi program declares; sends nothing and changes nothing.

    Args:
        root: the project's folder.
        name: of the stack.
        environment: of the process.
        is_preview: what must not be done unasked is a warning, and no error.

    Raises:
        IcsError: the stack, the provider or the cluster cannot be judged.
        Permanent: something must be confirmed first, or is what no Pulumi program can say.
    """
    facts_file = environment.get(handoff.VARIABLE)
    handed = handoff.read(Path(facts_file)) if facts_file else None
    async with wiring.open_stack(root, name, environment, handed.overrides if handed else ()) as found:
        facts = handed.facts if handed else await observe.observe(found.world)
        wanted = observe.desire(found.world, facts)
        warnings: tuple[str, ...] = ()
        if handed is None:
            check_removals(wanted, facts.memory)
            warnings = unasked(await _judged(found, wanted, facts))
    if warnings and not is_preview:
        raise errors.Permanent(f"nothing is changed: {'; '.join(warnings)}")
    if handed is None:
        manifests = reconcile.render(wanted)
    else:
        wanted = opt_ins.without(wanted, handed.refused, facts.memory)
        manifests = _as_handed(wanted, handed)
    sent = handed.sent if handed else frozenset()
    cluster = found.world.settings.cluster
    path = None if cluster.kubeconfig is None else root / Path(cluster.kubeconfig).expanduser()
    kubeconfig = None if path is None else of_plugin(cluster.kubeconfig or "", path, processes.home())
    return Declared(manifests, outputs.of(wanted, sent), kubeconfig, cluster.context, path, warnings)


async def _judged(found: wiring.Opened, wanted: desired.Desired, facts: observed.Seen) -> guard.Judgement:
    """What the embedded engine would ask about: nobody holds back a Pulumi that is run by hand."""
    settings = found.world.settings
    engine = applyset_engine.ApplyEngine(found.kube, settings.validator, settings.gateway.namespace)
    return await engine.judge(reconcile.order(found.world, wanted, handoff.Handed(facts)))


def of_plugin(written: str, path: Path, home: Path) -> str:
    """A kubeconfig's path as it is given to Pulumi's plugin, and so stands in the state.

    As it is written: a path of this machine would make every other one fail. The plugin works in the project's
    folder too. As text, its credentials would be in the state, and in a file that the plugin leaves.

    Args:
        written: in the settings.
        path: what it means to us.
        home: what the plugin takes `~/` for.
    """
    is_other_home = written.startswith("~") and home / written[2:] != path
    return str(path) if is_other_home else written


def unasked(judged: guard.Judgement) -> tuple[str, ...]:
    """What keeps a Pulumi that is run by hand from going on, one line for each object.

    Args:
        judged: all that would be done; the names in `ics:confirm` are its confirmations.
    """
    asked = {question.ref for question in judged.questions}
    questions = [f"{question.text}, or put that name into ics:confirm" for question in judged.questions]
    stays = [
        f"{ref} is confirmed to stay as it is, which no Pulumi program can say: set the change back, or run"
        " `python reconcile.py`, which leaves it"
        for ref in sorted(judged.left - asked)
    ]
    return (*questions, *stays)


def _as_handed(wanted: desired.Desired, handed: handoff.Handed) -> tuple[model.Manifest, ...]:
    """The manifests as the pass has them: the engine sees to it that nothing of a held chain is removed."""
    manifests = handoff.without(reconcile.render(wanted), handed.held, handed.left)
    if handed.digest not in ("", handoff.digest(manifests)):
        raise errors.Permanent(
            f"{handoff.VARIABLE}: the program makes other objects than the pass that started it: its settings,"
            " definitions or secrets differ, through the environment or a file that changed meanwhile"
        )
    return manifests


def check_removals(wanted: desired.Desired, memory: model.Memory) -> None:
    """Refuse what no Pulumi program can say: what it leaves out is deleted, a held chain's node too.

    Args:
        wanted: what should be.
        memory: what the cluster holds.

    Raises:
        Transient: a chain with objects is held, or was left and its key is not on record as retired.
    """
    problems = [
        f"{v.summary.chain_id} (consumer id {v.summary.consumer_id}): {_why(v)}"
        for v in wanted.verdicts
        if v.retires is not None
        or (v.summary.consumer_id in wanted.held and v.summary.consumer_id in memory.chains)
    ]
    if problems:
        raise errors.Transient(
            "nothing is changed, for Pulumi would remove the nodes of these chains:"
            f" {'; '.join(problems)}: mend it, or run `python reconcile.py`, which leaves them as they are"
        )


def _why(verdict: desired.Verdict) -> str:
    if verdict.retires is not None:
        return f"it was left, and key generation {verdict.retires} must be recorded as retired first"
    return ", ".join(f"{condition.reason}: {condition.message}" for condition in verdict.conditions)
