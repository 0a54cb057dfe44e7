"""`ics show …`: offline calculators, without a cluster or a chain.

The JSON values of the commands have a stable shape.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ics import errors, model
from ics.cli import command, output
from ics.cli.arguments import show
from ics.config import reference
from ics.consumer import selection
from ics.consumer.peers import description, ports
from ics.cosmos import canonical_json, genesis, identifiers
from ics.keys import derivation
from ics.manifests import monitoring, rights
from ics.monitoring import dashboard, rules


def _port_list(chain_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Allocate the ports of chains in the order of their launch, resolving collisions.

    Raises:
        SettingsError: a chain id that no chain here can have.
    """
    for chain_id in chain_ids:
        identifiers.check_chain_id(chain_id)
    placed = ports.allocate(list(enumerate(chain_ids)))
    return [ports.as_dict(chain_id, placed[at]) for at, chain_id in enumerate(chain_ids)]


def _peer_list(details: Sequence[str]) -> list[dict[str, Any]]:
    """Parse each description; `by_consumer` is present only where it is used."""
    return [published(description.parse(text)) for text in details]


def published(publication: description.Published) -> dict[str, Any]:
    """Return a parsed description as JSON of a stable shape."""
    row: dict[str, Any] = {
        "host": publication.host,
        "port": publication.port,
        "node_id": publication.node_id,
        "relayer": publication.relayer,
        "error": publication.error,
    }
    if publication.by_consumer:
        row["by_consumer"] = {
            consumer_id: {"host": own.host, "port": own.port, "node_id": own.node_id}
            for consumer_id, own in publication.by_consumer.items()
        }
    return row


def _node_id_of(key: derivation.NodeKey) -> dict[str, str]:
    """Return the node id of a key."""
    return {"node_id": key.node_id}


def _genesis_digest(raw: bytes) -> dict[str, Any]:
    """Return sha256 and size of canonical bytes."""
    return {"sha256": canonical_json.sha256_hex(raw), "size": len(raw)}


def _selection_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validators that the 66 % rule selects from an answer of the staking query.

    Raises:
        SettingsError: the answer is malformed.
    """
    found = selection.top66(from_staking_answer(answer))
    selected = [{"operator_address": one.operator_address, "tokens": one.tokens} for one in found.selected]
    return {"total": found.total, "threshold": found.threshold, "selected": selected}


def ports_of(args: show.Ports) -> int:
    """Print the ports of chains."""
    rows = _port_list(args.chain_ids)
    columns = ("chain_id", "offset", "p2p", "rpc", "grpc", "grpc_web", "rest")
    return output.emit(
        args, rows, output.table(columns, [[row[column] for column in columns] for row in rows])
    )


def peers(args: show.Peers) -> int:
    """Print the endpoints in descriptions."""
    rows = _peer_list(args.details)
    lines = [line for at, row in enumerate(rows, 1) for line in _peer_lines(at, row)]
    return output.emit(args, rows, lines)


def _peer_lines(at: int, row: Mapping[str, Any]) -> list[str]:
    entries = []
    if row["host"]:
        entries.append(f"p2p {description.Endpoint(row['host'], row['port'], row['node_id'])}")
    for consumer_id, own in row.get("by_consumer", {}).items():
        endpoint = description.Endpoint(own["host"], own["port"], own["node_id"])
        entries.append(f"p2p of consumer {consumer_id} {endpoint}")
    if row["relayer"]:
        entries.append(f"relayer {row['relayer']}")
    if row["error"]:
        entries.append(f"error: {row['error']}")
    return [f"text {at}: {line}" for line in entries]


def node_id(args: show.NodeId) -> int:
    """Print a node id."""
    if args.seed_file is None:
        if args.moniker is None or args.chain_id is None:
            raise errors.SettingsError("--public requires --moniker NAME and --chain-id ID")
        identifiers.check_chain_id(args.chain_id)
        key = derivation.public_node_key(args.moniker, args.chain_id)
    else:
        if args.moniker is not None or args.chain_id is not None:
            raise errors.SettingsError("--moniker and --chain-id require --public")
        key = derivation.derive_node_key(
            derivation.parse_seed(model.Secret(_read("--seed-file", args.seed_file)))
        )
    value = _node_id_of(key)
    return output.emit(args, value, [value["node_id"]])


def completed_genesis(args: show.Genesis) -> int:
    """Print the digest of a completed genesis, and write it."""
    document = genesis.complete(
        canonical_json.parse(_read("--base", args.base), f"--base {args.base}"),
        chain_id=args.chain_id,
        initial_height=args.initial_height,
        genesis_time=args.time,
        ccv=genesis.unwrap_ccv(canonical_json.parse(_read("--ccv", args.ccv), f"--ccv {args.ccv}")),
    )
    raw = canonical_json.encode(document)
    if args.out is not None:
        try:
            args.out.write_bytes(raw)
        except OSError as error:
            raise errors.SettingsError(f"--out {args.out}: {error.strerror}; name another file") from error
    value = _genesis_digest(raw)
    return output.emit(args, value, [f"sha256 {value['sha256']}", f"size   {value['size']} bytes"])


def all_settings(args: show.Settings) -> int:
    """Print every setting."""
    rows = reference.settings()
    value = [{"key": row.key, "default": row.default or None, "meaning": row.text} for row in rows]
    lines = [line for row in rows for line in (f"{row.key}  {row.default or 'required'}", f"    {row.text}")]
    return output.emit(args, value, lines)


def alerts(args: show.Alerts) -> int:
    """Print the rules of Prometheus."""
    labels = dict(_label(text) for text in args.label)
    if args.namespace is None:
        if labels:
            raise errors.SettingsError("--label requires --namespace NAME")
        return _emit_yaml(args, rules.rules(args.runbooks))
    built = monitoring.build(args.namespace, labels, args.runbooks)
    text = yaml.safe_dump_all(built, sort_keys=False, explicit_start=True, width=1000)
    return output.emit(args, {"apiVersion": "v1", "kind": "List", "items": built}, text.splitlines())


def _label(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (name and found):
        raise errors.SettingsError(f"--label {text}: use NAME=VALUE, such as release=prometheus")
    return name, value


def alertmanager(args: show.Alertmanager) -> int:
    """Print an example of Alertmanager's configuration."""
    return _emit_yaml(args, rules.alertmanager())


def grafana_dashboard(args: show.Dashboard) -> int:
    """Print Grafana's dashboard."""
    document = dashboard.build()
    return output.emit(args, document, output.dump(document).splitlines())


def _emit_yaml(args: command.Arguments, document: Mapping[str, Any]) -> int:
    text = yaml.safe_dump(dict(document), sort_keys=False, width=1000)
    return output.emit(args, document, text.splitlines())


def rights_of(args: show.Rights) -> int:
    """Print RBAC manifests."""
    api = "rbac.authorization.k8s.io"
    if args.service_account is not None:
        namespace, _, name = args.service_account.partition("/")
        if not (namespace and name):
            raise errors.SettingsError(f"--service-account {args.service_account}: use NAMESPACE/NAME")
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    elif args.group is not None:
        subject = {"kind": "Group", "apiGroup": api, "name": args.group}
    else:
        subject = {"kind": "User", "apiGroup": api, "name": args.user or ""}
    manifests = rights.of_operator(subject, args.gateway, args.pulumi)
    text = yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True)
    return output.emit(args, {"apiVersion": "v1", "kind": "List", "items": manifests}, text.splitlines())


def selected(args: show.Selection) -> int:
    """Print the validators that are selected."""
    answer = canonical_json.parse(_read("--validators", args.validators), f"--validators {args.validators}")
    value = _selection_of(answer)
    return output.emit(args, value, _selection_lines(value))


def _selection_lines(value: Mapping[str, Any]) -> list[str]:
    total, covered, rows = value["total"], 0, []
    for validator in value["selected"]:
        covered += validator["tokens"]
        shares = (_percent(validator["tokens"], total), _percent(covered, total))
        rows.append([validator["operator_address"], validator["tokens"], *shares])
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
    """Return the bonded validators of a REST answer of `/cosmos/staking/v1beta1/validators`.

    Raises:
        SettingsError: the answer is malformed or holds only one page of several.
    """
    validators = answer.get("validators") if isinstance(answer, Mapping) else None
    if not isinstance(validators, list):
        raise errors.SettingsError(
            "validators: list not found; use an answer of /cosmos/staking/v1beta1/validators"
        )
    pagination = answer.get("pagination")
    if isinstance(pagination, Mapping) and pagination.get("next_key"):
        raise errors.SettingsError(
            "pagination.next_key is set: this is one page of several; query all at once"
        )
    candidates = [_candidate(f"validators[{at}]", entry) for at, entry in enumerate(validators)]
    by_address: dict[str, selection.Candidate] = {}
    for candidate in candidates:
        if candidate is None:
            continue
        if candidate.operator_address in by_address:
            raise errors.SettingsError(
                f"validators: {candidate.operator_address!r} is listed twice; check whether pages overlap"
            )
        by_address[candidate.operator_address] = candidate
    return list(by_address.values())


def _candidate(where: str, entry: Any) -> selection.Candidate | None:
    """Return the validator, or None if it is not bonded."""
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
