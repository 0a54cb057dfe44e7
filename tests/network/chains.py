"""Consumer chains on the provider of the local network, from their owner's side."""

import datetime
import hashlib
from typing import Any

import httpx

from devnet import owner, places, plan

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
