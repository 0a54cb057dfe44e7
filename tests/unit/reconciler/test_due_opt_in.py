"""The opt-in that is signed elsewhere has the key that a pass would assign, or is refused."""

import dataclasses
import re
from typing import Any, cast

import pytest

from ics import engines, errors, model
from ics.conditions import Condition, Reason
from ics.consumer import desired, observed
from ics.reconciler import due_opt_in, observe, world
from tests.unit import factories
from tests.unit.reconciler import test_opt_ins

RECORDED = factories.observation(
    factories.snapshot(factories.consumer()), memory=factories.staged(), spare=factories.SPARE
)
NEW = factories.observation(factories.snapshot(factories.consumer()), spare=factories.SPARE)
OPT_IN = model.OptIn("0", "consumer1-1", factories.consumer_key("alice").public_key, factories.place_id())


class Provider:
    """Endpoints that agree about a chain, or do not."""

    def __init__(self, *, is_outvoted: bool) -> None:
        self._is_outvoted = is_outvoted

    async def is_outvoted(self, *_: object) -> bool:
        return self._is_outvoted


async def found(
    monkeypatch: pytest.MonkeyPatch,
    seen: observed.Observed,
    wanted: desired.Desired,
    *problems: engines.Change,
    consumer_id: str = "0",
    is_outvoted: bool = False,
) -> model.OptIn:
    """What is found with adapters of which only the provider may be asked."""

    async def read(asked: world.World) -> tuple[observed.Observed, desired.Desired]:
        assert asked.opt_in_requests == {consumer_id}
        return seen, wanted

    monkeypatch.setattr(observe, "read", read)
    place = factories.world(provider=cast(Any, Provider(is_outvoted=is_outvoted)))
    return await due_opt_in.find(place, test_opt_ins.Reluctant(*problems), consumer_id)


async def test_opt_in_has_the_key_and_the_place_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await found(monkeypatch, RECORDED, factories.judge(RECORDED)) == OPT_IN


def changed(wanted: desired.Desired, **changes: Any) -> desired.Desired:
    [decision] = wanted.decisions
    return dataclasses.replace(wanted, decisions=(dataclasses.replace(decision, **changes),))


async def test_place_that_is_not_on_record_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "consumer 0 (consumer1-1): no pass has prepared it, so its key is not on record yet; add '0' to"
        " ics:participation.allow unless the policy selects it, run `ics up`, then this again"
    )
    with pytest.raises(errors.SettingsError, match=f"^{re.escape(text)}$"):
        await found(monkeypatch, NEW, factories.judge(NEW))


async def test_opt_in_that_still_waits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    open_list = Condition.new(Reason.CHECKLIST_OPEN, "image: not pulled yet", "0")
    wanted = changed(factories.judge(RECORDED), intents=(), awaited=(OPT_IN,), conditions=(open_list,))
    with pytest.raises(
        errors.Transient, match="not due yet: ChecklistOpen: image: not pulled yet; see `ics status`"
    ):
        await found(monkeypatch, RECORDED, wanted)


async def test_publication_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = changed(factories.judge(RECORDED), intents=(model.PublishDetails("p2p=h"),))
    with pytest.raises(errors.SettingsError, match="details comes before the opt-in; run `ics up`"):
        await found(monkeypatch, RECORDED, wanted)


async def test_member_has_nothing_to_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = factories.observation(
        factories.snapshot(factories.consumer(found=factories.joined("alice"))), memory=factories.staged()
    )
    with pytest.raises(errors.SettingsError, match="already opted in; nothing to sign"):
        await found(monkeypatch, seen, factories.judge(seen))


async def test_chain_that_would_not_be_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = factories.settings("charlie")
    seen = factories.observation(factories.snapshot(factories.consumer()))
    with pytest.raises(errors.Permanent, match="would not be joined: NotJoined: "):
        await found(monkeypatch, seen, factories.judge(seen, stack=stack))


async def test_unknown_chain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.SettingsError, match="consumer id '9': not found on provider"):
        await found(monkeypatch, RECORDED, factories.judge(RECORDED), consumer_id="9")


async def test_objects_that_the_cluster_refuses_refuse_the_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = factories.judge(RECORDED)
    change = engines.Change(
        action="create",
        kind="Secret",
        namespace=test_opt_ins.home_of(wanted),
        name="node-key",
        problem=test_opt_ins.REFUSAL,
    )
    with pytest.raises(errors.Permanent, match="missing right"):
        await found(monkeypatch, RECORDED, wanted, change)


async def test_what_most_endpoints_contradict_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.Transient, match=r"most endpoints of ics:provider\.rest say something else"):
        await found(monkeypatch, RECORDED, factories.judge(RECORDED), is_outvoted=True)


async def test_provider_at_its_own_upgrade_refuses_the_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    stands = Condition.new(Reason.PROVIDER_UPGRADING, "it stands at its upgrade")
    seen = dataclasses.replace(RECORDED, endpoints=(stands,))
    with pytest.raises(errors.Transient, match="it stands at its upgrade"):
        await found(monkeypatch, seen, factories.judge(RECORDED))
