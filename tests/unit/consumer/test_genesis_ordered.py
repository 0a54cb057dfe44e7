"""A genesis that the node's pod prepares: its order, its container, its report."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.cluster.state import node_records
from ics.config import chain_definition
from ics.consumer import checklist, desired, genesis, health, observed, rehearsal
from ics.consumer import participation as consumer_participation
from ics.cosmos import canonical_json, genesis_order
from tests.unit import factories
from tests.unit.cosmos.test_genesis_stream import streamed
from tests.unit.manifests import shell
from tests.unit.manifests.test_consumer import PLACE, SPACE

SHA = "ab" * 32
LARGE = {"url": "http://files.example:8080/genesis.json", "sha256": SHA, "large": True}
REPORT = genesis_order.Report(
    sha256="cd" * 32, size=150_000_000, genesis_time="2026-01-01T00:00:00Z", funded="1", peak=1
)


def loaded(**changes: Any) -> chain_definition.LoadedDefinition:
    rules = {"base": LARGE, "fund": {"relayers": "100stake"}}
    definition = factories.example(**{"genesis": rules, **changes}).definition
    return chain_definition.LoadedDefinition(definition, None)


def judge(
    phase: model.Phase = model.Phase.LAUNCHED,
    kept: genesis_order.Ordered | None = None,
    pod: model.PodStatus | None = None,
    image: str = "ics:1",
    definition: chain_definition.LoadedDefinition | None = None,
    staging: dict[str, Any] | None = None,
    **detail: Any,
) -> desired.Desired:
    detail = {"genesis_hash": bytes.fromhex(SHA), **detail}
    is_launched = phase is model.Phase.LAUNCHED
    members = factories.joined("alice", "bob", **detail) if is_launched else factories.detail(**detail)
    launches = {"0": factories.launch("alice", "bob")} if phase is model.Phase.LAUNCHED else {}
    snapshot = factories.snapshot(factories.consumer(phase, members), launches=launches)
    memory = observed.ChainMemory(
        namespace=SPACE,
        records=(factories.record(at=PLACE, volume=None, is_ready=False),),
        genesis=kept,
        has_workload=kept is not None,
    )
    observations = {} if pod is None else {"0": model.Observation(pod=pod, node=None)}
    found = factories.observation(
        snapshot, memory=factories.memories({"0": memory}), observations=observations
    )
    changes: dict[str, Any] = {} if staging is None else {"staging": staging}
    stack = factories.settings(node={"genesis_image": image}, **changes)
    return factories.judge(found, stack=stack, definitions=[definition or loaded()])


def rendered(wanted: desired.Desired) -> dict[str, model.Manifest]:
    return {
        f"{one['kind']}/{one['metadata']['name']}": one
        for one in manifests.render(wanted, "set")
        if one["metadata"].get("namespace") == SPACE
    }


def ordered(wanted: desired.Desired) -> genesis_order.Ordered:
    [chain] = wanted.chains
    assert isinstance(chain.genesis, genesis_order.Ordered)
    return chain.genesis


def test_order_has_everything_that_the_launch_decided() -> None:
    order = ordered(judge()).order
    launch = factories.launch("alice", "bob")
    assert json.loads(order.ccv) == launch.ccv
    assert dataclasses.replace(order, ccv="", fund=(), relayers=()) == genesis_order.Order(
        url=str(LARGE["url"]),
        sha256=SHA,
        pattern="consumer*-1",
        chain_id="consumer1-1",
        initial_height=1,
        genesis_time=launch.ccv["provider"]["consensus_state"]["timestamp"],
        ccv="",
        image="ics:1",
    )
    assert (
        {address for address, _ in order.fund}
        == set(order.relayers) - {""}
        == {factories.funded(name) for name in ("alice", "bob", "charlie")}
    )


def test_pod_results_in_the_bytes_that_a_small_genesis_would_have() -> None:
    launch, small = factories.launch("alice", "bob"), factories.example()
    order = ordered(judge()).order
    completed = genesis.build_genesis(small, "consumer1-1", factories.joined("alice", "bob"), launch)
    assert streamed(small.genesis or b"", order)[0] == completed


def test_kept_order_is_used_whatever_the_definition_says_now() -> None:
    kept = ordered(judge())
    other = loaded(genesis={"final": {**LARGE, "sha256": "ee" * 32}})
    assert ordered(judge(kept=kept, definition=other, image="ics:2")) == kept


def test_config_map_is_read_back_as_the_order_with_its_report() -> None:
    for kept in (ordered(judge()), genesis_order.Ordered(ordered(judge()).order, REPORT)):
        item = rendered(judge(kept=kept))["ConfigMap/genesis"]
        assert node_records.genesis(item) == kept
        assert item["metadata"]["annotations"][names.GENESIS_SHA256] == (
            "" if kept.report is None else REPORT.sha256
        )


def test_edited_order_is_a_problem_of_its_chain() -> None:
    item = rendered(judge())["ConfigMap/genesis"]
    item["data"]["order.json"] = item["data"]["order.json"].replace("files.example", "evil.example")
    with pytest.raises(Exception, match=r"order\.json does not fit its annotation"):
        node_records.genesis(item)


def test_container_mounts_its_own_folder_of_the_volume_only() -> None:
    spec = rendered(judge())["StatefulSet/node"]["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["genesis", "key-check"]
    container = spec["initContainers"][0]
    assert container["image"] == "ics:1"
    assert container["volumeMounts"] == [
        {"name": "data", "mountPath": "/data/genesis", "subPath": "genesis"},
        {"name": "genesis", "mountPath": "/etc/ics/genesis", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ]


def test_report_is_recorded_once_and_does_not_restart_the_node() -> None:
    kept = ordered(judge())
    pod = factories.pod(genesis=REPORT.encode().decode())
    wanted = judge(kept=kept, pod=pod)
    assert ordered(wanted).report == REPORT
    before = rendered(judge(kept=kept))["StatefulSet/node"]["spec"]["template"]
    assert rendered(wanted)["StatefulSet/node"]["spec"]["template"] == before
    later = dataclasses.replace(REPORT, peak=9)
    again = judge(kept=ordered(wanted), pod=factories.pod(genesis=later.encode().decode()))
    assert ordered(again).report == REPORT


def test_node_may_reach_the_address_of_the_file() -> None:
    policy = rendered(judge())["NetworkPolicy/node"]
    ports = {port.get("port") for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert 8080 in ports


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "GenesisPreparing"),
        ("files.example: no answer", "GenesisUnavailable"),
        (f"{genesis_order.REFUSED}the genesis file has sha256 x", "GenesisInvalid"),
    ],
)
def test_condition_says_what_the_pod_does(message: str, reason: str) -> None:
    kept = ordered(judge())
    pod = factories.pod(genesis=message)
    wanted = judge(kept=kept, pod=pod)
    [chain] = wanted.chains
    seen = model.Observation(pod=pod, node=None)
    found = health.conditions(
        chain, consumer_participation.Participation.VALIDATING, seen, wanted.moment, wanted.settings
    )
    assert [one.reason for one in found] == [reason]


def test_chain_is_not_joined_without_an_image_that_prepares_its_genesis() -> None:
    [decision] = judge(model.Phase.INITIALIZED, image="").decisions
    assert "GenesisUnavailable" in factories.reasons(decision)
    assert decision.intents == ()
    [decision] = judge(model.Phase.INITIALIZED).decisions
    assert "GenesisUnavailable" not in factories.reasons(decision)


def test_hash_that_the_owner_stated_is_compared_before_the_opt_in() -> None:
    [stated] = judge(model.Phase.INITIALIZED, genesis_hash=bytes.fromhex("ee" * 32)).decisions
    assert "GenesisHashMismatch" in factories.reasons(stated)
    [same] = judge(model.Phase.INITIALIZED, genesis_hash=bytes.fromhex(SHA)).decisions
    assert "GenesisHashMismatch" not in factories.reasons(same)


def test_digest_is_that_of_the_prepared_genesis() -> None:
    kept = ordered(judge())
    assert genesis.digest(kept) == ""
    assert genesis.digest(genesis_order.Ordered(kept.order, REPORT)) == REPORT.sha256
    assert genesis.digest(b"{}") == canonical_json.sha256_hex(b"{}")
    assert (genesis.slow_height(kept), genesis.slow_height(b"{}"), genesis.slow_height(None)) == (1, 0, 0)


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_start_script_starts_on_the_prepared_genesis_only(
    kind: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    wanted = judge()
    script = rendered(wanted)["ConfigMap/config"]["data"]["start.sh"].replace("@EXTERNAL_ADDRESS@", "")
    files = {
        "config/config.toml": "",
        "config/app.toml": "",
        "config/key-check.sh": "",
        "node-key/node_key.json": "",
    }
    for name, content in {**files, "peers/persistent_peers": "", "peers/external_address": ""}.items():
        path = tmp_path / "etc" / "ics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "run" / "ics").mkdir(parents=True)
    folder = tmp_path / "data" / "genesis"
    folder.mkdir(parents=True)
    (folder / "genesis.json").write_text("prepared")
    digest = hashlib.sha256(b"prepared").hexdigest()
    order = ordered(wanted).order.digest
    values = {
        "BINARY": "echo",
        "BINARY_HASH": "",
        "GENESIS_SHA256": order,
        "KEY_ADDRESS": "AB",
        "HOME": "/tmp",
    }
    for record, code in ((f"{order} {digest}", 0), (f"{order} {SHA}", 1), (f"{SHA} {digest}", 1)):
        (folder / "record").write_text(f"{record}\n")
        done = shell.run(kind, script, tmp_path, values)
        assert done.returncode == code, done.stderr
    assert (tmp_path / "data" / "home" / "config" / "genesis.json").read_text() == "prepared"


def test_start_on_such_a_genesis_is_not_rehearsed_and_that_is_said() -> None:
    wanted = judge(model.Phase.INITIALIZED, staging={"checklist": "report", "rehearse": True})
    (decision,) = wanted.decisions
    assert decision.checklist is not None
    said = {entry.item: (entry.state, entry.text) for entry in decision.checklist.entries}
    assert said[checklist.Item.REHEARSAL] == (
        checklist.State.OK,
        "not tried: a large genesis is not rehearsed; whether the image reads it is seen at the launch",
    )
    parameters = rehearsal.Chain(
        provider_chain_id=factories.PROVIDER,
        consumer_id="0",
        chain_id="consumer1-1",
        initial_height=1,
        unbonding_period=rehearsal.UNBONDING,
    )
    with pytest.raises(errors.SettingsError, match=r"^genesis\.large: such a genesis is not rehearsed"):
        rehearsal.build(loaded(), parameters, wanted.settings, wanted.moment)
