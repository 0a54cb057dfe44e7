"""What one endpoint alone says about this validator, a genesis or the price of gas does not count."""

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from ics import errors, model
from ics.provider.rest import endpoints, queries
from tests.unit.provider import fake
from tests.unit.provider.rest import test_dissent, test_endpoints, test_gas_price, test_queries

HONEST = test_queries.gate
OTHERS = test_queries.VALIDATORS[1:]
JAILED = dataclasses.replace(test_queries.VALIDATORS[0], jailed=True)


def with_validators(*validators: fake.Validator) -> fake.Gateway:
    return HONEST(states={7: dataclasses.replace(test_queries.STATE, validators=validators)})


async def snapshot(*hosts: str, **gateways: fake.Gateway) -> tuple[model.Snapshot, queries.Queries]:
    async with test_queries.ask(fake.Network(**gateways), *hosts) as provider:
        await provider.open()
        return await provider.snapshot(test_queries.ME, test_queries.everything), provider


@pytest.mark.parametrize("liar", [with_validators(*OTHERS), with_validators(JAILED, *OTHERS)])
@pytest.mark.parametrize("hosts", [("liar", "a", "b"), ("a", "liar", "b"), ("a", "b", "liar")])
async def test_liar_about_this_validator_is_outvoted(liar: fake.Gateway, hosts: tuple[str, ...]) -> None:
    found, provider = await snapshot(*hosts, liar=liar, a=HONEST(), b=HONEST())
    [own] = [one for one in found.validators if one.operator_address == test_queries.ME]
    assert not own.is_jailed
    assert provider.endpoints.picked.url != "http://liar"
    if hosts[0] == "liar":
        [condition] = provider.conditions()
        assert "it says something else about this validator than the other endpoints" in condition.message


async def test_endpoint_without_this_validator_ends_no_pass() -> None:
    found, provider = await snapshot("liar", "a", liar=with_validators(*OTHERS), a=HONEST())
    assert provider.endpoints.picked.url == "http://a"
    assert len(found.validators) == 3
    with pytest.raises(errors.SettingsError, match="not found on provider-1"):
        await snapshot("a", "b", a=with_validators(*OTHERS), b=with_validators(*OTHERS))


@pytest.mark.parametrize("lie", [{"opted_in": (2,)}, {"assigned": {1: fake.key(99)}}])
async def test_state_of_one_endpoint_against_most_calls_for_no_transaction(lie: dict[str, Any]) -> None:
    saying = test_dissent.saying

    async def outvoted(*gateways: fake.Gateway) -> bool:
        names = dict(zip("abcd", gateways, strict=False))
        async with test_queries.ask(fake.Network(**names)) as provider:
            await provider.open()
            seen = await provider.snapshot(test_queries.ME, test_queries.everything)
            return await provider.is_outvoted("2", seen)

    assert await outvoted(saying(**lie), saying(), saying())
    assert not await outvoted(saying(), saying(**lie), saying())
    assert not await outvoted(saying(**lie), saying())  # the order of the settings decides
    assert not await outvoted(saying(**lie))


async def test_node_is_ended_by_no_liar_that_discredits_the_honest_endpoint() -> None:
    """It claims a lower, and yet newer, block, so that the honest one's seems to be invented."""
    newer = dataclasses.replace(test_dissent.saying(phase="DELETED").states[7], time="2026-11-22T12:00:20Z")
    liar = fake.Gateway({6: newer})
    async with test_queries.ask(fake.Network(liar=liar, honest=test_dissent.saying())) as provider:
        await provider.open()
        assert provider.endpoints.picked.url == "http://liar"
        assert provider.endpoints.others == ()
        seen = await provider.snapshot(test_queries.ME, test_queries.everything)
        assert await provider.dissent("2", seen) == ("http://honest",)


async def test_node_is_ended_by_no_liar_that_is_faster_than_the_honest_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "GRACE", 0.0)
    network = fake.Network(liar=test_dissent.saying(phase="DELETED"), slow=test_dissent.saying())
    async with test_queries.ask(network) as provider:
        provider.endpoints._problems["ics:provider.rest", provider._provider.rest[1]] = errors.Transient(
            "slow"
        )
        await provider.open()
        seen = await provider.snapshot(test_queries.ME, test_queries.everything)
        assert await provider.dissent("2", seen) == ("http://slow",)


def with_genesis(**changes: Any) -> fake.Gateway:
    genesis = {**test_queries.CCV_STATE, **changes}
    consumer = dataclasses.replace(test_queries.CONSUMERS[2], genesis=genesis)
    launched = fake.State(test_queries.STATE.time, test_queries.VALIDATORS, {2: consumer})
    return HONEST(states={5: test_queries.AT_LAUNCH, 7: launched})


@pytest.mark.parametrize("hosts", [("liar", "a", "b"), ("a", "liar", "b"), ("a", "b", "liar")])
async def test_genesis_that_one_endpoint_invents_is_not_used(hosts: tuple[str, ...]) -> None:
    liar = with_genesis(initial_val_set=[{"power": "1000"}])
    async with test_queries.ask(
        fake.Network(liar=liar, a=with_genesis(), b=with_genesis()), *hosts
    ) as provider:
        await provider.open()
        assert await provider.launch("2") == test_queries.LAUNCH
        assert "has another genesis of consumer 2" in str(provider.conditions())


@pytest.mark.parametrize("hosts", [("liar", "a"), ("a", "liar")])
async def test_node_waits_while_two_endpoints_have_different_geneses(hosts: tuple[str, ...]) -> None:
    network = fake.Network(liar=with_genesis(preCCV=True), a=with_genesis())
    async with test_queries.ask(network, *hosts) as provider:
        await provider.open()
        with pytest.raises(errors.Transient, match=r"its genesis is not the same at all endpoints"):
            await provider.launch("2")


async def test_endpoint_that_has_no_genesis_yet_does_not_count() -> None:
    network = fake.Network(a=with_genesis(), late=test_endpoints.heights(6))
    async with test_queries.ask(network) as provider:
        await provider.open()
        assert await provider.launch("2") == test_queries.LAUNCH


MARKET, market = test_gas_price.MARKET, test_gas_price.market


@pytest.mark.parametrize(
    "liar",
    [
        {MARKET: market(uatom="1.0")},
        {MARKET: market(stake="0.0")},
        {MARKET: market(stake="1000.0")},
        {MARKET: (200, json.dumps({"prices": []}))},
        {MARKET: (200, json.dumps({"prices": [{"denom": "stake", "amount": "-1"}]}))},
        {MARKET: (501, '{"code":12,"message":"Not Implemented","details":[]}')},
        {MARKET: (200, "<html>")},
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_price_of_one_endpoint_against_two_does_not_count(
    liar: dict[str, tuple[int, str]], place: int
) -> None:
    answers = [{MARKET: market(stake="0.005")}, {MARKET: market(stake="0.006")}]
    answers.insert(place, liar)
    found = await test_gas_price.asked(*answers)
    assert found.is_market
    assert Decimal("0.005") <= found.amount <= Decimal("0.006")


async def test_endpoint_that_takes_another_denomination_stops_no_transaction() -> None:
    other, honest = {MARKET: market(uatom="1.0")}, {MARKET: market(stake="0.005")}
    assert (await test_gas_price.asked(other, honest)).amount == Decimal("0.005")
    with pytest.raises(errors.SettingsError, match="fees are taken in uatom, not in 'stake'"):
        await test_gas_price.asked(other, other)


REFUSALS = {
    "no such object": (404, '{"code":5,"message":"not found","details":[]}'),
    "not served": (501, '{"code":12,"message":"Not Implemented","details":[]}'),
    "bad request": (400, '{"code":3,"message":"cannot","details":[]}'),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("path", ["consumer_genesis/2", "consumer_chain/2", "staking/v1beta1/validators"])
async def test_refusal_of_one_endpoint_against_two_does_not_count(
    path: str, refusal: tuple[int, str]
) -> None:
    liar = with_genesis()
    liar.broken = {path: refusal}
    network = fake.Network(liar=liar, a=with_genesis(), b=with_genesis())
    async with test_queries.ask(network) as provider:
        await provider.open()
        seen = await provider.snapshot(test_queries.ME, test_queries.everything)
        assert (seen.problems, [one.detail is None for one in seen.consumers]) == ({}, [False])
        assert await provider.launch("2") == test_queries.LAUNCH


async def test_genesis_that_one_endpoint_invents_before_the_launch_is_not_used() -> None:
    network = fake.Network(a=test_endpoints.heights(7), b=test_endpoints.heights(7), liar=with_genesis())
    _, sleep = test_queries.sleeper()
    for hosts in (("a", "b", "liar"), ("liar", "a", "b"), ("a", "liar")):
        async with test_queries.ask(network, *hosts, sleep=sleep) as provider:
            await provider.open()
            with pytest.raises(errors.Transient, match="consumer 2 has no genesis yet"):
                await provider.launch("2")


@pytest.mark.parametrize("hosts", [("liar", "a", "b"), ("a", "liar", "b")])
async def test_descriptions_that_one_endpoint_invents_are_no_part_of_a_genesis(
    hosts: tuple[str, ...],
) -> None:
    liar = with_genesis()
    invented = tuple(dataclasses.replace(one, details="x") for one in test_queries.AT_LAUNCH.validators)
    liar.states[5] = dataclasses.replace(test_queries.AT_LAUNCH, validators=invented)
    async with test_queries.ask(
        fake.Network(liar=liar, a=with_genesis(), b=with_genesis()), *hosts
    ) as provider:
        await provider.open()
        assert await provider.launch("2") == test_queries.LAUNCH
