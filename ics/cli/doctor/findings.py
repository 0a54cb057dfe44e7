"""What the doctor has found; pure."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ics import errors


class Level(enum.IntEnum):
    """How bad a finding is."""

    OK = 0
    WARN = 1
    """It works, or could not be looked at; but somebody should know."""
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """What was looked at: a setting's key, or a word such as `clock`."""
    level: Level
    text: str
    """One line, with the mend of what is not well."""
    may_pass: bool = False
    """A failure that may be over at the next run without anybody doing anything."""

    def as_dict(self) -> dict[str, Any]:
        """JSON of a stable shape."""
        return {
            "check": self.check,
            "level": self.level.name.lower(),
            "message": self.text,
            "may_pass": self.may_pass,
        }

    def line(self) -> str:
        """For people."""
        return f"{self.level.name.lower():<5} {self.check}: {self.text}"


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, text)


def warn(check: str, text: str) -> Finding:
    """Somebody should know."""
    return Finding(check, Level.WARN, text)


def fail(check: str, text: str) -> Finding:
    """Somebody must do something."""
    return Finding(check, Level.FAIL, text)


def of_error(check: str, error: Exception) -> list[Finding]:
    """What a check that could not be finished has found; any error of ours carries its mend."""
    if isinstance(error, errors.SettingsError):
        return [fail(check, problem.removeprefix(f"{check}: ")) for problem in error.problems]
    if isinstance(error, errors.IcsError):
        return [Finding(check, Level.FAIL, str(error), isinstance(error, errors.Transient))]
    return [fail(check, f"this check itself broke ({type(error).__name__}: {error}): please report it")]


def of_problems(check: str, problems: Iterable[str], well: str, level: Level = Level.FAIL) -> list[Finding]:
    """One finding for each problem, or that all is well."""
    return [Finding(check, level, problem) for problem in problems] or [ok(check, well)]


_ORDER = (
    "version",
    "settings",
    "all else",
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
    "ics:engine",
)


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """The findings from the inside to the outside, whichever check came to its end first."""

    def rank(one: Finding) -> int:
        return next((at for at, start in enumerate(_ORDER) if one.check.startswith(start)), len(_ORDER))

    return sorted(found, key=rank)


def exit_code(found: Sequence[Finding]) -> int:
    """0: nothing failed; 1: what failed may pass; 2: somebody must mend something."""
    failed = [one for one in found if one.level is Level.FAIL]
    return 0 if not failed else 1 if all(one.may_pass for one in failed) else 2
