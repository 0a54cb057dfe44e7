"""How long a launch takes in resident mode, on a real provider chain and a real API server; run by `make bench`.

From the NewBlock event of the launch block, as a subscriber of its own receives it, to the genesis ConfigMap
and the StatefulSet, as a watch of its own sees them made. Ten launches with events, ten without. Nothing
runs in this cluster.
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from ics import names
from ics.cluster.api import kinds
from tests import documents
from tests.network import launch_times, stage

LAUNCHES = 10
APART = 4.0
"""Seconds between two spawn times."""
AHEAD = 25.0
"""Seconds from the first creation to the first spawn time."""


@dataclass
class Stamps:
    """Wall clock times, by consumer id."""

    launched: Mapping[str, float]
    """The NewBlock event of the launch block came in."""
    genesis: dict[str, float] = field(default_factory=dict)
    workload: dict[str, float] = field(default_factory=dict)

    def taken(self, consumer_id: str) -> float:
        """Seconds from the launch block to both objects."""
        return max(self.genesis[consumer_id], self.workload[consumer_id]) - self.launched[consumer_id]


def watch(
    kubeconfig: pathlib.Path,
    kind: kinds.Kind,
    component: str,
    found: dict[str, float],
    is_over: threading.Event,
) -> None:
    """Stamp the objects of this kind as they are made."""
    document = json.loads(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    context = ssl.create_default_context(cafile=kubeconfig.parent / cluster["certificate-authority"])
    headers = {"Authorization": f"Bearer {user['token']}"}
    query = {"watch": "1", "labelSelector": f"{names.COMPONENT}={component}", "timeoutSeconds": "600"}
    with httpx.Client(
        base_url=cluster["server"], headers=headers, verify=context, timeout=600, trust_env=False
    ) as http:
        # An API server that has just begun ends a watch until its cache is filled.
        while not is_over.is_set():
            with (
                contextlib.suppress(httpx.TransportError),
                http.stream("GET", kind.path(), params=query) as lines,
            ):
                lines.raise_for_status()
                for line in lines.iter_lines():
                    now = time.time()
                    event = json.loads(line)
                    if event["type"] == "ADDED":
                        found.setdefault(event["object"]["metadata"]["labels"][names.CONSUMER], now)


@contextlib.contextmanager
def reconciler(root: pathlib.Path, log: pathlib.Path, *flags: str) -> Iterator[None]:
    """`reconcile.py --watch` in a process of its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ICS_")}
    words = ["-m", "ics.cli", "watch", "--stack", "alice", "--project", str(root)]
    words += ["--set", "relayer.enabled=false", "--set", "daemon.port=0", *flags]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=documents.ROOT, env=environment, stdout=out, stderr=out
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


def until(what: str, is_so: bool, deadline: float) -> bool:
    """Whether to look once more."""
    if is_so:
        return False
    assert time.monotonic() < deadline, f"waited in vain until {what}"
    time.sleep(0.5)
    return True


def launches(place: stage.Stage, stamps: Stamps, count: int, first: int) -> list[str]:
    """Create chains that spawn one after the other, wait for all, and answer their consumer ids."""
    base = hashlib.sha256((place.root / "stacks/chains/ics-example.genesis.json").read_bytes()).digest()
    begin = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=AHEAD)
    ids = []
    for number in range(count):
        spawn = begin + datetime.timedelta(seconds=APART * number)
        text = spawn.isoformat().replace("+00:00", "Z")
        ids.append(place.node.create_consumer(f"consumer{first + number}-1", text, genesis_hash=base))
    deadline = time.monotonic() + AHEAD + APART * count + 90
    while until("all are launched", set(ids) <= set(stamps.launched), deadline):
        pass
    while until("all are deployed", set(ids) <= set(stamps.genesis) & set(stamps.workload), deadline):
        pass
    return ids


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=LAUNCHES)
    parser.add_argument("--keep-log", type=pathlib.Path)
    parser.add_argument("--only", choices=("events", "polling"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, stage.running(pathlib.Path(folder)) as place:
        log = args.keep_log or pathlib.Path(folder, "log")
        kubeconfig = place.server.kubeconfig("admin")
        with launch_times.subscribed(place.node.rpc) as launched:
            stamps, is_over = Stamps(launched), threading.Event()
            for what in (
                (kinds.CONFIG_MAP, names.GENESIS, stamps.genesis),
                (kinds.STATEFUL_SET, names.NODE, stamps.workload),
            ):
                threading.Thread(target=watch, args=(kubeconfig, *what, is_over), daemon=True).start()
            print(f"from the launch block to genesis and StatefulSet\n{launch_times.HEADER}")
            for number, (title, value) in enumerate((("events", "true"), ("polling", "false"))):
                if args.only in (None, title):
                    with reconciler(place.root, log, "--set", f"daemon.events={value}"):
                        ids = launches(place, stamps, args.launches, 100 * number + 2)
                    taken = [stamps.taken(one) for one in ids]
                    print(launch_times.row(f"with {title}, load {os.getloadavg()[0]:.1f}", taken), flush=True)
            is_over.set()


if __name__ == "__main__":
    main()
