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

from devnet import cron, identities, network, owner, places, plan
from devnet.progress import Progress
from ics import errors

CHAIN_ID: Final = "consumer1-1"
SPAWN_SECONDS: Final = 45
BASE_GENESIS: Final = places.CHECKOUT / "stacks" / "chains" / "ics-example.genesis.json"
MEMBERS: Final = ("alice", "bob")
HEIGHT: Final = 5
DELEGATION: Final = 5_000_000_000
"""In the provider's denom: 5000 of power."""
_PATIENCE: Final = 420.0

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
    _relay(progress, consumer_id)
    progress.note(f"from the chain's creation to an acknowledged update: {time.monotonic() - began:.0f} s")
    for host in plan.HOSTS:
        print(_ics("status", host.name), end="\n\n")
    print(_ics("hermes status", MEMBERS[0]), end="\n\n")
    print(_HINTS)


def _relay(progress: Progress, consumer_id: str) -> None:
    """The channel opens, and a delegation on the provider reaches the consumer's validator set."""
    _await(progress, "a relayer opens the CCV and the transfer channel", consumer_id, _channels_open, 100)
    before = _packets(consumer_id)
    validator = identities.validators()[0].operator_address
    with progress.step(f"a delegation of {DELEGATION}{plan.DENOM} to alice", 3):
        owner.delegate(validator, DELEGATION)

    def is_acknowledged(_: str) -> bool:
        packets = _packets(consumer_id)
        received = packets["last_vsc_received"]
        return received > before["last_vsc_received"] and packets["pending_to_consumer"] == 0

    _await(
        progress, "its validator update (VSC) is relayed and acknowledged", consumer_id, is_acknowledged, 25
    )


def _await(
    progress: Progress, text: str, consumer_id: str, is_so: Callable[[str], bool], estimate: float
) -> None:
    with progress.step(text, estimate):
        deadline = time.monotonic() + _PATIENCE
        while not is_so(consumer_id):
            if time.monotonic() > deadline:
                raise errors.Transient(
                    f"in vain for {_PATIENCE:.0f} s: {text}; last seen {json.dumps(_relaying(consumer_id))}"
                )
            time.sleep(2)


def _channels_open(consumer_id: str) -> bool:
    channels = _relaying(consumer_id)["channels"]
    ends = [
        (channels[name] or {}).get(side) for name in ("ccv", "transfer") for side in ("provider", "consumer")
    ]
    return all(isinstance(end, dict) and end["state"] == "OPEN" for end in ends)


def _packets(consumer_id: str) -> dict[str, int]:
    found: dict[str, int] = _relaying(consumer_id)["packets"] or {
        "last_vsc_received": 0,
        "pending_to_consumer": 0,
    }
    return found


def _relaying(consumer_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_ics("hermes status", MEMBERS[0], consumer_id, "--json"))["chains"][0]
    return found


_HINTS = f"""\
The network goes on running, and so do the three reconcilers (every {cron.EVERY_SECONDS:.0f} s, like cron).
  look        .venv/bin/ics status --stack alice        (bob, charlie; --json)
              .venv/bin/ics plan --stack alice
              .venv/bin/ics hermes status --stack alice
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
    words = [sys.executable, "-m", "ics.cli.__main__", *command.split(), "--stack", stack, *arguments]
    done = subprocess.run(words, cwd=places.CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.Transient(f"ics {command} --stack {stack}: {done.stderr.strip()}")
    return done.stdout.rstrip()
