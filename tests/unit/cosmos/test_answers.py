import datetime
from collections.abc import Callable

import pytest

from ics.cosmos import addresses, answers

ANSWER = answers.Field("/q", {"list": [{"n": "7"}, {"n": 8}], "null": None, "text": "x", "yes": True})


def test_field_reads_values_of_known_shape() -> None:
    assert [item["n"].integer() for item in ANSWER["list"]] == [7, 8]
    assert ANSWER["list"].first()["n"].text() == "7"
    assert (ANSWER["text"].text(), ANSWER["yes"].boolean()) == ("x", True)
    assert (ANSWER.has("null"), ANSWER.has("none")) == (True, False)
    assert (ANSWER.get("null"), ANSWER.get("none")) == (None, None)
    text = ANSWER.get("text")
    assert text is not None
    assert (text.text(), text.path) == ("x", "text")


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (answers.Field.base64, "AQI=", b"\x01\x02"),
        (answers.Field.base64, "", b""),
        (answers.Field.base64, None, b""),
        (answers.Field.hex, "00FF", b"\x00\xff"),
        (answers.Field.nanoseconds, "1.5s", 1_500_000_000),
        (answers.Field.seconds, "13.999999999s", 13),
        (answers.Field.time, "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456789Z"),
        (
            answers.Field.moment,
            "2026-01-01T00:00:00.123456789Z",
            datetime.datetime(2026, 1, 1, microsecond=123456, tzinfo=datetime.UTC),
        ),
        (answers.Field.integer, "0" * 77 + "1", 1),
    ],
)
def test_field_decodes_encoded_values(
    read: Callable[[answers.Field], object], value: object, expected: object
) -> None:
    assert read(answers.Field("/q", value)) == expected


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (answers.Field.mapping, [], "an object"),
        (lambda field: field["x"], {}, "an object with 'x'"),
        (lambda field: field.get("x"), "x", "an object"),
        (list, {}, "a list"),
        (answers.Field.first, [], "a list with an item"),
        (answers.Field.text, 1, "text"),
        (answers.Field.boolean, "true", "true or false"),
        (answers.Field.integer, -1, "a whole number"),
        (answers.Field.integer, "-1", "a whole number"),
        (answers.Field.integer, "1.0", "a whole number"),
        (answers.Field.integer, 1.0, "a whole number"),
        (answers.Field.integer, True, "a whole number"),
        (answers.Field.integer, "٣", "a whole number"),
        (answers.Field.integer, "1" * 79, "a whole number"),
        (answers.Field.integer, "", "a whole number"),
        (answers.Field.base64, "AQI", "base64"),
        (answers.Field.base64, "A*I=", "base64"),
        (answers.Field.hex, "0", "hex"),
        (answers.Field.hex, None, "text"),
        (answers.Field.seconds, "1h", "a duration such as 540s"),
        (answers.Field.seconds, "-1s", "a duration such as 540s"),
        (answers.Field.time, "2026-01-01T00:00:00", "a time with its zone"),
        (answers.Field.time, 1, "text"),
        (lambda field: field.parse_with(addresses.decode, "an address"), "cosmos1x", "an address"),
    ],
)
def test_field_of_other_shape_is_malformed_answer(
    read: Callable[[answers.Field], object], value: object, wanted: str
) -> None:
    with pytest.raises(answers.MalformedAnswer) as caught:
        read(answers.Field("/q", value))

    assert str(caught.value) == (
        f"answer to /q: field (whole) is {value!r}, not {wanted}: the endpoint is broken or runs an"
        " unsupported version"
    ).replace(repr("1" * 79), "'" + "1" * 76 + "...")
    assert caught.value.summary == f"answer to /q: field (whole) is not {wanted}"


def test_malformed_answer_names_path_of_field() -> None:
    with pytest.raises(answers.MalformedAnswer, match=r"field list\[1\]\.n is 8, not text"):
        [item["n"].text() for item in ANSWER["list"]]


def test_next_key_is_empty_on_last_page() -> None:
    page = answers.Field("/q", {"pagination": {"next_key": "AA=="}})
    last = answers.Field("/q", {"pagination": {"next_key": None}})

    assert (answers.next_key(page), answers.next_key(last)) == ("AA==", "")


def test_next_key_of_list_without_pagination_is_malformed_answer() -> None:
    with pytest.raises(answers.MalformedAnswer, match="field pagination is None, not an object"):
        answers.next_key(answers.Field("/q", {"pagination": None}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud800"}',
        b'{"\\udC00": 1}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": "\ud800"}',
        b'{"a": NaN}',
        b"[-Infinity]",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\xff"}',
    ],
)
def test_what_could_be_neither_printed_nor_stored_is_no_answer(body: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"surrogates not allowed|is not JSON|can't decode"):
        answers.parse_json(body)


def test_whole_surrogate_pair_and_byte_order_mark_are_read() -> None:
    assert answers.parse_json(b'\xef\xbb\xbf{"a": "\\ud83d\\ude80", "b": "\\\\ud800"}') == {
        "a": "🚀",
        "b": "\\ud800",
    }
