"""Decoder of the objects of earlier passes, from lists of objects to `observed.Memory`; pure."""

import contextlib
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import errors, model, names
from ics.cluster.nodes import decode
from ics.cluster.state import node_records, relayer_record
from ics.consumer import observed, removal, revision, state_sync_record, upgrades, watchdog
from ics.consumer import volumes as consumer_volumes
from ics.consumer.peers import gateway_ports
from ics.cosmos import genesis_order
from ics.manifests import place_notes
from ics.relayer import inputs

Item = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class _NamespaceState:
    """Objects in one namespace of one chain."""

    namespace: str
    genesis: bytes | genesis_order.Ordered | None = None
    records: list[model.SigningRecord] = field(default_factory=list)
    volume_uid: str | None = None
    claim: consumer_volumes.VolumeClaim | None = None
    volume_record: model.SigningRecord | None = None
    watermark: model.Watermark = field(default_factory=model.Watermark)
    has_workload: bool = False
    workload_place: str = ""
    template: revision.RecordedTemplate | None = None
    volume: Item | None = None
    workload: Item | None = None
    software: upgrades.Record = field(default_factory=upgrades.Record)
    is_ending: bool = False
    ending_seen: observed.EndingSeen | None = None
    is_withheld: bool = False
    relaying: inputs.RelayingRecord | None = None
    jobs: dict[str, model.JobState] = field(default_factory=dict)
    last_words: dict[str, str] = field(default_factory=dict)
    has_hermes: bool = False
    is_relaying: bool = False
    """Whether the Deployment that relays should have a pod."""
    pods: dict[str, list[model.PodStatus]] = field(default_factory=lambda: defaultdict(list))
    since: dict[str, datetime.datetime] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    has_relaying: bool = False
    sentries: int = 0
    extra_items: dict[str, list[Item | None]] = field(
        default_factory=lambda: defaultdict(lambda: [None, None, None])
    )
    """Volume, StatefulSet and peers of each sentry and full node."""
    extra_nodes: dict[str, observed.ExtraNodeMemory] = field(default_factory=dict)
    configured_peers: watchdog.ConfiguredPeers | None = None
    care: watchdog.WatchdogRecord = field(default_factory=watchdog.WatchdogRecord)
    state_sync: state_sync_record.StateSyncRecord | None = None
    problem: str = ""
    is_copy: bool = False
    """Whether the objects were copied here from another namespace, which they name."""

    @property
    def instances(self) -> dict[str, inputs.Instance]:
        """Running Hermes instances by component."""
        return {
            component: inputs.Instance(
                max(self.pods.get(component, ()), key=lambda pod: pod.is_ready, default=None),
                self.since.get(component),
            )
            for component in sorted(self.pods.keys() | self.since.keys())
        }

    @contextlib.contextmanager
    def read(self) -> Iterator["_NamespaceState"]:
        """Turn an error about a manually edited object into this chain's problem."""
        try:
            yield self
        except errors.Transient:
            raise
        except Exception as error:
            self.problem = self.problem or str(errors.of_chain(error))

    @property
    def mounted(self) -> model.SigningRecord | None:
        """Record of the key that the node here has, None if it is withheld."""
        if self.is_withheld:
            return None
        here = (record for record in self.records if record.place.namespace == self.namespace)
        return next((record for record in here if record.place.place_id == self.workload_place), None)

    @property
    def weight(self) -> tuple[bool, bool, bool, bool, bool, bool, str]:
        """Sort key of a chain's namespaces: no copy, then the one with its node, else its genesis, else its volume.

        Of two that both say that they are none, a copy was edited: the original's record names its own volume. A copy
        of ConfigMaps alone does not name its original, but has no key either.
        """
        return (
            not self.is_copy,
            self.has_workload,
            self.volume_uid is not None and any(one.volume_uid == self.volume_uid for one in self.records),
            bool(self.records),
            self.genesis is not None,
            self.volume_uid is not None,
            self.namespace,
        )

    def setup(self, secret: str, deployment: str) -> inputs.Setup | None:
        """Return the setup of a Hermes by the names of its Secret and Deployment, or None without both."""
        config, image = self.configs.get(secret), self.images.get(deployment)
        return None if config is None or image is None else inputs.Setup(image, config)


@dataclass(frozen=True, slots=True)
class Relaying:
    """Complete objects of the relayers of all chains."""

    config_maps: Iterable[Item] = ()
    """Records."""
    configs: Iterable[Item] = ()
    """Secrets with configs of Hermes."""
    jobs: Iterable[Item] = ()
    deployments: Iterable[Item] = ()
    pods: Iterable[Item] = ()
    """Pods of the Deployments and Jobs."""


def memory(
    volumes: Iterable[Item],
    secrets: Iterable[Item],
    workloads: Iterable[Item],
    geneses: Iterable[Item],
    relaying: Relaying | None = None,
    run_time: Iterable[Item] = (),
    cluster_uid: str = "",
) -> observed.Memory:
    """Combine the objects of all chains.

    Args:
        volumes: complete PersistentVolumeClaims.
        secrets: metadata of consensus key Secrets.
        workloads: metadata of StatefulSets.
        geneses: complete genesis ConfigMaps.
        relaying: objects of the relayers.
        run_time: complete ConfigMaps of the peers of all nodes, of watermarks and of state syncs.
        cluster_uid: uid of the namespace kube-system.

    Returns:
        State by chain; a manually edited annotation, genesis or relayer record is reported as its `problem`.
    """
    chains: dict[str, dict[str, _NamespaceState]] = defaultdict(dict)

    def state_of(item: Item) -> _NamespaceState:
        metadata = item["metadata"]
        namespaces, namespace = chains[metadata["labels"][names.CONSUMER]], metadata["namespace"]
        if namespace not in namespaces:
            namespaces[namespace] = _NamespaceState(namespace=namespace)
        return namespaces[namespace]

    for item in volumes:
        # A volume that is being deleted is unusable, but shows that the chain exists.
        is_ending = "deletionTimestamp" in item["metadata"]
        if names.EXTRA_NODE in item["metadata"]["labels"]:
            state_of(item).extra_items[_extra(item)][0] = None if is_ending else item
            continue
        with state_of(item).read() as state:
            state.volume_uid = None if is_ending else item["metadata"]["uid"]
            state.claim = None if is_ending else node_records.claim(item)
            state.volume = None if is_ending else item
            state.volume_record = None if is_ending else node_records.volume_record(item)
    for item in secrets:
        with state_of(item).read() as state:
            state.records.append(node_records.key_record(item))
    for item in workloads:
        annotations = item["metadata"].get("annotations") or {}
        state = state_of(item)
        if names.EXTRA_NODE in item["metadata"]["labels"]:
            state.extra_items[_extra(item)][1] = item
            continue
        with state.read():
            state.sentries = node_records.sentries(item)
            state.template = node_records.template(item)
        state.has_workload = True
        state.workload = item
        state.workload_place = annotations.get(names.PLACE_ID, "")
        state.is_ending = annotations.get(names.ENDING) == "true"
        state.is_withheld = annotations.get(names.WITHHELD) == "true"
    for item in geneses:
        with state_of(item).read() as state:
            state.genesis = node_records.genesis(item)
    for item in run_time:
        with state_of(item).read() as state:
            if item["metadata"]["name"] == names.WATERMARK:
                state.watermark = node_records.watermark(item)
                continue
            if names.EXTRA_NODE in item["metadata"]["labels"]:
                state.extra_items[_extra(item)][2] = item
                continue
            if item["metadata"]["name"] == names.STATE_SYNC:
                state.state_sync = node_records.state_sync(item)
                continue
            notes = item["metadata"].get("annotations") or {}
            state.ending_seen = removal.from_annotation(notes.get(names.ENDING_SEEN, ""))
            state.configured_peers = node_records.configured_peers(item)
            state.care = node_records.watchdog_record(item)
    for namespaces in chains.values():
        for state in namespaces.values():
            with state.read():
                state.software = node_records.software(state.volume, state.workload)
                for name, items in state.extra_items.items():
                    state.extra_nodes[name] = node_records.extra_node(*items)
    copied = place_notes.copied_namespaces([*volumes, *secrets, *workloads])
    for namespaces in chains.values():
        for state in namespaces.values():
            state.is_copy = state.namespace in copied
    _add_relayers(relaying or Relaying(), state_of)
    return observed.Memory(
        {consumer: _chain(list(namespaces.values())) for consumer, namespaces in sorted(chains.items())},
        cluster_uid=cluster_uid,
    )


def _extra(item: Item) -> str:
    """Return the name of the sentry or full node whose object this is."""
    return str(item["metadata"]["labels"][names.EXTRA_NODE])


def _add_relayers(relaying: Relaying, state_of: Callable[[Item], _NamespaceState]) -> None:
    for item in relaying.config_maps:
        if item["metadata"]["name"] == names.RELAYER_NAME:
            state_of(item).has_relaying = True
            with state_of(item).read() as state:
                state.relaying = relayer_record.parse(item)
    for item in relaying.configs:
        name = item["metadata"]["name"]
        if name in relayer_record.LOOP_MADE:
            state_of(item).has_relaying = True
        elif (config := relayer_record.config(item)) is not None:
            state_of(item).configs[name] = config
    for item in relaying.jobs:
        state_of(item).jobs[item["metadata"]["name"]] = relayer_record.job_state(item)
        state_of(item).has_relaying = True
    for item in relaying.deployments:
        state_of(item).images[item["metadata"]["name"]] = relayer_record.image(item)
        state_of(item).since[relayer_record.component(item)] = relayer_record.available_since(item)
    for item in relaying.pods:
        if relayer_record.component(item) == names.RELAYER_STEP:
            if text := relayer_record.last_words(item):
                job = item["metadata"]["labels"].get(relayer_record.JOB_NAME, "")
                state_of(item).last_words[job] = text
        elif relayer_record.is_alive(item) and "deletionTimestamp" not in item["metadata"]:
            state_of(item).pods[relayer_record.component(item)].append(decode.pod(item))
    running = list(filter(relayer_record.has_replicas, relaying.deployments))
    for item in running:
        if relayer_record.component(item) == names.HERMES:
            state_of(item).is_relaying = True
    for item in (*running, *filter(relayer_record.is_alive, relaying.pods)):
        # The evidence watcher signs with an account of its own, so it cannot conflict with a relayer.
        if relayer_record.component(item) == names.HERMES:
            state_of(item).has_hermes = True


def _chain(namespaces: Sequence[_NamespaceState]) -> observed.ChainMemory:
    """Combine a chain's namespaces; volume and keys may be in the namespace of an earlier chain id, or in a copy."""
    ordered = sorted(namespaces, key=lambda state: state.weight)
    home = ordered[-1]
    present = [
        record for state in ordered for record in state.records if record.place.namespace == state.namespace
    ]
    found = {record.place.place_id for record in present}
    recovered = [state.volume_record for state in ordered if state.volume_record is not None]
    return observed.ChainMemory(
        namespace=home.namespace,
        genesis=home.genesis,
        records=tuple(
            sorted(
                (*present, *(record for record in recovered if record.place.place_id not in found)),
                key=lambda record: (record.place.since, record.place.place_id),
            )
        ),
        volume_uid=home.volume_uid,
        claim=home.claim,
        has_workload=home.has_workload,
        workload_place=home.workload_place,
        template=home.template,
        software=home.software,
        watermark=home.watermark,
        sentries=home.sentries,
        extra_nodes=home.extra_nodes,
        copies=tuple(
            sorted(state.namespace for state in ordered[:-1] if home.has_workload and state.has_workload)
        ),
        relaying_copies=tuple(sorted(state.namespace for state in ordered[:-1] if state.is_relaying)),
        exposed=tuple(
            mounted.place
            for state in ordered[:-1]
            if (mounted := state.mounted) is not None
            and state.volume_uid is not None
            and mounted.volume_uid not in (None, state.volume_uid)
        ),
        is_ending=home.is_ending,
        ending_seen=home.ending_seen,
        is_withheld=home.is_withheld,
        relayer=inputs.RelayerMemory(
            record=home.relaying,
            jobs=home.jobs,
            last_words=home.last_words,
            instances=home.instances,
            # A relayer's key signs on the chain regardless of its namespace.
            has_hermes=any(state.has_hermes for state in ordered),
            hermes=home.setup(names.HERMES_NAME, names.HERMES_NAME),
            hermes_base=home.setup(names.HERMES_BASE, names.EVIDENCE_NAME),
            has_objects=home.has_relaying,
        ),
        configured_peers=home.configured_peers,
        watchdog=home.care,
        state_sync=home.state_sync,
        # What was edited in a copy is its owner's business.
        problem=next(
            (s.problem for s in reversed(ordered) if s.problem and (s is home or not s.is_copy)), ""
        ),
    )


def gateway_address(services: Iterable[Item]) -> str:
    """Return the address of the shared LoadBalancer, an IP address or a host name; empty if it has none."""
    for item in services:
        ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        for entry in ingress:
            address = entry.get("ip") or entry.get("hostname")
            if address:
                return str(address)
    return ""


def open_ports(services: Iterable[Item]) -> Mapping[str, model.OpenPorts]:
    """Return the open ports of the chains from the record on the shared LoadBalancer's Service.

    An invalid record is ignored: the next pass writes it again, and the only loss is that a former port closes
    early.
    """
    for item in services:
        text = (item["metadata"].get("annotations") or {}).get(names.OPEN_PORTS, "")
        with contextlib.suppress(ValueError, TypeError):
            return gateway_ports.from_annotation(text)
    return {}
