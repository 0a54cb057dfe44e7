"""`ics doctor` compares the seeds of a project's stacks."""

import pathlib

import yaml

from ics import model
from ics.cli.doctor import findings, seed_checks, seed_probes
from ics.keys import derivation, key_file, keystore
from tests.unit import factories

FINGERPRINT = seed_checks.Fingerprint


def node_id(name: str) -> str:
    return derivation.derive_node_key(factories.seed(name)).node_id


def test_same_seed_fails_and_names_the_stack() -> None:
    others = {"bob": FINGERPRINT("b"), "carol": FINGERPRINT("a"), "dave": FINGERPRINT(problem="gone")}
    found = seed_checks.compare("a", others)
    assert [one.level for one in found] == [findings.Level.FAIL, findings.Level.WARN]
    assert found[0].text.startswith("the stack carol has the same seed")
    assert found[1].text == "not compared with that of dave: it cannot be read"


def test_own_seed_is_well_and_alone_is_nothing_to_say() -> None:
    assert seed_checks.compare("a", {}) == []
    assert seed_checks.compare("a", {"bob": FINGERPRINT("b")}) == [
        findings.ok("ics:seed", "differs from that of bob")
    ]


async def test_fingerprints_are_read_without_a_passphrase(tmp_path: pathlib.Path) -> None:
    keys = tmp_path / "keys"
    sealed = key_file.encrypt_seed(factories.seed("bob"), model.Secret("a passphrase"), b"0" * 16)
    keystore.write(keys, "bob-seed", sealed)
    (tmp_path / "seed").write_text(factories.seed("carol").reveal().hex())
    (tmp_path / "seed").chmod(0o600)
    sources = {
        "alice": {"file": "never read"},
        "bob": {"keystore": "bob-seed"},
        "carol": {"file": "seed"},
        "dave": {"file": "missing"},
    }
    (tmp_path / "stacks").mkdir()
    for name, source in sources.items():
        url = ["http://provider.example.org"]
        config = {
            "ics:validator": name,
            "ics:operator_address": factories.valoper("alice"),
            "ics:provider": {"chain_id": "provider-1", "rest": url, "rpc": url, "grpc": url},
            "ics:seed": source,
        }
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))
    found = await seed_probes.fingerprints(tmp_path, "alice", {"ICS_KEYSTORE": str(keys)})
    assert {name: one.node_id for name, one in found.items()} == {
        "bob": node_id("bob"),
        "carol": node_id("carol"),
        "dave": "",
    }
    assert found["dave"].problem
