"""The record of what chains cost on the provider."""

import pytest

from ics import errors, model
from ics.consumer import costs

PROVIDER = "provider-1"


def test_costs_add_up_by_chain_and_by_provider() -> None:
    record = costs.with_costs("", PROVIDER, "stake", "0", costs.Costs(10, 500))
    record = costs.with_costs(record, PROVIDER, "stake", "0", costs.Costs(7))
    record = costs.with_costs(record, PROVIDER, "stake", "", costs.Costs(1))
    record = costs.with_costs(record, "provider-2", "stake", "0", costs.Costs(99))
    assert costs.costs(record, PROVIDER, "stake") == {"0": costs.Costs(17, 500), "": costs.Costs(1)}
    assert costs.costs(record, PROVIDER, "uatom") == {}
    assert costs.costs("", PROVIDER, "stake") == {}


@pytest.mark.parametrize(
    "record",
    ["[]", "{", '{"a": 1}', '{"a": {"0": 1}}', '{"a": {"0": {"fees": -1}}}', '{"a": {"0": {"fees": true}}}'],
)
def test_malformed_record_is_named(record: str) -> None:
    with pytest.raises(errors.Permanent, match=r"annotation .*/costs of the Lease is malformed.*; remove it"):
        costs.costs(record, PROVIDER, "stake")
    with pytest.raises(errors.Permanent, match="malformed"):
        costs.with_costs(record, PROVIDER, "stake", "0", costs.Costs(1))


def test_a_top_up_spends_its_amount_and_nothing_else_does() -> None:
    top_up = model.TopUp(
        consumer_id="5", chain_id="c-1", purpose="evidence", address="cosmos1r", amount=10**19, denom="stake"
    )
    assert [costs.spends(top_up, denom) for denom in ("stake", "uatom")] == [10**19, 0]
    assert costs.spends(model.OptOut("5", "c-1"), "stake") == 0
