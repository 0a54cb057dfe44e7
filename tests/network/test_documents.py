"""The commands of the documents that need a chain and a cluster, run page by page on the stage."""

import pathlib
import shutil
from collections.abc import Iterator

import pytest

from tests import documents
from tests.network import operators, provider_node, stage

pytestmark = pytest.mark.network


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[stage.Stage]:
    """A stage for each page: what one does to chain and cluster, another must not meet."""
    folder = tmp_path / "stage"
    folder.mkdir()
    with stage.running(folder) as found:
        yield found


def pages() -> list[pathlib.Path]:
    kinds = ("network", "pulumi")
    return [page for page in documents.pages() if any(b.kind in kinds for b in documents.blocks(page))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_commands_of_a_page(page: pathlib.Path, place: stage.Stage, tmp_path: pathlib.Path) -> None:
    """In the order of the page, in one copy of the project."""
    root = tmp_path / "project"
    shutil.copytree(place.root, root)
    placeholders = {
        "CONSUMER_ID": place.consumer_id,
        "CHAIN_ID": stage.CHAIN_ID,
        "NAMESPACE": "default",
        "VALOPER": place.operator.operator_address,
        "WORDS_FILE": ".devnet/alice/account",
        "PROVIDER_ID": provider_node.CHAIN_ID,
        "REST_URL": place.node.rest,
        "RPC_URL": place.node.rpc,
        "GRPC_URL": place.node.grpc,
        "KUBECONFIG_FILE": ".devnet/alice/kubeconfig",
    }
    reader = documents.reader(tmp_path, root, placeholders, operators.PROCESSES.command())
    reader = documents.with_kubectl(reader, place.server.kubeconfig("admin"))
    for block in documents.blocks(page):
        if block.kind == "pulumi" and shutil.which("pulumi") is None:
            print(f"{block.page}:{block.line}: not run, there is no Pulumi CLI here")
        elif block.kind in ("offline", "network", "pulumi", "file"):
            reader.follow(block)
