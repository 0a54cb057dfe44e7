"""What a definition adds to a node: refused where it would touch what the product owns, in every spelling."""

from typing import Any

import pytest

from ics import errors
from ics.config import chain_definition, node_config
from tests.unit import factories


def refused(**changes: Any) -> str:
    with pytest.raises(errors.SettingsError) as caught:
        factories.example(**changes)
    return str(caught.value)


def test_flags_variables_folders_and_companions_are_taken_as_they_are_written() -> None:
    companion = {"name": "feeder", "image": "repo/feeder:1", "env": {"HOME": "/tmp/x", "LEVEL": 3}}
    found = factories.example(
        start_flags={
            "x-crisis-skip-assert-invariants": True,
            "wasm.memory_cache_size": 512,
            "trace": ["a", "b"],
        },
        env={"GODEBUG": "madvdontneed=1", "WASMVM": 1.5},
        home_volumes=[".neutrond/wasm", "cache"],
        companions=[companion],
    ).definition
    assert found.start_flags == {
        "x-crisis-skip-assert-invariants": ("true",),
        "wasm.memory_cache_size": ("512",),
        "trace": ("a", "b"),
    }
    assert found.env == {"GODEBUG": "madvdontneed=1", "WASMVM": "1.5"}
    assert found.home_volumes == (".neutrond/wasm", "cache")
    assert found.companions[0].env == {"HOME": "/tmp/x", "LEVEL": "3"}


def test_definition_is_the_same_after_it_was_written_to_the_cluster_and_read_again() -> None:
    found = factories.example(
        start_flags={"trace": True},
        env={"A": "1"},
        home_volumes=["a"],
        companions=[{"name": "feeder", "image": "repo/feeder:1", "files": {"/config/a.json": "{}"}}],
        config={"client.toml": {"output": "json"}},
    ).definition
    values = found.model_dump(mode="json", exclude_defaults=True)
    assert chain_definition.parse(values, "test") == found


def spellings(path: str) -> list[str]:
    return [
        path,
        path.upper(),
        path.replace(".", "-").replace("_", "-"),
        path.replace(".", "_").replace("-", "_"),
        path.replace(".", "_").replace("-", "_").upper(),
    ]


FLAGS = [*node_config.RESERVED, "halt-height", "halt-time", "proxy_app", "moniker"]


@pytest.mark.parametrize("path", FLAGS)
def test_reserved_key_is_refused_as_flag_in_every_spelling(path: str) -> None:
    for name in spellings(path):
        assert f"start_flags: {name}: reserved: " in refused(start_flags={name: "x"}), name


@pytest.mark.parametrize("path", [*node_config.RESERVED, "halt-height", "halt-time", "proxy_app"])
def test_reserved_key_is_refused_as_variable_in_every_spelling_with_and_without_prefix(path: str) -> None:
    variable = path.replace(".", "_").replace("-", "_").upper()
    names = [variable, variable.lower()]
    if path not in ("address", "transport"):  # these end many names that mean something else
        names += [f"GAIAD_{variable}", f"interchain_security_cd_{variable.lower()}"]
    for name in names:
        assert "reserved: " in refused(env={name: "x"}), name


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("pruning", "app.toml"),
        ("min-retain-blocks", "app.toml"),
        ("state-sync.snapshot-interval", "app.toml"),
        ("STATE_SYNC_SNAPSHOT_INTERVAL", "app.toml"),
        ("statesync.rpc_servers", "config.toml"),
        ("log_level", "config.toml"),
    ],
)
def test_flag_and_variable_of_a_files_key_belong_into_config(name: str, file: str) -> None:
    assert f"start_flags: {name}: a key of {file}; write it in config" in refused(start_flags={name: "1"})
    variable = "NEUTROND_" + name.replace(".", "_").replace("-", "_").upper()
    assert f"env: {variable}: the node reads a key of {file}" in refused(env={variable: "1"})


@pytest.mark.parametrize(
    "name", ["KEY_ADDRESS", "WITHHELD", "key_folder", "HOME", "PATH", "BINARY", "UPGRADE_HEIGHT", "ICS_SEED"]
)
def test_variable_of_the_nodes_own_scripts_is_refused(name: str) -> None:
    assert f"env: {name}: reserved: the scripts of the node use it" in refused(env={name: "x"})


@pytest.mark.parametrize(
    "flags",
    [{"--trace": True}, {"": 1}, {"a b": 1}, {"trace": "a\nb"}, {"trace": []}, {"trace": {}}, ["trace"]],
)
def test_malformed_flag_is_refused(flags: Any) -> None:
    assert "start_flags: " in refused(start_flags=flags)


@pytest.mark.parametrize("folder", ["/etc", "../x", "a/../b", ".", "", "a/", "a//b", 'a"b', "$x", "a`b"])
def test_folder_outside_of_home_is_refused(folder: str) -> None:
    assert "is not a folder below HOME" in refused(home_volumes=[folder])


def test_folder_within_another_is_refused() -> None:
    assert "a/b lies in a, which is kept as a whole" in refused(home_volumes=["a", "a/b"])


@pytest.mark.parametrize("name", ["node", "key-check", "genesis", "volume-use", "ics-x"])
def test_companion_cannot_have_the_name_of_an_own_container(name: str) -> None:
    assert "is a container of this program" in refused(companions=[{"name": name, "image": "a:1"}])


@pytest.mark.parametrize(
    "path", ["relative", "/data/x", "/etc/ics/config/start.sh", "/run/ics/x", "/proc/1", "/a/../b"]
)
def test_file_of_a_companion_has_a_place_of_its_own(path: str) -> None:
    text = refused(companions=[{"name": "feeder", "image": "a:1", "files": {path: ""}}])
    assert path in text


def test_two_companions_of_one_name_are_refused() -> None:
    one = {"name": "feeder", "image": "a:1"}
    assert "two companions are named 'feeder'" in refused(companions=[one, one])


@pytest.mark.parametrize(
    "table",
    [
        {"chain-id": "other-1"},
        {"chain_id": "other-1"},
        {"CHAIN-ID": "other-1"},
        {"node": "tcp://elsewhere:26657"},
        {"keyring-dir": "/x"},
        {"home": "/x"},
        {"p2p": {"laddr": "tcp://0.0.0.0:1"}},
        {"priv_validator_laddr": "tcp://0.0.0.0:1"},
    ],
)
def test_reserved_key_of_the_clients_file_is_refused(table: dict[str, Any]) -> None:
    assert "reserved: " in refused(config={"client.toml": table})
