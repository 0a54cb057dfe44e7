"""Copies of a chain's namespace with its volume, as backup tools make them: elsewhere, or under another name."""

import contextlib
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

from ics import names
from ics.cluster.api import kinds
from tests.network import kube, operators, relaying, volumes, waiting

COPIED = (kinds.CONFIG_MAP, kinds.SECRET)
MADE_BY_KUBERNETES = ("kube-root-ca.crt",)


@contextlib.contextmanager
def copy(
    source: operators.Operator, home: str, target: operators.Operator, name: str
) -> Iterator[operators.Operator]:
    """A copy of a chain's namespace, with a clone of its volume, that starts its node; gone with the context.

    The relayer is not copied: its account would be at two places.

    Args:
        source: whose cluster has the original.
        home: the original.
        target: whose cluster gets the copy.
        name: of the copy.
    """
    original = source.kube.get(kinds.NAMESPACE, "", home)
    target.kube.create(_bare(kinds.NAMESPACE, original, name=name))
    try:
        volumes.make_claim(target, name, like=volumes.claim(source, home))
        # A process that stands still for a moment leaves files that fit together, as a snapshot has them.
        with relaying.frozen(source.kube.process(home)):
            _clone(source.kube.volume(home), target.kube.volume(name))
        for kind in COPIED:
            for item in source.kube.all(kind, home):
                if item["metadata"]["name"] not in MADE_BY_KUBERNETES:
                    target.kube.create(_bare(kind, item, namespace=name))
        node = source.kube.get(kinds.STATEFUL_SET, home, names.NODE_NAME)
        target.kube.create(_bare(kinds.STATEFUL_SET, node, namespace=name))
        yield target
    finally:
        remove(target, name)


def remove(operator: operators.Operator, namespace: str) -> None:
    """Delete a namespace with all that is in it, and wait until it has gone."""
    if operator.kube.find(kinds.NAMESPACE, "", namespace) is not None:
        operator.kube.delete(kinds.NAMESPACE, "", namespace)
    waiting.until(
        f"namespace {namespace} is gone",
        lambda: operator.kube.find(kinds.NAMESPACE, "", namespace) is None,
    )


def _bare(kind: kinds.Kind, item: kube.Object, name: str = "", namespace: str = "") -> dict[str, Any]:
    """An object as it is made again, at another place."""
    metadata = {"name": name or item["metadata"]["name"], **volumes.notes(item)}
    if namespace:
        metadata["namespace"] = namespace
    content: dict[str, Any] = {
        key: item[key] for key in ("data", "binaryData", "type", "spec") if key in item
    }
    if kind is kinds.NAMESPACE:
        # Without it pods of any rights could run there; its finalizers come by themselves.
        metadata["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
        content = {}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}


def _clone(volume: pathlib.Path, other: pathlib.Path) -> None:
    subprocess.run(["cp", "-a", f"{volume}/.", str(other)], check=True)
