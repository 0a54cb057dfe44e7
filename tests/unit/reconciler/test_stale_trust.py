"""A stale height is not trusted: headers of a real consumer chain, as its node and the provider answered."""

import datetime
from typing import Any

import pytest

from ics.consumer import state_sync, state_sync_record
from ics.cosmos import light
from tests.unit.consumer import test_state_sync
from tests.unit.cosmos import test_real_headers
from tests.unit.reconciler import test_trust_searches

VIEW = test_real_headers.view()
STATES = sorted(test_real_headers.STATES.values(), key=lambda state: state.height)
OLDEST, NEWEST = STATES[0], STATES[-1]
SECOND = datetime.timedelta(seconds=1)


def planned(now: datetime.datetime, **changes: Any) -> state_sync.StateSyncPlan:
    """The plan of a node that does not exist yet, at a time of the provider."""
    definition = test_state_sync.definition(rpc=test_state_sync.SERVERS, state_sync={"from": 1})
    return test_state_sync.plan(client=VIEW, now=now, definition=definition, **changes)


def moment_when_stale(state: light.ConsensusState) -> datetime.datetime:
    """Return a moment at which a block is just older than half of the trusting period."""
    return state.moment + VIEW.trusting_period / 2 + SECOND


def test_blocks_are_left_out_one_after_the_other_as_they_get_stale() -> None:
    for old in STATES:
        before, after = planned(moment_when_stale(old) - 2 * SECOND), planned(moment_when_stale(old))
        assert before.search is not None
        assert min(state.height for state in before.search.states) <= old.height
        left = () if after.search is None else after.search.states
        assert all(state.height > old.height for state in left)


def test_nothing_is_proven_once_the_newest_block_is_stale() -> None:
    newest = max(VIEW.states, key=lambda state: state.height)
    found = planned(moment_when_stale(newest))
    assert found.search is None
    assert found.holds_node
    assert found.record is not None
    assert "has seen no block within half of its trusting period" in found.record.problem


def real(path: str, height: int) -> Any:
    """Return what the node answered."""
    if path == "/status":
        return {"sync_info": {"latest_block_height": str(test_real_headers.HEIGHTS[-1])}}
    kind = "commits" if path == "/commit" else "validators"
    return test_real_headers.RECORDED[kind].get(str(height))


def stale(path: str, height: int) -> Any:
    """Return the oldest real header in place of every later one."""
    return real(path, OLDEST.height if path == "/commit" else height)


def search_of(network: test_trust_searches.Network) -> state_sync.TrustSearch:
    return state_sync.TrustSearch(
        consumer_id="0",
        chain_id=test_real_headers.CHAIN_ID,
        servers=network.urls,
        interval=0,
        states=(NEWEST,),
        members=test_real_headers.providers_set(),
        period=VIEW.trusting_period,
    )


async def test_server_with_an_older_real_header_is_named_and_not_used() -> None:
    network = test_trust_searches.Network(old=stale, good=real)
    block = await test_trust_searches.found(network, search_of(network))
    assert isinstance(block, state_sync_record.TrustedBlock)
    assert (block.height, block.servers) == (NEWEST.height, ("http://good",))
    (refused,) = block.refused
    assert refused == f"http://old: the header is of height {OLDEST.height}, not of {NEWEST.height}"


async def test_servers_with_older_real_headers_alone_prove_nothing() -> None:
    network = test_trust_searches.Network(old=stale, older=stale)
    said = await test_trust_searches.found(network, search_of(network))
    assert isinstance(said, str)
    assert said.count(f"the header is of height {OLDEST.height}, not of {NEWEST.height}") == 2


@pytest.mark.parametrize("is_stale", [False, True])
def test_stale_block_on_record_holds_the_node_until_another_one_is_proven(is_stale: bool) -> None:
    trust = state_sync_record.TrustedBlock(
        height=NEWEST.height,
        hash=test_real_headers.signed(NEWEST.height).header.hash.hex().upper(),
        time=NEWEST.moment,
        period=VIEW.trusting_period,
        servers=("http://good",),
    )
    now = moment_when_stale(NEWEST) - (0 if is_stale else 2) * SECOND
    found = planned(now, record=state_sync_record.StateSyncRecord(trust=trust))
    assert found.holds_node is is_stale
    assert (found.record == state_sync_record.StateSyncRecord(trust=trust)) is not is_stale
