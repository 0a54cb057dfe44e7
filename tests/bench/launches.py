"""How long a launch takes in resident mode, on a real provider chain and a real API server; run by `make bench`.

    python -m tests.bench.launches [--launches 20] [--readme]

From the NewBlock event of the launch block, as a subscriber of its own receives it, to the genesis ConfigMap
and the StatefulSet, as a watch of its own sees them made. Twenty launches with events, twenty without: five minutes.
Nothing runs in this cluster; `tests.bench.first_blocks` goes on from here. With `--readme`, the table in README.md
becomes that of this run.
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from ics import names
from ics.cluster.api import kinds
from ics.config import settings
from tests import documents
from tests.bench import readme
from tests.network import launch_times, stage

LAUNCHES = 20
SOURCE = "tests.bench.launches"
INTERVAL = settings.PollingSettings().after
"""Seconds between two passes after a spawn time, without events."""
EVENTS, POLLING = "StatefulSet accepted, with events", "StatefulSet accepted, without"
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


def measured(count: int, log: pathlib.Path | None) -> dict[str, list[float]]:
    """Seconds from the launch block to both objects, with events and without; by title."""
    taken = {}
    with tempfile.TemporaryDirectory() as folder, stage.running(pathlib.Path(folder)) as place:
        kubeconfig = place.server.kubeconfig("admin")
        with launch_times.subscribed(place.node.rpc) as launched:
            stamps, is_over = Stamps(launched), threading.Event()
            for what in (
                (kinds.CONFIG_MAP, names.GENESIS, stamps.genesis),
                (kinds.STATEFUL_SET, names.NODE, stamps.workload),
            ):
                threading.Thread(target=watch, args=(kubeconfig, *what, is_over), daemon=True).start()
            for number, (title, value) in enumerate(((EVENTS, "true"), (POLLING, "false"))):
                flags = ("--set", f"daemon.events={value}")
                with reconciler(place.root, log or pathlib.Path(folder, "log"), *flags):
                    ids = launches(place, stamps, count, 100 * number + 2)
                taken[title] = [stamps.taken(one) for one in ids]
                print(f"{title}: done, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
            is_over.set()
    return taken


def table(taken: Mapping[str, Sequence[float]]) -> str:
    """Return the table."""
    rows = [launch_times.row(title, seconds) for title, seconds in taken.items()]
    return "\n".join([launch_times.HEADER, *rows])


def goals(taken: Mapping[str, Sequence[float]]) -> Iterator[readme.Goal]:
    """Yield what is to be reached."""
    events, polling = taken[EVENTS], taken[POLLING]
    yield f"{EVENTS}: p50", launch_times.share(events, 0.5), 0.25
    yield f"{EVENTS}: p95", launch_times.share(events, 0.95), 1.0
    yield f"{POLLING}: p95, interval {INTERVAL:g} s", launch_times.share(polling, 0.95), INTERVAL + 0.5


def main() -> None:
    """Print the table, and what of it is to be reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--launches", type=int, default=LAUNCHES)
    parser.add_argument("--keep-log", type=pathlib.Path)
    parser.add_argument(readme.FLAG, action="store_true")
    args = parser.parse_args()
    taken = measured(args.launches, args.keep_log)
    print(f"from the launch block\n{table(taken)}\n\nto reach:\n{readme.judged(goals(taken))}")
    if args.readme:
        path = documents.ROOT / "README.md"
        path.write_text(readme.with_table(path.read_text(), table(taken), SOURCE))


if __name__ == "__main__":
    main()
