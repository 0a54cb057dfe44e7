"""One odd chain never breaks a list, and a list without an end is not read to its end."""

import asyncio
import contextlib
import dataclasses
import json
import types
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ics import errors, model, web
from ics.cli import __main__ as main
from ics.cluster.nodes import observe
from ics.consumer import desired, observed
from ics.cosmos import answers
from ics.provider.owner import queries as owner_queries
from ics.provider.rest import decode, queries
from ics.reconciler import observe as observe_pass
from ics.reconciler import wiring
from ics.relayer import queries as relayer_queries
from tests.unit import factories
from tests.unit.provider import fake, recorded
from tests.unit.provider.rest import test_queries
from tests.unit.reconciler import test_observe_keys

ENTRY = recorded.body("consumer_chains")["chains"][0]


@pytest.mark.parametrize(
    ("change", "phase", "problem"),
    [
        ({"phase": "CONSUMER_PHASE_PAUSED"}, model.Phase.UNKNOWN, "field chains[1].phase"),
        ({"phase": "CONSUMER_PHASE_UNKNOWN"}, model.Phase.UNKNOWN, "field chains[1].phase"),
        ({"phase": None}, model.Phase.UNKNOWN, "field chains[1].phase"),
        ({"chain_id": None}, model.Phase.LAUNCHED, "field chains[1].chain_id"),
        ({"top_N": -1}, model.Phase.LAUNCHED, "field chains[1].top_N"),
        ({"client_id": 7}, model.Phase.LAUNCHED, "field chains[1].client_id"),
        ({"metadata": None}, model.Phase.LAUNCHED, ""),
        ({"metadata": {"name": None}}, model.Phase.LAUNCHED, ""),
        ({"metadata": []}, model.Phase.LAUNCHED, ""),
    ],
)
def test_odd_entry_of_the_list_is_marked(change: dict[str, Any], phase: model.Phase, problem: str) -> None:
    good = {**ENTRY, "consumer_id": "3", "phase": "CONSUMER_PHASE_LAUNCHED"}
    chains = [good, {**good, "consumer_id": "4", **change}, {**good, "consumer_id": "5"}]

    found = decode.consumer_chains(answers.Field("chains", {"chains": chains}))

    assert [one.consumer_id for one in found] == ["3", "4", "5"]
    assert (found[0].problem, found[2].problem) == ("", "")
    assert (found[1].phase, found[1].problem.startswith(problem), bool(found[1].problem)) == (
        phase,
        True,
        bool(problem),
    )


def test_odd_chain_is_held_and_others_go_on() -> None:
    odd = factories.consumer(consumer_id="7", chain_id="consumer7-1")
    summary = dataclasses.replace(odd.summary, phase=model.Phase.UNKNOWN, problem="field phase is odd")

    wanted = factories.judge(
        factories.snapshot(model.Consumer(summary), factories.consumer()), memory=factories.staged()
    )

    by_id = {one.summary.consumer_id: one for one in wanted.decisions}
    assert (by_id["7"].is_paused, factories.reasons(by_id["7"])) == (True, ["ChainUnreadable"])
    assert [type(intent) for intent in wanted.intents] == [model.OptIn]


ZERO = {
    "initial_height": {"revision_number": "0", "revision_height": "0"},
    "genesis_hash": None,
    "binary_hash": None,
    "spawn_time": fake.ZERO_TIME,
    "unbonding_period": "0s",
    "ccv_timeout_period": "0s",
    "transfer_timeout_period": "0s",
    "consumer_redistribution_fraction": "",
    "blocks_per_distribution_transmission": "0",
    "historical_entries": "0",
    "distribution_transmission_channel": "",
    "connection_id": "",
}


class OddNetwork(fake.Network):
    """Chain 0 was created before the provider checked parameters, and the provider refuses to answer about chain 2."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path.endswith("/consumer_chain/2"):
            body = {"code": 3, "message": "cannot retrieve metadata: \x1b[2J", "details": []}
            return httpx.Response(400, text=json.dumps(body))
        if request.url.path.endswith("/consumer_chain/0"):
            return httpx.Response(200, text=json.dumps({**json.loads(answer.content), "init_params": ZERO}))
        return answer


def owner(network: fake.Network) -> owner_queries.OwnerQueries:
    provider = test_queries.ask(network)._provider
    return owner_queries.OwnerQueries(provider, lambda: test_queries.NOW, transport=network)


async def test_list_of_an_owner_with_odd_chains() -> None:
    async with owner(OddNetwork(good=test_queries.gate())) as provider:
        await provider.open()
        owners = await provider.owners(["0", "1", "2", "10"])

    assert owners == {"0": fake.OWNER, "1": fake.OWNER, "2": "", "10": fake.OWNER}


async def test_chain_with_parameters_of_zero_is_shown_as_it_is() -> None:
    async with owner(OddNetwork(good=test_queries.gate())) as provider:
        await provider.open()
        found = await provider.find("0")

    shown = found.terms.as_dict()["initialization_parameters"]
    assert (shown["initial_height"], shown["unbonding_period"], shown["historical_entries"]) == (0, "0s", 0)
    assert shown["consumer_redistribution_fraction"] == ""


class ZeroNetwork(fake.Network):
    """All chains were created before the provider checked parameters, so all of theirs are zero."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "/address_pairs/" in request.url.path:
            return httpx.Response(200, json={"pair_val_con_addr": []})
        if "/consumer_genesis/" in request.url.path:
            return httpx.Response(200, json={"genesis_state": test_queries.CCV_STATE})
        answer = await super().handle_async_request(request)
        if "/consumer_chain/" not in request.url.path:
            return answer
        return httpx.Response(200, text=json.dumps({**json.loads(answer.content), "init_params": ZERO}))


class Account:
    """The owner's account; every order is carried out."""

    party = types.SimpleNamespace(principal=fake.OWNER, signer=fake.OWNER, is_grantee=False)

    def __init__(self) -> None:
        self.orders: list[str] = []

    async def order(self, transaction: object) -> Any:
        self.orders.append(type(transaction).__name__)
        return types.SimpleNamespace(hash="AB", height=8, consumer_id="", is_earlier=False)

    async def finish(self, transaction: object) -> None:
        return None


@pytest.mark.parametrize(
    ("words", "shown", "orders"),
    [
        (("list", "--owner", fake.OWNER), "4 chains", []),
        (("show", "0"), "unbonding_period", []),
        (("show", "2"), "runs-1", []),
        (("update", "2", "--description", "new"), "updated", ["UpdateConsumer"]),
        (("remove", "2", "--confirm", "runs-1"), "stopped", ["RemoveConsumer"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_commands_of_an_owner_work_on_a_chain_with_parameters_of_zero(
    words: tuple[str, ...],
    shown: str,
    orders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = Account()

    @contextlib.asynccontextmanager
    async def open_chain(*arguments: object, **options: object) -> AsyncIterator[Any]:
        async def as_owner(*, sends: bool = True) -> Account:
            return account

        async with owner(ZeroNetwork(good=test_queries.gate())) as provider:
            await provider.open()
            yield types.SimpleNamespace(provider=provider, as_owner=as_owner)

    monkeypatch.setattr(wiring, "open_chain", open_chain)

    code = main.main(["consumer", *words, "--stack", "alice", "--project", "."])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert shown in printed.out
    assert account.orders == orders


class EndlessNetwork(fake.Network):
    """A list whose pages always name a next one."""

    pages = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not request.url.path.endswith("/consumer_chains/0"):
            return answer
        self.pages += 1
        page = {**json.loads(answer.content), "pagination": {"next_key": f"page {self.pages}", "total": "0"}}
        return httpx.Response(200, text=json.dumps(page))


async def test_endless_list_of_chains_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_MOST_PAGES", 5)
    monkeypatch.setattr(
        fake, "_page", lambda request, name, items: {name: items[:1], "pagination": {"next_key": None}}
    )
    network = EndlessNetwork(good=test_queries.gate())

    async with owner(network) as provider:
        await provider.open()
        with pytest.raises(errors.Permanent, match="does not end after 5 pages"):
            await provider.chains()

    assert network.pages == 5


@pytest.mark.parametrize("ends_by", ["pages", "time"])
async def test_endless_list_of_one_endpoint_is_replaced_by_that_of_the_next(
    monkeypatch: pytest.MonkeyPatch, ends_by: str
) -> None:
    class OneLiar(EndlessNetwork):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.host != "liar":
                return await fake.Network.handle_async_request(self, request)
            if ends_by == "time":
                await asyncio.sleep(0.01)
            return await super().handle_async_request(request)

    monkeypatch.setattr(queries, "_MOST_PAGES", 5 if ends_by == "pages" else 10**9)
    monkeypatch.setattr(queries, "_LIST_SECONDS", 300.0 if ends_by == "pages" else 0.5)
    page = fake._page
    monkeypatch.setattr(fake, "_page", lambda request, *list_: page(_first_page(request), *list_))
    network = OneLiar(liar=test_queries.gate(), good=test_queries.gate())

    async with test_queries.ask(network, "liar", "good") as provider:
        await provider.open()
        snapshot = await provider.snapshot(test_queries.ME, test_queries.everything)

    assert {one.summary.consumer_id for one in snapshot.consumers} == {"0", "1", "2", "10"}
    assert [str(one.message).partition(" (")[0] for one in provider.conditions()] == [
        "ics:provider.rest: http://liar is not used"
    ]


def _first_page(request: httpx.Request) -> httpx.Request:
    """Return a request for the first page: the liar's own keys lead nowhere."""
    return httpx.Request("GET", request.url.copy_remove_param("pagination.key"))


async def test_pages_of_huge_chains_are_asked_for_in_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers fill chains with whatever the provider admits; no endpoint is blamed, and all chains are read."""
    huge = {at: fake.Consumer(f"x{at}-1", "REGISTERED") for at in range(100, 140)}
    gate = test_queries.gate()
    gate.states = {
        height: dataclasses.replace(state, consumers={**state.consumers, **huge})
        for height, state in gate.states.items()
    }

    class HugeNetwork(fake.Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            if not request.url.path.endswith("/consumer_chains/0"):
                return answer
            body = json.loads(answer.content)
            content = json.dumps({**body, "chains": [{**one, "x": "x" * 100_000} for one in body["chains"]]})
            stream = httpx.ByteStream(content.encode())
            return httpx.Response(200, stream=stream)

    network = HugeNetwork(good=gate, other=gate)
    monkeypatch.setattr(web, "ANSWER", dataclasses.replace(web.ANSWER, size=2**20))
    async with test_queries.ask(network, "good", "other") as provider:
        await provider.open()
        snapshot = await provider.snapshot(test_queries.ME, lambda *_: False)

    assert {one.summary.consumer_id for one in snapshot.consumers} >= {str(at) for at in huge}
    assert provider.conditions() == ()


ODD_KEYS: list[Any] = [
    {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "A" * 44},
    {"@type": "/cosmos.crypto.bls12_381.PubKey", "key": "AAAA"},
    None,
]


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_stranger_with_another_kind_of_key_affects_nobody_else(key: Any) -> None:
    """Where the provider's consensus parameters admit other kinds, anybody can create such a validator."""

    class OddValidators(fake.Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            body = json.loads(answer.content)
            if request.url.path == "/cosmos/staking/v1beta1/validators":
                body["validators"][self.odd]["consensus_pubkey"] = key
            if request.url.path.endswith("/consumer_validators/2"):
                body["validators"][1]["consumer_key"] = {"secp256k1": "A" * 44}
            return httpx.Response(answer.status_code, text=json.dumps(body))

        odd = 1

    network = OddValidators(good=test_queries.gate())
    async with test_queries.ask(network) as provider:
        await provider.open()
        snapshot = await provider.snapshot(test_queries.ME, test_queries.everything)
        network.odd = 0
        with pytest.raises(answers.MalformedAnswer, match=r"validators\[0\]\.consensus_pubkey"):
            await provider.snapshot(test_queries.ME, test_queries.everything)

    assert [(one.tokens, bool(one.consensus_key)) for one in snapshot.validators] == [
        (300, True),
        (200, False),
        (100, True),
    ]
    assert snapshot.problems == {}
    [two] = [one.detail for one in snapshot.consumers if one.summary.consumer_id == "2"]
    assert two is not None
    assert [member.consumer_key for member in two.validators] == [fake.key(1), b""]


async def test_endless_lists_of_a_chains_own_node_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def ask(path: str, params: Any) -> answers.Field:
        asked.append(path)
        return answers.Field(path, {"commitments": [], "pagination": {"next_key": f"{len(asked)}"}})

    monkeypatch.setattr(relayer_queries, "_MOST_PAGES", 5)
    with pytest.raises(errors.Permanent, match="does not end after 5 pages"):
        await relayer_queries.unacknowledged(ask, "consumer", "channel-0")
    assert len(asked) == 5

    async def validators(*arguments: Any, **options: Any) -> answers.Field:
        return answers.Field("/validators", {"validators": [{}] * 100, "total": "1000000000"})

    monkeypatch.setattr(observe, "_MOST_PAGES", 5)
    monkeypatch.setattr(observe, "_ask", validators)
    with pytest.raises(errors.Permanent, match="does not end after 5 pages"):
        await observe._validators(factories.Unused(), "ns", "node-0")  # type: ignore[arg-type]


class Empty(test_observe_keys.Cluster):
    """A cluster without objects."""

    async def load(self) -> observed.Memory:
        return factories.memories()


async def test_crowd_that_awaits_its_launch_costs_no_time() -> None:
    """Strangers' chains are asked about only up to a number, those that a definition matches always."""
    asked: list[str] = []

    class Provider(test_observe_keys.Provider):
        async def snapshot(self, operator_address: str, interest: Any) -> model.Snapshot:
            read = [
                chain if interest(chain.summary, False) else model.Consumer(chain.summary)
                for chain in self.snapshot_of.consumers
            ]
            asked.extend(chain.summary.consumer_id for chain in read if chain.detail is not None)
            return factories.snapshot(*read)

    crowd = [factories.consumer(consumer_id=str(at), chain_id=f"crowd{at}-1") for at in range(1, 1000)]
    ours = factories.consumer(consumer_id="5000", chain_id="consumer5000-1")
    provider = Provider({}, snapshot_of=factories.snapshot(*crowd, ours))
    cluster = Empty(())

    _, wanted = await observe_pass.read(factories.world(cluster, provider=provider, lease=cluster))

    assert (len(asked), asked[-1]) == (desired.MOST_STRANGERS + 1, "5000")
    reasons = {one.summary.consumer_id: factories.reasons(one) for one in wanted.decisions}
    assert (reasons["1"], reasons["999"]) == (["NoDefinition"], ["NoDefinition"])
    assert [chain.consumer_id for chain in wanted.chains] == ["5000"]
