"""What a validator's description should publish, and what is wrong with one."""

import pytest

from ics import errors
from ics.consumer.peers import description, publication
from ics.keys import derivation
from tests.unit import scenes

SEED = scenes.seed("alice")
SETTINGS = scenes.settings()
NODE = derivation.derive_node_key(SEED).node_id
RELAYER = scenes.relayer("alice")


def details(published: str, **wish: object) -> str:
    return publication.details(published, SETTINGS, SEED, publication.Wish(**wish))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("published", "wish", "expected"),
    [
        ("", {"host": "a.example"}, f"p2p={NODE}@a.example relayer={RELAYER}"),
        ("We validate.", {"host": "a.example"}, f"We validate. p2p={NODE}@a.example relayer={RELAYER}"),
        ("p2p=a.example:26656", {}, f"p2p={NODE}@a.example:26656 relayer={RELAYER}"),
        ("p2p=a.example:26656", {"host": "a.example"}, f"p2p={NODE}@a.example:26656 relayer={RELAYER}"),
        # the port was the old host's
        ("p2p=a.example:26656", {"host": "b.example"}, f"p2p={NODE}@b.example relayer={RELAYER}"),
        ("p2p=a.example:1", {"port": 2}, f"p2p={NODE}@a.example:2 relayer={RELAYER}"),
        (
            '{"p2p":"a.example"} hi',
            {"by_consumer": {"3": ("::1", 7)}},
            f'{{"p2p":"{NODE}@a.example"}} hi p2p.3=[::1]:7 relayer={RELAYER}',
        ),
    ],
)
def test_details(published: str, wish: dict[str, object], expected: str) -> None:
    assert details(published, **wish) == expected
    assert details(expected, **wish) == expected  # nothing is left to send


@pytest.mark.parametrize(
    ("published", "wished"),
    [
        ("p2p.1=b.example:26656", {"0": ("a.example", 26656)}),
        ("", {"0": ("a.example", 26656), "1": ("b.example", 26656)}),
        ("", {"0": ("a.example", 27346)}),
    ],
)
def test_two_chains_on_one_port_are_not_published(published: str, wished: dict[str, tuple[str, int]]) -> None:
    wish = publication.Wish("a.example", by_consumer=wished)
    with pytest.raises(errors.SettingsError, match=r"^--consumer 0: port \d+ .* is that of consumer 1: give"):
        publication.details(published, SETTINGS, SEED, wish, {"0": 27346 - 10, "1": 27346})


def test_a_chain_may_leave_a_port_that_another_one_takes() -> None:
    wish = publication.Wish("a.example", by_consumer={"0": ("a.example", 27346), "1": ("b.example", 1)})
    found = description.parse(publication.details("", SETTINGS, SEED, wish, {"0": 27336, "1": 27346}))
    assert {one: where.port for one, where in found.by_consumer.items()} == {"0": 27346, "1": 1}


def test_networks_with_public_node_keys_publish_no_node_id() -> None:
    settings = SETTINGS.model_copy(update={"node_keys": "public"})
    found = publication.details(f"p2p={NODE}@a.b", settings, SEED, publication.Wish())
    assert found == f"p2p=a.b relayer={RELAYER}"


def test_without_an_address() -> None:
    with pytest.raises(errors.SettingsError, match=r"^there is no address to publish: give --host"):
        details("We validate.")


def test_too_long_a_text() -> None:
    """Two bytes each: the chain counts bytes."""
    own = "ü" * 100
    room = description.MAX_DETAILS - len(f" p2p={NODE}@a.example relayer={RELAYER}")
    with pytest.raises(errors.SettingsError, match=rf"shorten its own text by {200 - room}$"):
        details(own, host="a.example")


def test_problems() -> None:
    good = f"p2p={NODE}@a.example relayer={RELAYER}"
    mend = "run ics endpoint register"

    def found(text: str, address: str | None = "a.example") -> list[str]:
        return publication.problems(text, SETTINGS, SEED, address)

    assert found(good) == []
    assert found(good, None) == []
    assert found(good, "10.0.0.1") == [
        f"the description has host a.example, the LoadBalancer is at 10.0.0.1: {mend},"
        " unless the one leads to the other"
    ]
    other = "ab" * 20
    assert found(f"p2p={other}@a.example relayer={scenes.relayer('bob')}") == [
        f"the description has node id {other}, the seed's is {NODE}: {mend}",
        f"the description has relayer={scenes.relayer('bob')}, the seed's is {RELAYER}: {mend}",
    ]
    assert found("p2p=a.example") == [
        f"the description has no node id, the seed's is {NODE}: {mend}",
        f"the description has no relayer=, the seed's is {RELAYER}: {mend}",
    ]
    assert found(f"relayer={RELAYER}") == [f"{description.NOTHING_PUBLISHED}: {mend}"]


def test_doubles() -> None:
    alice, bob = scenes.validator("alice"), scenes.validator("bob")
    twin = scenes.validator("charlie", details=f"p2p={NODE}@c.example")
    assert publication.doubles([alice, bob]) == []
    both = " and ".join(sorted([alice.operator_address, twin.operator_address]))
    assert publication.doubles([alice, bob, twin]) == [
        f"node id {NODE} is published by {both}: each needs one of its own"
    ]


def test_targets() -> None:
    alice = scenes.validator("alice", details="p2p=a.example:26656")
    bob = scenes.validator("bob")
    theirs = derivation.derive_node_key(scenes.seed("bob")).node_id
    chains = [("c-1", f"{theirs}@10.231.0.112:27346,{'ef' * 20}@[::1]:5", "a.example:27346")]

    assert publication.targets([alice, bob], alice.operator_address, chains) == (
        publication.Target("a peer", "c-1", "::1", 5),
        publication.Target(bob.operator_address, "c-1", "10.231.0.112", 27346),
        publication.Target("this validator", "c-1", "a.example", 27346),
        publication.Target("this validator", "provider", "a.example", 26656),
    )
