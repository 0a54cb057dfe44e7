"""The objects of a consumer chain."""

import base64
import json
import re
import tomllib
from typing import Any

import pytest

from ics import errors, manifests, model
from ics import names as ics_names
from ics.config import chain_definition
from ics.consumer import desired, observed, revision
from ics.manifests import key_check, node_files
from tests.unit import factories
from tests.unit.manifests import shell

P = model.Phase


SPACE = "consumer1-1-0-d2b42c08"
PLACE = factories.place(namespace=SPACE)
KEY = f"Secret/{SPACE}/{ics_names.consensus_key_name(PLACE.place_id)}"
RECORDED = factories.memories(
    {
        "0": observed.ChainMemory(
            namespace=SPACE, records=(factories.record(at=PLACE, volume=None, is_ready=False),)
        )
    }
)


def wanted(*consumers: model.Consumer, memory: observed.Memory = RECORDED) -> desired.Desired:
    launches = {
        c.summary.consumer_id: factories.launch("alice", "bob")
        for c in consumers
        if c.summary.phase is P.LAUNCHED
    }
    return factories.judge(factories.snapshot(*consumers, launches=launches), memory=memory)


def names(found: tuple[model.Manifest, ...]) -> list[str]:
    return [
        "/".join(filter(None, (m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"])))
        for m in found
    ]


STAGED = factories.consumer()
LAUNCHED = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))


def test_staged_chain_has_all_objects_but_genesis_and_node() -> None:
    assert names(manifests.render(wanted(STAGED), "set")) == [
        f"ConfigMap/{SPACE}/config",
        f"ConfigMap/{SPACE}/peers",
        f"Namespace/{SPACE}",
        "Namespace/provider",
        f"NetworkPolicy/{SPACE}/isolation",
        f"NetworkPolicy/{SPACE}/node",
        "NetworkPolicy/provider/isolation",
        f"PersistentVolumeClaim/{SPACE}/data",
        KEY,
        f"Secret/{SPACE}/node-key",
        f"Service/{SPACE}/node",
        "Service/provider/p2p-loadbalancer",
    ]


def test_launch_adds_only_genesis_and_node() -> None:
    before = {name: m for m in manifests.render(wanted(STAGED), "set") for name in names((m,))}
    after = {name: m for m in manifests.render(wanted(LAUNCHED), "set") for name in names((m,))}
    assert set(after) - set(before) == {f"ConfigMap/{SPACE}/genesis", f"StatefulSet/{SPACE}/node"}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"ConfigMap/{SPACE}/peers"}


def test_stack_without_chains_has_only_shared_namespace() -> None:
    assert names(manifests.render(wanted(factories.consumer(P.REGISTERED)), "set")) == [
        "Namespace/provider",
        "NetworkPolicy/provider/isolation",
    ]


def test_every_object_has_labels_of_validator_consumer_and_set() -> None:
    for manifest in manifests.render(wanted(LAUNCHED), "set"):
        found = manifest["metadata"]["labels"]
        assert found[ics_names.PART_OF_SET] == "set"
        assert found[ics_names.VALIDATOR] == "alice"
        is_chains = manifest["metadata"].get("namespace") == SPACE or manifest["metadata"]["name"] == SPACE
        assert found.get(ics_names.CONSUMER) == ("0" if is_chains else None)
        assert manifest["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == ics_names.FIELD_MANAGER


def test_only_volume_consensus_key_and_namespaces_are_retained() -> None:
    kept = [
        m for m in manifests.render(wanted(LAUNCHED), "set") if ics_names.RETAIN in m["metadata"]["labels"]
    ]
    assert names(tuple(kept)) == [
        f"Namespace/{SPACE}",
        "Namespace/provider",
        f"PersistentVolumeClaim/{SPACE}/data",
        KEY,
    ]


def test_private_consensus_key_is_in_its_secret_only() -> None:
    found = manifests.render(wanted(LAUNCHED), "set")
    key = factories.consumer_key("alice")
    private = base64.b64encode(key.private.reveal() + key.public_key).decode()
    holders = []
    for manifest in found:
        data = manifest.get("data", {})
        if manifest["kind"] == "Secret":
            data = {name: base64.b64decode(value).decode() for name, value in data.items()}
        if private in json.dumps({**manifest, "data": data}):
            holders += names((manifest,))
    assert holders == [KEY]


def test_node_pod_is_single_unprivileged_and_has_grace_period() -> None:
    node = next(m for m in manifests.render(wanted(LAUNCHED), "set") if m["kind"] == "StatefulSet")
    spec = node["spec"]["template"]["spec"]
    assert node["spec"]["replicas"] == 1
    assert spec["terminationGracePeriodSeconds"] >= 60
    assert spec["securityContext"]["runAsNonRoot"] is True
    containers = [*spec["initContainers"], *spec["containers"]]
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_key_check_writes_to_links_of_its_pod_only() -> None:
    node = next(m for m in manifests.render(wanted(LAUNCHED), "set") if m["kind"] == "StatefulSet")
    spec = node["spec"]["template"]["spec"]
    [check] = spec["initContainers"]
    writable = [mount["name"] for mount in check["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["links"]
    assert {"name": "links", "emptyDir": {}} in spec["volumes"]
    # A cluster without a record of what was signed has no such ConfigMap.
    assert {"name": "watermark", "configMap": {"name": "watermark", "optional": True}} in spec["volumes"]
    config = next(m for m in manifests.render(wanted(LAUNCHED), "set") if m["metadata"]["name"] == "config")
    assert check["command"] == ["/bin/sh", "/etc/ics/config/key-check.sh"]
    assert config["data"]["key-check.sh"] == key_check.script(revision.CURRENT)
    # The node's own container repeats it, with the same variables and mounts.
    own = spec["containers"][0]
    assert [one for one in check["env"] if one not in own["env"]] == []
    paths = {mount["mountPath"] for mount in own["volumeMounts"]}
    assert {mount["mountPath"] for mount in check["volumeMounts"]} - paths == set()
    assert "\n/bin/sh /etc/ics/config/key-check.sh again\n" in config["data"]["start.sh"]


def test_changed_peers_do_not_restart_pod() -> None:
    def template(chain: model.Consumer) -> object:
        node = next(m for m in manifests.render(wanted(chain), "set") if m["kind"] == "StatefulSet")
        return node["spec"]["template"]

    alone = factories.consumer(P.LAUNCHED, factories.joined("alice"))
    assert template(alone) == template(LAUNCHED)


def node_of(**memory: Any) -> model.Manifest:
    """The StatefulSet of a chain that runs, with what the cluster remembers of it."""
    here = factories.memory(**{"genesis": factories.GENESIS, "has_workload": True, **memory})
    found = manifests.render(wanted(LAUNCHED, memory=here), "set")
    return next(m for m in found if m["kind"] == "StatefulSet")


def check_of(node: model.Manifest) -> dict[str, str]:
    """The environment of the check whether the node gets its key."""
    [container] = node["spec"]["template"]["spec"]["initContainers"]
    return shell.environment(container)


ADDRESS = factories.consumer_key("alice").address.hex().upper()
ELSEWHERE = factories.record(volume="volume-0")
ORDERED = factories.record(is_ready=False)
BLANK = factories.record(volume=None, is_ready=False)


@pytest.mark.parametrize(
    "memory",
    [
        {"records": (BLANK,), "has_workload": False},
        {"records": (BLANK,), "has_workload": False, "volume_uid": None},
        {"is_withheld": True, "records": (BLANK,)},
        {"is_withheld": True, "volume_uid": None},
        {"is_withheld": True, "records": (ORDERED,)},
    ],
    ids=[
        "nothing is known",
        "nothing is there",
        "still nothing",
        "the other volume went",
        "ordered by name",
    ],
)
def test_key_is_withheld_on_volume_without_recorded_sign_state(memory: dict[str, Any]) -> None:
    plain, node = node_of(), node_of(**memory)
    assert check_of(node) == check_of(plain) | {"WITHHELD": "true"}
    assert node["metadata"]["annotations"][ics_names.WITHHELD] == "true"


@pytest.mark.parametrize("phase", [P.LAUNCHED, P.STOPPED])
def test_node_on_another_volume_never_has_the_key_that_was_there(phase: model.Phase) -> None:
    """It gets the key of a new place; on a stopped chain, which accepts none, it has its key withheld."""
    here = factories.memory(genesis=factories.GENESIS, has_workload=True, records=(ELSEWHERE,))
    chain = factories.consumer(phase, factories.joined("alice", "bob"))
    found = manifests.render(wanted(chain, memory=here), "set")
    node = next(m for m in found if m["kind"] == "StatefulSet" and m["metadata"]["name"] == "node")
    check = check_of(node)
    successor = factories.key_of(factories.new_place(replaces=factories.place_id()))
    if phase is P.LAUNCHED:
        assert (check["KEY_ADDRESS"], check["WITHHELD"]) == (successor.address.hex().upper(), "false")
        assert node["metadata"]["annotations"][ics_names.WITHHELD] == "false"
    else:
        assert (check["KEY_ADDRESS"], check["WITHHELD"]) == (ADDRESS, "true")


@pytest.mark.parametrize(
    "memory",
    [
        {"is_withheld": True},
        {"records": (BLANK,)},
        {"records": (factories.record(volume=None, is_ready=False, is_recovered=True),)},
        {"volume_uid": None},
        {"records": (ORDERED,)},
    ],
    ids=["laid since", "the record went", "its Secret went", "the volume is leaving", "ordered"],
)
def test_node_with_recorded_sign_state_is_unchanged(memory: dict[str, Any]) -> None:
    assert node_of(**memory) == node_of()
    assert check_of(node_of()) == {
        "KEY_ADDRESS": ADDRESS,
        "KEY_FOLDER": "/etc/ics/consensus-key",
        "EXPECTED_POD": "node-0",
        "CLAIM_UID": "",
        "WITHHELD": "false",
        "REMOTE": "",
        "RESULT_FILE": "/dev/termination-log",
    }


def test_place_is_noted_on_volume_key_and_workload() -> None:
    """The volume names its own uid, without which the record would also hold for a copy of it."""
    here = factories.memory(genesis=factories.GENESIS, has_workload=True)
    objects = {
        name: m for m in manifests.render(wanted(LAUNCHED, memory=here), "set") for name in names((m,))
    }
    secret = ics_names.consensus_key_name(factories.place_id())
    notes = {
        ics_names.PLACE_ID: factories.place_id(),
        ics_names.CLUSTER_UID: factories.CLUSTER,
        ics_names.PLACE_NAMESPACE: "ns",
        ics_names.PLACE_SINCE: "2026-01-01T00:00:00+00:00",
        ics_names.CONSENSUS_ADDRESS: ADDRESS,
    }
    for name, expected in (
        (f"Secret/ns/{secret}", notes),
        ("PersistentVolumeClaim/ns/data", notes | {ics_names.VOLUME_UID: "volume-1"}),
        ("StatefulSet/ns/node", notes),
    ):
        stated = objects[name]["metadata"]["annotations"]
        assert {
            key: value for key, value in stated.items() if key in {*notes, ics_names.VOLUME_UID}
        } == expected


def test_successor_names_the_place_that_it_replaces() -> None:
    here = factories.memory(genesis=factories.GENESIS, has_workload=True, records=(ELSEWHERE,))
    objects = {
        name: m for m in manifests.render(wanted(LAUNCHED, memory=here), "set") for name in names((m,))
    }
    successor = factories.new_place(replaces=factories.place_id())
    secret = objects[f"Secret/ns/{ics_names.consensus_key_name(successor.place_id)}"]
    assert secret["metadata"]["annotations"][ics_names.REPLACES] == factories.place_id()
    [key] = [name for name in objects if "/consensus-key-" in name]
    assert key.endswith(successor.place_id)


def test_large_genesis_is_compressed() -> None:
    content = b'{"genesis_time":"2027-01-01T00:00:00Z","a":"' + b"x" * 800_000 + b'"}'
    found = manifests.render(wanted(LAUNCHED, memory=factories.memory(genesis=content)), "set")
    genesis = next(m for m in found if m["metadata"]["name"] == "genesis")
    assert set(genesis) == {"apiVersion", "kind", "metadata", "binaryData"}
    assert len(genesis["binaryData"]["genesis.json.gz"]) < 10_000


def test_overrides_of_definition_precede_defaults_in_config_files() -> None:
    known = factories.example(
        config={
            "config.toml": {"p2p": {"pex": False}, "moniker": "mine"},
            "app.toml": {"api": {"swagger": True}},
        },
        seeds=["a" * 40 + "@seed.example.com:26656"],
    ).definition
    config = tomllib.loads(node_files.config_toml(known, "alice"))
    app = tomllib.loads(node_files.app_toml(known))
    assert (config["moniker"], config["p2p"]["pex"]) == ("mine", False)
    assert config["p2p"]["seeds"] == ""  # they are in a file of their own
    assert config["consensus"]["double_sign_check_height"] == 0
    assert app["api"] == {"enable": True, "address": "tcp://0.0.0.0:1317", "swagger": True}


@pytest.mark.parametrize("chain_id", ["Weird_Chain.1-1", "x" * 48 + "-1", "consumer1-1"])
def test_object_names_and_labels_are_valid_for_any_chain_id(chain_id: str) -> None:
    facts = factories.judge(
        factories.consumer(chain_id=chain_id),
        cluster={"namespace_prefix": "validator-alice"},
        definitions=[factories.example(match={"chain_id": "*", "owner": factories.OWNER})],
    )
    label = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
    value = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
    for manifest in manifests.render(facts, "set"):
        metadata = manifest["metadata"]
        assert label.fullmatch(metadata["name"])
        assert label.fullmatch(metadata.get("namespace", "none"))
        assert all(value.fullmatch(text) for text in metadata["labels"].values())


def test_definition_without_genesis_source_is_refused() -> None:
    with pytest.raises(Exception, match="set base, final, or both"):
        chain_definition.Genesis()


def rendered(**settings: Any) -> dict[str, model.Manifest]:
    facts = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(LAUNCHED, launches={"0": factories.launch("alice", "bob")}),
        memory=RECORDED,
    )
    found = factories.judge(facts, **settings)
    return {name: m for m in manifests.render(found, "set") for name in names((m,))}


def test_unsafe_rpc_is_reachable_from_chain_and_reconciler_only() -> None:
    objects = rendered(hybrid_peer_updates=True, cluster={"proxy_ranges": ["192.0.2.1/32"]})
    plain = rendered()
    config = {
        name: tomllib.loads(one[f"ConfigMap/{SPACE}/config"]["data"]["config.toml"])["rpc"]
        for name, one in (("on", objects), ("off", plain))
    }
    assert (config["on"]["unsafe"], "unsafe" in config["off"]) == (True, False)
    rules = {
        port["port"]: rule.get("from")
        for rule in objects[f"NetworkPolicy/{SPACE}/node"]["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert rules[26657] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "provider"}}},
        {"ipBlock": {"cidr": "192.0.2.1/32"}},
    ]
    assert {"namespaceSelector": {}} in rules[9090]
    assert {"namespaceSelector": {}} in rules[1317]
    # The node reads the setting at its start only.
    before, after = (one[f"StatefulSet/{SPACE}/node"]["spec"]["template"] for one in (plain, objects))
    assert before != after


@pytest.mark.parametrize("ranges", [[], ["anywhere"]])
def test_unsafe_rpc_without_valid_proxy_ranges_is_refused(ranges: list[str]) -> None:
    with pytest.raises(errors.SettingsError, match="proxy_ranges"):
        factories.settings(hybrid_peer_updates=True, cluster={"proxy_ranges": ranges})
