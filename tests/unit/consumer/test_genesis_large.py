"""A genesis that is too large for a ConfigMap even when compressed."""

import dataclasses
import hashlib
import json
from typing import Any

from ics import model
from ics.conditions import Severity
from ics.config import chain_definition
from ics.consumer import chain_decision, desired, genesis
from ics.consumer import observed as consumer_observed
from tests.unit import factories

P = model.Phase
URL = "https://example.org/genesis.json"


def filled(text: str | bytes, size: int, **changes: Any) -> bytes:
    """Return a genesis with twice as many random hex digits as `size`, which gzip halves."""
    noise = hashlib.shake_256(b"filling").hexdigest(size)
    return json.dumps({**json.loads(text), **changes, "filling": noise}).encode()


LARGE_BASE = filled(factories.BASE, 850_000)
FITTING = filled(factories.BASE, 750_000)
LARGE_FINAL = filled(
    factories.BASE,
    1_000_000,
    chain_id="consumer1-1",
    app_state={"ccvconsumer": factories.ccv("alice", "bob")},
)
SHA = hashlib.sha256(LARGE_FINAL).hexdigest()


def judge(
    loaded: chain_definition.LoadedDefinition,
    phase: model.Phase = P.INITIALIZED,
    memory: consumer_observed.Memory | None = None,
) -> desired.Desired:
    members = factories.joined("alice", "bob") if phase is P.LAUNCHED else factories.detail()
    owners = dataclasses.replace(members, genesis_hash=b"")
    launches = {"0": factories.launch("alice", "bob")} if phase is P.LAUNCHED else {}
    snapshot = factories.snapshot(factories.consumer(phase, owners), launches=launches)
    observed = factories.observation(snapshot=snapshot, memory=memory or factories.memory())
    return factories.judge(observed, definitions=[loaded])


def critical(found: chain_decision.ChainDecision) -> list[tuple[str, str]]:
    worst = [one for one in found.conditions if one.severity is Severity.CRITICAL]
    return [(one.reason, one.message) for one in worst]


def base(content: bytes) -> chain_definition.LoadedDefinition:
    return dataclasses.replace(factories.example(), genesis=content)


def final(**published: Any) -> chain_definition.LoadedDefinition:
    return chain_definition.LoadedDefinition(
        factories.example(genesis={"final": published}).definition, LARGE_FINAL
    )


def test_base_genesis_without_room_for_completion_is_not_joined() -> None:
    size = genesis.packed_size(LARGE_BASE)
    assert genesis.LIMIT - genesis.COMPLETION_ROOM < size < genesis.LIMIT
    [decision] = judge(base(LARGE_BASE)).decisions
    assert decision.intents == ()
    assert critical(decision) == [
        (
            "GenesisTooLarge",
            f"definition ics-example: the compressed genesis file has {size} bytes and a ConfigMap takes 1048576,"
            " of which 131072 are reserved for the launch's additions, so the chain is not joined; publish the"
            " file, and set url, sha256 and large: true",
        )
    ]
    [fits] = judge(base(FITTING)).decisions
    assert ([type(one) for one in fits.intents], critical(fits)) == ([model.OptIn], [])


def test_final_genesis_larger_than_config_map_is_not_joined() -> None:
    for published in ({"file": "final.json"}, {"url": URL, "sha256": SHA}):
        [decision] = judge(final(**published)).decisions
        assert decision.intents == ()
        assert critical(decision) == [
            (
                "GenesisTooLarge",
                f"definition ics-example: the compressed genesis file has {genesis.packed_size(LARGE_FINAL)} bytes"
                " and a ConfigMap takes 1048576, so the chain is not joined; publish the file, and set url,"
                " sha256 and large: true",
            )
        ]


def test_completed_genesis_larger_than_config_map_starts_no_node() -> None:
    noise = hashlib.shake_256(b"denom").hexdigest(300_000)
    denoms = [f"d{noise[at : at + 120]}" for at in range(0, len(noise), 120)]
    funds = factories.example(
        genesis={
            "base": {"file": "base.json"},
            "reward_denoms": {"consumer": denoms},
        }
    )
    [decision] = judge(dataclasses.replace(funds, genesis=FITTING), P.LAUNCHED).decisions
    [(reason, message)] = critical(decision)
    assert reason == "GenesisInvalid"
    assert message.startswith("definition ics-example: the completed genesis has ")
    assert decision.chain is None or decision.chain.genesis is None
