"""The commands of the local network's own page, in the checkout."""

import pathlib

import pytest

from devnet import owner, places
from tests import documents
from tests.network import chains, operators

pytestmark = pytest.mark.network

CHAIN_ID = "consumer9-1"


def test_commands_of_the_page(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    page = documents.ROOT / "docs/local-network.md"
    # The owner's journal of an earlier network names blocks that this one has not reached.
    environment = {**documents.own_environment(), "XDG_STATE_HOME": str(tmp_path)}
    reader = documents.Reader(places.CHECKOUT, environment, {})
    blocks = [block for block in documents.blocks(page) if block.kind == "devnet"]
    assert blocks
    for block in blocks:
        reader.follow(block)
    # A day before its launch alice and bob would join it with their next passes.
    (made,) = (one["consumer_id"] for one in chains.of_phase(2) if one["chain_id"] == CHAIN_ID)
    owner.update_consumer(made, owner.ConsumerSpec(CHAIN_ID))
    assert chains.phase(made) == "REGISTERED"
