"""`ics purge` and `ics sign-state reset`: irreversible decisions, which a user confirms by the chain's id."""

import argparse

from ics import errors, model
from ics.cli import options, output
from ics.cluster import purge
from ics.consumer import desired, observed, signing
from ics.reconciler import observe, wiring


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of the commands and set `run`, which takes them and returns an exit code."""
    if name == "purge":
        options.add_stack(parser)
        _add_arguments(parser, _purge)
        return
    commands = parser.add_subparsers(dest="sign_state_command", required=True, metavar="COMMAND")
    text = "Reset a chain's sign state (`priv_validator_state.json`) after its volume was lost."
    _add_arguments(options.add_command(commands, "reset", text), _reset_sign_state)


def _add_arguments(parser: argparse.ArgumentParser, work: options.Work) -> None:
    parser.add_argument("consumer_id", metavar="CONSUMER_ID")
    parser.add_argument("--confirm", metavar="NAME", required=True, help="The chain's id, to confirm.")
    parser.set_defaults(run=options.on_stack(work, lease_request=lambda args: options.LeaseRequest.ALWAYS))


async def _confirmed(
    args: argparse.Namespace, stack: wiring.OpenStack
) -> tuple[observed.Observed, desired.Desired, model.ConsumerSummary]:
    state, target = await observe.read(stack.world)
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
    return state, target, summary


async def _purge(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    state, target, summary = await _confirmed(args, stack)
    memory = state.memory.chains.get(summary.consumer_id)
    if memory is None:
        raise errors.SettingsError(f"consumer {summary.consumer_id}: it has nothing in the cluster")
    if summary.consumer_id in target.paused or any(
        c.consumer_id == summary.consumer_id for c in target.chains
    ):
        raise errors.Permanent(
            f"consumer {summary.consumer_id} ({summary.chain_id}) still runs here; nothing was removed: purge it"
            " once the chain is DELETED or this validator has left it"
        )
    settings = stack.world.settings
    await stack.lease.ensure()
    removed = await purge.delete_chain(
        stack.kube, settings.validator, settings.provider.chain_id, summary.consumer_id, memory.namespace
    )
    await stack.lease.release()
    output.emit(args, {"removed": list(removed)}, [f"removed {name}" for name in removed])
    return 0


async def _reset_sign_state(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    state, target, summary = await _confirmed(args, stack)
    chain = next((c for c in target.chains if c.consumer_id == summary.consumer_id), None)
    memory = state.memory.chains.get(summary.consumer_id)
    if chain is None or memory is None or memory.volume_uid is None:
        raise errors.SettingsError(f"consumer {summary.consumer_id}: no volume found")
    if chain.sign_state is signing.SignStateStatus.REMOTE:
        raise errors.SettingsError(
            f"consumer {summary.consumer_id}: its remote signer keeps the sign state; reset it there"
        )
    await stack.sign_state.request_reset(chain.key.place, memory.volume_uid)
    await stack.lease.release()
    line = (
        f"{summary.chain_id}: the next passes create the sign state, unless the volume already holds one, and"
        " restart the node with its key"
    )
    output.emit(args, {"consumer_id": summary.consumer_id, "volume_uid": memory.volume_uid}, [line])
    return 0
