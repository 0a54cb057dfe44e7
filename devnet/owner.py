"""Transactions of a consumer chain's owner on the local network, sent by the operator's own code."""

import asyncio
import concurrent.futures
import contextlib
import datetime
import fcntl
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from devnet import cache, commands, identities, places, plan, provider, toolchain
from ics import errors
from ics.config import settings
from ics.cosmos import gas_prices
from ics.provider.owner import terms as owner_terms
from ics.provider.owner import transactions as owner_transactions
from ics.provider.tx import messages, signers, transactions

_NODE: Final = plan.HOSTS[0]


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """Terms of a consumer chain; all other parameters have the operator's defaults."""

    chain_id: str
    spawn_time: datetime.datetime | None = None
    """Spawn time; None: the chain is only registered."""
    genesis_hash: str = ""
    """sha256 of the base genesis, 64 hex characters."""
    unbonding: int = plan.CONSUMER_UNBONDING_SECONDS
    """Unbonding period in seconds, shorter than the provider's."""
    reward_blocks: int | None = None
    """Blocks between two payments of rewards; None: the operator's default."""

    @property
    def terms(self) -> owner_terms.Terms:
        """All terms of the chain.

        Raises:
            SettingsError: a value is invalid.
        """
        spawn = self.spawn_time
        parameters: dict[str, object] = {
            "genesis_hash": self.genesis_hash,
            "spawn_time": None if spawn is None else spawn.astimezone(datetime.UTC).isoformat(),
            "unbonding_period": f"{self.unbonding}s",
        }
        if self.reward_blocks is not None:
            parameters["blocks_per_distribution_transmission"] = self.reward_blocks
        return owner_terms.parse_creation(
            {"chain_id": self.chain_id, "initialization_parameters": parameters}, "the local network's owner"
        )


def create_consumer(spec: ConsumerSpec) -> str:
    """Create a consumer chain and return its consumer id.

    Raises:
        Permanent: the provider rejects it.
        Transient: the transaction is not in a block in time.
    """
    return _send(owner_transactions.CreateConsumer(spec.terms)).consumer_id


def update_consumer(consumer_id: str, spec: ConsumerSpec) -> None:
    """Change the chain id, the launch parameters and the metadata of a chain that is not launched yet.

    Raises:
        Permanent: the provider rejects it.
        Transient: the transaction is not in a block in time.
    """
    terms = spec.terms
    is_renamed = consumer(consumer_id)["chain_id"] != spec.chain_id
    _send(
        owner_transactions.UpdateConsumer(
            consumer_id=consumer_id,
            chain_id=spec.chain_id,
            is_renamed=is_renamed,
            metadata=terms.metadata,
            initialization_parameters=terms.initialization_parameters,
        )
    )


def remove_consumer(consumer_id: str) -> None:
    """Stop a launched consumer chain, which the provider deletes after the unbonding period.

    Raises:
        Permanent: the provider rejects it (not launched, or owned by another account).
        Transient: the transaction is not in a block in time.
    """
    _send(owner_transactions.RemoveConsumer(consumer_id, consumer(consumer_id)["chain_id"]))


def delegate(operator_address: str, amount: int) -> None:
    """Delegate to a validator, so that its power changes.

    Args:
        operator_address: valoper of the validator.
        amount: amount in the provider's denom; a million is one unit of power.

    Raises:
        Permanent: the provider rejects it.
        Transient: the transaction is not in a block in time.
    """
    _broadcast("staking", "delegate", operator_address, f"{amount}{plan.DENOM}")


def pay(address: str, amount: int) -> None:
    """Send coins from the owner's account.

    Args:
        address: who gets them.
        amount: amount in the provider's denom.

    Raises:
        Permanent: the provider rejects it.
        Transient: the transaction is not in a block in time.
    """
    _broadcast("bank", "send", "owner", address, f"{amount}{plan.DENOM}")


def create_from_file(path: Path) -> None:
    """Create a consumer chain by the chain's own command line, which accepts ids that the operator's code refuses.

    Args:
        path: a file in the form of that command line.

    Raises:
        Permanent: the provider rejects it.
        Transient: the transaction is not in a block in time.
    """
    _broadcast("provider", "create-consumer", str(path))


def submit_proposal(path: Path) -> None:
    """Puts a proposal to the provider's governance.

    Args:
        path: a file in the form of the chain's own command line.

    Raises:
        Permanent: the provider refuses it.
        Transient: the transaction is not in a block in time.
    """
    _broadcast("gov", "submit-proposal", str(path))


def consumer(consumer_id: str) -> dict[str, Any]:
    """Return the provider's data of a consumer chain.

    Raises:
        Permanent: no chain has this id.
    """
    response = httpx.get(
        f"{_NODE.rest}/interchain_security/ccv/provider/consumer_chain/{consumer_id}",
        timeout=20,
        trust_env=False,
    )
    if response.is_error:
        raise errors.Permanent(f"consumer {consumer_id}: {response.text[:200]}")
    answer: dict[str, Any] = response.json()
    return answer


def chain_ids() -> set[str]:
    """Return the ids of all consumer chains on the provider, also of deleted ones."""
    response = httpx.get(
        f"{_NODE.rest}/interchain_security/ccv/provider/consumer_chains/0",
        params={"pagination.limit": "1000"},
        timeout=20,
        trust_env=False,
    )
    response.raise_for_status()
    return {chain["chain_id"] for chain in response.json()["chains"]}


def _send(transaction: messages.Transaction) -> transactions.SentTx:
    """Send in a separate thread, so that a test with a running event loop can wait for it, too."""
    account = identities.owner()
    address = account.address(identities.PREFIX)
    node = _provider()

    async def sent() -> transactions.SentTx:
        party = signers.TxAuthority(address, address)
        sending = transactions.Transactions(node, party, account, _now, _least_price)
        return await sending.send(transaction)

    with _turn(), concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(sent())).result()


async def _least_price() -> gas_prices.GasPrice:
    """Return that the provider of the local network asks no price, so that the least one is paid."""
    return gas_prices.GasPrice()


def _provider() -> settings.ProviderSettings:
    return settings.ProviderSettings.model_validate(
        dict(
            chain_id=plan.PROVIDER_CHAIN_ID,
            rest=(_NODE.rest,),
            rpc=(_NODE.rpc,),
            grpc=(f"http://{_NODE.address}:{plan.GRPC_PORT}",),
            gas_price=plan.MIN_GAS_PRICE,
        )
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _broadcast(module: str, command: str, *arguments: str) -> None:
    """Send a transaction that the operator does not support, by the provider's own command line."""
    chains = cache.find(toolchain.chains_recipe())
    if chains is None:
        raise errors.Permanent("the provider's program is not built; run `python -m devnet build`")
    with _turn():
        answer = json.loads(
            commands.run(
                str(chains / "interchain-security-pd"),
                *("tx", module, command, *arguments),
                *("--from", "owner", "--keyring-backend", "test", "--home", provider.owner_home()),
                *("--chain-id", plan.PROVIDER_CHAIN_ID, "--node", f"tcp://{_NODE.address}:{plan.RPC_PORT}"),
                *("--gas", "auto", "--gas-adjustment", "1.5", "--gas-prices", plan.MIN_GAS_PRICE),
                *("--yes", "--output", "json"),
            )
        )
        _confirmed(command, answer)


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One transaction at a time, whoever sends them: they would take each other's sequence number."""
    if not places.state().exists():
        raise errors.Permanent("the local network is not up; run `python -m devnet up`")
    with (places.state() / "owner.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _confirmed(command: str, answer: dict[str, Any], timeout: float = 30.0) -> None:
    if answer["code"] != 0:
        raise errors.Permanent(f"{command} was rejected ({answer['code']}): {answer['raw_log']}")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            url = f"{_NODE.rest}/cosmos/tx/v1beta1/txs/{answer['txhash']}"
            response = httpx.get(url, timeout=5, trust_env=False)
            if response.status_code == 200:
                result: dict[str, Any] = response.json()["tx_response"]
                if result["code"] != 0:
                    raise errors.Permanent(f"{command} failed ({result['code']}): {result['raw_log']}")
                return
        time.sleep(0.3)
    raise errors.Transient(f"{command}: {answer['txhash']} is not in a block after {timeout:.0f} s")
