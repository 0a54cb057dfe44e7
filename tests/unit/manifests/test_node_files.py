"""The files of a consumer node, and its start script in a real shell."""

import hashlib
import json
import pathlib
import subprocess
import tomllib
from typing import Any

import pytest

from ics.consumer import binary_check
from ics.manifests import node_files
from tests.unit import factories

GENESIS = b"{}"


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    for name, content in (
        ("config/config.toml", b""),
        ("config/app.toml", b""),
        ("node-key/node_key.json", b""),
        ("genesis/genesis.json", GENESIS),
        ("peers/persistent_peers", b"id@host:1"),
        ("peers/external_address", b"host:1"),
        ("config/key-check.sh", b'exit "${CHECK:-0}"'),
    ):
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "run").mkdir()
    return tmp_path / "data" / "home"


def start(
    home: pathlib.Path,
    address: str = "AB",
    text: str = node_files.START_SCRIPT,
    check: str = "0",
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Run the script with a program that only says how it was called."""
    root = home.parent.parent
    script = text.replace("/etc/ics", f"{root}/etc").replace("/data", f"{root}/data")
    script = script.replace("/run/ics", f"{root}/run").replace("/dev/termination-log", f"{root}/message")
    # Within the home the folder has the same name.
    script = script.replace(f"$home{root}/data", "$home/data").replace(f'"$home"{root}/data', '"$home"/data')
    environment = {
        "PATH": "/usr/bin:/bin",
        "BINARY": "echo",
        "GENESIS_SHA256": hashlib.sha256(GENESIS).hexdigest(),
        "KEY_ADDRESS": address,
        "BINARY_HASH": "",
        "CHECK": check,
        **more,
    }
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def test_start_script_installs_files_and_starts_node(home: pathlib.Path) -> None:
    done = start(home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"start --home {home} --p2p.persistent_peers id@host:1")
    assert (home / "config" / "genesis.json").read_bytes() == GENESIS


def test_node_is_not_started_and_nothing_is_written_when_its_key_is_taken_away(home: pathlib.Path) -> None:
    done = start(home, check="1")
    assert (done.returncode, done.stdout, home.exists()) == (1, "", False)


@pytest.mark.parametrize(
    ("files", "stays"),
    [
        (["MANIFEST-000000", "LOCK", "LOG"], False),
        (["MANIFEST-000000", "CURRENT"], True),
        (["MANIFEST-000001", "marker.manifest.000001.MANIFEST-000001"], True),
        (["000001.ldb"], True),
        ([], True),
    ],
)
def test_start_script_removes_only_unfinished_database(
    home: pathlib.Path, files: list[str], stays: bool
) -> None:
    database, other = home / "data" / "application.db", home / "data" / "blockstore.db"
    for folder, names in ((database, files), (other, ["MANIFEST-000007", "CURRENT"])):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()

    done = start(home)

    assert done.returncode == 0, done.stderr
    assert (database.exists(), other.exists()) == (stays, True)


def lay_memory(home: pathlib.Path) -> pathlib.Path:
    state = home.parent / "signing" / "AB" / "priv_validator_state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"height": "7"}')
    return state


def test_start_script_leaves_sign_states_alone_and_links_nothing_on_the_volume(home: pathlib.Path) -> None:
    """Links on the volume could be changed by a second pod, under the node that runs."""
    state = lay_memory(home)
    assert start(home).returncode == 0
    assert state.read_text() == '{"height": "7"}'
    assert [path.name for path in home.parent.iterdir() if path != home] == ["signing"]
    assert [path for path in home.rglob("*") if path.is_symlink()] == []


def test_start_script_sets_sign_state_aside_for_remote_signer(home: pathlib.Path) -> None:
    """The key may return from the signer: without a sign state here it is not used before an explicit reset."""
    state = lay_memory(home)
    for _ in range(2):
        assert start(home, text=node_files.REMOTE_START_SCRIPT).returncode == 0
        assert not state.exists()
    assert state.with_name("priv_validator_state.json.before-remote").read_text() == '{"height": "7"}'


SECTION = "[statesync]\nenable = true\n"
DATABASES = ("application", "blockstore", "evidence", "state", "tx_index")


def lay_section(home: pathlib.Path, text: str = SECTION) -> None:
    path = home.parent.parent / "etc" / "state-sync" / "statesync.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lay_databases(home: pathlib.Path, *more: str) -> None:
    """Create what a node has whose process was started once."""
    for name in (*(f"{name}.db" for name in DATABASES), "snapshots", *more):
        (home / "data" / name).mkdir(parents=True)
        (home / "data" / name / "CURRENT").touch()


def config_of(home: pathlib.Path) -> str:
    return (home / "config" / "config.toml").read_text()


SYNCING = pytest.mark.parametrize("text", [node_files.START_SCRIPT, node_files.REMOTE_START_SCRIPT])


@SYNCING
def test_node_without_data_gets_the_section_of_its_state_sync(home: pathlib.Path, text: str) -> None:
    lay_section(home)

    done = start(home, text=text)

    assert done.returncode == 0, done.stderr
    assert config_of(home) == SECTION
    assert (home / "state-sync").is_dir()


@SYNCING
@pytest.mark.parametrize("section", [None, ""])
def test_node_without_a_trusted_block_replays_from_its_genesis(
    home: pathlib.Path, text: str, section: str | None
) -> None:
    if section is not None:
        lay_section(home, section)

    assert start(home, text=text).returncode == 0

    assert config_of(home) == ""
    assert not (home / "data" / "state-sync").exists()


@SYNCING
def test_node_with_data_keeps_all_of_it_and_does_not_sync(home: pathlib.Path, text: str) -> None:
    lay_section(home)
    lay_databases(home, "cs.wal")

    assert start(home, text=text).returncode == 0

    assert config_of(home) == ""
    assert len(list((home / "data").glob("*/CURRENT"))) == len(DATABASES) + 2


@SYNCING
def test_interrupted_state_sync_starts_again_without_what_it_restored(home: pathlib.Path, text: str) -> None:
    lay_section(home)
    state = lay_memory(home)
    assert start(home, text=text).returncode == 0
    lay_databases(home)
    (home / "state-sync" / "chunk").touch()

    done = start(home, text=text)

    assert "the state sync was not completed" in done.stderr
    assert config_of(home) == SECTION
    assert list((home / "data").glob("*/CURRENT")) == []
    assert list((home / "state-sync").iterdir()) == []
    kept = state if text == node_files.START_SCRIPT else state.with_name(f"{state.name}.before-remote")
    assert kept.read_text() == '{"height": "7"}'


@SYNCING
def test_state_sync_that_is_given_up_leaves_nothing_that_it_restored(home: pathlib.Path, text: str) -> None:
    lay_section(home)
    assert start(home, text=text).returncode == 0
    lay_databases(home)
    lay_section(home, "")

    assert start(home, text=text).returncode == 0

    assert config_of(home) == ""
    assert list((home / "data").glob("*/CURRENT")) == []


@SYNCING
def test_node_whose_consensus_has_started_after_its_state_sync_keeps_all_data(
    home: pathlib.Path, text: str
) -> None:
    lay_section(home)
    assert start(home, text=text).returncode == 0
    lay_databases(home, "cs.wal")

    for _ in range(2):
        assert start(home, text=text).returncode == 0
        assert config_of(home) == ""
        assert len(list((home / "data").glob("*/CURRENT"))) == len(DATABASES) + 2
        assert not (home / "data" / "state-sync").exists()


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "chaind"
    path.write_text("#!/bin/sh\necho started\n")
    path.chmod(0o755)
    return path


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("is_in_path", [True, False])
def test_start_script_starts_the_binary_with_the_definitions_hash(
    home: pathlib.Path, program: pathlib.Path, is_in_path: bool
) -> None:
    named = {"BINARY": program.name, "PATH": f"{program.parent}:/usr/bin:/bin"} if is_in_path else {}

    done = start(home, **{"BINARY": str(program), "BINARY_HASH": digest(program), **named})

    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


@pytest.mark.parametrize("text", [node_files.START_SCRIPT, node_files.REMOTE_START_SCRIPT])
def test_start_script_refuses_another_binary_and_says_so(
    home: pathlib.Path, program: pathlib.Path, text: str
) -> None:
    done = start(home, text=text, BINARY=str(program), BINARY_HASH="ab" * 32)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{program} has sha256 {digest(program)}, not binary_hash {'ab' * 32}; the node is not started\n"
    )
    message = (home.parent.parent / "message").read_text()
    assert binary_check.found(message) == digest(program)
    assert not home.exists()


def test_start_script_hashes_an_unchanged_binary_once_in_a_pod(
    home: pathlib.Path, program: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sha256sum").write_text(f"#!/bin/sh\necho x >> {tmp_path}/hashed\nexec /usr/bin/sha256sum\n")
    (tools / "sha256sum").chmod(0o755)
    given = {"PATH": f"{tools}:/usr/bin:/bin", "BINARY": str(program), "BINARY_HASH": digest(program)}
    for _ in range(3):
        assert start(home, **given).returncode == 0
    # The genesis is hashed at every start, the binary once.
    assert (tmp_path / "hashed").read_text() == "x\n" * 4

    program.write_text("#!/bin/sh\necho another one\n")
    assert start(home, **given).returncode == 1


def test_config_toml_names_key_and_sign_state_outside_of_the_volume() -> None:
    config = tomllib.loads(node_files.config_toml(factories.example().definition, "alice"))
    assert (config["priv_validator_key_file"], config["priv_validator_state_file"]) == (
        "/run/ics/identity/priv_validator_key.json",
        "/run/ics/memory/priv_validator_state.json",
    )


def test_config_toml_has_signer_address_only_with_remote_signer() -> None:
    known = factories.example().definition
    assert "priv_validator_laddr" not in node_files.config_toml(known, "alice")
    assert "priv_validator_laddr" in node_files.config_toml(known, "alice", is_signed_elsewhere=True)


def info(home: pathlib.Path) -> pathlib.Path:
    return home / "data" / "upgrade-info.json"


@pytest.mark.parametrize(
    ("before", "is_written"),
    [
        (None, True),
        ('{"name":"v1","height":99}', True),
        ('{"name":"v1","time":"0001-01-01T00:00:00Z","height":"99","info":"x"}', True),
        ("broken", True),
        ('{"name":"v2","height":120}', False),
        ('{"name":"v3","height":121}', False),
    ],
)
def test_start_script_writes_the_upgrade_that_the_node_has_reached_if_it_is_absent_or_older(
    home: pathlib.Path, before: str | None, is_written: bool
) -> None:
    info(home).parent.mkdir(parents=True)
    if before is not None:
        info(home).write_text(before)

    done = start(home, UPGRADE_NAME="v2", UPGRADE_HEIGHT="120")

    assert done.returncode == 0, done.stderr
    expected = {"name": "v2", "height": 120} if is_written else json.loads(before or "")
    assert json.loads(info(home).read_text()) == expected


def test_start_script_writes_no_upgrade_that_the_node_has_not_reached(home: pathlib.Path) -> None:
    assert start(home).returncode == 0
    assert not info(home).exists()


@pytest.mark.parametrize("script", [node_files.START_SCRIPT, node_files.REMOTE_START_SCRIPT])
def test_start_script_lets_the_node_halt_at_a_height(home: pathlib.Path, script: str) -> None:
    done = start(home, text=script, HALT_HEIGHT="150")
    assert done.stdout.startswith(f"start --home {home} --halt-height 150 --p2p.persistent_peers"), (
        done.stderr
    )


@pytest.mark.parametrize(
    ("changes", "revision", "expected"),
    [
        ({}, 2, {"snapshot-interval": 1000, "snapshot-keep-recent": 2}),
        (
            {"state_sync": {"snapshot_interval": 100}},
            2,
            {"snapshot-interval": 100, "snapshot-keep-recent": 2},
        ),
        (
            {"state_sync": {"snapshot_interval": 0}},
            2,
            {"snapshot-interval": 0, "snapshot-keep-recent": 2},
        ),
        ({"state_sync": {"snapshot_interval": 100}}, 1, None),
    ],
)
def test_node_serves_snapshots_from_revision_2_on(
    changes: dict[str, Any], revision: int, expected: dict[str, int] | None
) -> None:
    definition = factories.example(**changes).definition

    assert tomllib.loads(node_files.app_toml(definition, revision)).get("state-sync") == expected
