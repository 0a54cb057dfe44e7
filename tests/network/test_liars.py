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
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from devnet import plan
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
GATEWAY = "provider"
CEILING = 2_000
"""Largest fee in stake: `max_gas` of an opt-in, 1,000,000, at 0.001stake, and some room."""
LIES = (liars.about_height, liars.about_phase, liars.about_keys)


@contextlib.contextmanager
def endpoints(
    node: operators.Operator, other: operators.Operator
) -> Iterator[list[tuple[liars.Change, tuple[str, ...]]]]:
    """Yield each of the three liars with the settings in which it is listed first."""
    real = f"http://{node.host.address}:{plan.GRPC_PORT}"
    with contextlib.ExitStack() as stack:
        lies = [stack.enter_context(liars.lying(node.host.rest, lie)) for lie in LIES]
        greedy = stack.enter_context(liars.lying_grpc(real))
        beside = [stack.enter_context(bad(node.host.rest)) for bad in (liars.dripping, liars.pouring)]
        turns: list[tuple[liars.Change, tuple[str, ...]]] = []
        for first, liar in enumerate(LIES):
            rest = [*lies[first:], *lies[:first], node.host.rest, other.host.rest, *beside]
            grpc = [greedy, real] if first == len(lies) - 1 else [real, greedy]
            listed = (f"provider.rest=[{', '.join(rest)}]", f"provider.grpc=[{', '.join(grpc)}]")
            delay = ("node.removal_delay=1m", "relayer.enabled=false")
            flags = itertools.chain.from_iterable(("--set", one) for one in (*listed, *delay))
            turns.append((liar, tuple(flags)))
        yield turns


def test_three_liars_among_five_endpoints_for_ten_minutes(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    before, known = len(sent(alice)), _others(alice)
    seen: dict[str, str] = {}
    late: dict[str, float] = {}
    with endpoints(alice, bob) as turns:
        began = time.monotonic()
        for number, (liar, flags) in enumerate(turns):
            folder = tmp_path / str(number)
            folder.mkdir()
            liars.TOLD.clear()
            with residents.Residents((alice.name,), folder, *flags) as staying:
                while launch.since(began) < (number + 1) * MINUTES * 60 / len(turns):
                    created = time.monotonic()
                    consumer_id = chains.create(chains.fresh("consumer-liars"), AHEAD)
                    late[consumer_id] = lateness(alice, consumer_id)
                    seen = kept(alice, {*known, *late}, seen)
                    assert not staying.dead()
                    time.sleep(max(0.0, EVERY - launch.since(created)))
                seen = kept(alice, {*known, *late}, seen)
            assert liars.TOLD[liar.__name__], f"{liar.__name__} was not asked"
    waiting.figure("launches among liars", float(len(late)), "")
    waiting.figure("the latest node after its launch", max(late.values()))
    assert max(late.values()) <= INTERVAL + START, late
    paid_once(sent(alice)[before:], list(late))


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


def kept(operator: operators.Operator, ids: Collection[str], before: Mapping[str, str]) -> dict[str, str]:
    """Assert that every chain has its node, and that whatever was there before still is, and is the same.

    Returns:
        What is there now: uids of nodes and volumes, and the gateway's ports.
    """
    nodes = operator.kube.all(kinds.STATEFUL_SET, **{names.COMPONENT: names.NODE})
    assert set(ids) <= {one["metadata"]["labels"][names.CONSUMER] for one in nodes}
    homes = {one["metadata"]["namespace"] for one in nodes}
    claims = [one for one in operator.kube.all(kinds.VOLUME_CLAIM) if one["metadata"]["namespace"] in homes]
    assert {one["metadata"]["namespace"] for one in claims} == homes
    now = {
        f"{kind} {one['metadata']['namespace']}/{one['metadata']['name']}": str(one["metadata"]["uid"])
        for kind, found in (("StatefulSet", nodes), ("PersistentVolumeClaim", claims))
        for one in found
    }
    gateway = operator.kube.get(kinds.SERVICE, GATEWAY, names.GATEWAY_SERVICE)
    now |= {f"port {one['name']}": str(one["port"]) for one in gateway["spec"]["ports"]}
    assert {name: now.get(name) for name in before} == before
    return now


def _others(operator: operators.Operator) -> set[str]:
    """Chains of other stories that have a node here, and are still launched."""
    nodes = operator.kube.all(kinds.STATEFUL_SET, **{names.COMPONENT: names.NODE})
    launched = {one["consumer_id"] for one in chains.of_phase(3)}
    return {one["metadata"]["labels"][names.CONSUMER] for one in nodes} & launched


def sent(operator: operators.Operator) -> list[tuple[Mapping[str, Any], int]]:
    """Return all transactions of a validator's account in the chain's blocks, with their codes, the oldest first."""
    found: list[tuple[Mapping[str, Any], int]] = []
    for page in itertools.count(1):
        query = {"query": f"message.sender='{operator.account}'", "page": str(page), "limit": "100"}
        answer = httpx.get(
            f"{operator.host.rest}/cosmos/tx/v1beta1/txs",
            params={**query, "order_by": "ORDER_BY_ASC"},
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        body = answer.json()
        codes = [int(one["code"]) for one in body["tx_responses"]]
        found += zip(body["txs"], codes, strict=True)
        if len(found) >= int(body["total"]) or not body["txs"]:
            return found
    raise AssertionError("unreachable")


def paid_once(transactions: Sequence[tuple[Mapping[str, Any], int]], ids: Sequence[str]) -> None:
    """Assert by the chain's own record that each chain has one opt-in, that none failed, and what all cost at most."""
    opt_ins: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for transaction, code in transactions:
        [message] = transaction["body"]["messages"]
        [fee] = transaction["auth_info"]["fee"]["amount"]
        assert (fee["denom"], code) == ("stake", 0), message
        assert int(fee["amount"]) <= CEILING, message
        if message["@type"].endswith(".MsgOptIn"):
            opt_ins[message["consumer_id"]] += 1
        else:
            others[message["@type"].rpartition(".")[2]] += 1
    assert opt_ins == dict.fromkeys(ids, 1)
    # The gateway's address, if it was not published yet.
    assert others in (Counter(), Counter(MsgEditValidator=1))
