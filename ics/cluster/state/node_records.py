"""Decoders of a node's objects in the cluster: key Secret, genesis and peers; pure."""

import base64
import binascii
import datetime
import gzip
import re
from collections.abc import Callable, Mapping
from typing import Any

from ics import errors, model, names
from ics.consumer import (
    applied_upgrades,
    key_check,
    observed,
    revision,
    state_sync_record,
    upgrades,
    volumes,
    watchdog,
)
from ics.cosmos import answers, canonical_json, genesis_order, times
from ics.keys import derivation

Item = Mapping[str, Any]

_REVISION_DIGITS = 10
_HEIGHT_DIGITS = 19


def key_record(item: Item) -> model.SigningRecord:
    """Decode the signing record on a key Secret.

    Raises:
        Permanent: its annotations were edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    where = f"Secret {metadata['namespace']}/{metadata['name']}"
    place = _place(notes, where)
    if metadata["name"] != names.consensus_key_name(place.place_id):
        raise errors.Permanent(
            f"{where}: annotation {names.PLACE_ID}={place.place_id!r} does not fit its name; set it to the id in the"
            " name"
        )
    return model.SigningRecord(
        place=place,
        consensus_address=_address(notes, where),
        volume_uid=notes.get(names.VOLUME_UID) or None,
        is_ready=notes.get(names.SIGN_STATE_READY) == "true",
        is_retired=notes.get(names.RETIRED) == "true",
        is_reset=bool(notes.get(names.SIGN_STATE_RESET)),
        certificates=key_check.from_annotation(notes.get(names.CLUSTER_CERTIFICATES, "")),
    )


def state_sync(item: Item) -> state_sync_record.StateSyncRecord:
    """Decode the record of a state sync; one that was edited is forgotten, because all of it can be found again."""
    try:
        return state_sync_record.from_json((item.get("data") or {}).get(state_sync_record.RECORD_FILE, ""))
    except answers.MalformedAnswer:
        return state_sync_record.StateSyncRecord()


def volume_record(item: Item) -> model.SigningRecord | None:
    """Return the record of the place on a volume, which serves if the key's Secret is lost.

    The annotations of a copied or restored volume name the uid of the original, so they are no record of it.

    Raises:
        Permanent: its annotations were edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    if notes.get(names.VOLUME_UID, "") != metadata["uid"]:
        return None
    where = f"PersistentVolumeClaim {metadata['namespace']}/{metadata['name']}"
    return model.SigningRecord(
        place=_place(notes, where),
        consensus_address=_address(notes, where),
        volume_uid=None,
        is_ready=False,
        is_recovered=True,
    )


def claim(item: Item) -> volumes.VolumeClaim | None:
    """Decode the size and the class of a volume claim; None if it requests no storage."""
    spec: Mapping[str, Any] = item.get("spec") or {}
    requests: Mapping[str, Any] = (spec.get("resources") or {}).get("requests") or {}
    if not requests.get("storage"):
        return None
    capacity: Mapping[str, Any] = (item.get("status") or {}).get("capacity") or {}
    return volumes.VolumeClaim(
        requested=str(requests["storage"]),
        capacity=str(capacity.get("storage", "")),
        storage_class=str(spec.get("storageClassName") or ""),
    )


def _place(notes: Mapping[str, str], where: str) -> model.Place:
    place_id, since = notes.get(names.PLACE_ID, ""), notes.get(names.PLACE_SINCE, "")
    if not derivation.is_place_id(place_id):
        raise errors.Permanent(
            f"{where}: invalid annotation {names.PLACE_ID}={place_id!r}; set it to the id in the name of the key's"
            " Secret"
        )
    try:
        moment = times.parse_time(since)
    except ValueError as error:
        raise errors.Permanent(
            f"{where}: invalid annotation {names.PLACE_SINCE}={since!r}; set it to the time at which the object was"
            " created"
        ) from error
    return model.Place(
        place_id=place_id,
        cluster_uid=notes.get(names.CLUSTER_UID, ""),
        namespace=notes.get(names.PLACE_NAMESPACE, ""),
        since=moment,
        replaces=notes.get(names.REPLACES, ""),
        is_moved=notes.get(names.MOVED) == "true",
        is_ordered=notes.get(names.ORDERED) == "true",
    )


def _address(notes: Mapping[str, str], where: str) -> str:
    address = notes.get(names.CONSENSUS_ADDRESS, "")
    if len(address) != 40 or set(address) - set("0123456789ABCDEF"):
        raise errors.Permanent(
            f"{where}: invalid annotation {names.CONSENSUS_ADDRESS}={address!r}; set it to the address in the"
            " priv_validator_key.json of the key's Secret"
        )
    return address


def genesis(item: Item) -> bytes | genesis_order.Ordered:
    """Return the genesis in a ConfigMap, or the order of a large one, after checking its digest.

    Raises:
        Permanent: it is missing, damaged or was edited.
    """
    metadata = item["metadata"]
    where = f"ConfigMap {metadata['namespace']}/{metadata['name']}"
    remedy = "delete this ConfigMap, so that the genesis is created again"
    order: str | None = (item.get("data") or {}).get(genesis_order.FILE)
    if order is not None:
        return _order(order.encode(), metadata.get("annotations") or {}, where, remedy)
    plain: str | None = (item.get("data") or {}).get("genesis.json")
    packed: str | None = (item.get("binaryData") or {}).get("genesis.json.gz")
    try:
        if plain is not None:
            content = plain.encode()
        elif packed is not None:
            content = gzip.decompress(base64.b64decode(packed))
        else:
            raise errors.Permanent(f"{where}: contains neither genesis.json nor genesis.json.gz; {remedy}")
    except (binascii.Error, gzip.BadGzipFile, EOFError, ValueError) as error:
        raise errors.Permanent(f"{where}: genesis.json.gz cannot be unpacked ({error}); {remedy}") from None
    stated = (metadata.get("annotations") or {}).get(names.GENESIS_SHA256, "")
    digest = canonical_json.sha256_hex(content)
    if digest != stated:
        raise errors.Permanent(
            f"{where}: the genesis has sha256 {digest}, but its annotation is {stated!r}; {remedy}"
        )
    return content


def _order(content: bytes, notes: Mapping[str, str], where: str, remedy: str) -> genesis_order.Ordered:
    if canonical_json.sha256_hex(content) != notes.get(names.GENESIS_ORDER, ""):
        raise errors.Permanent(
            f"{where}: {genesis_order.FILE} does not fit its annotation {names.GENESIS_ORDER}; {remedy}"
        )
    try:
        order = genesis_order.parse(content)
    except errors.SettingsError as error:
        raise errors.Permanent(f"{where}: {error}; {remedy}") from None
    report = genesis_order.parse_report(notes.get(names.GENESIS_REPORT, ""))
    return genesis_order.Ordered(order, report if isinstance(report, genesis_order.Report) else None)


def sentries(item: Item) -> int:
    """Return the number of sentries behind which the node of a StatefulSet runs.

    Raises:
        Permanent: the annotation was edited.
    """
    metadata = item["metadata"]
    text = (metadata.get("annotations") or {}).get(names.SENTRIES, "0")
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise errors.Permanent(
            f"StatefulSet {metadata['namespace']}/{metadata['name']}: annotation {names.SENTRIES} is {text!r}, not a"
            " number of sentries; set it to that of the StatefulSets sentry-1, sentry-2, … in this namespace"
        )
    return int(text)


def configured_peers(item: Item) -> watchdog.ConfiguredPeers:
    """Decode the peers that a node reads at its start, with the time of their last change."""
    data = item.get("data") or {}
    return watchdog.ConfiguredPeers(
        data.get("persistent_peers", ""), data.get("external_address", ""), _peers_written(item)
    )


def _peers_written(item: Item) -> datetime.datetime | None:
    """Return the time of the last write by a manager other than the loop's, None if there is none."""
    return _written(item, lambda manager: manager != names.LOOP_MANAGER)


def _written(item: Item, counts: Callable[[str], bool]) -> datetime.datetime | None:
    """Return the time of the last write by a field manager that counts."""
    fields = item["metadata"].get("managedFields") or []
    written = [entry["time"] for entry in fields if counts(entry.get("manager", "")) and "time" in entry]
    return max(map(times.parse_time, written), default=None)


def watermark(item: Item) -> model.Watermark:
    """Decode a watermark.

    Raises:
        Permanent: it was edited.
    """
    metadata = item["metadata"]
    try:
        return model.Watermark(
            heights={address: _height(text) for address, text in (item.get("data") or {}).items()},
            written=_written(item, lambda manager: manager == names.LOOP_MANAGER),
        )
    except ValueError as error:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: {error}; set it to the height of the last block"
            " that the key has signed"
        ) from None


def _height(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _HEIGHT_DIGITS):
        raise ValueError(f"{text[:40]!r} is not a height")
    return int(text)


def watchdog_record(item: Item) -> watchdog.WatchdogRecord:
    """Decode the watchdog's record of the running node.

    Raises:
        Permanent: its annotations were edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    texts = {
        name.removeprefix(names.WATCHDOG): text
        for name, text in notes.items()
        if name.startswith(names.WATCHDOG)
    }
    try:
        return watchdog.from_annotations(texts)
    except ValueError as error:
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: an annotation {names.WATCHDOG}... is not understood"
            f" ({error}): delete those annotations"
        ) from None


def template(item: Item) -> revision.RecordedTemplate:
    """Decode what a node's StatefulSet says of its template.

    Raises:
        Permanent: its annotation was edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    text = notes.get(names.NODE_REVISION, str(revision.FIRST))
    if not (text.isascii() and text.isdigit() and len(text) < _REVISION_DIGITS):
        raise errors.Permanent(
            f"StatefulSet {metadata['namespace']}/{metadata['name']}: annotation {names.NODE_REVISION}={text!r} is not"
            f" a number; remove it together with {names.TEMPLATE}: the node is then taken for one of the first revision"
        )
    return revision.RecordedTemplate(int(text), notes.get(names.TEMPLATE, ""))


def software(volume: Item | None, workload: Item | None) -> upgrades.Record:
    """Decode what is on record about a node's software.

    Args:
        volume: its PersistentVolumeClaim; None: there is none, or it is being deleted.
        workload: its StatefulSet; None: there is none.

    Raises:
        Permanent: an annotation was edited.
    """
    return upgrades.Record(
        app_height=None if volume is None else noted_app_height(volume),
        applied=None if volume is None else _applied(volume),
        written=None if volume is None else _written(volume, lambda manager: manager == names.HEIGHT_MANAGER),
        image=(_notes(workload)).get(names.IMAGE, ""),
        halt_height=0 if workload is None else _noted_height(workload, "StatefulSet", names.HALT_HEIGHT) or 0,
    )


def noted_app_height(volume: Item) -> int | None:
    """Return the height that is on record on a PersistentVolumeClaim, None if none is.

    Raises:
        Permanent: the annotation was edited.
    """
    return _noted_height(volume, "PersistentVolumeClaim", names.APP_HEIGHT)


def _applied(volume: Item) -> tuple[applied_upgrades.AppliedUpgrade, ...] | None:
    text = _notes(volume).get(names.APPLIED_UPGRADES)
    try:
        return None if text is None else applied_upgrades.from_annotation(text)
    except ValueError as error:
        metadata = volume["metadata"]
        raise errors.Permanent(
            f"PersistentVolumeClaim {metadata['namespace']}/{metadata['name']}: annotation {names.APPLIED_UPGRADES}:"
            f" {error}; set it to the entries of the chain's list that its data has been through, in JSON"
        ) from None


def extra_node(volume: Item | None, workload: Item | None, peers: Item | None) -> observed.ExtraNodeMemory:
    """Decode what is stored about a sentry or full node.

    Args:
        volume: its PersistentVolumeClaim; None: there is none, or it is being deleted.
        workload: its StatefulSet; None: there is none.
        peers: its ConfigMap with peers; None: there is none.

    Raises:
        Permanent: an annotation was edited.
    """
    uid = None if volume is None else str(volume["metadata"]["uid"])
    return observed.ExtraNodeMemory(
        has_workload=workload is not None,
        volume_uid=uid,
        is_known_volume=uid is not None and _notes(workload).get(names.VOLUME_UID) == uid,
        claim=None if volume is None else claim(volume),
        software=software(volume, workload),
        configured_peers=None if peers is None else configured_peers(peers),
        watchdog=watchdog.WatchdogRecord() if peers is None else watchdog_record(peers),
    )


def _notes(item: Item | None) -> Mapping[str, str]:
    return {} if item is None else item["metadata"].get("annotations") or {}


def _noted_height(item: Item, kind: str, name: str) -> int | None:
    text = _notes(item).get(name)
    try:
        return None if text is None else _height(text)
    except ValueError as error:
        metadata = item["metadata"]
        raise errors.Permanent(
            f"{kind} {metadata['namespace']}/{metadata['name']}: annotation {name}: {error}; set it to the height that"
            " the node's application has reached"
        ) from None
