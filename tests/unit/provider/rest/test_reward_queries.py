"""Rewards and their origins, asked of gateways of both generations of ibc-go."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from ics.consumer import rewards
from ics.cosmos import answers
from ics.provider import gateway
from ics.provider.rest import reward_queries

WAY = rewards.DenomPath((("transfer", "channel-9"),), "stake")
DIGEST = WAY.denom.removeprefix("ibc/")
VALIDATORS = "/cosmos/distribution/v1beta1/validators/cosmosvaloper1x"
CLIENT = "/ibc/core/channel/v1/channels/channel-9/ports/transfer/client_state"
STATE = {"identified_client_state": {"client_id": "07-tendermint-3", "client_state": {}}}
NEW = {"denom": {"base": "stake", "trace": [{"port_id": "transfer", "channel_id": "channel-9"}]}}
OLD = {"denom_trace": {"path": "transfer/channel-9", "base_denom": "stake"}}


class Gateway:
    """Answers by path; an old one does not know the query `denoms`."""

    def __init__(self, found: Mapping[str, Any], *, is_old: bool = False) -> None:
        self.found = found
        self.is_old = is_old
        self.asked: list[str] = []

    async def ask(self, path: str, params: Mapping[str, str]) -> answers.Field | None:
        self.asked.append(path)
        if self.is_old and path.startswith("/ibc/apps/transfer/v1/denoms/"):
            raise gateway.Refused("HTTP 501, Not Implemented")
        return answers.Field(path, self.found[path]) if path in self.found else None


def coins(**amounts: str) -> list[dict[str, str]]:
    return [{"denom": denom, "amount": amount} for denom, amount in amounts.items()]


async def test_rewards_are_read_with_all_of_their_decimals() -> None:
    there = Gateway(
        {
            f"{VALIDATORS}/outstanding_rewards": {
                "rewards": {"rewards": coins(stake="12.000000000000000001")}
            },
            f"{VALIDATORS}/commission": {"commission": {"commission": coins(stake="1.200000000000000000")}},
        }
    )
    found = await reward_queries.validator_rewards(there.ask, "cosmosvaloper1x")
    assert found == rewards.ValidatorRewards(
        {"stake": Decimal("12.000000000000000001")}, {"stake": Decimal("1.2")}
    )


async def test_denomination_that_is_none_is_refused() -> None:
    there = Gateway(
        {
            f"{VALIDATORS}/outstanding_rewards": {"rewards": {"rewards": [{"denom": "a\nb", "amount": "1"}]}},
            f"{VALIDATORS}/commission": {"commission": {"commission": []}},
        }
    )
    with pytest.raises(answers.MalformedAnswer, match="not a list of coins"):
        await reward_queries.validator_rewards(there.ask, "cosmosvaloper1x")


@pytest.mark.parametrize("is_old", [False, True])
async def test_origin_is_the_client_of_the_last_channel(is_old: bool) -> None:
    query = "denom_traces" if is_old else "denoms"
    there = Gateway(
        {f"/ibc/apps/transfer/v1/{query}/{DIGEST}": OLD if is_old else NEW, CLIENT: STATE}, is_old=is_old
    )
    assert await reward_queries.origin(there.ask, WAY.denom) == rewards.Origin("07-tendermint-3", "stake")


@pytest.mark.parametrize(
    "denom",
    [
        {"base": "other", "trace": NEW["denom"]["trace"]},
        {"base": "stake", "trace": []},
        {"base": "stake", "trace": [{"port_id": "transfer", "channel_id": "07-tendermint-3"}]},
        {"base": "stake", "trace": [{"port_id": "../x", "channel_id": "channel-9"}]},
        {"base": "<b>", "trace": NEW["denom"]["trace"]},
    ],
    ids=["another hash", "no step", "no channel", "another port", "no denomination"],
)
async def test_way_that_is_not_the_denominations_is_unknown(denom: dict[str, Any]) -> None:
    there = Gateway({f"/ibc/apps/transfer/v1/denoms/{DIGEST}": {"denom": denom}, CLIENT: STATE})
    assert await reward_queries.origin(there.ask, WAY.denom) is None
    assert CLIENT not in there.asked


async def test_denomination_or_channel_that_the_chain_does_not_know_is_unknown() -> None:
    assert await reward_queries.origin(Gateway({}).ask, WAY.denom) is None
    without_channel = Gateway({f"/ibc/apps/transfer/v1/denoms/{DIGEST}": NEW})
    assert await reward_queries.origin(without_channel.ask, WAY.denom) is None
