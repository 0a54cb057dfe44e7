"""The optional provider node: its objects and the protection of its key."""

import pathlib
import subprocess
import tomllib
from typing import Any

import pytest

from ics import errors, manifests, model, names
from ics.config import settings as config_settings
from ics.manifests import node_files, provider_node, provider_node_files
from tests.unit import factories

PEER = "a" * 40 + "@203.0.113.7:26656"
NODE: dict[str, Any] = {
    "enabled": True,
    "image": "pd:1",
    "binary": "pd",
    "genesis": {"url": "https://example.com/genesis.json.gz", "sha256": "0" * 64},
    "peers": [PEER],
}
ADDRESS = "0123456789ABCDEF0123456789ABCDEF01234567"


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
        "NetworkPolicy/provider-node",
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
    assert {v["name"] for v in pod(settings())["volumes"]} == {"data", "tmp", "config"}
    assert (
        provider_node.has_consensus_key(settings())
        == "nothing: a full node, because consensus_key is not set"
    )
    named = settings(consensus_key="k", node_key="n")
    volumes = {v["name"]: v for v in pod(named)["volumes"]}
    assert volumes["consensus-key"]["secret"] == {"secretName": "k", "defaultMode": 0o440}
    assert volumes["node-key"]["secret"]["secretName"] == "n"
    assert own(named)["StatefulSet/provider-node"]["spec"]["replicas"] == 1


def test_provider_genesis_is_fetched_from_url_or_mounted_from_config_map() -> None:
    fetched = pod(settings())
    assert [c["name"] for c in fetched["initContainers"]] == ["genesis"]
    mounted = pod(settings(genesis={"config_map": {"name": "g", "key": "genesis.json.gz"}}))
    assert mounted["initContainers"] == []
    environment = {e["name"]: e["value"] for e in mounted["containers"][0]["env"]}
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


def started(folder: pathlib.Path, *, has_key: bool, has_memory: bool) -> dict[str, str]:
    """Run the start script with a folder in place of `/`, and return the targets of its links."""
    for name in ("data", "etc/ics/config", "etc/ics/consensus-key", "etc/ics/genesis"):
        (folder / name).mkdir(parents=True)
    for name in ("config.toml", "app.toml"):
        (folder / "etc/ics/config" / name).write_text("")
    (folder / "etc/ics/genesis/genesis.json").write_text("{}")
    if has_key:
        text = f'{{\n  "address": "{ADDRESS}",\n  "priv_key": {{}}\n}}'
        (folder / "etc/ics/consensus-key/priv_validator_key.json").write_text(text)
    if has_memory:
        memory = folder / "data/signing" / ADDRESS
        memory.mkdir(parents=True)
        (memory / "priv_validator_state.json").write_text("{}")
    script = provider_node_files.START_SCRIPT
    for path in (node_files.DATA, "/etc/ics"):
        script = script.replace(path, f"{folder}{path}")
    genesis = f"{folder}{node_files.GENESIS}/genesis.json"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"BINARY": "true", "GENESIS": genesis, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    home = folder / "data/home"
    links = {name: str((home / name).readlink()).removeprefix(str(folder)) for name in ("identity", "memory")}
    return links | {"said": done.stderr.strip()}


def test_provider_node_with_sign_state_uses_its_key(tmp_path: pathlib.Path) -> None:
    ready = started(tmp_path / "a", has_key=True, has_memory=True)
    assert ready == {"identity": "/etc/ics/consensus-key", "memory": f"/data/signing/{ADDRESS}", "said": ""}


def test_provider_node_without_sign_state_uses_throwaway_key_and_warns(tmp_path: pathlib.Path) -> None:
    empty = started(tmp_path / "a", has_key=True, has_memory=False)
    assert (empty["identity"], empty["memory"]) == ("/data/throwaway", "/data/throwaway")
    assert empty["said"] == f"no sign state of {ADDRESS} on this volume: running with a throw-away key"


def test_provider_node_without_key_uses_throwaway_key_silently(tmp_path: pathlib.Path) -> None:
    none = started(tmp_path / "a", has_key=False, has_memory=True)
    assert none == {"identity": "/data/throwaway", "memory": "/data/throwaway", "said": ""}
