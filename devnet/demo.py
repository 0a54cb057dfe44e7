"""The whole story on the local network: a consumer chain from its creation to blocks signed by two.

What it tells is read from the validators' own `ics status`, as an operator would.
"""

import datetime
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from devnet import cron, network, owner, places, plan
from devnet.progress import Progress
from ics import errors

CHAIN_ID: Final = "consumer1-1"
SPAWN_SECONDS: Final = 45
BASE_GENESIS: Final = places.CHECKOUT / "stacks" / "chains" / "ics-example.genesis.json"
MEMBERS: Final = ("alice", "bob")
HEIGHT: Final = 5
_PATIENCE: Final = 180.0

Statuses = dict[str, dict[str, Any]]


def run(progress: Progress) -> None:
    """Tells the story and leaves the network running.

    Raises:
        IcsError: a step fails or takes too long; says what the validators reported last.
    """
    network.up(progress)
    cron.start()
    began = time.monotonic()
    consumer_id = _create(progress)
    _tell(
        progress, "alice and bob opt in, each with the key derived for this chain", consumer_id, _opted_in, 15
    )
    _tell(
        progress,
        "the spawn time comes, the provider launches the chain",
        consumer_id,
        _launched,
        SPAWN_SECONDS,
    )
    _tell(progress, "both make the same genesis and start their nodes", consumer_id, _same_genesis, 10)
    _tell(
        progress, f"the chain makes blocks, signed by both, up to height {HEIGHT}", consumer_id, _signed, 20
    )
    progress.note(f"from the chain's creation to height {HEIGHT}: {time.monotonic() - began:.0f} s")
    for host in plan.HOSTS:
        print(_ics("status", host.name), end="\n\n")
    print(_HINTS)


_HINTS = f"""\
The network goes on running, and so do the three reconcilers (every {cron.EVERY_SECONDS:.0f} s, like cron).
  look        .venv/bin/ics status --stack alice        (bob, charlie; --json)
              .venv/bin/ics plan --stack alice
              .devnet/bin/kubectl --kubeconfig .devnet/alice/kubeconfig-admin get pods -A
  passes      tail -f {places.log(cron.OWNER, cron.PROGRAM)}
  remove it   make down"""


def _create(progress: Progress) -> str:
    now = datetime.datetime.now(datetime.UTC)
    spec = owner.ConsumerSpec(
        chain_id=CHAIN_ID,
        spawn_time=now + datetime.timedelta(seconds=SPAWN_SECONDS),
        genesis_hash=hashlib.sha256(BASE_GENESIS.read_bytes()).hexdigest(),
    )
    with progress.step(f"an owner creates {CHAIN_ID}, to be launched in {SPAWN_SECONDS} s", 3):
        return owner.create_consumer(spec)


def _tell(
    progress: Progress, text: str, consumer_id: str, is_so: Callable[[Statuses], bool], estimate: float
) -> None:
    with progress.step(text, estimate):
        deadline = time.monotonic() + _PATIENCE
        while not is_so(found := _statuses(consumer_id)):
            if time.monotonic() > deadline:
                raise errors.Transient(
                    f"in vain for {_PATIENCE:.0f} s: {text}; last seen {json.dumps(found)}"
                )
            time.sleep(2)


def _opted_in(found: Statuses) -> bool:
    return all(found[name].get("participation") == "validating" for name in MEMBERS)


def _launched(found: Statuses) -> bool:
    return all(found[name].get("phase") == "LAUNCHED" for name in MEMBERS)


def _same_genesis(found: Statuses) -> bool:
    hashes = {found[name].get("genesis_sha256") for name in MEMBERS}
    if None not in hashes and len(hashes) > 1:
        raise errors.Permanent(f"alice and bob made different genesis files: {hashes}")
    return None not in hashes and all(found[name].get("node") for name in MEMBERS)


def _signed(found: Statuses) -> bool:
    nodes = [found[name].get("node") or {} for name in MEMBERS]
    return all((node.get("height") or 0) >= HEIGHT and node.get("signing") for node in nodes)


def _statuses(consumer_id: str) -> Statuses:
    """The chain's entry in the status of those who join; empty where it is not listed."""
    found: Statuses = {}
    for name in MEMBERS:
        chains = json.loads(_ics("status", name, "--json"))["chains"]
        found[name] = next((chain for chain in chains if chain["consumer_id"] == consumer_id), {})
    return found


def _ics(command: str, stack: str, *arguments: str) -> str:
    words = [sys.executable, "-m", "ics.cli.__main__", command, "--stack", stack, *arguments]
    done = subprocess.run(words, cwd=places.CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.Transient(f"ics {command} --stack {stack}: {done.stderr.strip()}")
    return done.stdout.rstrip()
