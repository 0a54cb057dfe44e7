"""Location of a Pulumi stack; pure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stack:
    """A Pulumi stack of this project."""

    root: Path
    """The project's folder."""
    name: str
    backend: str | None = None
    """URL of the state's backend; None: the one of $PULUMI_BACKEND_URL or `pulumi login`."""
    overrides: tuple[str, ...] = ()
    """Settings from command-line flags."""
    policy_packs: tuple[Path, ...] = ()
    """Folders of the policy packs that every preview and update must pass."""
