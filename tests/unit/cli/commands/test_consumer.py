"""`ics consumer show` prints the terms in force and those that the owner has queued."""

import contextlib
import dataclasses
import json
import types
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import pytest

from ics import errors, model
from ics.cosmos import times
from ics.provider.owner import decode, terms
from ics.reconciler import wiring
from tests.unit import factories
from tests.unit.cli import calls
from tests.unit.provider import recorded

QUEUED = dataclasses.replace(
    factories.MILD,
    double_sign=model.Penalty(
        slash_fraction=Decimal("1.000000000000000000"), jail_duration=times.LONGEST, tombstone=True
    ),
)
UNSERVED = errors.Permanent("http://a: HTTP 501, Not Implemented")


@dataclasses.dataclass
class Provider:
    """A provider with one launched chain, and what is queued for it."""

    queued: model.InfractionParameters | errors.IcsError

    async def find(self, consumer_id: str) -> terms.OwnedConsumer:
        return decode.consumer_chain(recorded.answer("consumer_chain_launched"))

    async def members(self, consumer_id: str) -> tuple[decode.Member, ...]:
        return ()

    async def opted_in(self, consumer_id: str) -> frozenset[str]:
        return frozenset()

    async def pairs(self, consumer_id: str) -> tuple[tuple[str, str], ...]:
        return ()

    async def genesis(self, consumer_id: str) -> dict[str, Any]:
        return factories.ccv("alice")

    async def reward_denoms(self, consumer_id: str) -> tuple[str, ...]:
        return ()

    async def queued_terms(self, consumer_id: str) -> model.InfractionParameters:
        if isinstance(self.queued, errors.IcsError):
            raise self.queued
        return self.queued


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    queued: model.InfractionParameters | errors.IcsError,
    *flags: str,
) -> str:
    """Run the command and return what it prints."""

    @contextlib.asynccontextmanager
    async def open_chain(*_: object, **__: object) -> AsyncIterator[wiring.ProviderAccess]:
        yield cast(wiring.ProviderAccess, types.SimpleNamespace(provider=Provider(queued)))

    monkeypatch.setattr(wiring, "open_chain", open_chain)
    assert calls.run("consumer", "show", "2", "--stack", "alice", *flags) == 0
    return capsys.readouterr().out


FORCE = 'infraction_parameters.double_sign.slash_fraction: "0.05"'


def test_terms_in_force_and_queued_terms_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, QUEUED).splitlines()

    assert FORCE in lines
    assert [line for line in lines if line.startswith("queued")] == [
        'queued_infraction_parameters.double_sign.slash_fraction: "1"',
        'queued_infraction_parameters.double_sign.jail_duration: "forever"',
        "queued_infraction_parameters.double_sign.tombstone: true",
        'queued_infraction_parameters.downtime.slash_fraction: "0"',
        'queued_infraction_parameters.downtime.jail_duration: "10m"',
        "queued_infraction_parameters.downtime.tombstone: false",
        "queued parameters take effect within the provider's unbonding period",
    ]


@pytest.mark.parametrize(
    ("queued", "problem", "line"),
    [
        (model.InfractionParameters(), "", []),
        (UNSERVED, str(UNSERVED), [f"queued_infraction_parameters: unread: {UNSERVED}"]),
    ],
)
def test_empty_and_unread_queue_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    queued: model.InfractionParameters | errors.IcsError,
    problem: str,
    line: list[str],
) -> None:
    lines = shown(monkeypatch, capsys, queued).splitlines()
    value = json.loads(shown(monkeypatch, capsys, queued, "--json"))

    assert FORCE in lines
    assert [one for one in lines if one.startswith("queued")] == line
    assert (value["queued_infraction_parameters"], value["queue_problem"]) == (None, problem)


def test_json_has_queued_terms_in_the_form_of_those_in_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = json.loads(shown(monkeypatch, capsys, QUEUED, "--json"))

    in_force = value["infraction_parameters"]
    double_sign = {**in_force["double_sign"], "slash_fraction": "1"}
    assert value["queued_infraction_parameters"] == {**in_force, "double_sign": double_sign}
