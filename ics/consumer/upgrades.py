"""Upgrades at a height: which version of its software a node gets, and what is reported about it; pure.

A node runs the version for the block after `app height`, the height that its application is on record to have reached
on its volume. That record never comes so close to an upgrade that it seems due (`height - 2`) before the node was seen
to stand there: the block store at the upgrade's height, the application one below, twice and two seconds apart; or the
software's own last words. So every pass, after any crash, finds the same image, and none is switched on a guess. A
version that was switched is never taken back: which ones were is on record, too, so that neither a list that was edited
nor a plan that was changed afterwards moves a node.

The facts are of cosmos-sdk v0.50: at the height of a plan without a handler, and from `--halt-height` on, the
application refuses the block (x/upgrade v0.1.4, `PreBlocker`; baseapp, `checkHalt`), while the process lives on and
answers. Started again on the old version, it exits.
"""

import dataclasses
import datetime
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ics import model, plain_text
from ics.conditions import Condition, Reason, Severity
from ics.config import upgrades as config_upgrades
from ics.consumer import applied_upgrades, image_pulls, plan_images

NEAR = datetime.timedelta(minutes=10)
"""Time before an upgrade from which its node is restarted for no other reason."""
_DAY = datetime.timedelta(days=1)
_HOUR = datetime.timedelta(hours=1)
_FRESH = datetime.timedelta(minutes=5)
"""Time after a switch in which a node need not answer yet."""
_NEAR_BLOCKS = 100
"""Blocks before an upgrade that count as near if the time between two blocks is not known."""
_NEEDED = re.compile(r'UPGRADE "([^"\n]{1,140})" NEEDED at height: (\d{1,19})')
"""x/upgrade v0.1.4, `BuildUpgradeNeededMsg` and `Plan.DueAt`."""
_HALTED = re.compile(r"halt per configuration height (\d{1,19})")
"""cosmos-sdk v0.50.13, baseapp `checkHalt`."""


class State(enum.StrEnum):
    """How far the next upgrade of a node is, or the last one."""

    NONE = "none"
    ANNOUNCED = "announced"
    """It is known, and its image is not on the node's machine yet."""
    MISSING = "image missing"
    """Its image is not known, or cannot be pulled."""
    READY = "ready"
    HALTED = "halted"
    """The node stands at its height, and is not switched yet."""
    UPGRADING = "upgrading"
    """The node was switched, and has not executed its first block yet."""
    FAILED = "failed"
    """The node was switched, and the new version does not run."""
    DIFFERS = "differs"
    """The list and the chain do not say the same."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a chain's software."""

    image: str
    binary_hash: str | None = None
    name: str = ""
    """Of the plan by which it was reached; empty: there was none."""
    height: int = 0
    """Height of the first block that it executes; 0: the chain's first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is on record about a node's software."""

    app_height: int | None = None
    """On its volume; None: nothing is."""
    written: datetime.datetime | None = None
    """Time of the last write, by the API server's clock."""
    image: str = ""
    """Of its StatefulSet; empty: it has none, or does not say."""
    halt_height: int = 0
    """Height whose block its StatefulSet lets it refuse; 0: none."""
    applied: tuple[applied_upgrades.AppliedUpgrade, ...] | None = None
    """Upgrades that its volume has been through; None: none are on record, not even that there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything on which the version of one node depends."""

    consumer_id: str
    """Of the chain; empty: the provider node."""
    base: Version
    """For a volume without data."""
    upgrades: Sequence[config_upgrades.Upgrade]
    record: Record
    runs: bool
    """Whether a node was started on the present volume before."""
    starts_at: int = 0
    """Height from which a node without data gets the state of others; 0: it starts with the chain's first block."""
    pod: model.PodStatus | None
    node: model.NodeStatus | None
    halted: int | None
    """Height at which the node was seen to stand, twice; None: it was not."""
    plan: model.UpgradePlan | None
    """What the chain says; None: it was not asked."""
    binary: str
    """Name of the binary in the image."""
    flags: tuple[str, ...] = ()
    """Flags of `start`, with their values, that the node gets."""
    image_rules: plan_images.Rules | None = None
    """Whether the image of an upgrade that is not in the list is taken from the chain's plan; None: never."""
    pulls: Mapping[str, image_pulls.Pull] = field(default_factory=dict)
    """The newest ones for nodes of this chain, by their fingerprints."""
    may_restart: bool
    """Whether the chain can do without the node for a moment."""
    may_switch: bool = True
    """Whether what comes before a switch, such as a snapshot, is done."""
    now: datetime.datetime
    interval: int
    """Seconds between two records of a node that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUpgrade:
    """The version that a node gets, and what comes next."""

    version: Version
    before: Version = Version("")
    """What it runs until a switch is on record."""
    halt_height: int = 0
    """Height whose block the node refuses, for an upgrade without a plan; 0: none."""
    recorded: int | None = None
    """Height of the application on record; None: nothing is."""
    records: int | None = None
    """Height of the application to be recorded; None: nothing new."""
    applied: tuple[applied_upgrades.AppliedUpgrade, ...] = ()
    """Upgrades that are recorded with it."""
    known: applied_upgrades.Upgrades = field(default_factory=applied_upgrades.Upgrades)
    """All upgrades of the node, also those that are not in the list."""
    is_switch: bool = False
    """Whether it must be on record before the node is switched."""
    state: State = State.NONE
    next: config_upgrades.Upgrade | None = None
    """The next entry of the list with a height."""
    scheduled: model.ScheduledUpgrade | None = None
    """What the chain has planned."""
    height: int = 0
    """Height of the upgrade that `state` is about; 0: there is none."""
    pull: image_pulls.PullTarget | None = None
    """The image that must be on the node's machine before; None: it is there, or nothing is known of it."""
    expected: datetime.datetime | None = None
    """When that height is reached; None: not known, or it is reached."""
    awaits_switch: int | None = None
    """Height of an upgrade for which everything but `may_switch` is there."""
    holds: bool = False
    """Whether the node must be restarted for no other reason now."""
    stands: bool = False
    """Whether the node stands at the height of an upgrade, or did a moment ago."""
    conditions: tuple[Condition, ...] = ()

    @property
    def is_at_upgrade(self) -> bool:
        """Whether its node is switched now, or was and is not known to have executed a block since."""
        return self.is_switch or self.state in (State.UPGRADING, State.FAILED)

    @property
    def is_switching(self) -> bool:
        """Whether its node was switched a moment ago, so that it need not answer yet."""
        return self.state is State.UPGRADING and self.holds


def needed(message: str) -> tuple[str, int] | None:
    """Return the name and height of the upgrade without which software says that it cannot go on, or None.

    Args:
        message: last words of a node, of its own making; the name of a halt without a plan is empty.
    """
    plan = _NEEDED.search(message)
    if plan is not None:
        return plan[1], int(plan[2])
    halt = _HALTED.search(message)
    return None if halt is None else ("", int(halt[1]))


def standing_at(node: model.NodeStatus | None) -> int | None:
    """Return the height of the block that a node has but did not execute (yet); None: there is none."""
    if node is None or node.app_height is None or node.height != node.app_height + 1:
        return None
    return node.height


def heights_of_interest(
    upgrades: Sequence[config_upgrades.Upgrade], plan: model.UpgradePlan | None
) -> frozenset[int]:
    """Return the heights at which a node may be expected to stand."""
    found = {upgrade.height for upgrade in upgrades if upgrade.height is not None}
    if plan is not None and plan.scheduled is not None:
        found.add(plan.scheduled.height)
    return frozenset(found)


def _index_at(upgrades: Sequence[config_upgrades.Upgrade], height: int) -> int:
    """Return the index of the last entry with a height up to `height`; -1: there is none."""
    found = -1
    for index, upgrade in enumerate(upgrades):
        if upgrade.height is not None and upgrade.height <= height:
            found = index
    return found


def _version(base: Version, upgrades: Sequence[config_upgrades.Upgrade], index: int) -> Version:
    """Return the version of an entry: one without a height keeps name and height of the one before."""
    if index < 0:
        return base
    upgrade = upgrades[index]
    if upgrade.height is not None:
        return Version(upgrade.image, upgrade.binary_hash, upgrade.name, upgrade.height)
    before = _version(base, upgrades, index - 1)
    return dataclasses.replace(before, image=upgrade.image, binary_hash=upgrade.binary_hash)


def assess(situation: Situation) -> NodeUpgrade:
    """Return the version that a node gets, and what is reported about its upgrades."""
    choice = _from_plan(situation)
    known = applied_upgrades.combine(
        situation.upgrades, situation.record.applied or (), choice.upgrade, _present_image(situation)
    )
    situation = dataclasses.replace(situation, upgrades=known.listed)
    progress = _progress(situation)
    if progress.next is not None and _stands_at(situation, situation.upgrades[progress.next]):
        found = _at_height(situation, progress)
    elif _is_switching(situation, progress.applied):
        found = _switching(situation, progress)
    else:
        found = _running(situation, progress, choice, known)
    found = _with_doubts_about_the_list(situation, found, known, progress)
    applied = _through(situation, known, progress.applied)
    if found.is_switch and progress.next is not None:
        applied = (*applied, _applied_upgrade(situation.upgrades[progress.next], known))
    return dataclasses.replace(found, recorded=situation.record.app_height, applied=applied, known=known)


def _from_plan(situation: Situation) -> plan_images.Choice:
    """Return what the chain's plan names for an upgrade of which neither the list nor the record knows anything."""
    scheduled, rules = _scheduled(situation), situation.image_rules
    if scheduled is None or rules is None:
        return plan_images.Choice()
    known = [*situation.upgrades, *(one.upgrade for one in situation.record.applied or ())]
    if any(scheduled.name == one.name or scheduled.height == one.height for one in known):
        return plan_images.Choice()
    return plan_images.choose(rules, scheduled)


# -- the record ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a node has come within its list, as indexes of entries with a height."""

    applied: int
    """The last one whose version it got; -1: none."""
    next: int | None
    """The first one that may still come; None: there is none."""
    passed: tuple[int, ...] = ()
    """Those between, whose heights the node has passed without them."""


def _progress(situation: Situation) -> _Progress:
    applied, upgrades = _applied(situation), situation.upgrades
    seen = None if situation.node is None else situation.node.app_height
    reached = max(seen or 0, situation.record.app_height or 0)
    later = [index for index in range(applied + 1, len(upgrades)) if upgrades[index].height is not None]
    below = [index for index in later if (upgrades[index].height or 0) <= reached]
    image = "" if situation.pod is None or seen is None else situation.pod.image
    if image not in ("", _version(situation.base, upgrades, applied).image):
        # It was switched by hand: what runs there has executed that block.
        applied = max((index for index in below if upgrades[index].image == image), default=applied)
    passed = tuple(index for index in below if index > applied)
    later = [index for index in later if index > applied]
    return _Progress(applied, next((index for index in later if index not in passed), None), passed)


def _applied(situation: Situation) -> int:
    """Return the index of the last entry with a height that is applied."""
    upgrades, recorded = situation.upgrades, situation.record.app_height
    if situation.record.applied is not None:
        last = situation.record.applied[-1].height if situation.record.applied else 0
        return next((index for index, one in enumerate(upgrades) if last and one.height == last), -1)
    if recorded is not None:
        return _index_at(upgrades, recorded + 1)
    if not situation.runs:
        return _index_at(upgrades, situation.starts_at + 1) if situation.starts_at else -1
    # Nothing is on record yet about a node that runs: its image says how far it is.
    present = _present_image(situation)
    found = -1
    for index, upgrade in enumerate(upgrades):
        if upgrade.image == present:
            found = index if upgrade.height is not None else _before(upgrades, index)
    return found


def _through(
    situation: Situation, known: applied_upgrades.Upgrades, applied: int
) -> tuple[applied_upgrades.AppliedUpgrade, ...]:
    """Return the upgrades that a volume has been through: those on record, and what it was found to have reached.

    Args:
        situation: of the node.
        known: all of its upgrades.
        applied: index of the last one.
    """
    kept = situation.record.applied
    if kept is None:
        listed = situation.upgrades[: applied + 1]
        return tuple(_applied_upgrade(one, known) for one in listed if one.height is not None)
    if not _is_beyond_record(situation, applied):
        return kept
    return (*kept, _applied_upgrade(situation.upgrades[applied], known))


def _is_beyond_record(situation: Situation, applied: int) -> bool:
    """Return whether a node has reached an upgrade that is not on record, because it was switched by hand."""
    kept = situation.record.applied
    height = 0 if applied < 0 else situation.upgrades[applied].height or 0
    return kept is None or height > (kept[-1].height if kept else 0)


def _applied_upgrade(
    upgrade: config_upgrades.Upgrade, known: applied_upgrades.Upgrades
) -> applied_upgrades.AppliedUpgrade:
    return applied_upgrades.AppliedUpgrade(upgrade=upgrade, is_from_plan=upgrade.height in known.from_plan)


def _before(upgrades: Sequence[config_upgrades.Upgrade], index: int) -> int:
    """Return the index of the last entry with a height before a given entry."""
    return max((i for i in range(index) if upgrades[i].height is not None), default=-1)


def _present_image(situation: Situation) -> str:
    return situation.record.image or ("" if situation.pod is None else situation.pod.image)


def _next(upgrades: Sequence[config_upgrades.Upgrade], applied: int) -> int | None:
    """Return the index of the next entry with a height, or None."""
    return next((i for i in range(applied + 1, len(upgrades)) if upgrades[i].height is not None), None)


def _due_record(situation: Situation, progress: _Progress) -> int | None:
    """Return the height to be recorded for a node that runs, at most once per interval."""
    upcoming = progress.next
    seen = None if situation.node is None else situation.node.app_height
    if not seen:
        return None
    height = None if upcoming is None else situation.upgrades[upcoming].height
    record = situation.record
    value = max(seen if height is None else min(seen, height - 2), record.app_height or 0)
    if record.app_height is None or _is_beyond_record(situation, progress.applied):
        return value
    is_due = record.written is None or situation.now - record.written >= datetime.timedelta(
        seconds=situation.interval
    )
    return value if is_due and value > record.app_height else None


# -- a version within the list -----------------------------------------------------------------------


def _chosen(situation: Situation, applied: int, *, is_held: bool) -> Version:
    """Return the version that a node gets now: the newest one that changes nothing to agree on, when it is spared."""
    upgrades = situation.upgrades
    end = _next(upgrades, applied)
    last = (len(upgrades) if end is None else end) - 1
    newest = _version(situation.base, upgrades, last)
    present = _present_image(situation)
    candidates = [_version(situation.base, upgrades, index) for index in range(applied, last + 1)]
    running = next((one for one in reversed(candidates) if one.image == present), None)
    if running is None or running == newest or situation.pod is None:
        return newest
    return newest if situation.may_restart and not is_held else running


def _chosen_halt(situation: Situation, upcoming: int | None, *, is_near: bool) -> int:
    """Return the height whose block a node refuses: a change restarts it.

    That is done when the chain can do without the node. Shortly before the height it is done in any case: a node that
    executes that block with the version before has data that the next version may not be able to use.
    """
    upgrade = None if upcoming is None else situation.upgrades[upcoming]
    wanted = upgrade.height or 0 if upgrade is not None and upgrade.halt else 0
    present = situation.record.halt_height
    if wanted == present or situation.pod is None or situation.may_restart:
        return wanted
    is_wrong = present != 0 and _is_near_or_at(situation, present)
    return wanted if is_wrong or (wanted and is_near) else present


def _is_near_or_at(situation: Situation, height: int) -> bool:
    """Return whether a node is about to refuse a block that it need not refuse, or does."""
    node = situation.node
    return node is not None and (node.height >= height or _distance(situation, height)[1])


# -- at the height ------------------------------------------------------------------------------------


def _last_words(situation: Situation) -> tuple[str, int] | None:
    """Return what a node that does not run says it needs."""
    if situation.pod is None or situation.node is not None:
        return None
    return needed(situation.pod.ending)


def _stands_at(situation: Situation, upgrade: config_upgrades.Upgrade) -> bool:
    return situation.halted == upgrade.height or _last_words(situation) == (upgrade.name, upgrade.height)


def _at_height(situation: Situation, progress: _Progress) -> NodeUpgrade:
    """Return the result for a node that stands at the height of the next entry."""
    applied, upcoming = progress.applied, progress.next or 0
    upgrade = situation.upgrades[upcoming]
    height = upgrade.height or 0
    present = NodeUpgrade(
        version=_chosen(situation, applied, is_held=True),
        halt_height=situation.record.halt_height,
        next=upgrade,
        scheduled=_scheduled(situation),
        height=height,
        holds=True,
        stands=True,
    )
    doubt = _doubt(situation, upgrade)
    if doubt is not None:
        return _with(present, doubt[0], _condition(situation, *doubt[1:]))
    if not situation.may_switch:
        text = f"the node stands at height {height} for {upgrade.label}; it is switched once its snapshot is made"
        halted = _with(present, State.HALTED, _condition(situation, Reason.UPGRADE_HALTED, text))
        return dataclasses.replace(halted, awaits_switch=height)
    text = f"the node is switched to {upgrade.image} for {upgrade.label} at height {height}"
    switched = dataclasses.replace(
        present,
        version=_newest(situation, upcoming),
        before=present.version,
        halt_height=0,
        records=height - 1,
        is_switch=True,
        awaits_switch=height,
    )
    return _with(switched, State.UPGRADING, _condition(situation, Reason.UPGRADING, text))


def _newest(situation: Situation, applied: int) -> Version:
    end = _next(situation.upgrades, applied)
    return _version(situation.base, situation.upgrades, (len(situation.upgrades) if end is None else end) - 1)


def _doubt(
    situation: Situation, upgrade: config_upgrades.Upgrade
) -> tuple[State, Reason, str, Severity | None] | None:
    """Return why a node that stands at an upgrade's height is not switched, None if it is."""
    if _last_words(situation) == (upgrade.name, upgrade.height):
        return None  # the software names the very upgrade
    plan, height = situation.plan, upgrade.height
    scheduled = _scheduled(situation)
    if scheduled is not None and scheduled.height == height and scheduled.name != upgrade.name:
        text = (
            f"the node stands at height {height} for the chain's upgrade {_shown(scheduled.name)}, but the list has"
            f" {upgrade.label} there; nothing is switched: correct the list"
        )
        return State.DIFFERS, Reason.UPGRADE_DIFFERS, text, None
    if not upgrade.name:
        return None
    if plan is None or plan.problem:
        text = (
            f"the node stands at height {height}, where the list has {upgrade.label}, but the chain's plan cannot be"
            " read, so nothing is switched yet; check the node's log"
        )
        return State.HALTED, Reason.UPGRADE_HALTED, text, None
    if scheduled is None or scheduled.height != height:
        text = (
            f"the node stands at height {height}, where the list has {upgrade.label}, but the chain has no upgrade"
            " there; nothing is switched: check the node's log, and correct the list"
        )
        return State.DIFFERS, Reason.UPGRADE_DIFFERS, text, None
    return None


# -- after the switch ---------------------------------------------------------------------------------


def _is_switching(situation: Situation, applied: int) -> bool:
    """Return whether a node was switched and is not known to have executed its first block."""
    height = 0 if applied < 0 else situation.upgrades[applied].height or 0
    if not height or situation.record.app_height != height - 1:
        return False
    seen = None if situation.node is None else situation.node.app_height
    return seen is None or seen < height


def _switching(situation: Situation, progress: _Progress) -> NodeUpgrade:
    applied, upcoming = progress.applied, progress.next
    upgrade = situation.upgrades[applied]
    height = upgrade.height or 0
    version = _newest(situation, applied)
    written = situation.record.written
    is_fresh = written is not None and situation.now - written < _FRESH
    result = NodeUpgrade(
        version=version,
        halt_height=_chosen_halt(situation, upcoming, is_near=_is_near(situation, upcoming)),
        next=upgrade,
        scheduled=_scheduled(situation),
        height=height,
        holds=True,
        stands=True,
    )
    trouble = _trouble(situation, version, height)
    if trouble:
        text = (
            f"{upgrade.label} at height {height} has failed: {trouble}; the node is not switched back: correct the"
            " image of this entry of the list, which is then used at once"
        )
        return _with(result, State.FAILED, _condition(situation, Reason.UPGRADE_FAILED, text))
    text = f"the node was switched to {version.image} for {upgrade.label}, and executes block {height} next"
    result = _with(result, State.UPGRADING, _condition(situation, Reason.UPGRADING, text))
    return result if is_fresh else dataclasses.replace(result, holds=False, stands=False)


def _trouble(situation: Situation, version: Version, height: int) -> str:
    """Return why a node does not run on its new version, empty if it may."""
    pod = situation.pod
    if pod is None or pod.image not in ("", version.image) or pod.gone_by is not None:
        return ""  # the pod before it is still there
    words = _last_words(situation)
    if words is not None and words[1] == height:
        return f"{version.image} does not contain it either"
    if situation.halted == height:
        return f"the node still stands at height {height} with {version.image}"
    if situation.node is None and pod.waiting in _CRASHING:
        return f"the node does not run with {version.image} ({pod.waiting}); see its log"
    if situation.node is None and image_pulls.is_unpullable(pod.waiting):
        return f"{version.image} cannot be pulled ({pod.waiting})"
    return ""


_CRASHING = ("CrashLoopBackOff", "CreateContainerError", "RunContainerError", "CreateContainerConfigError")


# -- before the next one ------------------------------------------------------------------------------


def _scheduled(situation: Situation) -> model.ScheduledUpgrade | None:
    return None if situation.plan is None else situation.plan.scheduled


def _running(
    situation: Situation,
    progress: _Progress,
    choice: plan_images.Choice,
    known: applied_upgrades.Upgrades,
) -> NodeUpgrade:
    """Return the result for a node that runs below the next entry's height.

    Args:
        situation: of the node.
        progress: how far it has come.
        choice: what the chain's plan names.
        known: all of its upgrades.
    """
    upcoming = progress.next
    upgrade = None if upcoming is None else situation.upgrades[upcoming]
    scheduled = _scheduled(situation)
    seen = None if situation.node is None else situation.node.app_height
    if scheduled is not None and seen is not None and scheduled.height <= seen:
        scheduled = None  # of an answer from before it was applied
    heights = [one.height for one in (upgrade, scheduled) if one is not None and one.height is not None]
    height = min(heights, default=0)
    expected, is_near = _distance(situation, height)
    result = NodeUpgrade(
        version=_chosen(situation, progress.applied, is_held=is_near),
        halt_height=_chosen_halt(situation, upcoming, is_near=_is_near(situation, upcoming)),
        records=_due_record(situation, progress),
        next=upgrade,
        scheduled=scheduled,
        height=height,
        expected=expected,
        holds=is_near,
    )
    if not height:
        return result
    differs = _differs(scheduled, situation.upgrades, progress.applied)
    if differs:
        return _with(result, State.DIFFERS, _condition(situation, Reason.UPGRADE_DIFFERS, differs))
    return _awaited(situation, result, choice.problem, known)


def _is_near(situation: Situation, upcoming: int | None) -> bool:
    height = None if upcoming is None else situation.upgrades[upcoming].height
    return height is not None and _distance(situation, height)[1]


def _with_doubts_about_the_list(
    situation: Situation, found: NodeUpgrade, known: applied_upgrades.Upgrades, progress: _Progress
) -> NodeUpgrade:
    """Return a result with what the list and the past of the node do not have in common; it switches nothing."""
    conditions = list(found.conditions)
    for index in progress.passed:
        text = _passed(situation.upgrades[index])
        conditions.insert(0, _condition(situation, Reason.UPGRADE_DIFFERS, text))
    for upgrade in known.lacking:
        text = (
            f"the node has been through {upgrade.label} at height {upgrade.height}, which is no longer in the list; it"
            " keeps its version, but a node with an empty volume would not get there: put the entry back"
        )
        conditions.append(_condition(situation, Reason.UPGRADE_UNLISTED, text, Severity.WARNING))
    for one in situation.record.applied or ():
        if one.is_from_plan and one.height in known.from_plan:
            text = (
                f"the node got {one.upgrade.image} for {one.upgrade.label} at height {one.height} from the chain's"
                " plan; add this entry to the list, for nodes that start with the state of others"
            )
            conditions.append(_condition(situation, Reason.UPGRADE_UNLISTED, text, Severity.INFO))
    state = State.DIFFERS if progress.passed and not found.stands else found.state
    return dataclasses.replace(found, state=state, conditions=tuple(conditions))


def _passed(upgrade: config_upgrades.Upgrade) -> str:
    """Return what is wrong with an entry whose height a node has passed without it."""
    if upgrade.halt:
        return (
            f"the node has executed block {upgrade.height} without {upgrade.label}, because it did not halt there;"
            f" nothing is switched: if the chain runs {upgrade.image} from that height on, restore a snapshot from"
            " before it, or replace the volume; if it does not, remove that entry"
        )
    return (
        f"the chain has passed height {upgrade.height} without {upgrade.label}; nothing is switched: correct the"
        " list, or remove that entry"
    )


def _differs(
    scheduled: model.ScheduledUpgrade | None, upgrades: Sequence[config_upgrades.Upgrade], applied: int
) -> str:
    """Return in what the chain's plan and the entries still to come differ, empty if in nothing."""
    if scheduled is None:
        return ""
    for upgrade in upgrades[applied + 1 :]:
        if (upgrade.name == scheduled.name) != (upgrade.height == scheduled.height):
            return (
                f"the chain has planned upgrade {_shown(scheduled.name)} at height {scheduled.height}, but the list has"
                f" {upgrade.label} at height {upgrade.height}; nothing is switched: correct the list"
            )
    return ""


def _awaited(
    situation: Situation, result: NodeUpgrade, problem: str, known: applied_upgrades.Upgrades
) -> NodeUpgrade:
    """Return the result with what is reported about an upgrade that is still to come."""
    when = _when(situation, result.expected)
    upgrade, scheduled = result.next, result.scheduled
    if upgrade is None or (scheduled is not None and upgrade.height != scheduled.height == result.height):
        name = "" if scheduled is None else _shown(scheduled.name)
        stands = situation.halted == result.height
        text = (
            f"the chain has planned upgrade {name} at height {result.height}, {'where it stands' if stands else when};"
            f"{f' {problem};' if problem else ''} add it to `upgrades` with its image"
        )
        result = dataclasses.replace(result, holds=result.holds or stands, stands=stands)
        return _with(result, State.MISSING, _missing(situation, result.expected, text, is_now=stands))
    source = ", from the chain's plan," if upgrade.height in known.from_plan else ""
    what = f"{upgrade.label} at height {upgrade.height}, {when}"
    target, pull = _pull(situation, upgrade)
    result = dataclasses.replace(result, pull=target)
    if pull.state is image_pulls.PullState.FAILED:
        why = plain_text.one_line(pull.text, 200) or "the pod that pulls it ended without a word"
        text = f"{what}: its image {upgrade.image}{source} is not usable: {why}; correct the list, or publish the image"
        return _with(result, State.MISSING, _missing(situation, result.expected, text))
    if upgrade.name and scheduled is None:
        text = f"{what}, is in the list; the chain has not planned it yet"
        return _with(result, State.ANNOUNCED, _condition(situation, Reason.UPGRADE_ANNOUNCED, text))
    if upgrade.halt and situation.pod is not None and situation.record.halt_height != upgrade.height:
        return _with(result, State.ANNOUNCED, _unprepared(situation, result, what))
    if pull.state is not image_pulls.PullState.DONE:
        waits = f" ({plain_text.one_line(pull.text, 200)})" if pull.text else ""
        text = f"{what}: its image {upgrade.image}{source} is being pulled{waits}"
        return _with(result, State.ANNOUNCED, _condition(situation, Reason.UPGRADE_ANNOUNCED, text))
    text = f"{what}: its image {upgrade.image}{source} is on the node's machine"
    return _with(result, State.READY, _condition(situation, Reason.UPGRADE_READY, text))


def _unprepared(situation: Situation, result: NodeUpgrade, what: str) -> Condition:
    """Return what is reported of a node that does not know yet that it must halt; louder as the height nears."""
    if result.expected is not None and result.expected - situation.now > _DAY:
        text = (
            f"{what}: the node is restarted before, so that it stops there, when the chain can do without it"
        )
        return _condition(situation, Reason.UPGRADE_ANNOUNCED, text)
    text = (
        f"{what}: the node would not stop there, because it was not restarted with that height yet; it is when the"
        " chain can do without it, and ten minutes before in any case: if this stays, see what keeps the chain's"
        " objects as they are"
    )
    severity = Severity.CRITICAL if result.holds else Severity.WARNING
    return _condition(situation, Reason.UPGRADE_UNPREPARED, text, severity)


def _pull(
    situation: Situation, upgrade: config_upgrades.Upgrade
) -> tuple[image_pulls.PullTarget | None, image_pulls.Pull]:
    """Return what must be pulled for an upgrade, and how far that is."""
    version = _newest(situation, list(situation.upgrades).index(upgrade))
    if version.image == _present_image(situation):
        return None, image_pulls.Pull(image_pulls.PullState.DONE)
    host = None if situation.pod is None else situation.pod.node_name
    if not host:
        return None, image_pulls.Pull()
    target = image_pulls.PullTarget(
        image=version.image,
        binary=situation.binary,
        binary_hash=version.binary_hash or "",
        host=host,
        flags=situation.flags,
    )
    return target, situation.pulls.get(target.fingerprint, image_pulls.Pull())


def _distance(situation: Situation, height: int) -> tuple[datetime.datetime | None, bool]:
    """Return when a height is expected, and whether it is near."""
    node, plan = situation.node, situation.plan
    if not height or node is None or node.is_catching_up:
        return None, False
    left = height - node.height
    if plan is None or not plan.block_seconds or node.block_time is None:
        return None, left <= _NEAR_BLOCKS
    seconds = min(left * plan.block_seconds, _LONGEST)
    expected = node.block_time + datetime.timedelta(seconds=seconds)
    return expected, expected - situation.now <= NEAR


_LONGEST = 10 * 365 * 86400.0
"""Seconds; a plan may state any height."""


def _when(situation: Situation, expected: datetime.datetime | None) -> str:
    if expected is None:
        return "at a time not known"
    left = expected - situation.now
    if left <= NEAR:
        return "in a few minutes"
    return (
        "in less than an hour"
        if left <= _HOUR
        else "in less than a day"
        if left <= _DAY
        else "in more than a day"
    )


def _missing(
    situation: Situation, expected: datetime.datetime | None, text: str, *, is_now: bool = False
) -> Condition:
    is_soon = expected is not None and expected - situation.now <= _DAY
    severity = Severity.CRITICAL if is_now or is_soon else Severity.WARNING
    return _condition(situation, Reason.UPGRADE_IMAGE_MISSING, text, severity)


def _condition(
    situation: Situation, reason: Reason, text: str, severity: Severity | None = None
) -> Condition:
    whose = text if situation.consumer_id else f"provider node: {text}"
    return Condition.new(reason, whose, situation.consumer_id, severity=severity)


def _with(result: NodeUpgrade, state: State, condition: Condition) -> NodeUpgrade:
    return dataclasses.replace(result, state=state, conditions=(condition,))


def _shown(name: str) -> str:
    """Return the name of a plan, which anybody may have proposed, for a message."""
    return plain_text.one_line(name, 60)
