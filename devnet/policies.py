"""Enforcement of NetworkPolicies on the local network by kube-network-policies; off unless it is asked for.

The kernel puts the first packet of each of a pod's connections into a queue, and the program decides from the
cluster's policies whether it goes on. The program's own rules for that use the `queue` statement of nftables, which
not every kernel has (`CONFIG_NFT_QUEUE`); where it is missing, the program logs that its table was refused. So the
packets are queued by iptables, whose target NFQUEUE is older and more widespread.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devnet import cache, commands, hosts, places, processes, toolchain
from devnet.plan import Host
from devnet.progress import Progress

PROGRAM: Final = "network-policies"
VERSION: Final = "v0.8.0"
_CHAIN: Final = "ICS-POLICIES"
_QUEUE: Final = "100"
_TABLE: Final = ("iptables", "-w", "-t", "mangle")
"""Its chain POSTROUTING is passed after a Service's address was translated, and before the pod's own is."""


def recipe() -> cache.Recipe:
    """Return the recipe of the program."""
    flags = "-s -w"

    def build(folder: Path) -> None:
        toolchain.go_build(PROGRAM, flags, folder / PROGRAM, ".")

    return cache.Recipe(PROGRAM, VERSION, toolchain.sources(PROGRAM, flags), build, 180)


def enforce(host: Host, progress: Progress) -> None:
    """Enforce the policies of the host's cluster from now on; connections that exist stay open.

    Raises:
        Permanent: the program cannot be built or has ended, or this kernel lacks the target NFQUEUE.
        Transient: it takes too long.
    """
    program = cache.ensure(recipe(), progress) / PROGRAM
    kubeconfig = places.host_state(host.name) / "pki" / "admin.kubeconfig"
    with progress.step(f"{host.name}: NetworkPolicies", 2):
        _remove_rules(host)
        processes.start(host.name, PROGRAM, hosts.in_network(host, command(program, kubeconfig, host.name)))
        processes.await_true(
            lambda: is_served(_run(host, READING)),
            f"{PROGRAM} of {host.name}",
            timeout=60,
            needs=[(host.name, PROGRAM)],
        )
        for rule in rules(host.pods):
            _run(host, rule)


def release(host: Host) -> None:
    """Enforce the policies of the host's cluster no longer; do nothing if they are not enforced."""
    _remove_rules(host)
    processes.remove(host.name, PROGRAM)


def command(program: Path, kubeconfig: Path, node: str) -> list[str]:
    """Return the command line of the program, which judges the pods of one node."""
    return [str(program), f"-kubeconfig={kubeconfig}", f"-node={node}", f"-queue={_QUEUE}"]


READING: Final = ["cat", "/proc/net/netfilter/nfnetlink_queue"]
"""Command that lists the queues of a network namespace that a program reads, with the number of each first."""


def is_served(queues: str) -> bool:
    """Return whether the program reads its queue; it has read all policies and pods before.

    Args:
        queues: what `READING` printed.
    """
    return any(line.split()[0] == _QUEUE for line in queues.splitlines())


def rules(pods: str) -> list[list[str]]:
    """Return the commands that put the first packet of each connection from or to a pod into the queue.

    While no program reads the queue, such packets are dropped.

    Args:
        pods: address range of the host's pods.
    """
    queue = ("-j", "NFQUEUE", "--queue-num", _QUEUE)
    return [
        [*_TABLE, *rule]
        for rule in (
            ("-N", _CHAIN),
            ("-A", _CHAIN, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"),
            ("-A", _CHAIN, "-s", pods, *queue),
            ("-A", _CHAIN, "-d", pods, *queue),
            # The host's own programs, such as the kubelet with its probes, reach its pods whatever a policy says.
            ("-A", "POSTROUTING", "-m", "owner", "!", "--uid-owner", "0", "-j", _CHAIN),
            ("-A", "INPUT", "-s", pods, "-j", _CHAIN),
        )
    ]


def _remove_rules(host: Host) -> None:
    present = _run(host, [*_TABLE, "-S"]).splitlines()
    own = [line for line in present if _CHAIN in line.split()]
    jumps = [line.split()[1:] for line in own if line.startswith("-A") and line.split()[1] != _CHAIN]
    for jump in jumps:
        _run(host, [*_TABLE, "-D", *jump])
    if own:
        _run(host, [*_TABLE, "-F", _CHAIN])
        _run(host, [*_TABLE, "-X", _CHAIN])


def _run(host: Host, argv: Sequence[str]) -> str:
    return commands.run(*hosts.in_network(host, argv))
