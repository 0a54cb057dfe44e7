"""The provider node's record and watermark, on a ConfigMap of the loop; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from ics import errors, model, names
from ics.cluster.state import node_records
from ics.consumer import key_check, observed, upgrades
from ics.manifests import sign_state_job

Item = Mapping[str, Any]

watermark = node_records.watermark


def annotations(record: model.ProviderRecord) -> dict[str, str]:
    """Return the annotations of a record."""
    notes = {names.VOLUME_UID: record.volume_uid}
    if record.reset is not None:
        notes[names.SIGN_STATE_RESET] = sign_state_job.reset_note(record.reset)
    if record.is_ready:
        notes[names.SIGN_STATE_READY] = "true"
    if record.certificates:
        notes[names.CLUSTER_CERTIFICATES] = key_check.to_annotation(record.certificates)
    return notes


def record(item: Item) -> model.ProviderRecord:
    """Decode the record.

    Raises:
        Permanent: its annotations were edited.
    """
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    text = notes.get(names.SIGN_STATE_RESET)
    reset = None if text is None else sign_state_job.parse_reset_note(text)
    is_ready = notes.get(names.SIGN_STATE_READY) == "true"
    if not notes.get(names.VOLUME_UID) or (reset is None and (text is not None or not is_ready)):
        raise errors.Permanent(
            f"ConfigMap {metadata['namespace']}/{metadata['name']}: its annotations were edited; once no other node has"
            " the provider node's key, run ics sign-state reset provider --confirm provider"
        )
    return model.ProviderRecord(
        volume_uid=notes[names.VOLUME_UID],
        reset=reset,
        is_ready=is_ready,
        certificates=key_check.from_annotation(notes.get(names.CLUSTER_CERTIFICATES, "")),
    )


def memory(
    volumes: Iterable[Item], workloads: Iterable[Item], records: Iterable[Item]
) -> observed.ProviderNodeMemory:
    """Combine the objects of the provider node.

    Args:
        volumes: its complete PersistentVolumeClaim, if there is one.
        workloads: metadata of its StatefulSet.
        records: complete ConfigMap with its record.
    """
    volume = next((one for one in volumes if "deletionTimestamp" not in one["metadata"]), None)
    workload = next(iter(workloads), None)
    found, problem = next(iter(records), None), ""
    decoded, marks, template = None, model.Watermark(), None
    software = upgrades.Record()
    try:
        if workload is not None:
            template = node_records.template(workload)
        software = node_records.software(volume, workload)
        if found is not None:
            marks, decoded = watermark(found), record(found)
    except errors.Permanent as error:
        problem = str(error)
    notes = {} if workload is None else workload["metadata"].get("annotations") or {}
    is_withheld = notes.get(names.WITHHELD) == "true"
    return observed.ProviderNodeMemory(
        volume_uid=None if volume is None else volume["metadata"]["uid"],
        claim=None if volume is None else node_records.claim(volume),
        has_workload=workload is not None,
        template=template,
        software=software,
        given="" if is_withheld else notes.get(names.VOLUME_UID, ""),
        record=decoded,
        watermark=marks,
        problem=problem,
    )
