"""The commands of the local network's own page, in the checkout."""

import pytest

from devnet import places
from tests import documents

pytestmark = pytest.mark.network


def test_commands_of_the_page(network: None) -> None:
    page = documents.ROOT / "docs/local-network.md"
    reader = documents.Reader(places.CHECKOUT, documents.own_environment(), {})
    blocks = [block for block in documents.blocks(page) if block.kind == "devnet"]
    assert blocks
    for block in blocks:
        reader.follow(block)
