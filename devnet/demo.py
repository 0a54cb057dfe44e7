"""Demonstration on the local network: a consumer chain from its creation to relayed updates, and one's upgrade.

All results are read from the validators' own `ics status`, as an operator would.
"""

import datetime
import hashlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from devnet import cron, identities, network, owner, places, plan, upgrades
from devnet.progress import Progress
from ics import errors

SPAWN_SECONDS: Final = 45
_CHAINS: Final = places.CHECKOUT / "stacks" / "chains"
BASE_GENESIS: Final = _CHAINS / "ics-example.genesis.json"
UPGRADED_GENESIS: Final = _CHAINS / "ics-democracy.genesis.json"
"""With a plan that its governor has voted for; the definition beside it has the image for it."""
UPGRADE_HEIGHT: Final = 40
MEMBERS: Final = ("alice", "bob")
HEIGHT: Final = 5
DELEGATION: Final = 5_000_000_000
"""In the provider's denom; 5000 of power."""
_PATIENCE: Final = 420.0

Statuses = dict[str, dict[str, Any]]


def run(progress: Progress) -> None:
    """Run the demonstration and leave the network running.

    Raises:
        IcsError: a step fails or takes too long; the message contains the last reports of the validators.
    """
    network.up(progress)
    cron.start()
    started = time.monotonic()
    consumer_id = _launch(progress, "consumer", BASE_GENESIS)
    progress.note(f"from the chain's creation to height {HEIGHT}: {time.monotonic() - started:.0f} s")
    _relay(progress, consumer_id)
    progress.note(f"from the chain's creation to an acknowledged update: {time.monotonic() - started:.0f} s")
    _upgrade(progress)
    for host in plan.HOSTS:
        print(_ics("status", host.name), end="\n\n")
    print(_ics("hermes status", MEMBERS[0]), end="\n\n")
    print(_HINTS)


def _launch(progress: Progress, stem: str, genesis: Path) -> str:
    """Create a chain and wait until alice and bob sign its blocks; return its consumer id."""
    consumer_id = _create(progress, stem, genesis)
    _await_status(
        progress, "alice and bob opt in, each with the key derived for this chain", consumer_id, _opted_in, 15
    )
    _await_status(
        progress,
        "the spawn time is reached, and the provider launches the chain",
        consumer_id,
        _launched,
        SPAWN_SECONDS,
    )
    _await_status(
        progress, "both create the same genesis and start their nodes", consumer_id, _same_genesis, 10
    )
    _await_status(
        progress, f"the chain produces blocks signed by both, up to height {HEIGHT}", consumer_id, _signed, 20
    )
    return consumer_id


def _upgrade(progress: Progress) -> None:
    """Launch a chain with governance, and follow alice's conditions through its upgrade."""
    with progress.step("alice and bob get the images of both versions of a chain with governance", 10):
        for name in MEMBERS:
            upgrades.deliver(
                plan.host(name), plan.DEMOCRACY_IMAGE, plan.SECOND_DEMOCRACY_IMAGE, progress=progress
            )
    consumer_id = _launch(progress, "democracy", UPGRADED_GENESIS)
    noted: list[str] = []

    def is_upgraded(statuses: Statuses) -> bool:
        for condition in statuses[MEMBERS[0]].get("conditions", ()):
            if condition["reason"].startswith("Upgrad") and condition["reason"] not in noted:
                noted.append(condition["reason"])
                progress.note(f"  {condition['reason']}: {condition['message']}")
        nodes = [statuses[name].get("node") or {} for name in MEMBERS]
        return all((node.get("height") or 0) > UPGRADE_HEIGHT and node.get("signing") for node in nodes)

    text = f"its plan halts it at height {UPGRADE_HEIGHT}; both go on with the image of the next version"
    _await_status(progress, text, consumer_id, is_upgraded, 60)
    print(_ics("upgrade list", MEMBERS[0], consumer_id), end="\n\n")


def _relay(progress: Progress, consumer_id: str) -> None:
    """Wait for the channels, and for a delegation to change the consumer's validator set."""
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
                    f"timeout after {_PATIENCE:.0f} s: {text}; last state {json.dumps(_relaying(consumer_id))}"
                )
            time.sleep(2)


def _channels_open(consumer_id: str) -> bool:
    channels = _relaying(consumer_id)["channels"]
    ends = [
        (channels[name] or {}).get(side) for name in ("ccv", "transfer") for side in ("provider", "consumer")
    ]
    return all(isinstance(end, dict) and end["state"] == "OPEN" for end in ends)


def _packets(consumer_id: str) -> dict[str, int]:
    packets: dict[str, int] = _relaying(consumer_id)["packets"] or {
        "last_vsc_received": 0,
        "pending_to_consumer": 0,
    }
    return packets


def _relaying(consumer_id: str) -> dict[str, Any]:
    chain: dict[str, Any] = json.loads(_ics("hermes status", MEMBERS[0], consumer_id, "--json"))["chains"][0]
    return chain


_HINTS = f"""\
The network and the three reconcilers (every {cron.EVERY_SECONDS:.0f} s, like cron) keep running.
  inspect     .venv/bin/ics status --stack alice        (bob, charlie; --json)
              .venv/bin/ics plan --stack alice
              .venv/bin/ics hermes status --stack alice
              .venv/bin/ics upgrade list --stack alice
              .devnet/bin/kubectl --kubeconfig .devnet/alice/kubeconfig-admin get pods -A
  log         tail -f {places.log(cron.OWNER, cron.PROGRAM)}
  remove      make down"""


def _create(progress: Progress, stem: str, genesis: Path) -> str:
    now = datetime.datetime.now(datetime.UTC)
    # Of two chains with one id neither would be joined.
    taken = owner.chain_ids()
    chain_id = next(one for one in (f"{stem}{n}-1" for n in itertools.count(1)) if one not in taken)
    spec = owner.ConsumerSpec(
        chain_id=chain_id,
        spawn_time=now + datetime.timedelta(seconds=SPAWN_SECONDS),
        genesis_hash=hashlib.sha256(genesis.read_bytes()).hexdigest(),
    )
    with progress.step(f"an owner creates {chain_id}, to be launched in {SPAWN_SECONDS} s", 3):
        return owner.create_consumer(spec)


def _await_status(
    progress: Progress, text: str, consumer_id: str, is_so: Callable[[Statuses], bool], estimate: float
) -> None:
    with progress.step(text, estimate):
        deadline = time.monotonic() + _PATIENCE
        while not is_so(statuses := _statuses(consumer_id)):
            if time.monotonic() > deadline:
                raise errors.Transient(
                    f"timeout after {_PATIENCE:.0f} s: {text}; last state {json.dumps(statuses)}"
                )
            time.sleep(2)


def _opted_in(statuses: Statuses) -> bool:
    return all(statuses[name].get("participation") == "validating" for name in MEMBERS)


def _launched(statuses: Statuses) -> bool:
    return all(statuses[name].get("phase") == "LAUNCHED" for name in MEMBERS)


def _same_genesis(statuses: Statuses) -> bool:
    hashes = {statuses[name].get("genesis_sha256") for name in MEMBERS}
    if None not in hashes and len(hashes) > 1:
        raise errors.Permanent(f"alice and bob created different genesis files: {hashes}")
    return None not in hashes and all(statuses[name].get("node") for name in MEMBERS)


def _signed(statuses: Statuses) -> bool:
    nodes = [statuses[name].get("node") or {} for name in MEMBERS]
    return all((node.get("height") or 0) >= HEIGHT and node.get("signing") for node in nodes)


def _statuses(consumer_id: str) -> Statuses:
    """Return the chain's entry in the status of each participating validator, empty if it is not listed."""
    statuses: Statuses = {}
    for name in MEMBERS:
        chains = json.loads(_ics("status", name, "--json"))["chains"]
        statuses[name] = next((chain for chain in chains if chain["consumer_id"] == consumer_id), {})
    return statuses


def _ics(command: str, stack: str, *arguments: str) -> str:
    argv = [sys.executable, "-m", "ics.cli.__main__", *command.split(), "--stack", stack, *arguments]
    done = subprocess.run(argv, cwd=places.CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.Transient(f"ics {command} --stack {stack}: {done.stderr.strip()}")
    return done.stdout.rstrip()
