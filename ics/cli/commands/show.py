"""`ics show …`: what the pure core says about given input. No cluster and no chain is asked.

The functions named after a command return the JSON value of that command, whose shape is stable.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ics import errors, model
from ics.cli import output
from ics.config import reference, settings
from ics.consumer import selection
from ics.consumer.peers import description, ports
from ics.cosmos import canonical_json, genesis, identifiers
from ics.keys import derivation
from ics.manifests import rights

_Subparsers = Any  # argparse has no public name for what add_subparsers() returns


def port_list(chain_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Ports of launched chains in the order of their launch, collisions resolved.

    Raises:
        SettingsError: a chain id that no chain can have.
        Permanent: no port is free.
    """
    for chain_id in chain_ids:
        identifiers.check_chain_id(chain_id)
    placed = ports.allocate(list(enumerate(chain_ids)))
    return [ports.as_dict(chain_id, placed[at]) for at, chain_id in enumerate(chain_ids)]


def peer_list(details: Sequence[str]) -> list[dict[str, Any]]:
    """What each description yields, or why it yields nothing; `by_consumer` only where it is used."""
    return [published(description.parse(text)) for text in details]


def published(found: description.Published) -> dict[str, Any]:
    """What a description yields, as JSON of a stable shape."""
    row: dict[str, Any] = {
        "host": found.host,
        "port": found.port,
        "node_id": found.node_id,
        "relayer": found.relayer,
        "error": found.error,
    }
    if found.by_consumer:
        row["by_consumer"] = {
            consumer_id: {"host": own.host, "port": own.port, "node_id": own.node_id}
            for consumer_id, own in found.by_consumer.items()
        }
    return row


def node_id_of(key: derivation.NodeKey) -> dict[str, str]:
    """The node id that belongs to a key."""
    return {"node_id": key.node_id}


def genesis_digest(raw: bytes) -> dict[str, Any]:
    """sha256 and size of canonical bytes."""
    return {"sha256": canonical_json.sha256_hex(raw), "size": len(raw)}


def selection_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Who the 66 % rule selects from a staking validators answer.

    Raises:
        SettingsError: the answer is malformed.
    """
    found = selection.top66(from_staking_answer(answer))
    selected = [{"operator_address": one.operator_address, "tokens": one.tokens} for one in found.selected]
    return {"total": found.total, "threshold": found.threshold, "selected": selected}


def register(subparsers: _Subparsers) -> None:
    """Add `show` and its commands; each sets `run`, which takes the namespace and returns an exit code."""
    show = subparsers.add_parser("show", help="what the rules say about given input")
    commands = show.add_subparsers(dest="what", required=True, metavar="WHAT")

    parser = _command(commands, "ports", _run_ports, "ports of chains, in the order of their launch")
    parser.add_argument("chain_ids", metavar="CHAIN_ID", nargs="+")

    parser = _command(commands, "peers", _run_peers, "what validators' descriptions yield, or why nothing")
    parser.add_argument("--details", metavar="TEXT", nargs="+", action="extend", required=True)

    parser = _command(commands, "node-id", _run_node_id, "node id of a validator")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--seed-file", type=Path, metavar="F", help="file with the seed, 64 hex characters")
    source.add_argument("--public", action="store_true", help="the public formula")
    parser.add_argument("--moniker", metavar="NAME")
    parser.add_argument("--chain-id", metavar="ID")

    parser = _command(commands, "genesis", _run_genesis, "a base genesis with the CCV state put in")
    parser.add_argument("--base", type=Path, metavar="F", required=True, help="genesis without CCV state")
    parser.add_argument("--ccv", type=Path, metavar="F", required=True, help="consumer_genesis answer")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the canonical bytes there")
    parser.add_argument("--chain-id", metavar="ID", help="default: the base's")
    parser.add_argument("--initial-height", type=int, metavar="N", help="default: the base's")
    parser.add_argument("--time", metavar="RFC3339", help="genesis time; default: the base's")

    parser = _command(commands, "rights", _run_rights, "what one who makes passes must be granted, to apply")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="NAME", help="as the cluster knows the kubeconfig's user")
    who.add_argument("--group", metavar="NAME")
    who.add_argument("--service-account", metavar="NAMESPACE/NAME")
    default = settings.Gateway().namespace
    parser.add_argument("--gateway", default=default, metavar="NAMESPACE", help=f"default: {default}")

    _command(commands, "settings", _run_settings, "every setting of a stack, its default and what it means")

    parser = _command(commands, "selection", _run_selection, "who the 66 %% rule selects, with shares")
    parser.add_argument(
        "--validators", type=Path, metavar="F", required=True, help="staking validators answer"
    )


def _command(
    commands: _Subparsers, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="JSON on stdout, of a stable shape")
    parser.set_defaults(run=run)
    return parser


def _run_ports(args: argparse.Namespace) -> int:
    rows = port_list(args.chain_ids)
    columns = ("chain_id", "offset", "p2p", "rpc", "grpc", "grpc_web", "rest")
    return output.tell(
        args, rows, output.table(columns, [[row[column] for column in columns] for row in rows])
    )


def _run_peers(args: argparse.Namespace) -> int:
    rows = peer_list(args.details)
    lines = [line for at, row in enumerate(rows, 1) for line in _peer_lines(at, row)]
    return output.tell(args, rows, lines)


def _peer_lines(at: int, row: Mapping[str, Any]) -> list[str]:
    found = []
    if row["host"]:
        found.append(f"p2p {description.Endpoint(row['host'], row['port'], row['node_id'])}")
    for consumer_id, own in row.get("by_consumer", {}).items():
        endpoint = description.Endpoint(own["host"], own["port"], own["node_id"])
        found.append(f"p2p of consumer {consumer_id} {endpoint}")
    if row["relayer"]:
        found.append(f"relayer {row['relayer']}")
    if row["error"]:
        found.append(f"error: {row['error']}")
    return [f"text {at}: {line}" for line in found]


def _run_node_id(args: argparse.Namespace) -> int:
    if args.public:
        if args.moniker is None or args.chain_id is None:
            raise errors.SettingsError("--public needs --moniker NAME and --chain-id ID")
        identifiers.check_chain_id(args.chain_id)
        key = derivation.public_node_key(args.moniker, args.chain_id)
    else:
        if args.moniker is not None or args.chain_id is not None:
            raise errors.SettingsError("--moniker and --chain-id go with --public only: drop them")
        key = derivation.derive_node_key(
            derivation.parse_seed(model.Secret(_read("--seed-file", args.seed_file)))
        )
    value = node_id_of(key)
    return output.tell(args, value, [value["node_id"]])


def _run_genesis(args: argparse.Namespace) -> int:
    document = genesis.complete(
        canonical_json.parse(_read("--base", args.base), f"--base {args.base}"),
        chain_id=args.chain_id,
        initial_height=args.initial_height,
        genesis_time=args.time,
        ccv=genesis.unwrap_ccv(canonical_json.parse(_read("--ccv", args.ccv), f"--ccv {args.ccv}")),
    )
    raw = canonical_json.canonical(document)
    if args.out is not None:
        try:
            args.out.write_bytes(raw)
        except OSError as error:
            raise errors.SettingsError(f"--out {args.out}: {error.strerror}; name another file") from error
    value = genesis_digest(raw)
    return output.tell(args, value, [f"sha256 {value['sha256']}", f"size   {value['size']} bytes"])


def _run_settings(args: argparse.Namespace) -> int:
    rows = reference.settings()
    value = [{"key": row.key, "default": row.default or None, "meaning": row.text} for row in rows]
    lines = [
        line for row in rows for line in (f"{row.key}  {row.default or 'must be given'}", f"    {row.text}")
    ]
    return output.tell(args, value, lines)


def _run_rights(args: argparse.Namespace) -> int:
    api = "rbac.authorization.k8s.io"
    if args.service_account is not None:
        namespace, _, name = args.service_account.partition("/")
        if not (namespace and name):
            raise errors.SettingsError(f"--service-account {args.service_account}: write NAMESPACE/NAME")
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    elif args.group is not None:
        subject = {"kind": "Group", "apiGroup": api, "name": args.group}
    else:
        subject = {"kind": "User", "apiGroup": api, "name": args.user}
    found = rights.of_operator(subject, args.gateway)
    text = yaml.safe_dump_all(found, sort_keys=False, explicit_start=True)
    return output.tell(args, {"apiVersion": "v1", "kind": "List", "items": found}, text.splitlines())


def _run_selection(args: argparse.Namespace) -> int:
    answer = canonical_json.parse(_read("--validators", args.validators), f"--validators {args.validators}")
    value = selection_of(answer)
    return output.tell(args, value, _selection_lines(value))


def _selection_lines(value: Mapping[str, Any]) -> list[str]:
    total, covered, rows = value["total"], 0, []
    for one in value["selected"]:
        covered += one["tokens"]
        shares = (_percent(one["tokens"], total), _percent(covered, total))
        rows.append([one["operator_address"], one["tokens"], *shares])
    summary = f"{len(rows)} selected; threshold {value['threshold']} of {total} bonded tokens"
    return [*output.table(("operator_address", "tokens", "share", "covered"), rows), summary]


def _percent(part: int, total: int) -> str:
    hundredths = part * 10000 // total
    return f"{hundredths // 100}.{hundredths % 100:02} %"


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.SettingsError(f"{option} {path}: {error.strerror}; name another file") from error


def from_staking_answer(answer: Mapping[str, Any]) -> list[selection.Candidate]:
    """The bonded validators of a REST answer of `/cosmos/staking/v1beta1/validators`.

    Raises:
        SettingsError: the answer is not one, holds only the first page, or a validator in it is malformed.
    """
    validators = answer.get("validators") if isinstance(answer, Mapping) else None
    if not isinstance(validators, list):
        raise errors.SettingsError(
            "validators: no such list; give an answer of /cosmos/staking/v1beta1/validators"
        )
    pagination = answer.get("pagination")
    if isinstance(pagination, Mapping) and pagination.get("next_key"):
        raise errors.SettingsError(
            "pagination.next_key is set: this is one page of several; ask for all at once"
        )
    candidates = [_candidate(f"validators[{at}]", entry) for at, entry in enumerate(validators)]
    found: dict[str, selection.Candidate] = {}
    for candidate in candidates:
        if candidate is None:
            continue
        if candidate.operator_address in found:
            raise errors.SettingsError(
                f"validators: {candidate.operator_address!r} comes twice: do pages overlap?"
            )
        found[candidate.operator_address] = candidate
    return list(found.values())


def _candidate(where: str, entry: Any) -> selection.Candidate | None:
    """The validator, None when it is not bonded."""
    if not isinstance(entry, Mapping):
        raise errors.SettingsError(f"{where} is {entry!r}, not an object")
    address, tokens, status = entry.get("operator_address"), entry.get("tokens"), entry.get("status")
    if not isinstance(address, str) or not address:
        raise errors.SettingsError(f"{where}.operator_address is {address!r}, not an address")
    if not isinstance(tokens, str) or not re.fullmatch(r"[0-9]{1,100}", tokens):
        raise errors.SettingsError(f"{where}.tokens is {tokens!r}, not an integer as text ({address})")
    if not isinstance(status, str) or not status.startswith("BOND_STATUS_"):
        raise errors.SettingsError(f"{where}.status is {status!r}, not BOND_STATUS_… ({address})")
    return selection.Candidate(address, int(tokens)) if status == "BOND_STATUS_BONDED" else None
