"""The JSON of the chain's own commands is taken beside this program's form."""

import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, model
from ics.cli import owner_flags
from ics.config import stack_file, units
from ics.cosmos import answers, times
from ics.provider.owner import chain_files, decode, messages, terms
from ics.provider.owner import transactions as owner_transactions
from tests.unit.cli import calls
from tests.unit.provider import recorded

OF_THE_CHAIN = r"""
{
	"chain_id": "consumer-1",
	"metadata": {"name": "chain \ud83d\ude80", "description": "a\tchain", "metadata": "{}"},
	"initialization_parameters": {
		"initial_height": {"revision_number": 1, "revision_height": 1},
		"genesis_hash": "Z2VuX2hhc2g=",
		"binary_hash": "YmluX2hhc2g=",
		"spawn_time": "2024-08-29T12:26:16.529913Z",
		"unbonding_period": 1728000000000000,
		"ccv_timeout_period": 2419200000000000,
		"transfer_timeout_period": 1800000000000,
		"consumer_redistribution_fraction": "0.75",
		"blocks_per_distribution_transmission": 1000,
		"historical_entries": 10000,
		"distribution_transmission_channel": ""
	},
	"power_shaping_parameters": {
		"top_N": 0,
		"validators_power_cap": 10,
		"validator_set_cap": 50,
		"allowlist": ["cosmosvalcons1x"],
		"denylist": [],
		"min_stake": 1000,
		"allow_inactive_vals": true,
		"prioritylist": []
	},
	"allowlisted_reward_denoms": {"denoms": ["ibc/0025F8A87464A471E66B234C4F93AEC5B4DA3D42D7986451A059273426290DD5"]},
	"infraction_parameters": {
		"double_sign": {"slash_fraction": "0.05", "jail_duration": 9223372036854775807, "tombstone": true},
		"downtime": {"slash_fraction": "0.0001", "jail_duration": 600000000000, "tombstone": false}
	}
}
"""
"""As `tx provider create-consumer` takes it, with tabs and a surrogate pair."""
OURS: dict[str, Any] = {
    "chain_id": "consumer-1",
    "metadata": {"name": "chain 🚀", "description": "a\tchain", "metadata": "{}"},
    "initialization_parameters": {
        "initial_height": 1,
        "genesis_hash": b"gen_hash".hex(),
        "binary_hash": b"bin_hash".hex(),
        "spawn_time": "2024-08-29T12:26:16.529913Z",
        "unbonding_period": "480h",
        "ccv_timeout_period": "672h",
        "transfer_timeout_period": "30m",
        "consumer_redistribution_fraction": "0.75",
        "blocks_per_distribution_transmission": 1000,
        "historical_entries": 10000,
        "distribution_transmission_channel": "",
        "connection_id": "",
    },
    "power_shaping_parameters": {
        "top_N": 0,
        "validators_power_cap": 10,
        "validator_set_cap": 50,
        "allowlist": ["cosmosvalcons1x"],
        "denylist": [],
        "min_stake": 1000,
        "allow_inactive_vals": True,
        "prioritylist": [],
    },
    "allowlisted_reward_denoms": ["ibc/0025F8A87464A471E66B234C4F93AEC5B4DA3D42D7986451A059273426290DD5"],
    "infraction_parameters": {
        "double_sign": {"slash_fraction": "0.05", "jail_duration": "forever", "tombstone": True},
        "downtime": {"slash_fraction": "0.0001", "jail_duration": "10m", "tombstone": False},
    },
}


def of_file(path: pathlib.Path, *words: str) -> dict[str, Any]:
    args = calls.arguments("consumer", *(words or ("create",)), "--file", str(path))
    values, _ = owner_flags.values(args, times.parse_time("2026-01-01T00:00:00Z"))
    return values


@pytest.mark.parametrize("text", [OF_THE_CHAIN.strip(), "\ufeff" + OF_THE_CHAIN, json.dumps(OURS)])
def test_both_forms_of_a_file_give_the_same_terms(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "chain.json"
    path.write_text(text, encoding="utf-8")

    assert terms.parse_creation(of_file(path), "file").as_dict() == OURS


def test_answer_of_the_chains_own_query_is_taken() -> None:
    answer = recorded.body("consumer_chain_registered")

    found = terms.parse_creation(chain_files.parse(answer, "file", answer["consumer_id"]), "file")

    own = decode.consumer_chain(answers.Field("q", answer)).terms
    same = ("metadata", "initialization_parameters", "power_shaping_parameters", "chain_id")
    assert [getattr(found, name) for name in same] == [getattr(own, name) for name in same]


def test_message_of_an_update_keeps_what_it_does_not_set(tmp_path: pathlib.Path) -> None:
    message = {
        "@type": "/interchain_security.ccv.provider.v1.MsgUpdateConsumer",
        "owner": "cosmos1x",
        "consumer_id": "3",
        "new_owner_address": "",
        "new_chain_id": "",
        "metadata": None,
        "initialization_parameters": None,
        "power_shaping_parameters": {"top_N": 0, "min_stake": "7"},
        "allowlisted_reward_denoms": None,
        "infraction_parameters": None,
    }
    path = tmp_path / "update.json"
    path.write_text(json.dumps({"messages": [message]}))

    assert of_file(path, "update", "3") == {
        "power_shaping_parameters": {"top_N": 0, "min_stake": "7"},
        "allowlisted_reward_denoms": None,
        "infraction_parameters": None,
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"consumer_id": "4"}, "consumer_id: '4' is another chain than 3"),
        ({"new_owner_address": "cosmos1y"}, "hands the chain over to cosmos1y; say so with --new-owner"),
        ({"messages": []}, "a proposal must have one message"),
        ({"messages": [1]}, "a proposal must have one message"),
        (
            {"initialization_parameters": {"initial_height": {"revision_number": 2, "revision_height": 1}}},
            "revision_number: 2 is not the revision of consumer-1, which is 1",
        ),
    ],
)
def test_file_of_another_chain_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"^file: ") as caught:
        chain_files.parse({"chain_id": "consumer-1", **change}, "file", "3")
    assert says in str(caught.value)


PENALTIES = st.fixed_dictionaries(
    {
        "slash_fraction": st.integers(0, 10**4).map(lambda number: f"{number / 10**4:.4f}"),
        "jail_duration": st.integers(0, times.LONGEST).map(units.format_nanoseconds),
        "tombstone": st.booleans(),
    }
)
DURATIONS = st.integers(0, times.LONGEST).map(units.format_nanoseconds)
# The base64 of other lengths may be hex, too.
HASHES = (st.just(b"") | st.binary(min_size=32, max_size=32) | st.binary(min_size=64, max_size=64)).map(
    bytes.hex
)
TERMS = st.fixed_dictionaries(
    {
        "chain_id": st.from_regex(r"[a-z]{1,20}-[1-9][0-9]{0,5}", fullmatch=True),
        "metadata": st.fixed_dictionaries(
            {name: st.text(min_size=1, max_size=20) for name in ("name", "description", "metadata")}
        ),
        "initialization_parameters": st.fixed_dictionaries(
            {
                "initial_height": st.integers(1, 2**63),
                "genesis_hash": HASHES,
                "binary_hash": HASHES,
                "spawn_time": st.none() | st.just("2030-01-02T03:04:05.000000007Z"),
                "unbonding_period": DURATIONS,
                "ccv_timeout_period": DURATIONS,
                "transfer_timeout_period": DURATIONS,
            }
        ),
        "infraction_parameters": st.none()
        | st.fixed_dictionaries({"double_sign": PENALTIES, "downtime": st.none() | PENALTIES}),
        "allowlisted_reward_denoms": st.none() | st.lists(st.just("ibc/AB"), max_size=2),
    }
)


@given(TERMS)
def test_what_is_written_for_the_chains_program_is_read_back(values: dict[str, Any]) -> None:
    mine = terms.parse_creation(values, "test")
    message = json.loads(json.dumps(messages.as_json(owner_transactions.CreateConsumer(mine), "cosmos1x")))

    again = terms.parse_creation(chain_files.parse(message, "file"), "file")

    decimal = {"slash_fraction"}
    assert _without(again.as_dict(), decimal) == _without(mine.as_dict(), decimal)


def _without(value: Any, names: set[str]) -> Any:
    """A fraction is written with all of its decimals."""
    if not isinstance(value, dict):
        return value
    return {key: float(inner) if key in names else _without(inner, names) for key, inner in value.items()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*OURS, *OURS["initialization_parameters"], "denoms", "messages", "@type"]), inner
        )
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from([*OURS, "init_params", "new_chain_id", "messages", "consumer_id"]), JSON)
)
def test_any_file_is_taken_or_refused_by_name(document: dict[str, Any]) -> None:
    try:
        terms.parse_creation(chain_files.parse(document, "file", "3"), "file")
    except errors.SettingsError as error:
        assert all(problem.startswith("file: ") for problem in error.problems)  # noqa: PT017


@given(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("{}[]:,\"'\n\t #&*!|>-0123456789.eE_+~", max_size=40)
)
def test_any_text_of_a_file_is_parsed_or_refused(text: str) -> None:
    path_error: Exception | None = None
    try:
        stack_file.parse_text(text)
    except Exception as error:
        path_error = error
    import yaml

    assert path_error is None or isinstance(path_error, yaml.YAMLError)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "RecursionError"),
        ("a: 2030-13-45", "ValueError"),
        ("? [1]\n: 2", "a key that is a list or a mapping"),
        ('{"a":\t1,}', "not JSON either"),
    ],
)
def test_malformed_file_is_refused_with_its_name(text: str, says: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(errors.SettingsError, match=r"^x\.yaml") as caught:
        stack_file.read_yaml(path, "x.yaml")
    assert says in str(caught.value)


# -- chains that were created before the provider checked parameters -----------------------------------


def found(**init: Any) -> terms.OwnedConsumer:
    answer = recorded.body("consumer_chain_registered")
    answer = {**answer, "init_params": {**answer["init_params"], **init}}
    return decode.consumer_chain(answers.Field("q", answer))


ZERO = {
    "initial_height": {"revision_number": "0", "revision_height": "0"},
    "unbonding_period": "0s",
    "ccv_timeout_period": "0s",
    "transfer_timeout_period": "-5s",
    "consumer_redistribution_fraction": "",
    "blocks_per_distribution_transmission": "0",
    "historical_entries": "0",
}


def test_metadata_of_a_chain_of_zeros_can_be_changed() -> None:
    chain = found(**ZERO)

    new = terms.parse_changes(chain.terms, {"metadata": {"name": "new"}}, "flags")
    order = terms.update(chain, new)

    assert order is not None
    assert (order.metadata is not None and order.metadata.name, order.initialization_parameters) == (
        "new",
        None,
    )


def test_parameters_of_a_chain_of_zeros_are_changed_only_as_a_whole() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        terms.parse_changes(
            found(**ZERO).terms,
            {"initialization_parameters": {"spawn_time": "2030-01-01T00:00:00Z"}},
            "flags",
        )
    names = [problem.split(": ")[1] for problem in caught.value.problems]
    assert names == [
        f"initialization_parameters.{name}"
        for name in (
            "initial_height",
            "transfer_timeout_period",
            "consumer_redistribution_fraction",
            "blocks_per_distribution_transmission",
            "historical_entries",
        )
    ]


def test_structure_with_a_member_of_a_later_version_is_shown_but_not_sent() -> None:
    chain = found(later="x")
    assert chain.unknown == {"initialization_parameters": ("later",)}

    change = {"initialization_parameters": {"historical_entries": 7}}
    with pytest.raises(errors.SettingsError, match="initialization_parameters has later, which this version"):
        terms.update(chain, terms.parse_changes(chain.terms, change, "flags"))
    assert terms.update(chain, terms.parse_changes(chain.terms, {"metadata": {"name": "n"}}, "flags"))


@pytest.mark.parametrize("chain_id", ["consumer x-1", "a\nb", "..", "a" * 51, "", "é"])
def test_own_chain_with_an_impossible_id_is_refused(chain_id: str) -> None:
    with pytest.raises(errors.SettingsError, match="chain_id: chain id"):
        terms.parse_creation({"chain_id": chain_id}, "flags")


def test_chain_of_an_unknown_phase_is_shown() -> None:
    answer = {**recorded.body("consumer_chain_registered"), "phase": "CONSUMER_PHASE_LATER"}
    assert decode.consumer_chain(answers.Field("q", answer)).phase is model.Phase.UNKNOWN
