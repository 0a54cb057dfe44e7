"""Times and numbers in words."""

import datetime

import pytest

from ics.status_page import durations


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (690, "11 min 30 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (74520, "20 h 42 min"),
        (86400 * 9 + 3600 * 2, "9 d 2 h"),
    ],
)
def test_durations_have_their_two_largest_units(seconds: float, expected: str) -> None:
    assert durations.words(seconds) == expected


def test_times_are_relative_to_now() -> None:
    now = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    later = now + datetime.timedelta(seconds=90)
    assert (durations.relative(later, now), durations.relative(now, later)) == (
        "in 1 min 30 s",
        "1 min 30 s ago",
    )


def test_numbers_and_sizes() -> None:
    assert durations.number(1234567.0) == "1,234,567"
    sizes = [durations.size(value) for value in (512, 2048, 61.4 * 2**30, 3 * 2**40)]
    assert sizes == ["512 B", "2.0 KiB", "61.4 GiB", "3.0 TiB"]
