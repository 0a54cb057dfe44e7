import json

import pytest

from ics import errors


@pytest.mark.parametrize(
    "kind", [errors.Transient, errors.Permanent, errors.CostRefused, errors.SettingsError]
)
def test_message_that_quotes_half_of_a_surrogate_pair_can_be_recorded(kind: type[errors.IcsError]) -> None:
    error = kind("its RPC answers an error: \ud800 😀")
    assert str(error) == "its RPC answers an error: \\ud800 😀"
    assert json.dumps(str(error), ensure_ascii=False).encode()


def test_unexpected_error_is_described_in_one_line() -> None:
    assert errors.describe_unexpected(KeyError("a\nb")) == "unexpected KeyError: 'a\\nb'"
