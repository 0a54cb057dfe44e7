"""The local network itself: it comes up from nothing, and leaves nothing behind."""

import pytest

from devnet import network as local_network
from devnet import plan
from tests.network import waiting

pytestmark = pytest.mark.network


@pytest.mark.story(when="BRINGS_IT_UP")
def test_it_comes_up_from_nothing() -> None:
    waiting.devnet("down")
    assert local_network.leftovers() == []

    waiting.figure("the network up", waiting.devnet("up"))

    assert [one.name for one in local_network.status() if one.node_ready] == [one.name for one in plan.HOSTS]
    assert local_network.is_up()


@pytest.mark.story(when="TAKES_IT_DOWN")
def test_it_leaves_nothing_behind() -> None:
    waiting.figure("the network down", waiting.devnet("down"))

    assert local_network.leftovers() == []
    assert not local_network.is_up()
