from decimal import Decimal

import pytest

from ics import errors
from ics.cosmos import coins
from ics.cosmos.coins import Coin, Price

IBC = f"ibc/{'A' * 64}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" ", ()),
        ("100stake", (Coin("stake", 100),)),
        ("100stake, 5atom", (Coin("atom", 5), Coin("stake", 100))),
        ("1ibc/27394FB092D2ECCD", (Coin("ibc/27394FB092D2ECCD", 1),)),
        (f"1{IBC}, 7uatom", (Coin(IBC, 1), Coin("uatom", 7))),
        ("5uatom,3factory/cosmos1a/x.y_z-1", (Coin("factory/cosmos1a/x.y_z-1", 3), Coin("uatom", 5))),
        ("007stake", (Coin("stake", 7),)),
        (f"{2**256 - 1}stake", (Coin("stake", 2**256 - 1),)),
    ],
)
def test_coins_are_parsed_and_sorted(text: str, expected: tuple[Coin, ...]) -> None:
    assert coins.parse_coins(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stake", "'stake' is not a valid coin"),
        ("0stake", "not a valid coin"),
        ("-1stake", "not a valid coin"),
        ("1.5stake", "not a valid coin"),
        ("1s", "not a valid coin"),
        ("1stake,", "'' is not a valid coin"),
        ("1stake,2stake", "denomination 'stake' is repeated"),
        ("1 stake", "not a valid coin"),
        ("100", "not a valid coin"),
        ("+1stake", "not a valid coin"),
        ("1st", "not a valid coin"),
        ("1" + "a" * 129, "not a valid coin"),
        ("٣stake", "not a valid coin"),
        ("1stäke", "not a valid coin"),
        ("1" + "0" * 78 + "stake", "not a valid coin"),
        (f"{2**256}stake", "not a valid coin"),
    ],
)
def test_invalid_coins_are_refused(text: str, says: str) -> None:
    with pytest.raises(errors.SettingsError, match=says):
        coins.parse_coins(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.001stake", Price("stake", Decimal("0.001"))),
        ("0stake", Price("stake", Decimal(0))),
        ("25uatom", Price("uatom", Decimal(25))),
        (f"0.1{IBC}", Price(IBC, Decimal("0.1"))),
        # The amount ends at the last digit, though `e7` could be an exponent.
        ("1e7stake", Price("e7stake", Decimal(1))),
        ("0." + "0" * 17 + "1stake", Price("stake", Decimal("1e-18"))),
        ("9" * 77 + "stake", Price("stake", Decimal(10**77 - 1))),
    ],
)
def test_gas_price_is_parsed_exactly(text: str, expected: Price) -> None:
    assert coins.parse_price(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "stake", "0.001", "-1stake", "+1stake", ".5stake", "1.stake", "1,5stake", "1 stake", "0.1st"),
        *("0.1stake,0.2uatom", "0.1stake\n", "٣stake", "0.٣stake", "0.1stake!"),
        *("0." + "0" * 18 + "1stake", "1" + "0" * 78 + "stake"),
    ],
)
def test_invalid_gas_price_is_refused(text: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"^invalid gas price"):
        coins.parse_price(text)


def test_first_price_of_list_is_returned() -> None:
    assert coins.first_price("0.1stake") == "0.1stake"
    assert coins.first_price(" 0.1stake , 2uatom") == "0.1stake"
