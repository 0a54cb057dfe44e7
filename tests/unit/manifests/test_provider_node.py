"""The optional provider node: its objects and the protection of its key."""

import dataclasses
import pathlib
import tomllib
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.config import settings as config_settings
from ics.consumer import observed
from ics.manifests import node_files, provider_node_files
from tests.unit import factories
from tests.unit.manifests import shell

PEER = "a" * 40 + "@203.0.113.7:26656"
NODE: dict[str, Any] = {
    "enabled": True,
    "image": "pd:1",
    "binary": "pd",
    "genesis": {"url": "https://example.com/genesis.json.gz", "sha256": "0" * 64},
    "peers": [PEER],
}


def settings(**changes: Any) -> config_settings.Settings:
    return factories.settings(provider_node={**NODE, **changes})


def own(found: config_settings.Settings) -> dict[str, model.Manifest]:
    wanted = factories.judge(factories.snapshot(), stack=found)
    return {
        f"{m['kind']}/{m['metadata']['name']}": m
        for m in manifests.render(wanted, "set")
        if m["metadata"]["labels"][names.COMPONENT] == names.PROVIDER_NODE
    }


def pod(found: config_settings.Settings) -> Any:
    return own(found)["StatefulSet/provider-node"]["spec"]["template"]["spec"]


def test_provider_node_is_absent_by_default() -> None:
    assert own(factories.settings()) == {}


def test_provider_node_objects_match_settings() -> None:
    assert sorted(own(settings())) == [
        "ConfigMap/provider-node",
        "PersistentVolumeClaim/provider-node",
        "Service/provider-node",
        "Service/provider-node-p2p",
        "StatefulSet/provider-node",
    ]
    assert "Service/provider-node-p2p" not in own(settings(expose=False))


def test_only_volume_of_provider_node_is_retained() -> None:
    kept = [name for name, m in own(settings()).items() if names.RETAIN in m["metadata"]["labels"]]
    assert kept == ["PersistentVolumeClaim/provider-node"]


def test_provider_node_mounts_consensus_key_only_if_configured() -> None:
    own_volumes = {"data", "tmp", "config", "links", "cluster-ca", "watermark"}
    assert {v["name"] for v in pod(settings())["volumes"]} == own_volumes
    named = settings(consensus_key="k", node_key="n")
    volumes = {v["name"]: v for v in pod(named)["volumes"]}
    assert volumes["consensus-key"]["secret"] == {"secretName": "k", "defaultMode": 0o440}
    assert volumes["node-key"]["secret"]["secretName"] == "n"
    assert own(named)["StatefulSet/provider-node"]["spec"]["replicas"] == 1


def test_provider_genesis_is_fetched_from_url_or_mounted_from_config_map() -> None:
    fetched = pod(settings())
    assert [c["name"] for c in fetched["initContainers"]] == ["genesis", "key-check"]
    mounted = pod(settings(genesis={"config_map": {"name": "g", "key": "genesis.json.gz"}}))
    assert [c["name"] for c in mounted["initContainers"]] == ["key-check"]
    environment = {e["name"]: e.get("value") for e in mounted["containers"][0]["env"]}
    assert environment["GENESIS"] == "/etc/ics/genesis/genesis.json.gz"
    assert {"name": "genesis", "configMap": {"name": "g"}} in mounted["volumes"]


def test_provider_node_config_files_follow_settings() -> None:
    sync = {"rpc": ["https://a:443", "https://b:443"], "height": 7, "hash": "A" * 64}
    parsed = settings(
        state_sync=sync,
        pruning="nothing",
        min_gas_price="1uatom",
        config={"config.toml": {"p2p": {"pex": False}}},
    )
    comet = tomllib.loads(provider_node_files.config_toml(parsed))
    app = tomllib.loads(provider_node_files.app_toml(parsed))
    assert comet["p2p"]["persistent_peers"] == PEER
    assert comet["p2p"]["pex"] is False
    assert comet["statesync"] == {
        "enable": True,
        "rpc_servers": "https://a:443,https://b:443",
        "trust_height": 7,
        "trust_hash": "A" * 64,
    }
    assert (app["pruning"], app["minimum-gas-prices"]) == ("nothing", "1uatom")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image": ""}, "image and genesis are required"),
        ({"genesis": None}, "image and genesis are required"),
        ({"genesis": {"url": "https://x/g"}}, "url needs sha256"),
        ({"genesis": {}}, "set exactly one of url or config_map"),
        ({"peers": ["host:1"]}, "peers.0: not a valid peer"),
        ({"seeds": [f"{'a' * 40}@host:٣"]}, "seeds.0: not a valid peer"),
        ({"min_gas_price": "1"}, "invalid gas price '1'"),
        ({"state_sync": {"rpc": ["one"], "height": 1, "hash": "0" * 64}}, "state_sync.rpc"),
    ],
)
def test_invalid_provider_node_settings_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.SettingsError, match=complaint):
        settings(**changes)


def started(folder: pathlib.Path) -> dict[str, str]:
    """Run the start script with a folder in place of `/`, and return the files below the node's home."""
    for name in ("data", "etc/ics/config", "etc/ics/genesis"):
        (folder / name).mkdir(parents=True)
    for name in ("config.toml", "app.toml"):
        (folder / "etc/ics/config" / name).write_text(name)
    (folder / "etc/ics/genesis/genesis.json").write_text("{}")
    (folder / "etc/ics/config/key-check.sh").write_text('[ "$1" = again ]')
    environment = {
        "BINARY": "true",
        "BINARY_HASH": "",
        "GENESIS": f"{folder}{node_files.GENESIS}/genesis.json",
    }
    done = shell.run(("/bin/sh",), provider_node_files.start_script(), folder, environment)
    assert (done.returncode, done.stderr) == (0, "")
    home = folder / "data/home"
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


def test_provider_node_starts_with_its_files(tmp_path: pathlib.Path) -> None:
    assert started(tmp_path) == {
        "config/config.toml": "config.toml",
        "config/app.toml": "app.toml",
        "config/genesis.json": "{}",
    }


def test_key_and_sign_state_of_provider_node_are_linked_off_its_volume() -> None:
    comet = tomllib.loads(provider_node_files.config_toml(settings()))
    assert comet["priv_validator_key_file"] == "/run/ics/identity/priv_validator_key.json"
    assert comet["priv_validator_state_file"] == "/run/ics/memory/priv_validator_state.json"
    assert {"name": "links", "emptyDir": {}} in pod(settings())["volumes"]


RECORD = model.ProviderRecord(
    volume_uid="uid-1", reset=model.SignedState(height=9, round=0, step=3), is_ready=True
)


def checked(
    found: config_settings.Settings, record: model.ProviderRecord | None, volume: str = "uid-1"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The variables of the key's check, and the annotations of the StatefulSet, in a later pass."""
    memory = observed.ProviderNodeMemory(volume_uid=volume, has_workload=True, record=record)
    state = observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(),
        memory=dataclasses.replace(observed.Memory(), provider_node=memory),
    )
    rendered = manifests.render(factories.judge(state, stack=found), "set")
    (workload,) = [m for m in rendered if m["kind"] == "StatefulSet"]
    check = workload["spec"]["template"]["spec"]["initContainers"][-1]
    assert check["name"] == names.KEY_CHECK
    fields = {one["name"]: None for one in check["env"] if "valueFrom" in one}
    return {**shell.environment(check), **fields}, workload["metadata"]["annotations"]


def test_check_of_provider_node_takes_the_address_from_the_key_and_compares_the_claim() -> None:
    variables, notes = checked(settings(consensus_key="k"), RECORD)
    assert variables == {
        "KEY_ADDRESS": "",
        "KEY_FOLDER": "/etc/ics/consensus-key",
        "EXPECTED_POD": "provider-node-0",
        "CLAIM_UID": "uid-1",
        "WITHHELD": "false",
        "REMOTE": "",
        "RESULT_FILE": "/dev/termination-log",
        "POD_NAME": None,
        "POD_NAMESPACE": None,
    }
    assert (notes[names.VOLUME_UID], notes[names.WITHHELD]) == ("uid-1", "false")
    assert notes[names.SIGNS] == "the key in Secret k"


@pytest.mark.parametrize(
    ("record", "volume"),
    [
        (None, "uid-1"),
        (dataclasses.replace(RECORD, is_ready=False), "uid-1"),
        (RECORD, "uid-2"),
    ],
    ids=["never released", "not written yet", "another volume"],
)
def test_provider_key_is_withheld_unless_released_on_this_volume(
    record: model.ProviderRecord | None, volume: str
) -> None:
    variables, notes = checked(settings(consensus_key="k"), record, volume)
    assert (variables["CLAIM_UID"], variables["WITHHELD"]) == ("", "true")
    assert (names.VOLUME_UID in notes, notes[names.WITHHELD]) == (False, "true")
    assert notes[names.SIGNS] == "nothing: the key in Secret k is not released on this volume"


def test_full_node_of_the_provider_has_no_key() -> None:
    variables, notes = checked(settings(), RECORD)
    assert (variables["WITHHELD"], notes[names.SIGNS]) == (
        "true",
        "nothing: a full node, because consensus_key is not set",
    )
