"""The provider adapters against a real provider chain: one node of interchain-security v7.0.1 on loopback."""

import asyncio
import dataclasses
import datetime
import json
import math
import pathlib
import signal
import urllib.parse
from collections.abc import Iterator
from decimal import Decimal

import pytest

from ics import errors, model
from ics.config import settings as config_settings
from ics.config.endpoint import Endpoint
from ics.cosmos import addresses, answers, gas_prices, times
from ics.keys import derivation
from ics.provider.rest import queries, queued_terms
from ics.provider.tx import grpc, ledgers, signers, transactions
from tests.network import provider_node
from tests.unit import factories

pytestmark = pytest.mark.network

CCV = "/interchain_security/ccv/provider"
NOTHING = model.InfractionParameters()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider_node.Node]:
    yield from provider_node.running(tmp_path_factory.mktemp("provider"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def in_seconds(seconds: float) -> str:
    return (now() + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def settings(node: provider_node.Node, **changes: object) -> config_settings.ProviderSettings:
    values = {"chain_id": "provider-1", "rest": (node.rest,), "rpc": (node.rpc,), "grpc": (node.grpc,)}
    return config_settings.ProviderSettings.model_validate({**values, **changes})


def account(node: provider_node.Node, name: str = "alice") -> derivation.Account:
    return derivation.parse_account(model.Secret(node.operators[name].mnemonic))


def sender(
    node: provider_node.Node,
    name: str = "alice",
    connect: ledgers.Connect = grpc.Ledger,
    **changes: object,
) -> transactions.Transactions:
    return transactions.Transactions(
        settings(node, **changes),
        party(node, name),
        account(node, name),
        now,
        provider_node.least_price,
        connect=connect,
    )


def party(node: provider_node.Node, name: str) -> signers.TxAuthority:
    own = node.operators[name].account
    return signers.TxAuthority(own, own)


async def look(node: provider_node.Node, name: str = "alice", page_size: int = 200) -> model.Snapshot:
    async with queries.Queries(settings(node), now, page_size=page_size) as provider:
        await provider.open()
        return await provider.snapshot(node.operators[name].operator_address, lambda summary, must: True)


async def used(node: provider_node.Node, consumer_id: str, *asked: derivation.ConsensusKey) -> list[bool]:
    """Whether the provider knows these keys on a chain."""
    async with queries.Queries(settings(node), now) as provider:
        await provider.open()
        texts = [addresses.encode("cosmosvalcons", key.address) for key in asked]
        return [await provider.is_key_used(consumer_id, text) for text in texts]


def chain(snapshot: model.Snapshot, consumer_id: str) -> model.Consumer:
    return next(c for c in snapshot.consumers if c.summary.consumer_id == consumer_id)


def consensus_key(number: int) -> derivation.ConsensusKey:
    return derivation.consensus_key(model.Secret(bytes([number]) * 32))


def soon(node: provider_node.Node) -> str:
    """A new consumer chain that is INITIALIZED."""
    return node.create_consumer("soon-1", in_seconds(3600))


def test_address_of_the_account_is_the_chains(node: provider_node.Node) -> None:
    assert account(node).address("cosmos") == node.operators["alice"].account


async def test_opt_in_with_its_key_in_one_transaction(node: provider_node.Node) -> None:
    consumer_id = soon(node)
    key = consensus_key(1)
    sending = sender(node)

    sent = await sending.send(model.OptIn(consumer_id, "soon-1", key.public_key))

    snapshot = await look(node)
    alice = next(v for v in snapshot.validators if v.moniker == "alice")
    detail = chain(snapshot, consumer_id).detail
    assert detail is not None
    other = consensus_key(2)
    assert await used(node, consumer_id, key, other) == [True, False]
    assert detail == dataclasses.replace(
        detail,
        opted_in=frozenset({alice.consensus_address}),
        validators=(model.ConsumerValidator(alice.consensus_address, key.public_key, 300_000),),
        own_consumer_address=key.address,
    )
    included = node.ask(f"/cosmos/tx/v1beta1/txs/{sent.hash}")
    assert int(included["tx_response"]["height"]) == sent.height
    assert len(included["tx"]["body"]["messages"]) == 1
    assert 0 < int(included["tx"]["body"]["timeout_height"]) - sent.height < 20

    with pytest.raises(errors.Permanent, match=r"consumer key is already in use by a validator"):
        await sending.send(model.OptIn(consumer_id, "soon-1", key.public_key))
    assert (await sending.send(model.OptIn(consumer_id, "soon-1", None))).height > sent.height
    await sending.send(model.AssignKey(consumer_id, "soon-1", other.public_key))
    after = chain(await look(node), consumer_id).detail
    assert after is not None
    assert after.own_consumer_address == other.address
    # Nothing was signed with the first one: the chain forgets it.
    assert await used(node, consumer_id, key, other) == [False, True]
    with pytest.raises(errors.Permanent, match=r"opting out of a consumer chain not yet launched"):
        await sending.send(model.OptOut(consumer_id, "soon-1"))


async def test_the_providers_own_key_is_refused(node: provider_node.Node) -> None:
    snapshot = await look(node)
    own = next(v.consensus_key for v in snapshot.validators if v.moniker == "alice")

    with pytest.raises(errors.Permanent, match=r"cannot re-assign default key assignment"):
        await sender(node).send(model.OptIn(soon(node), "soon-1", own))


async def test_snapshot_is_the_same_in_small_pages(node: provider_node.Node) -> None:
    for _ in range(3):
        soon(node)

    async with (
        queries.Queries(settings(node), now) as whole,
        queries.Queries(settings(node), now, page_size=1) as paged,
    ):
        operator = node.operators["alice"].operator_address
        while await whole.open() != await paged.open():
            pass
        found = await whole.snapshot(operator, lambda summary, must: True)
        assert await paged.snapshot(operator, lambda summary, must: True) == found

    assert len(found.consumers) >= 3
    assert sorted(v.moniker for v in found.validators) == ["alice", "bob", "charlie"]
    assert found.problems == {}


async def test_snapshot_stays_at_its_height(node: provider_node.Node) -> None:
    async with queries.Queries(settings(node), now) as provider:
        head = await provider.open()
        consumer_id = soon(node)
        found = await provider.snapshot(node.operators["bob"].operator_address, lambda summary, must: True)

    assert found.height == head.height
    assert consumer_id not in [c.summary.consumer_id for c in found.consumers]


async def test_another_chain(node: provider_node.Node) -> None:
    async with queries.Queries(settings(node, chain_id="provider-2"), now) as provider:
        with pytest.raises(errors.SettingsError) as rest:
            await provider.open()
    with pytest.raises(errors.SettingsError) as grpc:
        await sender(node, chain_id="provider-2").send(model.OptIn("0", "x", None))

    says = "belongs to chain 'provider-1', not 'provider-2'; correct the URL or ics:provider.chain_id"
    assert str(rest.value) == f"ics:provider.rest: {node.rest} {says}"
    assert str(grpc.value) == f"ics:provider.grpc: {node.grpc} {says}"


async def test_endpoints_that_are_down(node: provider_node.Node) -> None:
    nobody = f"http://127.0.0.1:{provider_node.free_port()}"
    async with queries.Queries(settings(node, rest=(nobody,)), now) as provider:
        with pytest.raises(errors.Transient, match=rf"^{nobody}: unreachable: "):
            await provider.open()
    with pytest.raises(errors.Transient, match=rf"^{nobody}: .*[Cc]onnect"):
        await sender(node, grpc=(nobody,)).send(model.OptIn("0", "x", None))

    async with queries.Queries(settings(node, rest=(nobody, node.rest)), now) as provider:
        assert (await provider.open()).chain_id == "provider-1"
    sent = await sender(node, grpc=(nobody, node.grpc)).send(model.OptIn(soon(node), "soon-1", None))
    assert sent.height > 0


async def test_endpoint_that_hangs(node: provider_node.Node) -> None:
    assert node.process is not None
    async with queries.Queries(settings(node), now) as provider:
        await provider.open()
        node.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(errors.Transient, match=r": timeout of /"):
                await provider.snapshot(node.operators["alice"].operator_address, lambda summary, must: True)
            with pytest.raises(errors.Transient, match=r"Deadline Exceeded"):
                await sender(node).send(model.OptIn("0", "x", None))
        finally:
            node.process.send_signal(signal.SIGCONT)
    node.until(lambda: node.height() > 0)


async def test_endpoints_that_lag(node: provider_node.Node) -> None:
    def tomorrow() -> datetime.datetime:
        return now() + datetime.timedelta(days=1)

    async with queries.Queries(settings(node), tomorrow) as provider:
        with pytest.raises(errors.Transient, match=r"s old, more than ics:provider.max_lag \(60 s\)"):
            await provider.open()
    lagging = transactions.Transactions(
        settings(node), party(node, "alice"), account(node), tomorrow, provider_node.least_price
    )
    with pytest.raises(errors.Transient, match=r"s old, more than ics:provider.max_lag \(60 s\)"):
        await lagging.send(model.OptIn("0", "x", None))


async def test_two_processes_of_one_account(node: provider_node.Node) -> None:
    """The second one finds its sequence taken, and makes its transaction anew."""
    first, second = soon(node), soon(node)

    sent = await asyncio.gather(
        sender(node, "bob").send(model.OptIn(first, "soon-1", None)),
        sender(node, "bob").send(model.OptIn(second, "soon-1", None)),
    )

    assert len({each.hash for each in sent}) == 2
    snapshot = await look(node)
    bob = next(v.consensus_address for v in snapshot.validators if v.moniker == "bob")
    for consumer_id in (first, second):
        detail = chain(snapshot, consumer_id).detail
        assert detail is not None
        assert detail.opted_in == {bob}


class LosesAnswers(grpc.Ledger):
    """A connection that breaks after the transaction has gone out."""

    def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
        super().broadcast(signed)
        raise grpc.Unanswered("connection reset")


class LosesTransactions(grpc.Ledger):
    """A connection that breaks before."""

    def broadcast(self, signed: grpc.Signed) -> grpc.TxResult:
        raise grpc.Unanswered("connection reset")


async def test_a_lost_answer(node: provider_node.Node) -> None:
    consumer_id = soon(node)

    sent = await sender(node, connect=LosesAnswers).send(model.OptIn(consumer_id, "soon-1", None))

    found = node.ask(f"/cosmos/tx/v1beta1/txs/{sent.hash}")["tx_response"]
    assert (found["code"], int(found["height"])) == (0, sent.height)


async def test_a_lost_transaction(node: provider_node.Node) -> None:
    with pytest.raises(errors.Transient, match=r"was not included in any block up to \d+ and has expired"):
        await sender(node, connect=LosesTransactions).send(model.OptIn(soon(node), "soon-1", None))


async def test_a_fee_below_the_nodes_minimum_is_raised_to_what_its_refusal_names(
    node: provider_node.Node,
) -> None:
    sent = await sender(node, gas_price="0.0001stake").send(model.OptIn(soon(node), "soon-1", None))

    found = node.ask(f"/cosmos/tx/v1beta1/txs/{sent.hash}")
    fee = found["tx"]["auth_info"]["fee"]
    assert found["tx_response"]["code"] == 0
    assert int(fee["amount"][0]["amount"]) == math.ceil(int(fee["gas_limit"]) / 1000)


async def test_a_fee_above_the_ceiling_is_not_paid(node: provider_node.Node) -> None:
    low = sender(node, gas_price="0.0001stake", max_gas_price="0.0009stake")
    with pytest.raises(
        gas_prices.TooExpensive, match=r"more than the ceiling of 0\.0009stake for a unit of gas"
    ):
        await low.send(model.OptIn(soon(node), "soon-1", None))


async def test_account_without_funds(node: provider_node.Node) -> None:
    consumer_id = node.create_consumer("soon-1", in_seconds(3600), owner="alice")
    poor = node.operators["charlie"].account
    held = next(
        int(coin["amount"])
        for coin in node.ask(f"/cosmos/bank/v1beta1/balances/{poor}")["balances"]
        if coin["denom"] == "stake"
    )
    left = 7
    node.send("charlie", "bank", "send", poor, node.operators["alice"].account, f"{held - 1000 - left}stake")

    with pytest.raises(errors.Permanent) as caught:
        await sender(node, "charlie").send(model.OptIn(consumer_id, "soon-1", None))

    assert "insufficient funds" in str(caught.value)
    assert f"; account {poor} has {left}stake and cannot pay the fee of at least " in str(caught.value)
    node.send("alice", "bank", "send", node.operators["alice"].account, poor, "1000000000stake")


def test_balance_of_the_account(node: provider_node.Node) -> None:
    operator = node.operators["bob"]
    made = grpc.Ledger(Endpoint(url=node.grpc), settings(node), party(node, "bob"), account(node, "bob"))

    found = node.ask(f"/cosmos/bank/v1beta1/balances/{operator.account}")["balances"]
    assert [{"denom": "stake", "amount": str(made.balance(operator.account))}] == found


async def test_account_that_the_chain_does_not_know(node: provider_node.Node) -> None:
    unknown = derivation.account_from_hex(model.Secret("22" * 32))
    address = unknown.address("cosmos")
    sending = transactions.Transactions(
        settings(node), signers.TxAuthority(address, address), unknown, now, provider_node.least_price
    )

    with pytest.raises(errors.Permanent, match=r"does not exist on provider-1; send it some stake for fees"):
        await sending.send(model.OptIn("0", "x", None))


async def test_launch_and_what_follows(node: provider_node.Node) -> None:
    """From INITIALIZED to DELETED: what each phase shows."""
    consumer_id = node.create_consumer("launch-1", in_seconds(8), owner="alice")
    key = consensus_key(9)
    sending = sender(node, "bob")
    await sending.send(model.OptIn(consumer_id, "launch-1", key.public_key))
    await sender(node).send(model.OptIn(consumer_id, "launch-1", None))
    async with queries.Queries(settings(node), now) as provider:
        await provider.open()
        await asyncio.to_thread(node.until, lambda: node.phase(consumer_id) == "LAUNCHED")
        launch = await provider.launch(consumer_id)

    ccv = node.ask(f"{CCV}/consumer_genesis/{consumer_id}")["genesis_state"]
    by_operator = sorted((o.operator_address, provider_node.DETAILS[o.name]) for o in node.operators.values())
    assert launch == model.Launch(ccv, tuple(details for _, details in by_operator))
    snapshot = await look(node, "bob")
    assert consumer_id in snapshot.must_validate
    launched = chain(snapshot, consumer_id)
    assert launched.summary.client_id.startswith("07-tendermint-")
    assert launched.detail is not None
    assert [(v.power, v.consumer_key) for v in launched.detail.validators if v.power == 2000] == [
        (2000, key.public_key)
    ]

    await sending.send(model.OptOut(consumer_id, "launch-1"))
    await asyncio.to_thread(node.send, "alice", "provider", "remove-consumer", consumer_id)
    for phase in ("STOPPED", "DELETED"):
        await asyncio.to_thread(node.until, lambda phase=phase: node.phase(consumer_id) == phase)
        snapshot = await look(node, "bob")
        assert (chain(snapshot, consumer_id).summary.phase, snapshot.problems) == (phase, {})
    assert chain(snapshot, consumer_id).detail == dataclasses.replace(
        launched.detail, opted_in=frozenset(), validators=(), own_consumer_address=None
    )


async def test_node_that_indexes_no_transactions(tmp_path: pathlib.Path) -> None:
    for node in provider_node.running(tmp_path, is_indexed=False):
        node.submit("charlie", "provider", "create-consumer", node.consumer_order("blind-1"))
        node.until(lambda node=node: node.phase("0") == "REGISTERED")
        with pytest.raises(errors.SettingsError, match=r"cannot look up transactions .*indexer = \"kv\""):
            await sender(node).send(model.OptIn("0", "blind-1", None))


async def test_launch_height_that_is_pruned(node: provider_node.Node, tmp_path: pathlib.Path) -> None:
    """A node with few states; the validators of then are asked of the one that has all."""
    consumer_id = node.create_consumer("launch-1", in_seconds(4), owner="alice")
    await sender(node).send(model.OptIn(consumer_id, "launch-1", None))
    node.until(lambda: node.phase(consumer_id) == "LAUNCHED")
    end = node.height() + 45
    node.until(lambda: node.height() > end)
    for pruned in provider_node.running(tmp_path, min_retain=10, peer=node):
        pruned.until(lambda pruned=pruned: pruned.height() >= end)
        found = []
        for archive in ((), (node.rest,)):
            chosen = settings(node, rest=(pruned.rest,), archive_rest=archive)
            async with queries.Queries(chosen, now) as provider:
                await provider.open()
                found.append(await provider.launch(consumer_id))

    ccv = node.ask(f"{CCV}/consumer_genesis/{consumer_id}")["genesis_state"]
    by_operator = sorted((o.operator_address, provider_node.DETAILS[o.name]) for o in node.operators.values())
    details = tuple(details for _, details in by_operator)
    assert found == [model.Launch(ccv, None), model.Launch(ccv, details)]


async def test_terms_of_a_chain_and_their_queued_change(node: provider_node.Node) -> None:
    """An owner's change takes effect at once before the launch, and an unbonding period (20 s) late after it."""

    async def terms(*consumer_ids: str) -> list[model.InfractionParameters]:
        async with queries.Queries(settings(node), now) as provider:
            await provider.open()
            return [await provider.queued_terms(consumer_id) for consumer_id in consumer_ids]

    def in_force(snapshot: model.Snapshot) -> model.InfractionParameters:
        detail = chain(snapshot, consumer_id).detail
        assert detail is not None
        assert detail.infraction_problem == ""
        return detail.infraction_parameters

    def penalty(fraction: str, duration: int, tombstone: bool = False) -> model.Penalty:
        return model.Penalty(slash_fraction=Decimal(fraction), jail_duration=duration, tombstone=tombstone)

    async with queries.Queries(settings(node), now) as provider:
        await provider.open()
        assert await provider.slashing_params() == factories.SLASHING
    quiet = soon(node)
    first = provider_node.penalty("0.000000000000000001", 90 * times.SECOND)
    consumer_id = node.create_consumer(
        "harsh-1", in_seconds(15), owner="alice", infraction_parameters={"downtime": first}
    )
    created = model.InfractionParameters(
        double_sign=factories.MILD.double_sign, downtime=penalty("0.000000000000000001", 90 * times.SECOND)
    )
    assert (in_force(await look(node)), await terms(quiet, consumer_id)) == (created, [NOTHING] * 2)
    double_sign = provider_node.penalty("0.5", times.LONGEST, tombstone=False)
    node.update_consumer(consumer_id, "alice", infraction_parameters={"double_sign": double_sign})
    changed = dataclasses.replace(created, double_sign=penalty("0.5", times.LONGEST))
    assert (in_force(await look(node)), await terms(consumer_id)) == (changed, [NOTHING])
    await sender(node).send(model.OptIn(consumer_id, "harsh-1", None))
    await asyncio.to_thread(node.until, lambda: node.phase(consumer_id) == "LAUNCHED")

    harsh = provider_node.penalty("1", 1_500_000_000, tombstone=True)
    node.update_consumer(consumer_id, "alice", infraction_parameters={"downtime": harsh})

    queued = dataclasses.replace(changed, downtime=penalty("1", 1_500_000_000, tombstone=True))
    assert await terms(quiet, consumer_id) == [NOTHING, queued]
    assert in_force(await look(node)) == changed
    downtime = f"{CCV}/consumer_chain/{consumer_id}"
    await asyncio.to_thread(
        node.until,
        lambda: node.ask(downtime)["infraction_parameters"]["downtime"]["jail_duration"] == "1.500s",
    )
    assert (in_force(await look(node)), await terms(consumer_id)) == (queued, [NOTHING])


async def test_store_of_a_height_that_is_not_there(node: provider_node.Node) -> None:
    """The node answers no value and no error code; that must not count as an empty queue."""
    consumer_id = soon(node)
    request = queued_terms.request(consumer_id, node.height() + 1000)
    status, body = node.get(f"{request.path}?{urllib.parse.urlencode(request.params)}")

    assert status == 200
    with pytest.raises(errors.Permanent, match=r"field log is 'version does not exist', not empty"):
        queued_terms.decode(answers.Field("q", json.loads(body)), request)
