"""The lying endpoints of the soak story, in front of a simulated provider; the product is not misled by them."""

import contextlib
import datetime
import http.server
import json
from collections.abc import Iterator

import httpx
import pytest

from ics import model
from ics.config import settings
from ics.provider.rest import queries
from tests.network import liars
from tests.unit.provider import fake
from tests.unit.provider.rest import test_queries

LIES = (liars.about_height, liars.about_phase, liars.about_keys)


@contextlib.contextmanager
def node() -> Iterator[str]:
    """An honest REST gateway whose newest block is of now."""
    time = datetime.datetime.now(datetime.UTC).isoformat()
    gateway = test_queries.gate()
    gateway.states = {7: type(test_queries.STATE)(time, test_queries.VALIDATORS, test_queries.CONSUMERS)}

    def answered(handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        response = gateway.answer(httpx.Request("GET", f"http://x{handler.path}", headers=headers))
        liars._send(handler, response.status_code, response.content)

    with liars._serving(answered) as address:
        yield address


def asked(url: str, path: str) -> object:
    return json.loads(httpx.get(url + path, trust_env=False).content)


def test_lies_are_told() -> None:
    with node() as true, contextlib.ExitStack() as stack:
        height, phase, keys = (stack.enter_context(liars.lying(true, lie)) for lie in LIES)
        status = "/cosmos/base/node/v1beta1/status"
        chains = f"{fake.CCV}consumer_chains/0"
        key = f"{fake.CCV}validator_provider_addr/1/{fake.valcons(9)}"
        assert [asked(url, status)["height"] for url in (true, height, phase)] == ["7", "10", "7"]  # type: ignore[index]
        phases = [chain["phase"].removeprefix("CONSUMER_PHASE_") for chain in asked(phase, chains)["chains"]]  # type: ignore[index]
        assert phases == ["REGISTERED", "REGISTERED", "DELETED", "DELETED"]
        assert asked(true, key) == {"provider_address": ""}
        assert asked(keys, key) != {"provider_address": ""}


@pytest.mark.parametrize("first", range(3))
async def test_three_liars_a_drip_and_a_bomb_beside_two_honest_endpoints_mislead_nobody(first: int) -> None:
    with node() as true, node() as other, contextlib.ExitStack() as stack:
        lies = [stack.enter_context(liars.lying(true, lie)) for lie in LIES]
        listed = [*lies[first:], *lies[:first], true, other]
        listed += [stack.enter_context(bad(true)) for bad in (liars.dripping, liars.pouring)]
        provider = settings.ProviderSettings.model_validate(
            {"chain_id": fake.CHAIN_ID, "rest": listed, "rpc": ["http://x"], "grpc": ["http://x"]}
        )

        def now() -> datetime.datetime:
            return datetime.datetime.now(datetime.UTC)

        async with queries.Queries(provider, now) as asking:
            head = await asking.open()
            snapshot = await asking.snapshot(test_queries.ME, test_queries.everything)
            is_used = await asking.is_key_used("1", fake.valcons(9))

    assert head.height == 7
    assert snapshot.problems == {}
    phases = {chain.summary.consumer_id: chain.summary.phase for chain in snapshot.consumers}
    assert phases == {
        "0": model.Phase.REGISTERED,
        "1": model.Phase.INITIALIZED,
        "2": model.Phase.LAUNCHED,
        "10": model.Phase.STOPPED,
    }
    assert not is_used
