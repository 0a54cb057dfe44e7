"""Reading a provider that moves on, is behind, is down or is another chain."""

import asyncio
import base64
import dataclasses
import datetime
import gc
import operator
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ics import errors, model
from ics.conditions import Condition, Reason, Severity
from ics.config import settings
from ics.config.endpoint import Endpoint
from ics.cosmos import addresses
from ics.provider import heads
from ics.provider.rest import endpoints, queries
from tests.unit import factories
from tests.unit.provider import fake, recorded

NOW = datetime.datetime(2026, 11, 22, 12, 0, 30, tzinfo=datetime.UTC)
ME = fake.valoper(1)
CONSUMER_KEY = fake.key(77)
REMOVAL = base64.b64decode("AQAAAA7ilQXxALelZf//")
"""As recorded of a real chain: 2026-11-22T15:49:05.012035429Z."""
STOPPED_AT = datetime.datetime(2026, 11, 22, 15, 39, 5, 12035, tzinfo=datetime.UTC)
VALIDATORS = (
    fake.Validator(1, 300, "p2p=a"),
    fake.Validator(2, 200, "p2p=b"),
    fake.Validator(3, 100, "p2p=c", status="BOND_STATUS_UNBONDING", jailed=True),
)
CONSUMERS = {
    0: fake.Consumer("free-1", "REGISTERED"),
    1: fake.Consumer(
        "soon-1",
        "INITIALIZED",
        spawn_time="2026-11-22T13:00:00Z",
        opted_in=(1,),
        validators={1: (CONSUMER_KEY, 300)},
        assigned={1: CONSUMER_KEY},
    ),
    2: fake.Consumer(
        "runs-1",
        "LAUNCHED",
        "07-tendermint-0",
        opted_in=(1, 2),
        validators={1: (fake.key(1), 300), 2: (fake.key(2), 200)},
        must=(1, 2),
    ),
    10: fake.Consumer("ends-1", "STOPPED", "07-tendermint-1", assigned={1: CONSUMER_KEY}, removal=REMOVAL),
}
STATE = fake.State("2026-11-22T12:00:00.123456789Z", VALIDATORS, CONSUMERS)
LATER = fake.State("2026-11-22T12:00:01Z", VALIDATORS[:1], {})


def gate(**changes: Any) -> fake.Gateway:
    return fake.Gateway(**{"states": {7: STATE}, **changes})


def ask(network: fake.Network, *rest: str, archive: tuple[str, ...] = (), **options: Any) -> queries.Queries:
    provider = settings.ProviderSettings.model_validate(
        dict(
            chain_id=fake.CHAIN_ID,
            rest=tuple(f"http://{host}" for host in rest or network.gateways),
            rpc=("http://unused",),
            grpc=("http://unused",),
            archive_rest=tuple(f"http://{host}" for host in archive),
        )
    )
    return queries.Queries(provider, lambda: NOW, transport=network, **options)


def sleeper(
    on_sleep: Callable[[], None] = lambda: None,
) -> tuple[list[float], Callable[[float], Awaitable[None]]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        on_sleep()

    return slept, sleep


def everything(summary: model.ConsumerSummary, must: bool) -> bool:
    return True


async def test_open_uses_committed_height_of_first_usable_endpoint() -> None:
    network = fake.Network(
        down=gate(is_down=True),
        old=gate(states={7: dataclasses.replace(STATE, time="2026-11-22T11:00:00Z")}),
        good=gate(),
        also=gate(),
    )

    async with ask(network) as provider:
        found = await provider.open()
        network.gateways["also"].asked.clear()
        await provider.snapshot(ME, everything)

    assert found == heads.Head("provider-1", 7, "2026-11-22T12:00:00.123456789Z")
    # The others are asked only about the list of chains and this validator.
    assert {path.rpartition("/")[0] for path, _ in network.gateways["also"].asked} == {
        f"{fake.CCV}consumer_chains",
        "/cosmos/staking/v1beta1/validators",
    }


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        (
            {"a": gate(chain_id="other-1")},
            errors.SettingsError(
                "ics:provider.rest: http://a belongs to chain 'other-1', not 'provider-1'; "
                "correct the URL or ics:provider.chain_id"
            ),
        ),
        (
            {"a": gate(is_down=True)},
            errors.Transient("http://a: unreachable: All connection attempts failed"),
        ),
        (
            {"a": gate(states={7: dataclasses.replace(STATE, time="2026-11-22T11:59:29Z")})},
            errors.Transient(
                "http://a: newest block 7 is 61 s old, more than ics:provider.max_lag (60 s): "
                "the endpoint lags or the chain has halted"
            ),
        ),
        (
            {"a": gate(chain_id="other-1"), "b": gate(broken={"status": (502, "<html>")})},
            errors.Transient(
                "ics:provider.rest: http://a belongs to chain 'other-1', not 'provider-1'; "
                "correct the URL or ics:provider.chain_id; http://b: "
                "/cosmos/base/node/v1beta1/status: HTTP 502: the endpoint is failing or overloaded"
            ),
        ),
    ],
)
async def test_open_without_usable_endpoint_fails(
    gateways: dict[str, fake.Gateway], expected: errors.IcsError
) -> None:
    async with ask(fake.Network(**gateways)) as provider:
        with pytest.raises(errors.IcsError) as caught:
            await provider.open()

    assert type(caught.value) is type(expected)
    assert str(caught.value) == str(expected)


async def test_snapshot_before_open_is_refused() -> None:
    async with ask(fake.Network(a=gate())) as provider:
        with pytest.raises(errors.Transient, match="call open\\(\\) first"):
            await provider.snapshot(ME, everything)


DETAIL = model.ConsumerDetail(
    owner="cosmos1owner",
    spawn_time=None,
    initial_height=1,
    genesis_hash=b"hash",
    binary_hash=b"",
    unbonding_period=540,
    connection_id="",
    opted_in=frozenset(),
    validators=(),
    own_consumer_address=None,
    infraction_parameters=factories.MILD,
)
SUMMARIES = {
    number: model.ConsumerSummary(
        consumer_id=str(number),
        chain_id=c.chain_id,
        phase=model.Phase(c.phase),
        client_id=c.client_id,
        top_n=0,
        name=f"name of {c.chain_id}",
    )
    for number, c in CONSUMERS.items()
}
ADDRESS = addresses.consensus_address(CONSUMER_KEY)
SNAPSHOT = model.Snapshot(
    chain_id="provider-1",
    height=7,
    time="2026-11-22T12:00:00.123456789Z",
    validators=(
        model.Validator(
            operator_address=ME,
            consensus_address=fake.valcons(1),
            consensus_key=fake.key(1),
            moniker="v1",
            details="p2p=a",
            tokens=300,
            is_bonded=True,
            is_jailed=False,
        ),
        model.Validator(
            operator_address=fake.valoper(2),
            consensus_address=fake.valcons(2),
            consensus_key=fake.key(2),
            moniker="v2",
            details="p2p=b",
            tokens=200,
            is_bonded=True,
            is_jailed=False,
        ),
        model.Validator(
            operator_address=fake.valoper(3),
            consensus_address=fake.valcons(3),
            consensus_key=fake.key(3),
            moniker="v3",
            details="p2p=c",
            tokens=100,
            is_bonded=False,
            is_jailed=True,
        ),
    ),
    consumers=(
        model.Consumer(SUMMARIES[0], DETAIL),
        model.Consumer(
            SUMMARIES[1],
            dataclasses.replace(
                DETAIL,
                spawn_time="2026-11-22T13:00:00Z",
                opted_in=frozenset({fake.valcons(1)}),
                validators=(model.ConsumerValidator(fake.valcons(1), CONSUMER_KEY, 300),),
                own_consumer_address=ADDRESS,
            ),
        ),
        model.Consumer(
            SUMMARIES[2],
            dataclasses.replace(
                DETAIL,
                opted_in=frozenset({fake.valcons(1), fake.valcons(2)}),
                validators=(
                    model.ConsumerValidator(fake.valcons(1), fake.key(1), 300),
                    model.ConsumerValidator(fake.valcons(2), fake.key(2), 200),
                ),
            ),
        ),
        model.Consumer(
            SUMMARIES[10], dataclasses.replace(DETAIL, own_consumer_address=ADDRESS, stopped_at=STOPPED_AT)
        ),
    ),
    must_validate=frozenset({"2"}),
)


@pytest.mark.parametrize("page_size", [1, 2, 3, 200])
async def test_snapshot_stays_at_one_height_while_chain_advances(page_size: int) -> None:
    gateway_ = gate()
    async with ask(fake.Network(a=gateway_), page_size=page_size) as provider:
        await provider.open()
        gateway_.asked.clear()
        gateway_.states[8] = LATER
        found = await provider.snapshot(ME, everything)

    assert found == SNAPSHOT
    assert {height for _, height in gateway_.asked} == {7}


@pytest.mark.parametrize("page_size", [1, 200])
async def test_list_is_decoded_again_only_after_a_change(page_size: int) -> None:
    gateway_ = gate()
    async with ask(fake.Network(a=gateway_), page_size=page_size) as provider:

        async def read() -> model.Snapshot:
            await provider.open()
            return await provider.snapshot(ME, lambda *_: False)

        first = await read()
        gateway_.states[8] = STATE
        second = await read()
        richer = (dataclasses.replace(VALIDATORS[0], tokens=301), *VALIDATORS[1:])
        renamed = {**CONSUMERS, 0: fake.Consumer("other-1", "REGISTERED")}
        gateway_.states[9] = fake.State(STATE.time, richer, renamed)
        third = await read()
    assert (first.height, second.height, third.height) == (7, 8, 9)
    assert all(map(operator.is_, first.validators, second.validators))
    assert [one.summary for one in second.consumers] == [one.summary for one in first.consumers]
    assert [one.tokens for one in third.validators] == [301, 200, 100]
    assert third.consumers[0].summary.chain_id == "other-1"


async def test_details_are_queried_only_for_chains_of_interest() -> None:
    seen: list[tuple[str, bool]] = []

    def interest(summary: model.ConsumerSummary, must: bool) -> bool:
        seen.append((summary.consumer_id, must))
        return must

    gateway_ = gate()
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        gateway_.asked.clear()
        found = await provider.snapshot(ME, interest)

    without = {i: model.Consumer(summary) for i, summary in SUMMARIES.items()}
    assert found == dataclasses.replace(
        SNAPSHOT, consumers=(without[0], without[1], SNAPSHOT.consumers[2], without[10])
    )
    assert seen == [("0", False), ("1", False), ("2", True), ("10", False)]
    assert sorted(path.removeprefix(fake.CCV) for path, _ in gateway_.asked) == [
        "/cosmos/staking/v1beta1/validators",
        "consumer_chain/2",
        "consumer_chains/0",
        f"consumer_chains_per_validator/{fake.valcons(1)}",
        "consumer_validators/2",
        "opted_in_validators/2",
        f"validator_consumer_addr/2/{fake.valcons(1)}",
    ]


LAUNCHED_WITH_OWN_KEY = dataclasses.replace(
    CONSUMERS[2], validators={1: (CONSUMER_KEY, 300), 2: (fake.key(2), 200)}, assigned={1: fake.key(78)}
)
OUTSIDE = dataclasses.replace(CONSUMERS[2], validators={2: (fake.key(2), 200)}, assigned={1: CONSUMER_KEY})


@pytest.mark.parametrize(
    ("consumer_id", "consumer", "address", "is_of_set", "asks"),
    [
        (
            1,
            CONSUMERS[1],
            ADDRESS,
            False,
            False,
        ),  # before the launch the set has the key that is assigned now
        (2, LAUNCHED_WITH_OWN_KEY, ADDRESS, True, False),
        (2, CONSUMERS[2], None, False, True),  # with the provider key in it, the set does not say
        (2, OUTSIDE, ADDRESS, False, True),
        (10, CONSUMERS[10], ADDRESS, False, True),
    ],
)
async def test_key_in_the_set_saves_a_query(
    consumer_id: int, consumer: fake.Consumer, address: bytes | None, is_of_set: bool, asks: bool
) -> None:
    state = dataclasses.replace(STATE, consumers={**CONSUMERS, consumer_id: consumer})
    gateway_ = fake.Gateway({7: state})
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        found = await provider.snapshot(ME, lambda summary, must: False)
        summary = next(c.summary for c in found.consumers if c.summary.consumer_id == str(consumer_id))
        gateway_.asked.clear()
        details, problems = await provider.details([summary], takes_key_of_set=True)
        is_asked = any("validator_consumer_addr" in path for path, _ in gateway_.asked)
        whole, _ = await provider.details([summary])

    detail = details[str(consumer_id)]
    assert problems == {}
    assert (detail.own_consumer_address, detail.is_key_of_set, is_asked) == (address, is_of_set, asks)
    if not is_of_set:
        assert detail == whole[str(consumer_id)]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, '{"code":3,"message":"odd"}', "http://a: {path} at height 7: HTTP 400, odd"),
        (500, '{"code":13,"message":"odd"}', "http://a: {path} at height 7: HTTP 500, odd"),
        (
            200,
            '{"validators":7}',
            "answer to {path} at height 7: field validators is 7, not a list: "
            "the endpoint is broken or runs an unsupported version",
        ),
    ],
)
async def test_unreadable_chain_becomes_a_problem_and_others_are_read(
    status: int, body: str, says: str
) -> None:
    path = f"{fake.CCV}consumer_validators/2"
    async with ask(fake.Network(a=gate(broken={path: (status, body)}))) as provider:
        await provider.open()
        found = await provider.snapshot(ME, everything)

    consumers = list(SNAPSHOT.consumers)
    consumers[2] = model.Consumer(SUMMARIES[2])
    assert found == dataclasses.replace(
        SNAPSHOT, consumers=tuple(consumers), problems={"2": says.format(path=path)}
    )


@pytest.mark.parametrize(
    "answer",
    [
        (501, '{"code":12,"message":"Not Implemented"}'),
        (500, '{"code":2,"message":"odd"}'),
        (200, '{"value":null}'),
        (200, '{"value":"AQAA"}'),
    ],
)
async def test_stopped_chain_with_unreadable_stop_time_is_reported_without_it(
    answer: tuple[int, str],
) -> None:
    async with ask(fake.Network(a=gate(broken={"abci_query": answer}))) as provider:
        await provider.open()
        found = await provider.snapshot(ME, everything)

    last = model.Consumer(SUMMARIES[10], dataclasses.replace(DETAIL, own_consumer_address=ADDRESS))
    assert found == dataclasses.replace(SNAPSHOT, consumers=(*SNAPSHOT.consumers[:3], last))


async def test_endpoint_failure_fails_snapshot_instead_of_one_chain() -> None:
    async with ask(fake.Network(a=gate(broken={"consumer_validators/2": (503, "")}))) as provider:
        await provider.open()
        with pytest.raises(errors.Transient, match=r"consumer_validators/2 at height 7: HTTP 503"):
            await provider.snapshot(ME, everything)


async def test_snapshot_fails_if_endpoint_goes_down() -> None:
    gateway_ = gate()
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        gateway_.is_down = True
        with pytest.raises(errors.Transient, match=r"^http://a: unreachable"):
            await provider.snapshot(ME, everything)


async def test_snapshot_fails_if_load_balanced_endpoint_is_behind() -> None:
    gateway_ = gate()
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        gateway_.states = {6: STATE}
        with pytest.raises(errors.Transient, match=r"height in the future.*: the endpoint is behind"):
            await provider.snapshot(ME, everything)


async def test_snapshot_of_unknown_own_validator_is_refused() -> None:
    async with ask(fake.Network(a=gate())) as provider:
        await provider.open()
        with pytest.raises(errors.SettingsError) as caught:
            await provider.snapshot(fake.valoper(9), everything)

    assert str(caught.value) == (
        f"ics:operator_address: validator {fake.valoper(9)} not found on provider-1 (height 7); "
        "check the address, or create the validator first"
    )


async def test_endless_pagination_is_refused() -> None:
    body = '{"validators":[],"pagination":{"next_key":"AA=="}}'
    async with ask(fake.Network(a=gate(broken={"staking": (200, body)}))) as provider:
        await provider.open()
        with pytest.raises(errors.Permanent, match=r"pagination.next_key is 'AA=='"):
            await provider.snapshot(ME, everything)


async def test_concurrent_requests_are_limited() -> None:
    network = fake.Network(a=gate())
    async with ask(network, in_flight=3) as provider:
        await provider.open()
        await provider.snapshot(ME, everything)

    assert network.most_in_flight == 3


# -- launch ----------------------------------------------------------------------------------------

CCV_STATE = {
    "params": {"consumer_id": "2"},
    "provider": {"client_state": {"latest_height": {"revision_number": "1", "revision_height": "5"}}},
}
LAUNCHED = fake.State(STATE.time, VALIDATORS, {2: dataclasses.replace(CONSUMERS[2], genesis=CCV_STATE)})
AT_LAUNCH = fake.State(
    "2026-11-22T11:59:58Z",
    (
        fake.Validator(2, 9, "then b"),
        fake.Validator(3, 8, "then c"),
        fake.Validator(1, 7, "then a"),
        fake.Validator(4, 6, "then d", status="BOND_STATUS_UNBONDED"),
    ),
)
BONDED = [(fake.valoper(1), "then a"), (fake.valoper(2), "then b"), (fake.valoper(3), "then c")]
LAUNCH = model.Launch(CCV_STATE, tuple(details for _, details in sorted(BONDED)))


async def test_launch_reads_validators_at_launch_height() -> None:
    gateway_ = gate(states={5: AT_LAUNCH, 7: LAUNCHED})
    async with ask(fake.Network(a=gateway_), page_size=2) as provider:
        await provider.open()
        gateway_.asked.clear()
        found = await provider.launch("2")

    assert found == LAUNCH
    staking = "/cosmos/staking/v1beta1/validators"
    assert gateway_.asked == [(f"{fake.CCV}consumer_genesis/2", None), (staking, 5), (staking, 5)]


async def test_launch_without_details_needs_no_archive_state() -> None:
    gateway_ = pruned()
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        gateway_.asked.clear()
        found = await provider.launch("2", with_details=False)

    assert found == model.Launch(CCV_STATE, ())
    assert gateway_.asked == [(f"{fake.CCV}consumer_genesis/2", None)]


async def test_launch_waits_until_genesis_exists() -> None:
    gateway_ = gate(states={5: AT_LAUNCH, 7: STATE})
    slept, sleep = sleeper(
        lambda: gateway_.states.update({7 + len(slept): LAUNCHED if len(slept) == 3 else STATE})
    )
    async with ask(fake.Network(a=gateway_), sleep=sleep) as provider:
        await provider.open()
        found = await provider.launch("2")

    assert (found, slept) == (LAUNCH, [2.0, 2.0, 2.0])


async def test_launch_without_genesis_fails_as_transient() -> None:
    slept, sleep = sleeper()
    async with ask(fake.Network(a=gate()), sleep=sleep) as provider:
        await provider.open()
        with pytest.raises(errors.Transient) as caught:
            await provider.launch("2")

    assert type(caught.value) is errors.Transient
    assert str(caught.value) == (
        "consumer 2 has no genesis yet: http://a: /interchain_security/ccv/provider/consumer_genesis/2: "
        "HTTP 404, 2: no consumer chain with this consumer id"
    )
    assert slept == [2.0, 2.0, 2.0, 2.0]


def pruned(**changes: Any) -> fake.Gateway:
    return gate(states={5: AT_LAUNCH, 7: LAUNCHED}, earliest=6, **changes)


def archive(**changes: Any) -> fake.Gateway:
    # An archive may lag: what it is asked for is old.
    return gate(states={5: AT_LAUNCH}, **changes)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"a": pruned(), "b": gate(states={5: AT_LAUNCH, 7: LAUNCHED})}, LAUNCH),
        ({"a": pruned(), "b": pruned(), "old": archive()}, LAUNCH),
        ({"a": pruned(), "b": pruned(), "old": pruned()}, model.Launch(CCV_STATE, None)),
        ({"a": pruned()}, model.Launch(CCV_STATE, None)),
    ],
)
async def test_launch_at_pruned_height_uses_archive_or_omits_details(
    network: dict[str, fake.Gateway], expected: model.Launch
) -> None:
    hosts = [host for host in network if host != "old"]
    async with ask(fake.Network(**network), *hosts, archive=tuple(set(network) & {"old"})) as provider:
        await provider.open()
        found = await provider.launch("2")

    assert found == expected


@pytest.mark.parametrize(
    ("old", "kind", "says"),
    [
        (
            archive(is_down=True),
            errors.Transient,
            "state after block 5 is not available: http://old: unreachable",
        ),
        (
            gate(states={4: AT_LAUNCH}),
            errors.Transient,
            "state after block 5 is not available: http://old: .*is behind",
        ),
        (
            archive(chain_id="other-1"),
            errors.SettingsError,
            "^ics:provider.archive_rest: http://old belongs to",
        ),
    ],
)
async def test_launch_fails_if_archive_cannot_answer(
    old: fake.Gateway, kind: type[errors.IcsError], says: str
) -> None:
    async with ask(fake.Network(a=pruned(), old=old), "a", archive=("old",)) as provider:
        await provider.open()
        with pytest.raises(kind, match=says):
            await provider.launch("2")


async def test_launch_of_changeover_chain_is_refused() -> None:
    state = dataclasses.replace(
        LAUNCHED,
        consumers={2: dataclasses.replace(CONSUMERS[2], genesis={"provider": {"client_state": None}})},
    )
    async with ask(fake.Network(a=gate(states={7: state}))) as provider:
        await provider.open()
        with pytest.raises(errors.Permanent, match=r"whether it is a changeover"):
            await provider.launch("2")


def rpc(*answers: httpx.Response | Exception) -> queries.Queries:
    """Queries over RPC addresses that answer so, in this order."""
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/status"
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    provider = settings.ProviderSettings.model_validate(
        dict(
            chain_id=fake.CHAIN_ID,
            rest=("http://unused",),
            rpc=tuple(f"http://rpc{number}" for number in range(len(answers))),
            grpc=("http://unused",),
        )
    )
    return queries.Queries(provider, lambda: NOW, transport=httpx.MockTransport(answer))


def rpc_status(chain_id: str = fake.CHAIN_ID, seconds_ago: int = 1) -> httpx.Response:
    time = (NOW - datetime.timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    sync = {"latest_block_height": "7", "latest_block_time": time}
    return httpx.Response(200, json={"result": {"node_info": {"network": chain_id}, "sync_info": sync}})


async def test_rpc_check_passes_with_one_usable_address() -> None:
    async with rpc(httpx.ConnectError("refused"), rpc_status("other-1"), rpc_status()) as asked:
        await asked.check_rpc()
        told = asked.conditions()
    assert [(one.severity, one.reason) for one in told] == [
        (Severity.WARNING, "EndpointTrouble"),
        (Severity.CRITICAL, "EndpointOfOtherChain"),
    ]


async def test_rpc_check_refuses_addresses_of_another_chain() -> None:
    async with rpc(rpc_status("other-1")) as asked:
        with pytest.raises(
            errors.SettingsError, match=r"^ics:provider.rpc: http://rpc0 belongs to chain 'other-1'"
        ):
            await asked.check_rpc()


@pytest.mark.parametrize(
    ("answers", "each", "more"),
    [
        ([httpx.ConnectError("refused")], "http://rpc0: unreachable: refused", []),
        (
            [rpc_status(seconds_ago=61), httpx.ConnectError("refused")],
            "http://rpc0: its newest block is older than ics:provider.max_lag; http://rpc1: unreachable: refused",
            [],
        ),
        (
            [rpc_status("other-1"), httpx.ConnectError("refused")],
            "http://rpc1: unreachable: refused",
            ["EndpointOfOtherChain"],
        ),
    ],
)
async def test_rpc_check_without_usable_address_adds_critical_condition(
    answers: list[httpx.Response | Exception], each: str, more: list[str]
) -> None:
    async with rpc(*answers) as asked:
        await asked.check_rpc()
        unusable, *others = asked.conditions()
    assert unusable == Condition(
        Severity.CRITICAL,
        Reason.RPC_UNUSABLE,
        f"ics:provider.rpc: no endpoint is usable ({each}); fix one: passes still run periodically, but Hermes and"
        " events need it",
    )
    assert [one.reason for one in others] == more


async def test_silent_rpc_address_gets_short_timeout_next_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endpoints, "GRACE", 0.01)
    hangs = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if told:
            await hangs.wait()
        raise httpx.ConnectError("refused")

    told: list[Condition] = []
    provider = settings.ProviderSettings.model_validate(
        dict(chain_id=fake.CHAIN_ID, rest=("http://x",), rpc=("http://rpc0",), grpc=("http://x",))
    )
    async with queries.Queries(provider, lambda: NOW, transport=httpx.MockTransport(answer)) as asked:
        await asked.check_rpc()
        told += asked.conditions()
        await asked.check_rpc()  # would never end
        told += asked.conditions()
        hangs.set()
        await asyncio.wait(asked.endpoints._probes.values())  # while no pass looks
        await asked.check_rpc()
    assert [one.reason for one in told] == ["RpcUnusable", "RpcUnusable"]
    gc.collect()
    assert caplog.records == []


async def test_rpc_head_of_one_address_reports_its_error() -> None:
    async with rpc(httpx.ConnectError("refused")) as asked:
        with pytest.raises(errors.Transient, match=r"^http://rpc0: unreachable: refused"):
            await asked.endpoints.rpc_head(Endpoint(url="http://rpc0"))


QUEUED = base64.b64decode(recorded.body("queued_terms")["value"])
STORE = "/cosmos/base/tendermint/v1beta1/abci_query"
SLASHING = "/cosmos/slashing/v1beta1/params"


async def test_terms_are_read_at_the_height_of_the_pass() -> None:
    changed = dataclasses.replace(CONSUMERS[2], queued=QUEUED)
    gateway_ = gate(states={7: dataclasses.replace(STATE, consumers={**CONSUMERS, 2: changed})})
    async with ask(fake.Network(a=gateway_)) as provider:
        await provider.open()
        gateway_.states[8] = LATER
        gateway_.asked.clear()
        found = (
            await provider.slashing_params(),
            await provider.queued_terms("2"),
            await provider.queued_terms("1"),
        )

    assert found == (
        factories.SLASHING,
        dataclasses.replace(
            factories.MILD,
            downtime=model.Penalty(
                slash_fraction=Decimal("0.123456789012345678"), jail_duration=1_500_000_000, tombstone=False
            ),
        ),
        model.InfractionParameters(),
    )
    assert gateway_.asked == [(SLASHING, 7), (STORE, 7), (STORE, 7)]


@pytest.mark.parametrize(
    ("part", "answer", "expected"),
    [
        (
            "abci_query",
            (501, '{"code":12,"message":"Not Implemented"}'),
            errors.Permanent(f"http://a: {STORE}: HTTP 501, Not Implemented"),
        ),
        (
            "abci_query",
            (502, "<html>"),
            errors.Transient(f"http://a: {STORE}: HTTP 502: the endpoint is failing or overloaded"),
        ),
        (
            "slashing",
            (200, '{"params":{}}'),
            errors.Permanent(
                f"answer to {SLASHING}: field params is {{}}, not an object with 'slash_fraction_double_sign':"
                " the endpoint is broken or runs an unsupported version"
            ),
        ),
    ],
)
async def test_unreadable_terms_are_errors_that_stay_the_same_at_every_height(
    part: str, answer: tuple[int, str], expected: errors.IcsError
) -> None:
    async with ask(fake.Network(a=gate(broken={part: answer}))) as provider:
        await provider.open()
        with pytest.raises(errors.IcsError) as caught:
            await (provider.slashing_params() if part == "slashing" else provider.queued_terms("2"))

    assert (type(caught.value), str(caught.value)) == (type(expected), str(expected))
