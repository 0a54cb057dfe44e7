"""Asks the Pulumi CLI, its backend and the cluster what `pulumi_checks` judges."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic
import yaml

from ics import errors, model
from ics.cli.doctor import cluster_checks, findings, kube_probes, pulumi_checks
from ics.cli.doctor.findings import Finding
from ics.cluster.api import client
from ics.config import secret_sources
from ics.config import settings as config_settings
from ics.engines.applyset import parent
from ics.engines.pulumi import cli, location, pods, processes, stack

_SECONDS = 30.0
_PLUGINS = pydantic.TypeAdapter(list[dict[str, object]])
"""What `pulumi plugin ls --json` prints."""

ReadSecret = Callable[[secret_sources.SecretSource, str], Awaitable[model.Secret]]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """Return the last line of its error output."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PulumiProbe:
    """One stack, with what the doctor has opened already."""

    settings: config_settings.Settings
    root: Path
    name: str
    environment: Mapping[str, str]
    kube: client.KubeClient | None
    """None: the cluster is not reachable."""
    read: ReadSecret

    async def examine(self) -> list[Finding]:
        """Check everything that passes of the Pulumi engine need, if this stack is Pulumi's."""
        engine, check = self.settings.engine, pulumi_checks.CHECK
        recorded, unread = parent.Parent(), "the cluster is not reachable"
        if self.kube is not None:
            try:
                recorded, unread = await location.read_parent(self.kube, self.settings), ""
            except errors.IcsError as error:
                unread = str(error)
        if engine == "auto" and unread:
            return [findings.warn(check, f"auto: skipped; the engine on record cannot be read ({unread})")]
        if not pulumi_checks.is_used(engine, recorded.engine):
            text = f"{engine}: the embedded engine, which needs no installation"
            if self.settings.pulumi != config_settings.PulumiSettings():
                command = f"ics doctor --stack {self.name} --set engine=pulumi"
                text += f"; what ics:pulumi names is not checked, unless with `{command}`"
            return [findings.ok(check, text)]
        try:
            program = cli.check()
        except errors.IcsError as error:
            return findings.of_error(check, error)
        return [*await self._installation(program), *await self._stack(recorded), *await self._rights()]

    async def _installation(self, program: Path) -> list[Finding]:
        version, plugins = await asyncio.gather(
            _run([str(program), "version"], self.root, self.environment),
            _run([str(program), "plugin", "ls", "--json"], self.root, self.environment),
        )
        if version.code:
            text = f"`pulumi version` fails ({version.last}); install version {cli.version()} again"
            return [findings.fail(pulumi_checks.CHECK, text)]
        path = f"{program.parent}{os.pathsep}{self.environment.get('PATH', '')}"
        results = [pulumi_checks.version(version.out, cli.version())]
        if shutil.which("pulumi-language-python", path=path) is None:
            text = (
                f"`pulumi-language-python` is missing beside {program}; install version {cli.version()} again"
            )
            results.append(findings.fail(pulumi_checks.CHECK, text))
        try:
            installed = _PLUGINS.validate_json(plugins.out or "[]")
        except ValueError:
            text = f"pulumi does not list its plugins ({plugins.last})"
            return [*results, findings.warn(pulumi_checks.CHECK, text)]
        ambient = shutil.which("pulumi-resource-kubernetes", path=path) or ""
        return [
            *results,
            pulumi_checks.plugin(installed, ambient, cli.plugin_version(), cli.plugin_command()),
        ]

    async def _rights(self) -> list[Finding]:
        """Check what the Kubernetes plugin needs in the cluster beyond the rights of all passes."""
        if self.kube is None:  # which is another check's
            return []
        try:
            granted = await kube_probes.granted_to_pulumi(self.kube)
        except errors.IcsError as error:
            return findings.of_error("rights", error)
        return cluster_checks.rights(granted, "passes with Pulumi also use")

    async def _stack(self, recorded: parent.Parent) -> list[Finding]:
        """Check backend, passphrase and locks, and select the stack as a pass does."""
        pulumi_stack = stack.of_settings(self.root, self.name, self.settings.pulumi)
        pulumi_stack = pulumi_stack.with_record(recorded.backend)
        try:
            where = location.find(pulumi_stack, self.environment)
        except errors.IcsError as error:
            return findings.of_error(pulumi_checks.BACKEND, error)
        results = pulumi_checks.location(where, recorded.backend)
        secret, found = await self._passphrase(where)
        results += found
        missing = self._folder_problem(pulumi_stack, where)
        if missing is not None:
            return [*results, missing]
        if not any(finding.level is findings.Level.FAIL for finding in results):
            results += await asyncio.to_thread(_select, pulumi_stack, secret)
        held, ended = location.read_locks(pulumi_stack, where), frozenset[str]()
        if held and self.kube is not None:
            with contextlib.suppress(errors.IcsError):  # then it is unknown whether they have ended
                ended = await pods.ended_hosts(self.kube, recorded)
        return [
            *results,
            *pulumi_checks.held_locks(held, pulumi_stack, where, processes.this_process(ended)),
        ]

    def _folder_problem(self, pulumi_stack: stack.Stack, where: stack.Location) -> Finding | None:
        folder = where.backend.folder(pulumi_stack.root, processes.home()) if where.backend else None
        if folder is None:
            return None
        if not Path(folder).is_dir():
            return findings.fail(
                pulumi_checks.BACKEND, f"{folder} does not exist; run `mkdir -p {folder}`, or correct the URL"
            )
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return findings.fail(
                pulumi_checks.BACKEND, f"{folder} is not writable; give this user access, or correct the URL"
            )
        return None

    async def _passphrase(self, where: stack.Location) -> tuple[model.Secret | None, list[Finding]]:
        source = self.settings.pulumi.passphrase
        file = self.environment.get(stack.PASSPHRASE_FILE, "")
        facts = pulumi_checks.PassphraseFacts(
            is_set=source is not None,
            environment=self.environment,
            secrets_provider=_secrets_provider(self.root, self.name),
            backend=where.backend,
            file_mode=_mode(Path(file)) if file else None,
        )
        finding = pulumi_checks.passphrase(facts)
        if source is None or finding is not None:
            return None, [finding] if finding is not None else []
        try:
            return await self.read(source, pulumi_checks.PASSPHRASE), []
        except errors.IcsError as error:
            return None, findings.of_error(pulumi_checks.PASSPHRASE, error)


def _select(pulumi_stack: stack.Stack, passphrase: model.Secret | None) -> list[Finding]:
    from ics.engines.pulumi import session  # it imports pulumi, which is slow

    check = pulumi_checks.CHECK
    try:
        with session.open_session(pulumi_stack, passphrase) as pulumi:
            pulumi.check_secrets()
    except session.StackMissing:
        return [
            findings.ok(check, f"stack {pulumi_stack.name} does not exist yet; the first `ics up` creates it")
        ]
    except errors.IcsError as error:
        return findings.of_error(check, error)
    return [findings.ok(check, f"stack {pulumi_stack.name} can be opened")]


def _secrets_provider(root: Path, name: str) -> str:
    """Return the secrets provider that the stack file names, or an empty text."""
    try:
        content = yaml.safe_load((root / "stacks" / f"Pulumi.{name}.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):  # the check of the settings reports it
        return ""
    provider = content.get("secretsprovider") if isinstance(content, dict) else None
    return provider if isinstance(provider, str) else ""


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777 if os.access(path, os.R_OK) else None
    except OSError:
        return None


async def _run(command: list[str], root: Path, environment: Mapping[str, str]) -> CommandResult:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=root,
        env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return CommandResult(1, "", f"timed out after {_SECONDS:.0f} s")
    return CommandResult(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
