"""Wherever a text is wanted, YAML's own types are taken as what was written, or refused by name."""

import base64
import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ics import errors, model
from ics.config import chain_definition, stack_file
from ics.cosmos import addresses
from ics.keys import derivation
from tests.unit import factories


def settings(text: str) -> Any:
    values = stack_file.parse_text(text)
    assert isinstance(values, dict)
    return factories.settings(**values)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("3", "3"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        ("-4", "-4"),
    ],
)
def test_number_is_taken_as_it_was_written(written: str, taken: str) -> None:
    found = settings(f"participation: {{allow: [{written}], deny: ['{written}']}}").participation
    assert found.allow == found.deny == (taken,)


def test_consumer_id_as_a_number() -> None:
    assert list(settings("consensus_keys: {3: {imported: {env: KEY}}}").consensus_keys) == ["3"]
    match = {"chain_id": 2024, "owner": factories.OWNER, "consumer_id": 3}
    found = factories.example(match=match).definition.match
    assert (found.chain_id, found.consumer_id) == ("2024", "3")


def test_quantity_as_a_number() -> None:
    resources = settings("node: {resources: {requests: {cpu: 1, memory: 0.5}}}").node.resources
    assert resources == {"requests": {"cpu": "1", "memory": "0.5"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("participation: {allow: [yes]}", "allow.0: true or false where text is expected; put it in quotes"),
        ("participation: {deny: [2024-01-01]}", "deny.0: a date where text is expected; put it in quotes"),
        ("participation: {allow: [2024-01-01 10:00:00]}", "allow.0: a date where text is expected"),
        ("participation: {allow: [~]}", "allow.0: no value; give one, or remove the key"),
        ("participation: {allow: [[3]]}", "allow.0: a list where text is expected; write one text"),
        ("participation: {allow: [{a: b}]}", "allow.0: a mapping where text is expected; write one text"),
        ("consensus_keys: {true: {imported: {env: KEY}}}", "true or false where text is expected"),
        ("consensus_keys: {3: {imported: {env: A}}, '3': {imported: {env: A}}}", "3 is set twice"),
        ("gateway: {annotations: {a: on}}", "annotations.a: true or false where text is expected"),
    ],
)
def test_other_types_are_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        settings(text)
    assert says in str(caught.value)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_taken_as_text(number: float) -> None:
    assert factories.settings(participation={"allow": [number]}).participation.allow == (repr(number),)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)
DEFINITION = factories.example().definition.model_dump(mode="json", exclude_defaults=True)


@given(st.sampled_from([*chain_definition.Definition.model_fields]), VALUES)
def test_any_value_in_a_definition_is_taken_or_refused(name: str, value: object) -> None:
    problem = None
    try:
        chain_definition.parse({**DEFINITION, name: value}, "one.yaml")
    except errors.SettingsError as error:
        problem = error
    assert problem is None or all(line.startswith("one.yaml: ") for line in problem.problems)


@given(VALUES)
def test_override_that_is_taken_can_be_written_as_toml(value: object) -> None:
    import tomli_w

    from ics.config import node_config

    try:
        found = chain_definition.parse({**DEFINITION, "config": {"app.toml": {"x": value}}}, "one.yaml")
    except errors.SettingsError:
        return
    text = tomli_w.dumps(node_config.merge({"x": {}}, found.config["app.toml"]))
    assert text.encode()


@pytest.mark.parametrize("value", [[1, "a"], [True, 1], [1, 2.5], [[1], "a"], [{"a": 1}, 2]])
def test_mixed_list_is_refused(value: object) -> None:
    with pytest.raises(errors.SettingsError, match=r"config.app.toml.x: a list of values of several kinds"):
        chain_definition.parse({**DEFINITION, "config": {"app.toml": {"x": value}}}, "one.yaml")


# -- keys of the ecosystem's own tools -----------------------------------------------------------------

RAW = bytes(range(32))
BASE64 = base64.b64encode(RAW).decode()
PROTO = {"@type": addresses.PROTO_TYPE, "key": BASE64}
AMINO = {"type": "tendermint/PubKeyEd25519", "value": BASE64}
BECH32 = addresses.encode("cosmosvalconspub", bytes.fromhex("1624de6420") + RAW)
HORCRUX = {"HexAddress": "AB", "ValConsAddress": "cosmosvalcons1x", "PubKey": json.dumps(PROTO)}
FORMS: dict[str, Any] = {
    "the chain's own": PROTO,
    "RPC": AMINO,
    "tmkms": BECH32,
    "log": f"PubKeyEd25519{{{RAW.hex().upper()}}}",
    "base64": BASE64,
    "horcrux address": HORCRUX,
    "RPC validator": {"address": "AB", "pub_key": AMINO, "voting_power": "1"},
}


@pytest.mark.parametrize("name", FORMS)
def test_key_is_taken_in_every_form_of_the_tools(name: str) -> None:
    form = FORMS[name]
    written = [form] if isinstance(form, str) else [form, json.dumps(form), json.dumps(form, indent="\t")]
    for one in written:
        assert addresses.parse_consensus_pubkey(one) == RAW
        remote = {"public_key": one, "allow_from": ["192.0.2.1/32"]}
        source = factories.settings(consensus_keys={3: {"remote": remote}}).consensus_keys["3"].remote
        assert source is not None
        assert derivation.signer_key(source.public_key).public_key == RAW


@pytest.mark.parametrize(
    "form",
    [
        {
            "address": "AB",
            "pub_key": AMINO,
            "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "hidden"},
        },
        {"pubKey": BASE64, "privateShard": "hidden", "id": 1},
        BECH32.replace("cosmosvalconspub", "cosmosvalcons"),
        {"type": "tendermint/PubKeySecp256k1", "value": BASE64},
        {"PubKey": {"PubKey": {"PubKey": {"PubKey": {"PubKey": PROTO}}}}},
        "{" * 100_000,
    ],
)
def test_other_key_is_refused_without_its_value(form: Any) -> None:
    remote = {"public_key": form, "allow_from": ["192.0.2.1/32"]}
    with pytest.raises(errors.SettingsError, match="not an ed25519 consensus key") as caught:
        factories.settings(consensus_keys={"3": {"remote": remote}})
    assert "hidden" not in str(caught.value)


@given(
    st.text()
    | st.binary().map(lambda raw: base64.b64encode(raw).decode())
    | st.dictionaries(
        st.sampled_from(["@type", "type", "key", "value", "PubKey"]), st.text() | st.just(PROTO)
    )
)
def test_any_key_is_taken_or_refused(value: Any) -> None:
    with contextlib.suppress(errors.SettingsError):
        assert len(addresses.parse_consensus_pubkey(value)) == 32


def test_key_file_of_tmkms_is_imported() -> None:
    key = derivation.parse_priv_validator_key(model.Secret(f"{BASE64}\n"), "setting")
    assert key == derivation.consensus_key(model.Secret(RAW))


def test_shard_of_horcrux_is_refused_by_name() -> None:
    shard = json.dumps({"pubKey": BASE64, "privateShard": "hidden", "id": 1})
    with pytest.raises(errors.SettingsError, match="a shard of horcrux") as caught:
        derivation.parse_priv_validator_key(model.Secret(shard), "setting")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "a: &x {b: *x}",
        "a: &x\n  - c: *x",
        "a: " + "[" * 80 + "]" * 80,
        '{"a": ' + "[" * 80 + "]" * 80 + "}",
    ],
)
def test_value_that_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="nested too deeply, or an alias makes a value contain itself"):
        stack_file.parse_text(text)


def test_aliases_do_not_multiply_without_a_limit() -> None:
    levels = "\n".join(
        f"{chr(98 + at)}: &{chr(98 + at)} [{', '.join([f'*{chr(97 + at)}'] * 10)}]" for at in range(8)
    )
    with pytest.raises(yaml.YAMLError, match="an alias makes a value contain itself"):
        stack_file.parse_text(f"a: &a [x]\n{levels}")
    assert stack_file.parse_text("a: &a [x]\nb: *a") == {"a": ["x"], "b": ["x"]}
