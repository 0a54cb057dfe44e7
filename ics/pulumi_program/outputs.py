"""Outputs of a Pulumi stack, which the operator reads after `pulumi up`, without secrets; pure."""

from collections.abc import Collection
from typing import Any

from ics.consumer import desired, signing
from ics.cosmos import canonical_json
from ics.provider.tx import descriptions

_BOTH = "inbound p2p and the sign state are"
_WAITS = {
    signing.SignStateStatus.NO_VOLUME: _BOTH,
    signing.SignStateStatus.MISSING: _BOTH,
    signing.SignStateStatus.REQUESTED: _BOTH,
    # With a remote signer the reconciler creates no sign state, and leaves no trace of its visit.
    signing.SignStateStatus.REMOTE: "inbound p2p is",
    signing.SignStateStatus.UNSAFE: "inbound p2p is",
}
"""Objects that the reconciler still has to create; if the sign state is ready, both exist."""


def render(desired: desired.Desired, sent: Collection[str] = ()) -> dict[str, Any]:
    """Return status, endpoints, ports, genesis hashes, due transactions, and objects that the reconciler creates.

    The outputs contain no height or other changing value, so that a preview of an unchanged stack
    shows no difference.

    Args:
        desired: the desired state.
        sent: transactions that were sent since the provider was read, in the words of
            `ics.provider.tx.descriptions.describe`.

    Returns:
        Mappings by consumer id, and lists of texts.
    """
    conditions = [c for verdict in desired.decisions for c in verdict.conditions]
    return {
        "status": {
            v.summary.consumer_id: {
                "chain_id": v.summary.chain_id,
                "phase": v.summary.phase.value,
                "participation": v.participation.value,
            }
            for v in desired.decisions
        },
        "endpoints": {c.consumer_id: c.peering.endpoint for c in desired.chains},
        "ports": {
            c.consumer_id: {"chain_id": c.chain_id, "p2p": c.ports.p2p, "rpc": c.ports.rpc}
            for c in desired.chains
        },
        "genesis_sha256": {
            c.consumer_id: canonical_json.sha256_hex(c.genesis)
            for c in desired.chains
            if c.genesis is not None
        },
        "transactions_due": [
            text for intent in desired.announced if (text := descriptions.describe(intent)) not in sent
        ],
        "waits_for_reconciler": [
            f"{c.chain_id}: {due} created by `python reconcile.py`"
            for c in desired.chains
            if (due := _WAITS.get(c.sign_state))
        ],
        "conditions": [
            f"{c.consumer_id} {c.severity.name.lower()} {c.reason}: {c.message}" for c in conditions
        ],
    }
