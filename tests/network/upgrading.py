"""Consumer chains with an upgrade at a height: their definitions, their launch, and what their blocks say."""

import datetime
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, replace
from typing import Any

import yaml

from devnet import governed, places, plan, upgrades
from devnet.progress import Progress
from ics import names
from ics.cluster.api import kinds
from ics.cosmos import times
from tests.network import chains, operators, projects, waiting

BAR = 15
"""Seconds that the issue of upgrades allows from a halt to the first block."""
IMAGES = (plan.DEMOCRACY_IMAGE, plan.SECOND_DEMOCRACY_IMAGE, plan.SECOND_CONSUMER_IMAGE)
FAR = 3600.0
SOON = 2.0
_GOVERNED = places.CHECKOUT / "stacks" / "chains" / "ics-democracy.genesis.json"


@dataclass(frozen=True)
class Upgrade:
    """A chain that has one upgrade in its definition."""

    chain_id: str
    height: int
    genesis_hash: str
    consumer_id: str = ""
    """Empty before the chain is created."""


def deliver(*hosts: plan.Host, images: Sequence[str] = IMAGES) -> None:
    """Give hosts the images of both versions."""
    with futures.ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: upgrades.deliver(host, *images, progress=Progress()), hosts))


def by_plan(
    root: pathlib.Path, stem: str, height: int, *, image: str = plan.SECOND_DEMOCRACY_IMAGE, **changes: Any
) -> Upgrade:
    """Define a chain with governance whose genesis has the plan v2 at a height, voted for.

    Args:
        root: the project that gets the definition.
        stem: how its chain id begins.
        height: the plan's.
        image: of the upgrade in the definition.
        changes: other parts of the definition; `voted`: end of the voting, RFC 3339.
    """
    voted = {"voted": changes.pop("voted")} if "voted" in changes else {}
    genesis = governed.schedule(governed_base(), height, **voted)
    return define_governed(
        root, stem, genesis, height, [{"name": plan.SECOND_PLAN, "height": height, "image": image}], **changes
    )


def define_governed(
    root: pathlib.Path,
    stem: str,
    genesis: Mapping[str, Any],
    height: int,
    listed: Sequence[Mapping[str, Any]],
    **changes: Any,
) -> Upgrade:
    """Define a chain with governance, with its own base genesis and its own list of upgrades."""
    chain_id = chains.fresh(stem)
    name = f"own-{chain_id}"
    raw = json.dumps(genesis).encode()
    (root / "stacks" / "chains" / f"{name}.genesis.json").write_bytes(raw)
    definition = {
        "image": plan.DEMOCRACY_IMAGE,
        "binary": "interchain-security-cdd",
        "bech32_prefix": governed.PREFIX,
        "genesis": {"base": {"file": f"{name}.genesis.json"}, "fund": {"relayers": f"100000000{plan.DENOM}"}},
        "upgrades": [dict(entry) for entry in listed],
    }
    projects.define(root, name, {"chain_id": chain_id}, **definition, **changes)
    return Upgrade(chain_id, height, hashlib.sha256(raw).hexdigest())


def relist(root: pathlib.Path, chain: Upgrade, listed: Sequence[Mapping[str, Any]]) -> None:
    """Change the list of upgrades in a chain's definition, as its operator would."""
    path = root / "stacks" / "chains" / f"own-{chain.chain_id}.yaml"
    document = yaml.safe_load(path.read_text())
    temporary = path.with_suffix(".new")
    temporary.write_text(yaml.safe_dump({**document, "upgrades": [dict(entry) for entry in listed]}))
    temporary.replace(path)


def governed_base() -> dict[str, Any]:
    """Return the base genesis of a chain with governance that has no plan yet."""
    genesis: dict[str, Any] = json.loads(_GOVERNED.read_text())
    genesis["app_state"]["gov"] |= {"starting_proposal_id": "1", "proposals": [], "votes": []}
    return genesis


def at(upgraded: Upgrade, height: int) -> Upgrade:
    """Return a chain whose upgrade's height is known by now."""
    return replace(upgraded, height=height)


def by_halt(
    root: pathlib.Path, stem: str, height: int, *, image: str = plan.SECOND_CONSUMER_IMAGE, **changes: Any
) -> Upgrade:
    """Define a chain like the example's, which its validators upgrade at a height that they agree upon."""
    chain_id = chains.fresh(stem)
    listed = [{"height": height, "image": image, "halt": True}]
    projects.define(root, f"own-{chain_id}", {"chain_id": chain_id}, upgrades=listed, **changes)
    return Upgrade(chain_id, height, chains.base_hash())


def launched(defined: Sequence[Upgrade], runners: Sequence[operators.Operator]) -> list[Upgrade]:
    """Create chains, and launch them once all runners have joined; passes must be made meanwhile."""
    found = []
    for one in defined:
        consumer_id = chains.create(one.chain_id, FAR, genesis_hash=one.genesis_hash)
        found.append(replace(one, consumer_id=consumer_id))
    for one in found:
        waiting.until(
            f"{len(runners)} have joined {one.chain_id}",
            lambda one=one: chains.ask(f"opted_in_validators/{one.consumer_id}")[
                "validators_provider_addresses"
            ],  # type: ignore[misc]
            lambda joined: len(joined) == len(runners),
        )
    for one in found:
        chains.move(one.consumer_id, one.chain_id, SOON, genesis_hash=one.genesis_hash)
    return found


def until_height(
    upgraded: Sequence[Upgrade],
    runners: Sequence[operators.Operator],
    height: Callable[[Upgrade], int],
    what: str,
) -> None:
    """Wait until the nodes of all runners have a height, which may differ from chain to chain."""
    homes = {(one.name, each.consumer_id): "" for one in runners for each in upgraded}

    def missing() -> dict[str, int]:
        found = {}
        for one in runners:
            for each in upgraded:
                key = (one.name, each.consumer_id)
                homes[key] = homes[key] or home(one, each)
                now = one.kube.height(homes[key]) if homes[key] else -1
                if now < height(each):
                    found[f"{one.name} {each.chain_id}"] = now
        return found

    waiting.until(f"{', '.join(one.chain_id for one in upgraded)}: {what}", missing, lambda left: not left)


def home(operator: operators.Operator, upgraded: Upgrade) -> str:
    """The chain's namespace; empty before there is one."""
    labels = {names.CONSUMER: upgraded.consumer_id, names.VALIDATOR: operator.name}
    found = operator.kube.all(kinds.NAMESPACE, **labels)
    return str(found[0]["metadata"]["name"]) if found else ""


def version(operator: operators.Operator, namespace: str) -> str:
    """The version that the node's application states; empty while it does not answer."""
    answer = operator.kube.ask_node(namespace, "/abci_info")
    return str(answer["response"]["version"]) if answer else ""


def halt(operator: operators.Operator, upgraded: Upgrade) -> float:
    """Seconds between the votes for the last block before the switch and those for the first one after it.

    CometBFT decides block H before the application refuses it. The time in the header of a block is the median of
    the votes for the block before it (CometBFT v0.38, BFT time), so the votes for H are in H+1, the next ones in H+2.
    """
    first, second = (_time(operator, home(operator, upgraded), upgraded.height + more) for more in (1, 2))
    return (second - first).total_seconds()


def missed(
    operator: operators.Operator, others: Sequence[operators.Operator], upgraded: Upgrade
) -> list[str]:
    """Blocks without the signature of one of the validators, as `HEIGHT NAME`, from the second block on."""
    namespace = home(operator, upgraded)
    addresses = {one.address_of(upgraded.consumer_id): one.name for one in others}
    top = operator.kube.height(namespace)
    return [
        f"{height} {name}"
        for height in range(2, top)
        for address, name in addresses.items()
        if address not in operator.kube.signers(namespace, height)
    ]


def counted_missed(operator: operators.Operator, upgraded: Upgrade) -> list[int]:
    """Missed blocks of each validator, as the chain counts them for its downtime window."""
    answer = operator.kube.ask_app(home(operator, upgraded), "/cosmos/slashing/v1beta1/signing_infos")
    return [int(one["missed_blocks_counter"]) for one in answer["info"]]


def _time(operator: operators.Operator, namespace: str, height: int) -> datetime.datetime:
    block = operator.kube.ask_node(namespace, "/block", height=str(height))["block"]
    return times.parse_time(block["header"]["time"])
