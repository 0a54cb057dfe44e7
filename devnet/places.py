"""Folders of the local network: cache, state and credentials."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Return the folder of build results: `$ICS_CACHE`, by default `~/.cache/ics-operator`."""
    return Path(os.environ.get("ICS_CACHE") or Path.home() / ".cache" / "ics-operator")


def state() -> Path:
    """Return the folder of the network's state: `$ICS_DEVNET_STATE`, by default `/var/lib/ics-devnet`."""
    return Path(os.environ.get("ICS_DEVNET_STATE") or "/var/lib/ics-devnet")


def host_state(name: str) -> Path:
    """Return the state folder of one host."""
    return state() / name


def log(owner: str, program: str) -> Path:
    """Return the log file of one program."""
    return state() / "log" / owner / f"{program}.log"


def audit_log(name: str) -> Path:
    """Return the audit log of a host's API server, with one JSON event per line.

    It contains only requests of people and operators (the operator is the user `ics:<name>`), at the level Metadata.
    """
    return host_state(name) / "audit.log"


def credentials(name: str = "") -> Path:
    """Return the folder of an operator's credentials: `.devnet/<name>/` in the checkout, with mode 0700."""
    return CHECKOUT / ".devnet" / name
