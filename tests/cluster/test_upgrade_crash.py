"""The process is killed before and after each write of an upgrade at a height; it always comes to the same end.

One chain is upgraded from version to version, and each of its upgrades is cut short at another write: from the plan's
announcement to the pass that changes nothing any more.
"""

from collections.abc import Iterator

import pytest

from tests.cluster import conftest, proxied, recording, upgraded_node

pytestmark = pytest.mark.cluster

HOST = "198.18.77.2"
"""Of the range for benchmarks (RFC 2544), which is routed nowhere."""
MOST = 20
"""Writes of an upgrade that are tried; the test says how many there are."""


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this host that the API server may proxy to."""
    with proxied.address(HOST) as found:
        yield found


async def upgrade(chain: upgraded_node.Corner, fault: recording.Fault | None) -> list[str]:
    """Take the chain through its next upgrade; answers all writes, those after the fault included."""
    chain.writes = upgraded_node.Writes(fault)
    version = chain.node.version
    await chain.settle(version)
    chain.node.halt()
    await chain.settle(version + 1)
    return chain.writes.done


@conftest.gives_up_requests
async def test_killed_at_each_write_of_an_upgrade(scene: conftest.Scene, address: str) -> None:
    async with upgraded_node.corner(scene, address, 2 + 2 * MOST) as chain:
        writes = await upgrade(chain, None)
        points = [recording.Fault(at, is_after) for at in range(len(writes)) for is_after in (False, True)]
        assert 0 < len(writes) <= MOST, writes
        print(f"\nfigure: writes of an upgrade, each of which is cut short: {len(writes)}")
        assert await chain.state() == upgraded_node.after(2)
        for version, fault in enumerate(points, start=3):
            await upgrade(chain, fault)
            assert await chain.state() == upgraded_node.after(version), (fault, writes[fault.at])
