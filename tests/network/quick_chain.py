"""A chain with about two blocks a second that alice and charlie run from its launch on, each with own settings.

Alice has three quarters of its power, so it goes on while charlie's key is replaced.
"""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.network import chains, launch, operators, projects, waiting

GOSSIP = {"peer_gossip_sleep_duration": "10ms"}
"""For chains whose first validator makes blocks alone.

Its node is done with a block sooner than CometBFT's gossip, which sleeps for 100 ms at a time, has passed the proposal
on. The others then get the block without the votes that they would have to see before they sign it.
"""
BLOCKS = {
    "config.toml": {
        "instrumentation": {"prometheus": True},
        "consensus": {"timeout_commit": "500ms", **GOSSIP},
    },
    "app.toml": {},
}
"""`config` of its definition."""


@dataclass(frozen=True)
class QuickChain:
    """The chain, and the project of its validators."""

    consumer_id: str
    chain_id: str
    home: str
    """Namespace, on every host."""
    root: pathlib.Path


def set_up(root: pathlib.Path, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Change settings of one validator's stack, key by key, in one step: passes read the file at any time."""
    path = root / "stacks" / f"Pulumi.{name}.yaml"
    document = yaml.safe_load(path.read_text())
    for key, values in changes.items():
        document["config"][key] = {**document["config"].get(key, {}), **values}
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump(document))
    new.replace(path)


@contextlib.contextmanager
def running(
    alice: operators.Operator,
    charlie: operators.Operator,
    folder: pathlib.Path,
    stem: str,
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Iterator[QuickChain]:
    """Launch it, and remove it afterwards.

    Args:
        alice: has it by the 66 % rule.
        charlie: opts in.
        folder: for the project.
        stem: how its chain id begins.
        settings: changes of the stacks, by validator.
    """
    root = projects.project(folder)
    for operator in (alice, charlie):
        if operator.name in settings:
            set_up(root, operator.name, settings[operator.name])
            _leave_other_volumes(operator, root)
    chain_id = chains.fresh(stem)
    projects.define(root, stem, {"chain_id": chain_id}, config=BLOCKS)
    digest = projects.lengthen_window(root)
    consumer_id = chains.create(chain_id, launch.HOUR, genesis_hash=digest)
    runners = [alice, charlie]
    try:
        joined = charlie.ics("opt-in", consumer_id, project=root)
        assert joined.code == 0, joined.err
        with operators.Cron(runners, project=root) as cron:
            for operator in runners:
                waiting.until(
                    f"{operator.name} has joined",
                    lambda operator=operator: _participation(operator, consumer_id, cron),  # type: ignore[misc]
                    lambda found: found == "validating",
                )
            chains.move(consumer_id, chain_id, 2.0, genesis_hash=digest)
            waiting.until(
                "it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED"
            )
            home = launch.namespace_of(alice, consumer_id)
            keys = {operator.address_of(consumer_id) for operator in runners}
            waiting.until("it has blocks", lambda: alice.kube.height(home), lambda height: height >= 5)
            waiting.until(
                "both sign",
                lambda: alice.kube.signers(home, alice.kube.height(home) - 1),
                lambda signers: signers >= keys,
                tell=lambda: charlie.kube.told(home),
            )
        yield QuickChain(consumer_id, chain_id, home, root)
    finally:
        launch.end([consumer_id], runners, root)


def _leave_other_volumes(operator: operators.Operator, root: pathlib.Path) -> None:
    """Confirm that volumes of other stories' chains stay as they are, whatever StorageClass this stack has now."""
    found = operator.reconcile("--once", project=root).json["status"]
    texts = [
        condition["message"]
        for chain in found["chains"]
        for condition in chain["conditions"]
        if condition["reason"] == "NeedsConfirmation"
    ]
    confirmed = [text.rpartition(" ")[2] for text in texts]
    assert all(one.startswith("PersistentVolumeClaim/") for one in confirmed), texts
    path = root / "stacks" / f"Pulumi.{operator.name}.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["ics:confirm"] = confirmed
    path.write_text(yaml.safe_dump(document))


def status(operator: operators.Operator, chain: QuickChain) -> dict[str, Any]:
    """Status of the chain for one of its validators."""
    done = operator.ics("status", project=chain.root)
    assert done.code == 0, done.err
    return operator.chain(chain.consumer_id, done.json)


def signs(
    alice: operators.Operator, operator: operators.Operator, chain: QuickChain, *, tell: str = ""
) -> int:
    """Wait until a block that is made from now on has a validator's signature, and answer its height.

    Looks at each block: Alice's vote alone makes one, so a vote that comes late is missing in its commit.

    Args:
        alice: whose node has the blocks.
        operator: the validator's.
        chain: the chain.
        tell: what this shows, for the diary.
    """
    address, seen = operator.address_of(chain.consumer_id), alice.kube.height(chain.home)
    assert seen > 0

    def signed() -> int:
        nonlocal seen
        newest = alice.kube.height(chain.home) - 1
        while seen < newest:
            seen += 1
            if address in alice.kube.signers(chain.home, seen):
                return seen
        return 0

    return waiting.until(f"{operator.name} signs{tell}", signed, tell=lambda: operator.kube.told(chain.home))


def _participation(operator: operators.Operator, consumer_id: str, cron: operators.Cron) -> str:
    status = cron.last(operator.name)
    return str(operator.chain(consumer_id, status).get("participation")) if status else ""
