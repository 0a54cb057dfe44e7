"""Faults on the local network: each calls the operator by the rules and by the push, its runbook ends it, it resolves.

Each test can be run alone with `-k`. Two more are in `test_alarms.py`, which `make test` runs.
"""

import pathlib
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ics.keys import derivation
from ics.monitoring import dashboard
from tests.monitoring import test_dashboard
from tests.network import (
    alarms,
    ballast,
    launch,
    operators,
    quick_chain,
    relaying,
    test_relay_faults,
    volumes,
    waiting,
)

UNANSWERED = ("cometbft_", "process_start_time_seconds", "tx_latency_", "ws_reconnect_", "ics_upgrade_")
"""Parts of queries about programs that are not scraped here, and about what the chain does not have."""
LOOKS = 65.0
"""Seconds within which a node's pod says how full its volume is."""

pytestmark = [pytest.mark.soak, pytest.mark.story(when="QUIET")]


@pytest.fixture
def called(alice: operators.Operator, consumer: str, tmp_path: pathlib.Path) -> Iterator[alarms.Alarms]:
    with alarms.Alarms(alice.name, tmp_path, "--set", "node.stuck_after=15s") as found:
        yield found


def test_dashboard_is_answered(called: alarms.Alarms) -> None:
    """Each query about this validator and its chain has an answer."""
    asked = [
        test_dashboard.chosen(text)
        for text in dashboard.expressions()
        if not any(part in text for part in UNANSWERED)
    ]

    def silent() -> list[str]:
        return [text for text in asked if not called.query(text)]

    waiting.until("every query is answered", silent, lambda found: not found)


def test_node_is_gone(alice: operators.Operator, called: alarms.Alarms, consumer: str) -> None:
    reasons = ("PodMissing", "PodWaiting", "NodeUnreachable")
    alarm = alarms.Alarm("IcsNodeDown", reasons, alice.name, consumer)
    called.quiet(alarm)
    with alarms.without_room(alice, launch.namespace_of(alice, consumer)):
        called.fires(alarm)
    called.resolves(alarm)


def test_chain_is_halted(
    alice: operators.Operator, bob: operators.Operator, called: alarms.Alarms, consumer: str
) -> None:
    alarm = alarms.Alarm("IcsChainHalted", ("ChainHalted",), alice.name, consumer)
    called.quiet(alarm)
    with relaying.frozen(bob.kube.process(launch.namespace_of(bob, consumer))):
        called.fires(alarm)
    # The other validator has started its node again.
    called.resolves(alarm)


def test_node_has_no_peers(
    alice: operators.Operator, bob: operators.Operator, called: alarms.Alarms, consumer: str
) -> None:
    """Alice has one peer; without it her chain halts, for which there is an alert."""
    alarm = alarms.Alarm("IcsChainHalted", ("NoPeers",), alice.name, consumer)
    called.quiet(alarm)
    with alarms.without_room(bob, launch.namespace_of(bob, consumer)):
        called.fires(alarm)
    called.resolves(alarm)


def test_wallet_is_empty(
    alice: operators.Operator,
    bob: operators.Operator,
    called: alarms.Alarms,
    consumer: str,
) -> None:
    relaying.opened(consumer, bob)
    waiting.until(
        "alice relays", lambda: relaying.report(alice, consumer)["wallets"].get("consumer"), seconds=600
    )
    alarm = alarms.Alarm("IcsWalletLow", ("WalletEmpty",), alice.name, consumer)
    called.quiet(alarm)
    home = launch.namespace_of(alice, consumer)
    accounts = {
        one.name: derivation.derive_account(one.validator.seed, derivation.RELAYER_INFO)
        for one in (alice, bob)
    }
    there = {name: account.address("consumer") for name, account in accounts.items()}
    held = relaying.report(alice, consumer)["wallets"]["consumer"]
    test_relay_faults.send(alice, home, accounts["alice"].mnemonic, there["bob"], held)
    try:
        called.fires(alarm)
    finally:
        # The runbook: fund the account.
        test_relay_faults.send(alice, home, accounts["bob"].mnemonic, there["alice"], held)
    called.resolves(alarm)


@pytest.fixture(scope="module")
def quick(
    alice: operators.Operator, charlie: operators.Operator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[quick_chain.QuickChain]:
    """A chain that goes on without charlie, whose volume is small."""
    settings: Mapping[str, Mapping[str, Any]] = {
        "ics:node": {"storage": "160Mi", "storage_class": "sized"},
        "ics:signing": {"lost_volume": "wait"},
    }
    folder = tmp_path_factory.mktemp("alarming")
    with quick_chain.running(alice, charlie, folder, "alarming", {"charlie": settings}) as found:
        yield found


def test_node_does_not_sign(
    charlie: operators.Operator, quick: quick_chain.QuickChain, tmp_path: pathlib.Path
) -> None:
    """Its sign state is lost, so it runs with a throw-away key until the operator decides."""
    key = charlie.address_of(quick.consumer_id)
    alarm = alarms.Alarm("IcsNotSigning", ("SignStateLost",), charlie.name, quick.consumer_id)
    with alarms.Alarms(charlie.name, tmp_path, project=quick.root) as called:
        called.quiet(alarm)
        shutil.rmtree(volumes.signing(charlie, quick.home, key))
        charlie.kubectl("-n", quick.home, "delete", "pod", "node-0")
        called.fires(alarm)
        order = ("sign-state", "reset", quick.consumer_id, "--confirm", quick.chain_id)
        done = charlie.ics(*order, project=quick.root)
        assert done.code == 0, done.err
        called.resolves(alarm)


def test_volume_fills_up(
    charlie: operators.Operator, quick: quick_chain.QuickChain, tmp_path: pathlib.Path
) -> None:
    load = ballast.Ballast(charlie, quick.home)
    alarm = alarms.Alarm("IcsVolumeFilling", ("VolumeFilling",), charlie.name, quick.consumer_id)
    load.fill(88)
    size = load.size
    time.sleep(LOOKS)
    with alarms.Alarms(charlie.name, tmp_path, project=quick.root) as called:
        called.fires(alarm)
        called.daemon.stop(charlie.name)
        quick_chain.set_up(quick.root, "charlie", {"ics:node": {"storage": "320Mi"}})
        waiting.until(
            "the volume is larger",
            lambda: (charlie.reconcile("--once", project=quick.root).code, load.size)[1],
            lambda found: found > size,
            every=2,
        )
        # A resident reads the use of volumes at its start, and then every ten minutes.
        time.sleep(LOOKS)
        called.daemon.start_again(charlie.name)
        called.resolves(alarm)
