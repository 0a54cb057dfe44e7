import datetime

import pytest

from ics import errors
from ics.cosmos import times

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("text", "time", "unix"),
    [
        ("1970-01-01T00:00:00Z", datetime.datetime(1970, 1, 1, tzinfo=UTC), (0, 0)),
        (
            "2026-11-22T12:42:31.123456789Z",
            datetime.datetime(2026, 11, 22, 12, 42, 31, 123456, tzinfo=UTC),
            (1795351351, 123456789),
        ),
        ("2026-11-22T12:42:31.5Z", datetime.datetime(2026, 11, 22, 12, 42, 31, 500000, tzinfo=UTC), None),
        ("2026-11-22T13:42:31+01:00", datetime.datetime(2026, 11, 22, 12, 42, 31, tzinfo=UTC), None),
        (
            "2026-11-22T06:12:31.000001-06:30",
            datetime.datetime(2026, 11, 22, 12, 42, 31, 1, tzinfo=UTC),
            None,
        ),
        # Before 1970 the seconds are negative and the nanoseconds still count forwards.
        (
            "1969-12-31T23:59:59.25Z",
            datetime.datetime(1969, 12, 31, 23, 59, 59, 250000, tzinfo=UTC),
            (-1, 250000000),
        ),
        # Go's zero time, also where it is earlier than the first that Python knows in UTC.
        ("0001-01-01T00:00:00Z", datetime.datetime(1, 1, 1, tzinfo=UTC), (-62135596800, 0)),
        ("0001-01-01T00:00:00+02:00", None, (-62135604000, 0)),
        (
            "9999-12-31T23:59:59.999999999Z",
            datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            None,
        ),
        ("2028-02-29T00:00:00Z", datetime.datetime(2028, 2, 29, tzinfo=UTC), None),
    ],
)
def test_time_is_parsed_exactly(
    text: str, time: datetime.datetime | None, unix: tuple[int, int] | None
) -> None:
    if time is not None:
        assert times.parse_time(text) == time
    if unix is not None:
        assert times.parse_unix_time(text) == unix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-22",
        "2026-11-22T12:42:31",
        "2026-11-22 12:42:31Z",
        "2026-11-22T12:42Z",
        "20261122T124231Z",
        "2026-11-22T12:42:31.Z",
        "2026-11-22T12:42:31,5Z",
        "2026-11-22t12:42:31z",
        "2026-11-22T12:42:31Z ",
        "2026-11-22T12:42:31Z\n",
        "2026-11-22T12:42:31+0100",
        "2026-11-22T12:42:31+01:60",
        "2026-11-22T12:42:31+24:00",
        "2026-13-22T12:42:31Z",
        "2026-02-29T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:42:60Z",
        "0000-01-01T00:00:00Z",
        "-2026-11-22T12:42:31Z",
        "+2026-11-22T12:42:31Z",
        "٢٠٢٦-11-22T12:42:31Z",
        "2026-11-22T12:42:31.٣Z",
    ],
)
def test_invalid_time_is_refused(text: str) -> None:
    for parse in (times.parse_time, times.parse_unix_time):
        with pytest.raises(ValueError):  # noqa: PT011
            parse(text)
    with pytest.raises(errors.SettingsError, match="use RFC 3339 in UTC"):
        times.check_time(text)


def test_time_with_ten_decimals_is_truncated_or_refused() -> None:
    text = "2026-11-22T12:42:31.1234567891Z"

    assert times.parse_time(text).microsecond == 123456
    with pytest.raises(ValueError, match="more than nine decimals"):
        times.parse_unix_time(text)
    with pytest.raises(errors.SettingsError):
        times.check_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T12:10:15.947350052Z",
        "2026-01-02T15:04:05Z",
        "2026-01-02T15:04:05.1Z",
        "2028-02-29T00:00:00.000000000Z",
    ],
)
def test_time_that_cometbft_accepts_is_accepted(text: str) -> None:
    assert times.check_time(text) == text


def test_check_time_of_other_zone_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="2026-11-22T12:42:31"):
        times.check_time("2026-11-22T12:42:31+00:00")


@pytest.mark.parametrize(
    ("text", "nanoseconds", "formatted"),
    [
        ("24h", 86_400 * 10**9, "24h"),
        ("1d", 86_400 * 10**9, "24h"),
        ("90m", 5_400 * 10**9, "90m"),
        ("1.5h", 5_400 * 10**9, "90m"),
        ("540s", 540 * 10**9, "9m"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("0.000000001s", 1, "0.000000001s"),
        ("0.000000001d", 86_400, "0.0000864s"),
        ("0s", 0, "0s"),
        ("0h", 0, "0s"),
        ("007s", 7 * 10**9, "7s"),
        ("106751d", 106_751 * 86_400 * 10**9, "2562024h"),
        ("9223372036.854775807s", 2**63 - 1, "9223372036.854775807s"),
    ],
)
def test_duration_round_trips_in_nanoseconds(text: str, nanoseconds: int, formatted: str) -> None:
    assert times.parse_duration(text) == nanoseconds
    assert times.format_duration(nanoseconds) == formatted
    assert times.parse_duration(formatted) == nanoseconds


def test_duration_is_formatted_in_given_units() -> None:
    assert times.format_duration(2 * 86_400 * 10**9, "dhms") == "2d"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "s",
            "24",
            "1y",
            "1.h",
            ".5s",
            "1,5s",
            "1e3s",
            "-1s",
            "+1s",
            " 1s",
            "1s ",
            "1s\n",
            "1h30m",
            "1S",
        ),
        *("٣s", "0.0000000001s"),
    ],
)
def test_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid duration"):
        times.parse_duration(text)


@pytest.mark.parametrize("text", ["9223372036.854775808s", "106752d", "9" * 19 + "h"])
def test_duration_over_int64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too long; the longest is 9223372036\.854775807s"):
        times.parse_duration(text)


def test_proto_duration_is_parsed_in_seconds_only() -> None:
    assert times.parse_proto_duration("600.500s") == 600_500_000_000
    for text in ("10m", "3 weeks", "-1s", ""):
        with pytest.raises(ValueError, match=r"^invalid duration"):
            times.parse_proto_duration(text)
