"""What the objects of earlier passes say about each chain: from lists of objects to `model.Memory`; pure."""

import base64
import binascii
import contextlib
import datetime
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import errors, model, names
from ics.cluster import sign_state
from ics.cluster.nodes import decode
from ics.consumer import watchdog
from ics.consumer.peers import gateway_ports

Item = Mapping[str, Any]

JOB_NAME = "batch.kubernetes.io/job-name"
"""Label that Kubernetes gives a Job's pods."""
LOOP_MADE = (names.RELAYING_NAME, names.HERMES_CANDIDATE)
"""ConfigMaps of the relaying that the loop makes; no engine knows of them."""


@dataclass(slots=True)
class _Found:
    """What lies in one namespace of one chain."""

    namespace: str
    genesis: bytes | None = None
    records: list[model.SigningRecord] = field(default_factory=list)
    volume_uid: str | None = None
    has_workload: bool = False
    is_ending: bool = False
    is_withheld: bool = False
    relaying: model.RelayingRecord | None = None
    jobs: dict[str, model.JobState] = field(default_factory=dict)
    last_words: dict[str, str] = field(default_factory=dict)
    has_hermes: bool = False
    pods: dict[str, list[model.PodStatus]] = field(default_factory=lambda: defaultdict(list))
    since: dict[str, datetime.datetime] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    has_relaying: bool = False
    laid_peers: model.LaidPeers | None = None
    care: model.Care = field(default_factory=model.Care)
    problem: str = ""

    @property
    def instances(self) -> dict[str, model.Instance]:
        """The Hermes that run on, by component."""
        return {
            component: model.Instance(
                max(self.pods.get(component, ()), key=lambda pod: pod.is_ready, default=None),
                self.since.get(component),
            )
            for component in sorted(self.pods.keys() | self.since.keys())
        }

    @contextlib.contextmanager
    def read(self) -> Iterator[None]:
        """What somebody changed is this chain's trouble, and no other's."""
        try:
            yield
        except errors.Permanent as error:
            self.problem = self.problem or str(error)

    @property
    def weight(self) -> tuple[bool, bool, bool, str]:
        """A chain lives where its node runs, else where its genesis lies, else where its volume is."""
        return self.has_workload, self.genesis is not None, self.volume_uid is not None, self.namespace

    def setup(self, config_map: str, deployment: str) -> model.Setup | None:
        """What a Hermes runs with, by the names of its ConfigMap and Deployment; None without either."""
        config, image = self.configs.get(config_map), self.images.get(deployment)
        return None if config is None or image is None else model.Setup(image, config)


@dataclass(frozen=True, slots=True)
class Relaying:
    """What the relaying of all chains left, whole objects."""

    config_maps: Iterable[Item] = ()
    jobs: Iterable[Item] = ()
    deployments: Iterable[Item] = ()
    pods: Iterable[Item] = ()
    """Those of the Deployments and of the Jobs."""


def memory(
    volumes: Iterable[Item],
    secrets: Iterable[Item],
    workloads: Iterable[Item],
    geneses: Iterable[Item],
    relaying: Relaying | None = None,
    peers: Iterable[Item] = (),
) -> model.Memory:
    """Put together what is remembered.

    Args:
        volumes: metadata of PersistentVolumeClaims.
        secrets: metadata of consensus key Secrets.
        workloads: metadata of StatefulSets.
        geneses: genesis ConfigMaps, whole.
        relaying: what the relaying left.
        peers: ConfigMaps of the nodes' peers, whole.

    Returns:
        By chain; an annotation, a genesis or a relaying record that somebody changed is the chain's `problem`.
    """
    found: dict[str, dict[str, _Found]] = defaultdict(dict)

    def place(item: Item) -> _Found:
        metadata = item["metadata"]
        namespaces = found[metadata["labels"][names.CONSUMER]]
        return namespaces.setdefault(metadata["namespace"], _Found(metadata["namespace"]))

    for item in volumes:
        # One that is being deleted is no volume to build on, but its chain is known.
        place(item).volume_uid = None if "deletionTimestamp" in item["metadata"] else item["metadata"]["uid"]
    for item in secrets:
        with place(item).read():
            place(item).records.append(record(item))
    for item in workloads:
        notes = item["metadata"].get("annotations") or {}
        place(item).has_workload = True
        place(item).is_ending = notes.get(names.ENDING) == "true"
        place(item).is_withheld = notes.get(names.WITHHELD) == "true"
    for item in geneses:
        with place(item).read():
            place(item).genesis = genesis(item)
    for item in peers:
        with place(item).read():
            place(item).laid_peers = configured_peers(item)
            place(item).care = watchdog_record(item)
    left = relaying or Relaying()
    for item in left.config_maps:
        name, data = item["metadata"]["name"], item.get("data") or {}
        if name in LOOP_MADE:
            place(item).has_relaying = True
        if name == names.RELAYING_NAME:
            with place(item).read():
                place(item).relaying = relaying_record(item)
        elif "config.toml" in data:
            place(item).configs[name] = data["config.toml"]
    for item in left.jobs:
        place(item).jobs[item["metadata"]["name"]] = job_state(item)
        place(item).has_relaying = True
    for item in left.deployments:
        place(item).images[item["metadata"]["name"]] = _image(item)
        place(item).since[_component(item)] = _available_since(item)
    for item in left.pods:
        if _component(item) == names.RELAYING_STEP:
            if said := last_words(item):
                place(item).last_words[item["metadata"]["labels"].get(JOB_NAME, "")] = said
        elif _is_alive(item) and "deletionTimestamp" not in item["metadata"]:
            place(item).pods[_component(item)].append(decode.pod(item))
    for item in (*filter(_has_replicas, left.deployments), *filter(_is_alive, left.pods)):
        # The watch for evidence signs with an account of its own, and is in nobody's way.
        if _component(item) == names.HERMES:
            place(item).has_hermes = True
    return model.Memory(
        {consumer: _chain(list(places.values())) for consumer, places in sorted(found.items())}
    )


def _chain(places: Sequence[_Found]) -> model.ChainMemory:
    """One chain may have left a volume and keys in a namespace of its earlier chain id."""
    ordered = sorted(places, key=lambda found: found.weight)
    home = ordered[-1]
    records: dict[int, model.SigningRecord] = {}
    for found in ordered:  # home comes last, but what was laid once outweighs what never was
        for one in found.records:
            known = records.get(one.generation)
            if known is None or known.volume_uid is None or one.volume_uid is not None:
                records[one.generation] = one
    return model.ChainMemory(
        namespace=home.namespace,
        genesis=home.genesis,
        records=tuple(records[generation] for generation in sorted(records)),
        volume_uid=home.volume_uid,
        has_workload=home.has_workload,
        is_ending=home.is_ending,
        is_withheld=home.is_withheld,
        relaying=home.relaying,
        jobs=home.jobs,
        last_words=home.last_words,
        instances=home.instances,
        # A key signs on a chain, whichever namespace it lies in.
        has_hermes=any(found.has_hermes for found in places),
        hermes=home.setup(names.HERMES_NAME, names.HERMES_NAME),
        hermes_base=home.setup(names.HERMES_BASE, names.EVIDENCE_NAME),
        has_relaying=home.has_relaying,
        laid_peers=home.laid_peers,
        care=home.care,
        problem=next((found.problem for found in reversed(ordered) if found.problem), ""),
    )


def record(item: Item) -> model.SigningRecord:
    """The signing record on a key Secret.

    Raises:
        Permanent: its annotations are not what was written.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    generation, address = notes.get(names.GENERATION, ""), notes.get(names.CONSENSUS_ADDRESS, "")
    where = f"Secret {metadata['namespace']}/{metadata['name']}"
    if not generation.isdecimal():
        raise errors.Permanent(
            f"{where}: annotation {names.GENERATION} is {generation!r}: set it to the number in the"
            " Secret's name"
        )
    if len(address) != 40 or set(address) - set("0123456789ABCDEF"):
        raise errors.Permanent(
            f"{where}: annotation {names.CONSENSUS_ADDRESS} is {address!r}: set it to the address in"
            " the Secret's"
            " priv_validator_key.json"
        )
    return model.SigningRecord(
        int(generation),
        address,
        notes.get(names.VOLUME_UID) or None,
        notes.get(names.ARMED) == "true",
        notes.get(names.RETIRED) == "true",
    )


def genesis(item: Item) -> bytes:
    """The genesis in a ConfigMap, checked against the digest beside it.

    Raises:
        Permanent: it is not the genesis that was written there.
    """
    metadata = item["metadata"]
    where = f"ConfigMap {metadata['namespace']}/{metadata['name']}"
    mend = "delete this ConfigMap, so that the genesis is made anew"
    plain: str | None = (item.get("data") or {}).get("genesis.json")
    packed: str | None = (item.get("binaryData") or {}).get("genesis.json.gz")
    try:
        if plain is not None:
            content = plain.encode()
        elif packed is not None:
            content = gzip.decompress(base64.b64decode(packed))
        else:
            raise errors.Permanent(f"{where} holds neither genesis.json nor genesis.json.gz: {mend}")
    except (binascii.Error, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise errors.Permanent(f"{where}: genesis.json.gz cannot be unpacked ({error}): {mend}") from None
    stated = (metadata.get("annotations") or {}).get(names.GENESIS_SHA256, "")
    digest = hashlib.sha256(content).hexdigest()
    if digest != stated:
        raise errors.Permanent(
            f"{where}: the genesis has sha256 {digest}, its annotation says {stated!r}: {mend}"
        )
    return content


def open_ports(services: Iterable[Item]) -> Mapping[str, model.OpenPorts]:
    """The ports of the chains, as recorded on the shared LoadBalancer's Service.

    A record that somebody changed counts as none: it is made anew by the next pass, and all that is lost is
    that a former port closes early.
    """
    for item in services:
        text = (item["metadata"].get("annotations") or {}).get(names.OPEN_PORTS, "")
        with contextlib.suppress(ValueError, TypeError):
            return gateway_ports.read(text)
    return {}


def relaying_data(wanted: model.RelayingRecord) -> dict[str, str]:
    """A relaying record as data of its ConfigMap."""
    return {
        "mark": wanted.mark,
        "since": _written(wanted.since),
        "ours": "true" if wanted.is_ours else "false",
        "acted_on": wanted.acted_on,
        "config": wanted.accepted_config,
        "base": wanted.accepted_base,
        "pending": " ".join(map(str, wanted.pending)),
        "open_since": _written(wanted.open_since),
        "pending_since": _written(wanted.pending_since),
    }


def _written(moment: datetime.datetime | None) -> str:
    return "" if moment is None else moment.astimezone(datetime.UTC).isoformat()


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def relaying_record(item: Item) -> model.RelayingRecord:
    """The relaying record in its ConfigMap.

    Raises:
        Permanent: it is not what was written.
    """
    data = item.get("data") or {}
    try:
        pending, opened = data.get("pending_since", ""), data.get("open_since", "")
        # A record of an earlier release has no packets.
        to_consumer, to_provider = map(int, data.get("pending", "0 0").split())
        return model.RelayingRecord(
            data["mark"],
            _moment(data["since"]),
            data["ours"] == "true",
            data["acted_on"],
            data["config"],
            _moment(pending) if pending else None,
            data.get("base", ""),
            (to_consumer, to_provider),
            _moment(opened) if opened else None,
        )
    except (KeyError, ValueError) as error:
        where = f"ConfigMap {item['metadata']['namespace']}/{item['metadata']['name']}"
        raise errors.Permanent(
            f"{where}: the record of the relaying is not understood ({error!r}): delete this ConfigMap, so"
            " that it is made anew"
        ) from None


def job_state(item: Item) -> model.JobState:
    """How a relaying Job stands; one whose pod is still there may sign, and runs."""
    status = item.get("status") or {}
    if status.get("active") or status.get("terminating"):
        return model.JobState.RUNNING
    return sign_state.job_state(dict(item))


def last_words(pod: Item) -> str:
    """Why Hermes failed in a pod, from the end of its log as Kubernetes kept it; at most 400 characters.

    Hermes answers a command with a JSON object; a config that it cannot read, with plain text.
    """
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated") or {}
        lines = [line for line in str(ended.get("message") or "").splitlines() if line.strip()]
        results = [result for line in lines if (result := _error_result(line))]
        plain = [line for line in lines if not line.startswith("{")]
        if results or plain:
            return (results[-1:] or plain)[0][:400]
    return ""


def _error_result(line: str) -> str:
    try:
        answer = json.loads(line)
    except ValueError:
        return ""
    is_error = isinstance(answer, dict) and answer.get("status") == "error"
    return str(answer.get("result")) if is_error else ""


def _component(item: Item) -> str:
    return str(item["metadata"]["labels"].get(names.COMPONENT, ""))


def _available_since(deployment: Item) -> datetime.datetime:
    conditions = (deployment.get("status") or {}).get("conditions") or []
    turned = [c["lastTransitionTime"] for c in conditions if c["type"] == "Available"]
    return datetime.datetime.fromisoformat((turned or [deployment["metadata"]["creationTimestamp"]])[0])


def _image(deployment: Item) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _has_replicas(deployment: Item) -> bool:
    return int((deployment.get("spec") or {}).get("replicas", 1)) > 0


def _is_alive(pod: Item) -> bool:
    # One that was evicted stays as Failed, for a long time.
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def configured_peers(item: Mapping[str, Any]) -> model.LaidPeers:
    """The peers that a node reads at its start, and since when they are there."""
    data = item.get("data") or {}
    return model.LaidPeers(
        data.get("persistent_peers", ""), data.get("external_address", ""), _peers_written(item)
    )


def _peers_written(item: Mapping[str, Any]) -> datetime.datetime | None:
    """When it was last written by anybody but the loop, None when nobody says so."""
    fields = item["metadata"].get("managedFields") or []
    times = [one["time"] for one in fields if one.get("manager") != names.LOOP_MANAGER and "time" in one]
    return max((datetime.datetime.fromisoformat(time) for time in times), default=None)


def watchdog_record(item: Mapping[str, Any]) -> model.Care:
    """What is remembered of the node that runs.

    Raises:
        Permanent: it is not what was written.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    texts = {
        name.removeprefix(names.CARE): text for name, text in notes.items() if name.startswith(names.CARE)
    }
    try:
        return watchdog.read(texts)
    except ValueError as error:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: an annotation {names.CARE}... is not understood"
            f" ({error}): delete those annotations"
        ) from None
