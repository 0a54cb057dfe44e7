"""The way of `ics init` through its questions: probe, ask, create keys, show, write."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ics import errors
from ics.cli.init import cluster_steps, key_steps, project, provider_steps, questions, stack_text
from ics.cli.init.session import Earlier, Session, read_earlier
from ics.config import settings

_OWNED: Mapping[str, tuple[str, ...]] = {
    "validator": (),
    "operator_address": (),
    "provider": ("chain_id", "rest", "rpc", "grpc", "gas_price"),
    "account": (),
    "granter": (),
    "seed": (),
    "cluster": ("kubeconfig", "context"),
    "gateway": ("cloud", "namespace"),
    "node": ("storage_class",),
    "snapshots": ("class",),
    "participation": ("policy", "allow"),
    "reconciler": ("enabled", "mode", "image", "seed", "account"),
}
"""By group of settings, what the answers decide; all else of an earlier file stays as it is."""
_OBJECT = "ics-secrets"
"""Name of the Secret from which a reconciler in the cluster reads seed and account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was written."""

    stack: str
    is_changed: bool
    """Whether the stack file differs from the one before."""
    notes: tuple[str, ...]
    """What to do besides, such as commands for grants."""


async def run(
    session: Session, probe_of: provider_steps.ProbeOf, probe_cluster: cluster_steps.ProbeCluster
) -> Result:
    """Ask everything, create what is new, and write the project's files.

    Args:
        session: of this run.
        probe_of: returns what asks the provider at a REST address.
        probe_cluster: reads what a cluster offers.

    Raises:
        SettingsError: an answer is missing or not valid, or the person declines the change.
        IcsError: the provider is not usable.
    """
    talk, draft, root = session.talk, session.draft, session.request.root
    earlier_name = _choose_earlier(session)
    chain, probe = await provider_steps.find_chain(session, probe_of)
    validator = await provider_steps.find_validator(session, probe)
    name = talk.ask(questions.name(validator.moniker, earlier_name))
    if name != earlier_name:
        session.earlier = read_earlier(root, name) if name in project.stacks(root) else Earlier()
    draft.put("validator", name, f"{validator.shown_moniker} on {chain.chain_id}")
    draft.put(
        "engine",
        session.earlier.values.get("engine", "auto"),
        "auto: the engine that converged this cluster last, and the embedded one on an empty cluster; or pulumi",
    )
    await cluster_steps.choose_cluster(session, probe_cluster)
    cluster_steps.choose_chains(session)
    is_inside = session.earlier.group("reconciler").get("enabled") is True
    how = talk.ask(questions.passes(questions.CLUSTER if is_inside else None))
    image = ""
    if how == questions.CLUSTER:
        image = talk.ask(questions.image(session.earlier.text("reconciler", "image")))
    key_steps.KeySteps(session, name, chain, validator).run()
    _add_passes(session, name, how, image)
    return _write(session, name, chain.chain_id)


def _choose_earlier(session: Session) -> str | None:
    """Read the stack file whose values are the defaults; return its name, None if there is none."""
    names, given = project.stacks(session.request.root), session.request.given.get("name")
    name = given if given in names else names[0] if given is None and len(names) == 1 else None
    if name is not None:
        session.earlier = read_earlier(session.request.root, name)
    return name


def _add_passes(session: Session, name: str, how: str, image: str) -> None:
    """Add what runs the passes: settings of a reconciler in the cluster, or a line for cron."""
    values, notes = session.draft.values, session.draft.notes
    if how == questions.CRON:
        notes.append(
            f"line for cron: * * * * * cd {session.request.root} && ics up --stack {name} --unattended"
        )
        if "keystore" in values["seed"] and "passphrase" not in values["seed"]:
            notes.append("cron cannot type a passphrase: run `ics init --passphrase-file FILE` again")
    if how != questions.CLUSTER:
        return
    namespace = values["gateway"]["namespace"]
    inside: dict[str, Any] = {
        key: {"namespace": namespace, "name": _OBJECT, "key": key}
        for key in ("seed", "account")
        if key in values and "secret" not in values[key]
    }
    reconciler: dict[str, Any] = {"enabled": True, "mode": "deployment", "image": image, **inside}
    session.draft.put("reconciler", reconciler, "runs passes in the cluster, woken by events")
    if inside:
        notes.append(
            f"create the Secret {namespace}/{_OBJECT} with {' and '.join(inside)} in hex before the first pass:"
            " `ics keys export NAME --reveal NAME` prints a key once; docs/reconciler.md has the commands"
        )


def _write(session: Session, name: str, chain_id: str) -> Result:
    """Check the whole, show what changes, and write it."""
    root, shown = session.request.root, f"stacks/Pulumi.{name}.yaml"
    values = stack_text.merge(session.earlier.values, session.draft.values, _OWNED)
    settings.parse(values, shown)
    head = (
        f"Settings of {name} on {chain_id}, written by `ics init`; edit it as you like, without secrets.",
        "`ics config check` validates it; docs/settings.md lists every setting.",
    )
    text = stack_text.render(values, session.earlier.top, session.draft.comments, head)
    path = root / shown
    before = path.read_text() if path.exists() else None
    if before is not None and before != text:
        lines = before.splitlines(), text.splitlines()
        session.talk.say(*difflib.unified_diff(*lines, shown, f"{shown} (new)", lineterm=""))
        if not session.talk.confirm(questions.overwrite(shown)):
            raise errors.SettingsError(f"{shown}: left as it is, as you asked")
    project.write(root, project.missing(root))
    if before != text:
        project.replace(path, text, 0o600)
    else:
        path.chmod(0o600)
    return Result(stack=name, is_changed=before != text, notes=tuple(session.draft.notes))
