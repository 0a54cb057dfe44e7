"""`--generate-only` prints a transaction without opening the account, taking the Lease or sending anything."""

import contextlib
import dataclasses
import json
import types
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import pytest

from ics import errors, model
from ics.config import settings as config_settings
from ics.consumer import desired, observed
from ics.cosmos import addresses, gas_prices
from ics.provider.owner import decode, terms
from ics.reconciler import due_opt_in, observe, wiring
from tests.unit import factories
from tests.unit.cli import calls
from tests.unit.provider import recorded

LAUNCHED = decode.consumer_chain(recorded.answer("consumer_chain_launched"))
ALICE = factories.settings()
OWN = addresses.reprefix(ALICE.operator_address, "cosmos")
OTHER = addresses.encode("cosmos", bytes([7]) * 20)
GOVERNANCE = addresses.encode("cosmos", addresses.module_account("gov"))
CCV = "/interchain_security.ccv.provider.v1"
COMMON = {"chain_id": "", "provider_addr": ALICE.operator_address, "signer": OWN}


async def ask_price() -> gas_prices.GasPrice:
    return gas_prices.GasPrice(Decimal("0.002"))


@dataclasses.dataclass
class Provider:
    """A provider with one launched chain and a jailed validator whose jail time is over."""

    chain: terms.OwnedConsumer = LAUNCHED

    async def find(self, consumer_id: str) -> terms.OwnedConsumer:
        return self.chain

    async def validator(self, operator_address: str) -> model.Validator:
        return factories.validator("alice", is_jailed=True)

    async def jail(self, consensus_address: str) -> Any:
        return types.SimpleNamespace(is_tombstoned=False, until="2026-01-01T00:00:00Z")

    def head(self) -> Any:
        return types.SimpleNamespace(moment=wiring.now())

    async def commission(self, consumer_id: str, consensus_address: str) -> str:
        return "0.1"

    async def prefix(self) -> str:
        return "cosmos"

    async def gas_price(self) -> gas_prices.GasPrice:
        return await ask_price()


def unsigned(
    message: dict[str, Any], gas: int = 1_000_000, memo: str = "", granter: str = ""
) -> dict[str, Any]:
    """The transaction with this message; two gas cost 0.004."""
    return {
        "body": {
            "messages": [message],
            "memo": memo,
            "timeout_height": "0",
            "extension_options": [],
            "non_critical_extension_options": [],
        },
        "auth_info": {
            "signer_infos": [],
            "fee": {
                "amount": [{"denom": "stake", "amount": str(gas * 2 // 1000)}],
                "gas_limit": str(gas),
                "payer": "",
                "granter": granter,
            },
            "tip": None,
        },
        "signatures": [],
    }


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """What the commands read; whoever asks for an account or a Lease fails."""
    served = Provider()

    @contextlib.asynccontextmanager
    async def open_chain(*_: object, **__: object) -> AsyncIterator[wiring.ProviderAccess]:
        signing = config_settings.SigningSettings(provider=ALICE.provider)
        unused = cast(Any, factories.Unused())
        yield wiring.ProviderAccess(cast(Any, served), signing, ALICE, unused.__getattr__, unused)

    monkeypatch.setattr(wiring, "open_chain", open_chain)
    return served


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The JSON that a command prints."""
    assert calls.run(*words, "--stack", "alice", "--generate-only") == 0
    return json.loads(capsys.readouterr().out)


def test_commission(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "commission", "2", "0.05") == unsigned(
        {
            "@type": f"{CCV}.MsgSetConsumerCommissionRate",
            **COMMON,
            "consumer_id": LAUNCHED.consumer_id,
            "rate": "0.050000000000000000",
        }
    )


def test_release_from_jail_with_a_gas_limit(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "unjail", "--gas", "150000") == unsigned(
        {"@type": "/cosmos.slashing.v1beta1.MsgUnjail", "validator_addr": ALICE.operator_address}, 150_000
    )


def test_who_signs_is_said_beside_the_transaction(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calls.run("unjail", "--stack", "alice", "--generate-only") == 0
    assert capsys.readouterr().err == (
        f"nothing was sent: sign this as {OWN} for {ALICE.provider.chain_id}, then broadcast it\n"
    )


def test_removal_needs_no_confirmation_and_is_signed_by_the_owner(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "consumer", "remove", "2") == unsigned(
        {"@type": f"{CCV}.MsgRemoveConsumer", "consumer_id": LAUNCHED.consumer_id, "owner": LAUNCHED.owner}
    )


def test_update_has_only_what_changes(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "consumer", "update", "2", "--description", "a\x1b[2J") == unsigned(
        {
            "@type": f"{CCV}.MsgUpdateConsumer",
            "owner": LAUNCHED.owner,
            "consumer_id": LAUNCHED.consumer_id,
            "new_owner_address": "",
            "metadata": {**LAUNCHED.terms.metadata.model_dump(), "description": "a\x1b[2J"},
            "initialization_parameters": None,
            "power_shaping_parameters": None,
            "allowlisted_reward_denoms": None,
            "infraction_parameters": None,
            "new_chain_id": "",
        },
        10_000_000,
    )


def test_new_chain_is_created_by_the_account_that_is_named(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    made = printed(capsys, "consumer", "create", "new-1", "--from", OTHER, "--description", "x")
    [message] = made["body"]["messages"]
    assert made == unsigned(message, 10_000_000)
    assert (message["@type"], message["submitter"], message["chain_id"], message["metadata"]) == (
        f"{CCV}.MsgCreateConsumer",
        OTHER,
        "new-1",
        {"name": "new-1", "description": "x", "metadata": message["metadata"]["metadata"]},
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("consumer", "create", "new-1", "--generate-only"),
            "name the account that will own the chain with --from",
        ),
        (
            ("consumer", "create", "new-1", "--generate-only", "--from", "osmo1x"),
            "not a valid bech32 address",
        ),
        (("consumer", "create", "new-1", "--from", OTHER), "--from: only with --generate-only"),
        (
            ("consumer", "remove", "2", "--generate-only", "--proposal"),
            "--proposal and --generate-only: use one",
        ),
        (("unjail", "--generate-only", "--dry-run"), "--dry-run and --generate-only: use one of them"),
        (("unjail", "--gas", "5"), "--gas: only with --generate-only"),
        (
            ("unjail", "--generate-only", "--gas", "1000001"),
            "--gas 1000001: such a transaction may use 1 to 1000000; use less, or raise ics:provider.max_gas.unjail",
        ),
    ],
)
def test_contradictions_are_refused(provider: Provider, words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(errors.SettingsError, match=problem):
        calls.run(*words, "--stack", "alice")


def test_chain_of_governance_needs_a_proposal(provider: Provider) -> None:
    provider.chain = dataclasses.replace(LAUNCHED, owner=GOVERNANCE)
    with pytest.raises(errors.SettingsError, match="owned by governance, which has no key; use --proposal"):
        calls.run("consumer", "remove", "2", "--generate-only", "--stack", "alice")


def on_cluster(monkeypatch: pytest.MonkeyPatch, seen: observed.Observed) -> None:
    """A stack with this observation; whoever asks for the Lease, a pass or the account fails."""

    async def read(_: object) -> tuple[observed.Observed, desired.Desired]:
        return seen, factories.judge(seen)

    @contextlib.asynccontextmanager
    async def open_stack(*_: object, **__: object) -> AsyncIterator[Any]:
        unused = factories.Unused()
        world = factories.world(provider=cast(Any, Provider()))
        yield types.SimpleNamespace(world=world, lease=unused, sender=unused, engine=unused)

    monkeypatch.setattr(observe, "read", read)
    monkeypatch.setattr(wiring, "open_stack", open_stack)


def test_opt_in_carries_the_place_of_its_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = factories.consumer_key("alice").public_key
    due = model.OptIn("0", "consumer1-1", key, factories.place_id())

    async def find(_: object, __: object, consumer_id: str) -> model.OptIn:
        assert consumer_id == "0"
        return due

    on_cluster(monkeypatch, factories.observation(factories.snapshot(factories.consumer())))
    monkeypatch.setattr(due_opt_in, "find", find)
    made = printed(capsys, "opt-in", "0")
    [message] = made["body"]["messages"]
    assert made == unsigned(
        {
            "@type": f"{CCV}.MsgOptIn",
            **COMMON,
            "consumer_id": "0",
            "consumer_key": message["consumer_key"],
        },
        memo=factories.place_id(),
    )
    assert json.loads(message["consumer_key"]) == {
        "@type": "/cosmos.crypto.ed25519.PubKey",
        "key": factories._base64(key),
    }


def launched(*names: str) -> observed.Observed:
    chain = factories.consumer(model.Phase.LAUNCHED, found=factories.joined(*names))
    return factories.observation(factories.snapshot(chain), memory=factories.staged())


def test_opt_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on_cluster(monkeypatch, launched("alice"))
    assert printed(capsys, "opt-out", "0") == unsigned(
        {"@type": f"{CCV}.MsgOptOut", **COMMON, "consumer_id": "0"}
    )


def test_opt_out_of_a_chain_that_was_not_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cluster(monkeypatch, launched("bob"))
    with pytest.raises(errors.SettingsError, match="this validator is not opted in"):
        calls.run("opt-out", "0", "--generate-only", "--stack", "alice")
