"""Late joiners of a chain of 1,500 blocks: in time, not misled by liars, and again after a volume was lost.

Alice makes the blocks, five a second. Charlie signs within two minutes of his opt-in. All of bob's servers lie at
first: his node waits, and starts once one of them is honest. About ten minutes, half of them for the blocks.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import fast_chain, judge, late_joiners, operators, rpc_servers, volumes, waiting

pytestmark = pytest.mark.soak

STALE = 700
"""Height of a block that is older than any that may be trusted."""
WITHIN = 120.0
"""Seconds from the opt-in to the first signature."""


@pytest.fixture(scope="module")
def fast(
    everybody: Mapping[str, operators.Operator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[fast_chain.FastChain]:
    folder = tmp_path_factory.mktemp("fast")
    with fast_chain.running(everybody, folder, 1500, first=300, snapshot_interval=100) as chain:
        yield chain


@dataclass(frozen=True)
class Servers:
    """RPC servers of the chain."""

    honest: str
    forging: str
    forger: str
    """Has a validator set of its own."""
    stale: str
    """Has the header of `STALE` for every height."""


@pytest.fixture(scope="module")
def servers(alice: operators.Operator, fast: fast_chain.FastChain) -> Iterator[Servers]:
    old = alice.kube.ask_node(fast.home, "/commit", height=str(STALE))["signed_header"]
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as forging,
        rpc_servers.serving(alice, fast.home, rpc_servers.with_own_validators) as forger,
        rpc_servers.serving(alice, fast.home, rpc_servers.stale_since(old)) as stale,
    ):
        yield Servers(honest, forging, forger, stale)


def test_late_joiner_signs_within_two_minutes(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
    assert late_joiners.joins(alice, charlie, fast, servers.forging, servers.honest) <= WITHIN


def test_liars_alone_start_no_node(
    alice: operators.Operator, bob: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
    liars = (servers.forging, servers.forger, servers.stale)
    fast.define(*liars)
    with fast_chain.joining(bob, fast) as passes:
        found = waiting.until(
            "all liars are named",
            lambda: passes.messages("TrustUnproven"),
            lambda messages: any(all(liar in one for liar in liars) for one in messages),
        )
        waiting.figure("passes until all liars were named", len(passes.all()), "passes")
        message = next(one for one in found if all(liar in one for liar in liars))
        assert "has another app hash than the provider's IBC client" in message
        assert f"{servers.stale}: the header is of height {STALE}, not of " in message
        assert bob.kube.find(kinds.STATEFUL_SET, fast.home, names.NODE_NAME) is None

        fast.define(servers.forging, servers.honest)
        fast_chain.signs(bob, alice, fast)
    fast_chain.never_held_the_first_block(bob, fast)


def test_node_on_a_new_volume_fetches_the_state_again_and_signs_with_another_key(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
    """The block on record is stale by then, because charlie made no passes for a while; another one takes its place."""
    stale = waiting.until(
        "charlie's trusted block is stale",
        lambda: fast_chain.trust_of(charlie, fast),
        lambda trust: trust.is_old(datetime.datetime.now(datetime.UTC)),
        seconds=600,
        every=5,
    )
    old = charlie.address_of(fast.consumer_id)
    with judge.Judge((alice, fast.home), (charlie, fast.home)) as found:
        volumes.stop(charlie, fast.home)
        volumes.delete_claim(charlie, fast.home)
        with operators.Cron([charlie], project=fast.root):
            waiting.until(
                "charlie has another key",
                lambda: charlie.address_of(fast.consumer_id),
                lambda address: address != old,
            )
            fast_chain.signs(charlie, alice, fast)
        fast_chain.never_held_the_first_block(charlie, fast)
        trust = fast_chain.trust_of(charlie, fast)
        assert trust.height > stale.height
        assert not trust.is_old(datetime.datetime.now(datetime.UTC))
        waiting.figure("the stale block's height", stale.height, "height")
        waiting.figure("height of the one that took its place", trust.height, "height")
        assert old not in alice.kube.signers(fast.home, alice.kube.height(fast.home) - 1)
        found.check()
