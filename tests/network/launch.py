"""How the two chains of the operator's day are launched, and what is seen on the way.

Both ids have the same home port. The first is the chain of most stories; its twin is the one of `test_removal`. Of
two chains with one id neither would be joined (`TwoOfOneName`).
"""

import pathlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ics import names
from tests.network import chains, kube, operators, waiting

CHAIN_ID = "consumer1-1"
TWIN_ID = "consumer794-1"
"""Its home port is that of `CHAIN_ID`, so that the later one has to make way."""
RUNNERS = ("alice", "bob")
"""Who the 66 % rule selects: 300 and 200 of 600 thousand."""
HOUR = 3600.0
_SOON = 2.0
"""Seconds from the last preparation to the spawn time, so that nobody waits for a time that was guessed."""


@dataclass(frozen=True)
class Launch:
    """What was seen."""

    first: str
    """Consumer id."""
    twin: str
    staged: Mapping[str, list[str]]
    """By validator, `Kind namespace/name` of all objects, before any chain was launched."""
    staged_status: Mapping[str, dict[str, Any]]
    running_status: Mapping[str, dict[str, Any]]
    """By validator, once both chains had five blocks."""
    complaints: list[str]
    before: Mapping[str, int]
    """By validator, how many transactions it had signed when the chains were created."""


def shown(item: kube.Object) -> str:
    """`Kind namespace/name`."""
    return f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def launched(everybody: Mapping[str, operators.Operator]) -> Launch:
    """Create both chains while the three reconcilers run, and wait for their blocks."""
    left = {one["chain_id"] for one in chains.of_phase(3)} & {CHAIN_ID, TWIN_ID}
    assert not left, f"{left} run already, and of two chains with one id neither is joined; run: make down"
    began = time.monotonic()
    before = {name: len(one.transactions()) for name, one in everybody.items()}
    chain_ids = (CHAIN_ID, TWIN_ID)
    ids = [chains.create(chain_id, HOUR) for chain_id in chain_ids]
    with operators.Cron(list(everybody.values())) as cron:

        def is_staged(name: str) -> list[bool]:
            status = cron.last(name)
            found = [everybody[name].chain(one, status) for one in ids] if status else []
            return [
                chain.get("participation") == "validating"
                and "Staged" in [condition["reason"] for condition in chain["conditions"]]
                for chain in found
            ]

        for name in RUNNERS:
            waiting.until(
                f"{name} has joined and staged both chains",
                lambda name=name: is_staged(name),  # type: ignore[misc]
                lambda seen: seen == [True, True],
            )
        waiting.figure("both chains created to both joined and staged by both", time.monotonic() - began)
        staged = {name: [shown(item) for item in one.kube.members()] for name, one in everybody.items()}
        staged_status = {name: cron.last(name) for name in everybody}
        assert [chains.phase(one) for one in ids] == ["INITIALIZED", "INITIALIZED"]

        for one, chain_id in zip(ids, chain_ids, strict=True):
            chains.move(one, chain_id, _SOON)
        waiting.until("both are launched", lambda: [chains.phase(one) for one in ids], _are_launched)
        spawned = time.monotonic()
        waiting.figure("both chains created to both launched", spawned - began)

        def heights() -> list[int]:
            return [_height(everybody[name], cron.last(name), one) for name in RUNNERS for one in ids]

        waiting.until("the first block is everywhere", heights, lambda seen: min(seen) >= 1)
        waiting.figure("launch to height 1 of both chains, as both operators' status says", since(spawned))
        waiting.until("height 5 is everywhere", heights, lambda seen: min(seen) >= 5)
        waiting.figure("launch to height 5, likewise", since(spawned))
    running = {name: one.status() for name, one in everybody.items()}
    return Launch(ids[0], ids[1], staged, staged_status, running, cron.complaints(), before)


def new(
    chain_ids: Sequence[str],
    runners: Sequence[operators.Operator],
    project: pathlib.Path | None = None,
) -> list[str]:
    """Further chains, which these have joined, and which are about to be launched; answers their consumer ids.

    Args:
        chain_ids: of each.
        runners: those who join.
        project: theirs, which has the definitions; None: the checkout.
    """
    ids = [chains.create(one, HOUR) for one in chain_ids]
    with operators.Cron(runners, project=project) as cron:
        for operator in runners:
            waiting.until(
                f"{operator.name} has joined {', '.join(ids)}",
                lambda operator=operator: _joined(operator, cron.last(operator.name)),  # type: ignore[misc]
                lambda joined: joined.issuperset(ids),
            )
    for one, chain_id in zip(ids, chain_ids, strict=True):
        chains.move(one, chain_id, _SOON)
    return ids


def _joined(operator: operators.Operator, status: Mapping[str, Any]) -> set[str]:
    found = status.get("chains", ())
    return {chain["consumer_id"] for chain in found if chain["participation"] == "validating"}


def end(
    ids: Sequence[str], runners: Sequence[operators.Operator], project: pathlib.Path | None = None
) -> None:
    """Remove chains and wait until their nodes have ended: the machine is for others now."""
    for one in ids:
        if chains.phase(one) == "LAUNCHED":
            chains.remove(one)
    homes = [(operator, namespace_of(operator, one)) for operator in runners for one in ids]
    with operators.Cron(runners, project=project):
        waiting.until(
            f"the nodes of {', '.join(ids)} have ended",
            lambda: [home for operator, home in homes if operator.kube.pod(home) is not None],
            lambda left: not left,
            seconds=240,
        )


def since(moment: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return time.monotonic() - moment


def _are_launched(phases: list[str]) -> bool:
    return set(phases) == {"LAUNCHED"}


def _height(operator: operators.Operator, status: dict[str, Any], consumer_id: str) -> int:
    node = operator.chain(consumer_id, status).get("node") if status else None
    return -1 if node is None or node["height"] is None else int(node["height"])


def namespace_of(operator: operators.Operator, consumer_id: str) -> str:
    """The namespace of a chain, found by its labels."""
    found = [
        item["metadata"]["name"]
        for item in operator.kube.members()
        if item["kind"] == "Namespace"
        and item["metadata"]["labels"].get(names.CONSUMER) == consumer_id
        and item["metadata"]["labels"][names.VALIDATOR] == operator.name
    ]
    assert len(found) == 1, f"{operator.name} has the namespaces {found} for consumer {consumer_id}"
    return str(found[0])
