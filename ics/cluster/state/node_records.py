"""Decoders of a node's objects in the cluster: key Secret, genesis and peers; pure."""

import base64
import binascii
import datetime
import gzip
from collections.abc import Mapping
from typing import Any

from ics import errors, model, names
from ics.consumer import watchdog
from ics.cosmos import canonical_json, times

Item = Mapping[str, Any]


def key_record(item: Item) -> model.SigningRecord:
    """Decode the signing record on a key Secret.

    Raises:
        Permanent: its annotations were edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    generation, address = notes.get(names.GENERATION, ""), notes.get(names.CONSENSUS_ADDRESS, "")
    where = f"Secret {metadata['namespace']}/{metadata['name']}"
    if not (generation.isascii() and generation.isdecimal()):
        raise errors.Permanent(
            f"{where}: invalid annotation {names.GENERATION}={generation!r}; set it to the number in the Secret's"
            " name"
        )
    if len(address) != 40 or set(address) - set("0123456789ABCDEF"):
        raise errors.Permanent(
            f"{where}: invalid annotation {names.CONSENSUS_ADDRESS}={address!r}; set it to the address in the"
            " Secret's priv_validator_key.json"
        )
    return model.SigningRecord(
        generation=int(generation),
        consensus_address=address,
        volume_uid=notes.get(names.VOLUME_UID) or None,
        is_ready=notes.get(names.SIGN_STATE_READY) == "true",
        is_retired=notes.get(names.RETIRED) == "true",
    )


def genesis(item: Item) -> bytes:
    """Return the genesis in a ConfigMap after checking its digest.

    Raises:
        Permanent: it is missing, damaged or was edited.
    """
    metadata = item["metadata"]
    where = f"ConfigMap {metadata['namespace']}/{metadata['name']}"
    remedy = "delete this ConfigMap, so that the genesis is created again"
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


def configured_peers(item: Item) -> watchdog.ConfiguredPeers:
    """Decode the peers that a node reads at its start, with the time of their last change."""
    data = item.get("data") or {}
    return watchdog.ConfiguredPeers(
        data.get("persistent_peers", ""), data.get("external_address", ""), _peers_written(item)
    )


def _peers_written(item: Item) -> datetime.datetime | None:
    """Return the time of the last write by a manager other than the loop's, None if there is none."""
    fields = item["metadata"].get("managedFields") or []
    written = [
        entry["time"] for entry in fields if entry.get("manager") != names.LOOP_MANAGER and "time" in entry
    ]
    return max(map(times.parse_time, written), default=None)


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
