"""Faults on the local network: each calls the operator by the rules and by the push, its runbook ends it, it resolves.

Each test can be run alone with `-k`. Two more are in `test_alarms.py`, which `make test` runs.
"""

import contextlib
import pathlib
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from devnet import governed, plan
from ics import names
from ics.consumer.peers import ports
from ics.keys import derivation
from ics.monitoring import dashboard
from ics.relayer import hermes
from tests.monitoring import test_dashboard
from tests.network import (
    alarms,
    ballast,
    chains,
    launch,
    operators,
    projects,
    quick_chain,
    relaying,
    residents,
    test_relay_faults,
    upgrading,
    volumes,
    waiting,
)

UPGRADE, VOLUME = "ics_upgrade_", "ics_volume_"
SUBMITTED, RECONNECTED = "tx_latency_", "ws_reconnect_"
CONDITION = "max by (validator, consumer_id, chain_id, reason)"
SPAWN = 'ics_chain_spawn_timestamp_seconds{validator=~"$validator",chain_id=~"$chain"}) > time()'
CHANGE = "[1m])) > 0"
EVENTS = (UPGRADE, VOLUME, SUBMITTED, RECONNECTED, CONDITION, SPAWN, CHANGE)
"""Parts of queries that have an answer only after an event."""
HEIGHT = 400
"""Of an upgrade that is further ahead than the test takes, and less than a day divided by the factor."""
LOOKS = 65.0
"""Seconds within which a node's pod says how full its volume is."""

pytestmark = [pytest.mark.soak, pytest.mark.story(when="QUIET")]


@pytest.fixture
def called(alice: operators.Operator, consumer: str, tmp_path: pathlib.Path) -> Iterator[alarms.Alarms]:
    with alarms.Alarms(alice.name, tmp_path, "--set", "node.stuck_after=15s") as found:
        yield found


def test_dashboard_is_answered(
    alice: operators.Operator, bob: operators.Operator, consumer: str, tmp_path: pathlib.Path
) -> None:
    """Each query has an answer, some only after an event; two of those are in the stories of upgrade and volume."""
    relaying.opened(consumer, alice, bob)
    home, labels = launch.namespace_of(alice, consumer), {"validator": alice.name, "consumer_id": consumer}
    scrapes = [
        alarms.of_pod(alice, home, names.NODE, ports.POD_METRICS, **labels),
        alarms.of_pod(alice, home, names.HERMES, hermes.TELEMETRY_PORT, **labels),
    ]
    without_event = [one for one in dashboard.expressions() if not any(part in one for part in EVENTS)]
    with awaited_chain(alice), alarms.Alarms(alice.name, tmp_path, scrapes=scrapes) as called:

        def answered(what: str, asked: list[str]) -> None:
            waiting.until(
                f"{len(asked)} queries have an answer: {what}",
                lambda: [one for one in asked if not called.query(test_dashboard.chosen(one))],
                lambda found: not found,
            )

        answered("no event", without_event)
        answered("a launch to come", _asked(SPAWN))
        alice.kubectl("-n", home, "delete", "networkpolicy", "--all")
        answered("a change within the last minute", _asked(CHANGE))
        with alarms.without_room(bob, launch.namespace_of(bob, consumer), names.HERMES):
            test_relay_faults.relays_again(alice, consumer)
            answered("a transaction of Hermes", _asked(SUBMITTED))
        alice.kubectl("-n", home, "delete", "pod", "node-0")
        answered("a condition", _asked(CONDITION))
        answered("a lost connection of Hermes", _asked(RECONNECTED))
    elsewhere = {*_asked(UPGRADE), *_asked(VOLUME)}
    every = set(dashboard.expressions())
    print(
        f"dashboard: {len(every) - len(elsewhere)} of {len(every)} queries answered, the others in their stories"
    )


@contextlib.contextmanager
def awaited_chain(alice: operators.Operator) -> Iterator[None]:
    """A chain that alice joins, and that is to be launched in an hour; at the end it is launched and removed."""
    chain_id = chains.fresh("consumer")
    consumer_id = chains.create(chain_id, launch.HOUR)
    try:
        yield
    finally:
        chains.move(consumer_id, chain_id, 2.0)
        waiting.until("it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED")
        launch.end([consumer_id], [alice])


def assert_answered(called: alarms.Alarms, part: str) -> None:
    """The queries of the dashboard with such a part have an answer."""
    assert [one for one in _asked(part) if not called.query(test_dashboard.chosen(one))] == []


def _asked(part: str) -> list[str]:
    found = [one for one in dashboard.expressions() if part in one]
    assert found, part
    return found


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
    """Alice has one peer; without it she cannot know whether the chain goes on."""
    alarm = alarms.Alarm("IcsCritical", ("NoPeers",), alice.name, consumer, reason="NoPeers")
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
    # Before the first update of its validators, a consumer takes messages of IBC only.
    test_relay_faults.relays_again(alice, consumer)
    alarm = alarms.Alarm("IcsCritical", ("WalletEmpty",), alice.name, consumer, reason="WalletEmpty")
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


def test_client_is_close_to_its_expiry(
    alice: operators.Operator, bob: operators.Operator, called: alarms.Alarms, consumer: str
) -> None:
    """Nobody's Hermes runs for two thirds of a trusting period, which is six minutes here."""
    relaying.opened(consumer, bob)
    relaying.until_open(alice, consumer, 600)
    alarm = alarms.Alarm("IcsClientExpires", ("ClientExpiring",), alice.name, consumer)
    called.quiet(alarm)
    with contextlib.ExitStack() as stopped:
        for one in (alice, bob):
            home = launch.namespace_of(one, consumer)
            stopped.enter_context(alarms.without_room(one, home, names.HERMES))
        called.fires(alarm, 400)
    called.resolves(alarm)


def test_upgrade_has_no_image(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    """The chain's plan is less than a day ahead, and somebody takes its image out of the definition."""
    runners, root = (alice, bob), projects.project(tmp_path)
    upgrading.deliver(*(one.host for one in runners))
    genesis = governed.schedule(upgrading.governed_base(), HEIGHT)
    listed = [{"name": plan.SECOND_PLAN, "height": HEIGHT, "image": plan.SECOND_DEMOCRACY_IMAGE}]
    defined = upgrading.define_governed(root, "unready", genesis, HEIGHT, listed)
    found: list[upgrading.Upgrade] = []
    try:
        with residents.Residents([one.name for one in runners], tmp_path, project=root):
            found = upgrading.launched([defined], runners)
            upgrading.until_height(found, runners, lambda one: 5, "first blocks")
        [chain] = found
        alarm = alarms.Alarm("IcsUpgradeUnready", ("UpgradeImageMissing",), alice.name, chain.consumer_id)
        (tmp_path / "alarms").mkdir()
        with alarms.Alarms(alice.name, tmp_path / "alarms", project=root) as called:
            waiting.until("the upgrade is ready", lambda: called.query("ics_upgrade_ready == 1"))
            called.quiet(alarm)
            assert_answered(called, UPGRADE)
            upgrading.relist(root, chain, [])
            called.fires(alarm)
            upgrading.relist(root, chain, listed)
            called.resolves(alarm)
    finally:
        launch.end([one.consumer_id for one in found], runners, project=root)


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
        waiting.until(
            "the node is back without its key, and the order is taken",
            lambda: charlie.ics(*order, project=quick.root),
            lambda done: done.code == 0,
        )
        called.resolves(alarm)


def test_volume_fills_up(
    charlie: operators.Operator, quick: quick_chain.QuickChain, tmp_path: pathlib.Path
) -> None:
    load = ballast.Ballast(charlie, quick.home)
    alarm = alarms.Alarm("IcsVolumeFilling", ("VolumeFilling",), charlie.name, quick.consumer_id)
    load.fill(88)
    filled, size = time.monotonic(), load.size
    time.sleep(LOOKS)
    # A resident reads the use of volumes at its start, and then every ten minutes.
    with alarms.Alarms(charlie.name, tmp_path, project=quick.root) as called:
        called.fires(alarm, since=filled)
        assert_answered(called, VOLUME)
        called.daemon.stop(charlie.name)
        quick_chain.set_up(quick.root, "charlie", {"ics:node": {"storage": "320Mi"}})
        waiting.until(
            "the volume is larger",
            lambda: (charlie.reconcile("--once", project=quick.root).code, load.size)[1],
            lambda found: found > size,
            every=2,
        )
        time.sleep(LOOKS)
        called.daemon.start_again(charlie.name)
        # Without a reconciler there is no series, so that alone would end the alert.
        room = "max(ics_volume_used_bytes / ics_volume_size_bytes) < 0.6"
        waiting.until("the reconciler sees the room", lambda: called.query(room))
        called.resolves(alarm)
