"""Outputs of a Pulumi stack: what an operator reads after `pulumi up`; none of it is secret."""

from collections.abc import Collection
from typing import Any

from ics.consumer import desired, signing
from ics.cosmos import canonical_json
from ics.provider.tx import descriptions

_BOTH = "inbound p2p and the signing memory are"
_WAITS = {
    signing.Arming.NO_VOLUME: _BOTH,
    signing.Arming.DUE: _BOTH,
    signing.Arming.ORDERED: _BOTH,
    # It lays no memory, and nothing that is read tells whether it has been here.
    signing.Arming.REMOTE: "inbound p2p is",
    signing.Arming.REFUSED: "inbound p2p is",
}
"""What the reconciler still has to make; of a node whose memory lies it has made both."""


def of(wanted: desired.Desired, sent: Collection[str] = ()) -> dict[str, Any]:
    """Status, endpoints, ports, genesis hashes, due transactions, and what waits for the reconciler.

    Nothing in it changes while nothing happens, so that a preview of an unchanged stack shows no difference:
    no height, above all.

    Args:
        wanted: what should be.
        sent: transactions that were sent since the provider was read, in the words of
            `ics.provider.tx.descriptions.describe`.

    Returns:
        Mappings by consumer id, and lists of texts.
    """
    conditions = [c for verdict in wanted.verdicts for c in verdict.conditions]
    return {
        "status": {
            v.summary.consumer_id: {
                "chain_id": v.summary.chain_id,
                "phase": v.summary.phase.value,
                "participation": v.participation.value,
            }
            for v in wanted.verdicts
        },
        "endpoints": {c.consumer_id: c.peering.endpoint for c in wanted.chains},
        "ports": {
            c.consumer_id: {"chain_id": c.chain_id, "p2p": c.ports.p2p, "rpc": c.ports.rpc}
            for c in wanted.chains
        },
        "genesis_sha256": {
            c.consumer_id: canonical_json.sha256_hex(c.genesis)
            for c in wanted.chains
            if c.genesis is not None
        },
        "transactions_due": [
            text for intent in wanted.intents if (text := descriptions.describe(intent)) not in sent
        ],
        "waits_for_reconciler": [
            f"{c.chain_id}: {due} made by `python reconcile.py`"
            for c in wanted.chains
            if (due := _WAITS.get(c.arming))
        ],
        "conditions": [
            f"{c.consumer_id} {c.severity.name.lower()} {c.reason}: {c.message}" for c in conditions
        ],
    }
