"""Revisions of the node's pod template, so that a new version of this program restarts no running validator; pure.

Whatever changes in the pod template, or in a file whose checksum is part of it, restarts the node. So every such
change, unless a definition or setting asks for it, belongs to a revision. A running node keeps the revision of which
it was made for as long as its template at that revision is the one that runs; any other reason to restart it, or
`ics nodes roll`, takes the current revision at once.

| revision | adds |
|---|---|
| 1 | |
| 2 | CometBFT's metrics on port 26660; snapshots of the state for others, and state sync of a new node |
| 2 | the use of its volume; pruning |
| 2 | `upgrade-info.json`, halt height and last words |
"""

from collections.abc import Callable
from dataclasses import dataclass

from ics.conditions import Condition, Reason

FIRST = 1
"""Of a StatefulSet that states none."""
UPGRADES = 2
"""The first revision whose nodes write `upgrade-info.json`, and leave their last words."""
METRICS = 2
"""The first revision whose nodes serve CometBFT's metrics."""
STATE_SYNC = 2
"""The first revision whose nodes serve snapshots of their state, and may fetch that of others."""
VOLUME_USE = 2
"""The first revision whose pods measure how full the volume is."""
PRUNING = 2
"""The first revision whose nodes prune as the definition says, and by default."""
CURRENT = 2
"""Of every node that is started."""

PROVIDER = "provider"
"""Stands for the provider node where nodes are named by consumer id."""


@dataclass(frozen=True, slots=True)
class RecordedTemplate:
    """The pod template that a StatefulSet has, as recorded beside it."""

    revision: int
    digest: str
    """Of everything in it but the pod settings, see `ics.names.TEMPLATE`; empty: not recorded."""


def choose(
    recorded: RecordedTemplate | None,
    running: str,
    digest_at: Callable[[int], str],
    *,
    is_rolled: bool,
) -> int:
    """Return the revision of a node's template.

    Args:
        recorded: of its StatefulSet; None: there is none, so that nothing runs.
        running: digest that the running pod states of its template, for a StatefulSet that states none; empty: unknown.
        digest_at: renders the template at a revision and returns its digest.
        is_rolled: whether the operator asks for a restart at the current revision.
    """
    if recorded is None or is_rolled or not FIRST <= recorded.revision < CURRENT:
        return CURRENT
    digest = recorded.digest or running
    # Without any digest nothing says that the template differs, and a restart would be a guess.
    if not digest or digest == digest_at(recorded.revision):
        return recorded.revision
    return CURRENT


def old(consumer_id: str, revision: int) -> tuple[Condition, ...]:
    """Return the condition of a node that keeps an earlier revision.

    Args:
        consumer_id: of the chain; empty: of the provider node.
        revision: of its template.
    """
    if revision == CURRENT:
        return ()
    whose = "the node" if consumer_id else "the provider node"
    message = (
        f"{whose} keeps node revision {revision} of {CURRENT} until it restarts for another reason; to restart it now,"
        f" run: ics nodes roll {consumer_id or PROVIDER}"
    )
    return (Condition.new(Reason.REVISION_OLD, message, consumer_id),)
