"""The watchdog for stuck nodes and stale peers, and its record."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import errors, model, names
from ics.cluster.nodes import consensus
from ics.cluster.state import node_records
from ics.consumer import watchdog
from ics.consumer.peers import updates
from ics.cosmos import answers
from tests.unit import factories

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
PATIENCE = datetime.timedelta(seconds=60)
P = watchdog.Progress
PEERS = "a" * 40 + "@10.0.0.1:27356"


def ago(seconds: float) -> datetime.datetime:
    return NOW - datetime.timedelta(seconds=seconds)


def pod(**changes: Any) -> model.PodStatus:
    base = factories.pod(ip="10.0.0.9", uid="uid", created=ago(600), started=ago(590))
    return dataclasses.replace(base, **changes)


CURRENT = watchdog.WatchdogRecord(process="uid.0", peers_digest=updates.digest(PEERS))


@pytest.mark.parametrize(
    ("the_pod", "written", "record", "expected"),
    [
        (pod(), ago(601), watchdog.WatchdogRecord(), False),
        (pod(), ago(600), watchdog.WatchdogRecord(), False),
        (pod(), ago(500), watchdog.WatchdogRecord(), True),
        (pod(), ago(500), CURRENT, False),
        (pod(uid="other"), ago(500), CURRENT, True),
        (pod(), ago(500), dataclasses.replace(CURRENT, peers_digest="another"), True),
        # A container that restarted in its pod may have read a file that was not renewed yet.
        (pod(restarts=1, started=ago(450)), ago(500), CURRENT, True),
        (pod(restarts=1, started=ago(300)), ago(500), CURRENT, False),
        (pod(restarts=1, started=None), ago(500), CURRENT, True),
        (pod(), None, watchdog.WatchdogRecord(), False),
        (None, ago(500), watchdog.WatchdogRecord(), False),
    ],
)
def test_peers_are_stale_unless_read_at_start_or_sent_later(
    the_pod: model.PodStatus | None,
    written: datetime.datetime | None,
    record: watchdog.WatchdogRecord,
    expected: bool,
) -> None:
    assert updates.is_stale(PEERS, watchdog.ConfiguredPeers(PEERS, "", written), record, the_pod) is expected


def test_peers_are_stale_until_written_to_config_map() -> None:
    assert updates.is_stale(
        PEERS, watchdog.ConfiguredPeers("", "", ago(9999)), watchdog.WatchdogRecord(), pod()
    )
    assert not updates.is_stale(PEERS, None, watchdog.WatchdogRecord(), pod())


def test_missing_peers_are_persistent_peers_not_connected() -> None:
    both = f"{PEERS},{'b' * 40}@[2001:db8::1]:27356"
    node = factories.node("alice", peer_ids=frozenset({"a" * 40}))
    assert updates.missing_peers(both, node) == {"b" * 40: "[2001:db8::1]:27356"}
    assert updates.missing_peers("", node) == {}


@pytest.mark.parametrize(
    ("members", "changes", "expected"),
    [
        (("alice", "bob"), {}, False),
        (("alice", "bob"), {"peers": 0}, True),
        (("bob", "charlie"), {}, True),
    ],
)
def test_node_may_restart_only_if_its_vote_is_not_needed(
    members: tuple[str, ...], changes: dict[str, object], expected: bool
) -> None:
    own = factories.consumer_key("alice").address
    assert watchdog.may_restart(own, factories.node(*members, **changes)) is expected


def test_node_with_small_vote_may_restart_while_others_sign() -> None:
    own = factories.consumer_key("alice").address
    powers = {own: 1, b"b" * 20: 9}
    node = factories.node(validators=powers, signers=frozenset(powers))
    assert watchdog.may_restart(own, node)
    assert not watchdog.may_restart(own, dataclasses.replace(node, signers=frozenset({own})))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"block_time": ago(5)}, P.MOVING),
        ({"block_time": ago(5), "is_catching_up": True}, P.SYNCING),
        ({"block_time": ago(61), "blocks_behind": 2}, P.BEHIND),
        ({"block_time": ago(61), "blocks_behind": 2, "is_catching_up": True}, P.SYNCING),
        ({"block_time": ago(61), "blocks_behind": 0}, P.WAITING),
        ({"block_time": ago(61), "blocks_behind": None}, P.WAITING),
        ({"block_time": ago(61), "peers": 0}, P.ALONE),
        # A block hangs in its application: what it does not say may be asked for in vain.
        ({"block_time": ago(61), "is_silent": True}, P.SILENT),
        ({"block_time": ago(61), "is_silent": True, "peers": 0}, P.SILENT),
        ({"block_time": ago(5), "is_silent": True}, P.MOVING),
        ({"height": 0, "block_time": None}, P.WAITING),
        ({"height": 0, "block_time": None, "blocks_behind": 7, "is_catching_up": True}, P.SYNCING),
        ({"height": 0, "block_time": None, "peers": 0}, P.ALONE),
    ],
)
def test_progress_depends_on_block_time_and_peers(
    changes: dict[str, object], expected: watchdog.Progress
) -> None:
    assert watchdog.classify_progress(factories.node("alice", **changes), NOW, PATIENCE) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"height": 1, "is_silent": True}, P.WAITING),
        ({"height": 1, "blocks_behind": 9}, P.WAITING),
        ({"height": 2, "is_silent": True}, P.SILENT),
        ({"height": 2, "blocks_behind": 9}, P.BEHIND),
        ({"height": 0, "block_time": None, "blocks_behind": 9}, P.BEHIND),
    ],
)
def test_node_that_writes_a_large_genesis_to_its_database_is_never_restarted_for_it(
    changes: dict[str, object], expected: watchdog.Progress
) -> None:
    node = factories.node("alice", **{"block_time": ago(900), **changes})
    assert watchdog.classify_progress(node, NOW, PATIENCE, slow_height=1) is expected


def probes(
    *found: tuple[int, int, P], care: watchdog.WatchdogRecord | None = None
) -> watchdog.WatchdogRecord:
    """Return the record after probes, each given as seconds from now, height and progress."""
    remembered = care or watchdog.WatchdogRecord()
    for seconds, height, one in found:
        behind = {P.BEHIND: 5, P.SYNCING: 5, P.SILENT: None}.get(one, 0)
        node = factories.node("alice", height=height, blocks_behind=behind, is_silent=one is P.SILENT)
        remembered = watchdog.after_probe(
            remembered, "uid.0", node, one, NOW + datetime.timedelta(seconds=seconds)
        )
    return remembered


@pytest.mark.parametrize(
    ("found", "strikes"),
    [
        (((0, 7, P.BEHIND),), 1),
        # Probes one second apart count as one probe.
        (((0, 7, P.BEHIND), (1, 7, P.BEHIND), (2, 7, P.BEHIND)), 1),
        (((0, 7, P.BEHIND), (20, 7, P.BEHIND), (40, 7, P.BEHIND)), 3),
        (((0, 7, P.BEHIND), (20, 7, P.BEHIND), (40, 8, P.BEHIND)), 0),
        (((0, 7, P.SYNCING), (20, 9, P.SYNCING), (40, 30, P.SYNCING)), 0),
        (((0, 7, P.SYNCING), (20, 7, P.SYNCING), (40, 7, P.SYNCING), (60, 7, P.SYNCING)), 3),
        (((0, 7, P.BEHIND), (20, 7, P.BEHIND), (40, 7, P.WAITING), (60, 7, P.BEHIND)), 1),
        (((0, 7, P.SILENT), (20, 7, P.SILENT), (40, 7, P.SILENT)), 3),
        (((0, 7, P.BEHIND), (20, 7, P.SILENT), (40, 7, P.BEHIND)), 3),
        (((0, 7, P.SILENT), (20, 9, P.SILENT)), 0),
    ],
)
def test_failures_count_only_separate_probes_in_a_row(
    found: tuple[tuple[int, int, P], ...], strikes: int
) -> None:
    care = probes(*found)
    assert care.failures == strikes
    assert watchdog.is_stuck(care, "uid.0") is (strikes >= 3)


def test_probe_without_peer_heights_keeps_failures() -> None:
    care = probes((0, 7, P.BEHIND), (20, 7, P.BEHIND))
    node = factories.node("alice", blocks_behind=None)
    assert watchdog.after_probe(care, "uid.0", node, P.WAITING, NOW + datetime.timedelta(seconds=40)) is care


@pytest.mark.parametrize("found", [P.MOVING, P.WAITING, P.ALONE])
def test_probe_of_node_that_is_not_behind_keeps_record(found: P) -> None:
    for care in (watchdog.WatchdogRecord(), CURRENT, dataclasses.replace(CURRENT, process="another")):
        assert probes((0, 7, found), care=care) is care


def test_failures_are_cleared_once_node_advances() -> None:
    care = probes((0, 7, P.BEHIND), (20, 7, P.BEHIND), care=dataclasses.replace(CURRENT, restarts=2))
    healthy = probes((40, 9, P.MOVING), care=care)
    assert healthy == CURRENT
    assert probes((60, 10, P.MOVING), care=healthy) is healthy


def test_each_restart_without_effect_doubles_probes_until_stuck() -> None:
    stuck = probes((0, 7, P.BEHIND), (20, 7, P.BEHIND), (40, 7, P.BEHIND))
    after = watchdog.after_restart(stuck, NOW, is_stuck=True)
    assert (after.restarts, watchdog.is_stuck(after, "uid.0")) == (1, False)
    again = after
    for number in range(5):
        node = factories.node("alice", blocks_behind=5)
        when = NOW + datetime.timedelta(seconds=60 + 20 * number)
        again = watchdog.after_probe(again, "new.0", node, P.BEHIND, when)
        assert not watchdog.is_stuck(again, "new.0")
    assert (again.failures, again.restarts) == (5, 1)
    assert watchdog.is_stuck(dataclasses.replace(again, failures=6), "new.0")


@pytest.mark.parametrize(
    ("the_pod", "restarted", "expected"),
    [
        (pod(), None, False),
        (pod(is_ready=False, created=ago(30)), None, True),
        (pod(is_ready=False, created=ago(300)), None, False),
        # An old pod that goes: until it has gone, and no longer.
        (pod(is_ready=False, gone_by=NOW + datetime.timedelta(seconds=80)), None, True),
        (pod(is_ready=False, gone_by=ago(30)), None, True),
        (pod(is_ready=False, gone_by=ago(180)), None, False),
        # Between two pods; a pod that never comes is not waited for.
        (None, ago(91), True),
        (None, ago(180), False),
        (None, None, False),
        (pod(), ago(91), False),
    ],
)
def test_node_is_coming_up_for_limited_time(
    the_pod: model.PodStatus | None, restarted: datetime.datetime | None, expected: bool
) -> None:
    care = watchdog.WatchdogRecord(process="another.0", restarted=restarted)
    assert watchdog.is_coming_up(the_pod, care, NOW) is expected


# -- what is read ---------------------------------------------------------------------------------------


def config_map(notes: dict[str, str]) -> dict[str, Any]:
    fields = [
        {"manager": names.FIELD_MANAGER, "time": "2026-01-01T11:00:00Z"},
        {"manager": names.LOOP_MANAGER, "time": "2026-01-01T11:30:00Z"},
    ]
    metadata = {"name": "peers", "namespace": "n", "annotations": notes, "managedFields": fields}
    return {"metadata": metadata, "data": {"persistent_peers": PEERS, "external_address": "h:1"}}


def test_configured_peers_are_read_with_time_of_last_apply() -> None:
    when = datetime.datetime(2026, 1, 1, 11, tzinfo=datetime.UTC)
    assert node_records.configured_peers(config_map({})) == watchdog.ConfiguredPeers(PEERS, "h:1", when)


@pytest.mark.parametrize(
    "record",
    [
        watchdog.WatchdogRecord(),
        CURRENT,
        watchdog.WatchdogRecord(
            process="uid.3", peers_digest="told", height=7, failures=2, since=NOW, restarts=1, restarted=NOW
        ),
    ],
)
def test_watchdog_record_round_trips_through_annotations(record: watchdog.WatchdogRecord) -> None:
    notes = {f"{names.WATCHDOG}{name}": text for name, text in watchdog.to_annotations(record).items()}
    assert node_records.watchdog_record(config_map({"another": "x", **notes})) == record


@pytest.mark.parametrize(
    "changed", [{"failures": "many"}, {"since": "2026-01-01"}, {"restarted": "2026-01-01"}]
)
def test_malformed_watchdog_annotation_is_named(changed: dict[str, str]) -> None:
    notes = {f"{names.WATCHDOG}{name}": text for name, text in changed.items()}
    with pytest.raises(errors.Permanent, match=r"ConfigMap n/peers: .* delete those annotations"):
        node_records.watchdog_record(config_map(notes))


@pytest.mark.parametrize(
    ("own", "height", "theirs", "expected"),
    [
        ("8", 7, ["8", "9"], 1),
        ("8", 7, ["5"], 0),
        ("8", 7, [], 0),
        ("1", 30, ["100"], 69),
        ("1", 0, ["1"], 0),
    ],
)
def test_blocks_behind_is_counted_from_heights_of_peers(
    own: str, height: int, theirs: list[str], expected: int
) -> None:
    peers = [{"peer_state": {"round_state": {"height": one}}} for one in theirs]
    dump = {"round_state": {"height": own}, "peers": peers}
    assert consensus.view(answers.Field("q", dump), height).blocks_behind == expected
