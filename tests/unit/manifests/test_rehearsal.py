"""The rehearsal of a chain's start: its Job, its files, and its script in real shells."""

import base64
import dataclasses
import datetime
import gzip
import hashlib
import json
import pathlib
import re
import subprocess
import tomllib
from typing import Any, cast

import pytest

from ics import model, names
from ics.cluster import job_results, rehearsals
from ics.cluster.api import client as api
from ics.cluster.api import requests
from ics.config import chain_definition
from ics.consumer import genesis as consumer_genesis
from ics.consumer import rehearsal
from ics.cosmos import canonical_json, genesis
from ics.manifests import key_check, node_files, objects
from ics.manifests import rehearsal as manifests
from tests.model import kube
from tests.unit import factories
from tests.unit.manifests import shell

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
CHAIN = rehearsal.Chain(
    provider_chain_id="provider-1",
    consumer_id="0",
    chain_id="consumer1-1",
    initial_height=1,
    unbonding_period=540,
)
OWNER = objects.Owner("alice", "provider-1", "0", "consumer1-1")


def prepared(
    loaded: chain_definition.LoadedDefinition | None = None, chain: rehearsal.Chain = CHAIN, **stack: Any
) -> rehearsal.Rehearsal:
    found = rehearsal.prepare(loaded or factories.example(), chain, factories.settings(**stack), NOW)
    assert found is not None
    return found


def with_base(**changes: Any) -> chain_definition.LoadedDefinition:
    content = json.dumps({**json.loads(factories.BASE), **changes}).encode()
    return dataclasses.replace(factories.example(), genesis=content)


# -- the genesis ---------------------------------------------------------------------------------------------


def test_genesis_is_completed_with_one_validator_whose_key_the_node_has() -> None:
    found = prepared()
    document = canonical_json.parse(found.genesis)
    assert (document["chain_id"], document["initial_height"]) == ("consumer1-1", 1)
    ccv = document["app_state"]["ccvconsumer"]
    assert genesis.initial_validators(ccv) == ((found.key.public_key, 1_000_000),)
    assert ccv["params"]["unbonding_period"] == "540s"
    assert genesis.launch_time(ccv) == document["genesis_time"]
    begins = genesis.genesis_time(document)
    assert begins is not None
    assert begins < NOW
    (balance,) = document["app_state"]["bank"]["balances"]
    assert balance["address"].startswith("consumer1")


@pytest.mark.parametrize(
    ("rule", "stated", "used"),
    [
        ("base", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("base", "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("spawn", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ],
)
def test_genesis_time_never_lies_ahead(rule: str, stated: str, used: str) -> None:
    loaded = with_base(genesis_time=stated)
    example = factories.example(genesis={"base": {"file": "base.json"}, "time": rule}).definition
    found = prepared(dataclasses.replace(loaded, definition=example))
    assert canonical_json.parse(found.genesis)["genesis_time"] == used


def test_ccv_state_has_the_form_of_the_providers_own() -> None:
    answer = json.loads(
        pathlib.Path("tests/unit/provider/recorded/consumer_genesis_launched.json").read_text()
    )
    recorded = genesis.unwrap_ccv(json.loads(answer["body"]))

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(member) for key, member in value.items()}
        return [shape(value[0])] if isinstance(value, list) and value else type(value)

    assert shape(rehearsal.ccv_state(CHAIN, bytes(32), "2025-01-01T00:00:00Z")) == shape(recorded)


def test_nothing_is_rehearsed_without_a_usable_genesis() -> None:
    for content in (None, b"{}", b"<html>"):
        loaded = dataclasses.replace(factories.example(), genesis=content)
        assert rehearsal.prepare(loaded, CHAIN, factories.settings(), NOW) is None


def test_fingerprint_follows_everything_that_can_change_the_result() -> None:
    plain = prepared().fingerprint
    other = [
        prepared(with_base(app_hash="")),
        prepared(factories.example(image="other:1")),
        prepared(factories.example(binary="otherd")),
        prepared(factories.example(binary_hash="a" * 64)),
        prepared(factories.example(min_gas_price="1stake")),
        prepared(factories.example(config={"app.toml": {"pruning": "nothing"}})),
        prepared(factories.example(pods={"node_selector": {"a": "b"}})),
        prepared(node={"resources": {"requests": {"cpu": "4"}}}),
        prepared(chain=dataclasses.replace(CHAIN, initial_height=7)),
    ]
    assert len({plain, *(one.fingerprint for one in other)}) == 1 + len(other)
    assert prepared(factories.example(name="renamed")).fingerprint == plain


# -- Job and files ---------------------------------------------------------------------------------------------


def test_job_demands_what_the_node_will_and_mounts_nothing_of_the_validators_own() -> None:
    found = prepared()
    definition, node = factories.example().definition, factories.settings().node
    job = manifests.job(OWNER, "ns", found, definition, node, definition.pods)
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == definition.image
    assert container["resources"] == {key: dict(value) for key, value in node.resources.items()}
    assert {tuple(sorted(set(v) - {"name"})) for v in spec["volumes"]} == {("configMap",), ("emptyDir",)}
    assert (job["spec"]["backoffLimit"], spec["restartPolicy"]) == (0, "Never")
    data = manifests.config_map(OWNER, "ns", found, definition, "uid-1")["data"]
    assert json.loads(data["priv_validator_key.json"])["address"] == found.key.address.hex().upper()


SYNC = {"enable": True, "rpc_servers": "a:1,b:1", "trust_height": 1, "trust_hash": "A" * 64}


def test_node_of_a_rehearsal_is_alone() -> None:
    overridden = factories.example(
        seeds=["a" * 40 + "@seed.example.com:26656"],
        config={"config.toml": {"statesync": SYNC, "p2p": {"pex": True}, "log_level": "error"}},
    )
    data = manifests.config_map(OWNER, "ns", prepared(overridden), overridden.definition, "uid-1")["data"]
    config = tomllib.loads(data["config.toml"])
    assert (config["p2p"]["seeds"], config["p2p"]["pex"], config["statesync"]["enable"]) == ("", False, False)
    assert config["p2p"]["laddr"].startswith("tcp://127.0.0.1:")
    assert config["log_level"] == "info"


def test_large_genesis_is_compressed() -> None:
    found = dataclasses.replace(prepared(), genesis=b"{" + b" " * consumer_genesis.PLAIN_LIMIT + b"}")
    files = manifests.config_map(OWNER, "ns", found, factories.example().definition, "uid-1")
    assert gzip.decompress(base64.b64decode(files["binaryData"]["genesis.json.gz"])) == found.genesis


# -- the script --------------------------------------------------------------------------------------------------


def rehearse(
    used: tuple[str, ...], folder: pathlib.Path, node: str, limit: int = 5, **variables: str
) -> tuple["subprocess.CompletedProcess[str]", str]:
    """Run the script with a node that is this shell script."""
    (folder / "files").mkdir()
    for name in ("config.toml", "app.toml", "node_key.json", "priv_validator_key.json", "genesis.json"):
        (folder / "files" / name).write_text("{}")
    binary = folder / "noded"
    binary.write_text(f"#!/bin/sh\nstate=$3/data/priv_validator_state.json\n{node}\n")
    binary.chmod(0o755)
    environment = {
        "BINARY": str(binary),
        "BINARY_HASH": "",
        "TOOLS": " ".join(node_files.TOOLS),
        "DATA": str(folder / "data"),
        "FILES": str(folder / "files"),
        "FIRST": "1",
        "LIMIT": str(limit),
        "RESULT_FILE": str(folder / "result"),
    }
    path = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*used, "-c", manifests.SCRIPT],
        env=path | environment | variables,
        text=True,
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done, (folder / "result").read_text()


@pytest.mark.parametrize("used", shell.SHELLS, ids=shell.IDS)
@pytest.mark.parametrize(
    ("node", "code", "text"),
    [
        ('echo started; echo "panic: test-infraction-1"; echo "goroutine 1"; exit 2', 1,
         "it exited with code 2 after 1 s: panic: test-infraction-1"),
        ('echo "Error: unknown flag: --p2p.seeds" >&2; exit 1', 1,
         "it exited with code 1 after 1 s: Error: unknown flag: --p2p.seeds"),
        ("echo one; echo two; echo last; exit 3", 1, "it exited with code 3 after 1 s: one\ntwo\nlast"),
        ('echo "ERR CONSENSUS FAILURE!!! err=boom"; exec sleep 20', 1, "its consensus failed after 1 s: ERR CONSENSUS"),
        ("printf '{\"height\": \"2\",\"round\":0}' > \"$state\"; exec sleep 20", 0, "block 1 after 1 s"),
    ],
    ids=["panic", "flag", "exit", "consensus", "block"],
)  # fmt: skip
def test_script_says_how_the_start_went(
    used: tuple[str, ...], tmp_path: pathlib.Path, node: str, code: int, text: str
) -> None:
    done, result = rehearse(used, tmp_path, node)
    assert (done.returncode, result.startswith(text)) == (code, True), (done, result)


@pytest.mark.parametrize("used", shell.SHELLS, ids=shell.IDS)
def test_node_that_only_makes_no_block_has_passed(used: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    done, result = rehearse(used, tmp_path, "exec sleep 20", limit=2)
    assert (done.returncode, result) == (0, "no block within 2 s, but the node runs")


@pytest.mark.parametrize("used", shell.SHELLS, ids=shell.IDS)
def test_binary_with_another_hash_is_refused_before_it_runs(
    used: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    ran = tmp_path / "ran"
    done, result = rehearse(used, tmp_path, f"touch {ran}", BINARY_HASH="0" * 64)
    assert (done.returncode, ran.exists()) == (1, False)
    assert "not binary_hash 0000" in result


@pytest.mark.parametrize("used", shell.SHELLS, ids=shell.IDS)
def test_binary_with_the_stated_hash_is_started(used: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    node = "exec sleep 20"
    script = f"#!/bin/sh\nstate=$3/data/priv_validator_state.json\n{node}\n"
    digest = hashlib.sha256(script.encode()).hexdigest()
    done, result = rehearse(used, tmp_path, node, limit=1, BINARY_HASH=digest)
    assert (done.returncode, result) == (0, "no block within 1 s, but the node runs")


def test_image_without_a_program_of_the_start_script_is_refused(tmp_path: pathlib.Path) -> None:
    done, result = rehearse(("/bin/sh",), tmp_path, "exec sleep 20", TOOLS="cat no-such-tool")
    assert done.returncode == 1
    assert result == "the image has no no-such-tool, which the scripts of its node need"


@pytest.mark.parametrize(
    "script", [node_files.START_SCRIPT, node_files.REMOTE_START_SCRIPT, key_check.SCRIPT]
)
def test_every_program_that_the_nodes_scripts_name_is_tried(script: str) -> None:
    (needs,) = re.findall(r"Needs a POSIX\s+(?:# )?shell, ([^.]*)\.", script)
    assert set(re.split(r"[,\s]+(?:and )?", needs)) <= set(node_files.TOOLS)


# -- the adapter -------------------------------------------------------------------------------------------------


def item(
    name: str = "rehearsal-1", fingerprint: str = "f", created: str = "1", **status: Any
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:0{created}Z",
            "labels": {names.CONSUMER: "0"},
            "annotations": {names.FINGERPRINT: fingerprint},
        },
        "status": status,
    }


def pod(state: dict[str, Any] | None, conditions: list[dict[str, str]] | None = None) -> dict[str, Any]:
    statuses = [] if state is None else [{"name": "rehearsal", "state": state}]
    return {
        "metadata": {"namespace": "ns", "name": "p", "labels": {"job-name": "rehearsal-1"}},
        "status": {"containerStatuses": statuses, "conditions": conditions or []},
    }


MADE = datetime.datetime(2026, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
FAILED: dict[str, Any] = {"conditions": [{"type": "Failed", "status": "True"}]}


@pytest.mark.parametrize(
    ("job", "with_pod", "expected"),
    [
        (item(), None, {"state": model.JobState.RUNNING}),
        (
            item(),
            pod(
                None,
                [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes",
                    }
                ],
            ),
            {"state": model.JobState.RUNNING, "waiting": "Unschedulable: 0/3 nodes"},
        ),
        (
            item(),
            pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}),
            {"state": model.JobState.RUNNING, "waiting": "ImagePullBackOff: not found"},
        ),
        (
            item(),
            pod({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
            {"state": model.JobState.RUNNING, "has_started": True},
        ),
        (
            item(**FAILED),
            pod({"terminated": {"exitCode": 1, "message": "it\n\x1b[31mexited\x1b[0m\x07"}}),
            {"state": model.JobState.FAILED, "message": "it exited", "has_started": True},
        ),
        (item(**FAILED), None, {"state": model.JobState.FAILED}),
        (
            item(**FAILED),
            pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            {
                "state": model.JobState.FAILED,
                "message": "its container had too little memory; raise limits.memory in ics:node.resources",
                "has_started": True,
            },
        ),
    ],
)
def test_result_is_read_from_job_and_pod(job: Any, with_pod: Any, expected: dict[str, Any]) -> None:
    found = job_results.by_chain([job], [] if with_pod is None else [with_pod])
    assert found == {"0": (model.JobResult(fingerprint="f", created=MADE, **expected),)}


@pytest.mark.parametrize(
    ("change", "seconds", "is_due"),
    [
        ({"fingerprint": "other"}, 0, False),
        ({"fingerprint": "other"}, 59, False),
        ({"fingerprint": "other"}, 60, True),
        ({"fingerprint": "other"}, -3600, True),
        ({"state": model.JobState.FAILED}, 30, False),
        ({"state": model.JobState.FAILED}, 60, True),
        ({"state": model.JobState.FAILED, "message": "panic"}, 3600, False),
        ({}, 3600, False),
    ],
)
def test_rehearsal_of_a_chain_that_changes_all_the_time_is_started_once_a_minute(
    change: dict[str, Any], seconds: int, is_due: bool
) -> None:
    wanted = prepared()
    done: dict[str, Any] = {"fingerprint": wanted.fingerprint, "state": model.JobState.DONE, "created": MADE}
    result = model.JobResult(**{**done, **change})
    assert rehearsal.is_due(wanted, result, MADE + datetime.timedelta(seconds=seconds)) is is_due
    assert rehearsal.is_due(wanted, None, MADE)


def test_newest_rehearsal_of_a_chain_counts() -> None:
    jobs = [item("new", "new", "2"), item("old", "old", "1")]
    assert job_results.by_chain(jobs, [])["0"][-1].fingerprint == "new"


async def test_rehearsal_takes_the_place_of_an_earlier_one_and_ends_at_the_launch() -> None:
    cluster = kube.Objects()

    async def step(text: str) -> None:
        pass

    async def lease() -> None:
        pass

    class Client(kube.Client):
        async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> api.Answer:
            created: Any = await super().send(request, timeout)
            return api.Answer(201, created)

    client = cast(Any, Client(cluster, step, ""))
    owner = objects.Owner("alice", factories.PROVIDER)
    adapter = rehearsals.Rehearsals(client, owner, factories.settings(), lease)
    (chain,) = factories.judge(factories.consumer(), memory=factories.staged()).chains
    first = dataclasses.replace(chain, rehearsal=prepared())
    second = dataclasses.replace(chain, rehearsal=prepared(factories.example(image="other:1")))
    await adapter.ensure(first)
    await adapter.ensure(second)
    ((_, job),) = cluster.of_kind("Job")
    assert second.rehearsal is not None
    assert job["metadata"]["annotations"][names.FINGERPRINT] == second.rehearsal.fingerprint
    assert (await adapter.read())["0"].state is model.JobState.RUNNING
    await adapter.stop(chain)
    assert list(cluster.of_kind("Job")) == []
