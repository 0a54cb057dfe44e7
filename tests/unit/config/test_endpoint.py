"""Endpoints with credentials: they reach every request, and no message."""

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors, model
from ics.config import endpoint, settings, urls

KEY = "k3y-0123456789"


def provider(**changes: object) -> settings.ProviderSettings:
    one = ["http://a"]
    return settings.ProviderSettings.model_validate(
        {"chain_id": "provider-1", "rest": one, "rpc": one, "grpc": one, **changes}
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://h/?apikey={KEY}", f"https://h/cosmos/x?apikey={KEY}&a=1"),
        (f"https://h?apikey={KEY}", f"https://h/cosmos/x?apikey={KEY}&a=1"),
        (f"https://h/{KEY}/", f"https://h/{KEY}/cosmos/x?a=1"),
        (f"https://h/v1/{KEY}/rest?b=2", f"https://h/v1/{KEY}/rest/cosmos/x?b=2&a=1"),
        (f"https://user:{KEY}@h:8443", f"https://user:{KEY}@h:8443/cosmos/x?a=1"),
        ("http://[fd00::1]:1317/", "http://[fd00::1]:1317/cosmos/x?a=1"),
    ],
)
def test_path_of_request_is_inserted_before_the_query_of_the_endpoint(url: str, expected: str) -> None:
    (one,) = provider(rest=[url]).rest
    assert one.address("/cosmos/x", "a=1") == expected
    assert KEY not in f"{one} {one!r} {[one]} {provider(rest=[url])!r}"
    text = f"cannot connect to {expected}: the key is unknown"
    assert KEY not in one.hide(text)
    assert (KEY in one.hide(KEY)) == (KEY not in url)


def test_endpoint_without_headers_is_written_as_its_url() -> None:
    source = {"url": "http://a", "headers": {"x-api-key": {"env": "KEY"}}}
    dumped = provider(rest=["http://a/", source]).model_dump(mode="json", exclude_defaults=True)
    assert dumped["rest"][0] == "http://a"
    assert provider(rest=dumped["rest"]).rest[1].headers["x-api-key"].env == "KEY"


def test_value_of_header_is_neither_shown_nor_compared() -> None:
    (one,) = provider(rest=[{"url": "http://a", "headers": {"x-api-key": {"env": "KEY"}}}]).rest
    with_value = one.with_values({"x-api-key": model.Secret(KEY)})
    assert with_value.header_values() == {"x-api-key": KEY}
    assert KEY not in f"{with_value} {with_value!r} {with_value.model_dump()}"
    assert with_value.hide(f"unknown key {KEY}") == "unknown key …"
    assert with_value == one


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "http://a", "headers": {"host": {"env": "X"}}},
        {"url": "http://a", "headers": {"x y": {"env": "X"}}},
        {"url": "http://a", "headers": {"x": KEY}},
        {"url": "http://a", "headers": {"x": {"env": "X", "file": "y"}}},
        {"url": "http://a", "header": {"x": {"env": KEY}}},
        {"headers": {"x": {"env": "X"}}},
        f"http://a/#{KEY}",
        f"ftp://user:{KEY}@a",
        f"a/{KEY}",
        f"http://a/{KEY}\n",
        5,
    ],
)
def test_malformed_endpoint_is_named_without_its_credentials(entry: object) -> None:
    values = {"provider": {"chain_id": "c", "rest": [entry], "rpc": ["http://a"], "grpc": ["http://a"]}}
    with pytest.raises(errors.SettingsError, match=r"provider\.rest\.0") as caught:
        settings.parse_signing(values, "x")
    assert KEY not in str(caught.value)


SECRET = strategies.text(strategies.characters(min_codepoint=48, max_codepoint=122), min_size=8).map(
    lambda text: "".join(character for character in text if character.isalnum())
)
PLACES = strategies.sampled_from(
    [
        "https://h/{}",
        "https://h/{}/rest",
        "https://h/?k={}",
        "https://h?k={}&a=b",
        "https://{}@h",
        "https://u:{}@h/x",
    ]
)


@hypothesis.given(secret=SECRET.filter(lambda text: len(text) >= 8), place=PLACES, text=strategies.text())
@hypothesis.settings(deadline=None)
def test_no_text_of_others_shows_a_credential(secret: str, place: str, text: str) -> None:
    one = endpoint.Endpoint(url=place.format(secret))
    shown = one.hide(f"{text} {one.address('/x')} {secret} {text}")
    assert secret not in shown
    assert secret not in urls.redacted(one.url)
    assert secret not in str(one)
