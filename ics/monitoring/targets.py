"""Configuration of monitors that follow a validator's signatures on its chains; pure.

A consumer chain does not say which key is whose, so such monitors must be given the address of each key.
"""

import collections
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ics import names
from ics.consumer import chain
from ics.cosmos import addresses

WATCHER = "cosmos-validator-watcher"
"""https://github.com/kilnfi/cosmos-validator-watcher, whose flags are those of v0.16.3."""

_CHANNELS: Final = ("pagerduty", "discord", "telegram", "slack")
_ALERTS: Final[Mapping[str, object]] = {
    "stalled_enabled": True,
    "stalled_minutes": 10,
    "consecutive_enabled": True,
    "consecutive_missed": 5,
    "consecutive_priority": "critical",
    "percentage_enabled": True,
    "percentage_missed": 10,
    "percentage_priority": "warning",
    "alert_if_inactive": True,
    "alert_if_no_servers": True,
}
"""What tenderduty alerts of, with the values of its example; without them a chain has no alert at all."""


@dataclass(frozen=True, slots=True)
class Target:
    """The key with which this validator signs on one chain, and the node that says what it has signed."""

    chain_id: str
    consumer_id: str
    address: str
    """Consensus address as CometBFT shows it, upper-case hex."""
    valcons: str
    """The same with the chain's prefix."""
    node: str
    """URL of the RPC of the node here, inside the cluster."""

    def as_dict(self) -> dict[str, str]:
        """Return it for programs."""
        return {
            "chain_id": self.chain_id,
            "consumer_id": self.consumer_id,
            "address": self.address,
            "valcons": self.valcons,
            "node": self.node,
        }


def of_chains(chains: Iterable[chain.ChainPlan]) -> tuple[Target, ...]:
    """Return the targets of all chains that have a node here and are launched."""
    return tuple(
        Target(
            chain_id=one.chain_id,
            consumer_id=one.consumer_id,
            address=one.key.key.address.hex().upper(),
            valcons=addresses.encode(f"{one.definition.bech32_prefix}valcons", one.key.key.address),
            node=f"http://{names.NODE_NAME}.{one.namespace}.svc:{one.ports.rpc}",
        )
        for one in chains
        if one.genesis is not None
    )


def watcher(targets: Sequence[Target], validator: str) -> list[str]:
    """Return the command line of a cosmos-validator-watcher for each chain, which follows one chain only.

    Consumer chains have neither delegations nor commissions, and some have no governance.
    """
    return [
        shlex.join(
            [
                WATCHER,
                *("--chain-id", one.chain_id),
                *("--node", one.node),
                *("--validator", f"{one.address}:{validator}"),
                *("--no-staking", "--no-commission", "--no-gov"),
            ]
        )
        for one in targets
    ]


def tenderduty(targets: Sequence[Target]) -> dict[str, Any]:
    """Return the `chains` of tenderduty's config.yml (https://github.com/blockpane/tenderduty, from v2.2.1 on).

    A channel must be enabled for each chain and for the whole file: here every chain has all of them, and the rest of
    that file enables those that the operator uses. Its keys are names, so that two chains of one chain id have an
    entry each.
    """
    listed = collections.Counter(one.chain_id for one in targets)
    return {
        "chains": {
            one.chain_id if listed[one.chain_id] == 1 else f"{one.chain_id} ({one.consumer_id})": {
                "chain_id": one.chain_id,
                # From that version on it takes the address itself, where there is no validator to look it up by.
                "valoper_address": one.valcons,
                "public_fallback": False,
                "alerts": {**_ALERTS, **{channel: {"enabled": True} for channel in _CHANNELS}},
                "nodes": [{"url": one.node, "alert_if_down": True}],
            }
            for one in targets
        }
    }
