"""Two schedulers with different engines: which of them converges, and what the other one says."""

import dataclasses
import datetime
import pathlib

import httpx
import pytest

from ics import engines, names
from ics.cli import status_table
from ics.cluster.api import client, kubeconfig
from ics.conditions import Reason
from ics.engines import tenure
from ics.engines.applyset import engine as applyset_engine
from ics.engines.applyset import members, parent
from ics.engines.pulumi import engine as pulumi_engine
from ics.engines.pulumi import provider, stack
from ics.manifests import objects
from ics.reconciler import outcome
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def claim(engine: str, after: int = 0, *, is_attended: bool = False) -> tenure.Claim:
    """A pass of a scheduler of that engine, so many hours after noon."""
    return tenure.Claim(
        engine=engine, by=f"host of {engine}", now=NOW + after * HOUR, is_attended=is_attended
    )


OF_APPLY = claim(engines.APPLY).after(tenure.Tenure())
DISPLACED = claim(engines.PULUMI, 1).after(OF_APPLY)
"""A scheduler of Pulumi has taken the set from one of the embedded engine."""


def test_first_engine_and_later_passes_keep_since_when_it_is() -> None:
    assert (
        tenure.Tenure(engine=engines.APPLY, since="2026-01-01T12:00:00Z", by="host of apply", displaced="")
        == OF_APPLY
    )
    assert claim(engines.APPLY, 5).after(OF_APPLY) == OF_APPLY


def test_record_without_time_gets_one() -> None:
    assert claim(engines.APPLY, 1).after(tenure.Tenure(engine=engines.APPLY)).since == "2026-01-01T13:00:00Z"


def test_changed_setting_takes_effect_at_once() -> None:
    claim(engines.PULUMI, 1).check(OF_APPLY)
    assert (
        tenure.Tenure(
            engine=engines.PULUMI, since="2026-01-01T13:00:00Z", by="host of pulumi", displaced=engines.APPLY
        )
        == DISPLACED
    )


def test_displaced_scheduler_leaves_the_set_and_names_the_other() -> None:
    with pytest.raises(tenure.OtherEngine) as raised:
        claim(engines.APPLY, 2).check(DISPLACED)
    for part in ("ics:engine: apply", "2026-01-01T13:00:00Z", "host of pulumi", "converges with pulumi"):
        assert part in str(raised.value)
    collector = outcome.Collector()
    collector.cluster_error(raised.value)
    assert [condition.reason for condition in collector.conditions] == [Reason.TWO_ENGINES]
    claim(engines.PULUMI, 2).check(DISPLACED)


def test_command_by_hand_takes_effect_and_displaces_nobody() -> None:
    by_hand = claim(engines.APPLY, 2, is_attended=True)
    by_hand.check(DISPLACED)
    tried = by_hand.after(DISPLACED)
    assert (tried.engine, tried.displaced) == (engines.APPLY, "")
    claim(engines.PULUMI, 3).check(tried)


@pytest.mark.parametrize("since", ["", "yesterday", "2026-01-01T13:00:00Z"])
def test_displaced_scheduler_returns_after_a_day_or_an_edited_record(since: str) -> None:
    claim(engines.APPLY, 25).check(dataclasses.replace(DISPLACED, since=since))


@pytest.mark.parametrize("name", [engines.APPLY, engines.PULUMI])
async def test_engine_of_displaced_scheduler_writes_nothing(name: str, tmp_path: pathlib.Path) -> None:
    other = engines.PULUMI if name == engines.APPLY else engines.APPLY
    held = claim(other, 1).after(claim(name).after(tenure.Tenure()))
    books = parent.manifest("alice", "provider", parent.Parent(tenure=held))

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", request
        is_list = "labelSelector" in request.url.params
        return httpx.Response(200, json={"metadata": {}, "items": []} if is_list else dict(books))

    async def passphrase() -> None:
        raise AssertionError("Pulumi is not started")

    def now() -> datetime.datetime:
        return NOW + 2 * HOUR

    async with client.KubeClient(
        kubeconfig.Access(server="https://h:6443"), httpx.MockTransport(answer)
    ) as kube:
        where = stack.Stack(tmp_path, "alice")
        one: engines.Engine = (
            applyset_engine.ApplyEngine(kube, "alice", "provider", now=now)
            if name == engines.APPLY
            else pulumi_engine.PulumiEngine(
                kube,
                "alice",
                "provider",
                where,
                passphrase,
                provider.ProviderInputs(None, None),
                now=now,
            )
        )
        namespace = objects.namespace(objects.Owner("alice", factories.PROVIDER), "provider")
        namespace["metadata"]["labels"][names.PART_OF_SET] = members.set_id("alice", "provider")
        done = await one.converge(engines.ApplyRequest(manifests=[namespace]))

    [error] = done.errors
    assert isinstance(error, tenure.OtherEngine)
    assert done == engines.Converged(errors=(error,))


def test_annotations_survive_round_trip_and_edits() -> None:
    assert tenure.parse(DISPLACED.engine, DISPLACED.text()) == DISPLACED
    for text in ("", "{", "[]", '"x"', "5"):
        assert tenure.parse("apply", text) == tenure.Tenure(engine="apply")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("auto", ", engine pulumi since 2026-01-01T13:00:00Z"),
        ("pulumi", ", engine pulumi since 2026-01-01T13:00:00Z"),
        ("apply", ", engine pulumi since 2026-01-01T13:00:00Z, ics:engine is apply"),
    ],
)
def test_status_names_engine_and_since_when(setting: str, expected: str) -> None:
    assert status_table.engine(DISPLACED, setting) == expected
    assert status_table.engine(tenure.Tenure(), setting) == ""
