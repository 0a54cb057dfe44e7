"""What a chain's relayer should be doing, from what both chains tell."""

import dataclasses
import datetime
import json
import tomllib

import pytest

from ics import manifests, model
from ics.consumer import desired
from ics.consumer import observed as consumer_observed
from ics.relayer import facts as relayer_facts
from ics.relayer import handshake, ibc
from ics.relayer import plan as relayer_plan
from tests.unit import scenes

P = model.Phase
START = datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)

P_CLIENT = ibc.Client("07-tendermint-0", "consumer1-1", 356 * SECOND, START)
C_CLIENT = ibc.Client("07-tendermint-0", "provider-1", 396 * SECOND, START)
P_CONNECTION = ibc.ConnectionEnd("connection-0", ibc.State.OPEN, P_CLIENT.id, C_CLIENT.id, "connection-0")
P_CCV = ibc.ChannelEnd(
    "channel-0", "provider", ibc.State.OPEN, "connection-0", "consumer", "channel-0", True, "1"
)
C_CCV = dataclasses.replace(P_CCV, port="consumer", counterparty_port="provider")
P_TRANSFER = ibc.ChannelEnd(
    "channel-1", "transfer", ibc.State.OPEN, "connection-0", "transfer", "channel-1", False, "ics20-1"
)

NOTHING = relayer_facts.Facts(
    provider=ibc.Ends(P_CLIENT.id),
    consumer=ibc.Ends(C_CLIENT.id),
    provider_client=P_CLIENT,
    consumer_client=C_CLIENT,
    transfer_id="",
    provider_time=START,
    consumer_time=START,
    provider_unbonding=600,
    trusting_fraction="0.66",
    consumer_balance=100,
)
OPEN = dataclasses.replace(
    NOTHING,
    provider=ibc.Ends(P_CLIENT.id, (P_CONNECTION,), (P_CCV, P_TRANSFER)),
    consumer=ibc.Ends(C_CLIENT.id, (P_CONNECTION,), (C_CCV, P_TRANSFER)),
    transfer_id="channel-1",
)
TIME = "2026-01-01T00:01:00.5Z"


def judge(
    facts: relayer_facts.Facts | None,
    name: str = "alice",
    time: str = TIME,
    problem: str = "",
    image: str = "hermes:1",
    **memory: object,
) -> desired.Desired:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob", own=name))
    kept = scenes.memory(**{"has_workload": True, "genesis": scenes.GENESIS, **memory})
    observed = consumer_observed.Seen(
        scenes.snapshot(chain, time=time),
        kept,
        relays={} if facts is None else {"0": facts},
        relay_problems={"0": problem} if problem else {},
    )
    return desired.desired(
        observed, scenes.settings(name, relayer={"image": image}), scenes.seed(name), [scenes.example()]
    )


def plan(*args: object, **kwargs: object) -> relayer_plan.Relayer:
    found = judge(*args, **kwargs).chains[0].relay  # type: ignore[arg-type]
    assert found is not None
    return found


def record(mark: str, since: datetime.datetime = START, **changes: object) -> model.RelayingRecord:
    base = model.RelayingRecord(mark, since, False, "", "")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def reasons(found: relayer_plan.Relayer) -> set[str]:
    return {condition.reason for condition in found.conditions}


def accepted(facts: relayer_facts.Facts, name: str = "alice", **changes: object) -> model.RelayingRecord:
    """What is on record once Hermes has accepted all that it was asked about."""
    found = plan(facts, name)
    for _ in ("the config without channels", "the one with them"):
        if found.candidate is None:
            break
        kept = found.candidate.record
        found = plan(facts, name, relaying=kept)
    return dataclasses.replace(kept, **changes)  # type: ignore[arg-type]


MARK = handshake.decide(NOTHING.provider, NOTHING.consumer, "").mark
BEGUN = accepted(NOTHING)
LIVE = model.Setup("hermes:live", "live")


def test_there_is_none_before_the_delay_is_over() -> None:
    assert judge(NOTHING, time="2026-01-01T00:00:30Z").chains[0].relay is None


@pytest.mark.parametrize(
    ("time", "is_due"),
    [
        ("2026-01-01T02:00:01+02:00", True),
        ("2025-12-31T22:00:31-02:00", False),
        ("9999-12-31T23:59:59-01:00", False),
        (None, True),
    ],
)
def test_the_delay_begins_at_the_genesis_time_in_any_zone(time: str | None, is_due: bool) -> None:
    document = {**json.loads(scenes.GENESIS), "genesis_time": time}
    found = judge(NOTHING, time="2026-01-01T00:00:31Z", genesis=json.dumps(document).encode())
    assert (found.chains[0].relay is not None) is is_due


def test_a_genesis_without_balances_funds_nobody() -> None:
    document = json.loads(scenes.GENESIS)
    del document["app_state"]["bank"]
    unfunded = dataclasses.replace(NOTHING, consumer_balance=0)
    assert "RelayerUnfunded" in reasons(plan(unfunded, genesis=json.dumps(document).encode()))


def test_the_strongest_takes_the_first_step_at_once() -> None:
    found = plan(NOTHING, relaying=BEGUN)
    assert found.task is not None
    assert found.task.commands[0][:3] == ("--json", "tx", "conn-init")
    assert found.record is not None
    assert (found.record.mark, found.record.acted_on) == (MARK, MARK)
    assert (found.relays, reasons(found)) == (None, {"ChannelOpening"})


def test_the_next_one_waits_its_turn_and_then_acts() -> None:
    later = dataclasses.replace(NOTHING, provider_time=START + 45 * SECOND)
    assert plan(NOTHING, "bob", relaying=BEGUN).task is None
    assert plan(later, "bob", relaying=BEGUN).task is not None
    assert (
        plan(dataclasses.replace(later, provider_time=START + 44 * SECOND), "bob", relaying=BEGUN).task
        is None
    )


def test_who_took_the_last_step_goes_on_at_once() -> None:
    half = dataclasses.replace(
        NOTHING,
        consumer=ibc.Ends(
            C_CLIENT.id, (dataclasses.replace(P_CONNECTION, state=ibc.State.INIT, counterparty_id=""),)
        ),
    )
    ours = dataclasses.replace(BEGUN, acted_on=MARK)
    others = BEGUN
    assert plan(half, "bob", relaying=ours).task is not None
    assert plan(half, "bob", relaying=others).task is None


def test_nothing_is_begun_while_a_job_or_the_deployment_may_sign() -> None:
    running = {"hermes-step-x-0": model.JobState.RUNNING}
    assert plan(NOTHING, relaying=BEGUN, jobs=running).task is None
    assert plan(NOTHING, relaying=BEGUN, has_hermes=True).task is None


def test_a_step_that_failed_is_tried_again_after_a_while_under_a_new_name() -> None:
    first = plan(NOTHING, relaying=BEGUN).task
    assert first is not None
    failed = {first.name: model.JobState.FAILED}
    soon = dataclasses.replace(NOTHING, provider_time=START + 14 * SECOND)
    later = dataclasses.replace(NOTHING, provider_time=START + 15 * SECOND)
    assert plan(soon, relaying=BEGUN, jobs=failed).task is None
    second = plan(later, relaying=BEGUN, jobs=failed).task
    assert second is not None
    assert second.name != first.name
    assert "StepFailed" in reasons(plan(soon, relaying=BEGUN, jobs=failed))
    assert "StepFailed" not in reasons(
        plan(soon, relaying=BEGUN, jobs={"hermes-step-other-0": model.JobState.FAILED})
    )


READ = "read kubectl -n ns logs -l app.kubernetes.io/component=relaying-step"


def told(found: relayer_plan.Relayer, reason: str) -> list[str]:
    return [condition.message for condition in found.conditions if condition.reason == reason]


def test_what_hermes_said_last_is_told_however_often_it_failed() -> None:
    base = f"hermes-step-{relayer_plan.digest(MARK)[:8]}"
    jobs = {f"{base}-{number}": model.JobState.FAILED for number in (9, 10)}
    words = {f"{base}-9": "out of gas", f"{base}-10": "insufficient fees"}
    found = plan(NOTHING, relaying=BEGUN, jobs=jobs, last_words=words)
    says = "a step of the handshake failed here, and is tried again: Hermes said: insufficient fees: "
    assert told(found, "StepFailed") == [says + READ]


def test_a_check_that_failed_is_told() -> None:
    fresh = plan(NOTHING).candidate
    assert fresh is not None
    failed = {relayer_plan.check_name(fresh.setup): model.JobState.FAILED}
    found = plan(NOTHING, jobs=failed, last_words={relayer_plan.check_name(fresh.setup): "no such key"})
    says = "the check of a config failed here, and is tried again: Hermes said: no such key: "
    assert told(found, "JobFailed") == [says + READ]
    assert told(plan(OPEN, relaying=accepted(OPEN), jobs=failed), "JobFailed") == []


def test_an_update_of_clients_that_failed_is_told_while_it_is_due() -> None:
    failed = {f"{relayer_plan.UPDATE}000000": model.JobState.FAILED}
    due = dataclasses.replace(NOTHING, provider_time=START + 140 * SECOND, consumer_time=START + 140 * SECOND)
    says = f"an update of the IBC clients failed here, and is tried again: {READ}"
    assert told(plan(due, relaying=BEGUN, jobs=failed), "JobFailed") == [says]
    assert told(plan(NOTHING, relaying=BEGUN, jobs=failed), "JobFailed") == []


def test_clients_are_kept_alive_until_the_channel_is_open() -> None:
    due = dataclasses.replace(NOTHING, provider_time=START + 140 * SECOND, consumer_time=START + 140 * SECOND)
    # Somebody else is to take the step, so only the clients are ours to care for.
    waiting = dataclasses.replace(BEGUN, since=START + 139 * SECOND)
    found = plan(
        due, relaying=waiting, jobs={f"hermes-step-{relayer_plan.digest(MARK)[:8]}-0": model.JobState.FAILED}
    )
    assert found.task is not None
    assert [command[1:3] for command in found.task.commands] == [("update", "client")] * 2


def test_a_chain_that_stands_still_is_sent_no_update_and_its_last_block_told_once() -> None:
    now = START + 200 * SECOND
    halted = dataclasses.replace(NOTHING, provider_time=now, consumer_time=START + 140 * SECOND)
    waiting = dataclasses.replace(BEGUN, since=now - SECOND)
    jobs = {f"hermes-step-{relayer_plan.digest(MARK)[:8]}-0": model.JobState.FAILED}
    found = plan(halted, relaying=waiting, jobs=jobs).task
    assert found is not None
    assert [command[4] for command in found.commands] == ["provider-1"]
    updated = dataclasses.replace(P_CLIENT, updated=halted.consumer_time)
    after = dataclasses.replace(halted, provider_time=now + 100 * SECOND, provider_client=updated)
    later = dataclasses.replace(waiting, since=after.provider_time)
    assert plan(after, relaying=later, jobs=jobs).task is None


def test_the_providers_client_of_a_chain_that_stands_still_expires_all_the_same() -> None:
    late = dataclasses.replace(OPEN, provider_time=START + 356 * SECOND)
    assert told(plan(late, relaying=accepted(OPEN)), "ClientExpired") == [
        "IBC client 07-tendermint-0 on provider-1 has expired: no relayer can mend it; that chain's governance"
        " must recover it"
    ]


@pytest.mark.parametrize("side", ["provider_client", "consumer_client"])
def test_a_frozen_client_is_named_and_nothing_more_is_tried(side: str) -> None:
    known = {"provider_client": P_CLIENT, "consumer_client": C_CLIENT}[side]
    frozen = {side: dataclasses.replace(known, is_frozen=True)}
    due = dataclasses.replace(NOTHING, provider_time=START + 200 * SECOND, consumer_time=START + 200 * SECOND)
    assert plan(due, relaying=BEGUN).task is not None
    found = plan(dataclasses.replace(due, **frozen), relaying=BEGUN)  # type: ignore[arg-type]
    host = {"provider_client": "provider-1", "consumer_client": "consumer1-1"}[side]
    assert found.task is None
    assert [text.partition(":")[0] for text in told(found, "ClientFrozen")] == [
        f"IBC client 07-tendermint-0 on {host} is frozen"
    ]


def test_a_client_that_nobody_updates_is_named_before_it_expires() -> None:
    def at(seconds: int) -> list[str]:
        now = START + seconds * SECOND
        late = dataclasses.replace(OPEN, provider_time=now, consumer_time=now)
        return told(plan(late, relaying=accepted(OPEN)), "ClientExpiring")

    says = (
        "IBC client 07-tendermint-0 on provider-1 has not been updated for two thirds of its trusting period and"
        " expires at 2026-01-01T00:06:56Z, beyond repair: before then consumer1-1 must make blocks, and a relayer"
        " run that can pay on provider-1: see ics hermes status 0"
    )
    assert (at(237), at(238), at(264)) == ([], [says], [says])


def test_an_expired_client_is_named_and_nothing_more_is_tried() -> None:
    late = dataclasses.replace(NOTHING, provider_time=START + 396 * SECOND)
    found = plan(late, relaying=BEGUN)
    assert found.task is None
    assert "ClientExpired" in reasons(found)


def test_an_open_channel_is_relayed_only_with_a_config_that_hermes_accepted() -> None:
    fresh = plan(OPEN)
    assert (fresh.base, fresh.relays, fresh.task) == (None, None, None)
    found = plan(OPEN, relaying=accepted(OPEN))
    assert found.candidate is None
    assert found.relays is not None
    provider, consumer = tomllib.loads(found.relays.config)["chains"]
    assert provider["packet_filter"]["list"] == [["provider", "channel-0"], ["transfer", "channel-1"]]
    assert consumer["packet_filter"]["list"] == [["consumer", "channel-0"], ["transfer", "channel-1"]]
    assert (provider["trusting_period"], consumer["trusting_period"]) == ("396s", "356s")
    assert (provider["ccv_consumer_chain"], consumer["ccv_consumer_chain"]) == (False, True)


def test_the_providers_gas_is_reckoned_as_the_settings_say() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"))
    observed = consumer_observed.Seen(
        scenes.snapshot(chain, time=TIME),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS),
        relays={"0": OPEN},
    )
    base = scenes.settings()
    provider = base.provider.model_copy(update={"gas_adjustment": 2.5})
    settings = base.model_copy(update={"provider": provider})
    found = desired.desired(observed, settings, scenes.seed("alice"), [scenes.example()]).chains[0].relay
    assert found is not None
    assert found.candidate is not None
    chains = tomllib.loads(found.candidate.setup.config)["chains"]
    assert [each["gas_multiplier"] for each in chains] == [2.5, 1.5]


def test_nothing_is_sent_with_a_config_that_hermes_has_not_accepted() -> None:
    fresh = plan(NOTHING)
    assert (fresh.base, fresh.task) == (None, None)
    assert fresh.candidate is not None
    found = plan(NOTHING, relaying=fresh.candidate.record)
    assert (found.base, found.candidate) == (fresh.candidate.setup, None)
    assert found.task is not None


@pytest.mark.parametrize(
    "kept",
    [
        record("x", accepted_config="other", accepted_base="other"),
        # Written by an earlier release: of the config alone, whichever image had accepted it.
        record("x", accepted_config=relayer_plan.digest("live")),
    ],
)
def test_what_is_not_accepted_leaves_all_that_runs_in_place(kept: model.RelayingRecord) -> None:
    found = plan(OPEN, hermes=LIVE, hermes_base=LIVE, relaying=kept)
    assert (found.base, found.relays) == (LIVE, LIVE)
    assert found.candidate is not None


def test_another_image_is_asked_before_it_runs() -> None:
    kept = accepted(OPEN)
    before = judge(OPEN, relaying=kept).chains[0].relay
    assert before is not None
    found = plan(OPEN, image="hermes:2", relaying=kept, hermes=before.relays, hermes_base=before.base)
    assert (found.base, found.relays) == (before.base, before.relays)
    assert found.candidate is not None
    assert found.candidate.setup.image == "hermes:2"


def test_a_config_is_checked_while_no_step_runs() -> None:
    check = {f"{relayer_plan.CHECK}0": model.JobState.RUNNING}
    step = {"hermes-step-x-0": model.JobState.RUNNING}
    assert plan(NOTHING, jobs=check).candidate is not None
    assert plan(NOTHING, jobs=step).candidate is None
    other = plan(NOTHING, image="hermes:2", hermes_base=LIVE, relaying=BEGUN)
    assert other.task is not None
    assert other.candidate is None


def test_a_chain_that_does_not_answer_keeps_its_relayer() -> None:
    found = plan(None, problem="no answer", hermes=LIVE, hermes_base=LIVE)
    assert (found.relays, found.base, found.task) == (LIVE, LIVE, None)
    assert reasons(found) == {"RelayingUnreadable"}


PENDING = dataclasses.replace(OPEN, packets=relayer_facts.Packets(1, 0, 2, 1, oldest=(2, 0)))


def test_packets_that_are_stuck_restart_hermes_once_a_minute() -> None:
    first = plan(PENDING, has_hermes=True)
    assert first.record is not None
    assert (first.restarts, first.record.pending_since) == (False, START)
    later = dataclasses.replace(PENDING, provider_time=START + 60 * SECOND, consumer_time=START + 60 * SECOND)
    found = plan(later, relaying=first.record, has_hermes=True)
    assert found.restarts
    assert "PacketsPending" in reasons(found)
    assert found.record is not None
    again = dataclasses.replace(
        PENDING, provider_time=START + 119 * SECOND, consumer_time=START + 119 * SECOND
    )
    assert not plan(again, relaying=found.record, has_hermes=True).restarts


HALF = dataclasses.replace(
    OPEN,
    provider=ibc.Ends(P_CLIENT.id, (P_CONNECTION,), (P_CCV,)),
    consumer=ibc.Ends(
        C_CLIENT.id,
        (P_CONNECTION,),
        (C_CCV, dataclasses.replace(P_TRANSFER, state=ibc.State.INIT, counterparty_id="")),
    ),
)
"""The transfer channel has been begun, as CCV does it."""
MINUTE = 60 * SECOND


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
def test_validator_updates_do_not_wait_for_the_transfer_channel_for_ever(
    minutes: int, does: tuple[str, str]
) -> None:
    now = START + minutes * MINUTE
    fresh = [dataclasses.replace(client, updated=now) for client in (P_CLIENT, C_CLIENT)]
    facts = dataclasses.replace(
        HALF, provider_time=now, consumer_time=now, provider_client=fresh[0], consumer_client=fresh[1]
    )
    first = plan(HALF).record
    assert first is not None
    assert first.open_since == START
    late = dataclasses.replace(facts, provider_time=START + 10 * MINUTE, consumer_time=START + 10 * MINUTE)
    kept = plan(late, relaying=first).candidate
    assert kept is not None
    also = plan(late, relaying=kept.record).candidate
    assert also is not None
    found = plan(facts, relaying=also.record)
    did = "relays" if found.relays else "step" if found.task and "step" in found.task.name else "nothing"
    named = {"TransferOpening", "TransferStalled"} & reasons(found)
    assert (did, named) == (does[0], {does[1]})


def test_hermes_is_told_of_no_channel_that_is_not_open() -> None:
    first = plan(HALF).record
    late = dataclasses.replace(HALF, provider_time=START + 10 * MINUTE, consumer_time=START + 10 * MINUTE)
    late = dataclasses.replace(late, consumer_client=None, provider_client=None)
    base = plan(late, relaying=first).candidate
    assert base is not None
    wanted = plan(late, relaying=base.record).candidate
    assert wanted is not None
    lists = [chain["packet_filter"]["list"] for chain in tomllib.loads(wanted.setup.config)["chains"]]
    assert lists == [[["provider", "channel-0"]], [["consumer", "channel-0"]]]


def test_busy_traffic_restarts_nothing_and_one_packet_in_it_that_is_missed_does() -> None:
    def restarts(*oldest: tuple[int, int]) -> list[bool]:
        """Looks 20 s apart, each with what the one before remembers."""
        kept, found = accepted(OPEN), []
        for number, each in enumerate(oldest):
            now = START + number * 20 * SECOND
            packets = relayer_facts.Packets(2, 2, 100, 90, oldest=each)
            facts = dataclasses.replace(OPEN, provider_time=now, consumer_time=now, packets=packets)
            planned = plan(facts, relaying=kept, has_hermes=True)
            found.append(planned.restarts)
            kept = planned.record or kept
        return found

    assert restarts((1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (4, 4), (5, 5)) == [False] * 7
    assert restarts((1, 1), (1, 2), (1, 3), (1, 4)) == [False, False, False, True]
    assert restarts((1, 1), (0, 1), (2, 1), (3, 1)) == [False, False, False, True]


def test_a_chain_that_stands_still_is_named_and_hermes_left_alone() -> None:
    first = plan(PENDING, has_hermes=True).record
    halted = dataclasses.replace(PENDING, provider_time=START + 60 * SECOND)
    halted = dataclasses.replace(halted, consumer_time=START)
    moving = dataclasses.replace(halted, consumer_time=START + 60 * SECOND)
    found = plan(halted, relaying=first, has_hermes=True)
    assert (found.restarts, "ConsumerHalted" in reasons(found)) == (False, True)
    assert plan(moving, relaying=first, has_hermes=True).restarts


def test_packets_that_arrive_are_forgotten() -> None:
    first = plan(PENDING).record
    assert first is not None
    done = dataclasses.replace(OPEN, packets=relayer_facts.Packets(0, 0, 2, 2))
    record_then = plan(done, relaying=first).record
    assert record_then is not None
    assert record_then.pending_since is None


def test_a_chain_that_hermes_cannot_be_told_of_is_named_and_what_runs_stays() -> None:
    chain = scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob"), chain_id="consumer/1-1")
    observed = consumer_observed.Seen(
        scenes.snapshot(chain, time=TIME),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS, hermes=LIVE, hermes_base=LIVE),
        relays={"0": OPEN},
    )
    wanted = desired.desired(observed, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    found = wanted.chains[0].relay
    assert found is not None
    assert (found.base, found.relays, found.candidate) == (LIVE, LIVE, None)
    assert "RelayerConfigInvalid" in {c.reason for c in wanted.verdicts[0].conditions}
    objects = rendered(wanted)
    assert {"Deployment/hermes", "Deployment/hermes-evidence", "Secret/hermes-keys"} <= set(objects)


EMPTY = dataclasses.replace(OPEN, consumer_balance=0)


def test_an_empty_wallet_is_named() -> None:
    says = f"the relayer's account {scenes.funded('alice')} on consumer1-1 is empty: send it stake"
    assert told(plan(EMPTY), "WalletEmpty") == [says]


def without(account: str) -> bytes:
    """The genesis, in which this account holds nothing."""
    document = json.loads(scenes.GENESIS)
    balances = document["app_state"]["bank"]["balances"]
    document["app_state"]["bank"]["balances"] = [one for one in balances if one["address"] != account]
    return json.dumps(document).encode()


@pytest.mark.parametrize("published", ["hello", f"relayer={scenes.relayer('bob')}"])
def test_who_published_no_relayer_or_another_one_says_so(published: str) -> None:
    own = scenes.funded("alice")
    observed = consumer_observed.Seen(
        scenes.snapshot(
            scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob")),
            time=TIME,
            validators=(scenes.validator("alice", details=published), scenes.validator("bob")),
        ),
        scenes.memory(has_workload=True, genesis=without(own)),
        relays={"0": EMPTY},
    )
    wanted = desired.desired(observed, scenes.settings(), scenes.seed("alice"), [scenes.example()])
    found = wanted.chains[0].relay
    assert found is not None
    assert told(found, "WalletEmpty") == []
    assert told(found, "RelayerUnfunded") == [
        f"this validator's relayer {own} was not published at the launch and is not funded in the genesis: it"
        " relays nothing on this chain; others do"
    ]


def test_who_published_no_relayer_never_acts() -> None:
    silent = scenes.validator("alice", details="hello")
    observed = consumer_observed.Seen(
        scenes.snapshot(
            scenes.consumer(P.LAUNCHED, scenes.joined("alice", "bob")),
            time=TIME,
            validators=(silent, scenes.validator("bob"), scenes.validator("charlie")),
        ),
        scenes.memory(has_workload=True, genesis=scenes.GENESIS, relaying=BEGUN),
        relays={"0": NOTHING},
    )
    settings = scenes.settings(relayer={"image": "hermes:1"})
    found = desired.desired(observed, settings, scenes.seed("alice"), [scenes.example()]).chains[0].relay
    assert found is not None
    assert (found.base is None, found.task) == (False, None)


@pytest.mark.parametrize("facts", [NOTHING, OPEN])
def test_the_same_mark_is_not_written_twice(facts: relayer_facts.Facts) -> None:
    first = plan(facts, "bob").record
    assert first is not None
    assert plan(facts, "bob", relaying=first).record is None


def rendered(found: desired.Desired) -> dict[str, model.Manifest]:
    return {f"{m['kind']}/{m['metadata']['name']}": m for m in manifests.render(found, "set")}


def test_what_relays_and_what_watches_are_objects_of_their_own() -> None:
    kept = accepted(OPEN)
    asked = dataclasses.replace(kept, accepted_config="")
    before, after = rendered(judge(OPEN, relaying=asked)), rendered(judge(OPEN, relaying=kept))
    watch = {
        "ConfigMap/hermes-base",
        "Deployment/hermes-evidence",
        "Secret/hermes-evidence",
        "Secret/hermes-keys",
    }
    assert watch <= set(before)
    assert set(after) - set(before) == {"ConfigMap/hermes", "Deployment/hermes"}
    accounts = [
        after[f"Secret/{name}"]["data"]["provider.mnemonic"] for name in ("hermes-keys", "hermes-evidence")
    ]
    assert len(set(accounts)) == 2


def test_two_that_sign_with_one_account_never_overlap() -> None:
    objects = rendered(judge(OPEN, relaying=accepted(OPEN)))
    for name in ("Deployment/hermes", "Deployment/hermes-evidence"):
        spec = objects[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_watch_starts_anew_and_passes_on_a_real_failure() -> None:
    container = rendered(judge(OPEN, relaying=accepted(OPEN)))["Deployment/hermes-evidence"]["spec"][
        "template"
    ]["spec"]["containers"][0]
    script = container["command"][-1]
    assert "timeout 600 hermes" in script
    assert "--check-past-blocks 1000" in script
    assert '*) exit "$code"' in script
