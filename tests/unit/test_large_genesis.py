"""A genesis that is more than a ConfigMap takes, even compressed."""

import dataclasses
import hashlib
import json
from typing import Any

from ics import model
from ics.conditions import Severity
from ics.config import chain_definition
from ics.consumer import desired, genesis
from ics.consumer import observed as consumer_observed
from tests.unit import scenes

P = model.Phase
URL = "https://example.org/genesis.json"


def filled(text: str | bytes, size: int, **changes: Any) -> bytes:
    """A genesis of so many noisy bytes, of which gzip leaves a little more than so many."""
    noise = hashlib.shake_256(b"filling").hexdigest(size)
    return json.dumps({**json.loads(text), **changes, "filling": noise}).encode()


LARGE_BASE = filled(scenes.BASE, 850_000)
FITTING = filled(scenes.BASE, 750_000)
LARGE_FINAL = filled(
    scenes.BASE, 1_000_000, chain_id="consumer1-1", app_state={"ccvconsumer": scenes.ccv("alice", "bob")}
)
SHA = hashlib.sha256(LARGE_FINAL).hexdigest()


def judge(
    loaded: chain_definition.Loaded, phase: model.Phase = P.INITIALIZED, memory: model.Memory | None = None
) -> desired.Desired:
    members = scenes.joined("alice", "bob") if phase is P.LAUNCHED else scenes.detail()
    owners = dataclasses.replace(members, genesis_hash=b"")
    launches = {"0": scenes.launch("alice", "bob")} if phase is P.LAUNCHED else {}
    snapshot = scenes.snapshot(scenes.consumer(phase, owners), launches=launches)
    observed = consumer_observed.Seen(snapshot, memory or scenes.memory())
    return desired.desired(observed, scenes.settings(), scenes.seed("alice"), [loaded])


def critical(found: desired.Verdict) -> list[tuple[str, str]]:
    worst = [one for one in found.conditions if one.severity is Severity.CRITICAL]
    return [(one.reason, one.message) for one in worst]


def base(content: bytes) -> chain_definition.Loaded:
    return dataclasses.replace(scenes.example(), genesis=content)


def final(**published: Any) -> chain_definition.Loaded:
    return chain_definition.Loaded(scenes.example(genesis={"final": published}).definition, LARGE_FINAL)


def test_a_base_that_could_not_be_completed_is_not_joined() -> None:
    size = genesis.packed_size(LARGE_BASE)
    assert genesis.LIMIT - genesis.COMPLETION_ROOM < size < genesis.LIMIT
    [found] = judge(base(LARGE_BASE)).verdicts
    assert found.intents == ()
    assert critical(found) == [
        (
            "GenesisTooLarge",
            f"definition ics-example: the genesis file has {size} bytes, compressed; a ConfigMap takes 1048576,"
            " of which 131072 are kept for what the launch adds: not joined; no node can be given it: leave the"
            " chain alone, or ask its launch team for a smaller genesis",
        )
    ]
    [fits] = judge(base(FITTING)).verdicts
    assert ([type(one) for one in fits.intents], critical(fits)) == ([model.OptIn], [])


def test_a_final_genesis_that_fits_nowhere_is_not_joined() -> None:
    for published in ({"file": "final.json"}, {"url": URL, "sha256": SHA}):
        [found] = judge(final(**published)).verdicts
        assert found.intents == ()
        assert critical(found) == [
            (
                "GenesisTooLarge",
                f"definition ics-example: the genesis file has {genesis.packed_size(LARGE_FINAL)} bytes, compressed;"
                " a ConfigMap takes 1048576: not joined; no node can be given it: leave the chain alone, or ask"
                " its launch team for a smaller genesis",
            )
        ]


def test_no_node_is_started_from_a_base_that_outgrew_what_was_kept_for_it() -> None:
    funds = scenes.example(
        genesis={
            "base": {"file": "base.json"},
            "reward_denoms": {"consumer": [hashlib.shake_256(b"denom").hexdigest(300_000)]},
        }
    )
    [found] = judge(dataclasses.replace(funds, genesis=FITTING), P.LAUNCHED).verdicts
    [(reason, message)] = critical(found)
    assert reason == "GenesisInvalid"
    assert message.startswith("definition ics-example: the completed genesis has ")
    assert found.chain is None or found.chain.genesis is None
