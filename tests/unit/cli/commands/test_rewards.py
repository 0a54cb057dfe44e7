"""The tables and the JSON of `ics rewards`."""

from decimal import Decimal

from ics.cli.commands import rewards as command
from ics.consumer import costs, rewards

STAR = rewards.Reward(
    denom=f"ibc/{'AB' * 32}", base="ustar", outstanding=Decimal("12345.9"), commission=Decimal("0.9")
)
OWN = rewards.Reward(denom="stake", base="stake", outstanding=Decimal(7), commission=Decimal(1))
ROWS = [
    command.ChainRow(
        consumer_id="0", chain_id="star-1", rewards=(STAR,), costs=costs.Costs(1500, 90000), left=80000
    ),
    command.ChainRow(consumer_id="", chain_id="", rewards=(OWN,), costs=costs.Costs(3), left=None),
]


def test_tables_show_whole_units_and_the_validator_last() -> None:
    assert [str(line) for line in command.lines(ROWS, "stake")] == [
        "Rewards that are not withdrawn",
        "CHAIN   ID  DENOM                  COMMISSION  WITH DELEGATORS",
        "star-1  0   ustar (ibc/ABABABAB…)  0           12,345",
        "-       -   stake                  1           7",
        "",
        "Costs on the provider in stake, since the record began",
        "CHAIN   ID  FEES   SENT TO RELAYER  LEFT THERE",
        "star-1  0   1,500  90,000           80,000",
        "-       -   3      0                -",
    ]


def test_json_has_all_decimals() -> None:
    assert command.as_dict(ROWS, "stake") == {
        "denom": "stake",
        "chains": [
            {
                "consumer_id": "0",
                "chain_id": "star-1",
                "rewards": [
                    {
                        "denom": STAR.denom,
                        "base_denom": "ustar",
                        "outstanding": "12345.9",
                        "commission": "0.9",
                    }
                ],
                "fees": 1500,
                "relayer_funding": 90000,
                "relayer_balance": 80000,
            }
        ],
        "others": {
            "consumer_id": None,
            "chain_id": None,
            "rewards": [{"denom": "stake", "base_denom": "stake", "outstanding": "7", "commission": "1"}],
            "fees": 3,
            "relayer_funding": 0,
            "relayer_balance": None,
        },
    }
