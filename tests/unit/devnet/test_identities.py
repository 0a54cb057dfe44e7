"""The local network's keys never change: committed stack files hold their addresses."""

import pytest

from devnet import identities, plan

ADDRESSES = {
    "alice": "cosmosvaloper1wkyf9t0f2q7eq2gy8yqe2g7zpttfl2hmgq3utz",
    "bob": "cosmosvaloper1gcunk482aacf58jgsmm0k5ke49wl7yv8k4e0yk",
    "charlie": "cosmosvaloper1aay38dp04jwzg9prqvvc4wsz3ekl97mmzm63rc",
}


def test_operator_addresses_equal_committed_ones() -> None:
    assert {each.host.name: each.operator_address for each in identities.validators()} == ADDRESSES


def test_owner_account_differs_from_validator_accounts() -> None:
    owner = identities.owner().address("cosmos")
    assert owner == "cosmos1kfpfr2thly8yws3dtdyvfwwhas5rpl033xej9y"
    assert owner not in {each.account.address("cosmos") for each in identities.validators()}


@pytest.mark.parametrize("host", plan.HOSTS, ids=lambda host: host.name)
def test_details_name_the_balancer_and_fit_a_description(host: plan.Host) -> None:
    details = identities.validator(host).details
    endpoint, relayer = details.split(" ")
    assert endpoint.startswith("p2p=")
    assert endpoint.endswith(f"@{host.balancer}")
    assert relayer.startswith("relayer=cosmos1")
    assert len(details) <= 280


def test_all_keys_are_distinct() -> None:
    everyone = identities.validators()
    keys = [each.consensus.public_key for each in everyone] + [each.node.public_key for each in everyone]
    assert len({*keys}) == 2 * len(plan.HOSTS)
