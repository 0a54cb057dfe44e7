"""Checks of what the Pulumi engine needs: the CLI, its Kubernetes plugin, a backend and no lock."""

import asyncio
import json
import shutil
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.config import settings

_CHECK = "ics:engine"
_SECONDS = 30.0


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


async def examine(
    settings: settings.Settings, root: Path, stack: str, environment: Mapping[str, str]
) -> list[Finding]:
    """Check the Pulumi installation, if the settings select that engine."""
    program = shutil.which("pulumi", path=environment.get("PATH"))
    if settings.engine == "apply" or (settings.engine == "auto" and program is None):
        return [findings.ok(_CHECK, f"{settings.engine}: the embedded engine, which needs no installation")]
    if program is None:
        text = "`pulumi` is not on the PATH; install the Pulumi CLI, or set ics:engine: apply"
        return [findings.fail(_CHECK, text)]
    version, plugins, who = await asyncio.gather(
        _run([program, "version"], root, environment),
        _run([program, "plugin", "ls", "--json"], root, environment),
        _run([program, "whoami", "--json", "--non-interactive"], root, environment),
    )
    return [findings.ok(_CHECK, f"pulumi {version.out.strip()}"), _plugin(plugins), *_backend(who, stack)]


def _plugin(ran: CommandResult) -> Finding:
    """Check the answer of `pulumi plugin ls --json`."""
    try:
        names = {one.get("name"): one.get("version") for one in json.loads(ran.out or "[]")}
    except ValueError:
        return findings.warn(_CHECK, f"pulumi does not list its plugins ({ran.last})")
    if "kubernetes" in names:
        return findings.ok(_CHECK, f"plugin kubernetes {names['kubernetes']}")
    return findings.fail(
        _CHECK, "pulumi has no plugin kubernetes; run pulumi plugin install resource kubernetes"
    )


def _backend(ran: CommandResult, stack: str) -> list[Finding]:
    """Check the answer of `pulumi whoami --json`, and look for locks if the backend is a folder."""
    if ran.code:
        text = f"backend not reachable ({ran.last}); check PULUMI_BACKEND_URL, or run pulumi login"
        return [findings.fail(_CHECK, text)]
    url = str(json.loads(ran.out or "{}").get("url", ""))
    parts = urllib.parse.urlsplit(url)
    found = [findings.ok(_CHECK, f"backend {parts.scheme}://{parts.hostname or ''}{parts.path}")]
    if parts.scheme == "file":
        folder = Path(f"{parts.netloc}{parts.path}".replace("~", str(Path.home()), 1))
        for lock in sorted(folder.glob(f".pulumi/locks/organization/*/{stack}/*.json")):
            text = f"stack {stack} is locked ({lock}); if no run is in progress, run pulumi cancel --stack {stack}"
            found.append(findings.warn(_CHECK, text))
    return found


async def _run(command: list[str], root: Path, environment: Mapping[str, str]) -> CommandResult:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=root,
        env=dict(environment),
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
