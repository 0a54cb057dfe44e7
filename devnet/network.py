"""Start, removal and status of the whole local network."""

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devnet import (
    cache,
    cgroups,
    cluster,
    genesis,
    hosts,
    identities,
    pki,
    places,
    plan,
    processes,
    provider,
    toolchain,
)
from devnet.api import Api
from devnet.plan import Host
from devnet.progress import Progress
from devnet.toolchain import Tools
from ics import errors

SHARED = "network"
"""Owner name of programs that serve all hosts."""
_FIRST_HEIGHT = 3


@dataclass(frozen=True, slots=True)
class HostStatus:
    """Status of one host."""

    name: str
    node_ready: bool
    provider_height: int
    ended: tuple[str, ...]
    """Programs that were started and have ended."""


def up(progress: Progress) -> None:
    """Build and start the missing parts of the network; do nothing if it is complete.

    An incomplete network of a killed run is removed first.

    Raises:
        Permanent: a program or a tool fails.
        Transient: something takes too long.
    """
    _require_root()
    tools = toolchain.ensure(progress)
    homes = cache.ensure(genesis.recipe(tools.provider), progress)
    with _alone(progress):
        if not _is_whole() and _has_anything():
            progress.note("removing an incomplete network first")
            _remove(progress)
        places.state().mkdir(parents=True, exist_ok=True)
        with progress.step("hosts", 2):
            hosts.ensure_ground()
            for host in plan.HOSTS:
                hosts.ensure_host(host)
        provider.write_homes(homes)
        _link_programs(tools)
        _hand_out_owner()
        _in_parallel(functools.partial(_bring_up, tools=tools, progress=progress))
        _start_cloud()
        with progress.step(f"provider chain: height {_FIRST_HEIGHT} on all hosts", 2):
            provider.await_height(_FIRST_HEIGHT)
        _mark().write_text(_boot_id())
    progress.note("the network is up: credentials in .devnet/<name>/, kubectl in .devnet/bin/")


def down(progress: Progress) -> None:
    """Remove the network in any state; idempotent.

    Raises:
        Transient: a part cannot be removed; another attempt may succeed.
    """
    _require_root()
    with _alone(progress):
        _remove(progress)


def is_up() -> bool:
    """Whether the whole network is there, and all of its programs run."""
    return _is_whole() and not any(host.ended for host in status())


def status() -> list[HostStatus]:
    """Return the status of each host; without a network, all values are empty."""
    return [_status(host) for host in plan.HOSTS]


def leftovers() -> list[str]:
    """Return one line for each part of the network on this machine; empty after `down`."""
    parts = [f"process {pid}" for pid in sorted(cgroups.processes())]
    parts += [f"control group {group}" for group in cgroups.existing()]
    parts += hosts.leftovers()
    return parts + [f"folder {path}" for path in (places.state(), places.credentials()) if path.exists()]


def _bring_up(host: Host, *, tools: Tools, progress: Progress) -> None:
    provider.start(host, tools.provider)
    cluster.ensure(host, tools, progress)
    _hand_out(host)


def _hand_out(host: Host) -> None:
    folder = places.credentials(host.name)
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True, mode=0o700)
    validator = identities.validator(host)
    mnemonic = validator.account.mnemonic
    if mnemonic is None:
        raise errors.Permanent(f"the account of {host.name} has no mnemonic")
    texts = {"seed": validator.seed.reveal().hex(), "account": mnemonic.reveal_text()}
    texts |= {name: cluster.kubeconfig(host, user) for name, user in cluster.CREDENTIALS.items()}
    for name, text in texts.items():
        pki.write_private(folder / name, f"{text}\n".encode())


def _hand_out_owner() -> None:
    folder = places.credentials("owner")
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True, mode=0o700)
    mnemonic = identities.owner().mnemonic
    if mnemonic is None:
        raise errors.Permanent("the owner's account has no mnemonic")
    pki.write_private(folder / "account", f"{mnemonic.reveal_text()}\n".encode())


def _link_programs(tools: Tools) -> None:
    folder = places.credentials("bin")
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True, mode=0o700)
    for program in (tools.kubernetes / "kubectl", tools.provider, tools.consumer):
        link = folder / program.name
        link.unlink(missing_ok=True)
        link.symlink_to(program)


def _start_cloud() -> None:
    # -P excludes the working directory from the module path; PYTHONPATH contains the checkout instead.
    python = ["env", f"PYTHONPATH={places.CHECKOUT}", f"ICS_DEVNET_STATE={places.state()}", sys.executable]
    processes.start(SHARED, "cloud", [*python, "-P", "-m", "devnet.cloud"])


def _remove(progress: Progress) -> None:
    with progress.step("removing processes, namespaces, mounts and data", 5):
        cgroups.kill_all()
        hosts.end_strays()
        hosts.remove()
        cgroups.remove()
        shutil.rmtree(places.credentials(), ignore_errors=True)
        _remove_state()
        hosts.remove_guards()


def _remove_state() -> None:
    mounts = [line for line in hosts.leftovers() if line.startswith("mount ")]
    if mounts:
        raise errors.Transient(f"{mounts[0]} cannot be removed, so its data is kept; run `down` again")
    if places.state().exists():
        shutil.rmtree(places.state())


def _status(host: Host) -> HostStatus:
    ended = [
        program
        for owner, program in processes.started()
        if owner in (host.name, SHARED) and not processes.is_running(owner, program)
    ]
    has_cluster = processes.is_running(host.name, "kube-apiserver")
    ready = has_cluster and _is_node_ready(host)
    height = provider.reached(host) if processes.is_running(host.name, provider.PROGRAM) else 0
    return HostStatus(host.name, ready, height, tuple(ended))


def _is_node_ready(host: Host) -> bool:
    with contextlib.closing(Api(host, "admin")) as client:
        try:
            return cluster.is_node_ready(client, host)
        except errors.Transient:
            return False


def _in_parallel(work: Callable[[Host], None]) -> None:
    with ThreadPoolExecutor(len(plan.HOSTS)) as pool:
        futures = [pool.submit(work, host) for host in plan.HOSTS]
    for future in futures:
        future.result()


def _alone(progress: Progress) -> AbstractContextManager[None]:
    return cache.locked("devnet", progress)


def _mark() -> Path:
    return places.state() / "whole"


def _is_whole() -> bool:
    # A host without its mounts cannot be repaired, because its containers use the old ones.
    same_boot = _mark().exists() and _mark().read_text() == _boot_id()
    return same_boot and all(hosts.is_up(host) for host in plan.HOSTS)


def _has_anything() -> bool:
    return bool(leftovers())


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def _require_root() -> None:
    if os.geteuid() != 0:
        raise errors.Permanent("the local network requires root, because it creates namespaces and mounts")
