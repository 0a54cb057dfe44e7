"""Facts that a test hands to a program, which then reads neither the provider nor the cluster and takes no Lease."""

import os
import pathlib
import pickle

from devnet import places
from ics.consumer import desired, observed
from ics.pulumi_program import plan, preparation
from ics.reconciler import observe, reconcile, wiring, world

_VARIABLE = "HANDED_FACTS"
_FIRST = f"""import sys

sys.path.insert(0, {str(places.CHECKOUT)!r})

from tests.pulumi import handed

handed.use()
"""


def program(path: pathlib.Path) -> str:
    """The product's program, and before it what lets it use a test's facts."""
    return _FIRST + path.read_text()


def hand(facts: observed.Observed, path: pathlib.Path) -> dict[str, str]:
    """Write the facts into a file; answers the environment of a program that is to use them."""
    path.write_bytes(pickle.dumps(facts))
    return {_VARIABLE: str(path)}


def use() -> None:
    """Let the program of this process use the facts that its environment names, if it names any."""
    path = os.environ.get(_VARIABLE)
    if path is None:
        return
    facts: observed.Observed = pickle.loads(pathlib.Path(path).read_bytes())  # noqa: S301 - a test wrote it

    async def read(own: world.World, *_: object) -> tuple[observed.Observed, desired.Desired]:
        return facts, observe.compute(own, facts)

    async def by_hand(_: wiring.OpenStack, wanted: desired.Desired, *__: object) -> plan.ByHand:
        return plan.ByHand(manifests=reconcile.render(wanted))

    observe.read = read  # type: ignore[assignment]
    plan._by_hand = by_hand  # type: ignore[assignment]
    preparation._hold_lease = lambda *_: None
