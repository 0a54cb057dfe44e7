"""Each harm in the order in which one protection matters: no key signs twice, and in the end the chain is signed.

`test_signing` does the same harm in any order, among all other.
"""

from collections.abc import Callable

import pytest

from ics import model
from tests.model import machine, provider

FIRST, SECOND = 0, 1
"""Installations of one stack, on two clusters."""

Sequence = Callable[[machine.Signing], None]


def second_installation_before_launch(played: machine.Signing) -> None:
    """Two clusters with one seed have a place each, of which one is assigned before the launch."""
    _come_to_place(played, FIRST)
    _passes(played, SECOND, FIRST)
    played.found.provider.launch()
    _passes(played, FIRST, SECOND)


def second_installation_joins_late(played: machine.Signing) -> None:
    """Two clusters with one seed are both ordered to join a chain that runs already, and do so at once."""
    played.found.provider.launch()
    for one in played.found.installations[:2]:
        one.joins = True
    _come_to_place(played, FIRST)
    _passes(played, SECOND, FIRST)


def copy_of_namespace(played: machine.Signing) -> None:
    """A namespace is copied with its disk, as `kubectl get | sed | apply` does."""
    played.copy_namespace(FIRST, has_disk=True, is_renamed=True)
    _passes(played, FIRST)


def copy_of_namespace_as_it_is(played: machine.Signing) -> None:
    """A namespace is copied with its disk, and the objects in it stay as they are."""
    played.copy_namespace(FIRST, has_disk=True, is_renamed=False)
    _passes(played, FIRST)


def reset_on_halted_chain(played: machine.Signing) -> None:
    """A volume is lost after a vote for the height in progress, in which the key then signs again."""
    played.reset(is_halted=True, passes=2)
    _passes(played, FIRST)


def reset_on_moving_chain(played: machine.Signing) -> None:
    """A volume is lost after a vote, and the key signs again before the next block."""
    played.reset(is_halted=False, passes=2)
    _passes(played, FIRST)


def older_disk_without_definition(played: machine.Signing) -> None:
    """An older disk is put back while the chain has no definition, so that the engine changes nothing."""
    played.restore_volume(FIRST, "definition", True)
    _passes(played, FIRST)


def older_disk_with_question(played: machine.Signing) -> None:
    """An older disk is put back while a question is open, so that the engine changes nothing."""
    played.restore_volume(FIRST, "question", True)
    _passes(played, FIRST)


def older_disk_twice(played: machine.Signing) -> None:
    """An older disk is put back, a new key takes over, and an older disk is put back again, both times while held."""
    played.restore_volume_again()
    _passes(played, FIRST)


def older_disk_under_its_claim(played: machine.Signing) -> None:
    """An older copy is put back under the same claim, which no record tells from the disk before it."""
    played.restore_below_watermark()
    _passes(played, FIRST)


def restored_from_snapshot(played: machine.Signing) -> None:
    """The operator restores an older snapshot, once whole and once more while the first new key is on its way."""
    played.restore_snapshot(0, 0, 1)
    _passes(played, FIRST)
    played.restore_snapshot(0, 0, 0)
    _passes(played, FIRST)


def restore_that_ends_early(played: machine.Signing) -> None:
    """The restore ends before each of its effects in turn, and passes go on from there."""
    for effect in range(1, 9):
        played.restore_snapshot(effect, 0, effect % 2)
        _passes(played, FIRST)


def restore_with_a_pass_between(played: machine.Signing) -> None:
    """A whole pass runs before each effect of the restore in turn, as after a lost Lease."""
    for effect in range(1, 9):
        played.restore_snapshot(0, effect, effect % 2)
        _passes(played, FIRST)


def changeover_at_launch(played: machine.Signing) -> None:
    """The owner makes the chain a changeover after the opt-in."""
    played.change_over()


def second_pod(played: machine.Signing) -> None:
    """A second pod of one StatefulSet runs on the same volume."""
    played.scale(FIRST, 1)
    _passes(played, FIRST)


def lost_machine(played: machine.Signing) -> None:
    """The pod is deleted by force while its container runs on."""
    played.force_delete(FIRST, is_prompt=True)
    played.pass_blocks(2)
    _passes(played, FIRST)


def cluster_restored_with_disks(played: machine.Signing) -> None:
    """A backup of etcd and clones of the disks become a second cluster, and the first one goes on."""
    played.restore_cluster(FIRST, has_disks=True)
    played.pass_blocks(2)
    _passes(played, FIRST, len(played.found.installations) - 1)


def remote_signer_and_back(played: machine.Signing) -> None:
    """A remote signer has the key for a block, in which no pod starts."""
    played.use_remote_signer(returns=True)
    _passes(played, FIRST)


def wrong_phase_after_lost_volume(played: machine.Signing) -> None:
    """The volume is lost, and one answer says that the chain is not launched."""
    played.lose_volume_and_lie(provider.Lie.INITIALIZED)
    _passes(played, FIRST)


def other_key_under_running_node(played: machine.Signing) -> None:
    """Another key lies in the Secret while the node runs on a lost machine, which is mended once that is gone."""
    played.confuse_keys_under_running_node()
    _passes(played, FIRST)


def other_key_of_moved_chain(played: machine.Signing) -> None:
    """The key of the first installation lies in the Secret of the second one, to which the chain is being moved."""
    played.confuse_keys(SECOND, 2)
    _passes(played, FIRST, SECOND)


def old_installation_after_takeover(played: machine.Signing) -> None:
    """The chain is moved, and the old installation loses its volume afterwards."""
    played.move(SECOND, is_moving=True)
    for _ in range(4):
        _passes(played, SECOND, FIRST)
    played.lose_volume(FIRST)
    for _ in range(3):
        played.found.provider.time += provider.BLOCK * 4
        _passes(played, FIRST, SECOND)


def emptied_disk_under_running_node(played: machine.Signing) -> None:
    """The disk is emptied while the node runs, and its container starts again."""
    played.wipe(FIRST, is_stopped=False)
    played.pass_blocks(1)
    process = played.found.process_of(played.found.installations[FIRST])
    if process is not None:
        process.stop()
    _passes(played, FIRST)


def cluster_restored_before_first_sign_state(played: machine.Signing) -> None:
    """A backup of etcd from before a place's first sign state becomes a second cluster; both create it then."""
    played.found.run_pass(played.found.installations[FIRST])
    played.restore_cluster(FIRST, has_disks=False)
    restored = len(played.found.installations) - 1
    _passes(played, FIRST, restored)
    played.found.provider.launch()
    _passes(played, FIRST, restored)


SIGNING = (
    copy_of_namespace,
    copy_of_namespace_as_it_is,
    reset_on_halted_chain,
    reset_on_moving_chain,
    older_disk_without_definition,
    older_disk_with_question,
    older_disk_twice,
    older_disk_under_its_claim,
    restored_from_snapshot,
    restore_that_ends_early,
    restore_with_a_pass_between,
    second_pod,
    lost_machine,
    cluster_restored_with_disks,
    remote_signer_and_back,
    wrong_phase_after_lost_volume,
    other_key_under_running_node,
    other_key_of_moved_chain,
    old_installation_after_takeover,
    emptied_disk_under_running_node,
)
"""Begin with an installation that signs."""
NOT_LAUNCHED = (
    (second_installation_before_launch, "nothing"),
    (second_installation_joins_late, "nothing"),
    (changeover_at_launch, "joined"),
    (cluster_restored_before_first_sign_state, "nothing"),
)
"""Begin with nothing, or with an installation that has joined a chain before its launch."""


def _come_to_place(played: machine.Signing, which: int) -> None:
    """Let an installation's pass end once it has made a place, before it can send anything."""
    one, effects = played.found.installations[which], 1
    while not played.found.key_secrets(one):
        one.run(kill_at=effects)
        effects += 1
        one.cluster.holder.clear()
    assert not played.found.provider.is_opted_in


def _passes(played: machine.Signing, *which: int) -> None:
    """Run three passes of each of some installations, with a block and all votes after each."""
    for _ in range(3):
        for number in which:
            played.found.run_pass(played.found.installations[number])
            played.places()
            played.found.block()
            if played.is_launched:
                played.pass_blocks(1)


def _play(sequence: Sequence, *, start: str, is_shared: bool, waits: bool) -> machine.Signing:
    played = machine.Signing()
    played.begin(is_shared=is_shared, waits=waits, start=start, is_quiet=True)
    sequence(played)
    played.places()
    played.teardown()
    return played


@pytest.mark.parametrize(
    ("sequence", "start"), [pytest.param(*one, id=one[0].__name__) for one in NOT_LAUNCHED]
)
def test_no_key_signs_twice_after_the_launch(sequence: Sequence, start: str) -> None:
    played = _play(sequence, start=start, is_shared=False, waits=False)
    assert played.found.provider.phase is model.Phase.LAUNCHED


@pytest.mark.parametrize(
    ("is_shared", "waits"),
    [
        pytest.param(False, False, id="disks"),
        pytest.param(True, False, id="shared"),
        pytest.param(False, True, id="wait"),
    ],
)
@pytest.mark.parametrize("sequence", SIGNING, ids=lambda one: one.__name__)
def test_no_key_signs_twice(sequence: Sequence, is_shared: bool, waits: bool) -> None:
    """On disks of one machine each or on a shared file system, and where lost keys wait for the operator."""
    played = _play(sequence, start="signs", is_shared=is_shared, waits=waits)
    chain = played.found.provider.chain
    assert chain is not None
    assert chain.ledger.votes
