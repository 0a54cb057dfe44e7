"""What a Pulumi run by hand prints beside its changes; pure.

These are facts of one block of the provider. They change without an update, so they are printed with the block's
height, and not stored among the outputs of the stack.
"""

from ics.consumer import desired as consumer_desired
from ics.consumer import signing
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


def render(desired: consumer_desired.Desired) -> tuple[str, ...]:
    """Return one line for each transaction due, each object that the reconciler creates, and each condition."""
    due = [
        f"transaction due, sent by `ics up`: {descriptions.describe(intent)}" for intent in desired.announced
    ]
    waits = [
        f"{chain.chain_id}: {awaited} created by `ics up`"
        for chain in desired.chains
        if (awaited := _WAITS.get(chain.sign_state))
    ]
    conditions = [
        f"consumer {c.consumer_id}: {c.severity.name.lower()} {c.reason}: {c.message}"
        for decision in desired.decisions
        for c in decision.conditions
    ]
    return tuple(f"at height {desired.height}: {line}" for line in (*due, *waits, *conditions))
