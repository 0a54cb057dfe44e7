"""What the owner of a consumer chain does: real transactions, each waited for until it is confirmed."""

import base64
import contextlib
import datetime
import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from devnet import cache, commands, plan, provider, toolchain
from ics import errors

_NODE: Final = plan.HOSTS[0]
_SECOND: Final = 10**9
_REVISION: Final = re.compile(r"[^\n-]-([1-9][0-9]*)\Z")
"""Where IBC finds a chain's revision (ibc-go, `IsRevisionFormat`); a chain id without one has revision 0."""


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A consumer chain as its owner describes it. Times in seconds."""

    chain_id: str
    spawn_time: datetime.datetime | None = None
    """When it is to be launched; without one it is only registered."""
    genesis_hash: str = ""
    """sha256 of its base genesis, 64 hex characters."""
    name: str = "local consumer"
    description: str = "a consumer chain of the local network"
    metadata: str = "local"
    unbonding: int = plan.CONSUMER_UNBONDING_SECONDS
    ccv_timeout: int = 72 * 3600
    transfer_timeout: int = 3600
    top_n: int = 0
    new_owner: str = ""
    """Only for an update: the account that owns it from then on."""


def create_consumer(spec: ConsumerSpec) -> str:
    """Creates a consumer chain and returns the consumer id that the provider gave it.

    Raises:
        Permanent: the provider refuses it.
        Transient: the transaction is not in a block in time.
    """
    result = _send("create-consumer", document(spec))
    attributes = _attributes(result, "create_consumer")
    return attributes["consumer_id"]


def update_consumer(consumer_id: str, spec: ConsumerSpec) -> None:
    """Replaces all that the owner may change of a consumer chain that is not launched yet.

    The provider replaces whole structures, so everything is sent, whatever differs.

    Raises:
        Permanent: the provider refuses it.
        Transient: the transaction is not in a block in time.
    """
    message = document(spec)
    chain_id = message.pop("chain_id")
    changes = {"consumer_id": consumer_id, "new_chain_id": chain_id}
    if spec.new_owner:
        changes["new_owner_address"] = spec.new_owner
    _send("update-consumer", message | changes)


def remove_consumer(consumer_id: str) -> None:
    """Stops a launched consumer chain; the provider deletes it after the unbonding period.

    Raises:
        Permanent: the provider refuses it (not launched, or another owner's).
        Transient: the transaction is not in a block in time.
    """
    _broadcast("remove-consumer", consumer_id)


def delegate(operator_address: str, amount: int) -> None:
    """Delegates to a validator, so that its power changes.

    Args:
        operator_address: valoper of the validator.
        amount: in the provider's denom; a million is one of power.

    Raises:
        Permanent: the provider refuses it.
        Transient: the transaction is not in a block in time.
    """
    _broadcast("delegate", operator_address, f"{amount}{plan.DENOM}", module="staking")


def consumer(consumer_id: str) -> dict[str, Any]:
    """What the provider knows of a consumer chain.

    Raises:
        Permanent: it knows none of that id.
    """
    response = httpx.get(
        f"{_NODE.rest}/interchain_security/ccv/provider/consumer_chain/{consumer_id}",
        timeout=5,
        trust_env=False,
    )
    if response.is_error:
        raise errors.Permanent(f"consumer {consumer_id}: {response.text[:200]}")
    answer: dict[str, Any] = response.json()
    return answer


def document(spec: ConsumerSpec) -> dict[str, Any]:
    """The create-consumer message as the provider's command line reads it.

    Raises:
        SettingsError: the genesis hash is not hex.
    """
    revision = _REVISION.search(spec.chain_id)
    message: dict[str, Any] = {
        "chain_id": spec.chain_id,
        "metadata": {"name": spec.name, "description": spec.description, "metadata": spec.metadata},
        "power_shaping_parameters": {"top_N": spec.top_n},
    }
    if spec.spawn_time is not None:
        message["initialization_parameters"] = {
            "initial_height": {
                "revision_number": int(revision[1]) if revision else 0,
                "revision_height": 1,
            },
            "genesis_hash": base64.b64encode(_hash(spec.genesis_hash)).decode(),
            "binary_hash": "",
            "spawn_time": spec.spawn_time.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z"),
            "unbonding_period": spec.unbonding * _SECOND,
            "ccv_timeout_period": spec.ccv_timeout * _SECOND,
            "transfer_timeout_period": spec.transfer_timeout * _SECOND,
            "consumer_redistribution_fraction": "0.75",
            "blocks_per_distribution_transmission": 1000,
            "historical_entries": 10000,
            "distribution_transmission_channel": "",
            "connection_id": "",
        }
    return message


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise errors.SettingsError(f"genesis_hash {text!r} is not hex: give a sha256 as 64 digits") from None


def _send(command: str, message: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "message.json"
        path.write_text(json.dumps(message))
        return _broadcast(command, str(path))


def _broadcast(command: str, *arguments: str, module: str = "provider") -> dict[str, Any]:
    chains = cache.find(toolchain.chains_recipe())
    if chains is None or not provider.owner_home().exists():
        raise errors.Permanent("the local network is not up: run `python -m devnet up`")
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
    return _confirmed(command, answer)


def _confirmed(command: str, answer: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
    if answer["code"] != 0:
        raise errors.Permanent(f"{command} was refused ({answer['code']}): {answer['raw_log']}")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            url = f"{_NODE.rest}/cosmos/tx/v1beta1/txs/{answer['txhash']}"
            response = httpx.get(url, timeout=5, trust_env=False)
            if response.status_code == 200:
                result: dict[str, Any] = response.json()["tx_response"]
                if result["code"] != 0:
                    raise errors.Permanent(f"{command} failed ({result['code']}): {result['raw_log']}")
                return result
        time.sleep(0.3)
    raise errors.Transient(f"{command}: {answer['txhash']} is in no block after {timeout:.0f} s")


def _attributes(result: dict[str, Any], event: str) -> dict[str, str]:
    for each in result["events"]:
        if each["type"] == event:
            return {attribute["key"]: attribute["value"] for attribute in each["attributes"]}
    raise errors.Permanent(f"transaction {result['txhash']} has no event {event}")
