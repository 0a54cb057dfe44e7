"""Credentials of endpoints reach every request, and no message, whatever fails and whatever the server repeats."""

import asyncio
import json
from collections.abc import Callable

import pytest

from ics import aio, errors, model
from ics.config import settings as config_settings
from ics.config.endpoint import Endpoint
from ics.provider import events
from ics.provider.rest import queries
from ics.provider.tx import grpc as tx_grpc
from tests.unit import factories, servers
from tests.unit.provider.rest import test_queries
from tests.unit.provider.tx import test_transactions
from tests.unit.relayer import relaying

KEY = "k3y-0123456789"
PLACES = ("{}/v1/" + KEY, "{}/?apikey=" + KEY, "{}?apikey=" + KEY, "{}/" + KEY + "/rest?b=" + KEY)


def provider(*rest: object, rpc: object = "http://127.0.0.1:9") -> config_settings.ProviderSettings:
    values = {"chain_id": "provider-1", "rest": list(rest), "rpc": [rpc], "grpc": ["http://127.0.0.1:9"]}
    return config_settings.ProviderSettings.model_validate(values)


@pytest.mark.parametrize("place", PLACES)
async def test_every_query_carries_key_and_header(place: str) -> None:
    asked: list[servers.Asked] = []

    async def respond(one: servers.Asked, writer: asyncio.StreamWriter) -> None:
        asked.append(one)
        await servers.answering(b"{}")(one, writer)

    async with servers.serving(respond) as url:
        listed = {"url": place.format(url), "headers": {"X-Api-Key": {"env": "KEY"}}}
        settings = provider(listed)
        endpoint = settings.rest[0].with_values({"X-Api-Key": model.Secret("value")})
        settings = settings.model_copy(update={"rest": (endpoint,)})
        async with queries.Queries(settings, lambda: test_queries.NOW) as asking:
            with pytest.raises(errors.IcsError) as caught:
                await asking.open()

    assert len(asked) == 2
    assert all(KEY in one.target and "/cosmos/base/" in one.target for one in asked)
    assert all(one.headers["x-api-key"] == "value" for one in asked)
    assert KEY not in str(caught.value)


def repeating(status: str, shape: Callable[[str], object]) -> servers.Respond:
    """A server that repeats what it was asked in its answer."""

    async def respond(one: servers.Asked, writer: asyncio.StreamWriter) -> None:
        shown = f"no access with {one.target} {one.headers}"
        await servers.answering(json.dumps(shape(shown)).encode(), status)(one, writer)

    return respond


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "respond",
    [
        repeating("403 Forbidden", lambda text: {"code": 7, "message": text, "details": []}),
        repeating("400 Bad Request", lambda text: {"code": 3, "message": text, "details": []}),
        repeating("500 Error", lambda text: {"code": 13, "message": text, "details": []}),
        repeating("429 Busy", lambda text: {"message": text}),
        repeating(
            "200 OK", lambda text: {"default_node_info": {"network": text}, "height": "7", "timestamp": text}
        ),
        repeating("200 OK", lambda text: text),
        servers.packed(2**26),
        servers.answering(b"", "302 Found", location=f"https://elsewhere/{KEY}"),
    ],
)
async def test_no_message_of_a_query_shows_a_credential(place: str, respond: servers.Respond) -> None:
    async with servers.serving(respond) as url:
        listed = place.format(url.replace("//", f"//user:{KEY}@"))
        async with queries.Queries(provider(listed, rpc=listed), lambda: test_queries.NOW) as asking:
            with pytest.raises(errors.IcsError) as caught:
                await asking.open()
            said = [str(caught.value), repr(caught.value), repr(asking.endpoints._provider)]
            for question in (asking.check_rpc(), asking.endpoints.rpc_head(Endpoint(url=listed))):
                try:
                    await question
                except errors.IcsError as error:
                    said.append(str(error))
            said += [str(condition) for condition in asking.conditions()]
    assert len(said) > 4
    assert not [text for text in said if KEY in text]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://no.such.host.invalid"]
)
async def test_no_message_about_a_connection_shows_a_credential(
    place: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "backoff", lambda *_: 0.01)
    monkeypatch.setattr(tx_grpc, "CALL_SECONDS", 2.0)
    listed = place.format(address)
    said: list[str] = []
    async with queries.Queries(provider(listed, rpc=listed), lambda: test_queries.NOW) as asking:
        with pytest.raises(errors.IcsError) as caught:
            await asking.open()
        said.append(str(caught.value))
    listener = events.Events(provider(listed, rpc=listed), lambda event: None)
    task = asyncio.create_task(listener.run())
    async with asyncio.timeout(20):
        while not listener.trouble:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said.append(listener.trouble)
    ledger = tx_grpc.Ledger(
        Endpoint(url=listed), provider(listed), test_transactions.OWN, test_transactions.ACCOUNT
    )
    with pytest.raises(tx_grpc.Unanswered) as unanswered:
        await asyncio.to_thread(ledger.head)
    said.append(str(unanswered.value))
    assert not [text for text in said if KEY in text]


def test_credentials_are_rendered_into_secrets_only() -> None:
    values = {
        "chain_id": factories.PROVIDER,
        "rest": [f"https://a/{KEY}", {"url": "https://b", "headers": {"x": {"secret": SECRET}}}],
        "rpc": [f"https://a/{KEY}?k={KEY}"],
        "grpc": ["https://a"],
    }
    reconciler = {"enabled": True, "image": "ics:1", "seed": SECRET, "account": SECRET}
    stack = {"provider": values, "reconciler": reconciler, "seed": {"secret": SECRET}}
    stack["account"] = {"secret": SECRET}
    record = relaying.accepted(relaying.OPEN, stack=stack)
    wanted = relaying.judge(relaying.OPEN, record=record, stack=stack)

    objects = factories.rendered(wanted)
    shown = {name: json.dumps(one) for name, one in objects.items() if one["kind"] != "Secret"}
    assert {"Secret/reconciler-stack", "Secret/hermes", "Secret/hermes-base"} <= set(objects)
    assert not [name for name, text in shown.items() if KEY in text]


SECRET = {"namespace": "a", "name": "b", "key": "c"}


def test_hermes_uses_the_first_address_that_needs_no_header() -> None:
    header = {"url": "https://a", "headers": {"x": {"env": "X"}}}
    values = {
        "chain_id": factories.PROVIDER,
        "rest": ["https://a"],
        "rpc": [header, f"https://b/{KEY}"],
        "grpc": ["https://a/path", header, "https://c"],
    }
    record = relaying.accepted(relaying.OPEN)
    (chain,) = relaying.judge(relaying.OPEN, record=record, stack={"provider": values}).chains
    assert chain.relay is not None
    assert chain.relay.candidate is not None
    config = chain.relay.candidate.setup.config
    assert f'rpc_addr = "https://b/{KEY}"' in config
    assert f'url = "wss://b/{KEY}/websocket"' in config
    assert 'grpc_addr = "https://c"' in config

    stack = {"provider": {**values, "grpc": [header]}}
    (chain,) = relaying.judge(relaying.OPEN, record=record, stack=stack).chains
    assert chain.relay is not None
    assert any("Hermes can use none of the addresses" in one.message for one in chain.relay.conditions)
