"""Parser of the command line: the name and the help of every command.

A command's module, which imports the adapters, is loaded only when that command is typed.
"""

import argparse
import importlib
from collections.abc import Sequence
from typing import Any

from ics import VERSION
from ics.cli import terminal

_COMMANDS = (
    ("plan", "stack", "Show the changes and transactions a pass would make."),
    ("up", "stack", "Run one reconcile pass."),
    ("status", "stack", "Show phase, participation, node and conditions of every chain."),
    ("events", "events", "Show the Kubernetes Events about chains and validator."),
    ("watch", "watch", "Reconcile continuously, triggered by events."),
    ("destroy", "stack", "Delete the stack's objects; keep volumes, keys and namespaces."),
    ("config", "config", "Check the configuration of a stack."),
    ("doctor", "doctor", "Diagnose settings, endpoints, keys, account, cluster and chains."),
    ("opt-in", "validator", "Join a chain: prepare its node, then opt in."),
    ("opt-out", "validator", "Leave a launched chain; its node runs until the chain drops its key."),
    ("commission", "validator", "Show or set this validator's commission rate on a consumer chain."),
    ("unjail", "validator", "Release this validator from jail after downtime."),
    ("sign-state", "recovery", "Recover a chain's sign state."),
    ("takeover", "takeover", "Move chains here from another installation, without a missed block."),
    ("assign-key", "takeover", "Assign a new key for a chain, as after a leak before its launch."),
    ("snapshot", "snapshot", "Make a snapshot of a chain's volume, or list its snapshots."),
    ("restore", "snapshot", "Restore a chain's volume from a snapshot; its key is replaced."),
    ("purge", "recovery", "Permanently delete the volume, keys and namespace of a removed chain."),
    ("alerts", "alerts", "Try the Alertmanagers to which conditions are pushed."),
    ("hermes", "relayer", "Inspect the relayers."),
    ("peers", "peers", "Update the peers of running nodes."),
    ("upgrade", "upgrade", "Show the upgrades of the chains' software."),
    ("nodes", "nodes", "Restart nodes that an earlier version of this program started."),
    ("endpoint", "endpoint", "Publish, list and check the peer endpoints of validators."),
    ("chain", "chain", "Import and check definitions; rehearse a chain's start with throw-away keys."),
    ("consumer", "consumer", "List consumer chains, and manage those of this owner."),
    ("keys", "keys", "Manage encrypted account keys and seeds."),
    ("show", "show", "Offline calculators: ports, peers, node ids, genesis, RBAC, alerts."),
)
"""Name, module in `ics.cli.commands`, help."""


def build(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser for a command line; without one, the parser of all commands.

    Args:
        words: the command line; only the command that it names gets its own arguments.
    """
    parser = argparse.ArgumentParser(prog="ics", description="Run the consumer chains of an ICS validator.")
    parser.add_argument("--version", action=_Version, help="Print the version and exit.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module, text in _COMMANDS:
        command = commands.add_parser(name, help=text, description=text)
        if words is None or name in words[:1]:
            importlib.import_module(f"ics.cli.commands.{module}").register(command, name)
    return parser


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *values: Any) -> None:
        terminal.write(f"ics-operator {VERSION}")
        parser.exit()
