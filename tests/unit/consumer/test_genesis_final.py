"""A final genesis, which contains the CCV state and is published after the launch."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ics import errors, model
from ics.cli.doctor import chain_checks, findings
from ics.conditions import Severity
from ics.config import chain_definition, stack_file
from ics.consumer import chain_decision
from ics.cosmos import canonical_json
from tests.unit import factories

P = model.Phase
FINAL = json.dumps(
    {
        **json.loads(factories.BASE),
        "chain_id": "consumer1-1",
        "app_state": {"ccvconsumer": factories.ccv("alice", "bob")},
    }
).encode()
SHA = hashlib.sha256(FINAL).hexdigest()
BASE = {"file": "base.json", "sha256": hashlib.sha256(factories.BASE.encode()).hexdigest()}
URL = "https://example.org/genesis.json"
AWAITED = "the genesis file is not available: HTTP 404"


def final(content: bytes | None = None, problem: str = "", **rules: Any) -> chain_definition.LoadedDefinition:
    known = factories.example(genesis={"final": {"url": URL, "sha256": SHA}, **rules}).definition
    return chain_definition.LoadedDefinition(known, content, problem)


def judge(
    loaded: chain_definition.LoadedDefinition, phase: model.Phase, stated: str, **detail: Any
) -> chain_decision.ChainDecision:
    members = factories.joined("alice", "bob") if phase is P.LAUNCHED else factories.detail()
    owners = dataclasses.replace(members, genesis_hash=bytes.fromhex(stated), **detail)
    launches = {"0": factories.launch("alice", "bob", details=())} if phase is P.LAUNCHED else {}
    observed = factories.observation(
        snapshot=factories.snapshot(factories.consumer(phase, owners), launches=launches),
        memory=factories.staged(),
    )
    return factories.judge(observed, definitions=[loaded]).decisions[0]


def severities(found: chain_decision.ChainDecision) -> dict[str, Severity]:
    return {
        one.reason: one.severity for one in found.conditions if one.reason.startswith(("Gen", "Hash", "Bin"))
    }


def test_chain_awaiting_final_genesis_is_joined() -> None:
    decision = judge(final(problem=AWAITED, base=BASE), P.INITIALIZED, BASE["sha256"])
    assert severities(decision) == {"GenesisAwaited": Severity.INFO}
    assert [type(one) for one in decision.intents] == [model.OptIn]
    unstated = judge(final(problem=AWAITED), P.INITIALIZED, "")
    assert set(severities(unstated)) == {"GenesisAwaited", "HashNotStated"}
    assert unstated.intents == decision.intents


def test_launched_chain_without_final_genesis_starts_no_node() -> None:
    decision = judge(final(problem=AWAITED, base=BASE), P.LAUNCHED, BASE["sha256"])
    assert severities(decision) == {"GenesisUnavailable": Severity.CRITICAL}
    assert (decision.chain, decision.intents) == (None, ())


def test_final_genesis_is_used_if_stated_hash_is_of_the_base() -> None:
    decision = judge(final(FINAL, base=BASE), P.LAUNCHED, BASE["sha256"])
    assert severities(decision) == {}
    assert decision.chain is not None
    assert decision.chain.genesis == FINAL


def test_final_genesis_is_used_if_stated_hash_is_its_own() -> None:
    assert severities(judge(final(FINAL), P.LAUNCHED, SHA)) == {}
    other = judge(final(FINAL), P.LAUNCHED, BASE["sha256"])
    assert severities(other) == {"GenesisHashMismatch": Severity.CRITICAL}
    assert other.conditions[0].message == (
        f"definition ics-example: the genesis file has sha256 {SHA}, but the chain's genesis_hash is"
        f" {BASE['sha256']}, so the chain is not joined; get the file that the launch team published; or, if"
        " genesis_hash belongs to the file without the CCV state, set genesis.base to that file and its sha256,"
        " in addition to final"
    )
    early = judge(final(problem=AWAITED, base=BASE), P.INITIALIZED, SHA)
    assert severities(early) == {"GenesisHashMismatch": Severity.CRITICAL}
    assert early.intents == ()


def test_binary_hash_mismatch_is_reported_without_stated_genesis_hash() -> None:
    known = factories.example(binary_hash="ab" * 32)
    decision = judge(known, P.INITIALIZED, "", binary_hash=b"\1" * 32)
    assert severities(decision) == {"BinaryHashMismatch": Severity.CRITICAL}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "set base, final, or both"),
        ({"base": {"url": URL}}, "base needs sha256"),
        ({"base": {"file": "a"}, "final": {"url": URL}}, "base needs sha256"),
        (
            {"base": BASE, "final": {"url": URL}, "fund": {"relayers": "1stake"}},
            "a final genesis is used unchanged",
        ),
    ],
)
def test_contradictory_genesis_rules_are_refused(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.SettingsError, match=said):
        factories.example(genesis=rules)


async def loaded(folder: Path, rules: dict[str, Any]) -> chain_definition.LoadedDefinition:
    async def fetch(url: str) -> bytes:
        assert url == URL
        return FINAL

    known = factories.example(genesis=rules).definition
    chains = folder / "stacks" / "chains"
    chains.mkdir(parents=True, exist_ok=True)
    (chains / "ics-example.yaml").write_text(
        yaml.safe_dump(known.model_dump(mode="json", exclude_defaults=True))
    )
    [found] = await stack_file.load_definitions(folder, fetch)
    return found


async def test_final_genesis_without_known_sha256_is_not_used(tmp_path: Path) -> None:
    known = await loaded(tmp_path, {"base": BASE, "final": {"url": URL, "sha256": SHA}})
    assert (known.genesis, known.is_awaited) == (FINAL, False)
    unknown = await loaded(tmp_path, {"base": BASE, "final": {"url": URL}})
    assert (unknown.genesis, unknown.is_awaited) == (None, True)
    assert unknown.problem.startswith("genesis.final.sha256 is not set")
    assert chain_checks.definitions([unknown], None)[0].level is findings.Level.WARN
    assert canonical_json.sha256_hex(FINAL) == SHA
