"""Hosts as network namespaces on one bridge, without a route out of the machine.

A namespace has no default route. Outside, routes of type `unreachable` cover all ranges of the plan as long as any
part of the network exists: packets to an address that does not exist (yet, or any more) are rejected instead of
following the machine's default route.
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
"""Metric of the guard routes; any real route to the same range takes precedence."""
_MASKED: Final = ("/run/containerd", "/run/mount", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
"""Folders that containerd, the CNI plugins and the kubelet use regardless of their configuration."""
_NETNS: Final = "/run/netns"
_KERNEL_SETTINGS: Final = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""Settings that the kubelet changes for the whole machine."""
_HOLD: Final = """
mount -n --make-rslave / && mount -n --make-rshared / || exit 1
for folder in "$@"; do mount -n -t tmpfs tmpfs "$folder" || exit 1; done
exec sleep infinity
"""


def ensure_ground() -> None:
    """Record the machine's settings that will change, then create guard routes and bridge."""
    _remember_machine()
    for addresses in plan.RANGES:
        commands.run("ip", "route", "replace", "unreachable", addresses, "metric", _LAST_RESORT)
    if not _link_exists(plan.BRIDGE):
        commands.run("ip", "link", "add", plan.BRIDGE, "type", "bridge")
    _write_sysctl(f"net/ipv6/conf/{plan.BRIDGE}/disable_ipv6", "1")
    commands.run("ip", "address", "replace", f"{plan.BRIDGE_ADDRESS}/24", "dev", plan.BRIDGE)
    commands.run("ip", "link", "set", plan.BRIDGE, "up")


def ensure_host(host: Host) -> None:
    """Create the host's namespace, its link to the bridge, and its private mount namespace."""
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
    # A network does not outlive its machine, so nothing has to wait until etcd's data is on a disk.
    etcd = _etcd(host)
    etcd.mkdir(parents=True, exist_ok=True)
    hold = ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _HOLD, "sh", *_MASKED, str(etcd))
    processes.start(host.name, "mounts", in_network(host, hold))
    processes.await_true(
        lambda: _has_masks(host), f"the mounts of {host.name}", timeout=10, needs=[(host.name, "mounts")]
    )


def in_network(host: Host, argv: Sequence[str | Path]) -> list[str | Path]:
    """Return the command that runs `argv` in the host's network namespace."""
    return ["nsenter", f"--net={_NETNS}/{host.namespace}", "--", *argv]


def inside(host: Host, argv: Sequence[str | Path]) -> list[str | Path]:
    """Return the command that runs `argv` in the host's network and mount namespaces."""
    holder = processes.pid(host.name, "mounts")
    if holder is None:
        raise errors.Permanent(f"host {host.name} is not up; run `python -m devnet up`")
    namespaces = (f"--net={_NETNS}/{host.namespace}", f"--mount=/proc/{holder}/ns/mnt")
    return ["nsenter", *namespaces, "--", *argv]


def is_up(host: Host) -> bool:
    """Return whether the host's namespace and mounts exist."""
    return host.namespace in _namespaces() and processes.is_running(host.name, "mounts")


def end_strays() -> None:
    """Kill foreign processes in the hosts' networks after the network's own programs have ended."""
    for host in plan.HOSTS:
        if host.namespace in _namespaces():
            for word in commands.run("ip", "netns", "pids", host.namespace).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(word), signal.SIGKILL)


def remove() -> None:
    """Remove namespaces, links, bridge and remaining mounts, and restore the machine's settings."""
    for host in plan.HOSTS:
        if host.namespace in _namespaces():
            commands.run("ip", "netns", "delete", host.namespace)
        # The link of a removed namespace may exist for a moment longer and disappear during the check.
        if _link_exists(host.namespace):
            with contextlib.suppress(errors.Permanent):
                commands.run("ip", "link", "delete", host.namespace)
    if _link_exists(plan.BRIDGE):
        commands.run("ip", "link", "delete", plan.BRIDGE)
    for mount in _mounts_below(places.state()):
        commands.run("umount", "--no-mtab", "--lazy", mount)
    _restore_machine()


def remove_guards() -> None:
    """Remove the guard routes as the last step, when no address of the plan is in use."""
    for line in commands.run("ip", "route", "show", "type", "unreachable").splitlines():
        if line.split()[1] in plan.RANGES and _LAST_RESORT in line.split():
            commands.run("ip", "route", "delete", *line.split())


def leftovers() -> list[str]:
    """Return one line for each remaining part of the hosts."""
    names = {host.namespace for host in plan.HOSTS}
    parts = [f"network namespace {name}" for name in sorted(names & set(_namespaces()))]
    parts += [f"interface {name}" for name in (*sorted(names), plan.BRIDGE) if _link_exists(name)]
    return parts + [f"mount {mount}" for mount in _mounts_below(places.state())]


def _inside(host: Host) -> str:
    # Without a route, the kernel rejects Services' addresses before kube-proxy's rules apply. A bridge without
    # ports drops packets that match no rule (some kernels lack dummy interfaces).
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


def _etcd(host: Host) -> Path:
    return places.host_state(host.name) / "etcd"


def _has_masks(host: Host) -> bool:
    holder = processes.pid(host.name, "mounts")
    try:
        mounts = Path(f"/proc/{holder}/mounts").read_text()
    except FileNotFoundError:
        return False
    return all(f"tmpfs {folder} tmpfs" in mounts for folder in (*_MASKED, _etcd(host)))


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
