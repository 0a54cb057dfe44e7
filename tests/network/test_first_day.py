"""A newcomer's first day: from an empty home and a wheel to a chain that signs, with one mistake on the way."""

import pathlib

import pytest

from tests.network import first_day, operators, waiting

pytestmark = [pytest.mark.soak, pytest.mark.story(when="FIRST")]

TEN_MINUTES = 600.0


def test_first_day_is_as_its_page_says_and_takes_less_than_ten_minutes(
    charlie: operators.Operator, tmp_path: pathlib.Path
) -> None:
    walker = first_day.walk(charlie, tmp_path)
    waiting.figure("the commands of a newcomer's first day", walker.seconds)
    assert walker.seconds < TEN_MINUTES
    assert first_day.differences(first_day.PAGE.read_text(), walker) == [], (
        "run python -m tests.network.first_day on a new network, and read the page"
    )
