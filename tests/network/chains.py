"""Consumer chains on the provider of the local network, from their owner's side."""

import datetime
import hashlib
import json
import tempfile
from typing import Any

import httpx

from devnet import commands, owner, places, plan
from tests.network import operators, waiting

BASE = places.CHECKOUT / "stacks" / "chains" / "ics-example.genesis.json"
CCV = f"{plan.HOSTS[0].rest}/interchain_security/ccv/provider"


def base_hash() -> str:
    """sha256 of the example's base genesis, as its owner states it on the chain."""
    return hashlib.sha256(BASE.read_bytes()).hexdigest()


def spec(chain_id: str, spawn_in: float, **changes: Any) -> owner.ConsumerSpec:
    """A consumer chain of the example's kind that is launched in so many seconds."""
    spawn = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=spawn_in)
    return owner.ConsumerSpec(chain_id, spawn, **{"genesis_hash": base_hash(), **changes})


def create(chain_id: str, spawn_in: float, **changes: Any) -> str:
    """Create one and answer its consumer id."""
    return owner.create_consumer(spec(chain_id, spawn_in, **changes))


def phase(consumer_id: str) -> str:
    """Its phase on the provider."""
    return str(owner.consumer(consumer_id)["phase"]).removeprefix("CONSUMER_PHASE_")


def ask(path: str, **params: str) -> dict[str, Any]:
    """What the provider's CCV module answers."""
    answer = httpx.get(f"{CCV}/{path}", params=params, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def of_phase(number: int) -> list[dict[str, Any]]:
    """Lines of the provider's list of chains: 0 all, 3 LAUNCHED."""
    found: list[dict[str, Any]] = ask(f"consumer_chains/{number}")["chains"]
    return found


def describe(operator: operators.Operator, details: str) -> None:
    """Publish another description, as the validator does by the chain's own command line."""
    words = operator.validator.account.mnemonic
    assert words is not None
    program = places.credentials("bin") / "interchain-security-pd"
    with tempfile.TemporaryDirectory() as home:
        keyring = ("--keyring-backend", "test", "--home", home)
        commands.run(program, "keys", "add", "it", "--recover", *keyring, text=f"{words.reveal_text()}\n")
        answer = json.loads(
            commands.run(
                *(program, "tx", "staking", "edit-validator", "--details", details, "--from", "it", *keyring),
                *("--chain-id", plan.PROVIDER_CHAIN_ID, "--node", operator.host.rpc.replace("http", "tcp")),
                *("--gas", "400000", "--gas-prices", plan.MIN_GAS_PRICE, "--yes", "--output", "json"),
            )
        )
    assert answer["code"] == 0, answer["raw_log"]
    path = f"/cosmos/staking/v1beta1/validators/{operator.validator.operator_address}"

    def published() -> str:
        answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False).json()
        return str(answer["validator"]["description"]["details"])

    waiting.until("the description is on the chain", published, lambda found: found == details, seconds=30)
