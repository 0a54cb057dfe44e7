"""What the provider says of the validators of the local network."""

from typing import Any

import httpx

from devnet import plan
from ics.cosmos import addresses
from tests.network import chains, operators


def ask(path: str, **params: str) -> dict[str, Any]:
    """What alice's node of the provider answers."""
    answer = httpx.get(f"{plan.HOSTS[0].rest}{path}", params=params, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def validator(operator: operators.Operator) -> dict[str, Any]:
    """A validator in the staking module."""
    path = f"/cosmos/staking/v1beta1/validators/{operator.validator.operator_address}"
    found: dict[str, Any] = ask(path)["validator"]
    return found


def valcons(operator: operators.Operator) -> str:
    """The address of its key on the provider."""
    key = addresses.parse_consensus_pubkey(validator(operator)["consensus_pubkey"])
    return addresses.encode("cosmosvalcons", addresses.consensus_address(key))


def signing_info(operator: operators.Operator) -> dict[str, Any]:
    """A validator in the slashing module."""
    path = f"/cosmos/slashing/v1beta1/signing_infos/{valcons(operator)}"
    found: dict[str, Any] = ask(path)["val_signing_info"]
    return found


def assigned(operator: operators.Operator, consumer_id: str) -> str:
    """Address of its key for a chain, upper-case hex; empty if it has none."""
    found = str(chains.ask(f"validator_consumer_addr/{consumer_id}/{valcons(operator)}")["consumer_address"])
    return addresses.decode(found)[1].hex().upper() if found else ""


def balance(address: str) -> int:
    """What an account has in the provider's own denomination."""
    params = {"denom": plan.DENOM}
    return int(ask(f"/cosmos/bank/v1beta1/balances/{address}/by_denom", **params)["balance"]["amount"])
