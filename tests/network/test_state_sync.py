"""A validator joins a chain late and does not replay it: its node fetches the state of its peers, from a proven block.

Alice makes the blocks of a chain, five a second. Charlie joins at height 1,500 or above; of the two RPC servers in his
definition one forges headers. Bob's servers lie all at first: his node waits, and starts once one of them is honest.
About ten minutes, most of them for the blocks.
"""

import contextlib
import pathlib
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from ics.consumer import state_sync_record
from tests.network import chains, launch, operators, projects, rpc_servers, waiting

pytestmark = pytest.mark.soak

HEIGHT = 1500
HOUR = 3600.0
WITHIN = 120.0
"""Seconds from the opt-in to the first signature."""


@dataclass(frozen=True)
class FastChain:
    """A chain whose blocks alice makes."""

    consumer_id: str
    home: str
    """Namespace, on every host."""
    root: pathlib.Path
    """Everybody's project."""
    cron: operators.Cron
    """Alice's passes."""

    def define(self, *servers: str) -> None:
        """Give the definition these RPC servers."""
        define(self.root, *servers)


def define(root: pathlib.Path, *servers: str) -> None:
    path = root / "stacks" / "chains" / "ics-example.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["config.toml"]["consensus"] = {"timeout_commit": "200ms"}
    document["state_sync"] = {"from": 300, "snapshot_interval": 100}
    document["rpc"] = list(servers)
    path.write_text(yaml.safe_dump(document))


@pytest.fixture(scope="module")
def fast(
    each_operator: dict[str, operators.Operator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastChain]:
    alice = each_operator["alice"]
    root = projects.project(tmp_path_factory.mktemp("fast"))
    define(root)
    chain_id = chains.fresh("consumer8")
    consumer_id = chains.create(chain_id, HOUR)
    with operators.Cron([alice], project=root) as cron:
        waiting.until(
            "alice has joined it",
            lambda: alice.chain(consumer_id, cron.last("alice") or alice.status()),
            lambda chain: chain.get("participation") == "validating",
        )
        owner.update_consumer(consumer_id, chains.spec(chain_id, -HOUR))
        home = launch.namespace_of(alice, consumer_id)
        waiting.until("alice makes blocks", lambda: alice.kube.height(home), lambda height: height > 0)
        began = time.monotonic()
        waiting.until(
            f"the chain has {HEIGHT} blocks",
            lambda: alice.kube.height(home),
            lambda height: height >= HEIGHT,
            seconds=1200,
            every=5,
        )
        waiting.figure(f"first block to block {HEIGHT}", time.monotonic() - began)
        yield FastChain(consumer_id, home, root, cron)
    owner.remove_consumer(consumer_id)
    for operator in each_operator.values():
        operator.settled()


@dataclass(frozen=True)
class Passes:
    """Passes of one operator."""

    operator: operators.Operator
    consumer_id: str
    cron: operators.Cron

    def all(self) -> list[dict[str, Any]]:
        """Status of the chain after each of them so far."""
        runs = [run for run in self.cron.runs[self.operator.name] if run.out.startswith("{")]
        return [self.operator.chain(self.consumer_id, run.json["status"]) for run in runs]

    def reasons(self) -> set[str]:
        """All reasons that were reported."""
        return {c["reason"] for chain in self.all() for c in chain.get("conditions", ())}

    def messages(self, reason: str) -> set[str]:
        """All messages that were reported for a reason."""
        return {
            c["message"] for chain in self.all() for c in chain.get("conditions", ()) if c["reason"] == reason
        }


@contextlib.contextmanager
def joining(operator: operators.Operator, chain: FastChain) -> Iterator[Passes]:
    """Opt in, and make passes in the background."""
    joined = operator.ics("opt-in", chain.consumer_id, project=chain.root)
    assert joined.code == 0, joined.err
    with operators.Cron([operator], project=chain.root) as cron:
        yield Passes(operator, chain.consumer_id, cron)


def test_late_joiner_signs_without_replaying_the_chain(
    alice: operators.Operator, charlie: operators.Operator, fast: FastChain
) -> None:
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as liar,
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
    ):
        fast.define(liar, honest)
        began, height = time.monotonic(), alice.kube.height(fast.home)
        with joining(charlie, fast) as passes:
            signs(charlie, alice, fast)
            seconds = time.monotonic() - began
            waiting.figure(f"opt-in at height {height} to the first signature", seconds)
            assert seconds <= WITHIN
            assert "NodeStuck" not in passes.reasons()
        never_held_the_first_block(charlie, fast)
        record = record_of(charlie, fast)
        assert record.trust is not None
        assert record.trust.servers == (honest,)
        (refused,) = record.trust.refused
        assert refused.startswith(f"{liar}: the header at height {record.trust.height} has another app hash")
        section = tomllib.loads(config_map(charlie, fast)["statesync.toml"])["statesync"]
        assert section["rpc_servers"] == f"{honest},{honest}"
        commit = alice.kube.ask_node(fast.home, "/commit", height=str(record.trust.height))
        assert commit["signed_header"]["commit"]["block_id"]["hash"] == record.trust.hash


def test_liars_alone_start_no_node(
    alice: operators.Operator, bob: operators.Operator, fast: FastChain
) -> None:
    with (
        rpc_servers.serving(alice, fast.home, rpc_servers.forging) as forging,
        rpc_servers.serving(alice, fast.home, rpc_servers.with_own_validators) as forger,
        rpc_servers.serving(alice, fast.home, rpc_servers.honest) as honest,
    ):
        fast.define(forging, forger)
        with joining(bob, fast) as passes:
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
            signs(bob, alice, fast)
        never_held_the_first_block(bob, fast)


def signs(operator: operators.Operator, alice: operators.Operator, chain: FastChain) -> None:
    """Wait until a commit of the chain has the operator's signature."""
    address = waiting.until(
        f"{operator.name} has a key on the chain", lambda: _address(operator, chain.consumer_id), bool
    )
    waiting.until(
        f"{operator.name} signs",
        lambda: alice.kube.signers(chain.home, max(alice.kube.height(chain.home) - 1, 1)),
        lambda signers: address in signers,
        tell=lambda: operator.kube.told(chain.home),
    )


def _address(operator: operators.Operator, consumer_id: str) -> str:
    try:
        return operator.address_of(consumer_id)
    except AssertionError:
        return ""


def never_held_the_first_block(operator: operators.Operator, chain: FastChain) -> None:
    sync = operator.kube.ask_node(chain.home, "/status")["sync_info"]
    assert int(sync["earliest_block_height"]) > 1
    assert operator.kube.ask_node(chain.home, "/block", height="1") == {}
    waiting.figure(f"{operator.name}'s oldest block", int(sync["earliest_block_height"]), "height")


def config_map(operator: operators.Operator, chain: FastChain) -> dict[str, str]:
    found: dict[str, str] = operator.kube.get(kinds.CONFIG_MAP, chain.home, names.STATE_SYNC)["data"]
    return found


def record_of(operator: operators.Operator, chain: FastChain) -> state_sync_record.StateSyncRecord:
    return state_sync_record.from_json(config_map(operator, chain)[state_sync_record.RECORD_FILE])
