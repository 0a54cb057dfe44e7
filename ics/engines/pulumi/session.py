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

from ics import engines, errors, model
from ics.engines import handoff
from ics.engines.applyset import members
from ics.engines.pulumi import (
    cli,
    history,
    kubeconfig_copies,
    location,
    locks,
    processes,
    runs,
    supervision,
)
from ics.engines.pulumi import errors as pulumi_errors
from ics.engines.pulumi import stack as pulumi_stack

_END_SECONDS = 5.0
"""Seconds for a leftover process to end after a SIGTERM."""
_PRECISION_SECONDS = 2.0
"""Precision of the start times of processes."""
_PENDING = "pending operations from previous deployment"
_ECHO = "whose registration isn't pending"
"""Pulumi's consequential error of a component after one of its children failed."""


@dataclass(slots=True, kw_only=True)
class Session:
    """An open stack."""

    stack: pulumi_stack.Stack
    folder: Path
    """Private folder, deleted with the session."""
    workspace: automation.LocalWorkspace
    location: pulumi_stack.Location
    """Backend of the stack's state."""
    repairs: list[str] = field(default_factory=list)
    """Messages about repaired leftovers of crashed runs."""
    has_written: bool = False
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
            raise self._error(error) from error
        return True

    def check_secrets(self) -> None:
        """Read the whole state, which decrypts its secrets; their values are not returned.

        Raises:
            IcsError: the state cannot be read, or the passphrase is wrong.
        """
        self._command("stack", "--stack", self.stack.name)

    def config(self, key: str) -> str:
        """Return one value of the stack's config, decrypted if it is a secret.

        Raises:
            IcsError: the value or stack does not exist, or the passphrase is wrong.
        """
        try:
            return self.workspace.get_config(self.stack.name, key).value
        except automation.CommandError as error:
            raise self._error(error) from error

    def preview(self, snapshot: handoff.PassSnapshot | None, is_refreshing: bool) -> runs.RunResult:
        """Run the program and return the changes that an update would make.

        Args:
            snapshot: input of the program; kept for the following update.
            is_refreshing: compare with the cluster instead of the state, which stays unchanged.

        Raises:
            IcsError: the stack cannot be opened.
        """
        self._write_snapshot(snapshot)
        return self._run(lambda stack, on: stack.preview(on_event=on, refresh=is_refreshing or None))

    def refresh(self, keys: Collection[members.Key], message: str) -> runs.RunResult:
        """Refresh the state from the cluster.

        Args:
            keys: objects to refresh; empty: all objects in the state.
            message: of this run in the stack's history.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        names = [f"urn:pulumi:{self.stack.name}::*::**::{runs.resource_name(key)}" for key in sorted(keys)]
        return self._run_locking(
            lambda stack, on: stack.refresh(
                on_event=on, target=names or None, message=message, show_secrets=False
            )
        )

    def update(self, targets: Sequence[str], message: str) -> runs.RunResult:
        """Update exactly these resources with the previewed program.

        Args:
            targets: URNs of the resources.
            message: of this update in the stack's history.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        return self._run_locking(
            lambda stack, on: stack.up(
                on_event=on,
                target=list(targets),
                message=message,
                show_secrets=False,
                continue_on_error=True,
                suppress_outputs=True,
            )
        )

    def destroy(self) -> runs.RunResult:
        """Delete all objects in the state, except retained ones, which are only removed from the state.

        The provider is protected while a node runs, so that a `pulumi destroy` by hand asks for another command first.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """

        def act(stack: automation.Stack, on: automation.OnEvent) -> None:
            for resource in (stack.export_stack().deployment or {}).get("resources") or []:
                if resource.get("protect"):
                    self._run_command(
                        "state", "unprotect", resource["urn"], "--yes", "--stack", self.stack.name
                    )
            stack.destroy(on_event=on, show_secrets=False, continue_on_error=True)

        return self._run_locking(act)

    def _write_snapshot(self, snapshot: handoff.PassSnapshot | None) -> None:
        path = self.folder / "facts.json"
        path.unlink(missing_ok=True)
        self.workspace.env_vars = {k: v for k, v in self.workspace.env_vars.items() if k != handoff.VARIABLE}
        if snapshot is not None:
            handoff.write(snapshot, path)
            self.workspace.env_vars = {**self.workspace.env_vars, handoff.VARIABLE: str(path)}

    def _run_locking(self, act: Callable[[automation.Stack, automation.OnEvent], object]) -> runs.RunResult:
        if not self.has_written:
            _end_leftovers(self.stack)
        self.has_written = True
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
            raise self._error(error) from error
        return read_events(events)

    def _unlock(self, text: str) -> None:
        held_locks, this_run = locks.parse(text), processes.this_process()
        if not held_locks or not all(locks.is_left_over(lock, this_run) for lock in held_locks):
            raise locks.locked_error(self.stack, self.location, held_locks, this_run)
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

    def _error(self, error: automation.CommandError) -> errors.IcsError:
        backend = self.location.backend
        text = pulumi_errors.from_output(*_output(error))
        return pulumi_errors.as_error(
            text, backend=str(self.location), needs=backend.needs if backend else ""
        )

    def _run_command(self, *arguments: str) -> None:
        environment = {**self.workspace.env_vars, "PULUMI_DEBUG_COMMANDS": "true"}
        self.workspace.pulumi_command.run(list(arguments), self.workspace.work_dir, environment)

    def _command(self, *arguments: str) -> None:
        try:
            self._run_command(*arguments)
        except automation.CommandError as error:
            raise self._error(error) from error


@contextlib.contextmanager
def open_session(stack: pulumi_stack.Stack, passphrase: model.Secret | None) -> Iterator[Session]:
    """Open a stack; its first run creates it.

    Args:
        stack: location of the stack.
        passphrase: passphrase of its secrets; None: the one of the environment.

    Raises:
        EngineUnusable: the Pulumi CLI is not installed, no backend is configured, or two passphrases are given.
    """
    command, where = cli.command(), location.find(stack, os.environ)
    _delete_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{supervision.PREFIX}{os.getpid()}-"))
    try:
        environment = {"PULUMI_SKIP_UPDATE_CHECK": "true", "TMPDIR": str(folder), **_limits(stack.limits)}
        if where.backend is not None:
            environment[pulumi_stack.VARIABLE] = where.backend.url
        if passphrase is not None:  # in a file, because other processes can read an environment
            environment[pulumi_stack.PASSPHRASE_FILE] = str(_write_passphrase(folder, passphrase))
        workspace = automation.LocalWorkspace(
            work_dir=str(stack.root), env_vars=environment, pulumi_command=command
        )
        session = Session(stack=stack, folder=folder, workspace=workspace, location=where)
        yield session
        if session.has_written:
            history.prune(stack, where)
    finally:
        processes.end(processes.marked(f"={folder}"), _END_SECONDS)  # children of a CLI that was killed
        shutil.rmtree(folder, ignore_errors=True)


def _write_passphrase(folder: Path, passphrase: model.Secret) -> Path:
    if pulumi_stack.PASSPHRASE in os.environ:
        raise engines.EngineUnusable(
            f"ics:pulumi.passphrase: the environment contains {pulumi_stack.PASSPHRASE}, which takes precedence; set"
            " only one of them"
        )
    path = folder / "passphrase"
    path.touch(0o600)
    path.write_text(passphrase.reveal_text())
    return path


def _limits(limits: pulumi_stack.Limits) -> dict[str, str]:
    """Return the variables that limit Pulumi's logs, except those that the environment has already."""
    variables = {
        "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": str(limits.log_megabytes),
        "PULUMI_LOG_ROTATION_MAX_AGE_DAYS": str(limits.log_days),
    }
    return {name: value for name, value in variables.items() if name not in os.environ}


def _delete_leftovers() -> None:
    """Delete the folders of crashed runs whose processes have all ended, and leftover copies of kubeconfigs."""
    for folder in _crashed():
        if not processes.marked(f"={folder}"):
            shutil.rmtree(folder, ignore_errors=True)
    kubeconfig_copies.sweep(os.getpid(), os.environ)


def _end_leftovers(stack: pulumi_stack.Stack) -> None:
    """End the processes of crashed runs, and delete their folders.

    A CLI whose pass has crashed would otherwise go on writing beside this pass, and without supervision.
    """
    for folder in _crashed():
        supervision.end_session(folder)
        shutil.rmtree(folder, ignore_errors=True)
    processes.end(processes.orphans(stack.root.resolve()), _END_SECONDS)


def _crashed() -> Iterator[Path]:
    """Yield the folders of sessions whose process has ended; their names contain its id."""
    for folder in Path(tempfile.gettempdir()).glob(f"{supervision.PREFIX}*"):
        pid = folder.name.removeprefix(supervision.PREFIX).partition("-")[0]
        with contextlib.suppress(FileNotFoundError):  # another pass is deleting it
            status = folder.stat()
            if pid.isdigit() and status.st_uid == os.getuid() and _has_ended(int(pid), status.st_mtime):
                yield folder


def _has_ended(pid: int, written_at: float) -> bool:
    """Return whether the process that made a folder has ended; a later one may have its id, above all in a pod."""
    started_at = processes.started_at(pid)
    return started_at is None or started_at.timestamp() > written_at + _PRECISION_SECONDS


def read_events(events: Sequence[automation.EngineEvent]) -> runs.RunResult:
    """Summarize the events of one run."""
    steps: list[runs.PulumiStep] = []
    done: set[str] = set()
    failures: dict[str, str] = {}
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
        if event.diagnostic_event is not None:
            diagnostic = event.diagnostic_event
            has_pending = has_pending or _PENDING in diagnostic.message
            if diagnostic.severity == "error" and _ECHO not in diagnostic.message:
                urn = diagnostic.urn or ""
                failures[urn] = failures.get(urn) or pulumi_errors.one_line(diagnostic.message)
    own = {urn: text for urn, text in failures.items() if urn}
    return runs.RunResult(tuple(steps), frozenset(done - own.keys()), own or failures, has_pending)


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
