"""Hosts as network namespaces on one bridge, with no way out of the machine.

A namespace has no default route. Outside, routes of the kind `unreachable` cover every range of the
plan for as long as anything of the network exists: a packet to an address that is not there (yet, or
any more) is refused here instead of following the machine's own default route.
"""

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devnet import commands, places, plan, processes
from devnet.plan import Host
from ics import errors

_LAST_RESORT: Final = "4278198272"
"""The metric of the guard routes: every real route to the same range wins."""
_MASKED: Final = ("/run/containerd", "/run/mount", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
"""Folders that containerd, the CNI plugins and the kubelet use whatever they are told."""
_NETNS: Final = "/run/netns"
_KERNEL_SETTINGS: Final = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""What the kubelet changes for the whole machine."""
_HOLD: Final = """
mount -n --make-rslave / && mount -n --make-rshared / || exit 1
for folder in "$@"; do mount -n -t tmpfs tmpfs "$folder" || exit 1; done
exec sleep infinity
"""


def ensure_ground() -> None:
    """Remembers what will be changed outside the namespaces, then makes guard routes and bridge."""
    _remember_machine()
    for addresses in plan.RANGES:
        commands.run("ip", "route", "replace", "unreachable", addresses, "metric", _LAST_RESORT)
    if not _link_exists(plan.BRIDGE):
        commands.run("ip", "link", "add", plan.BRIDGE, "type", "bridge")
    _write_sysctl(f"net/ipv6/conf/{plan.BRIDGE}/disable_ipv6", "1")
    commands.run("ip", "address", "replace", f"{plan.BRIDGE_ADDRESS}/24", "dev", plan.BRIDGE)
    commands.run("ip", "link", "set", plan.BRIDGE, "up")


def ensure_host(host: Host) -> None:
    """Makes the host's namespace, its cable to the bridge, and its private view of the mounts."""
    if host.namespace not in _namespaces():
        commands.run("ip", "netns", "add", host.namespace)
    if not _link_exists(host.namespace):
        commands.run(
            *("ip", "link", "add", host.namespace, "type", "veth"),
            *("peer", "name", "eth0", "netns", host.namespace),
        )
    _write_sysctl(f"net/ipv6/conf/{host.namespace}/disable_ipv6", "1")
    commands.run("ip", "link", "set", host.namespace, "master", plan.BRIDGE, "up")
    inside = ("nsenter", f"--net={_NETNS}/{host.namespace}", "sh", "-e", "-c", _inside(host))
    commands.run(*inside)
    hold = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _HOLD, "sh", *_MASKED)
    processes.start(host.name, "mounts", in_network(host, hold))
    processes.await_true(
        lambda: _has_masks(host), f"the mounts of {host.name}", timeout=10, needs=[(host.name, "mounts")]
    )


def in_network(host: Host, argv: Sequence[str | Path]) -> list[str | Path]:
    """The command that runs `argv` in the host's network namespace."""
    return ["nsenter", f"--net={_NETNS}/{host.namespace}", "--", *argv]


def inside(host: Host, argv: Sequence[str | Path]) -> list[str | Path]:
    """The command that runs `argv` in the host's network and with its view of the mounts."""
    holder = processes.pid(host.name, "mounts")
    if holder is None:
        raise errors.Permanent(f"host {host.name} is not up: run `python -m devnet up`")
    namespaces = (f"--net={_NETNS}/{host.namespace}", f"--mount=/proc/{holder}/ns/mnt")
    return ["nsenter", *namespaces, "--", *argv]


def is_up(host: Host) -> bool:
    """Whether the host's namespace and its mounts are there."""
    return host.namespace in _namespaces() and processes.is_running(host.name, "mounts")


def end_strays() -> None:
    """Ends what others left running in the hosts' networks; the network's own programs are gone by now."""
    for host in plan.HOSTS:
        if host.namespace in _namespaces():
            for word in commands.run("ip", "netns", "pids", host.namespace).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(word), signal.SIGKILL)


def remove() -> None:
    """Removes namespaces, cables, the bridge and mounts left in the state, and restores the machine."""
    for host in plan.HOSTS:
        if host.namespace in _namespaces():
            commands.run("ip", "netns", "delete", host.namespace)
        # The cable of a removed namespace may outlive it for a moment, and go while we look.
        if _link_exists(host.namespace):
            with contextlib.suppress(errors.Permanent):
                commands.run("ip", "link", "delete", host.namespace)
    if _link_exists(plan.BRIDGE):
        commands.run("ip", "link", "delete", plan.BRIDGE)
    for mount in _mounts_below(places.state()):
        commands.run("umount", "--no-mtab", "--lazy", mount)
    _restore_machine()


def remove_guards() -> None:
    """Removes the guard routes; the very last step, when no address of the plan is in use."""
    for line in commands.run("ip", "route", "show", "type", "unreachable").splitlines():
        if line.split()[1] in plan.RANGES and _LAST_RESORT in line.split():
            commands.run("ip", "route", "delete", *line.split())


def leftovers() -> list[str]:
    """Names what of the hosts still exists."""
    names = {host.namespace for host in plan.HOSTS}
    found = [f"network namespace {name}" for name in sorted(names & set(_namespaces()))]
    found += [f"interface {name}" for name in (*sorted(names), plan.BRIDGE) if _link_exists(name)]
    return found + [f"mount {mount}" for mount in _mounts_below(places.state())]


def _inside(host: Host) -> str:
    # Services' addresses need a route, or the kernel refuses them before kube-proxy's rules see them;
    # a bridge without ports swallows what no rule takes (not every kernel has dummy interfaces).
    return f"""
        for conf in all default; do echo 1 > /proc/sys/net/ipv6/conf/$conf/disable_ipv6; done
        echo 1 > /proc/sys/net/ipv4/ip_forward
        ip link set lo up
        ip address replace {host.address}/24 dev eth0
        ip address replace {host.balancer}/32 dev eth0
        ip link set eth0 up
        ip link show services >/dev/null 2>&1 || ip link add services type bridge
        ip link set services up
        ip route replace {host.services} dev services src {host.address}
    """


def _namespaces() -> list[str]:
    folder = Path(_NETNS)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


def _has_masks(host: Host) -> bool:
    holder = processes.pid(host.name, "mounts")
    try:
        mounts = Path(f"/proc/{holder}/mounts").read_text()
    except FileNotFoundError:
        return False
    return all(f"tmpfs {folder} tmpfs" in mounts for folder in _MASKED)


def _mounts_below(folder: Path) -> list[str]:
    mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    return sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True)


def _memory() -> Path:
    return places.state() / "machine.json"


def _remember_machine() -> None:
    if not _memory().exists():
        settings = {name: _read_sysctl(name) for name in _KERNEL_SETTINGS}
        folders = [folder for folder in (*_MASKED, _NETNS) if not Path(folder).exists()]
        _memory().parent.mkdir(parents=True, exist_ok=True)
        temporary = _memory().with_suffix(".new")
        temporary.write_text(json.dumps({"sysctl": settings, "folders": folders}))
        temporary.rename(_memory())
    for folder in _MASKED:
        Path(folder).mkdir(parents=True, exist_ok=True)


def _restore_machine() -> None:
    if not _memory().exists():
        return
    memory = json.loads(_memory().read_text())
    for name, value in memory["sysctl"].items():
        if value is not None and value != _read_sysctl(name):
            _write_sysctl(name, value)
    for folder in memory["folders"]:
        if folder == _NETNS and not _namespaces():
            # `ip netns` mounts this folder on itself.
            with contextlib.suppress(errors.Permanent):
                commands.run("umount", "--no-mtab", folder)
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _read_sysctl(name: str) -> str | None:
    path = Path("/proc/sys") / name
    return path.read_text().strip() if path.exists() else None


def _write_sysctl(name: str, value: str) -> None:
    path = Path("/proc/sys") / name
    if path.exists():
        path.write_text(value)
