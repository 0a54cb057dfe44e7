"""Commands for one chain whose pass had trouble with other chains."""

import dataclasses
import types
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cli.arguments import opt_in as opt_in_arguments
from ics.cli.arguments import peers as peers_arguments
from ics.cli.commands import opt_in, peers
from ics.consumer import participation, status
from ics.reconciler import outcome as reconciler_outcome
from ics.reconciler import reconcile, wiring

STACKS = reconciler_outcome.Trouble(errors.Transient("the gateway's namespace is full"))
OWN = reconciler_outcome.Trouble(errors.Permanent("consumer 7: refused"), "7")
OTHERS = reconciler_outcome.Trouble(errors.Permanent("consumer 9: refused"), "9")
CHAIN = status.ChainReport(
    chain_id="consumer7-1",
    consumer_id="7",
    phase=model.Phase.INITIALIZED,
    participation=participation.Participation.SELECTED,
    namespace=None,
    genesis_sha256=None,
    ports=None,
    node=None,
    conditions=(),
)
SNAPSHOT = model.Snapshot(
    chain_id="provider-1",
    height=7,
    time="2026-01-01T00:00:00Z",
    validators=(),
    consumers=(),
    must_validate=frozenset(),
)


def outcome(
    *troubles: reconciler_outcome.Trouble, sent: tuple[model.Intent, ...] = ()
) -> reconciler_outcome.Outcome:
    report = status.Report(
        validator="alice", provider_chain_id="provider-1", height=7, chains=(CHAIN,), conditions=()
    )
    return reconciler_outcome.Outcome(
        changes=(), sent=sent, report=report, troubles=troubles, snapshot=SNAPSHOT
    )


@dataclasses.dataclass(frozen=True)
class World:
    opt_in_requests: frozenset[str] = frozenset()


class Lease:
    async def release(self) -> None:
        return None


FOUND = cast(
    wiring.OpenStack,
    types.SimpleNamespace(world=World(), engine=None, sender=None, lease=Lease()),
)


def passing(monkeypatch: pytest.MonkeyPatch, *outcomes: reconciler_outcome.Outcome) -> None:
    left = list(outcomes)

    async def one_pass(*_: object) -> reconciler_outcome.Outcome:
        return left.pop(0)

    monkeypatch.setattr(reconcile, "run_pass", one_pass)
    monkeypatch.setattr(opt_in, "_BETWEEN_PASSES", 0.0)


OPT_IN = opt_in_arguments.OptIn(consumer_id="7")
SENT = (model.OptIn("7", "consumer7-1", b"k" * 32),)


async def test_trouble_of_another_chain_does_not_fail_opt_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passing(monkeypatch, outcome(OTHERS), outcome(OTHERS, sent=SENT))
    assert await opt_in._opt_in(OPT_IN, FOUND) == 0
    said = capsys.readouterr()
    assert said.out.startswith("consumer7-1: opted in")
    assert said.err == "ics: consumer 9: refused\n"


@pytest.mark.parametrize("trouble", [OWN, STACKS])
async def test_trouble_of_the_chain_or_stack_fails_opt_in(
    monkeypatch: pytest.MonkeyPatch, trouble: reconciler_outcome.Trouble
) -> None:
    passing(monkeypatch, outcome(OTHERS, trouble))
    with pytest.raises(type(trouble.error), match=str(trouble)):
        await opt_in._opt_in(OPT_IN, FOUND)


def nodes(monkeypatch: pytest.MonkeyPatch, *consumer_ids: str) -> None:
    async def running_nodes(_: object) -> list[Any]:
        chains = [types.SimpleNamespace(consumer_id=one) for one in consumer_ids]
        return [types.SimpleNamespace(chain=chain) for chain in chains]

    async def update_chain(_: object, consumer_id: str) -> list[dict[str, str]]:
        row = {"consumer_id": consumer_id, "chain_id": f"consumer{consumer_id}-1"}
        return [row | {"node": name, "done": "restarted"} for name in ("sentry-1", "node")]

    monkeypatch.setattr(peers, "_running_nodes", running_nodes)
    monkeypatch.setattr(peers, "_update_chain", update_chain)


@pytest.mark.parametrize(("consumer_id", "code"), [("7", 0), (None, 2)])
async def test_peers_are_updated_except_for_failing_chain(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    consumer_id: str | None,
    code: int,
) -> None:
    passing(monkeypatch, outcome(OTHERS))
    nodes(monkeypatch, "7", "9")
    args = peers_arguments.Update(consumer_id=consumer_id, all=consumer_id is None)
    assert await peers._update(args, FOUND) == code
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()[1:]] == [
        ["7", "consumer7-1", "sentry-1", "restarted"],
        ["7", "consumer7-1", "node", "restarted"],
    ]
    assert said.err == "ics: consumer 9: refused\n"


@pytest.mark.parametrize("trouble", [OWN, STACKS])
async def test_peer_update_fails_with_trouble_of_the_chain_or_stack(
    monkeypatch: pytest.MonkeyPatch, trouble: reconciler_outcome.Trouble
) -> None:
    passing(monkeypatch, outcome(OTHERS, trouble))
    nodes(monkeypatch, "7", "9")
    with pytest.raises(type(trouble.error), match=str(trouble)):
        await peers._update(peers_arguments.Update(consumer_id="7"), FOUND)
