"""Late joiners of a chain of 1,500 blocks: in time, not misled by servers that lie, and again after a volume was lost.

Alice makes the blocks, five a second. Charlie signs within two minutes of his opt-in. All of bob's servers lie at first:
his node waits, and starts once one of them is honest. About ten minutes, half of them for the blocks.
"""

from collections.abc import Iterator, Mapping

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


def test_late_joiner_signs_within_two_minutes(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain
) -> None:
    assert late_joiners.joins(alice, charlie, fast) <= WITHIN


def test_liars_alone_start_no_node(
    alice: operators.Operator, bob: operators.Operator, fast: fast_chain.FastChain
) -> None:
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as forging,
        rpc_servers.serving(alice, fast.home, rpc_servers.with_own_validators) as forger,
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
    ):
        fast.define(forging, forger)
        with fast_chain.joining(bob, fast) as passes:
            found = waiting.until(
                "both liars are named",
                lambda: passes.messages("TrustUnproven"),
                lambda messages: any(forging in one and forger in one for one in messages),
            )
            waiting.figure("passes until both liars were named", len(passes.all()), "passes")
            (message,) = [one for one in found if forging in one and forger in one]
            assert "has another app hash than the provider's IBC client" in message
            assert bob.kube.find(kinds.STATEFUL_SET, fast.home, names.NODE_NAME) is None

            fast.define(forging, honest)
            fast_chain.signs(bob, alice, fast)
        fast_chain.never_held_the_first_block(bob, fast)


def test_node_on_a_new_volume_fetches_the_state_again_and_signs_with_another_key(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain
) -> None:
    old = charlie.address_of(fast.consumer_id)
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as one,
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as other,
        judge.Judge((alice, fast.home), (charlie, fast.home)) as found,
    ):
        fast.define(one, other)
        with operators.Cron([charlie], project=fast.root):
            waiting.until(
                "the block on record is of these servers",
                lambda: fast_chain.record_of(charlie, fast).trust,
                lambda trust: trust is not None and set(trust.servers) == {one, other},
                seconds=400,
            )
            volumes.stop(charlie, fast.home)
            volumes.delete_claim(charlie, fast.home)
            waiting.until(
                "charlie has another key",
                lambda: charlie.address_of(fast.consumer_id),
                lambda address: address != old,
            )
            fast_chain.signs(charlie, alice, fast)
        fast_chain.never_held_the_first_block(charlie, fast)
        assert old not in alice.kube.signers(fast.home, alice.kube.height(fast.home) - 1)
        found.check()
