"""Consumer chains on the provider of the local network, from their owner's side."""

import datetime
import hashlib
import itertools
import json
import pathlib
import tempfile
from typing import Any

import httpx

from devnet import commands, owner, places, plan
from tests.network import diary, operators, waiting

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
    consumer_id = owner.create_consumer(spec(chain_id, spawn_in, **changes))
    diary.note("owner", f"consumer {consumer_id} ({chain_id}) created, launched in {spawn_in:.0f} s")
    return consumer_id


def remove(consumer_id: str) -> None:
    """Stop a launched one, as its owner."""
    owner.remove_consumer(consumer_id)
    diary.note("owner", f"consumer {consumer_id} removed")


def move(consumer_id: str, chain_id: str, spawn_in: float, **changes: Any) -> None:
    """Give a chain that waits for its launch another spawn time, and another name if that is another one."""
    owner.update_consumer(consumer_id, spec(chain_id, spawn_in, **changes))
    diary.note("owner", f"consumer {consumer_id} ({chain_id}) is now launched in {spawn_in:.0f} s")


def fresh(stem: str) -> str:
    """A chain id that begins so, and that no story has used before: what that one left does not matter."""
    taken = {one["chain_id"] for one in of_phase(0)}
    return next(one for one in (f"{stem}{number}-1" for number in itertools.count(1)) if one not in taken)


def phase(consumer_id: str) -> str:
    """Its phase on the provider."""
    return str(owner.consumer(consumer_id)["phase"]).removeprefix("CONSUMER_PHASE_")


def chain_id(consumer_id: str) -> str:
    """Its chain id on the provider."""
    return str(owner.consumer(consumer_id)["chain_id"])


def ask(path: str, **params: str) -> dict[str, Any]:
    """What the provider's CCV module answers."""
    answer = httpx.get(f"{CCV}/{path}", params=params, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def provider(path: str) -> dict[str, Any]:
    """What the provider's REST gateway answers."""
    answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def of_phase(number: int) -> list[dict[str, Any]]:
    """Lines of the provider's list of chains: 0 all, 3 LAUNCHED."""
    found: list[dict[str, Any]] = ask(f"consumer_chains/{number}", **{"pagination.limit": "500"})["chains"]
    return found


def transact(operator: operators.Operator, *order: str | pathlib.Path) -> None:
    """Hand a transaction of a validator's to the mempool, by the chain's own command line."""
    words = operator.validator.account.mnemonic
    assert words is not None
    program = places.credentials("bin") / "interchain-security-pd"
    with tempfile.TemporaryDirectory() as home:
        keyring = ("--keyring-backend", "test", "--home", home)
        commands.run(program, "keys", "add", "it", "--recover", *keyring, text=f"{words.reveal_text()}\n")
        answer = json.loads(
            commands.run(
                *(program, "tx", *order, "--from", "it", *keyring),
                *("--chain-id", plan.PROVIDER_CHAIN_ID, "--node", operator.host.rpc.replace("http", "tcp")),
                *("--gas", "400000", "--gas-prices", plan.MIN_GAS_PRICE, "--yes", "--output", "json"),
            )
        )
    assert answer["code"] == 0, answer["raw_log"]


def describe(operator: operators.Operator, details: str) -> None:
    """Publish another description, as the validator does by the chain's own command line."""
    transact(operator, "staking", "edit-validator", "--details", details)
    path = f"/cosmos/staking/v1beta1/validators/{operator.validator.operator_address}"

    def published() -> str:
        answer = httpx.get(plan.HOSTS[0].rest + path, timeout=10, trust_env=False).json()
        return str(answer["validator"]["description"]["details"])

    waiting.until("the description is on the chain", published, lambda found: found == details, seconds=30)
