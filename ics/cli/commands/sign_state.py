"""`ics sign-state reset`: an irreversible decision, which a user confirms by the chain's id."""

import asyncio
import dataclasses
import datetime
from typing import Any

from ics import errors, model
from ics.cli import options, output, terminal
from ics.cli.arguments import purge, sign_state
from ics.cluster.nodes import observe as observe_nodes
from ics.consumer import consensus_view, observed, reset
from ics.reconciler import observe, wiring

_BETWEEN_LOOKS = 2.0
_SETTLING = 10.0
"""Seconds between the two looks at a chain that stands still."""


def confirmed(args: purge.Purge | sign_state.Reset, state: observed.Observed) -> model.ConsumerSummary:
    """Return the chain whose id confirms an order.

    Raises:
        SettingsError: there is no such chain, or the confirmation is of another.
    """
    by_id = {c.summary.consumer_id: c.summary for c in state.snapshot.consumers}
    summary = by_id.get(args.consumer_id)
    if summary is None:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: not found on {state.snapshot.chain_id}; run `ics consumer list`"
        )
    if args.confirm != summary.chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {args.consumer_id} is {summary.chain_id!r}; nothing was changed"
        )
    return summary


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What the newest blocks say about a key."""

    state: model.SignedState
    height: int
    """Height of the block in progress at this node."""
    votes: tuple[consensus_view.SeenVote, ...]
    """Of the key, for that block."""
    heights: range
    """Commits that lack its signature; empty on a chain that stands still."""
    is_moving: bool
    waits: int = 0
    """Further commits for which to wait."""


async def _reset_sign_state(args: sign_state.Reset, stack: wiring.OpenStack) -> int:
    subject = await _subject(args, stack)
    if subject.seen_without is None:
        head = await observe_nodes.read_head(stack.kube, subject.namespace, subject.pod)
        subject = dataclasses.replace(subject, seen_without=head.height)
    finding, shown = await _examine(args, stack, subject), 0
    while finding.waits and not args.dry_run:
        if finding.waits != shown:
            shown = finding.waits
            text = f"waiting for {shown} more blocks of {subject.chain_id} without the key's signature"
            terminal.warn(text)
        await asyncio.sleep(_BETWEEN_LOOKS)
        finding = await _examine(args, stack, subject)
    if not finding.is_moving:
        # Peers send a node the votes that it lacks within a second or two.
        await asyncio.sleep(_SETTLING)
        finding = await _examine(args, stack, subject, finding)
    for line in _vote_lines(subject, finding):
        terminal.warn(line)
    if args.dry_run:
        return _emit(args, subject, finding)
    async with options.requested_lease(stack.lease):
        # The volume, or the key itself, may have changed while this waited for blocks.
        current = await _subject(args, stack)
        if (current.place, current.volume_uid) != (subject.place, subject.volume_uid):
            raise errors.Transient(
                f"{subject.name}: its volume or key changed meanwhile; nothing was written: run this again"
            )
        finding = await _examine(args, stack, subject, finding)
        if current.unused is not None:
            await stack.sign_state.ensure_retired(current.unused)
        if current.place is None:
            await stack.provider_sign_state.request_reset(current.volume_uid, finding.state)
        else:
            await stack.sign_state.request_reset(current.place, current.volume_uid, finding.state)
        await stack.lease.release()
    return _emit(args, subject, finding)


async def _subject(args: sign_state.Reset, stack: wiring.OpenStack) -> reset.Subject:
    state, target = await observe.read(stack.world)
    if args.consumer_id != reset.PROVIDER:
        return reset.subject(target, state, confirmed(args, state).consumer_id)
    if args.confirm != reset.PROVIDER:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: to release the provider node's key, confirm with {reset.PROVIDER!r};"
            " nothing was changed"
        )
    return reset.provider_subject(target, state)


async def _examine(
    args: sign_state.Reset,
    stack: wiring.OpenStack,
    subject: reset.Subject,
    before: _Finding | None = None,
) -> _Finding:
    """Look at the newest blocks, and refuse if the key signs elsewhere or nothing can be known.

    Args:
        args: of the command.
        stack: the stack.
        subject: the key.
        before: an earlier look, whose votes count too while the chain stands at the same height.
    """
    head = await observe_nodes.read_head(stack.kube, subject.namespace, subject.pod)
    patience = datetime.timedelta(seconds=stack.world.settings.node.stuck_after)
    is_moving = reset.is_moving(head, subject.name, wiring.now(), patience)
    heights, waits, view = range(0), 0, head.view
    if is_moving:
        heights = reset.silent_range(subject, head)
        waits = reset.blocks_to_wait(subject, head)
        signers = {
            height: await observe_nodes.read_signers(stack.kube, subject.namespace, height, subject.pod)
            for height in heights
        }
        reset.check_silent(subject, signers)
    if before is not None and before.height == view.own_height:
        view = dataclasses.replace(view, votes=tuple(sorted({*view.votes, *before.votes})))
    state = reset.new_state(
        view, subject.address, subject.name, is_moving=is_moving, allows_current=args.allow_current_height
    )
    return _Finding(
        state=state,
        height=view.own_height,
        votes=view.votes_of(subject.address),
        heights=heights,
        is_moving=is_moving,
        waits=waits,
    )


def _vote_lines(subject: reset.Subject, finding: _Finding) -> list[str]:
    return [
        f"{subject.chain_id}: {'the node' if vote.has_node else 'a peer'} has a {vote.kind} of this key at height"
        f" {finding.height}, round {vote.round}"
        for vote in finding.votes
    ]


def _emit(args: sign_state.Reset, subject: reset.Subject, finding: _Finding) -> int:
    state, heights = finding.state, finding.heights
    value: dict[str, Any] = {
        "consumer_id": subject.consumer_id,
        "chain_id": subject.chain_id,
        "key": subject.address.hex().upper(),
        "volume_uid": subject.volume_uid,
        "state": {"height": state.height, "round": state.round, "step": state.step},
        "signs_from": reset.signs_from(state),
        "votes": [
            {"round": vote.round, "type": vote.kind, "at": "node" if vote.has_node else "peer"}
            for vote in finding.votes
        ],
        "silent_commits": {"first": heights[0], "last": heights[-1]} if heights else None,
        "blocks_to_wait": finding.waits,
        "dry_run": args.dry_run,
    }
    if args.dry_run:
        later = f", after {finding.waits} more blocks without its signature" if finding.waits else ""
        lines = [
            f"{subject.chain_id}: would let key {value['key']} sign from {value['signs_from']} on{later}"
        ]
    else:
        lines = [
            f"{subject.chain_id}: key {value['key']} signs from {value['signs_from']} on; the next passes write that"
            " sign state, and restart the node with the key"
        ]
    return output.emit(args, value, lines)


# It waits for blocks first, and the daemon goes on meanwhile.
reset_sign_state = options.on_stack(_reset_sign_state)
