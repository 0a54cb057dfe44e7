"""A genesis of any size is completed to the same bytes as a small one, though it is never in memory as a whole."""

import dataclasses
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from ics import errors
from ics.cosmos import addresses, canonical_json, coins, genesis, genesis_order, genesis_stream
from tests.unit import factories

CCV = factories.ccv("alice", "bob")
ADDRESSES = [addresses.encode("consumer", bytes([at]) * 20) for at in range(6)]
STAKE = (coins.Coin("stake", 7), coins.Coin("uatom", 10**30))
ORDER = genesis_order.Order(
    url="https://example.com/genesis.json",
    sha256="0" * 64,
    pattern="consumer*-1",
    chain_id="consumer1-1",
    initial_height=1,
    genesis_time="2026-01-01T00:00:00Z",
    ccv=canonical_json.encode(CCV).decode(),
    fund=tuple((address, STAKE) for address in ADDRESSES[:3]),
    reward_denoms=("stake",),
    relayers=tuple(ADDRESSES),
    image="ics:1",
)


@dataclasses.dataclass
class Bytes:
    content: bytes

    def read_at(self, position: int, size: int) -> bytes:
        return self.content[position : position + size]


def streamed(content: bytes, order: genesis_order.Order = ORDER) -> tuple[bytes, genesis_order.Prepared]:
    source = Bytes(content)
    prepared = genesis_order.prepare(source, order)
    return b"".join(genesis_stream.chunks(source, prepared.document)), prepared


def in_memory(content: bytes, order: genesis_order.Order = ORDER) -> bytes:
    base = canonical_json.parse(content)
    special = genesis.special_accounts(base)
    document = genesis.complete(
        base,
        chain_id=order.chain_id,
        initial_height=order.initial_height,
        genesis_time=order.genesis_time,
        ccv=CCV,
        fund=[one for one in order.fund if one[0] not in special],
        reward_denoms=order.reward_denoms,
        provider_reward_denoms=order.provider_reward_denoms,
    )
    return canonical_json.encode(document)


@pytest.fixture(params=[300, 1000, 5000, genesis_stream.WINDOW])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(genesis_stream, "WINDOW", size)
    monkeypatch.setattr(genesis_stream.Index._load, "__defaults__", (size,))
    monkeypatch.setattr(genesis_stream, "_RUN", max(size // 4, 16))
    return size


TEXTS = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=70)
KEYS = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: strategies.SearchStrategy[Any] = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers(-(2**70), 2**70) | TEXTS,
    lambda inner: strategies.lists(inner, max_size=8) | strategies.dictionaries(KEYS, inner, max_size=6),
    max_leaves=60,
)
COINS = strategies.lists(
    strategies.fixed_dictionaries(
        {
            "denom": strategies.sampled_from(["stake", "uatom", "zed"]),
            "amount": strategies.integers(0, 9).map(str),
        }
    ),
    max_size=3,
)
ACCOUNTS = strategies.builds(
    lambda address, kind: (
        {"@type": "/cosmos.auth.v1beta1.BaseAccount", "address": address}
        if kind == 0
        else {"@type": "/module", "base_account": {"address": address}}
        if kind == 1
        else {"@type": "/vesting", "base_vesting_account": {"base_account": {"address": address}}}
    ),
    strategies.sampled_from([*ADDRESSES, "other", "ünlike"]),
    strategies.integers(0, 2),
)
BALANCES = strategies.fixed_dictionaries(
    {"address": strategies.sampled_from([*ADDRESSES, "other"]), "coins": COINS}
)
DOCUMENTS = strategies.fixed_dictionaries(
    {
        "app_name": TEXTS,
        "chain_id": strategies.just(""),
        "initial_height": strategies.sampled_from([1, "1"]),
        "app_state": strategies.fixed_dictionaries(
            {
                "auth": strategies.fixed_dictionaries(
                    {"accounts": strategies.lists(ACCOUNTS | VALUES, max_size=12), "params": VALUES}
                ),
                "bank": strategies.fixed_dictionaries(
                    {
                        "balances": strategies.lists(BALANCES | VALUES, max_size=12),
                        "supply": COINS,
                        "params": VALUES,
                    }
                ),
                "wasm": VALUES,
                "ccvconsumer": VALUES,
            }
        ),
    },
)


@pytest.mark.usefixtures("window")
@hypothesis.settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(DOCUMENTS, strategies.sampled_from([None, 1, "\t"]), strategies.booleans())
def test_stream_has_the_bytes_of_the_whole(document: dict[str, Any], indent: Any, is_ascii: bool) -> None:
    content = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()
    completed, prepared = streamed(content)
    assert completed == in_memory(content)
    funded = genesis.funded_accounts(json.loads(completed))
    report = genesis_order.Report(sha256="", size=0, genesis_time="", funded=prepared.funded)
    assert set(report.funded_of(ADDRESSES)) == funded & set(ADDRESSES)


def example(**changes: Any) -> bytes:
    return json.dumps(json.loads(factories.BASE) | changes, indent=1).encode()


@pytest.mark.usefixtures("window")
def test_long_text_is_taken_as_it_is() -> None:
    document = json.loads(factories.BASE)
    document["app_state"]["wasm"] = {"codes": [{"code_bytes": 'A"é\\' * 40_000}, {"code_bytes": "B"}]}
    content = json.dumps(document, ensure_ascii=False).encode()
    assert streamed(content)[0] == in_memory(content)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-3],
        lambda text: text + " {}",
        lambda text: text.replace('"app_state":', '"app_state"', 1),
        lambda text: text.replace('"accounts": [', '"accounts": [,', 1),
        lambda text: text.replace('"wasm"', '"wasm": 1, "wasm"', 1),
        lambda text: text.replace('"number"', "1.5, 1e3", 1),
        lambda text: text.replace('"number"', "NaN", 1),
        lambda text: text.replace('"number"', r'"\ud800"', 1),
        lambda text: text.replace('"number"', "tru", 1),
        lambda text: text.replace('"number"', "[" * 5000, 1),
        lambda text: text.replace('"number"', "01", 1),
    ],
)
def test_damaged_file_is_refused_wherever_the_damage_is(damage: Any) -> None:
    document = json.loads(factories.BASE)
    document["app_state"]["wasm"] = {"list": ["x" * 300, "number", {"a": "b"}] * 3}
    content = damage(json.dumps(document, indent=1))
    for text in (content.encode(), content.encode() + b" " * 4000):
        with pytest.raises(errors.IcsError):
            streamed(text)
        with pytest.raises(errors.IcsError):
            in_memory(text)


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="not UTF-8"):
        streamed(example(app_name="name").replace(b'"name"', b'"n\xffme"'))


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(
    ("changes", "order", "text"),
    [
        ({"chain_id": "other-1"}, {}, "chain_id is 'other-1', which match.chain_id"),
        ({"validators": [{"a": "b" * 100}]}, {}, "validators of its own"),
        ({"consensus": {"validators": [{"a": "b" * 100}] * 9}}, {}, "validators of its own"),
        ({}, {"pattern": None}, "chain_id is '', the provider says 'consumer1-1'"),
        (
            {"chain_id": "consumer1-1", "initial_height": 2},
            {"pattern": None},
            "initial_height is 2, the provider says 1",
        ),
        (
            {"chain_id": "consumer1-1", "genesis_time": "2026-01-01T00:00:00Z"},
            {"pattern": None},
            "no app_state.ccvconsumer",
        ),
        ({}, {"genesis_time": None}, "not an RFC 3339 time"),
    ],
)
def test_file_of_another_chain_is_refused(changes: dict[str, Any], order: dict[str, Any], text: str) -> None:
    base = json.loads(factories.BASE)
    base.pop("genesis_time", None)
    base["app_state"].pop("ccvconsumer", None)
    content = json.dumps(base | changes, indent=1).encode()
    with pytest.raises(errors.IcsError) as caught:
        streamed(content, dataclasses.replace(ORDER, **order))
    assert text in str(caught.value)


@pytest.mark.usefixtures("window")
def test_final_file_is_compared_with_the_providers_state_and_not_changed() -> None:
    content = streamed(example())[0]
    order = dataclasses.replace(ORDER, pattern=None, fund=())
    prepared = genesis_order.prepare(Bytes(content), order)
    assert prepared.genesis_time == "2026-01-01T00:00:00Z"
    assert prepared.funded == format(0b111, "x")
    other = json.loads(content)
    other["app_state"]["ccvconsumer"]["provider"]["initial_val_set"][0]["power"] = "9"
    with pytest.raises(
        errors.Permanent, match=r"app_state\.ccvconsumer\.provider\.initial_val_set\[0\]\.power"
    ):
        genesis_order.prepare(Bytes(json.dumps(other).encode()), order)


def test_order_and_report_are_the_same_after_they_were_written_and_read() -> None:
    assert genesis_order.parse(ORDER.encode()) == ORDER
    for changes in ({"pattern": None}, {"genesis_time": None}, {"fund": (), "relayers": ()}):
        order = dataclasses.replace(ORDER, **changes)
        assert genesis_order.parse(order.encode()) == order
    report = genesis_order.Report(sha256="a", size=1, genesis_time="t", funded="5", peak=3)
    assert genesis_order.parse_report(report.encode().decode()) == report
    assert genesis_order.parse_report("") is None
    assert genesis_order.parse_report("the genesis file is a web page") == "the genesis file is a web page"


def test_report_of_a_thousand_relayers_fits_into_a_termination_message() -> None:
    report = genesis_order.Report(
        sha256="a" * 64, size=2**31, genesis_time="t" * 40, funded=format(2**1000 - 1, "x")
    )
    assert len(report.encode()) <= 4096


def test_outline_counts_no_relayer_as_funded_that_is_not_known_to_be() -> None:
    order = dataclasses.replace(ORDER, fund=())
    assert genesis.funded_accounts(order.outline(None)) == frozenset()
    report = genesis_order.Report(sha256="a", size=1, genesis_time="2026-01-01T00:00:00Z", funded="2")
    assert genesis.funded_accounts(order.outline(report)) == {ADDRESSES[1]}
    assert genesis.funded_accounts(ORDER.outline(None)) == {*ADDRESSES[:3]}
