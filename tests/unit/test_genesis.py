import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ics import errors
from ics.cosmos import canonical_json, genesis, times
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


def test_complete_sets_what_the_provider_says_and_nothing_else() -> None:
    start = base()
    document = completed(start)
    expected = base() | {"chain_id": "consumer-1", "initial_height": 5, "genesis_time": LAUNCH}
    expected["app_state"]["ccvconsumer"] = ccv_state()
    assert document == expected
    assert start == base()


def test_complete_keeps_what_is_not_given() -> None:
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
def test_initial_height_keeps_the_form_of_the_base(start: dict[str, Any], expected: int | str) -> None:
    height = completed(start)["initial_height"]
    assert (type(height), height) == (type(expected), expected)


def test_reward_denoms_are_set_where_given() -> None:
    ccv = ccv_state()
    document = completed(base(), ccv=ccv, reward_denoms=("stake",), provider_reward_denoms=("uatom", "ibc/A"))
    params = ccv_state()["params"] | {
        "reward_denoms": ["stake"],
        "provider_reward_denoms": ["uatom", "ibc/A"],
    }
    assert document["app_state"]["ccvconsumer"] == ccv_state() | {"params": params}
    assert ccv == ccv_state()


def test_accounts_are_funded_whatever_their_order() -> None:
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


def test_existing_accounts_balances_and_supply_are_added_to() -> None:
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
            "no coin",
        ),
        (base(), {"chain_id": "a" * 51}, "chain id"),
        (base(), {"initial_height": 0}, "initial height 0"),
        (base(), {"initial_height": 2**63}, "initial height"),
        (base(), {"genesis_time": "yesterday"}, "'yesterday' is not RFC 3339"),
    ],
)
def test_complete_names_what_is_wrong(start: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.SettingsError, match=said):
        completed(start, **changes)


@pytest.mark.parametrize(
    "text",
    [LAUNCH, "2026-01-02T15:04:05Z", "2026-01-02T15:04:05.1Z", "2028-02-29T00:00:00.000000000Z"],
)
def test_times_that_cometbft_reads(text: str) -> None:
    assert times.check_time(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02T15:04:05",
        "2026-01-02T15:04:05+01:00",
        "2026-01-02 15:04:05Z",
        "2026-01-02T15:04:05.1234567890Z",
        "2026-02-30T15:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T15:04:60Z",
        "2026-01-02T15:04:05Z\n",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(errors.SettingsError, match="not RFC 3339"):
        times.check_time(text)


def test_what_a_ccv_state_says() -> None:
    state = genesis.unwrap_ccv({"genesis_state": ccv_state()})
    assert state == genesis.unwrap_ccv(ccv_state()) == ccv_state()
    assert genesis.launch_height(state) == 42
    assert genesis.launch_time(state) == LAUNCH
    assert genesis.initial_validators(state) == ((KEY_A, 300), (KEY_B, 200))


@pytest.mark.parametrize(
    "answer", [{}, {"genesis_state": None}, {"genesis_state": {"params": {}}}, {"code": 5}]
)
def test_other_answers_are_no_ccv_state(answer: dict[str, Any]) -> None:
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
def test_a_ccv_state_without_launch_height(path: str, value: Any) -> None:
    with pytest.raises(errors.SettingsError, match="latest_height"):
        genesis.launch_height(changed(ccv_state(), path, value))


def test_a_ccv_state_without_launch_time() -> None:
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
        ("provider.initial_val_set.1.pub_key", {"secp256k1": "AA=="}),
        ("provider.initial_val_set.1.pub_key.ed25519", "AA=="),
        ("provider.initial_val_set.1.pub_key.ed25519", "!"),
    ],
)
def test_a_malformed_validator_set(path: str, value: Any) -> None:
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
def test_a_genesis_of_this_chain_is_verified(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("chain_id", "consumer-2", "chain_id is 'consumer-2', the provider says 'consumer-1'"),
        ("chain_id", ..., "chain_id is None"),
        ("initial_height", 6, "initial_height is 6, the provider says 5"),
        ("initial_height", ..., "initial_height is None"),
        ("initial_height", "x", "initial_height is 'x'"),
        ("genesis_time", ..., "genesis_time is None, not a time"),
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
def test_a_genesis_of_another_chain_is_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(errors.Permanent, match=said):
        check(changed(completed(base()), path, value))


def test_no_initial_height_means_1() -> None:
    document = changed(completed(base()), "initial_height", ...)
    genesis.verify(document, chain_id="consumer-1", initial_height=1, ccv=ccv_state())


@pytest.mark.parametrize(
    ("text", "coins"),
    [
        ("", ()),
        (" ", ()),
        ("100stake", (cosmos_coins.Coin("stake", 100),)),
        ("100stake, 5atom", (cosmos_coins.Coin("atom", 5), cosmos_coins.Coin("stake", 100))),
        ("1ibc/27394FB092D2ECCD", (cosmos_coins.Coin("ibc/27394FB092D2ECCD", 1),)),
    ],
)
def test_coins(text: str, coins: tuple[cosmos_coins.Coin, ...]) -> None:
    assert cosmos_coins.parse_coins(text) == coins


@pytest.mark.parametrize(
    "text", ["stake", "0stake", "-1stake", "1.5stake", "1s", "1stake,", "1stake,2stake", "1 stake"]
)
def test_bad_coins(text: str) -> None:
    with pytest.raises(errors.SettingsError, match="coins"):
        cosmos_coins.parse_coins(text)


HASH = bytes(range(0xA0, 0xC0))


@pytest.mark.parametrize(
    "raw",
    [HASH, HASH.hex().encode(), HASH.hex().upper().encode(), base64.b64decode(HASH.hex())],
)
def test_each_form_of_a_stated_hash(raw: bytes) -> None:
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
    ],
)
def test_anything_else_states_no_hash(raw: bytes) -> None:
    assert genesis.stated_hash(raw) is None


def test_the_published_base_of_the_example_chain_can_be_completed() -> None:
    folder = Path(__file__).parents[2] / "stacks" / "chains"
    start = canonical_json.parse((folder / "ics-example.genesis.json").read_bytes())
    document = completed(start, fund=[(A, cosmos_coins.parse_coins("100000000stake"))])
    check(json.loads(canonical_json.canonical(document)))
    assert document["app_state"]["auth"]["accounts"] == [account(A)]
    assert start["app_state"]["ccvconsumer"]["provider"]["initial_val_set"] == []
    assert start["app_state"]["genutil"] == {"gen_txs": []}
