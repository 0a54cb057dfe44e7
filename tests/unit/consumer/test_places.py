"""Which place signs: whole results for each situation in which keys could be confused, and what always holds."""

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ics import model, names
from ics.consumer import observed, places
from ics.cosmos import addresses
from ics.keys import derivation
from tests.unit import factories

NOW = factories.snapshot().moment
DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
TICK = datetime.timedelta(microseconds=1)
SITE = factories.SITE
NO_VOLUME = dataclasses.replace(SITE, volume_uid=None)
OTHER_VOLUME = dataclasses.replace(SITE, volume_uid="volume-2")
ELSEWHERE = factories.place(9, cluster_uid="cluster-2")
"""Of a second installation with the same seed."""
ELSEWHERE_KEY = factories.key_of(ELSEWHERE).address
FIRST, SECOND_PLACE = factories.place(), factories.place(1)
KEY = factories.consumer_key("alice").address
CONFIGURED = derivation.consensus_key(model.Secret(b"configured".ljust(32)))


def derive(place_id: str) -> derivation.ConsensusKey:
    return derivation.derive_consensus_key(factories.seed("alice"), factories.PROVIDER, "0", place_id)


def knowing(**changes: Any) -> places.Known:
    """What a pass knows about chain 0; lost keys are replaced at most once a day."""
    values: dict[str, Any] = {
        "site": SITE,
        "spare": factories.SPARE,
        "now": NOW,
        "rekeys_after": DAY,
        **changes,
    }
    return places.Known(**values)


def choose(*records: model.SigningRecord, **changes: Any) -> places.SelectedKey:
    return places.choose_key(derive, "0", knowing(records=records, **changes))


def selected(place: model.Place, **changes: Any) -> places.SelectedKey:
    values: dict[str, Any] = {"is_assigned": False, **changes}
    return places.SelectedKey(key=factories.key_of(place), place=place, **values)


def staged(at: int | model.Place = 0, **changes: Any) -> model.SigningRecord:
    """The record of a place whose sign state was not created yet."""
    return factories.record(at=at, volume=None, is_ready=False, **changes)


# -- the id of a place ---------------------------------------------------------------------------------


def test_new_place_is_the_same_within_a_pass_and_another_in_every_other_one() -> None:
    base = places.new_place(factories.SPARE, "0", SITE, NOW)
    assert base == places.new_place(factories.SPARE, "0", SITE, NOW)
    assert derivation.is_place_id(base.place_id)
    others = [
        places.new_place("6" * 32, "0", SITE, NOW),
        places.new_place(factories.SPARE, "1", SITE, NOW),
        places.new_place(factories.SPARE, "0", SITE, NOW, replaces=FIRST.place_id),
        places.new_place(factories.SPARE, "0", SITE, NOW, replaces=SECOND_PLACE.place_id),
        places.new_place(factories.SPARE, "0", SITE, NOW, is_moved=True),
        places.new_place(factories.SPARE, "0", SITE, NOW, replaces=FIRST.place_id, is_moved=True),
    ]
    assert len({base.place_id, *(other.place_id for other in others)}) == len(others) + 1


def test_place_is_at_its_own_cluster_and_namespace_only() -> None:
    assert places.is_at(FIRST, SITE)
    assert places.is_at(FIRST, OTHER_VOLUME)
    assert not places.is_at(FIRST, dataclasses.replace(SITE, cluster_uid="cluster-2"))
    assert not places.is_at(FIRST, dataclasses.replace(SITE, namespace="copy"))


# -- the first opt-in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("site", [NO_VOLUME, SITE])
def test_chain_without_records_gets_a_new_place(site: places.Site) -> None:
    assert choose(site=site) == selected(factories.new_place())


@pytest.mark.parametrize("site", [NO_VOLUME, SITE])
@pytest.mark.parametrize("record", [staged(), factories.record()])
def test_place_on_record_is_used_until_its_key_is_assigned(
    site: places.Site, record: model.SigningRecord
) -> None:
    assert choose(record, site=site) == selected(FIRST)
    assert choose(record, site=site, assigned=KEY) == selected(FIRST, is_assigned=True)


def test_place_whose_key_the_provider_knows_is_not_used() -> None:
    """The records may be lost, or restored from an older backup: the provider's own record counts."""
    both = (staged(), staged(1))
    first, second = (factories.consumer_key("alice", place=number).address for number in range(2))
    assert choose(*both) == selected(SECOND_PLACE)
    assert choose(*both, used={second}) == selected(FIRST)
    assert choose(*both, used={first, second}) == selected(factories.new_place())


@pytest.mark.parametrize("record", [staged(is_retired=True), factories.record(volume="volume-0")])
def test_place_that_was_left_or_whose_volume_is_lost_is_not_used_for_a_first_opt_in(
    record: model.SigningRecord,
) -> None:
    assert choose(record) == selected(factories.new_place())


# -- another installation ------------------------------------------------------------------------------


def test_second_installation_has_a_key_of_its_own_and_says_whose_key_is_assigned() -> None:
    """Nothing is on record in it, before the launch and afterwards."""
    replaces = ELSEWHERE_KEY.hex().upper()
    assert choose(site=NO_VOLUME, assigned=ELSEWHERE_KEY) == selected(
        factories.new_place(replaces=replaces, is_moved=True), elsewhere=ELSEWHERE_KEY
    )


@pytest.mark.parametrize("record", [staged(), factories.record()])
def test_of_two_installations_that_opt_in_the_later_one_rules(record: model.SigningRecord) -> None:
    """The earlier one keeps its node with its own key, which no other place can derive."""
    assert choose(record, assigned=KEY) == selected(FIRST, is_assigned=True)
    with_node = choose(record, assigned=ELSEWHERE_KEY, workload_place=FIRST.place_id)
    assert with_node == selected(FIRST, elsewhere=ELSEWHERE_KEY)
    without = choose(record, assigned=ELSEWHERE_KEY)
    assert (without.elsewhere, without.is_assigned) == (ELSEWHERE_KEY, False)
    there = dataclasses.replace(SITE, cluster_uid="cluster-2")
    others = factories.record(at=ELSEWHERE)
    assert choose(others, site=there, assigned=ELSEWHERE_KEY) == selected(ELSEWHERE, is_assigned=True)


@pytest.mark.parametrize(
    "site", [SITE, OTHER_VOLUME, NO_VOLUME], ids=["volume is there", "volume was lost", "no volume"]
)
@pytest.mark.parametrize("is_refused", [False, True])
@pytest.mark.parametrize("rekeys_after", [DAY, None])
def test_installation_that_was_taken_over_never_takes_back(
    site: places.Site, is_refused: bool, rekeys_after: datetime.timedelta | None
) -> None:
    later = choose(
        factories.record(),
        site=site,
        assigned=ELSEWHERE_KEY,
        workload_place=FIRST.place_id,
        is_refused=is_refused,
        rekeys_after=rekeys_after,
        now=NOW + 10 * DAY,
    )
    assert later == selected(FIRST, elsewhere=ELSEWHERE_KEY)


def test_taken_over_installation_without_node_has_no_place_but_a_new_one() -> None:
    found = choose(factories.record(), assigned=ELSEWHERE_KEY)
    replaces = ELSEWHERE_KEY.hex().upper()
    new = factories.new_place(replaces=replaces, is_moved=True)
    assert found == selected(new, elsewhere=ELSEWHERE_KEY)


def test_copied_namespace_has_no_records_of_its_own() -> None:
    """With the original gone, the copy is another installation: its volume may be any copy of the original's."""
    copy = dataclasses.replace(SITE, namespace="copy", volume_uid="volume-9")
    found = choose(factories.record(), site=copy, assigned=KEY, workload_place=FIRST.place_id)
    new = factories.new_place(site=copy, replaces=KEY.hex().upper(), is_moved=True)
    assert found == selected(new, elsewhere=KEY)


def test_cluster_that_was_restored_elsewhere_has_no_records_of_its_own() -> None:
    """Objects, uids of claims and disks may all be as they were: the namespace kube-system has another uid."""
    restored = dataclasses.replace(SITE, cluster_uid="cluster-2")
    found = choose(factories.record(), site=restored, assigned=KEY, workload_place=FIRST.place_id)
    new = factories.new_place(site=restored, replaces=KEY.hex().upper(), is_moved=True)
    assert found == selected(new, elsewhere=KEY)


@pytest.mark.parametrize("spare", ["", "5" * 31])
def test_pass_without_random_text_makes_no_place(spare: str) -> None:
    """The text alone distinguishes the places of two installations with one seed."""
    with pytest.raises(ValueError, match="the same keys"):
        places.new_place(spare, "0", SITE, NOW)
    with pytest.raises(ValueError, match="the same keys"):
        observed.Observed(spare=spare, snapshot=factories.snapshot())


# -- moving here ---------------------------------------------------------------------------------------


def test_chain_that_is_moved_here_gets_one_place_until_it_is_assigned_and_afterwards() -> None:
    replaces = ELSEWHERE_KEY.hex().upper()
    there = {"assigned": ELSEWHERE_KEY, "is_moving": True}
    first = choose(factories.record(), **there)
    moved = factories.new_place(replaces=replaces, is_moved=True)
    assert first == selected(moved, elsewhere=ELSEWHERE_KEY)
    record = staged(moved)
    # Another pass has another spare text.
    again = choose(factories.record(), record, spare="6" * 32, **there)
    assert again == selected(moved, elsewhere=ELSEWHERE_KEY)
    # The order ended with the command; its node keeps its key, and nothing is assigned.
    ended = choose(factories.record(), record, assigned=ELSEWHERE_KEY, workload_place=moved.place_id)
    assert ended == selected(moved, elsewhere=ELSEWHERE_KEY)
    key = factories.key_of(moved).address
    here = choose(factories.record(), factories.record(at=moved), assigned=key, workload_place=moved.place_id)
    assert here == selected(moved, is_assigned=True)


def test_node_of_a_place_that_was_taken_over_gets_a_new_place_if_the_chain_is_moved_back() -> None:
    """Its own key has been in the set before: only a key that never was in one can be exchanged for the other."""
    found = choose(factories.record(), assigned=ELSEWHERE_KEY, is_moving=True, workload_place=FIRST.place_id)
    moved = factories.new_place(replaces=ELSEWHERE_KEY.hex().upper(), is_moved=True)
    assert found == selected(moved, elsewhere=ELSEWHERE_KEY)


def test_place_of_an_earlier_move_is_not_used_for_another_one() -> None:
    """The chain was moved here from one installation, taken over by a third, and is moved here again."""
    third = b"\3" * 20
    earlier = factories.place(5, replaces=ELSEWHERE_KEY.hex().upper(), is_moved=True)
    found = choose(factories.record(at=earlier), assigned=third, is_moving=True)
    moved = factories.new_place(replaces=third.hex().upper(), is_moved=True)
    assert found == selected(moved, elsewhere=third)


def test_move_of_a_chain_whose_key_is_here_changes_nothing() -> None:
    assert choose(factories.record(), assigned=KEY, is_moving=True) == selected(FIRST, is_assigned=True)


# -- a lost sign state ---------------------------------------------------------------------------------

LOST = factories.record(volume="volume-0")
"""The volume of the place, or its claim, is another now: it was lost, emptied, or restored from a copy."""
SUCCESSOR = factories.new_place(replaces=FIRST.place_id)


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (LOST, {}),
        (factories.record(), {"site": OTHER_VOLUME}),
        # The claim is the same: its content is gone, or older, or of another namespace, as the pod's check found.
        (factories.record(), {"is_refused": True}),
        (LOST, {"is_refused": True}),
        (factories.record(), {"workload_place": FIRST.place_id, "is_refused": True}),
    ],
)
def test_place_with_a_lost_sign_state_gets_a_successor(
    record: model.SigningRecord, changes: dict[str, Any]
) -> None:
    assert choose(record, assigned=KEY, **changes) == selected(SUCCESSOR, lost=record)


def test_silent_place_of_another_cluster_gets_a_successor_if_one_may_be_made() -> None:
    """Its own key stays with it otherwise: nothing shows that its sign state is lost."""
    record = factories.record()
    silent = {"assigned": KEY, "is_silent_abroad": True}
    assert choose(record, **silent) == selected(SUCCESSOR, lost=record)
    assert choose(record, **silent, rekeys_after=None) == selected(FIRST, is_assigned=True)
    # Its node has the new key now, so nothing is asked about the old one any more.
    assert choose(record, staged(SUCCESSOR), assigned=KEY) == selected(SUCCESSOR, lost=record)


@pytest.mark.parametrize("site", [SITE, NO_VOLUME])
@pytest.mark.parametrize("is_refused", [False, True])
def test_successor_on_record_stays_and_is_used_once_it_is_assigned(
    site: places.Site, is_refused: bool
) -> None:
    """Its node has its key, so the check says nothing about the earlier one any more."""
    earlier, later = factories.record(), staged(SUCCESSOR)
    stays = choose(
        earlier,
        later,
        site=site,
        assigned=KEY,
        is_refused=is_refused,
        spare="6" * 32,
        workload_place=SUCCESSOR.place_id,
    )
    assert stays == selected(SUCCESSOR, lost=earlier)
    key = factories.key_of(SUCCESSOR).address
    done = choose(
        earlier,
        factories.record(at=SUCCESSOR),
        site=site,
        assigned=key,
        spare="6" * 32,
        workload_place=SUCCESSOR.place_id,
    )
    assert done == selected(SUCCESSOR, is_assigned=True, former=earlier)


def test_successor_whose_volume_is_lost_before_it_is_assigned_is_replaced() -> None:
    """Its key never signed, but its sign state must be created on the volume that signs with it."""
    earlier, later = factories.record(volume="volume-0"), factories.record(at=SUCCESSOR, volume="volume-1")
    another = dataclasses.replace(SUCCESSOR, place_id=factories.place_id(8))
    again = choose(earlier, later, site=OTHER_VOLUME, assigned=KEY)
    assert (again.place.replaces, again.lost) == (FIRST.place_id, earlier)
    # A place of the same pass would be the same one, with its record; of another, it is not.
    third = choose(earlier, later, site=OTHER_VOLUME, assigned=KEY, spare="6" * 32)
    assert third.place.place_id not in {FIRST.place_id, SUCCESSOR.place_id}
    stays = choose(earlier, later, staged(another), site=OTHER_VOLUME, assigned=KEY, spare="7" * 32)
    assert stays == selected(another, lost=earlier)


def test_sign_state_that_is_still_being_created_is_not_lost() -> None:
    """A node that starts before the Job is done finds none, and is started again once it is there."""
    requested = factories.record(is_ready=False)
    assert choose(requested, assigned=KEY, is_refused=True) == selected(FIRST, is_assigned=True)
    # Nothing is on record of it: its Secret was lost, and with it whether it ever existed.
    for record in (staged(), staged(is_recovered=True)):
        assert choose(record, assigned=KEY, is_refused=True) == selected(SUCCESSOR, lost=record)


@pytest.mark.parametrize("changes", [{}, {"is_refused": True}, {"site": OTHER_VOLUME}])
def test_lost_sign_state_with_wait_or_on_a_stopped_chain_keeps_its_place(changes: dict[str, Any]) -> None:
    """The provider accepts no assignment for a STOPPED chain; the node goes on without a key."""
    found = choose(LOST, assigned=KEY, rekeys_after=None, **changes)
    assert found == selected(FIRST, is_assigned=True, lost=LOST)


@pytest.mark.parametrize(
    ("age", "is_replaced"),
    [(DAY - SECOND, False), (DAY, True), (10 * DAY, True)],
)
def test_place_that_replaced_another_is_replaced_itself_only_after_the_interval(
    age: datetime.timedelta, is_replaced: bool
) -> None:
    place = factories.place(1, replaces=FIRST.place_id, since=NOW - age)
    lost = factories.record(at=place, volume="volume-0")
    found = choose(LOST, lost, assigned=factories.key_of(place).address)
    if is_replaced:
        assert found == selected(factories.new_place(replaces=place.place_id), lost=lost)
    else:
        assert found == selected(place, is_assigned=True, lost=lost)


def test_place_that_came_by_a_move_is_replaced_like_a_first_one() -> None:
    place = factories.place(1, replaces=ELSEWHERE_KEY.hex().upper(), is_moved=True, since=NOW - SECOND)
    lost = factories.record(at=place, volume="volume-0")
    found = choose(lost, assigned=factories.key_of(place).address)
    assert found == selected(factories.new_place(replaces=place.place_id), lost=lost)


def test_ordered_key_replaces_a_sound_one_and_one_that_was_just_replaced() -> None:
    sound = factories.record()
    assert choose(sound, assigned=KEY, is_rekeying=True) == selected(SUCCESSOR, lost=sound)
    place = factories.place(1, replaces=FIRST.place_id, since=NOW - SECOND)
    lost = factories.record(at=place, volume="volume-0")
    found = choose(lost, assigned=factories.key_of(place).address, is_rekeying=True)
    assert found == selected(factories.new_place(replaces=place.place_id), lost=lost)


ORDERED = factories.new_place(replaces=FIRST.place_id, is_ordered=True)
SIGNING: dict[str, Any] = {"is_running": True, "workload_place": FIRST.place_id}


@pytest.mark.parametrize("members", [None, frozenset({KEY})])
def test_key_that_signs_stays_while_the_ordered_one_is_prepared(members: frozenset[bytes] | None) -> None:
    known = {"assigned": KEY, "is_rekeying": True, "members": members, **SIGNING}
    expected = selected(FIRST, is_assigned=True, next=selected(ORDERED))
    assert choose(factories.record(), **known) == expected
    assert choose(factories.record(), staged(ORDERED), **known, spare="6" * 32) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"members": frozenset({ELSEWHERE_KEY})},
        {"workload_place": ""},
        {"is_running": False},
        {"is_refused": True},
        {"site": OTHER_VOLUME},
    ],
    ids=["not in the set", "no node", "not launched", "sign state lost", "other volume"],
)
def test_ordered_key_goes_to_the_node_at_once_if_the_present_one_signs_nothing(
    changes: dict[str, Any],
) -> None:
    known = {"assigned": KEY, "is_rekeying": True, **SIGNING, **changes}
    found = choose(factories.record(), **known)
    assert (found.place.replaces, found.place.is_ordered, found.next) == (FIRST.place_id, False, None)


def test_ordered_key_that_was_not_assigned_changes_nothing_after_the_order() -> None:
    """Neither for the key that signs, nor when that one is lost."""
    records = (factories.record(), factories.record(at=ORDERED))
    assert choose(*records, assigned=KEY, **SIGNING) == selected(FIRST, is_assigned=True)
    lost = choose(*records, assigned=KEY, **SIGNING, is_refused=True)
    newer = dataclasses.replace(SUCCESSOR, since=NOW + TICK)
    assert (lost.place, lost.lost) == (newer, records[0])


ORDERED_KEY = factories.key_of(ORDERED).address


@pytest.mark.parametrize("members", [None, frozenset({KEY}), frozenset({KEY, ELSEWHERE_KEY})])
def test_replaced_key_signs_until_the_set_has_the_ordered_one(members: frozenset[bytes] | None) -> None:
    records = (factories.record(), factories.record(at=ORDERED))
    found = choose(*records, assigned=ORDERED_KEY, members=members, **SIGNING)
    assert found == selected(FIRST, is_assigned=True, next=selected(ORDERED, is_assigned=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"members": frozenset({ORDERED_KEY})},
        # Once the node has the new key, it never gets the earlier one back.
        {"workload_place": ORDERED.place_id, "members": None},
        {"workload_place": ORDERED.place_id, "members": frozenset({KEY})},
        {"is_mounted_refused": True},
        {"is_running": False},
    ],
    ids=["update came", "restarts with it", "lags behind", "sign state lost", "stopped"],
)
def test_ordered_key_takes_over(changes: dict[str, Any]) -> None:
    records = (factories.record(), factories.record(at=ORDERED))
    found = choose(*records, assigned=ORDERED_KEY, **{**SIGNING, **changes})
    assert found == selected(ORDERED, is_assigned=True, former=records[0])


@pytest.mark.parametrize(
    "former",
    [
        factories.record(volume="volume-0"),
        factories.record(is_ready=False),
        factories.record(is_retired=True),
        factories.record(volume=names.WITHDRAWN),
    ],
)
def test_replaced_key_without_its_sign_state_does_not_come_back(former: model.SigningRecord) -> None:
    found = choose(former, factories.record(at=ORDERED), assigned=ORDERED_KEY, **SIGNING)
    assert (found.place, found.next) == (ORDERED, None)


@pytest.mark.parametrize("age", [59, 60, 61])
def test_assigned_place_whose_sign_state_was_never_created_is_lost_after_an_hour(age: int) -> None:
    """A backup of the cluster from before its creation may be restored beside the original, which has created it."""
    place = factories.place(since=NOW - age * 60 * SECOND)
    record = staged(place)
    found = choose(record, assigned=KEY)
    if age < 60:
        assert found == selected(place, is_assigned=True)
    else:
        assert found == selected(SUCCESSOR, lost=record)
    # A node with it is there, so it is the original.
    has_it = choose(record, assigned=KEY, workload_place=place.place_id, is_given=True)
    assert has_it == selected(place, is_assigned=True)


def test_key_that_a_remote_signer_held_is_lost() -> None:
    """No sign state here is up to date for it, should the settings name no signer any more."""
    record = factories.record(volume=names.WITHDRAWN)
    assert choose(record, assigned=KEY) == selected(SUCCESSOR, lost=record)
    assert choose(record) == selected(factories.new_place())


# -- a replaced key that the operator gave back --------------------------------------------------------

GIVEN_BACK = factories.record(is_reset=True)
REPLACED_BY = factories.record(at=SUCCESSOR)
NEW_KEY = factories.key_of(SUCCESSOR).address


@pytest.mark.parametrize("members", [None, frozenset({KEY}), frozenset({KEY, NEW_KEY})])
def test_replaced_key_that_was_given_back_signs_while_the_set_may_have_it(
    members: frozenset[bytes] | None,
) -> None:
    """The chain stands still for its vote, so no update can bring the new key."""
    found = choose(GIVEN_BACK, REPLACED_BY, assigned=NEW_KEY, members=members)
    assert found == selected(FIRST, is_assigned=True)


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (GIVEN_BACK, {"members": frozenset({NEW_KEY})}),
        (factories.record(), {}),
        (dataclasses.replace(GIVEN_BACK, is_retired=True), {}),
        (dataclasses.replace(GIVEN_BACK, volume_uid="volume-0"), {}),
        (dataclasses.replace(GIVEN_BACK, volume_uid=None), {}),
    ],
)
def test_any_other_replaced_key_signs_no_more(record: model.SigningRecord, changes: dict[str, Any]) -> None:
    found = choose(record, REPLACED_BY, assigned=NEW_KEY, **changes)
    assert found == selected(SUCCESSOR, is_assigned=True, former=record)


def test_key_of_another_installation_is_not_a_former_one() -> None:
    moved = factories.place(1, replaces=ELSEWHERE_KEY.hex().upper(), is_moved=True)
    found = choose(GIVEN_BACK, factories.record(at=moved), assigned=factories.key_of(moved).address)
    assert found == selected(moved, is_assigned=True)


# -- lost records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [SECOND, DAY])
def test_lost_secret_is_replaced_by_the_annotations_of_the_volume(age: datetime.timedelta) -> None:
    place = factories.place(since=NOW - age)
    recovered = staged(place, is_recovered=True)
    assert choose(recovered, assigned=KEY) == selected(place, is_assigned=True)
    assert choose(recovered, assigned=KEY, workload_place=place.place_id) == selected(place, is_assigned=True)


@pytest.mark.parametrize("workload", ["", FIRST.place_id])
def test_key_of_another_seed_on_record_names_the_seed(workload: str) -> None:
    foreign = factories.consumer_key("bob")
    found = choose(factories.record(foreign), assigned=foreign.address, workload_place=workload)
    problem = (
        f"the provider has {foreign.address.hex().upper()} as this validator's key, whose record is in this cluster but"
        " which is not derived from the seed; set the right ics:seed, or name the key in ics:consensus_keys.0"
    )
    assert found == selected(factories.new_place(), problem=problem)


def test_place_of_another_seed_is_not_used_for_a_first_opt_in() -> None:
    assert choose(factories.record(factories.consumer_key("bob"))) == selected(factories.new_place())


def test_ordered_key_of_a_new_seed_replaces_the_one_of_the_earlier_seed() -> None:
    foreign = factories.consumer_key("bob")
    record = factories.record(foreign)
    found = choose(record, assigned=foreign.address, is_rekeying=True)
    assert found == selected(SUCCESSOR)
    again = choose(record, staged(SUCCESSOR), assigned=foreign.address, is_rekeying=True, spare="6" * 32)
    assert again == selected(SUCCESSOR)


# -- leaving and joining again -------------------------------------------------------------------------

LEFT = factories.record(is_retired=True)
OUTSIDE: dict[str, Any] = {"is_outside": True}
REJOIN: dict[str, Any] = {"is_outside": True, "is_rejoin": True}


def test_node_of_a_validator_that_is_leaving_keeps_its_key() -> None:
    assert choose(factories.record(), assigned=KEY, **OUTSIDE) == selected(FIRST, is_assigned=True)


def test_earlier_place_that_was_never_assigned_is_not_a_rejoin() -> None:
    """A validator in jail may be outside, too: it started nothing since its key was assigned."""
    later = factories.record(at=1)
    found = choose(staged(), later, assigned=factories.key_of(SECOND_PLACE).address, **OUTSIDE)
    assert found == selected(SECOND_PLACE, is_assigned=True)


def test_member_again_with_the_key_that_it_left_with_gets_a_new_place() -> None:
    """Someone opted in by hand, without a key: the provider kept the assignment."""
    assert choose(LEFT, assigned=KEY) == selected(factories.new_place())


@pytest.mark.parametrize(
    "records",
    [
        (LEFT,),
        # The stack was destroyed before it left: nothing retired the first key.
        (factories.record(),),
        # Its cluster is new, and knows nothing of the first key.
        (),
    ],
    ids=["retired", "not retired", "no record"],
)
def test_rejoin_takes_a_new_place_and_continues_with_it(records: tuple[model.SigningRecord, ...]) -> None:
    new = factories.new_place()
    assert choose(*records, assigned=KEY, **REJOIN) == selected(new)
    for started in (staged(new), factories.record(at=new)):
        for changes in (REJOIN, OUTSIDE):
            found = choose(*records, started, assigned=KEY, spare="6" * 32, **changes)
            assert found == selected(new)


@pytest.mark.parametrize("record", [LEFT, factories.record()])
def test_rejoin_after_the_key_of_another_installation_takes_a_new_place(record: model.SigningRecord) -> None:
    found = choose(record, assigned=ELSEWHERE_KEY, used={KEY}, **REJOIN)
    assert found == selected(factories.new_place())


def test_rejoin_never_uses_a_place_that_was_replaced() -> None:
    """Its sign state was lost, though the claim is the same, and the provider forgets old keys in the end."""
    successor = factories.place(1, replaces=FIRST.place_id)
    records = (factories.record(), factories.record(at=successor, is_retired=True))
    found = choose(*records, assigned=factories.key_of(successor).address, **REJOIN)
    assert found == selected(factories.new_place())


LEFT_WITH_CONFIGURED = factories.record(CONFIGURED, is_retired=True)


@pytest.mark.parametrize(
    "records",
    [(LEFT_WITH_CONFIGURED,), (LEFT, dataclasses.replace(LEFT_WITH_CONFIGURED, place=SECOND_PLACE))],
)
def test_rejoin_after_a_configured_key_takes_a_new_derived_one(
    records: tuple[model.SigningRecord, ...],
) -> None:
    new = factories.new_place()
    assert choose(*records, assigned=CONFIGURED.address, **REJOIN) == selected(new)
    for changes in (REJOIN, OUTSIDE):
        found = choose(*records, staged(new), assigned=CONFIGURED.address, spare="6" * 32, **changes)
        assert found == selected(new)


# -- configured keys -----------------------------------------------------------------------------------

PROVIDER_KEY = factories.consensus_key("alice")
GIVEN = places.ConfiguredKey(CONFIGURED, False, "ics:consensus_keys.0")
HEX = CONFIGURED.address.hex().upper()


def configured(
    *records: model.SigningRecord, given: places.ConfiguredKey = GIVEN, **changes: Any
) -> places.SelectedKey:
    return places.choose_configured(given, PROVIDER_KEY, "0", knowing(records=records, **changes))


def chosen(place: model.Place, problem: str = "", **changes: Any) -> places.SelectedKey:
    values: dict[str, Any] = {"is_assigned": False, **changes}
    return places.SelectedKey(key=CONFIGURED, place=place, problem=problem, **values)


def test_configured_key_has_a_place_of_its_own() -> None:
    new = factories.new_place()
    assert configured() == chosen(new)
    assert configured(factories.record()) == chosen(new)
    for record in (staged(new), factories.record(at=new)):
        own = dataclasses.replace(record, consensus_address=HEX)
        assert configured(factories.record(), own, spare="6" * 32) == chosen(new)
        found = configured(factories.record(), own, spare="6" * 32, assigned=CONFIGURED.address)
        assert found == chosen(new, is_assigned=True)


@pytest.mark.parametrize("site", [OTHER_VOLUME, SITE])
def test_configured_key_with_a_lost_sign_state_keeps_its_place(site: places.Site) -> None:
    """There is no other key to assign: it waits for the operator."""
    record = factories.record(CONFIGURED, volume="volume-0")
    found = configured(record, site=site, assigned=CONFIGURED.address, is_refused=True)
    assert found == chosen(FIRST, is_assigned=True)


@pytest.mark.parametrize(
    "site",
    [dataclasses.replace(SITE, namespace="copy"), dataclasses.replace(SITE, cluster_uid="cluster-2")],
)
def test_record_of_a_configured_key_elsewhere_is_not_a_record_here(site: places.Site) -> None:
    found = configured(factories.record(CONFIGURED), site=site, assigned=CONFIGURED.address)
    assert found == chosen(factories.new_place(site=site), is_assigned=True)


def test_configured_key_that_is_not_the_assigned_one_is_a_problem() -> None:
    problem = (
        f"the provider has {KEY.hex().upper()} as this validator's key, but ics:consensus_keys.0 is {HEX}; use the"
        " assigned key, or leave the chain and rejoin it with the new key"
    )
    assert configured(assigned=KEY) == chosen(factories.new_place(), problem)
    assert configured(assigned=KEY, **OUTSIDE) == chosen(factories.new_place(), problem)
    assert configured(assigned=KEY, **REJOIN) == chosen(factories.new_place())


def test_started_rejoin_continues_with_its_configured_key() -> None:
    started = factories.record(CONFIGURED, at=1)
    assert configured(LEFT, started, assigned=KEY, **OUTSIDE) == chosen(SECOND_PLACE)


@pytest.mark.parametrize(
    ("record", "changes", "is_problem"),
    [
        (factories.record(CONFIGURED, is_retired=True), {}, True),
        (factories.record(CONFIGURED, is_retired=True), {"assigned": CONFIGURED.address}, True),
        (factories.record(CONFIGURED, is_retired=True), {"assigned": KEY, **REJOIN}, True),
        (factories.record(CONFIGURED), {"assigned": CONFIGURED.address, **REJOIN}, True),
        (factories.record(CONFIGURED), {"assigned": CONFIGURED.address, **OUTSIDE}, False),
    ],
)
def test_configured_key_with_which_the_validator_left_is_a_problem(
    record: model.SigningRecord, changes: dict[str, Any], is_problem: bool
) -> None:
    problem = (
        f"ics:consensus_keys.0: this validator left the chain with key {HEX}; use a new key to rejoin"
        if is_problem
        else ""
    )
    assert configured(record, **changes) == chosen(FIRST, problem, is_assigned=not is_problem)


PROVIDERS = derivation.SignerKey(PROVIDER_KEY, addresses.consensus_address(PROVIDER_KEY))


def test_provider_key_must_be_declared_and_only_it_may_be() -> None:
    undeclared = configured(given=places.ConfiguredKey(PROVIDERS, False, "ics:consensus_keys.0"))
    address = PROVIDERS.address.hex().upper()
    new = factories.new_place()
    assert undeclared == places.SelectedKey(
        key=PROVIDERS,
        place=new,
        is_assigned=False,
        is_providers=True,
        problem=f"ics:consensus_keys.0: {address} is the provider node's own key; use another, or set provider_key:"
        " true",
    )
    other = configured(given=places.ConfiguredKey(CONFIGURED, True, "ics:consensus_keys.0"))
    problem = f"ics:consensus_keys.0.provider_key: {HEX} is not the provider node's own key; unset it"
    assert other == chosen(new, problem)


@pytest.mark.parametrize(("assigned", "is_assigned"), [(None, True), (KEY, False)])
def test_provider_key_is_the_validators_while_none_is_assigned(
    assigned: bytes | None, is_assigned: bool
) -> None:
    given = places.ConfiguredKey(PROVIDERS, True, "ics:consensus_keys.0")
    found = configured(given=given, assigned=assigned)
    assert (found.is_providers, found.is_assigned, bool(found.problem)) == (
        True,
        is_assigned,
        not is_assigned,
    )


# -- what always holds ---------------------------------------------------------------------------------

VOLUMES = st.sampled_from([None, "volume-1", "volume-2"])
SITES = st.builds(
    places.Site,
    cluster_uid=st.sampled_from([factories.CLUSTER, "cluster-2"]),
    namespace=st.sampled_from(["ns", "copy"]),
    volume_uid=VOLUMES,
)
IDS = [factories.place_id(number) for number in range(4)]
ADDRESSES = [derive(one).address for one in IDS]


@st.composite
def record_lists(draw: st.DrawFn) -> tuple[model.SigningRecord, ...]:
    """Records of up to four places, each at one site, as the cluster keeps them."""
    found = []
    for number in sorted(draw(st.sets(st.integers(0, len(IDS) - 1)))):
        site = draw(SITES)
        earlier = st.sampled_from(["", *IDS[:number], *(address.hex().upper() for address in ADDRESSES)])
        replaces = draw(earlier)
        place = factories.place(
            number,
            cluster_uid=site.cluster_uid,
            namespace=site.namespace,
            since=NOW - draw(st.sampled_from([SECOND, 61 * 60 * SECOND, 2 * DAY])) + number * SECOND,
            replaces=replaces,
            is_moved=len(replaces) == 40,
            is_ordered=len(replaces) == 32 and draw(st.booleans()),
        )
        volume = draw(VOLUMES)
        found.append(
            factories.record(
                draw(st.sampled_from([None, CONFIGURED, factories.consumer_key("bob")])),
                at=place,
                volume=volume,
                is_ready=volume is not None and draw(st.booleans()),
                is_retired=draw(st.booleans()),
                is_reset=volume is not None and draw(st.booleans()),
                is_recovered=volume is None and draw(st.booleans()),
            )
        )
    return tuple(found)


ASSIGNED = st.sampled_from(
    [None, *ADDRESSES, ELSEWHERE_KEY, CONFIGURED.address, factories.consumer_key("bob").address]
)


@st.composite
def situations(draw: st.DrawFn) -> places.Known:
    """Whatever a pass may know."""
    is_outside = draw(st.booleans())
    return places.Known(
        site=draw(SITES),
        spare=draw(st.sampled_from(["5" * 32, "6" * 32])),
        now=NOW,
        records=draw(record_lists()),
        workload_place=draw(st.sampled_from(["", *IDS])),
        is_given=draw(st.booleans()),
        assigned=draw(ASSIGNED),
        used=draw(st.frozensets(st.sampled_from([*ADDRESSES, ELSEWHERE_KEY]))),
        is_refused=draw(st.booleans()),
        is_mounted_refused=draw(st.booleans()),
        is_running=draw(st.booleans()),
        is_silent_abroad=draw(st.booleans()),
        members=draw(st.none() | st.frozensets(st.sampled_from(ADDRESSES))),
        is_outside=is_outside,
        is_rejoin=is_outside and draw(st.booleans()),
        is_moving=draw(st.booleans()),
        is_rekeying=draw(st.booleans()),
        rekeys_after=draw(st.sampled_from([None, DAY])),
    )


@given(situations())
def test_place_is_never_used_at_another_site_or_volume(known: places.Known) -> None:
    found = places.choose_key(derive, "0", known)
    record = places.record_of(known.records, found.place)
    assert places.is_at(found.place, known.site)
    if record is None:
        assert found.place.place_id not in {one.place.place_id for one in known.records}
        recorded = {one.place.since for one in known.records}
        is_after_newest = found.place.since - TICK in recorded and found.place.since > known.now
        assert found.place.since == known.now or is_after_newest
    elif not places.is_on_volume(record, known.site):
        # The node of a key that is lost, or belongs to another installation, has it withheld.
        assert found.lost == record or found.elsewhere is not None
    assert found.key == derive(found.place.place_id)


def test_new_place_is_dated_after_the_newest_one_on_record() -> None:
    """The records may be dated ahead of the newest block; the next pass must continue with the newest place."""
    used = factories.record(at=factories.place(1, since=NOW + 2 * SECOND), is_retired=True)
    found = choose(used)
    assert found.place.since == NOW + 2 * SECOND + TICK
    assert choose(used, staged(found.place), spare="6" * 32) == found


def test_successor_of_a_lost_key_stays_one_for_a_validator_outside_the_chain() -> None:
    lost = staged()
    known: dict[str, Any] = {"assigned": KEY, "is_outside": True, "is_refused": True, "site": NO_VOLUME}
    found = choose(lost, **known)
    assert found.lost == lost
    assert choose(lost, staged(found.place), spare="6" * 32, **known) == found


@given(situations())
def test_key_is_assigned_if_and_only_if_the_provider_has_it(known: places.Known) -> None:
    """Or if it had it before, and the operator gave it back to a chain that waits for its vote, or ordered another."""
    found = places.choose_key(derive, "0", known)
    assigned = next((one for one in IDS if derive(one).address == known.assigned), "")
    replacing = {one.place.replaces for one in known.records if one.place.place_id == assigned}
    record = places.record_of(known.records, found.place)
    is_replaced = record is not None and found.place.place_id in replacing
    is_given_back = is_replaced and ((record is not None and record.is_reset) or found.next is not None)
    if found.is_assigned:
        assert found.key.address == known.assigned or is_given_back
    else:
        assert found.key.address != known.assigned


@given(situations())
def test_key_that_may_be_assigned_was_never_assigned_nor_replaced_nor_left(known: places.Known) -> None:
    """Whatever the cluster's records say: `used` is the provider's word."""
    found = places.choose_key(derive, "0", known)
    found = found if found.next is None else found.next
    if found.is_assigned or found.problem or (found.elsewhere is not None and not known.is_moving):
        return
    record = places.record_of(known.records, found.place)
    assert found.key.address not in {*known.used, known.assigned}
    assert record is None or not record.is_retired
    assert record is None or places.is_on_volume(record, known.site)
    replaced = {one.place.replaces for one in known.records if places.is_at(one.place, known.site)}
    assert found.place.place_id not in replaced


@given(situations())
def test_key_of_another_installation_is_neither_lost_nor_assigned_here(known: places.Known) -> None:
    found = places.choose_key(derive, "0", known)
    if found.elsewhere is not None:
        assert (found.elsewhere, found.is_assigned, found.lost) == (known.assigned, False, None)
        assert not known.is_outside


@given(situations())
def test_next_pass_selects_the_same_place_once_it_is_on_record(known: places.Known) -> None:
    """Otherwise places would never settle: each pass has another random text."""
    if known.is_rekeying:
        return  # ordered for one command, which ends with the assignment
    found = places.choose_key(derive, "0", known)
    if places.record_of(known.records, found.place) is not None or found.problem:
        return
    if found.elsewhere is not None and not known.is_moving:
        return  # no node is started for it
    record = staged(found.place)
    later = dataclasses.replace(known, records=(*known.records, record), spare="7" * 32)
    assert places.choose_key(derive, "0", later) == found


@given(situations())
def test_configured_key_is_selected_whatever_is_known(known: places.Known) -> None:
    found = places.choose_configured(GIVEN, PROVIDER_KEY, "0", known)
    assert (found.key, found.elsewhere, found.lost) == (CONFIGURED, None, None)
    assert places.is_at(found.place, known.site)
    assert not found.is_assigned or found.key.address == known.assigned
