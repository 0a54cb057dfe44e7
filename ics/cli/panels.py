"""The commands as `ics --help` lists them; their modules are loaded only when they are called."""

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A command of the first level, whose module in `ics.cli.arguments` has its name, with `_` for `-`."""

    name: str
    text: str


PANELS: Final = {
    "Start": (
        Entry("init", "Create a project folder and a stack, from what is found and a few answers."),
        Entry("doctor", "Diagnose settings, endpoints, keys, account, cluster and chains."),
        Entry("config", "Check the configuration of a stack."),
    ),
    "Watch": (
        Entry("status", "Show phase, node and conditions of every chain, the worst first."),
        Entry(
            "describe",
            "Show all about one chain: state, node, checklist, conditions with what to do, and Events.",
        ),
        Entry(
            "rewards",
            "Show what each chain brings and costs: rewards, fees, and coins of its relayer.",
        ),
        Entry("events", "Show the Kubernetes Events about chains and validator."),
        Entry("logs", "Show the log of a chain's node, sentries, full nodes or relayer."),
        Entry("page", "Serve the status page on this machine, for passes from cron."),
        Entry("alerts", "Try the Alertmanagers to which conditions are pushed."),
        Entry("explain", "Explain a condition: what it means, where to look and what to do."),
    ),
    "Act": (
        Entry("plan", "Show the changes and transactions a pass would make."),
        Entry("up", "Run one reconcile pass."),
        Entry("watch", "Reconcile continuously, triggered by events."),
        Entry("destroy", "Delete the stack's objects; keep volumes, keys and namespaces."),
    ),
    "Chains": (
        Entry("opt-in", "Join a chain: prepare its node, then opt in."),
        Entry("opt-out", "Leave a launched chain; its node runs until the chain drops its key."),
        Entry("commission", "Show or set this validator's commission rate on a consumer chain."),
        Entry("chain", "Import and check definitions; rehearse a chain's start with throw-away keys."),
        Entry("upgrade", "Show the upgrades of the chains' software."),
        Entry("nodes", "Restart nodes that an earlier version of this program started."),
        Entry("snapshot", "Make a snapshot of a chain's volume, or list its snapshots."),
        Entry("restore", "Restore a chain's volume from a snapshot; its key is replaced."),
        Entry("takeover", "Move chains here from another installation, without a missed block."),
        Entry("sign-state", "Recover a chain's sign state."),
        Entry("assign-key", "Assign a new key for a chain, as after a leak before its launch."),
        Entry("purge", "Permanently delete the volume, keys and namespace of a removed chain."),
    ),
    "Validator": (
        Entry("unjail", "Release this validator from jail after downtime."),
        Entry("endpoint", "Publish, list and check the peer endpoints of validators."),
        Entry("peers", "Update the peers of running nodes."),
        Entry("keys", "Manage encrypted account keys and seeds."),
    ),
    "Relayers": (Entry("hermes", "Inspect the relayers."),),
    "Owner": (Entry("consumer", "List consumer chains, and manage those of this owner."),),
    "Out": (
        Entry("export", "Write the stack's objects as files, for review and for GitOps."),
        Entry("targets", "Print the configuration of monitors that must know which key signs where."),
        Entry("show", "Offline calculators: ports, peers, node ids, genesis, RBAC, alerts."),
        Entry(
            "completion",
            "Print the script with which a shell completes commands, options, stacks and chains.",
        ),
    ),
}
"""Every command, under the heading of its panel."""

ENTRIES: Final = {entry.name: entry for panel in PANELS.values() for entry in panel}
"""By name."""

EXIT_CODES: Final = (
    ("0", "success"),
    ("1", "a temporary problem: a later run may succeed"),
    ("2", "something must be changed first, such as a setting or an argument"),
    ("3", "something is left to do (`ics plan --exit-code`, `ics upgrade plan`)"),
)
