"""The provider halts at its own plan's height and goes on with its second version: passes say so, and nothing else.

A provider chain of one real node and an API server, without pods; about a minute.
"""

import contextlib
import io
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from devnet import plan, upgrades
from devnet.progress import Progress
from ics.cli import __main__ as commands
from tests.network import provider_node, stage

pytestmark = pytest.mark.network

AHEAD = 40
"""Blocks of half a second from the proposal to the plan's height; the voting takes a quarter of them."""


QUIET = 11.0
"""Seconds from the halt to the pass: until ten a block may only be slow."""


@dataclass(frozen=True)
class Pass:
    """What a pass printed, and its exit code."""

    code: int
    said: dict[str, Any]

    def reasons(self) -> list[str]:
        """Reasons of all conditions, of the validator and of its chains."""
        status = self.said["status"]
        every = [*status["conditions"], *(c for chain in status["chains"] for c in chain["conditions"])]
        return [one["reason"] for one in every]


@dataclass(frozen=True)
class Passes:
    """Before, during and after the halt."""

    before: Pass
    halted: Pass
    after: Pass


def one_pass(place: stage.Stage) -> Pass:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = commands.main(["up", "--stack", "alice", "--project", str(place.root), "--json"])
    return Pass(code, json.loads(printed.getvalue()))


def propose(node: provider_node.Node, height: int) -> None:
    """Let alice's vote decide on the plan of the second version."""
    account = node.ask("/cosmos/auth/v1beta1/module_accounts/gov")["account"]["base_account"]
    message = {
        "@type": "/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
        "authority": account["address"],
        "plan": {"name": plan.SECOND_PLAN, "height": str(height), "info": ""},
    }
    title = f"{plan.SECOND_PLAN} at height {height}"
    order = {"messages": [message], "deposit": f"50000000{plan.DENOM}", "title": title, "summary": title}
    path = node.folder / "proposal.json"
    path.write_text(json.dumps({**order, "expedited": True}))
    node.send("alice", "gov", "submit-proposal", str(path))
    node.send("alice", "gov", "vote", "1", "yes")


def block_height(node: provider_node.Node) -> int:
    """Height of the block store, which is one ahead of the application's while the chain is halted."""
    answer = httpx.get(f"{node.rpc}/status", timeout=5, trust_env=False).json()
    return int(answer["result"]["sync_info"]["latest_block_height"])


@pytest.fixture(scope="module")
def passes(place: stage.Stage) -> Passes:
    node = place.node
    before = one_pass(place)
    height = node.height() + AHEAD
    propose(node, height)
    node.until(lambda: (block_height(node), node.height()) == (height, height - 1), 120)
    time.sleep(QUIET)
    halted = one_pass(place)
    node.replace(upgrades.program("interchain-security-pd", Progress()))
    node.until(lambda: node.height() > height + 2)
    return Passes(before, halted, one_pass(place))


def test_pass_while_the_provider_is_halted_names_its_upgrade_and_no_endpoint(passes: Passes) -> None:
    assert "ProviderUpgrading" in passes.halted.reasons()
    assert "EndpointTrouble" not in passes.halted.reasons()


def test_pass_while_the_provider_is_halted_sends_nothing(passes: Passes) -> None:
    """The opt-in that is due waits; the pass after the upgrade sends it."""
    assert (passes.halted.code, passes.halted.said["transactions"]) == (passes.before.code, [])
    assert "0" in [one.get("consumer_id") for one in passes.after.said["transactions"]]


def test_passes_before_and_after_say_nothing_of_it(passes: Passes) -> None:
    for one in (passes.before, passes.after):
        assert "ProviderUpgrading" not in one.reasons()
        assert "EndpointTrouble" not in one.reasons()
    assert passes.after.code == passes.before.code
