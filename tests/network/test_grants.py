"""A grantee signs for a validator, and the validator pays, on a provider that has authz and feegrant."""

import asyncio
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from devnet import cache, granting
from devnet.progress import Progress
from ics import errors, model
from ics.keys import derivation
from ics.provider.tx import messages, signers
from tests.network import commands, provider_node

pytestmark = pytest.mark.network

CCV = "/interchain_security/ccv/provider"
PACKAGE = "/interchain_security.ccv.provider.v1"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[provider_node.Node]:
    program = cache.ensure(granting.recipe(), Progress()) / "interchain-security-pd"
    yield from provider_node.running(tmp_path_factory.mktemp("grants"), program)


@pytest.fixture
def ics(node: provider_node.Node, tmp_path: pathlib.Path, capsys: Any) -> commands.Operator:
    return commands.Operator(node, tmp_path, capsys)


async def test_a_grantee_signs(ics: commands.Operator, node: provider_node.Node) -> None:
    consumer_id = node.create_consumer("grant-1")
    alice, key = node.operators["alice"], derivation.consensus_key(model.Secret(b"\x07" * 32))
    grantee = derivation.account_from_hex(model.Secret("33" * 32))
    party = signers.of_operator(alice.operator_address, grantee, alice.account, alice.account)
    sending = ics.sender(grantee, party)
    fresh = derivation.account_from_hex(model.Secret("44" * 32)).address("cosmos")
    orders: list[messages.Transaction] = [
        model.OptIn(consumer_id, "grant-1", key.public_key),
        model.SetCommission(consumer_id, "grant-1", "0.2"),
        model.PublishDetails("p2p=10.0.0.9:26656"),
        model.TopUp(
            consumer_id=consumer_id,
            chain_id="grant-1",
            purpose="relayer",
            address=fresh,
            amount=5,
            denom="stake",
        ),
    ]

    missing = await sending.missing_grants(messages.OF_VALIDATOR)
    assert len(missing) == len(messages.OF_VALIDATOR) + 1
    for line in missing:
        # Each line ends in the command that makes the grant.
        words = line.partition("; run with that account's key: tx ")[2].partition(", or remove")[0].split()
        node.send("alice", *words[: words.index("--from")] if "--from" in words else words)
    assert await sending.missing_grants(messages.OF_VALIDATOR) == []
    before = int(node.ask(f"/cosmos/bank/v1beta1/balances/{alice.account}")["balances"][0]["amount"])
    for order in orders:
        sent = await sending.send(order)
        said = node.ask(f"/cosmos/tx/v1beta1/txs/{sent.hash}")["tx"]
        assert said["body"]["messages"][0]["@type"] == signers.EXEC
        assert said["auth_info"]["fee"]["granter"] == alice.account

    assert [
        one["consumer_address"] for one in node.ask(f"{CCV}/address_pairs/{consumer_id}")["pair_val_con_addr"]
    ]
    details = node.ask(f"/cosmos/staking/v1beta1/validators/{alice.operator_address}")
    assert details["validator"]["description"]["details"] == "p2p=10.0.0.9:26656"
    assert node.ask(f"/cosmos/bank/v1beta1/balances/{fresh}")["balances"] == [
        {"denom": "stake", "amount": "5"}
    ]
    after = int(node.ask(f"/cosmos/bank/v1beta1/balances/{alice.account}")["balances"][0]["amount"])
    assert after < before - 5
    ics.secret("grantee", "33" * 32)
    settings = {"account": {"file": "grantee"}, "granter": alice.account, "fee_granter": alice.account}
    ics.stack("alice-by-grantee", **settings)
    refusal = await asyncio.to_thread(ics.refused, "alice-by-grantee", "consumer", "create", "grantee-1")
    assert f"an authz authorization for {PACKAGE}.MsgCreateConsumer" in refusal


async def test_a_provider_without_these_modules(tmp_path: pathlib.Path, capsys: Any) -> None:
    """interchain-security-pd as it is published."""
    for node in provider_node.running(tmp_path):
        alice = node.operators["alice"]
        grantee = derivation.account_from_hex(model.Secret("33" * 32))
        (tmp_path / "project").mkdir()
        ics = commands.Operator(node, tmp_path / "project", capsys)
        for granter, payer, says in (
            (alice.account, "", "ics:granter: provider-1 has no authz module"),
            ("", node.operators["bob"].account, "ics:fee_granter: provider-1 has no feegrant module"),
        ):
            own = derivation.parse_account(model.Secret(alice.mnemonic))
            signer = grantee if granter else own
            party = signers.of_operator(alice.operator_address, signer, granter, payer)
            with pytest.raises(errors.SettingsError, match=says):
                await ics.sender(signer, party).send(model.Unjail())
