import pytest

from ics import errors
from ics.cosmos import identifiers


@pytest.mark.parametrize(
    "chain_id",
    [
        "",
        "a b",
        "a\tb",
        "a\nb",
        "a\x00",
        "a\u00a0b",
        "\udce9",
        "a" * 51,
        "ü" * 26,
        "ü",
        "a/b",
        "..",
        "a..b",
        "a%b",
        ".a",
        "-a",
        "$(x)",
    ],
)
def test_invalid_chain_id_is_refused(chain_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="chain id"):
        identifiers.check_chain_id(chain_id)


@pytest.mark.parametrize("chain_id", ["consumer-1", "Weird_Chain.1-1", "a" * 50, "evmos_9001-2", "1"])
def test_valid_chain_id_is_accepted(chain_id: str) -> None:
    identifiers.check_chain_id(chain_id)


@pytest.mark.parametrize("consumer_id", ["", "x", "-1", "01", "1 ", "1\n", "1" * 21, "\u0661"])
def test_invalid_consumer_id_is_refused(consumer_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="consumer id"):
        identifiers.check_consumer_id(consumer_id)
