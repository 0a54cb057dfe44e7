"""What a definition adds to a node's pod; a definition without it renders what it always did."""

import json
import pathlib
import subprocess
import tomllib
from typing import Any

import pytest

from ics import manifests, model, names
from ics.manifests import node_files, objects
from ics.manifests import rehearsal as rehearsal_manifests
from tests.unit import factories
from tests.unit.manifests import shell
from tests.unit.manifests.test_consumer import RECORDED, SPACE

FEEDER = {
    "name": "feeder",
    "image": "repo/feeder:1",
    "args": ["--config", "/config/feeder.json"],
    "env": {"LEVEL": "$(KEY)"},
    "files": {"/config/feeder.json": '{"a": 1}', "/config/b": "b"},
}


def rendered(**changes: Any) -> dict[str, model.Manifest]:
    chain = factories.consumer(model.Phase.LAUNCHED, factories.joined("alice", "bob"))
    snapshot = factories.snapshot(chain, launches={"0": factories.launch("alice", "bob")})
    wanted = factories.judge(snapshot, memory=RECORDED, definitions=[factories.example(**changes)])
    return {
        f"{one['kind']}/{one['metadata']['name']}": one
        for one in manifests.render(wanted, "set")
        if one["metadata"].get("namespace") == SPACE
    }


def container(found: dict[str, model.Manifest], name: str) -> dict[str, Any]:
    spec = found["StatefulSet/node"]["spec"]["template"]["spec"]
    return next(one for one in spec["containers"] if one["name"] == name)


def test_definition_without_extra_parts_has_the_same_script_and_one_container() -> None:
    found = rendered()
    assert found["ConfigMap/config"]["data"]["start.sh"] == node_files.START_SCRIPT
    assert sorted(found["ConfigMap/config"]["data"]) == [
        "app.toml",
        "config.toml",
        "key-check.sh",
        "start.sh",
    ]
    spec = found["StatefulSet/node"]["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["node", "volume-use"]
    assert "ConfigMap/companions" not in found
    assert rehearsal_manifests.script(factories.example().definition) == rehearsal_manifests.SCRIPT


def test_companion_gets_no_key_and_no_part_of_the_volume() -> None:
    found = rendered(companions=[FEEDER])
    feeder = container(found, "feeder")
    assert feeder == {
        "name": "feeder",
        "image": "repo/feeder:1",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--config", "/config/feeder.json"],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "LEVEL", "value": "$$(KEY)"}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "tmp-feeder", "mountPath": "/tmp"},
            {
                "name": "companions",
                "mountPath": "/config/feeder.json",
                "subPath": "feeder.0",
                "readOnly": True,
            },
            {"name": "companions", "mountPath": "/config/b", "subPath": "feeder.1", "readOnly": True},
        ],
    }
    spec = found["StatefulSet/node"]["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes["tmp-feeder"] == {"name": "tmp-feeder", "emptyDir": {}}
    assert volumes["companions"] == {"name": "companions", "configMap": {"name": names.COMPANIONS}}
    assert found["ConfigMap/companions"]["data"] == {"feeder.0": '{"a": 1}', "feeder.1": "b"}
    assert spec["containers"][0]["name"] == "node"
    assert container(found, "node") == container(rendered(), "node")


def test_changed_file_of_a_companion_restarts_the_pod() -> None:
    def notes(content: str) -> dict[str, str]:
        one = FEEDER | {"files": {"/config/feeder.json": content}}
        template = rendered(companions=[one])["StatefulSet/node"]["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    changed = {key for key in notes("a") if notes("a")[key] != notes("b")[key]}
    assert changed == {f"{names.DOMAIN}/companions", names.TEMPLATE}


def test_variables_follow_the_nodes_own_and_are_literal() -> None:
    added = container(rendered(env={"X": "$(KEY_ADDRESS)"}), "node")["env"]
    assert added == [*container(rendered(), "node")["env"], {"name": "X", "value": "$$(KEY_ADDRESS)"}]


def test_clients_file_names_the_chain_and_its_own_node() -> None:
    found = rendered(config={"client.toml": {"output": "json", "gas": "auto"}})
    assert tomllib.loads(found["ConfigMap/config"]["data"]["client.toml"]) == {
        "chain-id": "consumer1-1",
        "node": "tcp://localhost:26657",
        "keyring-backend": "test",
        "broadcast-mode": "sync",
        "output": "json",
        "gas": "auto",
    }


@pytest.fixture
def pod(tmp_path: pathlib.Path) -> pathlib.Path:
    for name, content in (
        ("config/config.toml", b""),
        ("config/app.toml", b""),
        ("config/client.toml", b"ours"),
        ("config/key-check.sh", b""),
        ("node-key/node_key.json", b""),
        ("genesis/genesis.json", b"{}"),
        ("peers/persistent_peers", b""),
        ("peers/external_address", b""),
    ):
        path = tmp_path / "etc" / "ics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "run" / "ics").mkdir(parents=True)
    return tmp_path


def start(
    kind: tuple[str, ...], pod: pathlib.Path, binary: str = "echo", **changes: Any
) -> "subprocess.CompletedProcess[str]":
    """Run the start script of a definition; each call is a new pod on the same volume."""
    temporary = pod / "tmp"
    temporary.mkdir(exist_ok=True)
    script = rendered(**changes)["ConfigMap/config"]["data"]["start.sh"]
    script = script.replace("@EXTERNAL_ADDRESS@", "")
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    values = {"BINARY": binary, "BINARY_HASH": "", "GENESIS_SHA256": digest, "HOME": str(temporary)}
    return shell.run(kind, script, pod, {**values, "KEY_ADDRESS": "AB"})


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_flags_reach_the_program_as_they_are_written(kind: tuple[str, ...], pod: pathlib.Path) -> None:
    done = start(kind, pod, start_flags={"trace": True, "greeting": ["it's", 'a "$HOME"; b']})
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip("\n").endswith("""--trace=true --greeting=it's --greeting=a "$HOME"; b""")


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_folder_below_home_outlives_the_pod(kind: tuple[str, ...], pod: pathlib.Path) -> None:
    for _ in range(2):  # a container may start again in its pod, too
        assert start(kind, pod, home_volumes=[".neutrond/wasm code", "cache"]).returncode == 0
    (pod / "tmp" / ".neutrond" / "wasm code" / "code").write_text("kept")
    assert (pod / "data" / "folders" / ".neutrond" / "wasm code" / "code").read_text() == "kept"
    assert (pod / "tmp" / "cache").is_dir()


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_clients_file_that_the_definition_no_longer_has_is_not_left_on_the_volume(
    kind: tuple[str, ...], pod: pathlib.Path
) -> None:
    program = pod / "program"
    # As the SDK does (v0.50.13, client/config/config.go): without the file, it writes its own.
    program.write_text('#!/bin/sh\nf="$3/config/client.toml"\n[ -e "$f" ] || echo default > "$f"\ncat "$f"\n')
    program.chmod(0o755)
    own = start(kind, pod, binary=str(program))
    assert (own.returncode, own.stdout) == (0, "default\n"), own.stderr
    ours = start(kind, pod, binary=str(program), config={"client.toml": {}})
    assert (ours.returncode, ours.stdout) == (0, "ours"), ours.stderr
    # The next pod has no such file, and an empty folder for the links.
    (pod / "run" / "ics" / "client.toml").unlink()
    again = start(kind, pod, binary=str(program))
    assert (again.returncode, again.stdout) == (0, "default\n"), again.stderr


def test_rehearsal_starts_the_node_with_the_same_additions() -> None:
    definition = factories.example(
        start_flags={"trace": True},
        env={"X": "1"},
        home_volumes=["a"],
        config={"client.toml": {"output": "json"}},
    ).definition
    script = rehearsal_manifests.script(definition)
    assert '--p2p.persistent_peers "" --p2p.seeds "" --trace=true > "$log"' in script
    assert 'ln -sfn "/data/folders/a" "$HOME/a"' in script
    assert 'cp "$FILES/client.toml" "$home/config/"' in script


def test_names_of_volumes_are_distinct() -> None:
    found = rendered(companions=[FEEDER, FEEDER | {"name": "other"}], seeds=["a" * 40 + "@h:1"])
    volumes = [one["name"] for one in found["StatefulSet/node"]["spec"]["template"]["spec"]["volumes"]]
    assert len(set(volumes)) == len(volumes)
    assert json.dumps(found).count("repo/feeder:1") == 2
