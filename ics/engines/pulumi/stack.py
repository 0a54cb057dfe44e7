"""A Pulumi stack, and where its state is; pure.

`locate` is the only place that decides it: for passes, for `ics doctor`, and for the commands in messages.
"""

import dataclasses
import enum
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ics import engines
from ics.config import settings as config_settings
from ics.config import state_backend

VARIABLE = "PULUMI_BACKEND_URL"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a variable's name
PASSPHRASE_FILE = f"{PASSPHRASE}_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of what Pulumi leaves on disks; see `ics.config.settings.PulumiSettings`."""

    history: int = 100
    """Updates."""
    log_megabytes: int = 100
    log_days: int = 7


@dataclass(frozen=True, slots=True)
class Stack:
    """A Pulumi stack of this project."""

    root: Path
    """The project's folder."""
    name: str
    backend: str | None = None
    """`ics:pulumi.backend`."""
    limits: Limits = Limits()
    policy_packs: tuple[Path, ...] = ()
    """Folders of the policy packs that every preview and update must pass."""
    recorded: str = ""
    """URL of the backend that the last pass recorded in the cluster; empty: none."""

    def with_record(self, url: str) -> Self:
        """Return the stack with the backend that the set's parent names."""
        return dataclasses.replace(self, recorded=url)


def of_settings(root: Path, name: str, settings: config_settings.PulumiSettings) -> Stack:
    """Return the stack of a project with the settings that concern Pulumi.

    Args:
        root: the project's folder.
        name: name of the stack.
        settings: of the stack.
    """
    limits = Limits(
        history=settings.history, log_megabytes=settings.log_megabytes, log_days=settings.log_days
    )
    packs = tuple(root / Path(pack).expanduser() for pack in settings.policy_packs)
    return Stack(root, name, settings.backend, limits, packs)


class Source(enum.StrEnum):
    """What names the backend, in words for messages; in the order in which they count."""

    SETTING = "ics:pulumi.backend"
    ENVIRONMENT = f"${VARIABLE}"
    RECORD = "the record of the last pass in the cluster"
    PROJECT = "`backend` in Pulumi.yaml"
    LOGIN = "`pulumi login`"


@dataclass(frozen=True, slots=True)
class Location:
    """The backend of a stack's state."""

    backend: state_backend.StateBackend | None
    """None: the one of `pulumi login`, whose file only Pulumi can read."""
    source: Source

    def __str__(self) -> str:
        """Return backend and source for messages."""
        return f"{self.backend} (from {self.source})" if self.backend else f"the backend of {self.source}"

    def command(self, *arguments: str) -> str:
        """Return a command of the CLI as it is typed in the project's folder, for this stack's backend.

        The variable is left out where a shell has the same backend without it, or where it would show a password.
        """
        words = shlex.join(["pulumi", *arguments])
        if self.backend is None or self.source not in (Source.SETTING, Source.RECORD):
            return words
        return f"{VARIABLE}={shlex.quote(self.backend.url)} {words}"

    @property
    def record(self) -> str:
        """URL to record in the cluster; empty if it is unknown or contains a password."""
        return "" if self.backend is None or self.backend.has_password else self.backend.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The URLs by which a backend may be named; empty: not named there."""

    setting: str = ""
    environment: str = ""
    recorded: str = ""
    project: str = ""
    login: str | None = ""
    """None: there is a login, in a form that only Pulumi can read."""


def locate(candidates: Candidates) -> Location:
    """Return where the state is.

    A variable counts more than the record, because an operator gives it for this run; a login counts less, because it
    is the host's, whatever the stack.

    Raises:
        EngineUnusable: nothing names a backend, or the URL is not one.
    """
    urls = {
        Source.SETTING: candidates.setting,
        Source.ENVIRONMENT: candidates.environment,
        Source.RECORD: candidates.recorded,
        Source.PROJECT: candidates.project,
        Source.LOGIN: candidates.login,
    }
    source, url = next(((source, url) for source, url in urls.items() if url != ""), (None, ""))
    if source is None:
        raise engines.EngineUnusable(
            "ics:pulumi.backend: no state backend configured: neither this setting nor"
            f" ${VARIABLE} nor `pulumi login` names one; set a URL such as file:///var/lib/ics or s3://BUCKET"
        )
    if url is None:
        return Location(None, source)
    try:
        return Location(state_backend.parse(url), source)
    except ValueError as error:
        raise engines.EngineUnusable(f"{source}: {error}") from error
