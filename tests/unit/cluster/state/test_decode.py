"""Memory of earlier passes, decoded from their objects."""

import base64
import dataclasses
import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from ics import model, names
from ics.cluster.state import decode
from ics.consumer import observed, revision
from ics.manifests import place_notes
from tests.unit import factories

ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"


def item(
    name: str, namespace: str = "n", consumer: str = "1", notes: dict[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}",
        "labels": {names.CONSUMER: consumer},
        "annotations": notes or {},
    }
    return {"metadata": metadata | rest.pop("metadata", {}), **rest}


def place(number: int = 0, namespace: str = "n", **changes: Any) -> model.Place:
    return factories.place(number, namespace=namespace, **changes)


def record(number: int = 0, namespace: str = "n", **changes: Any) -> model.SigningRecord:
    base = model.SigningRecord(
        place=place(number, namespace), consensus_address=ADDRESS, volume_uid=None, is_ready=False
    )
    return dataclasses.replace(base, **changes)


def on_record(number: int = 0, namespace: str = "n", **changes: Any) -> dict[str, str]:
    """The annotations of a place."""
    return place_notes.annotations(place(number, namespace, **changes), bytes.fromhex(ADDRESS))


def secret(
    number: int = 0, namespace: str = "n", copied_to: str = "", notes: Mapping[str, str] = {}
) -> dict[str, Any]:
    known = {**on_record(number, namespace), **notes}
    return item(f"consensus-key-{factories.place_id(number)}", copied_to or namespace, notes=known)


def config_map(
    content: bytes, stated: bytes, namespace: str = "n", is_packed: bool = False
) -> dict[str, Any]:
    notes = {names.GENESIS_SHA256: hashlib.sha256(stated).hexdigest()}
    if is_packed:
        packed = base64.b64encode(gzip.compress(content)).decode()
        return item("genesis", namespace, notes=notes, binaryData={"genesis.json.gz": packed})
    return item("genesis", namespace, notes=notes, data={"genesis.json": content.decode()})


def test_empty_cluster_has_empty_memory() -> None:
    assert decode.memory([], [], [], []) == observed.Memory()


def test_all_objects_of_a_chain_are_decoded() -> None:
    found = decode.memory(
        [item("data")],
        [
            secret(1),
            secret(notes={names.VOLUME_UID: "uid-n", names.SIGN_STATE_READY: "true", names.RETIRED: "true"}),
        ],
        [item("node", notes={names.PLACE_ID: factories.place_id(1)})],
        [config_map(b"{}", b"{}", is_packed=True)],
        cluster_uid="cluster-9",
    )
    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="n",
                genesis=b"{}",
                records=(record(volume_uid="uid-n", is_ready=True, is_retired=True), record(1)),
                volume_uid="uid-n",
                has_workload=True,
                template=revision.RecordedTemplate(1, ""),
                workload_place=factories.place_id(1),
            )
        },
        cluster_uid="cluster-9",
    )


@pytest.mark.parametrize("changes", [{"replaces": factories.place_id(7)}, {"is_moved": True}])
def test_place_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    found = decode.memory([], [secret(notes=on_record(**changes))], [], [])
    assert found.chains["1"].records == (record(place=place(**changes)),)


def test_withheld_key_is_decoded() -> None:
    node = item("node", notes={names.WITHHELD: "true"})
    withheld = observed.ChainMemory(
        namespace="n", has_workload=True, template=revision.RecordedTemplate(1, ""), is_withheld=True
    )
    assert decode.memory([], [], [node], []) == observed.Memory({"1": withheld})


def test_volume_being_deleted_is_ignored() -> None:
    leaving = item("data", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})

    assert decode.memory([leaving], [], [], []) == observed.Memory({"1": observed.ChainMemory(namespace="n")})


def test_namespace_of_node_wins_and_all_signing_records_are_kept() -> None:
    ready = {names.VOLUME_UID: "uid-z", names.SIGN_STATE_READY: "true"}

    found = decode.memory(
        [item("data", "a"), item("data", "z")],
        [secret(1, "a"), secret(0, "z", notes=ready)],
        [item("node", "a")],
        [config_map(b"{}", b"{}", "z")],
    )

    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="a",
                genesis=None,
                records=(record(0, "z", volume_uid="uid-z", is_ready=True), record(1, "a")),
                volume_uid="uid-a",
                has_workload=True,
                template=revision.RecordedTemplate(1, ""),
            )
        }
    )


@pytest.mark.parametrize(("original", "copy"), [("a", "z"), ("z", "a")])
def test_copied_namespace_is_named_and_neither_wins_nor_has_records(original: str, copy: str) -> None:
    ready = {names.VOLUME_UID: f"uid-{original}", names.SIGN_STATE_READY: "true"}
    node = {names.PLACE_ID: factories.place_id()}
    volume = on_record(namespace=original) | {names.VOLUME_UID: f"uid-{original}"}
    found = decode.memory(
        [item("data", one, notes=volume) for one in (original, copy)],
        [secret(namespace=original, copied_to=one, notes=ready) for one in (original, copy)],
        [item("node", one, notes=node) for one in (original, copy)],
        [config_map(b"{}", b"{}", copy)],
    )
    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace=original,
                records=(record(0, original, volume_uid=f"uid-{original}", is_ready=True),),
                volume_uid=f"uid-{original}",
                has_workload=True,
                template=revision.RecordedTemplate(1, ""),
                workload_place=factories.place_id(),
                copies=(copy,),
            )
        }
    )


def test_lost_secret_is_recovered_from_annotations_of_volume() -> None:
    volume = item("data", notes=on_record(2) | {names.VOLUME_UID: "uid-n"})
    kept = secret(1)
    recovered = record(2, is_recovered=True)
    assert decode.memory([volume], [kept], [], []).chains["1"].records == (record(1), recovered)
    # The Secret itself is the better record.
    assert decode.memory([volume], [secret(2)], [], []).chains["1"].records == (record(2),)


@pytest.mark.parametrize("noted", [{names.VOLUME_UID: "uid-of-the-original"}, {}])
def test_annotations_of_another_volume_are_no_record(noted: dict[str, str]) -> None:
    """A backup tool restores annotations, but not uids; and a volume without a uid may be such a one."""
    volume = item("data", notes=on_record() | noted)
    assert decode.memory([volume], [], [], []).chains["1"] == observed.ChainMemory(
        namespace="n", volume_uid="uid-n"
    )


SECRET = f"Secret n/consensus-key-{factories.place_id()}"


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (names.PLACE_ID, "x", "invalid annotation ics-operator.dev/place-id='x'"),
        (
            names.PLACE_ID,
            factories.place_id(1),
            f"annotation ics-operator.dev/place-id='{factories.place_id(1)}' does not fit its name",
        ),
        (names.PLACE_SINCE, "today", "invalid annotation ics-operator.dev/place-since='today'"),
        (names.CONSENSUS_ADDRESS, "abc", "invalid annotation ics-operator.dev/consensus-address='abc'"),
    ],
)
def test_invalid_signing_record_is_a_problem(annotation: str, value: str, text: str) -> None:
    found = decode.memory([], [secret(notes={annotation: value})], [], [])
    [chain] = found.chains.values()
    assert (chain.problem.startswith(f"{SECRET}: {text}"), chain.records) == (True, ())


def test_invalid_record_on_volume_is_a_problem() -> None:
    volume = item("data", notes=on_record() | {names.VOLUME_UID: "uid-n", names.PLACE_SINCE: ""})
    [chain] = decode.memory([volume], [secret()], [], []).chains.values()
    text = "PersistentVolumeClaim n/data: invalid annotation ics-operator.dev/place-since=''"
    assert (chain.problem.startswith(text), chain.volume_uid) == (True, "uid-n")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (config_map(b"{ }", b"{}"), "ConfigMap n/genesis: the genesis has sha256 257c1be9"),
        (item("genesis"), "ConfigMap n/genesis: contains neither genesis.json nor genesis.json.gz"),
        (
            item("genesis", binaryData={"genesis.json.gz": base64.b64encode(b"no gzip").decode()}),
            "ConfigMap n/genesis: genesis.json.gz cannot be unpacked",
        ),
        (
            item(
                "genesis",
                binaryData={"genesis.json.gz": base64.b64encode(gzip.compress(b"{}")[:-9]).decode()},
            ),
            "ConfigMap n/genesis: genesis.json.gz cannot be unpacked",
        ),
    ],
)
def test_invalid_genesis_config_map_is_a_problem(found: dict[str, Any], text: str) -> None:
    memory = decode.memory([], [], [], [found])
    assert [chain.problem[: len(text)] for chain in memory.chains.values()] == [text]


def labelled(name: str, extra: str, **rest: Any) -> dict[str, Any]:
    found = item(name, **rest)
    found["metadata"]["labels"] = {names.CONSUMER: "1", names.EXTRA_NODE: extra}
    return found


def test_extra_nodes_are_apart_from_the_validators_node() -> None:
    notes = {f"{names.WATCHDOG}failures": "2", f"{names.WATCHDOG}process": "uid.0"}
    found = decode.memory(
        [item("data")],
        [secret()],
        [
            item("node", notes={names.PLACE_ID: factories.place_id(), names.SENTRIES: "2"}),
            labelled("sentry-1", "sentry-1"),
        ],
        [],
        run_time=[
            item("peers", data={"persistent_peers": "own"}),
            labelled("sentry-1-peers", "sentry-1", notes=notes, data={"persistent_peers": "theirs"}),
        ],
    ).chains["1"]
    assert (found.has_workload, found.workload_place, found.sentries) == (True, factories.place_id(), 2)
    assert found.configured_peers is not None
    assert found.configured_peers.persistent_peers == "own"
    sentry = found.extra_nodes["sentry-1"]
    assert (sentry.has_workload, sentry.watchdog.failures) == (True, 2)
    assert sentry.configured_peers is not None
    assert sentry.configured_peers.persistent_peers == "theirs"
    assert found.watchdog.failures == 0


def test_sentry_alone_is_no_workload_of_the_chain() -> None:
    """Otherwise the validator's node would count as started before it ever was."""
    found = decode.memory([item("data")], [secret()], [labelled("sentry-1", "sentry-1")], []).chains["1"]
    assert (found.has_workload, found.runs, found.sentries) == (False, False, 0)
    assert found.extra_nodes == {"sentry-1": observed.ExtraNodeMemory(has_workload=True)}


@pytest.mark.parametrize("text", ["", "two", "-1", "1.0", "1000"])
def test_edited_number_of_sentries_is_a_problem_of_the_chain(text: str) -> None:
    workload = item("node", notes={names.PLACE_ID: factories.place_id(), names.SENTRIES: text})
    found = decode.memory([item("data")], [secret()], [workload], []).chains["1"]
    assert names.SENTRIES in found.problem
    assert found.has_workload is True
