"""The provider chain's genesis and the homes of its nodes, built once and kept in the cache.

All keys are public and fixed (see `identities`), so that only the genesis time differs between two starts of the
network.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devnet import cache, commands, identities, plan
from devnet.identities import Validator
from ics import errors
from ics.model import Secret

OWNER_HOME = "owner"
_EPOCH = "1970-01-01T00:00:00Z"


def recipe(program: Path) -> cache.Recipe:
    """Return the recipe of `genesis.json`, a home for each validator, and the owner's keyring.

    Args:
        program: `interchain-security-pd` in its own entry of the cache.
    """
    validators = identities.validators()
    owner = identities.owner().address(identities.PREFIX)
    facts = [[v.host.name, v.operator_address, v.details, v.host.tokens] for v in validators]
    here = Path(__file__)
    sources = (here.read_bytes(), here.with_name("plan.py").read_bytes())
    ingredients = (*sources, program.parent.name, owner, json.dumps(facts))
    return cache.Recipe(
        "provider-genesis", "1", ingredients, lambda folder: _build(program, folder, validators), 10
    )


def _build(program: Path, folder: Path, validators: tuple[Validator, ...]) -> None:
    homes = {each.host.name: folder / each.host.name for each in validators}
    first = homes[validators[0].host.name]
    commands.run(program, "init", "devnet", "--chain-id", plan.PROVIDER_CHAIN_ID, "--home", first)
    path = first / "config" / "genesis.json"
    accounts = [each.account.address(identities.PREFIX) for each in validators]
    balances = {
        address: plan.SPARE_STAKE + each.host.tokens
        for address, each in zip(accounts, validators, strict=True)
    }
    balances[identities.owner().address(identities.PREFIX)] = plan.SPARE_STAKE
    genesis = _with_settings(json.loads(path.read_text()), balances)
    for each in validators:
        _write_home(homes[each.host.name], each, validators)
        (homes[each.host.name] / "config" / "genesis.json").write_text(json.dumps(genesis))
    signed = [_gentx(program, homes[each.host.name], each) for each in validators]
    genesis["app_state"]["genutil"]["gen_txs"] = signed
    (folder / "genesis.json").write_text(json.dumps(genesis, indent=1))
    for home in homes.values():
        (home / "config" / "genesis.json").unlink()
    _add_key(program, folder / OWNER_HOME, "owner", identities.owner().mnemonic)
    commands.run(program, "genesis", "validate-genesis", folder / "genesis.json", "--home", first)


def _with_settings(genesis: dict[str, Any], balances: Mapping[str, int]) -> dict[str, Any]:
    state = genesis["app_state"]
    second = {key: f"{plan.GOVERNANCE_SECONDS}s" for key in ("voting_period", "max_deposit_period")}
    deposit = [{"denom": plan.DENOM, "amount": "10000000"}]
    state["gov"]["params"] |= second | {
        "expedited_voting_period": f"{plan.GOVERNANCE_SECONDS // 2}s",
        "min_deposit": deposit,
        "expedited_min_deposit": [{"denom": plan.DENOM, "amount": "50000000"}],
    }
    state["staking"]["params"] |= {"unbonding_time": f"{plan.UNBONDING_SECONDS}s", "bond_denom": plan.DENOM}
    state["provider"]["params"]["blocks_per_epoch"] = str(plan.BLOCKS_PER_EPOCH)
    state["auth"]["accounts"] = [
        {
            "@type": "/cosmos.auth.v1beta1.BaseAccount",
            "address": address,
            "pub_key": None,
            "account_number": str(number),
            "sequence": "0",
        }
        for number, address in enumerate(balances)
    ]
    state["bank"]["balances"] = [
        {"address": address, "coins": [{"denom": plan.DENOM, "amount": str(amount)}]}
        for address, amount in balances.items()
    ]
    state["bank"]["supply"] = [{"denom": plan.DENOM, "amount": str(sum(balances.values()))}]
    genesis["consensus"]["params"]["evidence"] |= {
        "max_age_duration": str(plan.UNBONDING_SECONDS * 10**9),
        "max_age_num_blocks": str(plan.UNBONDING_SECONDS),
    }
    genesis["genesis_time"] = _EPOCH
    return genesis


def _write_home(home: Path, validator: Validator, validators: tuple[Validator, ...]) -> None:
    host = validator.host
    peers = ",".join(
        f"{each.node.node_id}@{each.host.address}:{plan.P2P_PORT}" for each in validators if each != validator
    )
    for folder in ("config", "data"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    files = {
        "config/config.toml": _COMET.format(name=host.name, address=host.address, peers=peers),
        "config/app.toml": _APP.format(address=host.address, price=plan.MIN_GAS_PRICE),
        "config/client.toml": f'chain-id = "{plan.PROVIDER_CHAIN_ID}"\nkeyring-backend = "test"\n',
        "config/priv_validator_key.json": validator.consensus.priv_validator_key_json().reveal_text(),
        "config/node_key.json": validator.node.node_key_json().reveal_text(),
        "data/priv_validator_state.json": '{"height":"0","round":0,"step":0}',
    }
    for name, text in files.items():
        (home / name).write_text(text)


def _gentx(program: Path, home: Path, validator: Validator) -> Any:
    name = validator.host.name
    _add_key(program, home, name, validator.account.mnemonic)
    key = base64.b64encode(validator.consensus.public_key).decode()
    commands.run(
        *(program, "genesis", "gentx", name, f"{validator.host.tokens}{plan.DENOM}"),
        *("--home", home, "--keyring-backend", "test", "--chain-id", plan.PROVIDER_CHAIN_ID),
        *("--pubkey", json.dumps({"@type": "/cosmos.crypto.ed25519.PubKey", "key": key})),
        *("--moniker", name, "--details", validator.details, "--ip", validator.host.address),
        *("--node-id", validator.node.node_id, "--output-document", home / "gentx.json"),
    )
    return json.loads((home / "gentx.json").read_text())


def _add_key(program: Path, home: Path, name: str, mnemonic: Secret | None) -> None:
    if mnemonic is None:
        raise errors.Permanent(f"account {name} has no mnemonic to import")
    options = ("--recover", "--keyring-backend", "test", "--home", home, "--output", "json")
    commands.run(program, "keys", "add", name, *options, text=f"{mnemonic.reveal_text()}\n")


_COMET = """
moniker = "{name}"
[rpc]
laddr = "tcp://{address}:26657"
[p2p]
laddr = "tcp://{address}:26656"
persistent_peers = "{peers}"
addr_book_strict = false
allow_duplicate_ip = true
[consensus]
timeout_commit = "1s"
timeout_propose = "1s"
[tx_index]
indexer = "kv"
"""
_APP = """
minimum-gas-prices = "{price}"
[api]
enable = true
address = "tcp://{address}:1317"
[grpc]
enable = true
address = "{address}:9090"
[grpc-web]
enable = false
"""
