"""Durations and fractions in settings."""

from decimal import Decimal

import pytest

from ics.config import units


@pytest.mark.parametrize(
    ("text", "nanoseconds", "shown"),
    [
        ("24h", 86_400 * 10**9, "24h"),
        ("1d", 86_400 * 10**9, "24h"),
        ("90m", 5_400 * 10**9, "90m"),
        ("540s", 540 * 10**9, "9m"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("0.000000001s", 1, "0.000000001s"),
        ("0s", 0, "0s"),
        ("9223372036.854775806s", 2**63 - 2, "9223372036.854775806s"),
        ("9223372036.854775807s", 2**63 - 1, "forever"),
        ("forever", 2**63 - 1, "forever"),
    ],
)
def test_duration_is_parsed_and_formatted(text: str, nanoseconds: int, shown: str) -> None:
    assert (units.parse_nanoseconds(text), units.format_nanoseconds(nanoseconds)) == (nanoseconds, shown)


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.05", "0.05"), (0.05, "0.05"), (0.00001, "0.00001"), (0, "0"), (1, "1"), ("1.0", "1.0")],
)
def test_fraction_is_the_text_of_the_number(value: object, text: str) -> None:
    assert units.fraction(value) == text


@pytest.mark.parametrize(
    "value", [True, None, "", "1.1", 1.1, -0.1, "1e-5", ".5", float("nan"), float("inf")]
)
def test_other_values_are_no_fractions(value: object) -> None:
    with pytest.raises(ValueError, match=r"invalid fraction .*; use a number from 0 to 1, e\.g\. 0\.05"):
        units.fraction(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.050000000000000000", "0.05"),
        ("0E-18", "0"),
        ("1", "1"),
        ("10.0", "10"),
        ("1E-18", f"0.{'0' * 17}1"),
    ],
)
def test_decimal_is_formatted_without_exponent(value: str, text: str) -> None:
    assert units.format_decimal(Decimal(value)) == text
