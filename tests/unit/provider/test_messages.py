"""Messages as the chain decodes them, and what they cost."""

import importlib.util
import pathlib
import subprocess
import sys
from decimal import Decimal

import pytest
from google.protobuf import descriptor_pb2, json_format, message

from ics import errors, model
from ics.provider import messages
from ics.provider.proto import tx_pb2

KEY = bytes(range(32))
KEY_JSON = '{"@type":"/cosmos.crypto.ed25519.PubKey","key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}'
TOP_UP = model.TopUp("5", "c-1", "evidence", "cosmos1relayer", 10**19, "stake")
COMMON = {"provider_addr": "cosmosvaloper1x", "signer": "cosmos1x", "consumer_id": "5"}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (model.OptIn("5", "c-1", KEY), tx_pb2.MsgOptIn(consumer_key=KEY_JSON, **COMMON)),
        (model.OptIn("5", "c-1", None), tx_pb2.MsgOptIn(**COMMON)),
        (model.AssignKey("5", "c-1", KEY), tx_pb2.MsgAssignConsumerKey(consumer_key=KEY_JSON, **COMMON)),
        (model.OptOut("5", "c-1"), tx_pb2.MsgOptOut(**COMMON)),
    ],
)
def test_build(order: model.Intent | model.OptOut, expected: message.Message) -> None:
    assert messages.build(order, "cosmosvaloper1x", "cosmos1x") == expected


def test_describe() -> None:
    orders = (
        model.OptIn("5", "c-1", KEY),
        model.AssignKey("5", "c-1", KEY),
        model.OptOut("5", "c-1"),
        model.PublishDetails("p2p=h"),
        TOP_UP,
    )

    assert [messages.describe(order) for order in orders] == [
        "opt-in to consumer 5 (c-1)",
        "key assignment for consumer 5 (c-1)",
        "opt-out of consumer 5 (c-1)",
        "publication of the validator's details",
        "top-up of the evidence account of consumer 5 (c-1)",
    ]


def test_publishing_changes_the_details_only() -> None:
    built = messages.build(model.PublishDetails("relayer=cosmos1x"), "cosmosvaloper1x", "cosmos1x")

    assert (built.DESCRIPTOR.full_name, json_format.MessageToDict(built)) == (
        "cosmos.staking.v1beta1.MsgEditValidator",
        {
            "validatorAddress": "cosmosvaloper1x",
            "description": {
                "moniker": "[do-not-modify]",
                "identity": "[do-not-modify]",
                "website": "[do-not-modify]",
                "securityContact": "[do-not-modify]",
                "details": "relayer=cosmos1x",
            },
        },
    )


def test_a_top_up_comes_from_the_operators_account() -> None:
    built = messages.build(TOP_UP, "cosmosvaloper1x", "cosmos1x")

    assert (built.DESCRIPTOR.full_name, json_format.MessageToDict(built)) == (
        "cosmos.bank.v1beta1.MsgSend",
        {
            "fromAddress": "cosmos1x",
            "toAddress": "cosmos1relayer",
            "amount": [{"denom": "stake", "amount": "10000000000000000000"}],
        },
    )
    assert [messages.spends(TOP_UP, denom) for denom in ("stake", "uatom")] == [10**19, 0]
    assert messages.spends(model.OptOut("5", "c-1"), "stake") == 0


def test_costs_are_rounded_up() -> None:
    price, denom = messages.gas_price("0.0015uatom")

    assert (price, denom) == (Decimal("0.0015"), "uatom")
    assert messages.gas_limit(100_001, 1.1) == 110_002  # in floats it would be 110001.1…
    assert messages.gas_limit(10, 1.1) == 11
    assert messages.fee(100_000, price) == 150
    assert messages.fee(100_001, price) == 151
    assert messages.fee(100_001, Decimal(0)) == 0


@pytest.mark.parametrize("price", ["", "stake", "0.1", "-1stake", ".5stake", "1 stake", "1stake,2atom"])
def test_not_a_price(price: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"^ics:provider.gas_price: "):
        messages.gas_price(price)


def test_fields_are_those_of_the_protocol() -> None:
    """Numbers and names of interchain-security v7, proto/interchain_security/ccv/provider/v1/tx.proto."""
    key_message = {"chain_id": 1, "provider_addr": 2, "consumer_key": 3, "signer": 4, "consumer_id": 5}
    found = {
        each.full_name: {field.name: field.number for field in each.fields}
        for each in tx_pb2.DESCRIPTOR.message_types_by_name.values()
    }

    package = "interchain_security.ccv.provider.v1."
    assert found == {
        f"{package}MsgOptIn": key_message,
        f"{package}MsgOptInResponse": {},
        f"{package}MsgOptOut": {"chain_id": 1, "provider_addr": 2, "signer": 3, "consumer_id": 4},
        f"{package}MsgOptOutResponse": {},
        f"{package}MsgAssignConsumerKey": key_message,
        f"{package}MsgAssignConsumerKeyResponse": {},
    }
    fields = [f for each in tx_pb2.DESCRIPTOR.message_types_by_name.values() for f in each.fields]
    assert {field.type for field in fields} == {descriptor_pb2.FieldDescriptorProto.TYPE_STRING}


@pytest.mark.skipif(importlib.util.find_spec("grpc_tools") is None, reason="grpcio-tools is not installed")
def test_generated_code_is_of_the_proto_file(tmp_path: pathlib.Path) -> None:
    root = pathlib.Path(__file__).parents[3]
    made = tmp_path / "descriptors"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "-I.",
            f"--descriptor_set_out={made}",
            "ics/provider/proto/tx.proto",
        ],
        cwd=root,
        check=True,
    )

    found = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes()).file
    checked_in = descriptor_pb2.FileDescriptorProto.FromString(tx_pb2.DESCRIPTOR.serialized_pb)
    for file in (*found, checked_in):
        for each in file.message_type:
            for field in each.field:
                field.ClearField("json_name")  # protoc writes it only into descriptor sets
    assert list(found) == [checked_in]
