"""A validator joins a chain late and does not replay it: its node fetches its peers' state, from a proven block.

Of the two RPC servers in its definition one forges headers. `test_late_joiners` has 1,500 blocks, more lies, and a
volume that is lost.
"""

from collections.abc import Iterator, Mapping

import pytest

from tests.network import fast_chain, late_joiners, operators, rpc_servers

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def fast(
    everybody: Mapping[str, operators.Operator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[fast_chain.FastChain]:
    folder = tmp_path_factory.mktemp("fast")
    with fast_chain.running(everybody, folder, 200, first=60, snapshot_interval=100) as chain:
        yield chain


def test_late_joiner_signs_without_replaying_the_chain(
    alice: operators.Operator, charlie: operators.Operator, fast: fast_chain.FastChain
) -> None:
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as liar,
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
    ):
        late_joiners.joins(alice, charlie, fast, liar, honest)
