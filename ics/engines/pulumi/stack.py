"""Where the state of a Pulumi stack is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of this project."""

    root: Path
    """The project's folder."""
    name: str
    backend: str | None = None
    """URL of the state's backend; None: as $PULUMI_BACKEND_URL or `pulumi login` say."""
    overrides: tuple[str, ...] = ()
    """Settings given as flags."""
