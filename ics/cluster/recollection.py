"""What the objects of earlier passes say about each chain: from lists of objects to `model.Memory`; pure."""

import base64
import binascii
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import errors, labels, model

Item = Mapping[str, Any]


@dataclass(slots=True)
class _Found:
    """What lies in one namespace of one chain."""

    namespace: str
    genesis: bytes | None = None
    records: list[model.SigningRecord] = field(default_factory=list)
    volume_uid: str | None = None
    has_workload: bool = False

    @property
    def weight(self) -> tuple[bool, bool, bool, str]:
        """A chain lives where its node runs, else where its genesis lies, else where its volume is."""
        return self.has_workload, self.genesis is not None, self.volume_uid is not None, self.namespace


def memory(
    volumes: Iterable[Item], secrets: Iterable[Item], workloads: Iterable[Item], geneses: Iterable[Item]
) -> model.Memory:
    """Put together what is remembered.

    Args:
        volumes: metadata of PersistentVolumeClaims.
        secrets: metadata of consensus key Secrets.
        workloads: metadata of StatefulSets.
        geneses: genesis ConfigMaps, whole.

    Raises:
        Permanent: an annotation or a genesis was changed by somebody; names the object and the mend.
    """
    found: dict[str, dict[str, _Found]] = defaultdict(dict)

    def place(item: Item) -> _Found:
        metadata = item["metadata"]
        namespaces = found[metadata["labels"][labels.CONSUMER]]
        return namespaces.setdefault(metadata["namespace"], _Found(metadata["namespace"]))

    for item in volumes:
        # One that is being deleted is no volume to build on, but its chain is known.
        place(item).volume_uid = None if "deletionTimestamp" in item["metadata"] else item["metadata"]["uid"]
    for item in secrets:
        place(item).records.append(record(item))
    for item in workloads:
        place(item).has_workload = True
    for item in geneses:
        place(item).genesis = genesis(item)
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
        home.namespace,
        home.genesis,
        tuple(records[generation] for generation in sorted(records)),
        home.volume_uid,
        home.has_workload,
    )


def record(item: Item) -> model.SigningRecord:
    """The signing record on a key Secret.

    Raises:
        Permanent: its annotations are not what was written.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    generation, address = notes.get(labels.GENERATION, ""), notes.get(labels.CONSENSUS_ADDRESS, "")
    where = f"Secret {metadata['namespace']}/{metadata['name']}"
    if not generation.isdecimal():
        raise errors.Permanent(
            f"{where}: annotation {labels.GENERATION} is {generation!r}: set it to the number in the"
            " Secret's name"
        )
    if len(address) != 40 or set(address) - set("0123456789ABCDEF"):
        raise errors.Permanent(
            f"{where}: annotation {labels.CONSENSUS_ADDRESS} is {address!r}: set it to the address in"
            " the Secret's"
            " priv_validator_key.json"
        )
    return model.SigningRecord(
        int(generation), address, notes.get(labels.VOLUME_UID) or None, notes.get(labels.ARMED) == "true"
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
    stated = (metadata.get("annotations") or {}).get(labels.GENESIS_SHA256, "")
    digest = hashlib.sha256(content).hexdigest()
    if digest != stated:
        raise errors.Permanent(
            f"{where}: the genesis has sha256 {digest}, its annotation says {stated!r}: {mend}"
        )
    return content
