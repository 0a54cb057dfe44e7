"""Session with one Pulumi stack for one pass; it contains no decisions.

Each run is one start of the CLI, whose events are read from a file. The stack of the Automation API would start the CLI
again for each run, to select the stack and to read its outputs and its history, which nothing here needs; its command,
events and errors are used.

All temporary files are in a private folder that is deleted with the session: the socket of the program, the
passphrase, and the copies of the kubeconfig that Pulumi's Kubernetes plugin leaves behind. All calls block, and
therefore run in a thread.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pulumi import automation

from ics import engines, errors, model
from ics.config import state_backend
from ics.engines.applyset import members
from ics.engines.pulumi import (
    cli,
    history,
    kubeconfig_copies,
    location,
    locks,
    processes,
    program_server,
    runs,
    supervision,
)
from ics.engines.pulumi import errors as pulumi_errors
from ics.engines.pulumi import stack as pulumi_stack

_Result = TypeVar("_Result")

_END_SECONDS = 5.0
"""Seconds for a leftover process to end after a SIGTERM."""
_PRECISION_SECONDS = 2.0
"""Precision of the start times of processes."""
_QUIET = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
_UNASKED = ("--yes", "--skip-preview")
_PACK = "PulumiPolicy.yaml"
_PENDING = "pending operations from previous deployment"
_ECHO = "whose registration isn't pending"
"""Pulumi's consequential error of a component after one of its children failed."""


class StackMissing(Exception):
    """The stack does not exist in its backend."""


@dataclass(slots=True, kw_only=True)
class Session:
    """An open stack."""

    stack: pulumi_stack.Stack
    folder: Path
    """Private folder, deleted with the session."""
    workspace: automation.LocalWorkspace
    location: pulumi_stack.Location
    """Backend of the stack's state."""
    creates: bool = False
    """Whether the first run creates the stack if it does not exist."""
    ended: frozenset[str] = frozenset()
    """Hosts whose runs have ended, see `pods`."""
    repairs: list[str] = field(default_factory=list)
    """Messages about repaired leftovers of crashed runs."""
    has_written: bool = False

    def check_secrets(self) -> None:
        """Read the whole state, which decrypts its secrets; their values are not returned.

        Raises:
            StackMissing: the stack does not exist.
            IcsError: the state cannot be read, or the passphrase is wrong.
        """
        self._command("stack", "--stack", self.stack.name)

    def check_lock(self) -> None:
        """Check, without starting Pulumi, that no other run holds the stack; only the lock of a folder is found so.

        Otherwise each pass would compute a preview in vain, as long as a prompt is open. A CLI whose pass was killed
        is interrupted first, so that it releases its lock.

        Raises:
            StackLocked: another run holds it.
        """
        if self._other_locks():
            _end_leftovers(self.stack)
        held_locks = self._other_locks()
        if held_locks:
            raise locks.locked_error(
                self.stack, self.location, held_locks, processes.this_process(self.ended)
            )

    def _other_locks(self) -> list[locks.Lock]:
        """Return the locks of runs that may be alive, among those that can be read without starting Pulumi."""
        this_run = processes.this_process(self.ended)
        held_locks = location.read_locks(self.stack, self.location)
        return [lock for lock in held_locks if not locks.is_left_over(lock, this_run)]

    def config(self, key: str) -> str:
        """Return one value of the stack's config, decrypted if it is a secret.

        Raises:
            IcsError: the value or stack does not exist, or the passphrase is wrong.
        """
        try:
            return self.workspace.get_config(self.stack.name, key).value
        except automation.CommandError as error:
            raise self._error(error) from error

    def try_creation(self) -> tuple[str, ...]:
        """Check what the creation of the stack needs, without creating it, and return what it would do beyond that.

        A stack of the same name is created in an empty folder, from a copy of the stack file: so a missing passphrase
        is reported, and one that does not fit the salt in the stack file. A backend that keeps the secrets' key, and a
        key service of a cloud, need no passphrase.

        Raises:
            IcsError: the creation would fail.
        """
        name = f"Pulumi.{self.stack.name}.yaml"
        text = (self.stack.root / "stacks" / name).read_text()
        provider = (yaml.safe_load(text) or {}).get("secretsprovider", "passphrase")
        backend = self.location.backend
        if backend and backend.kind is not state_backend.Kind.SERVICE and provider == "passphrase":
            trial = self.folder / "trial"
            (trial / "state").mkdir(parents=True)
            (trial / name).write_text(text)
            (trial / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "ics", "runtime": "python"}))
            environment = {**self.workspace.env_vars, pulumi_stack.VARIABLE: f"file://{trial / 'state'}"}
            self._command("stack", "init", self.stack.name, folder=trial, environment=environment)
        if cli.has_plugin():
            return ()
        return (f"Pulumi's Kubernetes plugin {cli.plugin_version()} is not installed; `ics up` downloads it",)

    def preview(self, program: program_server.Program, is_refreshing: bool) -> runs.RunResult:
        """Run a program and return the changes that an update would make.

        Args:
            program: registers the resources.
            is_refreshing: compare with the cluster instead of the state, which stays unchanged.

        Raises:
            StackMissing: the stack does not exist, and this session does not create it.
            IcsError: the stack cannot be opened.
        """
        options = [*(["--refresh"] if is_refreshing else []), *self._policy_packs]
        with program_server.serve(program, self.folder) as address:
            return self._run("preview", *_inline(address), *options)

    def refresh(self, keys: Collection[members.Key], message: str) -> runs.RunResult:
        """Refresh the state from the cluster.

        Args:
            keys: objects to refresh; empty: all objects in the state.
            message: of this run in the stack's history.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        patterns = [runs.pattern(self.stack.name, key) for key in sorted(keys)]
        return self._run_locking("refresh", *_UNASKED, "--message", message, *_targets(patterns))

    def update(
        self,
        program: program_server.Program,
        targets: Sequence[str],
        message: str,
        is_refreshing: bool = False,
    ) -> runs.RunResult:
        """Update exactly these resources with a program.

        Args:
            program: registers the resources.
            targets: URNs or patterns of URNs.
            message: of this update in the stack's history.
            is_refreshing: refresh the state of the targets first, in the same run.

        Raises:
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        options = ["--continue-on-error", *(["--refresh"] if is_refreshing else []), "--message", message]
        with program_server.serve(program, self.folder) as address:
            return self._run_locking(
                "up", *_inline(address), *_UNASKED, *options, *self._policy_packs, *_targets(targets)
            )

    def destroy(self) -> runs.RunResult:
        """Delete all objects in the state, except retained ones, which are only removed from the state.

        The provider is protected while a node runs, so that a `pulumi destroy` by hand asks for another command first.

        Raises:
            StackMissing: the stack does not exist, and this session does not create it.
            Transient: another run holds the stack; the message names it.
            IcsError: the stack cannot be opened.
        """
        self._with_lock(self._unprotect)
        return self._run_locking("destroy", *_UNASKED, "--continue-on-error")

    @property
    def _policy_packs(self) -> list[str]:
        return [word for path in self.stack.policy_packs for word in ("--policy-pack", str(path))]

    def _run_locking(self, command: str, *options: str) -> runs.RunResult:
        result = self._with_lock(lambda: self._run(command, *options))
        if result.has_pending:
            self._forget_pending()
        return result

    def _with_lock(self, act: Callable[[], _Result]) -> _Result:
        """Do something that takes the stack's lock; a lock that a crashed run has left is removed."""
        if not self.has_written:
            _end_leftovers(self.stack)
        self.has_written = True
        try:
            return act()
        except automation.ConcurrentUpdateError as error:
            self._unlock(str(error))
            return act()

    def _run(self, command: str, *options: str) -> runs.RunResult:
        try:
            return self._run_once(command, *options)
        except automation.StackNotFoundError as error:
            if not self.creates:
                raise StackMissing from error
        self._command("stack", "init", self.stack.name)
        return self._run_once(command, *options)

    def _run_once(self, command: str, *options: str) -> runs.RunResult:
        log = self.folder / "events.jsonl"
        log.unlink(missing_ok=True)
        names = ("--stack", self.stack.name, "--event-log", str(log))
        try:
            self._start(command, *names, "--suppress-outputs", "--suppress-progress", *options)
        except (automation.ConcurrentUpdateError, automation.StackNotFoundError):
            raise
        except automation.CommandError as error:
            result = read_events(_logged(log))
            if result.failures:
                return result
            raise self._error(error) from error
        return read_events(_logged(log))

    def _unprotect(self) -> None:
        for resource in self._export().get("resources") or []:
            if resource.get("protect"):
                try:
                    self._start("state", "unprotect", resource["urn"], "--yes", "--stack", self.stack.name)
                except automation.ConcurrentUpdateError:
                    raise
                except automation.CommandError as error:
                    raise self._error(error) from error

    def _unlock(self, text: str) -> None:
        held_locks, this_run = locks.parse(text), processes.this_process(self.ended)
        if not held_locks or not all(locks.is_left_over(lock, this_run) for lock in held_locks):
            raise locks.locked_error(self.stack, self.location, held_locks, this_run)
        self._command("cancel", "--yes", "--stack", self.stack.name)
        self.repairs.append(locks.removed_message(self.stack.name, held_locks))
        self._forget_pending()

    def _forget_pending(self) -> None:
        """Remove pending operations of a killed run; the next update adopts or creates their objects."""
        pending = self._export().get("pending_operations") or []
        if pending:  # an import omits them
            self._command("stack", "import", "--stack", self.stack.name, "--file", str(self._exported))
            names = ", ".join(f"{p['type']} {p['resource']['urn'].rpartition('::')[2]}" for p in pending)
            self.repairs.append(f"Pulumi stack {self.stack.name}: removed pending operations: {names}")

    @property
    def _exported(self) -> Path:
        return self.folder / "state.json"

    def _export(self) -> dict[str, Any]:
        """Return the state, in which secrets are encrypted."""
        self._command("stack", "export", "--stack", self.stack.name, "--file", str(self._exported))
        deployment: dict[str, Any] = json.loads(self._exported.read_text()).get("deployment") or {}
        return deployment

    def _error(self, error: automation.CommandError) -> errors.IcsError:
        backend = self.location.backend
        text = pulumi_errors.from_output(*_output(error))
        if backend:  # its URL may contain a password
            text = text.replace(backend.url, str(backend))
        return pulumi_errors.as_error(
            text, backend=str(self.location), needs=backend.needs if backend else ""
        )

    def _command(
        self, *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        try:
            self._start(*arguments, folder=folder, environment=environment)
        except automation.StackNotFoundError as error:
            raise StackMissing from error
        except automation.CommandError as error:
            raise self._error(error) from error

    def _start(
        self, *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        variables = {**(environment or self.workspace.env_vars), "PULUMI_DEBUG_COMMANDS": "true"}
        self.workspace.pulumi_command.run(list(arguments), str(folder or self.workspace.work_dir), variables)


@contextlib.contextmanager
def open_session(
    stack: pulumi_stack.Stack,
    passphrase: model.Secret | None,
    *,
    creates: bool = False,
    ended: frozenset[str] = frozenset(),
) -> Iterator[Session]:
    """Open a stack without running it.

    Args:
        stack: location of the stack.
        passphrase: passphrase of its secrets; None: the one of the environment.
        creates: create the stack with its first run if it does not exist.
        ended: hosts whose runs have ended, so that their locks are leftovers.

    Raises:
        EngineUnusable: the Pulumi CLI is not installed, no backend is configured, two passphrases are given, or a
            policy pack is missing.
    """
    command, where = cli.command(), location.find(stack, os.environ)
    for pack in stack.policy_packs:
        if not (pack / _PACK).is_file():
            raise engines.EngineUnusable(
                f"ics:pulumi.policy_packs: {pack} has no {_PACK}; name the folder of a policy pack, which the image of"
                " the reconciler must contain, too"
            )
    _delete_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{supervision.PREFIX}{os.getpid()}-"))
    try:
        environment = {**_QUIET, "TMPDIR": str(folder), **_limits(stack.limits)}
        if where.backend is not None:
            environment[pulumi_stack.VARIABLE] = where.backend.url
        if passphrase is not None:  # in a file, because other processes can read an environment
            environment[pulumi_stack.PASSPHRASE_FILE] = str(_write_passphrase(folder, passphrase))
        workspace = automation.LocalWorkspace(
            work_dir=str(stack.root), env_vars=environment, pulumi_command=command
        )
        session = Session(
            stack=stack, folder=folder, workspace=workspace, location=where, creates=creates, ended=ended
        )
        if location.repair(stack, where):
            session.repairs.append(
                f"Pulumi stack {stack.name}: removed a file that a killed run left half written"
            )
        with supervision.watched(folder):
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
    """Return the variables that limit Pulumi's logs and writes, except those that the environment has already."""
    variables = {
        # The state is written once, at the end of a run, and not after each object: a bucket takes long for each. It is
        # only a record. What a killed run has done is found in the cluster, and adopted by the next one.
        "PULUMI_SKIP_CHECKPOINTS": "true",
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
        supervision.clear_session(str(folder))
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


def _inline(address: str) -> list[str]:
    """Return the options that make the CLI run the program at an address, as the Automation API gives them."""
    return [f"--client={address}", "--exec-kind", "auto.inline"]


def _targets(patterns: Sequence[str]) -> list[str]:
    return [word for pattern in patterns for word in ("--target", pattern)]


def _logged(log: Path) -> list[automation.EngineEvent]:
    """Read the events of a run; the last line of one that was killed may be incomplete."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # it failed before its first event
        for line in log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(automation.EngineEvent.from_json(json.loads(line)))
    return found


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
