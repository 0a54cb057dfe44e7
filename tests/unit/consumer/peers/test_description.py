import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, plain_text
from ics.consumer.peers import description

RELAYER = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
NODE = "ab" * 20
OTHER = "cd" * 20


def found(
    host: str | None = None, port: int | None = None, node_id: str | None = None
) -> description.Published:
    return description.Published(host=host, port=port, node_id=node_id)


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ("p2p=1.2.3.4", found("1.2.3.4")),
        ("p2p=1.2.3.4:26656", found("1.2.3.4", 26656)),
        ("p2p=node.example.com:1", found("node.example.com", 1)),
        ("p2p=Node.Example.COM", found("node.example.com")),
        ("p2p=localhost:65535", found("localhost", 65535)),
        (f"p2p={NODE}@1.2.3.4", found("1.2.3.4", None, NODE)),
        (f"p2p={NODE.upper()}@1.2.3.4:5", found("1.2.3.4", 5, NODE)),
        ("p2p=[2001:db8::1]", found("2001:db8::1")),
        (f"p2p={NODE}@[2001:DB8:0::1]:26656", found("2001:db8::1", 26656, NODE)),
        ('{"p2p":"1.2.3.4:5"}', found("1.2.3.4", 5)),
        ('{"p2p" : "[::1]:5", "web": "x"}', found("::1", 5)),
        (f'"p2p":\n"{NODE}@a.b"', found("a.b", None, NODE)),
        ('"p2p": " a.b. "', found("a.b")),
        # position in the text
        ("Validator X - p2p=1.2.3.4", found("1.2.3.4")),
        ("We validate. p2p=1.2.3.4. Ask us!", found("1.2.3.4")),
        ("See (p2p=a.example.org:7) and more", found("a.example.org", 7)),
        ("[p2p=[::1]:7]", found("::1", 7)),
        ("<p2p=a.b>", found("a.b")),
        ("p2p=a.b,web=c", found("a.b")),
        ("p2p=a.b;web=c", found("a.b")),
        ("'p2p=a.b'", found("a.b")),
        ('say "p2p=a.b" loud', found("a.b")),
        ("endpoint:\n\tp2p=a.b\n", found("a.b")),
        ("--p2p=a.b", found("a.b")),
        ("🚀p2p=a.b", found("a.b")),
        ("xp2p=9.9.9.9 p2p=1.2.3.4", found("1.2.3.4")),
        # stated twice
        ('p2p=1.2.3.4 and {"p2p":"1.2.3.4"}', found("1.2.3.4")),
        (f"p2p={NODE}@A.b p2p={NODE.upper()}@a.B", found("a.b", None, NODE)),
    ],
)
def test_endpoint_is_parsed_from_description(details: str, expected: description.Published) -> None:
    assert description.parse(details) == expected


@pytest.mark.parametrize(
    "details",
    [
        "",
        "A validator.",
        "xp2p=1.2.3.4",
        "my_p2p=1.2.3.4",
        "my-p2p=1.2.3.4",
        "https://example.com/?p2p=1.2.3.4",
        "p2p 1.2.3.4",
        "p2p = 1.2.3.4",
        "p2pp=1.2.3.4",
        "P2P=1.2.3.4",
    ],
)
def test_description_without_endpoint_says_so(details: str) -> None:
    assert description.parse(details) == description.Published(error="no p2p=... in the description")


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ("p2p=1.2.3.4 p2p=1.2.3.5", "two different values of p2p= (p2p=1.2.3.4 and p2p=1.2.3.5); keep one"),
        ("p2p=1.2.3.4 p2p=1.2.3.4:26656", "two different values"),
        (f"p2p={NODE}@1.2.3.4 p2p={OTHER}@1.2.3.4", "two different values"),
        ('p2p=a.b "p2p":"b.a"', "two different values"),
        ("p2p=1.2.3.4 p2p=", "no value"),
        ("p2p=1.2.3.4:0", "'0' is not a port"),
        ("p2p=1.2.3.4:65536", "'65536' is not a port"),
        ("p2p=1.2.3.4:", "'' is not a port"),
        ("p2p=1.2.3.4:abc", "'abc' is not a port"),
        ("p2p=1.2.3.4:26656/tcp", "'26656/tcp' is not a port"),
        ("p2p=1.2.3.4:\u0662", "is not a port"),
        ("p2p=1.2.3", "'1.2.3' is not an IPv4 address"),
        ("p2p=1.2.3.256", "'1.2.3.256' is not an IPv4 address"),
        ("p2p=1.2.3.04", "'1.2.3.04' is not an IPv4 address"),
        ("p2p=26656", "'26656' is not an IPv4 address"),
        ("p2p=node.example.123", "neither an IP address nor a host name"),
        ("p2p=under_score.com", "'under_score.com' is neither"),
        ("p2p=-a.b", "'-a.b' is neither"),
        ("p2p=a..b", "'a..b' is neither"),
        ("p2p=:26656", "'' is neither"),
        ("p2p=" + "a" * 64, "is neither"),
        ("p2p=münchen.de", "'münchen.de' is neither"),
        ("p2p=tcp://1.2.3.4:26656", "'tcp://1.2.3.4' is neither"),
        ("p2p=1.2.3.4|relayer=" + RELAYER, "is neither"),
        ("p2p=2001:db8::1", "an IPv6 address needs brackets"),
        ("p2p=::1", "an IPv6 address needs brackets"),
        ("p2p=[::1", "unexpected text after the bracketed IPv6 address"),
        ("p2p=[::1]26656", "unexpected text after the bracketed IPv6 address"),
        ("p2p=[fe80::1%eth0]:1", "'fe80::1%eth0' is not an IPv6 address"),
        ("p2p=[1.2.3.4]:1", "'1.2.3.4' is not an IPv6 address"),
        ("p2p=abc@1.2.3.4", "'abc' is not a node id"),
        ("p2p=@1.2.3.4", "'' is not a node id"),
        (f"p2p={NODE}0@1.2.3.4", "is not a node id"),
        ("p2p=", "p2p= has no value"),
        ("p2p= 1.2.3.4", "p2p= has no value"),
        ('p2p="1.2.3.4"', "p2p= has no value"),
        ('"p2p": 5', "p2p= has no value"),
        ('"p2p":"a\nb"', r"p2p=a\nb"),
    ],
)
def test_malformed_endpoint_is_an_error_and_not_guessed(details: str, said: str) -> None:
    published = description.parse(details)
    assert published == description.Published(error=published.error, relayer=published.relayer)
    assert published.error is not None
    assert said in published.error
    assert "\n" not in published.error


@pytest.mark.parametrize(
    ("details", "relayer"),
    [
        (f"p2p=a.b relayer={RELAYER}", RELAYER),
        (f"p2p=a.b, relayer={RELAYER}.", RELAYER),
        (f'{{"p2p":"a.b","relayer":"{RELAYER}"}}', RELAYER),
        (f"p2p=a.b relayer={RELAYER.upper()}", RELAYER),
        (f"p2p=a.b relayer={RELAYER} (relayer={RELAYER})", RELAYER),
        (f"p2p=a.b myrelayer={RELAYER}", None),
    ],
)
def test_relayer_is_parsed_from_description(details: str, relayer: str | None) -> None:
    assert description.parse(details) == description.Published(host="a.b", relayer=relayer)


def test_relayer_without_endpoint_is_parsed() -> None:
    expected = description.Published(relayer=RELAYER, error="no p2p=... in the description")
    assert description.parse(f"relayer={RELAYER}") == expected


@pytest.mark.parametrize(
    ("relayer", "said"),
    [
        (RELAYER[:-1], "not a valid bech32 account address"),
        (RELAYER[:-1] + "5", "not a valid bech32 account address"),
        ("cosmos1qqqsy0lejjy", "not a valid bech32 account address"),  # bech32, of three bytes
        ("", "relayer= has no value"),
        (
            f"{RELAYER} relayer=consumer19rl4cm2hmr8afy4kldpxz3fka4jguq0ae4qjvj",
            "two different values of relayer=",
        ),
    ],
)
def test_malformed_relayer_keeps_endpoint(relayer: str, said: str) -> None:
    published = description.parse(f"p2p=a.b relayer={relayer}")
    assert published == description.Published(
        host="a.b", error=published.error, relayer_error=published.error
    )
    assert published.error is not None
    assert said in published.error


def test_endpoint_of_one_consumer_overrides_general_one() -> None:
    published = description.parse(f"p2p={NODE}@1.2.3.4:26656 p2p.5=b.c:77 p2p.6={OTHER}@[::1]:78")
    own = {"5": description.Endpoint("b.c", 77, None), "6": description.Endpoint("::1", 78, OTHER)}
    assert published == description.Published(host="1.2.3.4", port=26656, node_id=NODE, by_consumer=own)
    assert [published.endpoint_of(consumer_id, 27346) for consumer_id in ("4", "5", "6")] == [
        description.Endpoint("1.2.3.4", 27346, NODE),
        description.Endpoint("b.c", 77, NODE),
        description.Endpoint("::1", 78, OTHER),
    ]


def test_description_with_only_consumer_endpoint_has_no_general_one() -> None:
    own = {"5": description.Endpoint("b.c", 77, None)}
    error = "no p2p=... in the description (only for consumer 5)"
    published = description.parse("p2p.5=b.c:77")
    assert published == description.Published(by_consumer=own, error=error)
    assert published.endpoint_of("6", 1) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("p2p.5=b.c", "write p2p.5=b.c:<port>"),
        ("p2p.5=b.c:0", "'0' is not a port"),
        ("p2p.5=b.c:1 p2p.5=b.c:2", "two different values of p2p.5="),
    ],
)
def test_malformed_consumer_endpoint_is_not_replaced_by_general_one(entry: str, said: str) -> None:
    published = description.parse(f"p2p=a.b {entry}")
    assert published == description.Published(host="a.b", error=published.error, broken=frozenset({"5"}))
    assert said in str(published.error)
    assert published.endpoint_of("5", 1) is None
    assert published.endpoint_of("6", 1) == description.Endpoint("a.b", 1, None)


@pytest.mark.parametrize("consumer_id", ["x", "05", "-1", "1.2"])
def test_consumer_endpoint_with_invalid_consumer_id_is_an_error(consumer_id: str) -> None:
    assert f"{consumer_id!r} is not a consumer id" in str(description.parse(f"p2p.{consumer_id}=a.b:1").error)


@pytest.mark.parametrize(
    "details",
    [
        "p2p.\x073=a.b:1",
        "p2p.\x07=",
        "p2p.\u2800=a.b:1",
        "p2p=\u2800@a.b",
        "p2p=a.b:\u2800",
        "relayer=\x1b[2J",
    ],
)
def test_an_error_quotes_what_is_published_in_visible_characters(details: str) -> None:
    error = description.parse(details).error
    assert error is not None
    assert error == plain_text.visible(error)


@given(st.text(alphabet="p2=relay.:\"'[]@ ,1a0xé\n", max_size=60) | st.text(max_size=300))
def test_parse_of_any_text_gives_endpoint_or_error(details: str) -> None:
    published = description.parse(details)
    assert (published.host is None) <= (published.error is not None)
    assert published.error is None or published.error == plain_text.visible(published.error)


ENDPOINT = description.Endpoint("1.2.3.4", 26656, NODE)
P2P = f"p2p={NODE}@1.2.3.4:26656"


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ("", f"{P2P} relayer={RELAYER}"),
        ("We validate.", f"We validate. {P2P} relayer={RELAYER}"),
        ("Text p2p=old:1, more.", f"Text {P2P}, more. relayer={RELAYER}"),
        (f"relayer={RELAYER} p2p=|broken| end", f"relayer={RELAYER} {P2P} end"),
        ("a p2p=old b p2p=older c", f"a {P2P} b c relayer={RELAYER}"),
        ("a (p2p=old) b p2p=older", f"a ({P2P}) b relayer={RELAYER}"),
        ("p2p.7=other:1 xp2p=z", f"p2p.7=other:1 xp2p=z {P2P} relayer={RELAYER}"),
        (
            '{"p2p": "old", "relayer": "", "web": "x"}',
            f'{{"p2p":"{NODE}@1.2.3.4:26656", "relayer":"{RELAYER}", "web": "x"}}',
        ),
    ],
)
def test_compose_keeps_surrounding_text(details: str, expected: str) -> None:
    composed = description.compose(details, ENDPOINT, RELAYER)
    assert composed == expected
    assert description.compose(composed, ENDPOINT, RELAYER) == composed


def test_compose_keeps_entries_that_are_not_given() -> None:
    details = f"a relayer={RELAYER} p2p=1.2.3.4 "
    assert description.compose(details) == details
    own = {"7": description.Endpoint("2001:db8::1", 5, None)}
    assert description.compose("a p2p=1.2.3.4", by_consumer=own) == "a p2p=1.2.3.4 p2p.7=[2001:db8::1]:5"


@given(st.text(max_size=120))
def test_parse_reads_back_what_compose_wrote(details: str) -> None:
    try:
        composed = description.compose(details, ENDPOINT, RELAYER)
    except errors.SettingsError:
        return  # too long, or a text that swallows what is appended
    published = description.parse(composed)
    assert (published.host, published.port, published.node_id) == ("1.2.3.4", 26656, NODE)
    assert published.relayer == RELAYER


def test_compose_of_text_over_280_bytes_is_refused() -> None:
    room = 280 - len(f" {P2P}")
    assert len(description.compose("a" * room, ENDPOINT)) == 280
    with pytest.raises(errors.SettingsError, match="281 bytes, but the chain allows 280"):
        description.compose("a" * (room + 1), ENDPOINT)
    with pytest.raises(errors.SettingsError, match="the chain allows 280"):
        description.compose("ü" * (room // 2 + 1), ENDPOINT)


@pytest.mark.parametrize(
    ("endpoint", "relayer", "own"),
    [
        (description.Endpoint("a b", None, None), None, None),
        (description.Endpoint("1.2.3.4", 70000, None), None, None),
        (None, "nobody", None),
        (None, None, {"7": description.Endpoint("a.b", None, None)}),
    ],
)
def test_compose_of_entry_that_parse_would_reject_is_refused(
    endpoint: description.Endpoint | None, relayer: str | None, own: dict[str, description.Endpoint] | None
) -> None:
    with pytest.raises(errors.SettingsError):
        description.compose("text", endpoint, relayer, own)


def test_persistent_peers_are_sorted_unique_and_bracket_ipv6() -> None:
    entries = [("cc", "b.c", 2), ("aa", "2001:db8::1", 1), ("bb", "1.2.3.4", 3), ("bb", "1.2.3.4", 3)]
    assert description.persistent_peers(entries) == "aa@[2001:db8::1]:1,bb@1.2.3.4:3,cc@b.c:2"
    assert description.persistent_peers([]) == ""
