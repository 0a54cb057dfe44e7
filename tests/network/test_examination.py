"""`ics doctor` on a real chain and API server: what is well, and each thing that somebody got wrong."""

from collections.abc import Mapping
from typing import Any

import pytest

from ics import model
from ics.keys import derivation
from ics.manifests import rights
from ics.provider.tx import messages
from tests.network import provider_node, stage
from tests.network.test_endpoint import ics

pytestmark = pytest.mark.network


def examine(place: stage.Stage, *flags: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Exit code, and the findings by their check."""
    done = ics(place, "doctor", "--json", *flags)
    assert done.err == ""
    assert done.json["exit_code"] == done.code
    found: dict[str, list[dict[str, Any]]] = {}
    for one in done.json["findings"]:
        found.setdefault(one["check"], []).append(one)
    return done.code, found


def failures(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """By check, the first failure."""
    return {
        check: one["message"] for check, several in found.items() for one in several if one["level"] == "fail"
    }


@pytest.fixture(scope="module")
def well(place: stage.Stage) -> stage.Stage:
    """All is as it should be; the images are on no node, for there is none."""
    registered = ics(place, "endpoint", "register", "--host", "127.0.0.1")
    assert registered.code == 0
    return place


def test_all_is_well(well: stage.Stage) -> None:
    code, found = examine(well)
    assert (code, failures(found)) == (0, {})
    assert found["rights"][0]["message"].endswith("that passes use are granted")
    for check in (
        "settings",
        "ics:provider.rest",
        "ics:provider.rpc",
        "ics:provider.grpc",
        "clock",
    ):
        assert [one["level"] for one in found[check]] == ["ok"], check
    for check in (
        "ics:account",
        "description",
        "cluster",
        "ics:node.storage_class",
        "conditions",
        "ics:engine",
    ):
        assert [one["level"] for one in found[check]] == ["ok"], check
    text = ics(well, "doctor").out
    assert text.splitlines()[0].startswith("ok    version: ics-operator ")
    assert text.splitlines()[-1].endswith(", 0 errors")


def test_one_failure_hides_no_other(well: stage.Stage) -> None:
    dead = f"http://127.0.0.1:{provider_node.free_port()}"
    poor = derivation.account_from_hex(model.Secret("22" * 32)).address("cosmos")
    (well.root / "poor").write_text("22" * 32)
    (well.root / "poor").chmod(0o600)
    code, found = examine(
        well,
        *("--set", "node={storage: lots, storage_class: slow}"),
        *("--set", f"provider.rest=[{dead}, {well.node.rest}]"),
        *("--set", f"provider.grpc=[{dead}]"),
        *("--set", "account={file: poor}"),
        *("--set", "seed={file: none}"),
    )
    assert code == 2
    said = failures(found)
    assert "ics:node.storage" in said.pop("settings")
    assert said.pop("ics:provider.rest").startswith(f"{dead}: unreachable")
    assert said.pop("ics:provider.grpc").startswith(f"{dead}: ")
    assert "No such file or directory" in said.pop("ics:seed")
    assert [one["message"] for one in found["ics:account"]] == [
        f"{poor} (unknown to the chain) holds 0stake, less than one fee of 300stake; send it funds",
        f"address {poor} is not the account of operator {well.operator.operator_address}, which is"
        f" {well.operator.account}; use the key of {well.operator.account}, or set ics:granter:"
        f" {well.operator.account} if it has granted {poor} its messages (authz)",
    ]
    del said["ics:account"]
    assert said.pop("ics:node.storage_class").startswith("the cluster has no StorageClass 'slow', only fast")
    assert said == {}


def test_a_grantee_on_a_chain_without_grants(well: stage.Stage) -> None:
    """This provider has no authz module: nobody but alice herself can sign for her."""
    (well.root / "bob").write_text(well.node.operators["bob"].mnemonic)
    (well.root / "bob").chmod(0o600)

    code, found = examine(well, "--set", "account={file: bob}", "--set", f"granter={well.operator.account}")

    assert code == 2
    assert "authz" in failures(found)["ics:account"]
    assert found["conditions"][0]["level"] == "ok"


def test_trouble_that_may_pass(well: stage.Stage) -> None:
    dead = f"http://127.0.0.1:{provider_node.free_port()}"
    code, found = examine(well, "--set", f"provider.rpc=[{dead}, {well.node.rpc}]")
    assert (code, list(failures(found))) == (1, ["ics:provider.rpc"])


def test_another_chain(well: stage.Stage) -> None:
    code, found = examine(well, "--set", "provider.chain_id=provider-2")
    assert code == 2
    said = failures(found)
    assert sorted(said) == ["ics:provider.grpc", "ics:provider.rest", "ics:provider.rpc"]
    assert all("belongs to chain 'provider-1', not 'provider-2'" in one for one in said.values())
    assert found["rights"][0]["level"] == "ok"


def test_no_way_into_the_cluster(well: stage.Stage) -> None:
    code, found = examine(well, "--set", "cluster.context=other")
    assert code == 2
    assert failures(found)["cluster"].startswith("ics:cluster.context: ")
    assert found["ics:provider.rest"][0]["level"] == "ok"


def test_a_right_is_missing(well: stage.Stage) -> None:
    """The user has all rights of the table but one; no pass could read its node."""
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "nobody"}
    grants = rights.of_operator(subject, "provider")
    whole = next(one for one in grants if one["kind"] == "ClusterRole")
    whole["rules"] = [rule for rule in whole["rules"] if rule["resources"] != ["pods/proxy"]]
    kubeconfig = f"cluster.kubeconfig={well.server.kubeconfig('nobody')}"
    code, found = examine(well, "--set", kubeconfig)
    assert (code, len([one for one in found["rights"] if one["level"] == "fail"]) > 10) == (2, True)

    for manifest in grants:
        well.kubectl("apply", "-f", "-", given=manifest)
    code, found = examine(well, "--set", kubeconfig)
    assert failures(found) == {
        "rights": "missing: get pods/proxy in the whole cluster; grant it with a ClusterRoleBinding"
    }
    well.kubectl("delete", "clusterrolebinding", whole["metadata"]["name"])


def test_the_assigned_key_is_of_another_place(well: stage.Stage) -> None:
    """Last, for the stage has a chain with a foreign key from now on."""
    node = well.node
    consumer_id = node.create_consumer("consumer2-1", "2099-01-01T00:00:00Z")
    foreign = derivation.consensus_key(model.Secret(b"f" * 32))
    node.send("alice", "provider", "opt-in", consumer_id, messages.consumer_key_json(foreign.public_key))

    code, found = examine(well)

    assert code == 2
    said = failures(found)["chain consumer2-1"]
    assert said.startswith("KeyElsewhere: ")
    assert foreign.address.hex().upper() in said
