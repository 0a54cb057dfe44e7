"""The plan for a chain's relayer, computed from the facts of both chains."""

import dataclasses
import json
import tomllib
from decimal import Decimal
from typing import Any

import pytest

from ics import model
from ics.consumer import observed as consumer_observed
from ics.cosmos import canonical_json, gas_prices
from ics.relayer import facts as relayer_facts
from ics.relayer import ibc, inputs, plan
from tests.unit import factories
from tests.unit.relayer import relaying

P = model.Phase


def test_chain_younger_than_delay_has_no_relayer() -> None:
    assert relaying.judge(relaying.NOTHING, time="2026-01-01T00:00:30Z").chains[0].relay is None


@pytest.mark.parametrize(
    ("time", "is_due"),
    [
        ("2026-01-01T02:00:01+02:00", True),
        ("2025-12-31T22:00:31-02:00", False),
        ("9999-12-31T23:59:59-01:00", False),
        (None, False),
    ],
)
def test_delay_starts_at_genesis_time_in_any_time_zone(time: str | None, is_due: bool) -> None:
    document = {**json.loads(factories.GENESIS), "genesis_time": time}
    found = relaying.judge(
        relaying.NOTHING, time="2026-01-01T00:00:31Z", genesis=json.dumps(document).encode()
    )
    assert (found.chains[0].relay is not None) is is_due


def test_genesis_without_balances_leaves_relayer_unfunded() -> None:
    document = json.loads(factories.GENESIS)
    del document["app_state"]["bank"]
    unfunded = dataclasses.replace(relaying.NOTHING, consumer_balance=0)
    assert "RelayerUnfunded" in factories.reasons(
        relaying.plan(unfunded, genesis=json.dumps(document).encode())
    )


def test_creator_with_most_power_takes_first_step_immediately() -> None:
    planned = relaying.plan(relaying.NOTHING, record=relaying.STARTED)
    assert planned.task is not None
    assert planned.task.commands[0][:3] == ("--json", "tx", "conn-init")
    assert planned.record is not None
    assert (planned.record.fingerprint, planned.record.acted_on) == (relaying.MARK, relaying.MARK)
    assert (planned.relays, factories.reasons(planned)) == (None, ["ChannelOpening"])


def test_second_creator_acts_after_its_delay() -> None:
    later = dataclasses.replace(relaying.NOTHING, provider_time=relaying.START + 45 * relaying.SECOND)
    assert relaying.plan(relaying.NOTHING, "bob", record=relaying.STARTED).task is None
    assert relaying.plan(later, "bob", record=relaying.STARTED).task is not None
    assert (
        relaying.plan(
            dataclasses.replace(later, provider_time=relaying.START + 44 * relaying.SECOND),
            "bob",
            record=relaying.STARTED,
        ).task
        is None
    )


def test_creator_of_last_step_continues_immediately() -> None:
    half = dataclasses.replace(
        relaying.NOTHING,
        consumer=ibc.Ends(
            relaying.C_CLIENT.id,
            (dataclasses.replace(relaying.P_CONNECTION, state=ibc.EndState.INIT, counterparty_id=""),),
        ),
    )
    ours = dataclasses.replace(relaying.STARTED, acted_on=relaying.MARK)
    others = relaying.STARTED
    assert relaying.plan(half, "bob", record=ours).task is not None
    assert relaying.plan(half, "bob", record=others).task is None


def test_no_task_is_planned_while_job_or_hermes_may_sign() -> None:
    running = {"hermes-step-x-0": model.JobState.RUNNING}
    assert relaying.plan(relaying.NOTHING, record=relaying.STARTED, jobs=running).task is None
    assert relaying.plan(relaying.NOTHING, record=relaying.STARTED, has_hermes=True).task is None


def test_failed_step_is_retried_later_under_new_name() -> None:
    first = relaying.plan(relaying.NOTHING, record=relaying.STARTED).task
    assert first is not None
    failed = {first.name: model.JobState.FAILED}
    soon = dataclasses.replace(relaying.NOTHING, provider_time=relaying.START + 14 * relaying.SECOND)
    later = dataclasses.replace(relaying.NOTHING, provider_time=relaying.START + 15 * relaying.SECOND)
    assert relaying.plan(soon, record=relaying.STARTED, jobs=failed).task is None
    second = relaying.plan(later, record=relaying.STARTED, jobs=failed).task
    assert second is not None
    assert second.name != first.name
    assert "StepFailed" in factories.reasons(relaying.plan(soon, record=relaying.STARTED, jobs=failed))
    assert "StepFailed" not in factories.reasons(
        relaying.plan(soon, record=relaying.STARTED, jobs={"hermes-step-other-0": model.JobState.FAILED})
    )


READ = "check kubectl -n ns logs -l app.kubernetes.io/component=relayer-step"


def messages(found: plan.RelayerPlan, reason: str) -> list[str]:
    return [condition.message for condition in found.conditions if condition.reason == reason]


def test_failed_step_reports_last_message_of_hermes() -> None:
    base = f"hermes-step-{canonical_json.sha256_hex(relaying.MARK.encode())[:8]}"
    jobs = {f"{base}-{number}": model.JobState.FAILED for number in (9, 10)}
    words = {f"{base}-9": "out of gas", f"{base}-10": "insufficient fees"}
    planned = relaying.plan(relaying.NOTHING, record=relaying.STARTED, jobs=jobs, last_words=words)
    says = "a step of the handshake failed (insufficient fees) and is retried; "
    assert messages(planned, "StepFailed") == [says + READ]


def test_failed_config_check_is_reported() -> None:
    fresh = relaying.plan(relaying.NOTHING).candidate
    assert fresh is not None
    failed = {plan.check_name(fresh.setup): model.JobState.FAILED}
    planned = relaying.plan(
        relaying.NOTHING, jobs=failed, last_words={plan.check_name(fresh.setup): "no such key"}
    )
    says = "the check of a config failed (no such key) and is retried; "
    assert messages(planned, "JobFailed") == [says + READ]
    assert (
        messages(
            relaying.plan(relaying.OPEN, record=relaying.accepted(relaying.OPEN), jobs=failed), "JobFailed"
        )
        == []
    )


def test_failed_client_update_is_reported_while_due() -> None:
    failed = {f"{plan.UPDATE}000000": model.JobState.FAILED}
    due = relaying.at(relaying.NOTHING, 140)
    says = f"an update of the IBC clients failed and is retried; {READ}"
    assert messages(relaying.plan(due, record=relaying.STARTED, jobs=failed), "JobFailed") == [says]
    assert messages(relaying.plan(relaying.NOTHING, record=relaying.STARTED, jobs=failed), "JobFailed") == []


def test_clients_are_updated_until_channel_is_open() -> None:
    due = relaying.at(relaying.NOTHING, 140)
    # Another creator should take the step, so only the clients need an update.
    waiting = dataclasses.replace(relaying.STARTED, since=relaying.START + 139 * relaying.SECOND)
    planned = relaying.plan(
        due,
        record=waiting,
        jobs={
            f"hermes-step-{canonical_json.sha256_hex(relaying.MARK.encode())[:8]}-0": model.JobState.FAILED
        },
    )
    assert planned.task is not None
    assert [command[1:3] for command in planned.task.commands] == [("update", "client")] * 2


def test_halted_chain_gets_no_update_and_its_last_block_is_sent_once() -> None:
    now = relaying.START + 200 * relaying.SECOND
    halted = dataclasses.replace(
        relaying.NOTHING, provider_time=now, consumer_time=relaying.START + 140 * relaying.SECOND
    )
    waiting = dataclasses.replace(relaying.STARTED, since=now - relaying.SECOND)
    jobs = {f"hermes-step-{canonical_json.sha256_hex(relaying.MARK.encode())[:8]}-0": model.JobState.FAILED}
    planned = relaying.plan(halted, record=waiting, jobs=jobs).task
    assert planned is not None
    assert [command[4] for command in planned.commands] == ["provider-1"]
    updated = dataclasses.replace(relaying.P_CLIENT, updated=halted.consumer_time)
    after = dataclasses.replace(halted, provider_time=now + 100 * relaying.SECOND, provider_client=updated)
    later = dataclasses.replace(waiting, since=after.provider_time)
    assert relaying.plan(after, record=later, jobs=jobs).task is None


def test_provider_client_of_halted_chain_expires() -> None:
    late = dataclasses.replace(relaying.OPEN, provider_time=relaying.START + 356 * relaying.SECOND)
    assert messages(relaying.plan(late, record=relaying.accepted(relaying.OPEN)), "ClientExpired") == [
        "IBC client 07-tendermint-0 on provider-1 has expired; only that chain's governance can recover it"
    ]


@pytest.mark.parametrize("side", ["provider_client", "consumer_client"])
def test_frozen_client_is_reported_and_no_task_planned(side: str) -> None:
    known = {"provider_client": relaying.P_CLIENT, "consumer_client": relaying.C_CLIENT}[side]
    frozen: dict[str, Any] = {side: dataclasses.replace(known, is_frozen=True)}
    due = relaying.at(relaying.NOTHING, 200)
    assert relaying.plan(due, record=relaying.STARTED).task is not None
    planned = relaying.plan(dataclasses.replace(due, **frozen), record=relaying.STARTED)
    host = {"provider_client": "provider-1", "consumer_client": "consumer1-1"}[side]
    assert planned.task is None
    assert [text.partition(",")[0] for text in messages(planned, "ClientFrozen")] == [
        f"IBC client 07-tendermint-0 on {host} is frozen"
    ]


def test_client_without_updates_is_reported_before_expiry() -> None:
    def at(seconds: int) -> list[str]:
        now = relaying.START + seconds * relaying.SECOND
        late = dataclasses.replace(relaying.OPEN, provider_time=now, consumer_time=now)
        return messages(relaying.plan(late, record=relaying.accepted(relaying.OPEN)), "ClientExpiring")

    says = (
        "IBC client 07-tendermint-0 on provider-1 has not been updated for two thirds of its trusting period and"
        " expires permanently at 2026-01-01T00:06:56Z; until then consumer1-1 must produce blocks and a relayer with"
        " funds on provider-1 must run; see ics hermes status 0"
    )
    assert (at(237), at(238), at(264)) == ([], [says], [says])


def test_expired_client_is_reported_and_no_task_planned() -> None:
    late = dataclasses.replace(relaying.NOTHING, provider_time=relaying.START + 396 * relaying.SECOND)
    planned = relaying.plan(late, record=relaying.STARTED)
    assert planned.task is None
    assert "ClientExpired" in factories.reasons(planned)


def test_open_channel_is_relayed_only_with_accepted_config() -> None:
    fresh = relaying.plan(relaying.OPEN)
    assert (fresh.base, fresh.relays, fresh.task) == (None, None, None)
    planned = relaying.plan(relaying.OPEN, record=relaying.accepted(relaying.OPEN))
    assert planned.candidate is None
    assert planned.relays is not None
    provider, consumer = tomllib.loads(planned.relays.config)["chains"]
    assert provider["packet_filter"]["list"] == [["provider", "channel-0"], ["transfer", "channel-1"]]
    assert consumer["packet_filter"]["list"] == [["consumer", "channel-0"], ["transfer", "channel-1"]]
    assert (provider["trusting_period"], consumer["trusting_period"]) == ("396s", "356s")
    assert (provider["ccv_consumer_chain"], consumer["ccv_consumer_chain"]) == (False, True)


def test_gas_multiplier_of_provider_follows_settings() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, time=relaying.TIME),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS),
        relays={"0": relaying.OPEN},
        gas_price=gas_prices.GasPrice(),
    )
    base = factories.settings()
    provider = base.provider.model_copy(update={"gas_adjustment": 2.5})
    settings = base.model_copy(update={"provider": provider})
    planned = factories.judge(observed, stack=settings).chains[0].relay
    assert planned is not None
    assert planned.candidate is not None
    chains = tomllib.loads(planned.candidate.setup.config)["chains"]
    assert [each["gas_multiplier"] for each in chains] == [2.5, 1.5]


def test_no_task_is_planned_before_config_is_accepted() -> None:
    fresh = relaying.plan(relaying.NOTHING)
    assert (fresh.base, fresh.task) == (None, None)
    assert fresh.candidate is not None
    planned = relaying.plan(relaying.NOTHING, record=fresh.candidate.record)
    assert (planned.base, planned.candidate) == (fresh.candidate.setup, None)
    assert planned.task is not None


@pytest.mark.parametrize(
    "kept",
    [
        relaying.record("x", accepted_config="other", accepted_base="other"),
        # Written by an earlier release: of the config alone, whichever image had accepted it.
        relaying.record("x", accepted_config=canonical_json.sha256_hex(b"live")),
    ],
)
def test_unaccepted_config_keeps_running_setup(kept: inputs.RelayingRecord) -> None:
    planned = relaying.plan(relaying.OPEN, hermes=relaying.LIVE, hermes_base=relaying.LIVE, record=kept)
    assert (planned.base, planned.relays) == (relaying.LIVE, relaying.LIVE)
    assert planned.candidate is not None


def test_new_image_is_checked_before_it_runs() -> None:
    kept = relaying.accepted(relaying.OPEN)
    before = relaying.judge(relaying.OPEN, record=kept).chains[0].relay
    assert before is not None
    planned = relaying.plan(
        relaying.OPEN, image="hermes:2", record=kept, hermes=before.relays, hermes_base=before.base
    )
    assert (planned.base, planned.relays) == (before.base, before.relays)
    assert planned.candidate is not None
    assert planned.candidate.setup.image == "hermes:2"


def test_config_is_checked_only_while_no_step_runs() -> None:
    check = {f"{plan.CHECK}0": model.JobState.RUNNING}
    step = {"hermes-step-x-0": model.JobState.RUNNING}
    assert relaying.plan(relaying.NOTHING, jobs=check).candidate is not None
    assert relaying.plan(relaying.NOTHING, jobs=step).candidate is None
    other = relaying.plan(
        relaying.NOTHING, image="hermes:2", hermes_base=relaying.LIVE, record=relaying.STARTED
    )
    assert other.task is not None
    assert other.candidate is None


def test_unreadable_chain_keeps_its_relayer() -> None:
    planned = relaying.plan(None, problem="no answer", hermes=relaying.LIVE, hermes_base=relaying.LIVE)
    assert (planned.relays, planned.base, planned.task) == (relaying.LIVE, relaying.LIVE, None)
    assert factories.reasons(planned) == ["RelayingUnreadable"]


PENDING = dataclasses.replace(
    relaying.OPEN,
    packets=relayer_facts.Packets(
        unacknowledged_by_consumer=1,
        unacknowledged_by_provider=0,
        last_sent=2,
        last_received=1,
        oldest=(2, 0),
    ),
)


def test_stuck_packets_restart_hermes_once_per_minute() -> None:
    first = relaying.plan(PENDING, has_hermes=True)
    assert first.record is not None
    assert (first.restarts, first.record.pending_since) == (False, (relaying.START, None))
    later = relaying.at(PENDING, 60)
    planned = relaying.plan(later, record=first.record, has_hermes=True)
    assert planned.restarts
    assert "PacketsPending" in factories.reasons(planned)
    assert planned.record is not None
    assert planned.record.pending_since == (relaying.START, None)  # the packet is still the same
    again = relaying.at(PENDING, 119)
    assert not relaying.plan(again, record=planned.record, has_hermes=True).restarts
    assert relaying.plan(relaying.at(PENDING, 120), record=planned.record, has_hermes=True).restarts


HALF = dataclasses.replace(
    relaying.OPEN,
    provider=ibc.Ends(relaying.P_CLIENT.id, (relaying.P_CONNECTION,), (relaying.P_CCV,)),
    consumer=ibc.Ends(
        relaying.C_CLIENT.id,
        (relaying.P_CONNECTION,),
        (
            relaying.C_CCV,
            dataclasses.replace(relaying.P_TRANSFER, state=ibc.EndState.INIT, counterparty_id=""),
        ),
    ),
)
"""CCV has started the transfer channel."""
MINUTE = 60 * relaying.SECOND


@pytest.mark.parametrize(
    ("minutes", "does"),
    [
        (0, ("step", "TransferOpening")),
        (9, ("step", "TransferOpening")),
        (10, ("relays", "TransferStalled")),
        (359, ("relays", "TransferStalled")),
        (360, ("step", "TransferStalled")),
        (370, ("relays", "TransferStalled")),
    ],
)
def test_unfinished_transfer_channel_alternates_steps_and_relaying(
    minutes: int, does: tuple[str, str]
) -> None:
    now = relaying.START + minutes * MINUTE
    fresh = [dataclasses.replace(client, updated=now) for client in (relaying.P_CLIENT, relaying.C_CLIENT)]
    facts = dataclasses.replace(
        HALF, provider_time=now, consumer_time=now, provider_client=fresh[0], consumer_client=fresh[1]
    )
    first = relaying.plan(HALF).record
    assert first is not None
    assert first.open_since == relaying.START
    late = relaying.at(facts, 600)
    kept = relaying.plan(late, record=first).candidate
    assert kept is not None
    also = relaying.plan(late, record=kept.record).candidate
    assert also is not None
    planned = relaying.plan(facts, record=also.record)
    did = (
        "relays" if planned.relays else "step" if planned.task and "step" in planned.task.name else "nothing"
    )
    named = {"TransferOpening", "TransferStalled"} & set(factories.reasons(planned))
    assert (did, named) == (does[0], {does[1]})


def test_packet_filter_lists_only_open_channels() -> None:
    first = relaying.plan(HALF).record
    late = relaying.at(HALF, 600)
    late = dataclasses.replace(late, consumer_client=None, provider_client=None)
    base = relaying.plan(late, record=first).candidate
    assert base is not None
    wanted = relaying.plan(late, record=base.record).candidate
    assert wanted is not None
    lists = [chain["packet_filter"]["list"] for chain in tomllib.loads(wanted.setup.config)["chains"]]
    assert lists == [[["provider", "channel-0"]], [["consumer", "channel-0"]]]


def test_hermes_restarts_for_one_stuck_packet_but_not_for_busy_traffic() -> None:
    def restarts(*oldest: tuple[int, int]) -> list[bool]:
        """Plans 20 s apart, each with the record of the one before."""
        kept, found = relaying.accepted(relaying.OPEN), []
        for number, each in enumerate(oldest):
            now = relaying.START + number * 20 * relaying.SECOND
            packets = relayer_facts.Packets(
                unacknowledged_by_consumer=2,
                unacknowledged_by_provider=2,
                last_sent=100,
                last_received=90,
                oldest=each,
            )
            facts = dataclasses.replace(relaying.OPEN, provider_time=now, consumer_time=now, packets=packets)
            planned = relaying.plan(facts, record=kept, has_hermes=True)
            found.append(planned.restarts)
            kept = planned.record or kept
        return found

    assert restarts((1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (4, 4), (5, 5)) == [False] * 7
    assert restarts((1, 1), (1, 2), (1, 3), (1, 4)) == [False, False, False, True]
    assert restarts((1, 1), (0, 1), (2, 1), (3, 1)) == [False, False, False, True]


def test_halted_chain_is_reported_and_hermes_not_restarted() -> None:
    first = relaying.plan(PENDING, has_hermes=True).record
    halted = dataclasses.replace(PENDING, provider_time=relaying.START + 60 * relaying.SECOND)
    halted = dataclasses.replace(halted, consumer_time=relaying.START)
    moving = dataclasses.replace(halted, consumer_time=relaying.START + 60 * relaying.SECOND)
    planned = relaying.plan(halted, record=first, has_hermes=True)
    assert (planned.restarts, "ConsumerHalted" in factories.reasons(planned)) == (False, True)
    assert relaying.plan(moving, record=first, has_hermes=True).restarts


def test_delivered_packets_clear_pending_time() -> None:
    first = relaying.plan(PENDING).record
    assert first is not None
    done = dataclasses.replace(
        relaying.OPEN,
        packets=relayer_facts.Packets(
            unacknowledged_by_consumer=0, unacknowledged_by_provider=0, last_sent=2, last_received=2
        ),
    )
    record_then = relaying.plan(done, record=first).record
    assert record_then is not None
    assert record_then.pending_since == (None, None)


def test_endpoint_unsupported_by_hermes_is_reported_and_running_setup_kept() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, time=relaying.TIME),
        memory=factories.memory(
            has_workload=True, genesis=factories.GENESIS, hermes=relaying.LIVE, hermes_base=relaying.LIVE
        ),
        relays={"0": relaying.OPEN},
        gas_price=gas_prices.GasPrice(),
    )
    provider = {**factories.settings().provider.model_dump(), "rpc": ["http://node_1:26657"]}
    wanted = factories.judge(observed, provider=provider)
    planned = wanted.chains[0].relay
    assert planned is not None
    assert (planned.base, planned.relays, planned.candidate) == (relaying.LIVE, relaying.LIVE, None)
    assert "RelayerConfigInvalid" in {c.reason for c in wanted.decisions[0].conditions}
    objects = factories.rendered(wanted)
    assert {"Deployment/hermes", "Deployment/hermes-evidence", "Secret/hermes-keys"} <= set(objects)


EMPTY = dataclasses.replace(relaying.OPEN, consumer_balance=0)


def test_empty_relayer_account_is_reported() -> None:
    says = f"the relayer's account {factories.funded('alice')} on consumer1-1 is empty; send it stake"
    assert messages(relaying.plan(EMPTY), "WalletEmpty") == [says]


def without(account: str) -> bytes:
    """The genesis, in which this account holds nothing."""
    document = json.loads(factories.GENESIS)
    balances = document["app_state"]["bank"]["balances"]
    document["app_state"]["bank"]["balances"] = [one for one in balances if one["address"] != account]
    return json.dumps(document).encode()


@pytest.mark.parametrize("published", ["hello", f"relayer={factories.relayer('bob')}"])
def test_unpublished_relayer_without_funds_is_reported(published: str) -> None:
    own = factories.funded("alice")
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(
            factories.consumer(P.LAUNCHED, factories.joined("alice", "bob")),
            time=relaying.TIME,
            validators=(factories.validator("alice", details=published), factories.validator("bob")),
        ),
        memory=factories.memory(has_workload=True, genesis=without(own)),
        relays={"0": EMPTY},
        gas_price=gas_prices.GasPrice(),
    )
    wanted = factories.judge(observed)
    planned = wanted.chains[0].relay
    assert planned is not None
    assert messages(planned, "WalletEmpty") == []
    assert messages(planned, "RelayerUnfunded") == [
        f"this validator's relayer {own} was not published at the launch, so the genesis does not fund it and"
        " it relays nothing on this chain; other validators' relayers do"
    ]


def test_validator_without_published_relayer_takes_no_step() -> None:
    silent = factories.validator("alice", details="hello")
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(
            factories.consumer(P.LAUNCHED, factories.joined("alice", "bob")),
            time=relaying.TIME,
            validators=(silent, factories.validator("bob"), factories.validator("charlie")),
        ),
        memory=factories.memory(has_workload=True, genesis=factories.GENESIS, record=relaying.STARTED),
        relays={"0": relaying.NOTHING},
        gas_price=gas_prices.GasPrice(),
    )
    settings = factories.settings(relayer={"image": "hermes:1"})
    planned = factories.judge(observed, stack=settings).chains[0].relay
    assert planned is not None
    assert (planned.base is None, planned.task) == (False, None)


@pytest.mark.parametrize("facts", [relaying.NOTHING, relaying.OPEN])
def test_unchanged_record_is_not_written_again(facts: relayer_facts.Facts) -> None:
    first = relaying.plan(facts, "bob").record
    assert first is not None
    assert relaying.plan(facts, "bob", record=first).record is None


def test_relayer_and_evidence_watcher_have_separate_objects_and_accounts() -> None:
    kept = relaying.accepted(relaying.OPEN)
    asked = dataclasses.replace(kept, accepted_config="")
    before, after = (
        factories.rendered(relaying.judge(relaying.OPEN, record=asked)),
        factories.rendered(relaying.judge(relaying.OPEN, record=kept)),
    )
    watch = {
        "Deployment/hermes-evidence",
        "Secret/hermes-base",
        "Secret/hermes-evidence",
        "Secret/hermes-keys",
    }
    assert watch <= set(before)
    assert set(after) - set(before) == {"Secret/hermes", "Deployment/hermes"}
    accounts = [
        after[f"Secret/{name}"]["data"]["provider.mnemonic"] for name in ("hermes-keys", "hermes-evidence")
    ]
    assert len(set(accounts)) == 2


def test_hermes_deployments_are_recreated_without_overlap() -> None:
    objects = factories.rendered(relaying.judge(relaying.OPEN, record=relaying.accepted(relaying.OPEN)))
    for name in ("Deployment/hermes", "Deployment/hermes-evidence"):
        spec = objects[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_evidence_watcher_restarts_periodically_and_keeps_exit_code_of_failure() -> None:
    container = factories.rendered(relaying.judge(relaying.OPEN, record=relaying.accepted(relaying.OPEN)))[
        "Deployment/hermes-evidence"
    ]["spec"]["template"]["spec"]["containers"][0]
    script = container["command"][-1]
    assert "timeout 600 hermes" in script
    assert "--check-past-blocks 1000" in script
    assert '*) exit "$code"' in script


def prices(asked: gas_prices.GasPrice, **facts: Any) -> list[tuple[Any, Any]]:
    """Return price and ceiling in the config for a chain whose provider asks this price."""
    candidate = relaying.plan(dataclasses.replace(relaying.NOTHING, **facts), asked=asked).candidate
    assert candidate is not None
    chains = tomllib.loads(candidate.setup.config)["chains"]
    return [(chain["gas_price"]["price"], chain.get("dynamic_gas_price", {}).get("max")) for chain in chains]


def test_config_stays_the_same_while_the_price_of_a_fee_market_moves() -> None:
    """A change of the config restarts Hermes."""
    moved = [prices(gas_prices.GasPrice(Decimal(text), is_market=True)) for text in ("0.001", "0.01", "5")]
    assert moved == [[(0.001, 0.02), (0.0, None)]] * 3


def test_config_has_minimum_of_provider_node_between_floor_and_ceiling() -> None:
    minimums = [prices(gas_prices.GasPrice(Decimal(text)))[0] for text in ("0", "0.005", "5")]
    assert minimums == [(0.001, None), (0.005, None), (0.02, None)]


def test_price_of_a_consumers_fee_market_is_followed() -> None:
    asked = gas_prices.GasPrice()
    assert prices(asked, consumer_market={"stake": Decimal(0)})[1] == (0.0, 0.0)
    assert prices(asked, consumer_market=None)[1] == (0.0, None)


@pytest.mark.parametrize(
    ("asked", "market", "says"),
    [
        ("0.02", {"stake": Decimal(0)}, []),
        (
            "0.0201",
            None,
            [
                "provider-1 asks more than 0.02stake for a unit of gas, so it refuses Hermes' transactions; raise"
                " ics:provider.max_gas_price, or wait"
            ],
        ),
        (
            "0",
            {"uatom": Decimal(0)},
            [
                "consumer1-1 asks more than 0stake for a unit of gas, so it refuses Hermes' transactions; raise"
                " max_gas_price in the chain's definition, or wait"
            ],
        ),
    ],
)
def test_price_above_ceiling_is_reported(
    asked: str, market: dict[str, Decimal] | None, says: list[str]
) -> None:
    planned = relaying.plan(
        dataclasses.replace(relaying.NOTHING, consumer_market=market),
        asked=gas_prices.GasPrice(Decimal(asked), is_market=True),
    )
    assert [c.message for c in planned.conditions if c.reason == "RelayingTooExpensive"] == says


def test_running_relayer_is_kept_while_price_of_provider_is_unknown() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice", "bob"))
    memory = factories.memory(
        has_workload=True, genesis=factories.GENESIS, hermes=relaying.LIVE, hermes_base=relaying.LIVE
    )
    observed = consumer_observed.Observed(
        spare=factories.SPARE,
        snapshot=factories.snapshot(chain, time=relaying.TIME),
        memory=memory,
        relays={"0": relaying.OPEN},
        gas_price_problem="no answer",
    )
    planned = factories.judge(observed).chains[0].relay
    assert planned is not None
    assert (planned.relays, planned.base) == (relaying.LIVE, relaying.LIVE)
    assert [c.message for c in planned.conditions] == ["no answer"]
