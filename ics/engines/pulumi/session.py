"""Session with one Pulumi stack for one pass, through the Automation API; it contains no decisions.

All temporary files are in a private folder that is deleted with the session: the snapshot of the pass, the
passphrase, and the copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind. All calls block, like
the Automation API, and therefore run in a thread.
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

from ics import errors, model
from ics.engines import handoff
from ics.engines.applyset import members
from ics.engines.pulumi import cli, locks, processes, runs, stack, supervision
from ics.engines.pulumi import errors as pulumi_errors

_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a variable's name
_PACK = "PulumiPolicy.yaml"
_PENDING = "pending operations from previous deployment"
_ECHO = "whose registration isn't pending"
"""Pulumi's consequential error of a component after one of its children failed."""


@dataclass(slots=True, kw_only=True)
class Session:
    """An open stack."""

    stack: stack.Stack
    folder: Path
    """Private folder, deleted with the session."""
    workspace: automation.LocalWorkspace
    repairs: list[str] = field(default_factory=list)
    """Messages about repaired leftovers of crashed runs."""
    _pulumi: automation.Stack | None = None

    def is_made(self) -> bool:
        """Return whether the stack exists, without creating it or writing the stack file.

        Raises:
            IcsError: the backend cannot be queried.
        """
        try:
            self._pulumi = automation.Stack.select(self.stack.name, self.workspace)
        except automation.StackNotFoundError:
            return False
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error
        return True

    def config(self, key: str) -> str:
        """Return one value of the stack's config, decrypted if it is a secret.

        Raises:
            IcsError: the value or stack does not exist, or the passphrase is wrong.
        """
        try:
            return self.workspace.get_config(self.stack.name, key).value
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error

    def preview(self, snapshot: handoff.PassSnapshot | None, is_refreshing: bool) -> runs.RunResult:
        """Run the program and return the changes that an update would make.

        Args:
            snapshot: input of the program; kept for the following update.
            is_refreshing: compare with the cluster instead of the state, which stays unchanged.

        Raises:
            IcsError: the stack cannot be opened.
        """
        self._write_snapshot(snapshot)
        return self._run(
            lambda stack, on: stack.preview(
                on_event=on, refresh=is_refreshing or None, policy_packs=self._policy_packs
            )
        )

    def refresh(self, keys: Collection[members.Key]) -> runs.RunResult:
        """Refresh the state from the cluster.

        Args:
            keys: objects to refresh; empty: all objects in the state.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        names = [f"urn:pulumi:{self.stack.name}::*::**::{runs.resource_name(key)}" for key in sorted(keys)]
        return self._run_locking(
            lambda stack, on: stack.refresh(on_event=on, target=names or None, show_secrets=False)
        )

    def update(self, targets: Sequence[str]) -> runs.RunResult:
        """Update exactly these resources with the previewed program.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        return self._run_locking(
            lambda stack, on: stack.up(
                on_event=on,
                target=list(targets),
                show_secrets=False,
                continue_on_error=True,
                suppress_outputs=True,
                policy_packs=self._policy_packs,
            )
        )

    def destroy(self) -> runs.RunResult:
        """Delete all objects in the state, except retained ones, which are only removed from the state.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        return self._run_locking(
            lambda stack, on: stack.destroy(on_event=on, show_secrets=False, continue_on_error=True)
        )

    @property
    def _policy_packs(self) -> list[str] | None:
        return [str(path) for path in self.stack.policy_packs] or None

    def _write_snapshot(self, snapshot: handoff.PassSnapshot | None) -> None:
        path = self.folder / "facts.json"
        path.unlink(missing_ok=True)
        self.workspace.env_vars = {k: v for k, v in self.workspace.env_vars.items() if k != handoff.VARIABLE}
        if snapshot is not None:
            handoff.write(snapshot, path)
            self.workspace.env_vars = {**self.workspace.env_vars, handoff.VARIABLE: str(path)}

    def _run_locking(self, act: Callable[[automation.Stack, automation.OnEvent], object]) -> runs.RunResult:
        try:
            result = self._run(act)
        except automation.ConcurrentUpdateError as error:
            self._unlock(str(error))
            result = self._run(act)
        if result.has_pending:
            self._forget_pending()
        return result

    def _run(self, act: Callable[[automation.Stack, automation.OnEvent], object]) -> runs.RunResult:
        events: list[automation.EngineEvent] = []
        try:
            if self._pulumi is None:
                self._pulumi = automation.Stack.create_or_select(self.stack.name, self.workspace)
            act(self._pulumi, events.append)
        except automation.ConcurrentUpdateError:
            raise
        except automation.CommandError as error:
            result = read_events(events)
            if result.failures:
                return result
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error
        return read_events(events)

    def _unlock(self, text: str) -> None:
        held_locks, this_run = locks.parse(text), processes.this_process()
        if not held_locks or not all(locks.is_left_over(lock, this_run) for lock in held_locks):
            raise locks.locked_error(self.stack.name, held_locks)
        self._command("cancel", "--yes", "--stack", self.stack.name)
        self.repairs.append(locks.removed_message(self.stack.name, held_locks))
        self._forget_pending()

    def _forget_pending(self) -> None:
        """Remove pending operations of a killed run; the next update adopts or creates their objects."""
        path = self.folder / "state.json"
        self._command("stack", "export", "--stack", self.stack.name, "--file", str(path))
        pending = json.loads(path.read_text())["deployment"].get("pending_operations") or []
        if pending:  # an import omits them
            self._command("stack", "import", "--stack", self.stack.name, "--file", str(path))
            names = ", ".join(f"{p['type']} {p['resource']['urn'].rpartition('::')[2]}" for p in pending)
            self.repairs.append(f"Pulumi stack {self.stack.name}: removed pending operations: {names}")
        path.unlink()

    def _command(self, *arguments: str) -> None:
        environment = {**self.workspace.env_vars, "PULUMI_DEBUG_COMMANDS": "true"}
        try:
            self.workspace.pulumi_command.run(list(arguments), self.workspace.work_dir, environment)
        except automation.CommandError as error:
            raise pulumi_errors.as_error(pulumi_errors.from_output(*_output(error))) from error


@contextlib.contextmanager
def open_session(stack: stack.Stack, passphrase: model.Secret | None) -> Iterator[Session]:
    """Open a stack; its first run creates it.

    Args:
        stack: location of the stack.
        passphrase: passphrase of its secrets; None: the one of the environment.

    Raises:
        SettingsError: the Pulumi CLI is not installed, two passphrases are given, or a policy pack is missing.
    """
    command = cli.command()
    for pack in stack.policy_packs:
        if not (pack / _PACK).is_file():
            raise errors.SettingsError(
                f"ics:pulumi.policy_packs: {pack} has no {_PACK}; name the folder of a policy pack, which the image of"
                " the reconciler must contain, too"
            )
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{supervision.PREFIX}{os.getpid()}-"))
    try:
        environment = {"PULUMI_SKIP_UPDATE_CHECK": "true", "TMPDIR": str(folder)}
        if stack.backend is not None:
            environment["PULUMI_BACKEND_URL"] = stack.backend
        if passphrase is not None:  # in a file, because other processes can read an environment
            if _PASSPHRASE in os.environ:
                raise errors.SettingsError(
                    f"ics:pulumi.passphrase: the environment contains {_PASSPHRASE}, which takes precedence; set"
                    " only one of them"
                )
            path = folder / "passphrase"
            path.touch(0o600)
            path.write_text(passphrase.reveal_text())
            environment[f"{_PASSPHRASE}_FILE"] = str(path)
        workspace = automation.LocalWorkspace(
            work_dir=str(stack.root), env_vars=environment, pulumi_command=command
        )
        yield Session(stack=stack, folder=folder, workspace=workspace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Delete the folders of crashed runs, whose names contain their process id."""
    for folder in Path(tempfile.gettempdir()).glob(f"{supervision.PREFIX}*"):
        pid = folder.name.removeprefix(supervision.PREFIX).partition("-")[0]
        if pid.isdigit() and folder.stat().st_uid == os.getuid() and processes.started_at(int(pid)) is None:
            shutil.rmtree(folder, ignore_errors=True)


def read_events(events: Sequence[automation.EngineEvent]) -> runs.RunResult:
    """Summarize the events of one run."""
    steps: list[runs.PulumiStep] = []
    done: set[str] = set()
    failures: dict[str, str] = {}
    violations: dict[str, list[str]] = {}
    has_pending = False
    for event in events:
        if event.resource_pre_event is not None:
            steps.append(_step(event.resource_pre_event.metadata))
        if event.res_outputs_event is not None:
            metadata = event.res_outputs_event.metadata
            if not runs.is_quiet(metadata.op.value):
                done.add(metadata.urn)
        if event.res_op_failed_event is not None:
            failures.setdefault(event.res_op_failed_event.metadata.urn, "")
        if event.policy_event is not None and event.policy_event.enforcement_level == "mandatory":
            violation = event.policy_event
            violations.setdefault(violation.resource_urn or "", []).append(_violation(violation))
        if event.diagnostic_event is not None:
            diagnostic = event.diagnostic_event
            has_pending = has_pending or _PENDING in diagnostic.message
            if diagnostic.severity == "error" and _ECHO not in diagnostic.message:
                urn = diagnostic.urn or ""
                failures[urn] = failures.get(urn) or pulumi_errors.one_line(diagnostic.message)
    # Pulumi repeats a violation as an error of the resource.
    failures |= {urn: "; ".join(texts) for urn, texts in violations.items()}
    own = {urn: text for urn, text in failures.items() if urn}
    return runs.RunResult(tuple(steps), frozenset(done - own.keys()), own or failures, has_pending)


def _violation(event: automation.PolicyEvent) -> str:
    message = pulumi_errors.one_line(event.message)
    return f"policy {event.policy_pack_name}/{event.policy_name}: {message}"


def _step(metadata: automation.StepEventMetadata) -> runs.PulumiStep:
    before = _inputs(metadata.old)
    state = metadata.new or metadata.old
    return runs.PulumiStep(
        op=metadata.op.value,
        urn=metadata.urn,
        parent=state.parent if state is not None else "",
        before=before,
        after=_inputs(metadata.new),
        is_retained=bool(metadata.old and metadata.old.retain_on_delete) or runs.is_retained(before),
    )


def _inputs(state: automation.StepEventStateMetadata | None) -> Mapping[str, Any]:
    return (state.inputs or {}) if state is not None else {}


def _output(error: automation.CommandError) -> tuple[str, str]:
    head, _, stderr = str(error).partition("\n stderr: ")
    return head.partition("\n stdout: ")[2], stderr
