"""Findings of `ics doctor`; pure."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ics import errors


class Level(enum.IntEnum):
    """Severity of a finding."""

    OK = 0
    WARN = 1
    """It works or could not be checked, but deserves attention."""
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """Subject of the check: a setting's key, or a word such as `clock`."""
    level: Level
    text: str
    """One line, with what to do about a problem."""
    may_pass: bool = False
    """Whether the failure may disappear without any action."""

    def as_dict(self) -> dict[str, Any]:
        """Return JSON of a stable shape."""
        return {
            "check": self.check,
            "level": self.level.name.lower(),
            "message": self.text,
            "may_pass": self.may_pass,
        }

    def line(self) -> str:
        """Return the finding as one line of text."""
        return f"{self.level.name.lower():<5} {self.check}: {self.text}"


def ok(check: str, text: str) -> Finding:
    """Return a finding of a successful check."""
    return Finding(check, Level.OK, text)


def warn(check: str, text: str) -> Finding:
    """Return a finding that deserves attention."""
    return Finding(check, Level.WARN, text)


def fail(check: str, text: str) -> Finding:
    """Return a finding that requires action."""
    return Finding(check, Level.FAIL, text)


def of_error(check: str, error: Exception) -> list[Finding]:
    """Return the findings of a check that raised an error."""
    if isinstance(error, errors.SettingsError):
        return [fail(check, problem.removeprefix(f"{check}: ")) for problem in error.problems]
    if isinstance(error, errors.IcsError):
        return [Finding(check, Level.FAIL, str(error), isinstance(error, errors.Transient))]
    return [
        fail(check, f"unexpected error in this check ({type(error).__name__}: {error}); please report it")
    ]


def of_problems(
    check: str, problems: Iterable[str], success: str, level: Level = Level.FAIL
) -> list[Finding]:
    """Return a finding for each problem, or a successful one."""
    return [Finding(check, level, problem) for problem in problems] or [ok(check, success)]


_ORDER = (
    "version",
    "settings",
    "other checks",
    "ics:provider.rest",
    "ics:provider.archive_rest",
    "ics:provider.rpc",
    "ics:provider.grpc",
    "clock",
    "provider",
    "ics:seed",
    "ics:account",
    "validator",
    "description",
    "cluster",
    "rights",
    "ics:node",
    "LoadBalancer",
    "ports",
    "image",
    "definitions",
    "stacks/chains",
    "chain",
    "conditions",
    "ics:monitoring",
    "ics:engine",
    "ics:pulumi",
)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in a fixed order, whichever check finished first."""

    def rank(one: Finding) -> int:
        return next((at for at, start in enumerate(_ORDER) if one.check.startswith(start)), len(_ORDER))

    return sorted(findings, key=rank)


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each level, in words."""
    ok, warnings, failures = (sum(one.level is level for one in findings) for level in Level)
    return f"{ok} ok, {_count(warnings, 'warning')}, {_count(failures, 'error')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0: no failure. 1: only temporary failures. 2: a failure that requires action."""
    failed = [one for one in findings if one.level is Level.FAIL]
    return 0 if not failed else 1 if all(one.may_pass for one in failed) else 2
