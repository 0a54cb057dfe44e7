"""Metrics of one chain, from what a pass observed."""

import dataclasses
import decimal
from typing import Any

import pytest

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.consumer import costs, observed, rewards, signing, status, upgrades, volumes
from ics.cosmos import gas_prices
from ics.monitoring import chain_samples, metrics
from ics.relayer import accounts, inputs
from ics.relayer import facts as relayer_facts
from tests.unit import factories
from tests.unit.relayer import relaying

P = model.Phase
NOW = factories.snapshot().moment
MISSED = model.MissedBlocks(3, model.Allowance(100, 50))


def facts(
    seen: observed.Observed,
    missed: model.MissedBlocks | None = None,
    balance: rewards.ChainBalance | None = None,
    **changes: Any,
) -> chain_samples.ChainFacts:
    """What a pass knows about chain 0."""
    wanted = factories.judge(seen, **changes)
    report = status.report(wanted, seen.observations)
    return chain_samples.ChainFacts(
        observed=seen,
        desired=wanted,
        decision=wanted.decisions[0],
        report=report.chains[0],
        detail=seen.snapshot.consumers[0].detail,
        seed=factories.seed("alice"),
        missed=missed,
        balance=balance,
    )


def running(**observation: Any) -> observed.Observed:
    """Chain 0, launched with alice and bob, with alice's node."""
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    memory = factories.memory(genesis=factories.GENESIS, has_workload=True)
    values = {"pod": factories.pod(), "node": factories.node("alice", "bob"), **observation}
    return factories.observation(
        factories.snapshot(chain), memory=memory, observations={"0": model.Observation(**values)}
    )


def values(found: chain_samples.ChainFacts) -> dict[str, float]:
    """Values by name and, where there are more labels, by them."""
    result = {}
    for sample in chain_samples.samples(found):
        assert sample.labels[:3] == ("alice", "0", "consumer1-1")
        more = ",".join(sample.labels[3:])
        result[sample.family.name.removeprefix("ics_") + (f" {more}" if more else "")] = sample.value
    return result


PHASES = {f"chain_phase {phase.value}": 0.0 for phase in P}


def without(found: dict[str, float], *prefixes: str) -> dict[str, float]:
    return {name: value for name, value in found.items() if not name.startswith(prefixes)}


def test_chain_that_runs_and_signs() -> None:
    found = values(facts(running(node=factories.node("alice", "bob", block_time=NOW)), MISSED))
    image = "ghcr.io/cosmos/interchain-security:v7.0.1"
    assert without(found, "condition") == {
        f"chain_info ns,ics-example,{image}": 1,
        **PHASES,
        "chain_phase LAUNCHED": 1,
        "chain_wanted": 1,
        "chain_staged": 1,
        "chain_opted_in": 1,
        "chain_must_validate": 0,
        "chain_in_set": 1,
        "chain_key_matches": 1,
        "chain_sign_state_ready": 1,
        "chain_spawn_timestamp_seconds": 1767225600,
        "node_up": 1,
        "node_ready": 1,
        "node_catching_up": 0,
        "node_signing": 1,
        "node_height": 7,
        "node_block_timestamp_seconds": NOW.timestamp(),
        "node_peers": 1,
        "node_peers_missing": 1,
        "node_validators": 2,
        "node_signers": 2,
        "signing_missed_blocks": 3,
        "signing_window_blocks": 100,
        "signing_allowed_missed_blocks": 50,
    }


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [("100", {"volume_used_bytes": 40, "volume_size_bytes": 95}), ("1", {})],
    ids=["alone", "on a shared disk"],
)
def test_use_of_a_volume(capacity: str, expected: dict[str, float]) -> None:
    measured = volumes.Measurement(NOW, size=100, used=40, available=55)
    seen = running()
    claim = volumes.VolumeClaim(requested=capacity, capacity=capacity)
    chain = dataclasses.replace(seen.memory.chains["0"], claim=claim)
    seen = dataclasses.replace(
        seen,
        memory=factories.memories({"0": chain}),
        volume_uses={("ns", "node-0"): volumes.VolumeUse(measured, measured)},
    )
    found = values(facts(seen))
    assert {name: value for name, value in found.items() if name.startswith("volume")} == expected


@pytest.mark.parametrize(
    ("scheduled", "labels", "is_ready"),
    [
        (model.ScheduledUpgrade("v2", 120), "v2,plan", 0),
        (None, "v2,definition", 0),
        # The chain's plan comes first, and is not in the list.
        (model.ScheduledUpgrade("\x1b[1m", 50), "\\x1b[1m,plan", 0),
    ],
)
def test_next_upgrade(scheduled: model.ScheduledUpgrade | None, labels: str, is_ready: float) -> None:
    chain = factories.example(upgrades=[{"name": "v2", "height": 120, "image": "chain:v2"}])
    seen = dataclasses.replace(
        running(node=factories.node("alice", "bob", block_time=NOW, app_height=7)),
        upgrade_plans={"0": model.UpgradePlan(scheduled=scheduled, block_seconds=6.0)},
    )
    height = 120 if scheduled is None else scheduled.height
    found = values(facts(seen, definitions=[chain]))
    assert {name: value for name, value in found.items() if name.startswith(("upgrade", "node_app"))} == {
        "node_app_height": 7,
        f"upgrade_height {labels}": height,
        f"upgrade_ready {labels}": is_ready,
        f"upgrade_expected_timestamp_seconds {labels}": NOW.timestamp() + 6 * (height - 7),
    }


@pytest.mark.parametrize(
    ("state", "is_ready"),
    [
        (upgrades.State.READY, 1),
        (upgrades.State.HALTED, 1),
        (upgrades.State.DIFFERS, 0),
        (upgrades.State.UPGRADING, None),
    ],
)
def test_upgrade_is_ready_once_its_image_is_there(state: upgrades.State, is_ready: float | None) -> None:
    found = facts(running())
    assert found.decision.chain is not None
    upgrade = upgrades.NodeUpgrade(version=upgrades.Version("chain:v1"), height=120, state=state)
    decision = dataclasses.replace(
        found.decision, chain=dataclasses.replace(found.decision.chain, upgrade=upgrade)
    )
    assert values(dataclasses.replace(found, decision=decision)).get("upgrade_ready ,definition") == is_ready


def test_node_that_does_not_answer_is_down_and_does_not_sign() -> None:
    found = values(facts(running(node=None, error="connection refused")))
    node = {name: value for name, value in found.items() if name.startswith(("node", "signing"))}
    assert node == {"node_up": 0, "node_ready": 1, "node_signing": 0}
    assert found["chain_in_set"] == 1  # as the provider says


def test_set_is_the_one_of_the_node_once_it_makes_blocks() -> None:
    assert values(facts(running(node=factories.node("bob"))))["chain_in_set"] == 0
    fresh = dataclasses.replace(factories.node(), height=0)
    assert values(facts(running(node=fresh)))["chain_in_set"] == 1


def test_node_with_a_throw_away_key_does_not_sign() -> None:
    other = factories.node("alice", "bob", consensus_key=b"x" * 32)
    found = values(facts(running(node=other)))
    assert (found["node_signing"], found["chain_in_set"]) == (0, 1)


def test_key_of_another_place_does_not_match() -> None:
    chain = factories.consumer(
        P.LAUNCHED, dataclasses.replace(factories.joined("alice"), own_consumer_address=None)
    )
    seen = dataclasses.replace(running(), snapshot=factories.snapshot(chain))
    assert values(facts(seen))["chain_key_matches"] == 0


def test_chain_before_its_launch_is_staged_and_in_no_set() -> None:
    chain = factories.consumer(P.INITIALIZED, factories.joined("alice"))
    seen = factories.observation(factories.snapshot(chain), memory=factories.memory())
    found = values(facts(seen))
    names = ("chain_wanted", "chain_staged", "chain_in_set", "chain_phase INITIALIZED")
    assert [found[name] for name in names] == [1, 1, 0, 1]
    assert not [name for name in found if name.startswith("node")]
    assert found["condition Staged,info"] == 1


def test_chain_without_a_sign_state_is_not_staged() -> None:
    chain = factories.consumer(P.INITIALIZED, factories.joined("alice"))
    found = facts(factories.observation(factories.snapshot(chain), memory=factories.staged()))
    assert found.decision.chain is not None
    assert found.decision.chain.sign_state is not signing.SignStateStatus.READY
    assert values(found)["chain_staged"] == 0


def test_conditions_are_series_by_reason_and_severity() -> None:
    conditions = (
        Condition.new(Reason.PEERS_MISSING, "a"),
        Condition.new(Reason.PEERS_MISSING, "b"),
        Condition.new(Reason.POD_MISSING, "c", severity=Severity.CRITICAL),
    )
    found = list(chain_samples.of_conditions("alice", "0", "consumer1-1", conditions=conditions))
    assert found == [
        metrics.CONDITION.of(1, "alice", "0", "consumer1-1", "PeersMissing", "info"),
        metrics.CONDITION.of(1, "alice", "0", "consumer1-1", "PodMissing", "critical"),
    ]


@pytest.mark.parametrize(
    ("policy", "memory", "is_ours"),
    [
        ("all", factories.memories(), True),
        ("none", factories.memories(), False),
        ("none", factories.memory(), True),
    ],
)
def test_chains_of_others_have_no_series(policy: str, memory: observed.Memory, is_ours: bool) -> None:
    seen = factories.observation(factories.snapshot(factories.consumer()), memory=memory)
    found = facts(seen, participation={"policy": policy})
    assert chain_samples.is_ours(found) is is_ours


def test_paused_chain_keeps_the_series_of_its_node() -> None:
    seen = dataclasses.replace(running(), failures={"0": "broken"})
    found = facts(seen)
    assert found.decision.is_paused
    assert found.decision.chain is None
    node = values(found)
    assert (node["node_up"], node["node_signing"], node["chain_in_set"]) == (1, 1, 1)


def relayed(relays: relayer_facts.Facts, **changes: Any) -> dict[str, float]:
    """Values of the relayer of the running chain."""
    setup = inputs.Setup("hermes:1", "")
    memory = factories.memory(
        genesis=factories.GENESIS,
        has_workload=True,
        hermes=setup,
        hermes_base=setup,
        has_hermes=True,
        instances={"hermes": inputs.Instance(factories.pod())},
    )
    account = accounts.provider_addresses(
        factories.settings(), factories.seed("alice"), factories.PROVIDER, "0"
    )[0][1]
    seen = dataclasses.replace(
        running(),
        snapshot=dataclasses.replace(running().snapshot, time=relaying.TIME),
        memory=memory,
        relays={"0": relays},
        balances={account: 7},
        **changes,
    )
    found = values(facts(seen, relayer={"fund_gas": 1000}))
    return {
        name: value
        for name, value in found.items()
        if name.startswith(("client", "channel", "packets", "relayer", "wallet"))
    }


def test_relayer_of_an_open_channel() -> None:
    packets = relayer_facts.Packets(
        unacknowledged_by_consumer=2,
        unacknowledged_by_provider=0,
        last_sent=5,
        last_received=3,
        oldest=(4, 0),
    )
    start = relaying.START.timestamp()
    price = gas_prices.GasPrice(decimal.Decimal("0.5"))
    assert relayed(dataclasses.replace(relaying.OPEN, packets=packets), gas_price=price) == {
        "client_expiry_timestamp_seconds provider": start + 356,
        "client_trusting_period_seconds provider": 356,
        "client_frozen provider": 0,
        "client_expiry_timestamp_seconds consumer": start + 396,
        "client_trusting_period_seconds consumer": 396,
        "client_frozen consumer": 0,
        "channel_open ccv": 1,
        "channel_open transfer": 1,
        "packets_pending to_consumer": 2,
        "packets_pending to_provider": 0,
        "packets_pending_since_timestamp_seconds to_consumer": start,
        "packets_pending_since_timestamp_seconds to_provider": 0,
        "relayer_up hermes": 1,
        "relayer_up evidence": 0,
        "wallet_balance consumer,stake": 100,
        "wallet_balance relayer,stake": 7,
        "wallet_target_balance relayer,stake": 20,  # at the highest price that passes pay
    }


def test_channel_that_is_not_open_yet() -> None:
    found = relayed(relaying.NOTHING)
    assert (found["channel_open ccv"], found["channel_open transfer"]) == (0, 0)
    assert not [name for name in found if name.startswith("packets")]


def test_rewards_and_costs_of_a_chain() -> None:
    reward = rewards.Reward(
        denom="ibc/AB", base="ustar", outstanding=decimal.Decimal("8.5"), commission=decimal.Decimal(2)
    )
    found = values(facts(running(), balance=rewards.ChainBalance((reward,), costs.Costs(5, 100))))
    assert {
        name: value
        for name, value in found.items()
        if "reward" in name or "fees" in name or "funding" in name
    } == {
        "chain_rewards_outstanding ibc/AB,ustar": 8.5,
        "chain_rewards_commission ibc/AB,ustar": 2,
        "chain_fees stake": 5,
        "chain_relayer_funding stake": 100,
    }


def test_number_of_denominations_with_series_is_bounded() -> None:
    many = tuple(
        rewards.Reward(
            denom=f"ibc/{number}", base="x", outstanding=decimal.Decimal(1), commission=decimal.Decimal(1)
        )
        for number in range(1000)
    )
    found = values(facts(running(), balance=rewards.ChainBalance(many, costs.Costs())))
    assert len([name for name in found if name.startswith("chain_rewards_")]) == 200
