"""Genesis files as people publish them, judged before the opt-in: what is not this chain's genesis is critical."""

import base64
import dataclasses
import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ics import model
from ics.cli.doctor import chain_checks, findings
from ics.conditions import Severity
from ics.config import chain_definition, stack_file
from ics.consumer import chain_decision
from ics.cosmos import canonical_json, genesis_file
from ics.manifests import objects, reconciler
from tests.unit import factories

BASE = factories.BASE.encode()
DOCUMENT: dict[str, Any] = json.loads(factories.BASE)


def tar(name: str = "genesis.json", content: bytes = BASE) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def changed(**changes: Any) -> bytes:
    return json.dumps({**DOCUMENT, **changes}).encode()


async def fetch(url: str) -> bytes:
    raise AssertionError(f"{url} is fetched")


async def load(folder: Path, content: bytes, **changes: Any) -> chain_definition.LoadedDefinition:
    """Load the example's definition with this file, as a stack does."""
    known = factories.example(**changes).definition
    source = known.genesis.final or known.genesis.base
    assert source is not None
    assert source.file is not None
    (folder / "stacks" / "chains").mkdir(parents=True, exist_ok=True)
    (folder / "stacks" / "chains" / source.file).write_bytes(content)
    (loaded,) = await stack_file.attach_genesis(folder, [known], fetch)
    return loaded


def judge(loaded: chain_definition.LoadedDefinition, stated: bytes = b"") -> chain_decision.ChainDecision:
    """Judge a chain that would be joined in this pass, whose owner stated this hash."""
    found = factories.consumer(found=factories.detail(genesis_hash=stated))
    return factories.judge(found, memory=factories.staged(), definitions=[loaded]).decisions[0]


def criticals(decision: chain_decision.ChainDecision) -> list[tuple[str, str]]:
    return [(c.reason, c.message) for c in decision.conditions if c.severity is Severity.CRITICAL]


def joins(decision: chain_decision.ChainDecision) -> bool:
    return any(isinstance(intent, model.OptIn) for intent in decision.intents)


NOT_A_GENESIS = [
    (b"", "the genesis file is empty"),
    (gzip.compress(tar()), "the genesis file is a tar archive"),
    (tar(), "the genesis file is a tar archive"),
    (gzip.compress(gzip.compress(BASE)), "the genesis file is compressed with gzip twice"),
    (zlib.compress(BASE), "the genesis file is compressed with zlib"),
    (lzma.compress(BASE, lzma.FORMAT_ALONE), "the genesis file is compressed with lzma"),
    (b"Rar!\x1a\x07\x00", "the genesis file is a rar archive"),
    (gzip.compress(b"") * 1000, "the genesis file consists of more than 64 gzip files"),
    (factories.BASE.encode("utf-16-le"), "the genesis file is text in UTF-16 or UTF-32"),
    (factories.BASE.encode("utf-32-be"), "the genesis file is text in UTF-16 or UTF-32"),
    (base64.b64encode(BASE), "the genesis file is encoded in base64 or hex"),
    (BASE.hex().encode(), "the genesis file is encoded in base64 or hex"),
    (b"<head><title>404</title></head>", "the genesis file is a web page"),
    (b"<Error><Code>NoSuchKey</Code></Error>", "the genesis file is XML, such as the error of a file server"),
    (b"404: Not Found", "the genesis file is the text of an error"),
    (b"../v2/genesis.json", "the genesis file is the target of a symbolic link"),
    (
        json.dumps({"result": {"chunk": "0", "total": "2", "data": "e30="}}).encode(),
        "the genesis file is one chunk of an RPC's genesis_chunked",
    ),
    (
        json.dumps({"error": {"code": -32603}}).encode(),
        "the genesis file is an error that a node's RPC answered",
    ),
    (json.dumps({"genesis": DOCUMENT}).encode(), "the genesis file has the genesis in a field of that name"),
    (
        json.dumps({"content": "e30=", "encoding": "base64"}).encode(),
        "the genesis file is the answer of a repository's API",
    ),
    (changed(Chain_ID="evil-1"), "a field 'Chain_ID', which a node reads as chain_id"),
    (changed(**{"geneſis_time": "soon"}), "a field 'geneſis_time', which a node reads as genesis_time"),
    (b"PK\x03\x04...", "the genesis file is a zip archive"),
    (b"BZh91AY&SY", "the genesis file is compressed with bzip2"),
    (b"\xfd7zXZ\x00", "the genesis file is compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "the genesis file is compressed with zstd"),
    (gzip.compress(BASE)[:-9], "the genesis file is truncated"),
    (gzip.compress(BASE)[:40] + b"\xff" * 40, "the genesis file is damaged gzip data"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "the genesis file is a pointer of git-lfs",
    ),
    (b"\n <!DOCTYPE html><html><body>404</body></html>", "the genesis file is a web page"),
    (b"\xef\xbb\xbf" + BASE, "the genesis file is text with a byte order mark"),
    (factories.BASE.encode("utf-16"), "the genesis file is text with a byte order mark"),
    (BASE[:-1], "the genesis file: line 1 column "),
    (BASE + BASE, "the genesis file: line 1 column "),
    (b"[]", "the genesis file: line 1 column 1: expected a JSON object"),
    (b"chain_id: consumer1-1\n", "the genesis file: line 1 column 1"),
    (b"\xff{}", "the genesis file: not UTF-8 at byte 0"),
    (BASE.replace(b'"supply": []', b'"supply": 1e+21'), "the genesis file: 1e+21 is not a whole number"),
    (BASE.replace(b'"chain_id": ""', b'"chain_id": "", "chain_id": ""'), "duplicate key 'chain_id'"),
    (b'{"app_state": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "the genesis file: nested too deeply"),
    (
        json.dumps({"jsonrpc": "2.0", "result": {"genesis": DOCUMENT}}).encode(),
        "the genesis file is the answer of a node's RPC; use the part at result.genesis",
    ),
    (b"{}", "the genesis file has no app_state"),
]


@pytest.mark.parametrize(("content", "text"), NOT_A_GENESIS, ids=[text[17:50] for _, text in NOT_A_GENESIS])
async def test_file_that_is_no_genesis_is_critical_before_the_opt_in(
    tmp_path: Path, content: bytes, text: str
) -> None:
    loaded = await load(tmp_path, content)
    decision = judge(loaded)
    ((reason, message),) = criticals(decision)
    assert (reason, joins(decision)) == ("GenesisInvalid", False)
    assert message.startswith("definition ics-example: the genesis file")
    assert text in message
    (finding,) = chain_checks.definitions([loaded], None)
    assert finding.level is findings.Level.FAIL


WRONG_BASES = [
    (
        changed(chain_id="neutron-1"),
        "base genesis: chain_id is 'neutron-1', which match.chain_id 'consumer*-1' excludes",
    ),
    (changed(chain_id=5), "base genesis: chain_id is 5"),
    (changed(app_state={"bank": {}}), "base genesis: auth is missing or malformed"),
    (changed(validators=[{"power": "1"}]), "base genesis: it has validators of its own"),
    (changed(consensus={"validators": [{"power": "1"}]}), "base genesis: it has validators of its own"),
]


@pytest.mark.parametrize(("content", "text"), WRONG_BASES)
async def test_base_that_the_launch_could_not_complete_is_critical_before_the_opt_in(
    tmp_path: Path, content: bytes, text: str
) -> None:
    decision = judge(await load(tmp_path, content))
    ((reason, message),) = criticals(decision)
    assert (reason, joins(decision)) == ("GenesisInvalid", False)
    assert text in message


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"chain_id": "consumer2-1"}, "genesis: chain_id is 'consumer2-1', the provider says 'consumer1-1'"),
        ({"initial_height": 7}, "genesis: initial_height is 7, the provider says 1"),
        ({"genesis_time": "soon"}, "genesis: genesis_time is 'soon', not an RFC 3339 time"),
        ({}, ""),
    ],
)
async def test_final_genesis_that_is_known_before_the_launch_is_judged(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    content = changed(**{"chain_id": "consumer1-1", **changes})
    digest = hashlib.sha256(content).hexdigest()
    decision = judge(
        await load(tmp_path, content, genesis={"final": {"file": "final.json", "sha256": digest}})
    )
    assert [text in message for _, message in criticals(decision)] == ([True] if text else [])
    assert joins(decision) is not bool(text)


async def test_time_of_the_base_must_be_one_that_nodes_read(tmp_path: Path) -> None:
    loaded = await load(
        tmp_path, changed(genesis_time=""), genesis={"base": {"file": "b.json"}, "time": "base"}
    )
    assert [reason for reason, _ in criticals(judge(loaded))] == ["GenesisInvalid"]


@pytest.mark.parametrize("of_packed", [True, False])
@pytest.mark.parametrize("parts", [1, 2])
async def test_compressed_genesis_is_unpacked_and_either_hash_will_do(
    tmp_path: Path, of_packed: bool, parts: int
) -> None:
    packed = b"".join(
        gzip.compress(BASE[at::][: len(BASE) // parts + 1])
        for at in range(0, len(BASE), len(BASE) // parts + 1)
    )
    digest = hashlib.sha256(packed if of_packed else BASE)
    source = {"file": "base.json.gz", "sha256": digest.hexdigest()}
    loaded = await load(tmp_path, packed, genesis={"base": source})
    assert (loaded.genesis, loaded.problem) == (BASE, "")
    decision = judge(loaded, digest.digest())
    assert (criticals(decision), joins(decision)) == ([], True)
    # The reconciler in the cluster gets the unpacked file, and must not refuse it.
    installed = factories.settings(
        seed={"secret": {"namespace": "provider", "name": "seed", "key": "seed"}},
        account={"secret": {"namespace": "provider", "name": "account", "key": "account"}},
        reconciler={"enabled": True, "image": "ics:1"},
    )
    wanted = factories.judge(factories.snapshot(), definitions=[loaded], stack=installed)
    owner = objects.Owner("alice", factories.PROVIDER)
    (data,) = (
        o["data"]
        for o in reconciler.build(wanted, owner)
        if o["metadata"]["name"].endswith("chain-ics-example")
    )
    again = tmp_path / "again" / "stacks" / "chains"
    again.mkdir(parents=True)
    for name, text in data.items():
        (again / name).write_text(text)
    (there,) = await stack_file.load_definitions(tmp_path / "again", fetch)
    assert (there.genesis, there.problem) == (BASE, "")
    assert (
        yaml.safe_load(data["ics-example.yaml"])["genesis"]["base"]["sha256"]
        == hashlib.sha256(BASE).hexdigest()
    )


async def test_zeros_after_the_gzip_data_are_ignored(tmp_path: Path) -> None:
    loaded = await load(tmp_path, gzip.compress(BASE) + bytes(512))
    assert (loaded.genesis, loaded.problem) == (BASE, "")


async def test_file_with_another_hash_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: object, origin: str) -> None:
        raise AssertionError(f"{origin} is parsed")

    monkeypatch.setattr(canonical_json, "parse", refuse)
    source = {"file": "base.json", "sha256": "0" * 64}
    loaded = await load(tmp_path, b'{"app_state": ' + b"[" * 1000, genesis={"base": source})
    assert loaded.problem.endswith(f"the definition says {'0' * 64}")


def test_hash_that_is_written_in_no_known_way_is_shown() -> None:
    found = factories.consumer(found=factories.detail(genesis_hash=b"Qm\x1b[31m"))
    decision = factories.judge(found, memory=factories.staged()).decisions[0]
    (text,) = (c.message for c in decision.conditions if c.reason == "HashNotStated")
    assert "what it says instead is Qm" in text
    assert "\x1b" not in text


async def test_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * (genesis_file.UNPACKED_LIMIT + 1))
    ((reason, message),) = criticals(judge(await load(tmp_path, bomb)))
    assert reason == "GenesisInvalid"
    assert "more than 67108864 bytes when unpacked" in message


async def test_wrong_hash_of_a_web_page_says_that_it_is_one(tmp_path: Path) -> None:
    source = {"file": "base.json", "sha256": "0" * 64}
    loaded = await load(tmp_path, b"<html>", genesis={"base": source})
    assert loaded.problem.endswith(
        "the genesis file is a web page; use the address of the file itself, such as its raw address"
    )


def test_launched_chain_with_a_wrong_genesis_is_not_joined() -> None:
    launched = factories.consumer(model.Phase.LAUNCHED, factories.detail(genesis_hash=b""))
    snapshot = factories.snapshot(launched, launches={"0": factories.launch("bob")})
    loaded = dataclasses.replace(factories.example(), genesis=changed(app_state={}))
    observed = factories.observation(snapshot, memory=factories.memory(), opt_in_requests=frozenset({"0"}))
    decision = factories.judge(observed, definitions=[loaded]).decisions[0]
    assert "GenesisInvalid" in factories.reasons(decision)
    assert not joins(decision)
