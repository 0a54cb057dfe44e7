"""Memory of earlier passes, decoded from their objects."""

import base64
import gzip
import hashlib
from typing import Any

import pytest

from ics import model, names
from ics.cluster.state import decode
from ics.consumer import observed

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


def secret(generation: str = "0", namespace: str = "n", **notes: str) -> dict[str, Any]:
    known = {names.GENERATION: generation, names.CONSENSUS_ADDRESS: ADDRESS} | notes
    return item(f"consensus-key-{generation}", namespace, notes=known)


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
        [secret("1"), secret("0", **{names.VOLUME_UID: "uid-n", names.SIGN_STATE_READY: "true"})],
        [item("node")],
        [config_map(b"{}", b"{}", is_packed=True)],
    )
    records = (
        model.SigningRecord(generation=0, consensus_address=ADDRESS, volume_uid="uid-n", is_ready=True),
        model.SigningRecord(generation=1, consensus_address=ADDRESS, volume_uid=None, is_ready=False),
    )
    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="n", genesis=b"{}", records=records, volume_uid="uid-n", has_workload=True
            )
        }
    )


def test_withheld_key_is_decoded() -> None:
    node = item("node", notes={names.WITHHELD: "true"})
    withheld = observed.ChainMemory(namespace="n", has_workload=True, is_withheld=True)
    assert decode.memory([], [], [node], []) == observed.Memory({"1": withheld})


def test_volume_being_deleted_is_ignored() -> None:
    leaving = item("data", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})

    assert decode.memory([leaving], [], [], []) == observed.Memory({"1": observed.ChainMemory(namespace="n")})


def test_namespace_of_node_wins_and_all_signing_records_are_kept() -> None:
    armed = {names.VOLUME_UID: "uid-z", names.SIGN_STATE_READY: "true"}

    found = decode.memory(
        [item("data", "a"), item("data", "z")],
        [secret("0", "a"), secret("0", "z", **armed)],
        [item("node", "a")],
        [config_map(b"{}", b"{}", "z")],
    )

    record = model.SigningRecord(generation=0, consensus_address=ADDRESS, volume_uid="uid-z", is_ready=True)
    assert found == observed.Memory(
        {
            "1": observed.ChainMemory(
                namespace="a", genesis=None, records=(record,), volume_uid="uid-a", has_workload=True
            )
        }
    )


@pytest.mark.parametrize(
    ("generation", "address", "text"),
    [
        ("x", ADDRESS, "Secret n/consensus-key-x: invalid annotation ics-operator.dev/key-generation='x'"),
        ("0", "abc", "Secret n/consensus-key-0: invalid annotation ics-operator.dev/consensus-address='abc'"),
    ],
)
def test_invalid_signing_record_is_a_problem(generation: str, address: str, text: str) -> None:
    found = decode.memory([], [secret(generation, **{names.CONSENSUS_ADDRESS: address})], [], [])
    assert [chain.problem[: len(text)] for chain in found.chains.values()] == [text]


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
