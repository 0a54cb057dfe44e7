"""Questions of `ics init` to this machine's kubeconfig and to the cluster."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from ics import errors
from ics.cli.doctor import kube_probes
from ics.cli.init import decode, found
from ics.cluster.api import client, connect, kinds
from ics.cluster.api import errors as api_errors
from ics.config import settings

_METALLB = kinds.Kind(
    name="IPAddressPool",
    group="metallb.io",
    version="v1beta1",
    plural="ipaddresspools",
    is_namespaced=True,
    rank=-1,
)
_PROMETHEUS = kinds.Kind(
    name="Prometheus",
    group="monitoring.coreos.com",
    version="v1",
    plural="prometheuses",
    is_namespaced=True,
    rank=-1,
)


def contexts(
    kubeconfig: str | None, root: Path, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    """Return the names of the contexts that a stack could use, and the current one (empty: none).

    Args:
        kubeconfig: path of a file, relative to `root`; None: those that kubectl would read.
        root: the project's folder.
        environment: of the process.

    Raises:
        SettingsError: a file is malformed, or the named one cannot be read.
    """
    if kubeconfig is not None:
        paths = [root / Path(kubeconfig).expanduser()]
    elif environment.get("KUBECONFIG"):
        paths = [Path(part) for part in environment["KUBECONFIG"].split(os.pathsep) if part]
        paths = [path for path in paths if path.exists()]
    else:
        paths = [path for path in [Path(environment.get("HOME", "/"), ".kube", "config")] if path.exists()]
    documents = []
    for path in paths:
        try:
            documents.append(connect.parse(path, path.read_bytes()))
        except OSError as error:
            raise errors.SettingsError(f"--kubeconfig: {path}: {error.strerror}; correct the path") from error
    return decode.contexts(documents)


async def cluster(kube: client.KubeClient) -> found.Cluster:
    """Read what the cluster offers; what it refuses to say is a problem in the result.

    Raises:
        Transient: the API server is not reachable.
    """
    problems: list[str] = []

    async def listed(work: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]] | None:
        try:
            return await work
        except api_errors.ObjectNotFound:  # the cluster has no such kind
            return None
        except errors.Permanent as error:
            problems.append(str(error))
            return None

    nodes, classes, pools, snapshots, monitors = await asyncio.gather(
        listed(kube_probes.nodes(kube)),
        listed(kube_probes.storage_classes(kube)),
        listed(kube.select(_METALLB, {}, only_metadata=True)),
        listed(kube.select(kinds.VOLUME_SNAPSHOT_CLASS, {})),
        listed(kube.select(_PROMETHEUS, {})),
    )
    names, labels = decode.prometheus(monitors or ())
    return found.Cluster(
        cloud=decode.cloud(nodes or (), has_metallb=pools is not None),
        storage_classes=decode.storage_classes(classes or ()),
        snapshot_classes=decode.snapshot_classes(snapshots or ()),
        prometheus=names,
        rule_labels=labels,
        has_monitors=monitors is not None,
        problems=tuple(sorted(problems)),
    )


async def probe(
    chosen: settings.ClusterSettings, root: Path, environment: Mapping[str, str]
) -> found.Cluster:
    """Connect to a cluster and read what it offers; one that does not answer is a problem in the result.

    Raises:
        SettingsError: its credentials are malformed.
    """
    async with connect.open_client(chosen, root, environment) as kube:
        try:
            return await cluster(kube)
        except errors.Transient as error:
            return found.Cluster(problems=(str(error),))
