"""Every field that a node parses at its start is checked before, by name: a node panics or exits with another one."""

from typing import Any

import pytest

from ics import errors
from ics.config import chain_definition, provider_node
from tests.unit import factories

ID = "a" * 40


def definition(**changes: Any) -> chain_definition.Definition:
    return factories.example(**changes).definition


@pytest.mark.parametrize(
    "price", ["", " ", "abc", "0.01untrn;0.1uatom", ".025untrn", "0.1untrn,0.2untrn", "1.untrn"]
)
def test_gas_price_with_which_the_node_panics_is_refused_by_name(price: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"test: min_gas_price: .*gas price"):
        definition(min_gas_price=price)


@pytest.mark.parametrize("price", ["0stake", "0.01untrn,0.1uatom", "0.01untrn, 0.1ibc/ABC"])
def test_gas_prices_that_the_node_reads_are_taken(price: str) -> None:
    assert definition(min_gas_price=price).min_gas_price == price


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        (f"{ID}@2001:db8::1:26656", "an IPv6 address needs brackets"),
        (f"{ID}@tcp://1.2.3.4:26656", "a scheme after the node id"),
    ],
)
def test_seed_with_which_the_node_exits_is_refused_by_name(seed: str, problem: str) -> None:
    with pytest.raises(errors.SettingsError, match=rf"test: seeds\.0: not a valid peer: .*{problem}"):
        definition(seeds=[seed])
    for field in ("seeds", "peers"):
        with pytest.raises(ValueError, match=problem):
            provider_node.ProviderNodeSettings.model_validate({field: [seed]})


def test_scheme_before_the_node_id_is_dropped() -> None:
    assert definition(seeds=[f"tcp://{ID.upper()}@h:1"]).seeds == (f"{ID}@h:1",)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"denom": "a"}, "denom: 'a' is not a denomination"),
        ({"denom": "u atom"}, "denom: 'u atom' is not a denomination"),
        ({"image": "https://ghcr.io/a"}, "image: .*is not the name of an image"),
        ({"image": "Neutron:v1"}, "image: .*is not the name of an image"),
        ({"binary": ""}, "binary: "),
        ({"binary": "neutrond start"}, "binary: "),
        ({"match": {"owner": factories.OWNER[:-1] + "q"}}, r"match\.owner: "),
        (
            {"genesis": {"base": {"file": "f"}, "reward_denoms": {"consumer": ["1"]}}},
            r"genesis\.reward_denoms\.consumer\.0: '1' is not a denomination",
        ),
        (
            {"config": {"config.toml": {"consensus": {"timeout_commit": "5 seconds"}}}},
            r"config\.config\.toml\.consensus\.timeout_commit: not a duration",
        ),
        (
            {"config": {"config.toml": {"p2p": {"unconditional_peer_ids": "abc"}}}},
            r"unconditional_peer_ids: 'abc' is not a node id",
        ),
        ({"config": {"app.toml": {"pruning": "all"}}}, "pruning: no kind of pruning"),
    ],
)
def test_other_fields_that_the_node_parses_are_refused_by_name(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.SettingsError, match=text):
        definition(**changes)


def test_values_that_the_node_reads_are_taken() -> None:
    definition(
        config={
            "config.toml": {
                "consensus": {"timeout_commit": "1m30.5s", "timeout_propose": 3_000_000_000},
                "p2p": {"unconditional_peer_ids": f"{ID}, {ID}", "private_peer_ids": ""},
            },
            "app.toml": {"pruning": "custom"},
        }
    )
