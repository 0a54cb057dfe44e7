"""A chain whose id cannot be a name is held by a condition of its own, and no other chain is affected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, manifests, model
from ics.conditions import Severity
from ics.consumer import status
from ics.cosmos import identifiers
from tests.unit import factories
from tests.unit.strangers import hostile

P = model.Phase
OPT_IN = model.OptIn("0", "consumer1-1", factories.consumer_key("alice").public_key, factories.place_id())
ANY = [factories.example(match={"chain_id": "*", "owner": factories.OWNER})]


def with_stranger(text: str, phase: P = P.INITIALIZED) -> model.Snapshot:
    return factories.snapshot(hostile.chain(text, phase), factories.consumer())


@pytest.mark.parametrize("text", hostile.TEXTS, ids=ascii)
@pytest.mark.parametrize("phase", [P.INITIALIZED, P.LAUNCHED])
def test_chain_with_impossible_id_is_held_and_others_are_joined(text: str, phase: P) -> None:
    wanted = factories.judge(with_stranger(text, phase), memory=factories.staged(), definitions=ANY)

    by_id = {decision.summary.consumer_id: decision for decision in wanted.decisions}
    assert [(c.reason, c.severity) for c in by_id["7"].conditions] == [("ChainIdInvalid", Severity.INFO)]
    assert (by_id["7"].chain, by_id["7"].intents, by_id["7"].is_paused) == (None, (), True)
    assert wanted.intents == (OPT_IN,)


@pytest.mark.parametrize("text", hostile.TEXTS, ids=ascii)
def test_impossible_id_reaches_no_object(text: str) -> None:
    wanted = factories.judge(with_stranger(text, P.LAUNCHED), memory=factories.staged(), definitions=ANY)

    assert repr(text)[1:-1] not in repr(manifests.render(wanted, "set"))
    report = status.report(wanted, {})
    assert [chain.chain_id for chain in report.chains if chain.consumer_id == "7"] == [text]


def test_member_of_such_a_chain_is_alarmed() -> None:
    chain = factories.consumer(P.LAUNCHED, factories.joined("alice"), "7", "consumer x-1")

    [decision] = factories.judge(factories.snapshot(chain, must_validate=frozenset({"7"}))).decisions

    assert [(c.reason, c.severity.name) for c in decision.conditions] == [("ChainIdInvalid", "CRITICAL")]
    assert decision.is_paused


@given(st.text(st.characters(), max_size=60))
def test_any_id_is_either_a_name_or_held(text: str) -> None:
    is_name = True
    try:
        identifiers.check_chain_id(text)
    except errors.SettingsError:
        is_name = False

    wanted = factories.judge(with_stranger(text), memory=factories.staged(), definitions=ANY)

    [stranger] = [one for one in wanted.decisions if one.summary.consumer_id == "7"]
    assert ("ChainIdInvalid" in factories.reasons(stranger)) is not is_name
    assert OPT_IN in wanted.intents or text == "consumer1-1"
