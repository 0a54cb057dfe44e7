"""Base genesis of a consumer chain with governance: one governor, whose vote decides within seconds; pure.

Governors of a democracy consumer are bonded in its x/staking, and have nothing to do with its validators, who come from
the provider (interchain-security v7.0.1, x/ccv/democracy). Until its CCV channel carries its first packet, the chain
accepts IBC messages only, so that a plan that it should have early is in its genesis, as a proposal that the governor
has voted for.
"""

import base64
import copy
from collections.abc import Mapping
from typing import Any, Final

from devnet import identities, plan
from ics.cosmos import addresses

PREFIX: Final = "consumer"
"""Of the chain's accounts."""
VOTING_SECONDS: Final = 15
BOND: Final = 1_000_000
"""The governor's bonded tokens."""
SPARE: Final = 1_000_000_000_000
DEPOSIT: Final = 1_000_000
"""Of a proposal; twice that of an expedited one."""
_EPOCH: Final = "2025-01-01T00:00:00Z"
_NO_TIME: Final = "0001-01-01T00:00:00Z"


def account() -> str:
    """Return the governor's account."""
    return identities.governor().address(PREFIX)


def complete(initial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base genesis made from the one that the chain's own `init` writes."""
    document: dict[str, Any] = copy.deepcopy(dict(initial))
    state = document["app_state"]
    document |= {"chain_id": "", "genesis_time": _EPOCH}
    state["slashing"]["params"] |= {"signed_blocks_window": "100"}
    state["gov"] |= _governance(state["gov"])
    state["staking"] |= _staking(state["staking"])
    state["auth"]["accounts"] = [
        {"@type": "/cosmos.auth.v1beta1.BaseAccount", "address": account(), "pub_key": None}
        | {"account_number": "0", "sequence": "0"}
    ]
    balances = {account(): SPARE, _module("bonded_tokens_pool"): BOND}
    state["bank"]["balances"] = [
        {"address": address, "coins": [_coin(amount)]} for address, amount in sorted(balances.items())
    ]
    state["bank"]["supply"] = [_coin(sum(balances.values()))]
    return document


def schedule(
    genesis: Mapping[str, Any],
    height: int,
    *,
    name: str = plan.SECOND_PLAN,
    voted: str = _EPOCH,
    info: str = "",
) -> dict[str, Any]:
    """Return a base genesis with a proposal for an upgrade, which the governor has voted for.

    Args:
        genesis: a result of `complete`.
        height: the plan's height.
        name: the plan's name.
        voted: end of the voting, RFC 3339; the proposal passes in the first block whose time is not before it.
        info: the plan's, for programs that get the new version by it.
    """
    document: dict[str, Any] = copy.deepcopy(dict(genesis))
    proposal = {
        "id": "1",
        "messages": [upgrade_message(height, name, info)],
        "status": "PROPOSAL_STATUS_VOTING_PERIOD",
        "final_tally_result": dict.fromkeys(
            ("yes_count", "abstain_count", "no_count", "no_with_veto_count"), "0"
        ),
        "submit_time": _EPOCH,
        "deposit_end_time": _EPOCH,
        "total_deposit": [],
        "voting_start_time": _EPOCH,
        "voting_end_time": voted,
        "metadata": "",
        "title": name,
        "summary": f"upgrade {name} at height {height}",
        "proposer": account(),
        "expedited": False,
        "failed_reason": "",
    }
    vote = {"option": "VOTE_OPTION_YES", "weight": "1.000000000000000000"}
    document["app_state"]["gov"] |= {
        "starting_proposal_id": "2",
        "proposals": [proposal],
        "votes": [{"proposal_id": "1", "voter": account(), "options": [vote], "metadata": ""}],
    }
    return document


def upgrade_message(height: int, name: str = plan.SECOND_PLAN, info: str = "") -> dict[str, Any]:
    """Return the message of a proposal that schedules an upgrade of the consumer chain."""
    return {
        "@type": "/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
        "authority": _module("gov"),
        "plan": {"name": name, "time": _NO_TIME, "height": str(height), "info": info},
    }


def _governance(gov: Mapping[str, Any]) -> dict[str, Any]:
    params = dict(gov["params"])
    params |= {
        "min_deposit": [_coin(DEPOSIT)],
        "expedited_min_deposit": [_coin(2 * DEPOSIT)],
        "max_deposit_period": f"{VOTING_SECONDS}s",
        "voting_period": f"{VOTING_SECONDS}s",
        "expedited_voting_period": f"{VOTING_SECONDS - 5}s",
    }
    return {"params": params}


def _staking(staking: Mapping[str, Any]) -> dict[str, Any]:
    operator = addresses.reprefix(account(), f"{PREFIX}valoper")
    key = base64.b64encode(identities.governor_key().public_key).decode()
    validator = {
        "operator_address": operator,
        "consensus_pubkey": {"@type": "/cosmos.crypto.ed25519.PubKey", "key": key},
        "jailed": False,
        "status": "BOND_STATUS_BONDED",
        "tokens": str(BOND),
        "delegator_shares": f"{BOND}.000000000000000000",
        "description": {
            "moniker": "governor",
            "identity": "",
            "website": "",
            "security_contact": "",
            "details": "",
        },
        "unbonding_height": "0",
        "unbonding_time": _NO_TIME,
        "commission": {
            "commission_rates": dict.fromkeys(
                ("rate", "max_rate", "max_change_rate"), "0.000000000000000000"
            ),
            "update_time": _EPOCH,
        },
        "min_self_delegation": "1",
        "unbonding_on_hold_ref_count": "0",
        "unbonding_ids": [],
    }
    delegation = {
        "delegator_address": account(),
        "validator_address": operator,
        "shares": f"{BOND}.000000000000000000",
    }
    return {"validators": [validator], "delegations": [delegation]}


def _module(name: str) -> str:
    return addresses.encode(PREFIX, addresses.module_account(name))


def _coin(amount: int) -> dict[str, str]:
    return {"denom": plan.DENOM, "amount": str(amount)}
