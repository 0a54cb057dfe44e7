"""A chain of alice's with five blocks a second, which others join late."""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from devnet import owner
from ics import names
from ics.cluster.api import kinds
from ics.consumer import state_sync_record
from tests.network import chains, launch, operators, projects, quick_chain, waiting

HOUR = 3600.0


@dataclass(frozen=True)
class FastChain:
    """A chain whose blocks alice makes, and everybody's project with its definition."""

    consumer_id: str
    home: str
    """Namespace, on every host."""
    root: pathlib.Path
    state_sync: Mapping[str, int]
    """As in the definition."""

    def define(self, *servers: str) -> None:
        """Give the definition these RPC servers."""
        define(self.root, self.state_sync, *servers)


def define(root: pathlib.Path, state_sync: Mapping[str, int], *servers: str) -> None:
    """Write the example's definition with fast blocks, in one step: passes read it at any time."""
    path = root / "stacks" / "chains" / "ics-example.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["config.toml"]["consensus"] = {
        "timeout_commit": "200ms",
        **quick_chain.GOSSIP,
    }
    document["state_sync"] = dict(state_sync)
    document["rpc"] = list(servers)
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump(document))
    os.replace(new, path)


@contextlib.contextmanager
def running(
    everybody: Mapping[str, operators.Operator], folder: pathlib.Path, height: int, **state_sync: int
) -> Iterator[FastChain]:
    """Launch it, and wait until it has that many blocks and the provider's client knows that it has enough.

    Alice's passes go on meanwhile, because her relayer tells the provider of it.
    """
    alice = everybody["alice"]
    root = projects.project(folder)
    settings = {"from": state_sync.pop("first"), **state_sync}
    define(root, settings)
    chain_id = chains.fresh("consumer8")
    digest = projects.lengthen_window(root)
    consumer_id = chains.create(chain_id, HOUR, genesis_hash=digest)
    with operators.Cron([alice], project=root) as cron:
        waiting.until(
            "alice has joined it",
            lambda: alice.chain(consumer_id, cron.last("alice") or alice.status()),
            lambda chain: chain.get("participation") == "validating",
        )
        owner.update_consumer(consumer_id, chains.spec(chain_id, -HOUR, genesis_hash=digest))
        home = launch.namespace_of(alice, consumer_id)
        waiting.until("alice makes blocks", lambda: alice.kube.height(home), lambda found: found > 0)
        began = time.monotonic()
        waiting.until(
            f"the chain has {height} blocks",
            lambda: alice.kube.height(home),
            lambda found: found >= height,
            seconds=1200,
            every=5,
        )
        waiting.figure(f"first block to block {height}", time.monotonic() - began)
        waiting.until(
            "the provider's client knows that it is past the first blocks",
            lambda: client_height(alice, consumer_id),
            lambda found: found > settings["from"],
        )
        yield FastChain(consumer_id, home, root, settings)
    owner.remove_consumer(consumer_id)
    for operator in everybody.values():
        operator.settled()


def client_height(alice: operators.Operator, consumer_id: str) -> int:
    """Height of the newest block that the provider's client of a chain has seen."""
    client_id = alice.summary(consumer_id)["client_id"]
    answer = chains.provider(f"/ibc/core/client/v1/client_states/{client_id}")
    return int(answer["client_state"]["latest_height"]["revision_height"])


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


def trust_of(operator: operators.Operator, chain: FastChain) -> state_sync_record.TrustedBlock:
    trust = record_of(operator, chain).trust
    assert trust is not None
    return trust
