"""Publication of endpoints and relayers in a validator's description."""

from typing import Any

import pytest

from ics import errors
from ics.consumer.peers import description, publication
from ics.keys import derivation
from tests.unit import factories

SEED = factories.seed("alice")
SETTINGS = factories.settings()
NODE = derivation.derive_node_key(SEED).node_id
RELAYER = factories.relayer("alice")


def details(published: str, **wish: Any) -> str:
    return publication.compose_details(published, SETTINGS, SEED, publication.EndpointUpdate(**wish))


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
def test_details_publish_requested_endpoint_and_are_stable(
    published: str, wish: dict[str, Any], expected: str
) -> None:
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
def test_details_with_two_chains_on_one_port_are_refused(
    published: str, wished: dict[str, tuple[str, int]]
) -> None:
    wish = publication.EndpointUpdate("a.example", by_consumer=wished)
    with pytest.raises(
        errors.SettingsError,
        match=r"^--consumer 0: consumer 1 has port \d+ of the LoadBalancer; use another$",
    ):
        publication.compose_details(published, SETTINGS, SEED, wish, {"0": 27346 - 10, "1": 27346})


def test_details_may_swap_port_of_one_chain_to_another() -> None:
    wish = publication.EndpointUpdate(
        "a.example", by_consumer={"0": ("a.example", 27346), "1": ("b.example", 1)}
    )
    published = description.parse(
        publication.compose_details("", SETTINGS, SEED, wish, {"0": 27336, "1": 27346})
    )
    assert {one: where.port for one, where in published.by_consumer.items()} == {"0": 27346, "1": 1}


def test_details_with_public_node_keys_have_no_node_id() -> None:
    settings = SETTINGS.model_copy(update={"node_keys": "public"})
    found = publication.compose_details(f"p2p={NODE}@a.b", settings, SEED, publication.EndpointUpdate())
    assert found == f"p2p=a.b relayer={RELAYER}"


def test_details_without_host_are_refused() -> None:
    with pytest.raises(errors.SettingsError, match=r"^endpoint: no address to publish; use --host"):
        details("We validate.")


def test_details_over_byte_limit_name_excess() -> None:
    """The letters have two bytes each, and the chain counts bytes."""
    own = "ü" * 100
    room = description.MAX_DETAILS - len(f" p2p={NODE}@a.example relayer={RELAYER}")
    with pytest.raises(errors.SettingsError, match=rf"shorten its own text by {200 - room} bytes$"):
        details(own, host="a.example")


def test_problems_name_wrong_host_node_id_and_relayer() -> None:
    good = f"p2p={NODE}@a.example relayer={RELAYER}"
    remedy = "run ics endpoint register"

    def found(text: str, address: str | None = "a.example") -> list[str]:
        return publication.find_problems(text, SETTINGS, SEED, address)

    assert found(good) == []
    assert found(good, None) == []
    assert found(good, "10.0.0.1") == [
        f"the description has host a.example, the LoadBalancer is at 10.0.0.1; {remedy},"
        " unless the published host forwards to it"
    ]
    other = "ab" * 20
    assert found(f"p2p={other}@a.example relayer={factories.relayer('bob')}") == [
        f"the description has node id {other}, the seed's is {NODE}; {remedy}",
        f"the description has relayer={factories.relayer('bob')}, the seed's is {RELAYER}; {remedy}",
    ]
    assert found("p2p=a.example") == [
        f"the description has no node id, the seed's is {NODE}; {remedy}",
        f"the description has no relayer=, the seed's is {RELAYER}; {remedy}",
    ]
    assert found(f"relayer={RELAYER}") == [f"{description.NOTHING_PUBLISHED}; {remedy}"]


def test_node_id_published_twice_is_named() -> None:
    alice, bob = factories.validator("alice"), factories.validator("bob")
    twin = factories.validator("charlie", details=f"p2p={NODE}@c.example")
    assert publication.duplicate_node_ids([alice, bob]) == []
    both = " and ".join(sorted([alice.operator_address, twin.operator_address]))
    assert publication.duplicate_node_ids([alice, bob, twin]) == [
        f"node id {NODE} is published by {both}; each validator needs its own"
    ]


def test_targets_are_peers_and_own_endpoints() -> None:
    alice = factories.validator("alice", details="p2p=a.example:26656")
    bob = factories.validator("bob")
    theirs = derivation.derive_node_key(factories.seed("bob")).node_id
    chains = [("c-1", f"{theirs}@10.231.0.112:27346,{'ef' * 20}@[::1]:5", "a.example:27346")]

    assert publication.dial_targets([alice, bob], alice.operator_address, chains) == (
        publication.Target("a peer", "c-1", "::1", 5),
        publication.Target(bob.operator_address, "c-1", "10.231.0.112", 27346),
        publication.Target("this validator", "c-1", "a.example", 27346),
        publication.Target("this validator", "provider", "a.example", 26656),
    )
