"""How long launches take, by stamps that no reconciler has a part in."""

import contextlib
import datetime
import json
import math
import threading
import time
from collections.abc import Iterator, Sequence

from websockets.sync import client as websocket

from devnet import places
from ics import names
from ics.cluster.api import kinds
from tests.network import operators


@contextlib.contextmanager
def subscribed(rpc: str) -> Iterator[dict[str, float]]:
    """Wall clock times of launches by consumer id, as the provider's NewBlock events come in."""
    found: dict[str, float] = {}
    is_over, is_listening = threading.Event(), threading.Event()

    def listen() -> None:
        url = rpc.replace("http", "ws", 1) + "/websocket"
        query = {"query": "tm.event='NewBlock'"}
        with websocket.connect(url, max_size=2**26, proxy=None) as connection:
            connection.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "subscribe", "params": query}))
            is_listening.set()
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    text = connection.recv(timeout=0.5)
                    now = time.time()
                    events = (json.loads(text).get("result") or {}).get("events") or {}
                    for consumer_id in events.get("consumer_client_created.consumer_id", ()):
                        found.setdefault(consumer_id, now)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert is_listening.wait(20), "the provider's events are not to be had"
        yield found
    finally:
        is_over.set()
        thread.join()


def unstaged(operator: operators.Operator, ids: Sequence[str]) -> list[str]:
    """Consumer ids of those chains that the operator has not both joined and staged."""
    status = operator.status()
    found = {consumer_id: operator.chain(consumer_id, status) for consumer_id in ids}
    return [
        consumer_id
        for consumer_id, chain in found.items()
        if chain.get("participation") != "validating"
        or "Staged" not in [condition["reason"] for condition in chain["conditions"]]
    ]


def accepted(operator: operators.Operator) -> dict[str, float]:
    """When the later one of a chain's genesis and StatefulSet was made, by consumer id."""
    homes = {
        item["metadata"]["name"]: item["metadata"]["labels"][names.CONSUMER]
        for item in operator.kube.all(kinds.NAMESPACE, **{names.MANAGED_BY: names.MANAGER})
        if names.CONSUMER in item["metadata"]["labels"]
    }
    wanted = {("configmaps", names.GENESIS_NAME), ("statefulsets", names.NODE_NAME)}
    found: dict[str, float] = {}
    with places.audit_log(operator.host.name).open() as log:
        for event in map(json.loads, log):
            what = event.get("objectRef", {})
            is_made = event.get("responseStatus", {}).get("code") == 201
            if not is_made or "dryRun=" in event["requestURI"] or what.get("namespace") not in homes:
                continue
            if (what.get("resource"), what.get("name")) in wanted:
                stamp = datetime.datetime.fromisoformat(event["stageTimestamp"]).timestamp()
                consumer_id = homes[what["namespace"]]
                found[consumer_id] = max(stamp, found.get(consumer_id, 0.0))
    return found


def routed(operator: operators.Operator, consumer_id: str) -> float:
    """When a chain's first EndpointSlice was made, through which the LoadBalancer reaches its node."""
    with places.audit_log(operator.host.name).open() as log:
        for event in map(json.loads, log):
            what = event.get("objectRef", {})
            is_made = (
                event.get("responseStatus", {}).get("code") == 201 and "dryRun=" not in event["requestURI"]
            )
            name = str(what.get("name", ""))
            if is_made and what.get("resource") == "endpointslices" and f"-{consumer_id}-ipv" in name:
                return datetime.datetime.fromisoformat(event["stageTimestamp"]).timestamp()
    raise AssertionError(f"{operator.name}: no EndpointSlice of consumer {consumer_id} was made")


def share(taken: Sequence[float], part: float) -> float:
    """The least of these that so large a part of them does not exceed; 0.5 is the median."""
    return sorted(taken)[max(0, math.ceil(part * len(taken)) - 1)]


def row(title: str, taken: Sequence[float]) -> str:
    """One line of the table: how many, median, the 19th of 20, the slowest; seconds."""
    cells = (share(taken, 0.5), share(taken, 0.95), max(taken))
    return f"{title:<36}{len(taken):>4}" + "".join(f"{seconds:>9.2f}" for seconds in cells)


HEADER = f"{'seconds':<36}{'n':>4}{'p50':>9}{'p95':>9}{'max':>9}"
