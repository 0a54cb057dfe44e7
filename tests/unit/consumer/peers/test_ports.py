import dataclasses

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
def test_home_offset_is_hash_of_chain_id(chain_id: str, offset: int) -> None:
    assert ports.home_offset(chain_id) == offset


def test_ports_at_first_and_last_offset_match_recorded_values() -> None:
    assert ports.ports_at(0) == ports.Ports(
        offset=0, p2p=26756, rpc=26757, grpc=9190, grpc_web=9191, rest=27417
    )
    assert ports.ports_at(999) == ports.Ports(
        offset=999, p2p=36746, rpc=36747, grpc=19180, grpc_web=19181, rest=37407
    )


@pytest.mark.parametrize("offset", [-1, 1000])
def test_ports_at_offset_out_of_range_are_refused(offset: int) -> None:
    with pytest.raises(errors.Permanent, match=str(offset)):
        ports.ports_at(offset)


def test_only_offset_26_is_reserved() -> None:
    assert [offset for offset in range(ports.OFFSETS) if ports.is_reserved(offset)] == [26]


def test_all_ports_are_unprivileged_and_avoid_well_known_ports() -> None:
    for offset in set(range(ports.OFFSETS)) - {26}:
        taken = ports.ports_at(offset)
        for port in (taken.p2p, taken.rpc, taken.grpc, taken.grpc_web, taken.rest):
            assert 1024 <= port <= 65535
            assert port not in {3000, 5432, 6379, 8080, 27017}


def test_allocate_moves_to_next_free_offset_and_wraps_around() -> None:
    chains = [*AT_999, AT_0, AT_26]
    placed = ports.allocate(list(enumerate(chains)))
    assert {chains[key]: found.offset for key, found in placed.items()} == {
        AT_999[0]: 999,
        AT_999[1]: 0,
        AT_999[2]: 1,
        AT_0: 2,
        AT_26: 27,
    }


def test_allocate_gives_chains_with_same_chain_id_different_ports() -> None:
    placed = ports.allocate([("4", "consumer-1"), ("9", "consumer-1")])
    assert placed == {"4": ports.ports_at(199), "9": ports.ports_at(200)}


@given(st.lists(chain_ids, max_size=60), st.integers(0, 60))
def test_allocated_offsets_are_distinct_unreserved_and_stable(chains: list[str], cut: int) -> None:
    numbered = list(enumerate(chains))
    placed = ports.allocate(numbered)
    offsets = [found.offset for found in placed.values()]
    assert len(set(offsets)) == len(chains)
    assert not any(ports.is_reserved(offset) for offset in offsets)
    assert dict(list(placed.items())[:cut]) == ports.allocate(numbered[:cut])


@settings(max_examples=5)
@given(st.text(min_size=1, max_size=10))
def test_thousandth_chain_shares_the_ports_at_its_home(name: str) -> None:
    chains = [(number, f"{name}-{number}") for number in range(999)]
    placed = ports.allocate(chains)
    assert len({found.offset for found in placed.values()}) == 999

    crowded = ports.allocate([*chains, (999, "one-more-1")])

    assert crowded == {**placed, 999: ports.shared_ports("one-more-1")}
    assert crowded[999] == dataclasses.replace(
        ports.ports_at(ports.home_offset("one-more-1")), is_shared=True
    )


def test_allocate_of_duplicate_consumer_id_is_refused() -> None:
    with pytest.raises(errors.Permanent, match="duplicate key"):
        ports.allocate([("4", "consumer-1"), ("4", "consumer-2")])
