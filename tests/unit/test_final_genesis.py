"""A final genesis, which holds the CCV state and so is made after the launch."""

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
from ics.consumer import desired
from ics.consumer import observed as consumer_observed
from ics.cosmos import canonical_json
from tests.unit import scenes

P = model.Phase
FINAL = json.dumps(
    {
        **json.loads(scenes.BASE),
        "chain_id": "consumer1-1",
        "app_state": {"ccvconsumer": scenes.ccv("alice", "bob")},
    }
).encode()
SHA = hashlib.sha256(FINAL).hexdigest()
BASE = {"file": "base.json", "sha256": hashlib.sha256(scenes.BASE.encode()).hexdigest()}
URL = "https://example.org/genesis.json"
AWAITED = "the genesis file cannot be had: HTTP 404"


def final(content: bytes | None = None, problem: str = "", **rules: Any) -> chain_definition.Loaded:
    known = scenes.example(genesis={"final": {"url": URL, "sha256": SHA}, **rules}).definition
    return chain_definition.Loaded(known, content, problem)


def judge(loaded: chain_definition.Loaded, phase: model.Phase, stated: str, **detail: Any) -> desired.Verdict:
    members = scenes.joined("alice", "bob") if phase is P.LAUNCHED else scenes.detail()
    owners = dataclasses.replace(members, genesis_hash=bytes.fromhex(stated), **detail)
    launches = {"0": scenes.launch("alice", "bob", details=())} if phase is P.LAUNCHED else {}
    observed = consumer_observed.Seen(scenes.snapshot(scenes.consumer(phase, owners), launches=launches))
    return desired.desired(observed, scenes.settings(), scenes.seed("alice"), [loaded]).verdicts[0]


def told(found: desired.Verdict) -> dict[str, Severity]:
    return {
        one.reason: one.severity for one in found.conditions if one.reason.startswith(("Gen", "Hash", "Bin"))
    }


def test_a_chain_is_joined_before_its_final_genesis_is_made() -> None:
    found = judge(final(problem=AWAITED, base=BASE), P.INITIALIZED, BASE["sha256"])
    assert told(found) == {"GenesisAwaited": Severity.INFO}
    assert [type(one) for one in found.intents] == [model.OptIn]
    unstated = judge(final(problem=AWAITED), P.INITIALIZED, "")
    assert set(told(unstated)) == {"GenesisAwaited", "HashNotStated"}
    assert unstated.intents == found.intents


def test_a_node_is_not_started_without_it() -> None:
    found = judge(final(problem=AWAITED, base=BASE), P.LAUNCHED, BASE["sha256"])
    assert told(found) == {"GenesisUnavailable": Severity.CRITICAL}
    assert (found.chain, found.intents) == (None, ())


def test_the_hash_of_the_owner_is_of_the_file_before_the_launch() -> None:
    found = judge(final(FINAL, base=BASE), P.LAUNCHED, BASE["sha256"])
    assert told(found) == {}
    assert found.chain is not None
    assert found.chain.genesis == FINAL


def test_the_hash_of_the_final_file_itself() -> None:
    assert told(judge(final(FINAL), P.LAUNCHED, SHA)) == {}
    other = judge(final(FINAL), P.LAUNCHED, BASE["sha256"])
    assert told(other) == {"GenesisHashMismatch": Severity.CRITICAL}
    assert other.conditions[0].message == (
        f"definition ics-example: the genesis file has sha256 {SHA}, the chain's genesis_hash is {BASE['sha256']}:"
        " not joined; get the file that the launch team published; or, if genesis_hash is of the file before the"
        " CCV state was added, give that file as genesis.base with its sha256 beside final"
    )
    early = judge(final(problem=AWAITED, base=BASE), P.INITIALIZED, SHA)
    assert told(early) == {"GenesisHashMismatch": Severity.CRITICAL}
    assert early.intents == ()


def test_the_binary_is_compared_whatever_is_stated_of_the_genesis() -> None:
    known = scenes.example(binary_hash="ab" * 32)
    found = judge(known, P.INITIALIZED, "", binary_hash=b"\1" * 32)
    assert told(found) == {"BinaryHashMismatch": Severity.CRITICAL}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "give base, final, or both"),
        ({"base": {"url": URL}}, "base asks for sha256"),
        ({"base": {"file": "a"}, "final": {"url": URL}}, "base asks for sha256"),
        ({"base": BASE, "final": {"url": URL}, "fund": {"relayers": "1stake"}}, "nothing is added"),
    ],
)
def test_what_does_not_fit_together(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.SettingsError, match=said):
        scenes.example(genesis=rules)


async def loaded(folder: Path, rules: dict[str, Any]) -> chain_definition.Loaded:
    async def fetch(url: str) -> bytes:
        assert url == URL
        return FINAL

    known = scenes.example(genesis=rules).definition
    chains = folder / "stacks" / "chains"
    chains.mkdir(parents=True, exist_ok=True)
    (chains / "ics-example.yaml").write_text(
        yaml.safe_dump(known.model_dump(mode="json", exclude_defaults=True))
    )
    [found] = await stack_file.load_definitions(folder, fetch)
    return found


async def test_no_final_file_is_used_that_is_not_known_beforehand(tmp_path: Path) -> None:
    known = await loaded(tmp_path, {"base": BASE, "final": {"url": URL, "sha256": SHA}})
    assert (known.genesis, known.is_awaited) == (FINAL, False)
    unknown = await loaded(tmp_path, {"base": BASE, "final": {"url": URL}})
    assert (unknown.genesis, unknown.is_awaited) == (None, True)
    assert unknown.problem.startswith("genesis.final.sha256 is not given")
    assert chain_checks.definitions([unknown], None)[0].level is findings.Level.WARN
    assert canonical_json.sha256_hex(FINAL) == SHA
