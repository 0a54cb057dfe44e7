"""When a node's peers are old, when it is stuck, and what is remembered of it."""

import dataclasses
import datetime
from typing import Any

import pytest

from ics import errors, model, names
from ics.cluster.nodes import decode as nodes_decode
from ics.cluster.state import decode as state_decode
from ics.consumer import watchdog
from ics.consumer.peers import updates
from tests.unit import scenes

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
PATIENCE = datetime.timedelta(seconds=60)
P = watchdog.Progress
PEERS = "a" * 40 + "@10.0.0.1:27356"


def ago(seconds: float) -> datetime.datetime:
    return NOW - datetime.timedelta(seconds=seconds)


def pod(**changes: Any) -> model.PodStatus:
    base = model.PodStatus("node-0", "10.0.0.9", "n1", True, 0, "", "uid", ago(600), ago(590))
    return dataclasses.replace(base, **changes)


TOLD = model.Care("uid.0", updates.digest(PEERS))


@pytest.mark.parametrize(
    ("the_pod", "written", "care", "expected"),
    [
        (pod(), ago(601), model.Care(), False),
        (pod(), ago(600), model.Care(), False),
        (pod(), ago(500), model.Care(), True),
        (pod(), ago(500), TOLD, False),
        (pod(uid="other"), ago(500), TOLD, True),
        (pod(), ago(500), dataclasses.replace(TOLD, told="another"), True),
        # A container that restarted in its pod may have read a file that was not renewed yet.
        (pod(restarts=1, started=ago(450)), ago(500), TOLD, True),
        (pod(restarts=1, started=ago(300)), ago(500), TOLD, False),
        (pod(restarts=1, started=None), ago(500), TOLD, True),
        (pod(), None, model.Care(), False),
        (None, ago(500), model.Care(), False),
    ],
)
def test_a_process_knows_the_peers_it_was_started_with_or_was_told(
    the_pod: model.PodStatus | None, written: datetime.datetime | None, care: model.Care, expected: bool
) -> None:
    assert updates.is_stale(PEERS, model.LaidPeers(PEERS, "", written), care, the_pod) is expected


def test_peers_that_are_not_laid_down_yet_are_not_known_either() -> None:
    assert updates.is_stale(PEERS, model.LaidPeers("", "", ago(9999)), model.Care(), pod())
    assert not updates.is_stale(PEERS, None, model.Care(), pod())


def test_missing_peers_are_those_not_connected() -> None:
    both = f"{PEERS},{'b' * 40}@[2001:db8::1]:27356"
    node = scenes.node("alice", peer_ids=frozenset({"a" * 40}))
    assert updates.missing(both, node) == {"b" * 40: "[2001:db8::1]:27356"}
    assert updates.missing("", node) == {}


@pytest.mark.parametrize(
    ("members", "changes", "expected"),
    [
        (("alice", "bob"), {}, False),
        (("alice", "bob"), {"peers": 0}, True),
        (("bob", "charlie"), {}, True),
    ],
)
def test_a_node_whose_vote_is_needed_is_not_restarted(
    members: tuple[str, ...], changes: dict[str, object], expected: bool
) -> None:
    own = scenes.consumer_key("alice").address
    assert watchdog.may_restart(own, scenes.node(*members, **changes)) is expected


def test_a_small_vote_can_be_spared_while_the_others_sign() -> None:
    own = scenes.consumer_key("alice").address
    powers = {own: 1, b"b" * 20: 9}
    node = scenes.node(validators=powers, signers=frozenset(powers))
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
def test_progress(changes: dict[str, object], expected: watchdog.Progress) -> None:
    assert watchdog.progress(scenes.node("alice", **changes), NOW, PATIENCE) is expected


def looks(*found: tuple[int, int, P], care: model.Care | None = None) -> model.Care:
    """What is remembered after looks: seconds from now, height, how the node came along."""
    remembered = care or model.Care()
    for seconds, height, one in found:
        behind = {P.BEHIND: 5, P.SYNCING: 5, P.SILENT: None}.get(one, 0)
        node = scenes.node("alice", height=height, blocks_behind=behind, is_silent=one is P.SILENT)
        remembered = watchdog.looked(
            remembered, "uid.0", node, one, NOW + datetime.timedelta(seconds=seconds)
        )
    return remembered


@pytest.mark.parametrize(
    ("found", "strikes"),
    [
        (((0, 7, P.BEHIND),), 1),
        # Looks that follow each other by the second are one look.
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
def test_failed_looks_in_a_row(found: tuple[tuple[int, int, P], ...], strikes: int) -> None:
    care = looks(*found)
    assert care.strikes == strikes
    assert watchdog.is_stuck(care, "uid.0") is (strikes >= 3)


def test_a_look_that_says_nothing_of_the_peers_forgives_nothing() -> None:
    care = looks((0, 7, P.BEHIND), (20, 7, P.BEHIND))
    node = scenes.node("alice", blocks_behind=None)
    assert watchdog.looked(care, "uid.0", node, P.WAITING, NOW + datetime.timedelta(seconds=40)) is care


@pytest.mark.parametrize("found", [P.MOVING, P.WAITING, P.ALONE])
def test_a_look_at_a_node_that_is_not_behind_writes_nothing(found: P) -> None:
    for care in (model.Care(), TOLD, dataclasses.replace(TOLD, process="another")):
        assert looks((0, 7, found), care=care) is care


def test_a_node_that_goes_on_is_forgiven_once() -> None:
    care = looks((0, 7, P.BEHIND), (20, 7, P.BEHIND), care=dataclasses.replace(TOLD, restarts=2))
    well = looks((40, 9, P.MOVING), care=care)
    assert well == TOLD
    assert looks((60, 10, P.MOVING), care=well) is well


def test_each_restart_in_vain_doubles_the_looks() -> None:
    stuck = looks((0, 7, P.BEHIND), (20, 7, P.BEHIND), (40, 7, P.BEHIND))
    after = watchdog.restarted(stuck, NOW, is_stuck=True)
    assert (after.restarts, watchdog.is_stuck(after, "uid.0")) == (1, False)
    again = after
    for number in range(5):
        node = scenes.node("alice", blocks_behind=5)
        when = NOW + datetime.timedelta(seconds=60 + 20 * number)
        again = watchdog.looked(again, "new.0", node, P.BEHIND, when)
        assert not watchdog.is_stuck(again, "new.0")
    assert (again.strikes, again.restarts) == (5, 1)
    assert watchdog.is_stuck(dataclasses.replace(again, strikes=6), "new.0")


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
        # Between two pods; one that never comes keeps nobody.
        (None, ago(91), True),
        (None, ago(180), False),
        (None, None, False),
        (pod(), ago(91), False),
    ],
)
def test_a_node_that_is_coming_up_is_waited_for(
    the_pod: model.PodStatus | None, restarted: datetime.datetime | None, expected: bool
) -> None:
    care = model.Care("another.0", restarted=restarted)
    assert watchdog.is_coming_up(the_pod, care, NOW) is expected


# -- what is read ---------------------------------------------------------------------------------------


def config_map(notes: dict[str, str]) -> dict[str, Any]:
    fields = [
        {"manager": names.FIELD_MANAGER, "time": "2026-01-01T11:00:00Z"},
        {"manager": names.LOOP_MANAGER, "time": "2026-01-01T11:30:00Z"},
    ]
    metadata = {"name": "peers", "namespace": "n", "annotations": notes, "managedFields": fields}
    return {"metadata": metadata, "data": {"persistent_peers": PEERS, "external_address": "h:1"}}


def test_the_config_map_tells_what_it_holds_and_since_when() -> None:
    when = datetime.datetime(2026, 1, 1, 11, tzinfo=datetime.UTC)
    assert state_decode.configured_peers(config_map({})) == model.LaidPeers(PEERS, "h:1", when)


@pytest.mark.parametrize("care", [model.Care(), TOLD, model.Care("uid.3", "told", 7, 2, NOW, 1, NOW)])
def test_what_is_noted_is_read_again(care: model.Care) -> None:
    notes = {f"{names.CARE}{name}": text for name, text in watchdog.written(care).items()}
    assert state_decode.watchdog_record(config_map({"another": "x", **notes})) == care


@pytest.mark.parametrize(
    "changed", [{"strikes": "many"}, {"since": "2026-01-01"}, {"restarted": "2026-01-01"}]
)
def test_a_note_that_somebody_changed_is_named(changed: dict[str, str]) -> None:
    notes = {f"{names.CARE}{name}": text for name, text in changed.items()}
    with pytest.raises(errors.Permanent, match=r"ConfigMap n/peers: .* delete those annotations"):
        state_decode.watchdog_record(config_map(notes))


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
def test_the_peers_say_how_far_they_are(own: str, height: int, theirs: list[str], expected: int) -> None:
    peers = [{"peer_state": {"round_state": {"height": one}}} for one in theirs]
    dump = {"round_state": {"height": own}, "peers": peers}
    status = {"sync_info": {"latest_block_height": str(height)}}
    assert nodes_decode.blocks_behind(dump, status) == expected
