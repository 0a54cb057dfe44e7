"""The checklist that a chain must pass before the opt-in, which binds this validator; pure.

Every item says what can be known before the launch. An item is `open` while something is still being tried, and then
turns `ok` or `failed`; one that is still open 20 s before the spawn time counts as failed. A chain with a failed item
is not joined. A member of a Top-N chain has no choice: it never waits for the list, and gets the same conditions.
"""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ics import model
from ics.conditions import Condition, Reason, Severity
from ics.config import chain_definition, settings
from ics.consumer import rehearsal as consumer_rehearsal
from ics.consumer import signing
from ics.consumer.peers import seeds
from ics.cosmos import peers, times

DEADLINE = datetime.timedelta(seconds=20)
"""Time before the spawn time at which an open item counts as failed."""
_IMAGE_TROUBLE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_FLAG_TROUBLE = ("unknown flag", "unknown shorthand flag", "invalid argument", "flag provided but")
_PRICE_TROUBLE = ("minimum gas price", "min gas price", "minimum-gas-price")


class Item(enum.StrEnum):
    """An item of the list."""

    GENESIS = "genesis"
    REHEARSAL = "binary and genesis"
    FLAGS = "flags"
    PRICES = "prices"
    ADDRESSES = "seeds and peers"
    IMAGE = "image"
    VOLUME = "volume"
    SCHEDULING = "scheduling"
    LOAD_BALANCER = "load balancer"
    TERMS = "terms"
    ACCOUNT = "account"


class State(enum.StrEnum):
    """State of an item."""

    OK = "ok"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item with its state."""

    item: Item
    state: State
    text: str
    """What was found, or what is missing."""


@dataclass(frozen=True, slots=True)
class Checklist:
    """The list of one chain."""

    entries: tuple[Entry, ...]

    @property
    def is_ok(self) -> bool:
        """Whether every item is ok."""
        return all(entry.state is State.OK for entry in self.entries)

    def of_state(self, state: State) -> list[Entry]:
        """Return the entries with a state."""
        return [entry for entry in self.entries if entry.state is state]

    def as_list(self) -> list[dict[str, str]]:
        """Return the JSON of the list."""
        return [
            {"item": entry.item.value, "state": entry.state.value, "text": entry.text}
            for entry in self.entries
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What is known about a chain that is staged."""

    definition: chain_definition.Definition
    persistent_peers: str
    sign_state: signing.SignStateStatus
    sign_state_waits: str
    """Why the pod of its Job waits, empty if it does not."""
    volume_uid: str | None
    rehearsal: consumer_rehearsal.Rehearsal | None
    """None if it cannot be prepared, or is switched off."""
    is_rehearsing: bool
    """Whether the settings ask for rehearsals."""
    has_genesis: bool = False
    """Whether the definition's genesis file is there."""
    result: model.JobResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that the list is made from."""

    settings: settings.Settings
    gateway_address: str
    """Address of the shared LoadBalancer, empty if it has none yet."""
    unresolved: frozenset[str] = frozenset()
    published: Sequence[Condition] = ()
    """Conditions of the genesis and of the other published files."""
    terms: Sequence[Condition] = ()
    has_terms: bool = True
    """Whether nothing must still be asked about them."""
    staged: Staged | None = None
    """None: nothing was prepared, because the chain is not joined for another reason."""


_Finding = tuple[State, str]
_NOTHING: _Finding = (State.OPEN, "not tried yet")


def assess(inputs: Inputs) -> Checklist:
    """Return the list of a chain."""
    staged = inputs.staged
    found: dict[Item, _Finding] = {
        Item.GENESIS: _genesis(inputs.published),
        Item.REHEARSAL: _NOTHING if staged is None else _rehearsal(staged),
        Item.FLAGS: _NOTHING if staged is None else _flags(staged),
        Item.PRICES: _NOTHING if staged is None else _prices(staged),
        Item.ADDRESSES: _NOTHING if staged is None else _addresses(staged, inputs.unresolved),
        Item.IMAGE: _NOTHING if staged is None else _image(staged),
        Item.VOLUME: _NOTHING if staged is None else _volume(staged),
        Item.SCHEDULING: _NOTHING if staged is None else _scheduling(staged),
        Item.LOAD_BALANCER: _load_balancer(inputs),
        Item.TERMS: _terms(inputs),
        Item.ACCOUNT: _account(inputs.settings),
    }
    return Checklist(tuple(Entry(item, *found[item]) for item in Item))


def conditions(
    checklist: Checklist,
    consumer_id: str,
    spawn_time: datetime.datetime | None,
    now: datetime.datetime,
    *,
    is_member: bool,
    blocks: bool,
) -> tuple[Condition, ...]:
    """Return the condition of a list that is not ok.

    Args:
        checklist: of the chain.
        consumer_id: of the chain.
        spawn_time: of the chain, None if it has none.
        now: time of the provider's block.
        is_member: whether this validator has joined the chain already, or must validate it.
        blocks: whether the chain is not joined before the list is ok.
    """
    if checklist.is_ok:
        return ()
    failed = checklist.of_state(State.FAILED)
    if spawn_time is not None and now >= spawn_time - DEADLINE:
        failed += checklist.of_state(State.OPEN)
    if not failed:
        names = ", ".join(entry.item for entry in checklist.of_state(State.OPEN))
        effect = "this validator is a member of it already" if is_member else "it is joined when they are ok"
        text = f"items of the checklist are open: {names}; {effect}"
        return (Condition.new(Reason.CHECKLIST_OPEN, text, consumer_id),)
    shown = "; ".join(f"{entry.item}: {entry.text}" for entry in failed)
    if is_member:
        effect = "this validator is a member of it, and its node may not run at the launch"
    else:
        effect = "it is not joined" if blocks else "it is joined all the same, as ics:staging.checklist says"
    severity = Severity.CRITICAL if is_member or blocks else Severity.WARNING
    text = f"the checklist has failed, {effect}: {shown}"
    return (Condition.new(Reason.CHECKLIST_FAILED, text, consumer_id, severity=severity),)


def _genesis(published: Sequence[Condition]) -> _Finding:
    for condition in published:
        if condition.severity is Severity.CRITICAL:
            return State.FAILED, condition.message
    if any(condition.reason is Reason.GENESIS_AWAITED for condition in published):
        return State.OK, "the final genesis follows after the launch"
    return State.OK, "this chain's, as far as it can be known before the launch"


def _rehearsal(staged: Staged) -> _Finding:
    result = _result(staged)
    if not staged.is_rehearsing:
        return State.OK, "not tried: rehearsals are switched off"
    if staged.rehearsal is None and staged.has_genesis:
        return State.FAILED, "the genesis cannot be completed for it; see ics chain rehearse"
    if staged.rehearsal is None and staged.definition.genesis.published.large:
        return (
            State.OK,
            "not tried: a large genesis is not rehearsed; whether the image reads it is seen at the launch",
        )
    if staged.rehearsal is None:
        return State.OK, "not tried: there is no genesis to try it on yet"
    if result is None or result.state is model.JobState.RUNNING:
        return State.OPEN, "the rehearsal has not ended yet"
    if result.state is model.JobState.FAILED and not result.message:
        return State.OPEN, "the rehearsal ended before it began; it is started again"
    if result.state is model.JobState.FAILED:
        return State.FAILED, f"the node does not start: {result.message}"
    return State.OK, result.message or "the node started"


def _result(staged: Staged) -> model.JobResult | None:
    if staged.rehearsal is None or not consumer_rehearsal.is_of(staged.rehearsal, staged.result):
        return None
    return staged.result


def _blamed(staged: Staged, words: Sequence[str]) -> str:
    """Return what the rehearsal's node said if it contains one of these words, else an empty text."""
    result = _result(staged)
    if result is None or result.state is not model.JobState.FAILED:
        return ""
    return result.message if any(word in result.message.lower() for word in words) else ""


def _flags(staged: Staged) -> _Finding:
    blamed = _blamed(staged, _FLAG_TROUBLE)
    if blamed:
        return State.FAILED, blamed
    result = _result(staged)
    if (
        staged.is_rehearsing
        and staged.rehearsal is not None
        and (result is None or result.state is model.JobState.RUNNING)
    ):
        return State.OPEN, "tried by the rehearsal"
    return State.OK, "config.toml, app.toml and the flags of start are accepted"


def _prices(staged: Staged) -> _Finding:
    blamed = _blamed(staged, _PRICE_TROUBLE)
    return (State.FAILED, blamed) if blamed else (State.OK, staged.definition.min_gas_price)


def _addresses(staged: Staged, unresolved: frozenset[str]) -> _Finding:
    known = [*staged.definition.seeds, *filter(None, staged.persistent_peers.split(","))]
    if not known:
        return State.OK, "none yet: no other member has published an endpoint, and there are no seeds"
    missing = sorted(seeds.hosts(known) & unresolved)
    reachable = [address for address in known if peers.parse(address).host not in unresolved]
    if not reachable:
        return State.OPEN, f"none has an address: {', '.join(missing)}"
    without = f", without an address: {', '.join(missing)}" if missing else ""
    return State.OK, f"{len(reachable)} of {len(known)} have an address{without}"


def _image(staged: Staged) -> _Finding:
    waits = _waits(staged)
    if is_image_trouble(waits):
        definition = staged.definition
        return State.OPEN, (
            f"{definition.image} cannot be pulled: {waits}; check image in stacks/chains/{definition.name}.yaml"
        )
    result = _result(staged)
    is_pulled = (
        signing.is_settled(staged.sign_state) and staged.sign_state is not signing.SignStateStatus.REMOTE
    )
    if is_pulled or (
        result is not None and (result.has_started or result.state is not model.JobState.RUNNING)
    ):
        return State.OK, f"{staged.definition.image} is pulled"
    if not staged.is_rehearsing and staged.sign_state is signing.SignStateStatus.REMOTE:
        return State.OK, "not tried: a remote signer holds the key, and rehearsals are switched off"
    return State.OPEN, f"{staged.definition.image} is not pulled yet"


def is_image_trouble(waits: str) -> bool:
    """Return whether a pod waits for its image, by the reason that Kubernetes gives."""
    return waits.startswith(_IMAGE_TROUBLE)


def _waits(staged: Staged) -> str:
    result = _result(staged)
    return staged.sign_state_waits or ("" if result is None else result.waiting)


def _volume(staged: Staged) -> _Finding:
    if staged.volume_uid is None:
        return State.OPEN, "does not exist yet"
    if staged.sign_state is signing.SignStateStatus.REMOTE:
        return State.OK, "exists; a remote signer holds the key, so nothing is written to it yet"
    if signing.is_settled(staged.sign_state):
        return State.OK, "bound, and the sign state is on it"
    waits = f": its Job's pod waits: {staged.sign_state_waits}" if staged.sign_state_waits else ""
    return State.OPEN, f"the sign state is not on it yet{waits}"


def _scheduling(staged: Staged) -> _Finding:
    waits = _waits(staged)
    if waits.startswith(("Unschedulable", "SchedulingGated")):
        return State.OPEN, f"no host takes the pod: {waits}"
    result = _result(staged)
    if result is not None and (result.has_started or result.state is not model.JobState.RUNNING):
        return State.OK, "a host has room for the node"
    if staged.is_rehearsing and staged.rehearsal is not None:
        return State.OPEN, "no pod with the node's demands was scheduled yet"
    if signing.is_settled(staged.sign_state):
        return State.OK, "a host takes the pods"
    return State.OPEN, "no pod was scheduled yet"


def _load_balancer(inputs: Inputs) -> _Finding:
    address = inputs.settings.gateway.host or inputs.gateway_address
    return (State.OK, address) if address else (State.OPEN, "the shared LoadBalancer has no address yet")


def _terms(inputs: Inputs) -> _Finding:
    if inputs.terms:
        return State.FAILED, "; ".join(condition.message for condition in inputs.terms)
    return (State.OK, "accepted by the definition") if inputs.has_terms else (State.OPEN, "not read yet")


def _account(settings: settings.Settings) -> _Finding:
    if settings.account is None:
        return State.FAILED, "no account to sign the opt-in; set ics:account"
    return State.OK, "set"


def spawn_time(text: str | None) -> datetime.datetime | None:
    """Return a chain's spawn time; None if it has none."""
    try:
        return None if text is None else times.parse_time(text)
    except ValueError:
        return None
