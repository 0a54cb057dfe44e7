"""`ics keys export CONSUMER_ID --stack NAME`: the consensus key of a place, for a node that is not run here.

The seed and the place id, which is the memo of the transaction that assigned the key, give every key back.
"""

from pathlib import Path

from ics import errors, model
from ics.cli import options, output, terminal
from ics.cli.arguments import keys
from ics.consumer import observed
from ics.keys import derivation, keystore
from ics.reconciler import observe, wiring


def run(args: keys.Export) -> int:
    """Write the key to `--out` and return the exit code.

    Raises:
        IcsError: an argument is missing or wrong, or the provider or the cluster cannot be read.
    """
    if args.out is None or args.confirm is None or args.reveal is not None:
        raise errors.SettingsError(
            "ics keys export --stack: needs --out FILE and --confirm CHAIN_ID, and takes no --reveal; nothing was"
            " written"
        )
    if args.place is not None and not derivation.is_place_id(args.place):
        raise errors.SettingsError(f"--place {args.place!r}: not a place id of 32 lower-case hex digits")
    out = args.out

    async def export(args: keys.Export, stack: wiring.OpenStack) -> int:
        return await _export(args, out, stack)

    return options.on_stack(export)(args)


async def _export(args: keys.Export, out: Path, stack: wiring.OpenStack) -> int:
    state, _ = await observe.read(stack.world)
    consumer = next((c for c in state.snapshot.consumers if c.summary.consumer_id == args.name), None)
    if consumer is None:
        raise errors.SettingsError(
            f"consumer id {args.name!r}: not found on {state.snapshot.chain_id}; run `ics consumer list`"
        )
    chain_id = consumer.summary.chain_id
    if args.confirm != chain_id:
        raise errors.SettingsError(
            f"--confirm {args.confirm!r}: consumer {args.name} is {chain_id!r}; nothing was written"
        )
    memory = state.memory.chains.get(args.name)
    record = None if args.place else _assigned(consumer, memory)
    place_id = (args.place or "") if record is None else record.place.place_id
    key = derivation.derive_consensus_key(stack.world.seed, state.snapshot.chain_id, args.name, place_id)
    address = key.address.hex().upper()
    if record is not None and record.consensus_address != address:
        raise errors.SettingsError(
            f"consumer {args.name} ({chain_id}): the assigned key {record.consensus_address} is not derived from this"
            " seed: it is of another seed, or was named in ics:consensus_keys; nothing was written"
        )
    keystore.write_file(out, key.priv_validator_key_json().reveal_text() + "\n")
    terminal.problem(_warning(address, chain_id, place_id, memory))
    value = {
        "file": str(out),
        "consumer_id": args.name,
        "chain_id": chain_id,
        "place_id": place_id,
        "key": address,
    }
    return output.emit(args, value, [f"{chain_id}: key {address} of place {place_id} written to {out}"])


def _assigned(consumer: model.Consumer, memory: observed.ChainMemory | None) -> model.SigningRecord:
    """Return the record of the assigned key.

    Raises:
        SettingsError: its place is not on record in this cluster.
    """
    assigned = None if consumer.detail is None else consumer.detail.own_consumer_address
    address = "" if assigned is None else assigned.hex().upper()
    records = () if memory is None else memory.records
    found = next((one for one in records if one.consensus_address == address), None)
    if found is None:
        raise errors.SettingsError(
            f"consumer {consumer.summary.consumer_id} ({consumer.summary.chain_id}): the place of the assigned key"
            f" ({address or 'none is assigned'}) is not on record in this cluster; name it with --place: it is the memo"
            " of the transaction that assigned the key"
        )
    return found


def _warning(address: str, chain_id: str, place_id: str, memory: observed.ChainMemory | None) -> str:
    has_node = memory is not None and memory.has_workload and memory.workload_place == place_id
    node = f"; the node in namespace {memory.namespace} has it" if has_node and memory is not None else ""
    return (
        f"whoever has this file can sign on {chain_id} with {address}{node}. If two nodes sign with it, the validator"
        " is slashed: let it sign elsewhere only when no other node has it, and only above every height it has signed"
    )
