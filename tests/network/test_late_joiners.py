"""Late joiners of a chain of 1,500 blocks: in time, not misled by liars, and again after a volume was lost.

Alice makes the blocks, five a second. Charlie signs within two minutes of his opt-in. All of bob's servers lie at
first: his node waits, and starts once one of them is honest. About ten minutes, half of them for the blocks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from ics import names
from ics.cluster.api import kinds
from tests.network import fast_chain, judge, late_joiners, operators, rpc_servers, volumes, waiting

pytestmark = pytest.mark.soak

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


@pytest.fixture(scope="module")
def servers(alice: operators.Operator, fast: fast_chain.FastChain) -> Iterator[Servers]:
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as forging,
        rpc_servers.serving(alice, fast.home, rpc_servers.with_own_validators) as forger,
    ):
        yield Servers(honest, forging, forger)


def test_late_joiner_signs_within_two_minutes(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
    assert late_joiners.joins(alice, charlie, fast, servers.forging, servers.honest) <= WITHIN


def test_liars_alone_start_no_node(
    alice: operators.Operator, bob: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
    fast.define(servers.forging, servers.forger)
    with fast_chain.joining(bob, fast) as passes:
        found = waiting.until(
            "both liars are named",
            lambda: passes.messages("TrustUnproven"),
            lambda messages: any(servers.forging in one and servers.forger in one for one in messages),
        )
        waiting.figure("passes until both liars were named", len(passes.all()), "passes")
        (message,) = [one for one in found if servers.forging in one and servers.forger in one]
        assert "has another app hash than the provider's IBC client" in message
        assert bob.kube.find(kinds.STATEFUL_SET, fast.home, names.NODE_NAME) is None

        fast.define(servers.forging, servers.honest)
        fast_chain.signs(bob, alice, fast)
    fast_chain.never_held_the_first_block(bob, fast)


def test_node_on_a_new_volume_fetches_the_state_again_and_signs_with_another_key(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain, servers: Servers
) -> None:
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
        assert old not in alice.kube.signers(fast.home, alice.kube.height(fast.home) - 1)
        found.check()
