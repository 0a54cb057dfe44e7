import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ics import errors
from ics.cosmos import canonical_json, genesis
from ics.cosmos import coins as cosmos_coins

KEY_A, KEY_B = bytes(range(32)), bytes(range(1, 33))
LAUNCH = "2026-11-22T12:10:15.947350052Z"
A, B = "consumer1aaa", "consumer1bbb"


def ccv_state() -> dict[str, Any]:
    """A CCV state in the form of interchain-security v7, with what does not matter here left out."""
    return {
        "params": {
            "enabled": True,
            "unbonding_period": "540s",
            "reward_denoms": [],
            "provider_reward_denoms": [],
            "consumer_id": "3",
        },
        "provider": {
            "client_state": {
                "chain_id": "provider-1",
                "latest_height": {"revision_number": "1", "revision_height": "42"},
                "proof_specs": [{"inner_spec": {"child_order": [0, 1], "empty_child": None}}],
            },
            "consensus_state": {"timestamp": LAUNCH},
            "initial_val_set": [
                {"pub_key": {"ed25519": base64.b64encode(KEY_A).decode()}, "power": "300"},
                {"pub_key": {"ed25519": base64.b64encode(KEY_B).decode()}, "power": "200"},
            ],
        },
        "new_chain": True,
        "preCCV": False,
        "connection_id": "",
    }


def base() -> dict[str, Any]:
    """A base genesis in the form of the SDK 0.50, as far as completing it goes."""
    return {
        "app_name": "<appd>",
        "genesis_time": "2025-01-01T00:00:00Z",
        "chain_id": "base-1",
        "initial_height": 1,
        "app_hash": None,
        "app_state": {
            "auth": {"params": {}, "accounts": []},
            "bank": {"params": {}, "balances": [], "supply": []},
            "ccvconsumer": {"params": {"enabled": False}, "provider": {}},
        },
        "consensus": {"params": {"block": {"max_gas": "-1"}}},
    }


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the member at a dotted path set, or taken out when the value is `...`."""
    new = copy.deepcopy(document)
    *parents, last = path.split(".")
    place: Any = new
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return new


def completed(start: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "chain_id": "consumer-1",
        "initial_height": 5,
        "genesis_time": LAUNCH,
        "ccv": ccv_state(),
    }
    return genesis.complete(start, **(usual | changes))


def account(address: str) -> dict[str, Any]:
    return {
        "@type": "/cosmos.auth.v1beta1.BaseAccount",
        "address": address,
        "pub_key": None,
        "account_number": "0",
        "sequence": "0",
    }


def test_complete_sets_only_fields_the_provider_dictates() -> None:
    start = base()
    document = completed(start)
    expected = base() | {"chain_id": "consumer-1", "initial_height": 5, "genesis_time": LAUNCH}
    expected["app_state"]["ccvconsumer"] = ccv_state()
    assert document == expected
    assert start == base()


def test_complete_without_chain_id_height_and_time_keeps_those_of_the_base() -> None:
    document = completed(base(), chain_id=None, initial_height=None, genesis_time=None)
    assert document == changed(base(), "app_state.ccvconsumer", ccv_state())


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (base(), 5),
        (changed(base(), "initial_height", ...), 5),
        (changed(base(), "initial_height", "1"), "5"),
        (changed(base(), "initial_height", ...) | {"consensus_params": {}}, "5"),
    ],
)
def test_complete_writes_initial_height_in_the_type_of_the_base(
    start: dict[str, Any], expected: int | str
) -> None:
    height = completed(start)["initial_height"]
    assert (type(height), height) == (type(expected), expected)


def test_complete_sets_reward_denoms_if_given() -> None:
    ccv = ccv_state()
    document = completed(base(), ccv=ccv, reward_denoms=("stake",), provider_reward_denoms=("uatom", "ibc/A"))
    params = ccv_state()["params"] | {
        "reward_denoms": ["stake"],
        "provider_reward_denoms": ["uatom", "ibc/A"],
    }
    assert document["app_state"]["ccvconsumer"] == ccv_state() | {"params": params}
    assert ccv == ccv_state()


def test_complete_funds_accounts_independently_of_their_order() -> None:
    coins = cosmos_coins.parse_coins("100stake,5atom")
    start = base()
    document = completed(start, fund=[(B, coins), (A, coins), (B, cosmos_coins.parse_coins("1stake"))])
    assert document["app_state"]["auth"]["accounts"] == [account(A), account(B)]
    assert document["app_state"]["bank"] == {
        "params": {},
        "balances": [
            {"address": A, "coins": [{"denom": "atom", "amount": "5"}, {"denom": "stake", "amount": "100"}]},
            {"address": B, "coins": [{"denom": "atom", "amount": "5"}, {"denom": "stake", "amount": "101"}]},
        ],
        "supply": [],
    }
    assert start == base()
    assert document == completed(base(), fund=[(A, coins), (B, cosmos_coins.parse_coins("5atom,101stake"))])


def test_complete_adds_to_existing_accounts_balances_and_supply() -> None:
    vesting = {
        "@type": "/cosmos.vesting.v1beta1.DelayedVestingAccount",
        "base_vesting_account": {"base_account": {"address": A}, "end_time": "1"},
    }
    start = changed(base(), "app_state.auth.accounts", [vesting])
    bank = {
        "balances": [
            {"address": A, "coins": [{"denom": "zzz", "amount": "7"}, {"denom": "stake", "amount": "1"}]}
        ],
        "supply": [{"denom": "stake", "amount": "1"}, {"denom": "zzz", "amount": "7"}],
    }
    start = changed(start, "app_state.bank", bank)
    document = completed(
        start, fund=[(A, cosmos_coins.parse_coins("10stake")), (B, cosmos_coins.parse_coins("2atom"))]
    )
    assert document["app_state"]["auth"]["accounts"] == [vesting, account(B)]
    assert document["app_state"]["bank"] == {
        "balances": [
            {"address": A, "coins": [{"denom": "stake", "amount": "11"}, {"denom": "zzz", "amount": "7"}]},
            {"address": B, "coins": [{"denom": "atom", "amount": "2"}]},
        ],
        "supply": [
            {"denom": "atom", "amount": "2"},
            {"denom": "stake", "amount": "11"},
            {"denom": "zzz", "amount": "7"},
        ],
    }


@pytest.mark.parametrize(
    ("start", "changes", "said"),
    [
        (changed(base(), "app_state", ...), {}, "app_state is missing"),
        (
            changed(base(), "app_state.auth", ...),
            {"fund": [(A, cosmos_coins.parse_coins("1a11"))]},
            "auth is missing",
        ),
        (
            changed(base(), "app_state.bank.balances", {}),
            {"fund": [(A, cosmos_coins.parse_coins("1a11"))]},
            "balances is",
        ),
        (
            changed(base(), "app_state.bank.supply", [{"denom": "stake", "amount": "-1"}]),
            {"fund": [(A, cosmos_coins.parse_coins("1a11"))]},
            "not a valid coin",
        ),
        (base(), {"chain_id": "a" * 51}, "chain id"),
        (base(), {"initial_height": 0}, "initial height 0"),
        (base(), {"initial_height": 2**63}, "initial height"),
        (base(), {"genesis_time": "yesterday"}, "invalid time 'yesterday'"),
    ],
)
def test_complete_of_invalid_input_names_the_problem(
    start: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(errors.SettingsError, match=said):
        completed(start, **changes)


def test_launch_height_time_and_validators_are_read_from_ccv_state() -> None:
    state = genesis.unwrap_ccv({"genesis_state": ccv_state()})
    assert state == genesis.unwrap_ccv(ccv_state()) == ccv_state()
    assert genesis.launch_height(state) == 42
    assert genesis.launch_time(state) == LAUNCH
    assert genesis.initial_validators(state) == ((KEY_A, 300), (KEY_B, 200))


def test_initial_validator_with_another_kind_of_key_hides_no_other() -> None:
    state = ccv_state()
    state["provider"]["initial_val_set"].insert(1, {"pub_key": {"secp256k1": "A" * 44}, "power": "1"})
    assert genesis.initial_validators(state) == ((KEY_A, 300), (KEY_B, 200))


@pytest.mark.parametrize(
    "answer", [{}, {"genesis_state": None}, {"genesis_state": {"params": {}}}, {"code": 5}]
)
def test_unwrap_ccv_of_other_answer_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(errors.SettingsError, match="no params and provider"):
        genesis.unwrap_ccv(answer)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("provider.client_state", None),
        ("provider.client_state.latest_height.revision_height", "0"),
        ("provider.client_state.latest_height.revision_height", "x"),
        ("provider.client_state.latest_height", ...),
    ],
)
def test_launch_height_missing_from_ccv_state_is_refused(path: str, value: Any) -> None:
    with pytest.raises(errors.SettingsError, match="latest_height"):
        genesis.launch_height(changed(ccv_state(), path, value))


def test_launch_time_missing_from_ccv_state_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match=r"consensus_state\.timestamp"):
        genesis.launch_time(changed(ccv_state(), "provider.consensus_state", None))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("provider.initial_val_set", []),
        ("provider.initial_val_set", None),
        ("provider.initial_val_set.1.power", "0"),
        ("provider.initial_val_set.1.power", "-1"),
        ("provider.initial_val_set.1.power", True),
        ("provider.initial_val_set.1.pub_key", {"bls12381": "AA=="}),
        ("provider.initial_val_set.1.pub_key.ed25519", "AA=="),
        ("provider.initial_val_set.1.pub_key.ed25519", "!"),
    ],
)
def test_initial_validators_of_malformed_set_are_refused(path: str, value: Any) -> None:
    with pytest.raises(errors.SettingsError, match="initial_val_set"):
        genesis.initial_validators(changed(ccv_state(), path, value))


def check(document: dict[str, Any], ccv: dict[str, Any] | None = None) -> None:
    genesis.verify(document, chain_id="consumer-1", initial_height=5, ccv=ccv or ccv_state())


@pytest.mark.parametrize(
    "document",
    [
        completed(base()),
        completed(base(), reward_denoms=("stake",)),
        changed(completed(base()), "initial_height", "5"),
        changed(completed(base()), "genesis_time", "2026-01-01T02:00:00.123456789+02:00"),
        changed(completed(base()), "app_state.bank", ...),
        # as `genesis transform` leaves it for older consumers
        changed(completed(base()), "app_state.ccvconsumer.connection_id", ...),
        changed(completed(base()), "app_state.ccvconsumer.params.consumer_id", ...),
        changed(completed(base()), "app_state.ccvconsumer.params.a_new_field", ""),
    ],
)
def test_verify_accepts_genesis_of_the_chain(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("chain_id", "consumer-2", "chain_id is 'consumer-2', the provider says 'consumer-1'"),
        ("chain_id", ..., "chain_id is None"),
        ("initial_height", 6, "initial_height is 6, the provider says 5"),
        ("initial_height", ..., "initial_height is None"),
        ("initial_height", "x", "initial_height is 'x'"),
        ("genesis_time", ..., "genesis_time is None, not an RFC 3339 time"),
        ("genesis_time", 5, "genesis_time is 5"),
        ("genesis_time", "2026-01-01", "genesis_time is '2026-01-01'"),
        ("genesis_time", "2026-13-01T00:00:00Z", "genesis_time is '2026-13-01"),
        ("genesis_time", "2026-01-01T00:00:00", "genesis_time is '2026-01-01T00:00:00'"),
        ("genesis_time", "0001-01-01T00:00:00Z", "genesis_time is '0001"),
        ("app_state.ccvconsumer", ..., "no app_state.ccvconsumer"),
        ("app_state", None, "no app_state.ccvconsumer"),
        ("app_state.ccvconsumer.params.unbonding_period", "541s", "params.unbonding_period is '541s'"),
        ("app_state.ccvconsumer.params.unbonding_period", ..., "the provider says '540s'"),
        ("app_state.ccvconsumer.params.consumer_id", "4", "params.consumer_id is '4'"),
        ("app_state.ccvconsumer.params.extra", "1", "params.extra is '1', the provider says None"),
        ("app_state.ccvconsumer.new_chain", ..., "new_chain is None, the provider says True"),
        (
            "app_state.ccvconsumer.provider.initial_val_set.1.power",
            "201",
            r"initial_val_set\[1\].power is '201'",
        ),
        ("app_state.ccvconsumer.provider.initial_val_set", [], r"initial_val_set is \[\]"),
    ],
)
def test_verify_of_different_genesis_names_the_first_difference(path: str, value: Any, said: str) -> None:
    with pytest.raises(errors.Permanent, match=said):
        check(changed(completed(base()), path, value))


def test_verify_refuses_a_second_spelling_that_the_node_would_prefer() -> None:
    document = changed(completed(base()), "app_state.ccvconsumer.newChain", False)
    with pytest.raises(errors.Permanent, match=r"app_state\.ccvconsumer\.newChain is the same field"):
        genesis.verify(document, chain_id="consumer-1", initial_height=5, ccv=ccv_state())


def test_verify_reads_missing_initial_height_as_1() -> None:
    document = changed(completed(base()), "initial_height", ...)
    genesis.verify(document, chain_id="consumer-1", initial_height=1, ccv=ccv_state())


HASH = bytes(range(0xA0, 0xC0))


@pytest.mark.parametrize(
    "raw",
    [
        HASH,
        HASH.hex().encode(),
        HASH.hex().upper().encode(),
        base64.b64decode(HASH.hex()),
        f"0x{HASH.hex()}".encode(),
        f"sha256:{HASH.hex()}".encode(),
        f"{HASH.hex()}  genesis.json\n".encode(),
        base64.b64encode(HASH),
        b"sha256-" + base64.b64encode(HASH),
    ],
)
def test_stated_hash_is_read_from_every_known_form(raw: bytes) -> None:
    assert genesis.stated_hash(raw) == HASH.hex()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not_used",
        HASH[:31],
        HASH + b"x",
        HASH.hex().encode()[:-1],
        b"z" * 64,
        b"\xff" * 48,
        b"\xff" * 64,
        b"  \n",
        b"sha256:",
        b"A" * 42 + b"B=",
    ],
)
def test_stated_hash_of_other_bytes_is_none(raw: bytes) -> None:
    assert genesis.stated_hash(raw) is None


def test_base_genesis_of_example_chain_completes_and_verifies() -> None:
    folder = Path(__file__).parents[3] / "stacks" / "chains"
    start = canonical_json.parse((folder / "ics-example.genesis.json").read_bytes())
    document = completed(start, fund=[(A, cosmos_coins.parse_coins("100000000stake"))])
    check(json.loads(canonical_json.encode(document)))
    assert document["app_state"]["auth"]["accounts"] == [account(A)]
    assert start["app_state"]["ccvconsumer"]["provider"]["initial_val_set"] == []
    assert start["app_state"]["genutil"] == {"gen_txs": []}
