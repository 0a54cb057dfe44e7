"""Ten minutes with three liars among the provider's endpoints, beside a slow drip and a gzip bomb.

One lies about heights, one about phases, one about key use and gas; each in turn is listed first. Chains are created
and launched all the time, and nothing that the liars say may show: nothing is removed, nothing is paid above its
ceiling, no opt-in is paid twice, and every launch is followed at most one polling interval late.
"""

import contextlib
import itertools
import pathlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from devnet import identities, plan
from ics import names
from ics.cluster.api import kinds
from tests.network import chains, launch, liars, operators, residents, waiting

pytestmark = pytest.mark.soak

MINUTES = 10.0
EVERY = 60.0
"""Seconds between two chains."""
AHEAD = 40.0
"""Seconds from a chain's creation to its spawn time."""
INTERVAL = 30.0
"""Polling interval of the daemon."""
START = 30.0
"""Seconds that a node takes from its pod to its first block on a busy machine."""
CEILING = 2_000
"""Largest fee in stake: `max_gas` of an opt-in, 1,000,000, at 0.001stake, and some room."""
LIES = (liars.about_height, liars.about_phase, liars.about_keys)


@contextlib.contextmanager
def endpoints(node: operators.Operator, other: operators.Operator) -> Iterator[list[tuple[str, ...]]]:
    """Yield the settings with each of the three liars listed first."""
    real = f"http://{node.host.address}:{plan.GRPC_PORT}"
    with contextlib.ExitStack() as stack:
        lies = [stack.enter_context(liars.lying(node.host.rest, lie)) for lie in LIES]
        greedy = stack.enter_context(liars.lying_grpc(real))
        beside = [stack.enter_context(bad(node.host.rest)) for bad in (liars.dripping, liars.pouring)]
        turns = []
        for first in range(len(lies)):
            rest = [*lies[first:], *lies[:first], node.host.rest, other.host.rest, *beside]
            grpc = [greedy, real] if first == len(lies) - 1 else [real, greedy]
            listed = (f"provider.rest=[{', '.join(rest)}]", f"provider.grpc=[{', '.join(grpc)}]")
            delay = ("node.removal_delay=1m", "relayer.enabled=false")
            turns.append(tuple(itertools.chain.from_iterable(("--set", one) for one in (*listed, *delay))))
        yield turns


def test_three_liars_among_five_endpoints_for_ten_minutes(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    ids: list[str] = []
    late: dict[str, float] = {}
    with endpoints(alice, bob) as turns:
        began = time.monotonic()
        for number, flags in enumerate(turns):
            folder = tmp_path / str(number)
            folder.mkdir()
            with residents.Residents((alice.name,), folder, *flags) as staying:
                while launch.since(began) < (number + 1) * MINUTES * 60 / len(turns):
                    created = time.monotonic()
                    ids.append(chains.create(chains.fresh("consumer-liars"), AHEAD))
                    late[ids[-1]] = lateness(alice, ids[-1])
                    assert not staying.dead()
                    time.sleep(max(0.0, EVERY - launch.since(created)))
                kept(alice, ids)
    waiting.figure("launches among liars", float(len(ids)), "")
    waiting.figure("the latest node after its launch", max(late.values()))
    assert max(late.values()) <= INTERVAL + START, late
    paid_once(alice, ids)


def lateness(operator: operators.Operator, consumer_id: str) -> float:
    """Wait until a chain is launched and has a node here with a genesis; return the seconds between the two."""
    waiting.until("it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED")
    at = time.monotonic()
    waiting.until(
        f"{operator.name} runs consumer {consumer_id}",
        lambda: operator.kube.all(
            kinds.CONFIG_MAP, **{names.CONSUMER: consumer_id, names.COMPONENT: names.GENESIS}
        ),
        bool,
        seconds=INTERVAL + START,
        every=1.0,
    )
    return launch.since(at)


def kept(operator: operators.Operator, ids: Sequence[str]) -> None:
    """Assert that every chain still has its node."""
    there = operator.kube.all(kinds.STATEFUL_SET, **{names.COMPONENT: names.NODE})
    assert set(ids) <= {one["metadata"]["labels"][names.CONSUMER] for one in there}


def paid_once(operator: operators.Operator, ids: Sequence[str]) -> None:
    """Assert by the chain's own record that there was one opt-in for each chain, and what it cost at most."""
    signer = f"message.sender='{operator.validator.account.address(identities.PREFIX)}'"
    found = chains.ask("/cosmos/tx/v1beta1/txs", query=signer, **{"pagination.limit": "500"})
    opt_ins: Counter[str] = Counter()
    for sent, result in zip(found["txs"], found["tx_responses"], strict=True):
        (message,) = sent["body"]["messages"]
        if message["@type"].endswith(".MsgOptIn") and result["code"] == 0:
            opt_ins[message["consumer_id"]] += 1
        (fee,) = sent["auth_info"]["fee"]["amount"] or [{"amount": "0"}]
        assert int(fee["amount"]) <= CEILING, message
    assert [opt_ins[consumer_id] for consumer_id in ids] == [1] * len(ids)
