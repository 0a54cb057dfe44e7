"""`ics opt-in` and `ics opt-out`: joining and leaving a chain by hand."""

import argparse
import asyncio
import dataclasses
from typing import Any

from ics import errors, loop, membership, model, observing, status, wiring
from ics.cli import passes, present

PATIENCE_SECONDS = 180
"""How long an opt-in waits for what must be in place before it may be sent."""
_BETWEEN_PASSES = 3.0
_IN = (membership.Participation.OPTED_IN, membership.Participation.VALIDATING)


def register(subparsers: Any) -> None:
    """Add the commands; each sets `run`, which takes the namespace and returns an exit code."""
    for name, work, text in (
        ("opt-in", _opt_in, "join a chain, before or after its launch: stages its node, then opts in"),
        ("opt-out", _opt_out, "leave a running chain; its node runs until nobody expects its signature"),
    ):
        parser = passes.command(subparsers, name, text)
        parser.add_argument("consumer_id", metavar="CONSUMER_ID")
        parser.set_defaults(run=passes.on_stack(work, asks=lambda args: passes.Asks.FIRST))


async def _opt_in(args: argparse.Namespace, found: wiring.Opened) -> int:
    place = dataclasses.replace(found.world, wishes=frozenset({args.consumer_id}))
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        done = await loop.one_pass(place, found.engine, found.sender)
        chain = _chain(done.report, args.consumer_id)
        is_sent = any(isinstance(i, model.OptIn) and i.consumer_id == args.consumer_id for i in done.sent)
        if is_sent or chain.participation in _IN:
            how = "opted in" if is_sent else "was opted in already"
            _tell_others(done, args.consumer_id)
            return _tell(args, chain, f"{chain.chain_id}: {how}; `ics status` shows how its node comes along")
        _raise_obstacle(chain, done)
        if asyncio.get_running_loop().time() > deadline:
            _tell_others(done, args.consumer_id)
            raise errors.Transient(
                f"consumer {args.consumer_id}: its volume or signing memory is not in place after"
                f" {PATIENCE_SECONDS} s, so the opt-in was not sent: see `ics status`, then run this again"
            )
        await asyncio.sleep(_BETWEEN_PASSES)


async def _opt_out(args: argparse.Namespace, found: wiring.Opened) -> int:
    observed = await observing.observe(found.world)
    report = status.report(observing.desire(found.world, observed), observed.observations)
    chain = _chain(report, args.consumer_id)
    if chain.phase is not model.Phase.LAUNCHED:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}) is {chain.phase}: one opts out of LAUNCHED chains only"
        )
    if chain.participation not in _IN:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): this validator is not opted in"
        )
    consumer = next(c for c in observed.snapshot.consumers if c.summary.consumer_id == chain.consumer_id)
    reason = membership.returns(found.world.settings, consumer)
    if reason:
        raise errors.SettingsError(
            f"consumer {chain.consumer_id} ({chain.chain_id}): the next pass would opt in again ({reason}): with"
            f" provider_key: true no key stays assigned by which it is known as left; add {chain.consumer_id!r} to"
            " ics:participation.deny first"
        )
    await found.cluster.lease.ensure()
    try:
        await found.sender.send(model.OptOut(chain.consumer_id, chain.chain_id))
    finally:
        await found.cluster.lease.release()
    return _tell(
        args,
        chain,
        f"{chain.chain_id}: opted out; the node runs until the chain's validators no longer have the key",
    )


def _chain(report: status.Report, consumer_id: str) -> status.ChainReport:
    for chain in report.chains:
        if chain.consumer_id == consumer_id:
            return chain
    raise errors.SettingsError(
        f"consumer id {consumer_id!r}: {report.provider_chain_id} has no such chain that is not DELETED"
    )


def _raise_obstacle(chain: status.ChainReport, done: loop.Outcome) -> None:
    troubles = done.troubles_of(chain.consumer_id)
    if troubles:
        raise troubles[0].error
    if chain.participation is membership.Participation.SELECTED:
        return
    reasons = [f"{condition.reason}: {condition.message}" for condition in chain.conditions]
    raise errors.Permanent(f"{chain.chain_id} is not joined: {'; '.join(reasons) or chain.phase}")


def _tell_others(done: loop.Outcome, consumer_id: str) -> None:
    """Other chains' trouble is worth a line, and does not change what became of this one's order."""
    own = done.troubles_of(consumer_id)
    passes.troubled([trouble.error for trouble in done.troubles if trouble not in own])


def _tell(args: argparse.Namespace, chain: status.ChainReport, line: str) -> int:
    value = {"consumer_id": chain.consumer_id, "chain_id": chain.chain_id, "message": line}
    return present.tell(args, value, [line])
