"""Messages as the chain decodes them, and their gas and fees."""

import importlib.util
import pathlib
import subprocess
import sys
from decimal import Decimal

import pytest
from google.protobuf import descriptor_pb2, json_format, message

from ics import model
from ics.cosmos import addresses
from ics.provider.owner import transactions as owner_transactions
from ics.provider.proto import tx_pb2
from ics.provider.tx import messages, signers

KEY = bytes(range(32))
KEY_JSON = '{"@type":"/cosmos.crypto.ed25519.PubKey","key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}'
TOP_UP = model.TopUp(
    consumer_id="5",
    chain_id="c-1",
    purpose="evidence",
    address="cosmos1relayer",
    amount=10**19,
    denom="stake",
)
OPERATOR = addresses.encode("cosmosvaloper", bytes(20))
OWN = addresses.encode("cosmos", bytes(20))
GRANTEE = addresses.encode("cosmos", bytes([1]) * 20)
PARTY = signers.TxAuthority(OWN, OWN)
COMMON = {"provider_addr": OPERATOR, "signer": OWN, "consumer_id": "5"}


@pytest.mark.parametrize(
    ("transaction", "expected"),
    [
        (model.OptIn("5", "c-1", KEY), tx_pb2.MsgOptIn(consumer_key=KEY_JSON, **COMMON)),
        (model.OptIn("5", "c-1", None), tx_pb2.MsgOptIn(**COMMON)),
        (model.AssignKey("5", "c-1", KEY), tx_pb2.MsgAssignConsumerKey(consumer_key=KEY_JSON, **COMMON)),
        (model.OptOut("5", "c-1"), tx_pb2.MsgOptOut(**COMMON)),
        (
            model.SetCommission("5", "c-1", "0.075"),
            tx_pb2.MsgSetConsumerCommissionRate(rate="75000000000000000", **COMMON),
        ),
        (owner_transactions.RemoveConsumer("5", "c-1"), tx_pb2.MsgRemoveConsumer(consumer_id="5", owner=OWN)),
    ],
)
def test_transaction_becomes_its_message(
    transaction: messages.Transaction, expected: message.Message
) -> None:
    assert messages.build(transaction, PARTY) == expected


def test_unjail_message_has_validator_address() -> None:
    built = messages.build(model.Unjail(), PARTY)

    assert (built.DESCRIPTOR.full_name, json_format.MessageToDict(built)) == (
        "cosmos.slashing.v1beta1.MsgUnjail",
        {"validatorAddr": OPERATOR},
    )


@pytest.mark.parametrize(
    "transaction",
    [
        model.OptIn("5", "c-1", KEY),
        model.AssignKey("5", "c-1", KEY),
        model.OptOut("5", "c-1"),
        model.SetCommission("5", "c-1", "1"),
        model.Unjail(),
        model.PublishDetails("p2p=h"),
        TOP_UP,
        owner_transactions.RemoveConsumer("5", "c-1"),
    ],
)
def test_grantee_message_wraps_the_granters_message(transaction: messages.Transaction) -> None:
    inner = messages.build(transaction, PARTY)

    built = messages.build(transaction, signers.TxAuthority(OWN, GRANTEE))

    assert f"/{built.DESCRIPTOR.full_name}" == signers.EXEC
    assert json_format.MessageToDict(built)["grantee"] == GRANTEE
    (packed,) = built.msgs  # type: ignore[attr-defined]
    assert (packed.type_url, packed.value) == (messages.TYPES[type(transaction)], inner.SerializeToString())
    assert packed.type_url == f"/{inner.DESCRIPTOR.full_name}"


def test_publish_message_changes_details_only() -> None:
    built = messages.build(model.PublishDetails("relayer=cosmos1x"), PARTY)

    assert (built.DESCRIPTOR.full_name, json_format.MessageToDict(built)) == (
        "cosmos.staking.v1beta1.MsgEditValidator",
        {
            "validatorAddress": OPERATOR,
            "description": {
                "moniker": "[do-not-modify]",
                "identity": "[do-not-modify]",
                "website": "[do-not-modify]",
                "securityContact": "[do-not-modify]",
                "details": "relayer=cosmos1x",
            },
        },
    )


def test_top_up_is_sent_from_operator_account() -> None:
    built = messages.build(TOP_UP, PARTY)

    assert (built.DESCRIPTOR.full_name, json_format.MessageToDict(built)) == (
        "cosmos.bank.v1beta1.MsgSend",
        {
            "fromAddress": OWN,
            "toAddress": "cosmos1relayer",
            "amount": [{"denom": "stake", "amount": "10000000000000000000"}],
        },
    )


def test_gas_limit_and_fee_are_rounded_up() -> None:
    price = Decimal("0.0015")

    assert messages.gas_limit(100_001, 1.1) == 110_002  # in floats it would be 110001.1…
    assert messages.gas_limit(10, 1.1) == 11
    assert messages.fee(100_000, price) == 150
    assert messages.fee(100_001, price) == 151
    assert messages.fee(100_001, Decimal(0)) == 0


def test_message_fields_match_protocol_definition() -> None:
    """Numbers and names of interchain-security v7, proto/interchain_security/ccv/provider/v1/tx.proto."""
    key_message = {"chain_id": 1, "provider_addr": 2, "consumer_key": 3, "signer": 4, "consumer_id": 5}
    found = {
        each.name: {field.name: field.number for field in each.fields}
        for each in tx_pb2.DESCRIPTOR.message_types_by_name.values()
    }

    assert tx_pb2.DESCRIPTOR.package == "interchain_security.ccv.provider.v1"
    structures = ["initialization_parameters", "power_shaping_parameters", "allowlisted_reward_denoms"]
    create = ["submitter", "chain_id", "metadata", *structures, "infraction_parameters"]
    update = ["owner", "consumer_id", "new_owner_address", "metadata", *structures, "new_chain_id"]
    initialization = [
        *("initial_height", "genesis_hash", "binary_hash", "spawn_time", "unbonding_period"),
        *("ccv_timeout_period", "transfer_timeout_period", "consumer_redistribution_fraction"),
        *("blocks_per_distribution_transmission", "historical_entries"),
        *("distribution_transmission_channel", "connection_id"),
    ]
    shaping = ["top_N", "validators_power_cap", "validator_set_cap", "allowlist", "denylist", "min_stake"]
    assert found == {
        "MsgOptIn": key_message,
        "MsgOptOut": {"chain_id": 1, "provider_addr": 2, "signer": 3, "consumer_id": 4},
        "MsgAssignConsumerKey": key_message,
        "MsgSetConsumerCommissionRate": numbered(
            "provider_addr", "chain_id", "rate", "signer", "consumer_id"
        ),
        "MsgCreateConsumer": numbered(*create),
        "MsgUpdateConsumer": numbered(*update, "infraction_parameters"),
        "MsgRemoveConsumer": numbered("consumer_id", "owner"),
        "MsgCreateConsumerResponse": {"consumer_id": 1},
        "Height": numbered("revision_number", "revision_height"),
        "ConsumerMetadata": numbered("name", "description", "metadata"),
        "ConsumerInitializationParameters": numbered(*initialization),
        "PowerShapingParameters": numbered(*shaping, "allow_inactive_vals", "prioritylist"),
        "AllowlistedRewardDenoms": {"denoms": 1},
        "InfractionParameters": numbered("double_sign", "downtime"),
        "SlashJailParameters": numbered("slash_fraction", "jail_duration", "tombstone"),
        **{
            f"Msg{name}Response": {}
            for name in (
                *("OptIn", "OptOut", "AssignConsumerKey", "SetConsumerCommissionRate"),
                *("UpdateConsumer", "RemoveConsumer"),
            )
        },
    }


def numbered(*names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names, 1)}


@pytest.mark.skipif(importlib.util.find_spec("grpc_tools") is None, reason="grpcio-tools is not installed")
def test_generated_code_matches_proto_file(tmp_path: pathlib.Path) -> None:
    root = pathlib.Path(__file__).parents[4]
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
