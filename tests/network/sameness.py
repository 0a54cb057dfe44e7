"""Whether a cluster holds just what a fresh reconciler would make of the chain; pure.

What a cluster rightly remembers, and a fresh one could not know, is named here, each kind of it by itself.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ics import names
from ics.cluster.state import relayer_record
from ics.consumer import desired, observed
from ics.consumer.peers import gateway_ports
from ics.relayer import inputs

Object = Mapping[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace, name."""

_GIVEN = ("clusterIP", "clusterIPs", "healthCheckNodePort", "volumeName", "storageClassName")
"""Fields of a spec that the cluster fills in; the default class of volumes is the cluster's own."""
_OF_THE_CLUSTER = ("pv.kubernetes.io/", "volume.", "deployment.kubernetes.io/")
"""Annotations that the cluster's own programs write."""
_OF_THE_LOOP = (
    names.VOLUME_UID,
    names.SIGN_STATE_READY,
    names.SIGN_STATE_RESET,
    names.CLUSTER_CERTIFICATES,
    names.RETIRED,
    names.WATCHDOG,
)
"""Annotations that are records: of the volume on which a key signs, and of the node that runs."""


@dataclass
class Comparison:
    """What came of comparing one validator's cluster."""

    same: int = 0
    """Objects that are equal."""
    remembered: Counter[str] = field(default_factory=Counter)
    """What the cluster holds beyond those, by the reason for which it may."""
    differences: list[str] = field(default_factory=list)


def forgotten(memory: observed.Memory, renamed: Collection[str]) -> observed.Memory:
    """What a fresh reconciler finds: the nodes that run, and nothing of what earlier passes wrote down.

    Kept are the present facts (a node is there, with its key or without, a Hermes is there), the places (without
    them, the keys would be of another installation), that a stopped chain is done with (a node that is gone can be
    asked nothing), and the namespace of a chain that was renamed after its staging.
    """
    return observed.Memory(
        {
            consumer_id: observed.ChainMemory(
                namespace=chain.namespace if consumer_id in renamed else "",
                records=tuple(
                    dataclasses.replace(record, volume_uid=None, is_ready=False) for record in chain.records
                ),
                has_workload=chain.has_workload,
                workload_place=chain.workload_place,
                is_ending=chain.is_ending,
                is_withheld=chain.is_withheld,
                relayer=inputs.RelayerMemory(has_hermes=chain.relayer.has_hermes),
            )
            for consumer_id, chain in memory.chains.items()
            if chain.has_workload or consumer_id in renamed
        },
        cluster_uid=memory.cluster_uid,
    )


def accepted(memory: observed.Memory, desired: desired.Desired) -> observed.Memory:
    """The same once Hermes has accepted the config of each chain that it is to be asked about next."""
    chains = dict(memory.chains)
    for chain in desired.chains:
        plan = chain.relay
        if plan is not None and plan.candidate is not None:
            chains[chain.consumer_id] = dataclasses.replace(
                chains[chain.consumer_id],
                relayer=dataclasses.replace(chains[chain.consumer_id].relayer, record=plan.candidate.record),
            )
    return dataclasses.replace(memory, chains=chains)


def compare(live: Iterable[Object], fresh: Iterable[Object], validator: str) -> Comparison:
    """Compare all objects of the operator's, one by one.

    Args:
        live: of the cluster, with their kinds.
        fresh: of another one, on which a reconciler without a memory has worked once.
        validator: name of the stack's validator.
    """
    here, there = _by_key(live), _by_key(fresh)
    found = Comparison()
    for key in sorted(here.keys() | there.keys()):
        item, other = here.get(key), there.get(key)
        reason = "" if item is None else _remembered(item, other, validator)
        if reason:
            found.remembered[reason] += 1
        elif item is None or other is None:
            found.differences.append(f"{_shown(key)} is {'missing' if item is None else 'not wanted'}")
        elif differing := list(_differing("", content(item), content(other), key[0] == "Secret")):
            found.differences += [f"{_shown(key)}: {line}" for line in differing]
        else:
            found.same += 1
            if key[0] == "Service" and _former(item):
                found.remembered["former port that is still open"] += len(_former(item))
    return found


def content(item: Object) -> dict[str, Any]:
    """What was wanted of an object, without what the cluster and the loop's records add to it."""
    metadata = item["metadata"]
    notes = {
        name: text
        for name, text in (metadata.get("annotations") or {}).items()
        if not name.startswith(_OF_THE_CLUSTER + _OF_THE_LOOP)
    }
    spec = {name: value for name, value in (item.get("spec") or {}).items() if name not in _GIVEN}
    if names.OPEN_PORTS in notes:
        opened = gateway_ports.from_annotation(notes[names.OPEN_PORTS])
        notes[names.OPEN_PORTS] = str({one: ports.port for one, ports in sorted(opened.items())})
    if item["kind"] == "Service":
        former = _former(item)
        spec["ports"] = [
            {name: value for name, value in port.items() if name != "nodePort"}
            for port in spec["ports"]
            if port["port"] not in former
        ]
    rest = {
        name: value
        for name, value in item.items()
        if name not in ("apiVersion", "kind", "metadata", "spec", "status")
    }
    return {**rest, "labels": dict(metadata["labels"]), "annotations": notes, "spec": spec}


def _former(service: Object) -> set[int]:
    text = (service["metadata"].get("annotations") or {}).get(names.OPEN_PORTS)
    opened = {} if text is None else gateway_ports.from_annotation(text)
    return {former.port for one in opened.values() for former in one.former}


def _remembered(item: Object, other: Object | None, validator: str) -> str:
    """Why the cluster may hold an object that a fresh one lacks, or has otherwise; empty: it may not."""
    kind, metadata = item["kind"], item["metadata"]
    name, marks = metadata["name"], metadata["labels"]
    if kind in ("Job", "EndpointSlice"):
        return "run-time state: slices and Jobs of the loop"
    if kind in ("ConfigMap", "Secret") and name in relayer_record.LOOP_MADE:
        return "record of the relaying"
    if kind == "ConfigMap" and name in (names.WATERMARK, names.PROVIDER_SIGNING):
        return "record of what was signed"
    if name == f"ics-{validator}":
        return "record of the set"
    if other is not None or marks.get(names.RETAIN) != "true":
        return ""
    if kind in ("Namespace", "PersistentVolumeClaim"):
        return f"retained {kind} of a chain that is over or was left"
    return "retained key of a chain that is over or was left, or of an earlier place"


def _by_key(items: Iterable[Object]) -> dict[Key, Object]:
    return {
        (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item
        for item in items
    }


def _shown(key: Key) -> str:
    return f"{key[0]} {key[1]}/{key[2]}"


def _differing(path: str, here: object, there: object, is_secret: bool) -> Iterator[str]:
    """Each leaf that differs; of a Secret only where."""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for name in sorted(here.keys() | there.keys()):
            yield from _differing(f"{path}.{name}", here.get(name), there.get(name), is_secret)
    elif here != there:
        yield path if is_secret else f"{path} is {here!r:.300}, a fresh reconciler makes {there!r:.300}"
