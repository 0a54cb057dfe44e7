"""Checks of what the Pulumi engine needs, from facts that are given; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ics import engines
from ics.cli.doctor import findings
from ics.cli.doctor.findings import Finding
from ics.config import state_backend
from ics.engines.pulumi import locks, stack

CHECK = "ics:engine"
BACKEND = "ics:pulumi.backend"
PASSPHRASE = "ics:pulumi.passphrase"  # noqa: S105 - a setting's name
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def is_used(setting: str, recorded: str) -> bool:
    """Return whether a stack is Pulumi's.

    Args:
        setting: `ics:engine`.
        recorded: the engine that converged the cluster last; empty: none.
    """
    return setting == engines.PULUMI or (setting == "auto" and recorded == engines.PULUMI)


def version(text: str, wanted: str) -> Finding:
    """Check the version of the CLI.

    Args:
        text: output of `pulumi version`.
        wanted: version of the program's library.
    """
    found, fits = _VERSION.match(text.strip()), _VERSION.match(wanted)
    if found is None or fits is None:
        return findings.warn(
            CHECK, f"`pulumi version` returns {text.strip()!r}, not a version; install {wanted}"
        )
    own, needed = [tuple(map(int, each.groups())) for each in (found, fits)]
    shown = text.strip().removeprefix("v")
    if own[0] != needed[0]:
        return findings.fail(CHECK, f"pulumi {shown} does not fit the program; install version {wanted}")
    if own < needed:
        return findings.warn(
            CHECK, f"pulumi {shown} is older than the program's library; install version {wanted}"
        )
    return findings.ok(CHECK, f"pulumi {shown}")


def plugin(installed: Sequence[Mapping[str, object]], on_path: str, wanted: str, command: str) -> Finding:
    """Check the Kubernetes plugin, of which Pulumi takes the version that the program's library names.

    Args:
        installed: from `pulumi plugin ls --json`.
        on_path: path of a plugin on the PATH, which Pulumi prefers; empty: none.
        wanted: version that the library names.
        command: installs that version.
    """
    if on_path:
        text = f"Pulumi takes {on_path} from the PATH, whatever its version; the program needs {wanted}"
        return findings.warn(CHECK, text)
    versions = sorted(
        str(each.get("version", "")).removeprefix("v")
        for each in installed
        if each.get("name") == "kubernetes"
    )
    if wanted in versions:
        return findings.ok(CHECK, f"plugin kubernetes {wanted}")
    there = f"only {', '.join(versions)}" if versions else "none"
    return findings.fail(
        CHECK, f"the program needs plugin kubernetes {wanted}, and there is {there}; run `{command}`"
    )


def location(where: stack.Location, recorded: str) -> list[Finding]:
    """Report where the state is, and whether passes used another backend before.

    Args:
        where: the backend that the next pass uses.
        recorded: URL of the one that the last pass which started Pulumi used; empty: unknown.
    """
    results = [findings.ok(BACKEND, f"the state is in {where}")]
    if recorded and where.record and recorded != where.record:
        results.append(
            findings.warn(
                BACKEND,
                f"the last pass that started Pulumi used {shown(recorded)}; if the state was not moved on purpose,"
                f" set {BACKEND}: {shown(recorded)}",
            )
        )
    return results


def shown(url: str) -> str:
    """Return a URL on record for messages."""
    try:
        return str(state_backend.parse(url))
    except ValueError:
        return "an invalid URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseFacts:
    """What encrypts the secrets in the state."""

    is_set: bool
    """Whether `ics:pulumi.passphrase` is set."""
    environment: Mapping[str, str]
    secrets_provider: str
    """`secretsprovider` of the stack file; empty: none."""
    backend: state_backend.StateBackend | None
    file_mode: int | None = None
    """Permissions of the file that the environment names; None: it names none, or there is no such file."""


def passphrase(facts: PassphraseFacts) -> Finding | None:
    """Check that there is a passphrase where one is needed; None: the setting names it, and it was read."""
    provider = facts.secrets_provider.partition("://")[0]
    if provider not in ("", "passphrase"):
        return findings.ok(PASSPHRASE, f"not needed: the stack's secrets provider is {provider}")
    if facts.is_set:
        return None
    if stack.PASSPHRASE in facts.environment:
        return findings.ok(PASSPHRASE, f"from ${stack.PASSPHRASE}")
    file = facts.environment.get(stack.PASSPHRASE_FILE, "")
    if file:
        if facts.file_mode is None:
            return findings.fail(
                PASSPHRASE, f"${stack.PASSPHRASE_FILE}: {file} does not exist or is not readable; correct it"
            )
        if facts.file_mode & 0o077:
            return findings.warn(PASSPHRASE, f"{file} is readable by other users; run `chmod 600 {file}`")
        return findings.ok(PASSPHRASE, f"from {file} (${stack.PASSPHRASE_FILE})")
    if not provider and facts.backend is not None and facts.backend.kind is state_backend.Kind.SERVICE:
        return findings.ok(PASSPHRASE, "not needed: Pulumi's service encrypts the secrets")
    return findings.fail(
        PASSPHRASE,
        f"not set, and the environment has neither ${stack.PASSPHRASE_FILE} nor ${stack.PASSPHRASE}; set {{file:"
        " PATH}, {env: NAME} or {secret: {namespace, name, key}}",
    )


def held_locks(
    found: Sequence[locks.Lock],
    pulumi_stack: stack.Stack,
    where: stack.Location,
    this_process: locks.ThisProcess,
) -> list[Finding]:
    """Report who holds each lock of a stack, and whether the next pass removes it."""
    results = []
    for lock in found:
        text = f"stack {pulumi_stack.name} is locked by {locks.describe(lock, this_process)}"
        if locks.is_left_over(lock, this_process):
            results.append(
                findings.warn(CHECK, f"{text}; the next pass that changes something removes the lock")
            )
        else:
            text = f"{text}; {locks.remedy(pulumi_stack, where, [lock], this_process)}"
            results.append(findings.warn(CHECK, text))
    return results
