"""Where the local network keeps its files: cache, state, credentials."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """What is built once and kept: `$ICS_CACHE`, by default `~/.cache/ics-operator`."""
    return Path(os.environ.get("ICS_CACHE") or Path.home() / ".cache" / "ics-operator")


def state() -> Path:
    """What lives as long as the network: `$ICS_DEVNET_STATE`, by default `/var/lib/ics-devnet`."""
    return Path(os.environ.get("ICS_DEVNET_STATE") or "/var/lib/ics-devnet")


def host_state(name: str) -> Path:
    """The part of the state that belongs to one host."""
    return state() / name


def log(owner: str, program: str) -> Path:
    """The log file of one program."""
    return state() / "log" / owner / f"{program}.log"


def audit_log(name: str) -> Path:
    """Where a host's API server writes down who asked it for what: one JSON event a line.

    Only people and operators are in it (the operator is the user `ics:<name>`), at the level Metadata.
    """
    return host_state(name) / "audit.log"


def credentials(name: str = "") -> Path:
    """What an operator is handed: `.devnet/<name>/` below the checkout, readable by its owner only."""
    return CHECKOUT / ".devnet" / name
