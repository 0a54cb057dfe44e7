import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ics import errors
from ics.consumer.peers import ports

chain_ids = st.text(min_size=1, max_size=50)


# Home offsets found by `printf NAME | sha256sum`, first 16 hex digits modulo 1000.
AT_26 = "consumer-180"  # RPC would be 27017
AT_999 = ("consumer-115", "consumer-1206", "consumer-1550")
AT_0 = "consumer-319"


@pytest.mark.parametrize(
    ("chain_id", "offset"),
    [("consumer-1", 199), ("consumer-0-1", 873), ("Weird_Chain.1-1", 787), (AT_26, 26), (AT_0, 0)],
)
def test_home_offset_is_the_hash_of_the_chain_id(chain_id: str, offset: int) -> None:
    assert ports.home_offset(chain_id) == offset


def test_ports_at_an_offset() -> None:
    assert ports.at(0) == ports.Ports(0, p2p=26756, rpc=26757, grpc=9190, grpc_web=9191, rest=27417)
    assert ports.at(999) == ports.Ports(999, p2p=36746, rpc=36747, grpc=19180, grpc_web=19181, rest=37407)


@pytest.mark.parametrize("offset", [-1, 1000])
def test_there_is_no_other_offset(offset: int) -> None:
    with pytest.raises(errors.Permanent, match=str(offset)):
        ports.at(offset)


def test_just_one_offset_is_reserved() -> None:
    assert [offset for offset in range(ports.OFFSETS) if ports.is_reserved(offset)] == [26]


def test_all_ports_are_unprivileged_and_off_the_ports_of_others() -> None:
    for offset in set(range(ports.OFFSETS)) - {26}:
        found = ports.at(offset)
        for port in (found.p2p, found.rpc, found.grpc, found.grpc_web, found.rest):
            assert 1024 <= port <= 65535
            assert port not in {3000, 5432, 6379, 8080, 27017}


def test_a_taken_or_reserved_place_moves_a_chain_upwards_and_around_the_end() -> None:
    chains = [*AT_999, AT_0, AT_26]
    placed = ports.allocate(list(enumerate(chains)))
    assert {chains[key]: found.offset for key, found in placed.items()} == {
        AT_999[0]: 999,
        AT_999[1]: 0,
        AT_999[2]: 1,
        AT_0: 2,
        AT_26: 27,
    }


def test_two_chains_with_one_chain_id_get_ports_of_their_own() -> None:
    placed = ports.allocate([("4", "consumer-1"), ("9", "consumer-1")])
    assert placed == {"4": ports.at(199), "9": ports.at(200)}


@given(st.lists(chain_ids, max_size=60), st.integers(0, 60))
def test_places_are_distinct_unreserved_and_unmoved_by_later_chains(chains: list[str], cut: int) -> None:
    numbered = list(enumerate(chains))
    placed = ports.allocate(numbered)
    offsets = [found.offset for found in placed.values()]
    assert len(set(offsets)) == len(chains)
    assert not any(ports.is_reserved(offset) for offset in offsets)
    assert dict(list(placed.items())[:cut]) == ports.allocate(numbered[:cut])


@settings(max_examples=5)
@given(st.text(min_size=1, max_size=10))
def test_the_thousandth_chain_finds_no_place(name: str) -> None:
    chains = [(number, f"{name}-{number}") for number in range(999)]
    assert len(ports.allocate(chains)) == 999
    with pytest.raises(errors.Permanent, match="no port is free for chain 'one more-1'"):
        ports.allocate([*chains, (999, "one more-1")])


def test_a_key_that_comes_twice_is_refused() -> None:
    with pytest.raises(errors.Permanent, match="twice"):
        ports.allocate([("4", "consumer-1"), ("4", "consumer-2")])
