"""One Pulumi stack, opened for one pass through the Automation API; carries no decision.

All that a run leaves behind lies in a private folder and goes with it: the facts handed over, the
passphrase, and the copies of the kubeconfig that Pulumi's Kubernetes plugin makes and forgets. The
Automation API blocks, so this does too: it is run in a thread.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation

from ics import errors as ics_errors
from ics import model
from ics.engines import handoff
from ics.engines.applyset import members
from ics.engines.pulumi import cli, locks, processes, runs, stack, supervision
from ics.engines.pulumi import errors as pulumi_errors

_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a variable's name
_PENDING = "pending operations from previous deployment"
_ECHO = "whose registration isn't pending"
"""Pulumi says so of a component below which something failed already."""


@dataclass(slots=True)
class Session:
    """An opened stack."""

    stack: stack.Stack
    folder: Path
    """Private, and gone with the session."""
    workspace: automation.LocalWorkspace
    repairs: list[str] = field(default_factory=list)
    """What was mended, for people."""
    _pulumi: automation.Stack | None = None

    def is_made(self) -> bool:
        """Whether there is such a stack; asking makes none, and writes nothing into the stack file.

        Raises:
            IcsError: the backend cannot be asked.
        """
        try:
            self._pulumi = automation.Stack.select(self.stack.name, self.workspace)
        except automation.StackNotFoundError:
            return False
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error
        return True

    def config(self, key: str) -> str:
        """One value of the stack's own config, opened if it is a secret.

        Raises:
            IcsError: there is no such value or stack, or the passphrase is not the right one.
        """
        try:
            return self.workspace.get_config(self.stack.name, key).value
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error

    def preview(self, handed: handoff.Handed | None, is_refreshing: bool) -> runs.Told:
        """Run the program and tell what an update would do.

        Args:
            handed: what the program is made from; kept for the update that follows.
            is_refreshing: compare with the cluster, not with the state; the state stays as it is.

        Raises:
            IcsError: the stack cannot be opened.
        """
        self._hand(handed)
        return self._run(lambda stack, on: stack.preview(on_event=on, refresh=is_refreshing or None))

    def refresh(self, keys: Collection[members.Key]) -> runs.Told:
        """Let the state follow the cluster.

        Args:
            keys: just these objects; none: all that the state holds.

        Raises:
            Transient: somebody else holds the stack; names who.
            IcsError: the stack cannot be opened.
        """
        names = [f"urn:pulumi:{self.stack.name}::*::**::{runs.resource_name(key)}" for key in sorted(keys)]
        return self._run_locking(
            lambda stack, on: stack.refresh(on_event=on, target=names or None, show_secrets=False)
        )

    def update(self, targets: Sequence[str]) -> runs.Told:
        """Bring just these resources about, as the program that was previewed says.

        Raises:
            Transient: somebody else holds the stack; names who.
            IcsError: the stack cannot be opened.
        """
        return self._run_locking(
            lambda stack, on: stack.up(
                on_event=on,
                target=list(targets),
                show_secrets=False,
                continue_on_error=True,
                suppress_outputs=True,
            )
        )

    def destroy(self) -> runs.Told:
        """Delete all that the state holds, but forget what is retained.

        Raises:
            Transient: somebody else holds the stack; names who.
            IcsError: the stack cannot be opened.
        """
        return self._run_locking(
            lambda stack, on: stack.destroy(on_event=on, show_secrets=False, continue_on_error=True)
        )

    def _hand(self, handed: handoff.Handed | None) -> None:
        path = self.folder / "facts.json"
        path.unlink(missing_ok=True)
        self.workspace.env_vars = {k: v for k, v in self.workspace.env_vars.items() if k != handoff.VARIABLE}
        if handed is not None:
            handoff.write(handed, path)
            self.workspace.env_vars = {**self.workspace.env_vars, handoff.VARIABLE: str(path)}

    def _run_locking(self, act: Callable[[automation.Stack, automation.OnEvent], object]) -> runs.Told:
        try:
            told = self._run(act)
        except automation.ConcurrentUpdateError as error:
            self._unlock(str(error))
            told = self._run(act)
        if told.has_pending:
            self._forget_pending()
        return told

    def _run(self, act: Callable[[automation.Stack, automation.OnEvent], object]) -> runs.Told:
        events: list[automation.EngineEvent] = []
        try:
            if self._pulumi is None:
                self._pulumi = automation.Stack.create_or_select(self.stack.name, self.workspace)
            act(self._pulumi, events.append)
        except automation.ConcurrentUpdateError:
            raise
        except automation.CommandError as error:
            told = tell(events)
            if told.failures:
                return told
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error
        return tell(events)

    def _unlock(self, text: str) -> None:
        found, asking = locks.parse(text), processes.here()
        if not found or not all(locks.is_left_over(lock, asking) for lock in found):
            raise locks.in_the_way(self.stack.name, found)
        self._command("cancel", "--yes", "--stack", self.stack.name)
        self.repairs.append(locks.mended(self.stack.name, found))
        self._forget_pending()

    def _forget_pending(self) -> None:
        """Strike operations that a run was killed in; the next update finds or makes their objects anew."""
        path = self.folder / "state.json"
        self._command("stack", "export", "--stack", self.stack.name, "--file", str(path))
        pending = json.loads(path.read_text())["deployment"].get("pending_operations") or []
        if pending:  # an import leaves them out
            self._command("stack", "import", "--stack", self.stack.name, "--file", str(path))
            names = ", ".join(f"{p['type']} {p['resource']['urn'].rpartition('::')[2]}" for p in pending)
            self.repairs.append(f"operations that a run died in are struck from {self.stack.name}: {names}")
        path.unlink()

    def _command(self, *arguments: str) -> None:
        environment = {**self.workspace.env_vars, "PULUMI_DEBUG_COMMANDS": "true"}
        try:
            self.workspace.pulumi_command.run(list(arguments), self.workspace.work_dir, environment)
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error


@contextlib.contextmanager
def opened(stack: stack.Stack, passphrase: model.Secret | None) -> Iterator[Session]:
    """Open a stack; it is made with its first run.

    Args:
        stack: where it is.
        passphrase: of its secrets, None: as the environment says.

    Raises:
        SettingsError: there is no Pulumi CLI, or two passphrases are given.
    """
    command = cli.command()
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{supervision.PREFIX}{os.getpid()}-"))
    try:
        environment = {"PULUMI_SKIP_UPDATE_CHECK": "true", "TMPDIR": str(folder)}
        if stack.backend is not None:
            environment["PULUMI_BACKEND_URL"] = stack.backend
        if passphrase is not None:  # in a file: an environment is read too easily
            if _PASSPHRASE in os.environ:
                raise ics_errors.SettingsError(
                    f"ics:pulumi.passphrase: the environment has {_PASSPHRASE} too, which Pulumi prefers:"
                    " give only one of them"
                )
            path = folder / "passphrase"
            path.touch(0o600)
            path.write_text(passphrase.reveal_text())
            environment[f"{_PASSPHRASE}_FILE"] = str(path)
        workspace = automation.LocalWorkspace(
            work_dir=str(stack.root), env_vars=environment, pulumi_command=command
        )
        yield Session(stack, folder, workspace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of runs that died; their names tell whose they are."""
    for folder in Path(tempfile.gettempdir()).glob(f"{supervision.PREFIX}*"):
        pid = folder.name.removeprefix(supervision.PREFIX).partition("-")[0]
        if pid.isdigit() and folder.stat().st_uid == os.getuid() and processes.began(int(pid)) is None:
            shutil.rmtree(folder, ignore_errors=True)


def tell(events: Sequence[automation.EngineEvent]) -> runs.Told:
    """What the events of one run say."""
    steps: list[runs.Step] = []
    done: set[str] = set()
    failures: dict[str, str] = {}
    has_pending = False
    for event in events:
        if event.resource_pre_event is not None:
            steps.append(_step(event.resource_pre_event.metadata))
        if event.res_outputs_event is not None:
            found = event.res_outputs_event.metadata
            if not runs.is_quiet(found.op.value):
                done.add(found.urn)
        if event.res_op_failed_event is not None:
            failures.setdefault(event.res_op_failed_event.metadata.urn, "")
        if event.diagnostic_event is not None:
            said = event.diagnostic_event
            has_pending = has_pending or _PENDING in said.message
            if said.severity == "error" and _ECHO not in said.message:
                urn = said.urn or ""
                failures[urn] = failures.get(urn) or pulumi_errors.one_line(said.message)
    own = {urn: text for urn, text in failures.items() if urn}
    return runs.Told(tuple(steps), frozenset(done - own.keys()), own or failures, has_pending)


def _step(found: automation.StepEventMetadata) -> runs.Step:
    before = _inputs(found.old)
    state = found.new or found.old
    return runs.Step(
        op=found.op.value,
        urn=found.urn,
        parent=state.parent if state is not None else "",
        before=before,
        after=_inputs(found.new),
        is_retained=bool(found.old and found.old.retain_on_delete) or runs.is_retained(before),
    )


def _inputs(state: automation.StepEventStateMetadata | None) -> Mapping[str, Any]:
    return (state.inputs or {}) if state is not None else {}


def _output(error: automation.CommandError) -> tuple[str, str]:
    head, _, stderr = str(error).partition("\n stderr: ")
    return head.partition("\n stdout: ")[2], stderr
