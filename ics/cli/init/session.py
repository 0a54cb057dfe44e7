"""State of one run of `ics init`: the command line, the stack file that is there, and the draft of the new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ics.cli.init import dialog
from ics.config import settings, stack_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The command line."""

    root: Path
    """The project's folder, absolute."""
    environment: Mapping[str, str]
    given: Mapping[str, str] = field(default_factory=dict)
    """Answers by flags, by the key of their question."""
    passphrase_file: Path | None = None
    words_file: Path | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    """Of the gateway; None: that of the earlier file, or `provider`."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is known so far: settings, comments on them, and what to say at the end."""

    values: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any, *comments: str) -> None:
        """Set a setting, with the lines above it."""
        self.values[key] = value
        self.comments[key] = list(comments)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A stack file that is there."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Settings without their prefix."""
    top: Mapping[str, Any] = field(default_factory=dict)
    """Other keys at the top of the file."""

    def text(self, group: str, key: str) -> str | None:
        """Return one text of a group; the first of a list; None: there is none."""
        value = self.values.get(group)
        inner = value.get(key) if isinstance(value, Mapping) else None
        first = inner[0] if isinstance(inner, list) and inner else inner
        return first if isinstance(first, str) and first else None

    def group(self, group: str) -> Mapping[str, Any]:
        """Return a group of settings; empty if there is none."""
        value = self.values.get(group)
        return value if isinstance(value, Mapping) else {}


def read_earlier(root: Path, name: str) -> Earlier:
    """Read a stack file.

    Raises:
        SettingsError: it cannot be read, or is not YAML.
    """
    origin = f"stacks/Pulumi.{name}.yaml"
    document = stack_file.read_yaml(root / origin, origin)
    content = document if isinstance(document, Mapping) else {}
    config = content.get("config")
    values = config if isinstance(config, Mapping) else {}
    return Earlier(
        {
            key.removeprefix(settings.PREFIX): value
            for key, value in values.items()
            if isinstance(key, str) and key.startswith(settings.PREFIX)
        },
        {key: value for key, value in content.items() if key != "config"},
    )


@dataclass(slots=True, kw_only=True)
class Session:
    """One run."""

    request: Request
    talk: dialog.Dialog
    earlier: Earlier = field(default_factory=Earlier)
    draft: Draft = field(default_factory=Draft)
