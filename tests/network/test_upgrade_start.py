"""The part of the start script that upgrades need, with the real programs: one node, no cluster; about a minute.

A chain with governance comes to its plan's height, and the example chain to the height at which its node must halt.
What the nodes say there, and how they start again, is what the reconciler decides by.
"""

import contextlib
import copy
import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from devnet import commands, places, plan, toolchain, upgrades
from devnet.cache import ensure
from devnet.progress import Progress
from ics.manifests import node_files
from tests import free_ports
from tests.network import waiting
from tests.unit.provider import recorded

pytestmark = pytest.mark.network

CHAIN_ID = "chain-1"
DEMOCRACY, EXAMPLE = "ics-democracy.genesis.json", "ics-example.genesis.json"
PLANNED, AGREED = 40, 20
"""Height of the plan in the base genesis, and one that validators might agree upon."""
UPGRADED = {"UPGRADE_NAME": plan.SECOND_PLAN, "UPGRADE_HEIGHT": str(PLANNED)}


@dataclass(frozen=True)
class Seen:
    """What a node says of itself."""

    block: int
    """Height of its block store."""
    app: int
    """Height of its application."""
    version: str


class Node:
    """The one validator of a consumer chain."""

    def __init__(self, home: pathlib.Path, program: pathlib.Path, genesis: str) -> None:
        """Create the home; the CCV state is a recorded one, with this node's key."""
        self.home = home
        self._rpc, self._p2p = free_ports.take(2)
        commands.run(program, "init", "node", "--chain-id", CHAIN_ID, "--home", home)
        key = json.loads((home / "config/priv_validator_key.json").read_text())["pub_key"]["value"]
        ccv = copy.deepcopy(recorded.body("consumer_genesis_launched")["genesis_state"])
        ccv["provider"]["initial_val_set"] = [{"pub_key": {"ed25519": key}, "power": "5"}]
        document = json.loads((places.CHECKOUT / "stacks" / "chains" / genesis).read_text())
        document["app_state"]["ccvconsumer"] = ccv
        document |= {
            "chain_id": CHAIN_ID,
            "genesis_time": ccv["provider"]["consensus_state"]["timestamp"],
        }
        (home / "config/genesis.json").write_text(json.dumps(document))
        config = home / "config/config.toml"
        config.write_text(config.read_text().replace('timeout_commit = "5s"', 'timeout_commit = "200ms"'))
        script = f'set -eu\nhome="$1"\nBINARY="$2"\n{node_files.UPGRADE_INFO}exec "$BINARY" start --home "$home" "$@"'
        flags = (
            *("--minimum-gas-prices", f"0{plan.DENOM}", "--grpc.enable=false", "--api.enable=false"),
            *("--rpc.laddr", f"tcp://127.0.0.1:{self._rpc}", "--p2p.laddr", f"tcp://127.0.0.1:{self._p2p}"),
        )
        (home / "start.sh").write_text(f"{script} {' '.join(flags)}\n")

    @property
    def info(self) -> pathlib.Path:
        """The file by which a version learns which stores its upgrade adds."""
        return self.home / "data" / "upgrade-info.json"

    @contextlib.contextmanager
    def started(self, program: pathlib.Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Its process, as the start script starts it on the volume as it is."""
        with (self.home / "log").open("wb") as log:
            process = subprocess.Popen(
                ["busybox", "sh", self.home / "start.sh", self.home, program],
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self) -> str:
        """What the last process printed."""
        return (self.home / "log").read_text(errors="replace")

    def seen(self) -> Seen:
        """What it says of itself; zeros while it does not answer."""
        try:
            status, info = (
                httpx.get(f"http://127.0.0.1:{self._rpc}/{path}", timeout=5, trust_env=False).json()["result"]
                for path in ("status", "abci_info")
            )
        except (httpx.HTTPError, KeyError):
            return Seen(0, 0, "")
        app = info["response"]
        block = int(status["sync_info"]["latest_block_height"])
        return Seen(block, int(app.get("last_block_height", 0)), app["version"])


def first(name: str) -> pathlib.Path:
    """The first version of a consumer's program."""
    recipe = toolchain.democracy_recipe() if name.endswith("cdd") else toolchain.chains_recipe()
    return ensure(recipe, Progress()) / name


def second(name: str) -> pathlib.Path:
    return upgrades.program(name, Progress())


def halts(node: Node, height: int) -> None:
    """Wait until it stands at a height: it has the block, and did not execute it."""
    waiting.until(
        f"the node stands at height {height}",
        node.seen,
        lambda seen: (seen.block, seen.app) == (height, height - 1),
    )


def goes_on(node: Node, height: int) -> Seen:
    """Wait for some blocks after a height."""
    return waiting.until(f"blocks after {height}", node.seen, lambda seen: seen.app > height + 3)


def test_plan_halts_the_first_version_and_the_second_one_starts_without_its_file(
    tmp_path: pathlib.Path,
) -> None:
    name = "interchain-security-cdd"
    node = Node(tmp_path, first(name), DEMOCRACY)
    with node.started(first(name)):
        halts(node, PLANNED)

    with node.started(first(name)) as process:
        assert process.wait(60) == 1
    assert f'UPGRADE "v2" NEEDED at height: {PLANNED}' in node.log()

    # As after a node that was ended before it could write it.
    node.info.unlink()
    with node.started(second(name)) as process:
        assert process.wait(60) != 0
    assert "version of store v2 mismatch" in node.log()

    with node.started(second(name), **UPGRADED):
        assert goes_on(node, PLANNED).version == plan.SECOND_VERSION
    assert json.loads(node.info.read_text()) == {"name": plan.SECOND_PLAN, "height": PLANNED}

    with node.started(second(name), **UPGRADED):  # as after any later restart
        goes_on(node, PLANNED + 5)


def test_halt_height_halts_the_first_version_without_a_plan(tmp_path: pathlib.Path) -> None:
    name = "interchain-security-cd"
    node = Node(tmp_path, first(name), EXAMPLE)
    with node.started(first(name), HALT_HEIGHT=str(AGREED)):
        halts(node, AGREED)

    with node.started(first(name), HALT_HEIGHT=str(AGREED)) as process:
        assert process.wait(60) == 1
    assert f"halt per configuration height {AGREED}" in node.log()

    with node.started(second(name)):
        assert goes_on(node, AGREED).version == plan.SECOND_VERSION
