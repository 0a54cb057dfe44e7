"""Objects of sentries and full nodes, and their start script in real shells: none of them can ever sign."""

import base64
import json
import pathlib
import subprocess
import tomllib
from typing import Any

import pytest

from ics import manifests, model, names
from ics.consumer import desired, extra_nodes
from ics.manifests import node_files, signers
from tests.unit import factories
from tests.unit.consumer import test_extra_nodes
from tests.unit.manifests import shell

P = model.Phase
NODE = f"StatefulSet/{names.NODE_NAME}"


def wanted(
    *,
    sentries: int = 2,
    full: int = 1,
    memory: dict[str, Any] | None = None,
    phase: model.Phase = P.LAUNCHED,
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> desired.Desired:
    consumer = factories.consumer(phase, factories.joined("alice", "bob"))
    seen = factories.observation(
        factories.snapshot(consumer, launches={"0": factories.launch("alice", "bob")}),
        memory=factories.memory("alice", **(memory or {})),
    )
    definition = factories.example(
        nodes={"sentries": sentries, "full": full},
        seeds=["ab" * 20 + "@seed.example.org:26656"],
        config=config or {},
    )
    return factories.judge(seen, definitions=[definition], **settings)


def rendered(**changes: Any) -> dict[str, model.Manifest]:
    return factories.rendered(wanted(**changes))


WITHOUT = rendered(sentries=0, full=0)


def extra_of(found: dict[str, model.Manifest]) -> dict[str, model.Manifest]:
    return {key: one for key, one in found.items() if key not in WITHOUT}


def test_chain_with_extra_nodes_has_these_objects_in_addition() -> None:
    each = [
        *(f"ConfigMap/{{name}}-{kind}" for kind in ("config", "peers")),
        "PersistentVolumeClaim/{name}-data",
        "Secret/{name}-node-key",
        "Service/{name}",
        "StatefulSet/{name}",
    ]
    nodes = ("sentry-1", "sentry-2", "full-node-1")
    shared = {"NetworkPolicy/sentry", "NetworkPolicy/full-node", "Service/node-rpc"}
    assert set(extra_of(rendered())) == {one.format(name=n) for one in each for n in nodes} | shared


def test_pods_of_a_staged_chain_wait_with_image_and_volume() -> None:
    staged, launched = rendered(phase=P.INITIALIZED), rendered()
    assert set(extra_of(staged)) == set(extra_of(launched))
    for name in ("sentry-1", "full-node-1"):
        before, after = (found[f"StatefulSet/{name}"]["spec"] for found in (staged, launched))
        assert (before["selector"], before["replicas"]) == (after["selector"], 1)
        pods = [one["template"]["spec"] for one in (before, after)]
        waiting, node = (pod["containers"][0] for pod in pods)
        assert [waiting[key] for key in ("name", "image", "resources")] == [
            node[key] for key in ("name", "image", "resources")
        ]
        assert pods[0]["affinity"] == pods[1]["affinity"]
        # Neither the genesis nor anything secret is there yet.
        assert pods[0]["volumes"] == [
            {"name": "data", "persistentVolumeClaim": {"claimName": f"{name}-data"}}
        ]


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_waiting_pod_ends_at_once_when_it_is_told_to(kind: tuple[str, ...]) -> None:
    spec = rendered(phase=P.INITIALIZED)["StatefulSet/sentry-1"]["spec"]["template"]["spec"]
    program = spec["containers"][0]["command"][2]
    # The signal comes while it waits.
    told = program.replace("sleep 1", "{ kill -TERM $$; sleep 20; }")
    done = subprocess.run([*kind, "-c", told], check=False, timeout=15)
    assert done.returncode == 0


def test_only_the_volumes_of_extra_nodes_are_retained() -> None:
    kept = {key for key, one in extra_of(rendered()).items() if names.RETAIN in one["metadata"]["labels"]}
    assert kept == {f"PersistentVolumeClaim/{name}-data" for name in ("sentry-1", "sentry-2", "full-node-1")}


def test_only_the_validators_node_changes_when_sentries_hide_it() -> None:
    with_sentries = rendered()
    changed = {key for key, one in WITHOUT.items() if one != with_sentries[key]}
    assert changed == {
        NODE,
        "ConfigMap/config",
        "ConfigMap/peers",
        "NetworkPolicy/node",
        "Secret/node-key",
    }
    alone = rendered(sentries=0)
    assert {key for key, one in WITHOUT.items() if one != alone[key]} == set()


def test_no_extra_node_has_the_consensus_key_or_its_address() -> None:
    key = factories.consumer_key("alice")
    private = base64.b64encode(key.private.reveal() + key.public_key).decode()
    for manifest in extra_of(rendered()).values():
        data = manifest.get("data", {})
        if manifest["kind"] == "Secret":
            data = {name: base64.b64decode(value).decode() for name, value in data.items()}
        text = json.dumps({**manifest, "data": data})
        assert private not in text
        assert "consensus-key-" not in text
        assert key.address.hex().upper() not in text
    assert signers.second_signers(rendered().values()) == {}


def test_labels_of_an_extra_node_select_only_its_own_pod() -> None:
    found = rendered()
    for name, role in (("sentry-1", names.SENTRY), ("full-node-1", names.FULL_NODE)):
        spec = found[f"StatefulSet/{name}"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == found[f"Service/{name}"]["spec"]["selector"]
        assert (labels[names.COMPONENT], labels[names.EXTRA_NODE]) == (role, name)
        for service in ("Service/node", NODE):
            theirs = found[service]["spec"]["selector"]
            theirs = theirs.get("matchLabels", theirs)
            assert not theirs.items() <= labels.items()
    assert found["Service/node-rpc"]["spec"]["selector"].items() <= (
        found["StatefulSet/full-node-1"]["spec"]["template"]["metadata"]["labels"].items()
    )


def test_sentries_prefer_other_hosts_than_the_validators_node() -> None:
    found = rendered(pods={"affinity": {"nodeAffinity": {"x": 1}}})
    affinity = found["StatefulSet/sentry-1"]["spec"]["template"]["spec"]["affinity"]
    (term,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = term["podAffinityTerm"]["labelSelector"]["matchExpressions"]
    assert expression["values"] == [names.NODE, names.SENTRY]
    assert affinity["nodeAffinity"] == {"x": 1}


def config(found: dict[str, model.Manifest], name: str) -> dict[str, Any]:
    return tomllib.loads(found[f"ConfigMap/{name}"]["data"]["config.toml"])


def test_validators_node_exchanges_no_addresses_and_sentries_hide_its_own() -> None:
    theirs = {"config.toml": {"p2p": {"pex": True, "private_peer_ids": "ab" * 20}}}
    found = rendered(config=theirs)
    assert config(found, "config")["p2p"]["pex"] is False
    sentry = config(found, "sentry-1-config")
    hidden = test_extra_nodes.HIDDEN
    assert sentry["p2p"]["private_peer_ids"] == f"{'ab' * 20},{hidden}"
    assert sentry["p2p"]["unconditional_peer_ids"] == hidden
    assert (sentry["moniker"], sentry["p2p"]["pex"]) == ("alice-sentry-1", True)
    assert hidden not in found["ConfigMap/full-node-1-config"]["data"]["config.toml"]


def test_seeds_are_for_sentries_and_full_nodes_only() -> None:
    found = rendered()
    assert "--p2p.seeds" not in found["ConfigMap/config"]["data"]["start.sh"]
    for name in ("sentry-1", "full-node-1"):
        assert "--p2p.seeds" in found[f"ConfigMap/{name}-config"]["data"]["start.sh"]
        spec = found[f"StatefulSet/{name}"]["spec"]["template"]["spec"]
        assert {"name": "seeds", "configMap": {"name": "seeds"}} in spec["volumes"]


def test_published_address_is_announced_by_the_first_sentry_alone() -> None:
    found = rendered()
    announced = {
        name: found[f"ConfigMap/{name}"]["data"]["external_address"]
        for name in ("peers", "sentry-1-peers", "sentry-2-peers", "full-node-1-peers")
    }
    endpoint = WITHOUT["ConfigMap/peers"]["data"]["external_address"]
    assert endpoint
    assert announced == {
        "peers": "",
        "sentry-1-peers": endpoint,
        "sentry-2-peers": "",
        "full-node-1-peers": "",
    }


def test_number_of_sentries_is_recorded_on_the_node_behind_them_only() -> None:
    assert rendered()[NODE]["metadata"]["annotations"][names.SENTRIES] == "2"
    waiting = rendered(memory={"has_workload": True})
    assert names.SENTRIES not in waiting[NODE]["metadata"]["annotations"]
    assert waiting[NODE]["spec"]["template"] == WITHOUT[NODE]["spec"]["template"]


def test_only_sentries_reach_the_peer_port_of_the_node_behind_them() -> None:
    rules = rendered()["NetworkPolicy/node"]["spec"]
    (source,) = rules["ingress"][0]["from"]
    assert source["podSelector"]["matchExpressions"][0]["values"] == [names.SENTRY]
    assert rules["ingress"][0]["ports"] == [{"port": 26656, "protocol": "TCP"}]
    assert [rule.get("to") for rule in rules["egress"]][1] == [source]
    assert len(rules["egress"]) == 2


def test_extra_nodes_of_a_stopped_chain_end_with_the_validators_node() -> None:
    memory = {"has_workload": True, "sentries": 2, "genesis": b"{}", "is_ending": True}
    found = rendered(memory=memory, phase=P.STOPPED)
    replicas = {key: one["spec"]["replicas"] for key, one in found.items() if one["kind"] == "StatefulSet"}
    assert replicas == {NODE: 0, **{f"StatefulSet/{n}": 0 for n in ("sentry-1", "sentry-2", "full-node-1")}}


# -- the start script ----------------------------------------------------------------------------


PROGRAM = """\
#!/bin/sh
key=$(sed -n 's/^priv_validator_key_file = "\\(.*\\)"/\\1/p' "$3/config/config.toml")
cat "$key" 2>/dev/null || { echo fresh; echo drawn > "$key"; }
"""
"""A program that says which key it would sign with, and makes a new one where there is none."""


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """The files of a sentry's pod, its volume, and a program in place of the chain's."""
    found = rendered()
    genesis = json.loads("{}")
    files = {
        "etc/ics/config/config.toml": found["ConfigMap/sentry-1-config"]["data"]["config.toml"].replace(
            "/run/ics", f"{tmp_path}/run/ics"
        ),
        "etc/ics/config/app.toml": "",
        "etc/ics/node-key/node_key.json": "{}",
        "etc/ics/genesis/genesis.json": json.dumps(genesis),
        "etc/ics/peers/persistent_peers": "",
        "etc/ics/peers/external_address": "",
        "etc/ics/seeds/seeds": "",
        "bin/chaind": PROGRAM,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "bin" / "chaind").chmod(0o755)
    (tmp_path / "run/ics").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    return tmp_path


def start(
    root: pathlib.Path, kind: tuple[str, ...], pod: str = "sentry-1-0"
) -> "subprocess.CompletedProcess[str]":
    container = rendered()["StatefulSet/sentry-1"]["spec"]["template"]["spec"]["containers"][0]
    environment = shell.environment(
        container,
        POD_NAME=pod,
        BINARY=f"{root}/bin/chaind",
        GENESIS_SHA256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    )
    script = node_files.EXTRA_START_SCRIPT.replace('"$home/data"', '"$home"/"data"').replace(
        "/data/*.db", "/d*/*.db"
    )
    return shell.run(kind, script, root, environment)


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_each_start_has_a_new_throw_away_key_off_the_volume(
    kind: tuple[str, ...], root: pathlib.Path
) -> None:
    for _ in range(2):
        done = start(root, kind)
        assert (done.returncode, done.stdout) == (0, "fresh\n"), done.stderr
        assert (root / "run/ics/throwaway/priv_validator_key.json").read_text() == "drawn\n"
    assert [path for path in (root / "data").rglob("*") if "priv_validator" in path.name] == []


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_key_planted_on_the_volume_or_in_the_pod_is_never_used(
    kind: tuple[str, ...], root: pathlib.Path
) -> None:
    planted = [
        "data/home/config/priv_validator_key.json",
        "data/home/data/priv_validator_state.json",
        "run/ics/throwaway/priv_validator_key.json",
        "etc/ics/config/priv_validator_key.json",
    ]
    for name in planted:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("the validator's key")
    assert start(root, kind).stdout == "fresh\n"


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
@pytest.mark.parametrize("place", ["etc/ics/consensus-key", "data/signing"])
def test_extra_node_with_anything_of_a_validator_does_not_start(
    kind: tuple[str, ...], place: str, root: pathlib.Path
) -> None:
    """A mounted key, or the copied volume of a validator's node."""
    (root / place).mkdir(parents=True)
    before = shell.tree(root / "data")
    done = start(root, kind)
    assert (done.returncode, done.stdout) == (1, "")
    assert "this node must never sign; it is not started" in done.stderr
    assert shell.tree(root / "data") == before


@pytest.mark.parametrize("kind", shell.SHELLS, ids=shell.IDS)
def test_second_pod_does_not_start_on_the_volume(kind: tuple[str, ...], root: pathlib.Path) -> None:
    done = start(root, kind, pod="sentry-1-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "only sentry-1-0 may run on the volume" in done.stderr


def test_every_sentry_has_its_own_start_environment() -> None:
    found = rendered()
    for name in ("sentry-1", "sentry-2", "full-node-1"):
        container = found[f"StatefulSet/{name}"]["spec"]["template"]["spec"]["containers"][0]
        assert shell.environment(container)["EXPECTED_POD"] == f"{name}-0"
    assert manifests.failures(wanted()) == {}
    assert {role.value for role in extra_nodes.Role} == {names.SENTRY, names.FULL_NODE}
