"""Files that a consumer node reads at its start."""

import shlex
from collections.abc import Mapping
from typing import Any

import tomli_w

from ics import names
from ics.config import chain_definition, node_config, overrides, volumes
from ics.consumer import binary_check, chain, desired, extra_nodes, state_sync_record
from ics.consumer import revision as node_revision
from ics.consumer.peers import ports
from ics.cosmos import genesis_order
from ics.manifests import key_check

CONFIG = "/etc/ics/config"
GENESIS = "/etc/ics/genesis"
PEERS = "/etc/ics/peers"
SEEDS = "/etc/ics/seeds"
STATE_SYNC = "/etc/ics/state-sync"
NODE_KEY = "/etc/ics/node-key"
CONSENSUS_KEY = "/etc/ics/consensus-key"
DATA = "/data"
FOLDERS = f"{DATA}/folders"
"""Where the folders below HOME are kept that a definition names."""
PREPARED_GENESIS = f"{DATA}/genesis"
"""Folder on the volume with a large genesis and its record, see `ics.cli.genesis_container`."""
KEY_CHECK = f"{CONFIG}/key-check.sh"
"""Path of the script that decides whether the node gets its key."""

TOOLS = ("cat", "cp", "grep", "gzip", "ln", "ls", "mkdir", "mv", "rm", "sed", "sha256sum")
"""Programs that the scripts of a node need beside a POSIX shell."""

_EXTERNAL_ADDRESS = "@EXTERNAL_ADDRESS@"
"""Stands in config.toml for the address that the peers' ConfigMap holds, which changes without a restart."""

CHECK_BINARY = f"""\
# Hashing takes about a second, so within a pod, whose image does not change, it is done once.
if [ -n "$BINARY_HASH" ]; then
  program=$(command -v "$BINARY") || program=$BINARY
  checked="$BINARY_HASH $(ls -liL "$program")"
  if [ "$(cat {key_check.LINKS}/binary 2>/dev/null)" != "$checked" ]; then
    actual=$(sha256sum < "$program")
    actual=${{actual%% *}}
    if [ "$actual" != "$BINARY_HASH" ]; then
      echo "$program has sha256 $actual, not binary_hash $BINARY_HASH; the node is not started" >&2
      printf '{binary_check.MISMATCH} %s' "$actual" > /dev/termination-log
      exit 1
    fi
    printf '%s' "$checked" > {key_check.LINKS}/binary
  fi
fi
"""
"""Ends a start script unless the binary has the sha256 in BINARY_HASH; if that is empty, nothing is compared."""

_HEAD = f"""\
#!/bin/sh
# Copies the node's files to its volume and starts it, with the key that key-check.sh has chosen. Needs a POSIX
# shell, cp, cat, ls, mv, rm, sed, sha256sum and gzip.
set -eu
umask 077
{CHECK_BINARY}
"""
_COPY_GENESIS = f"""\
if [ -f {GENESIS}/genesis.json.gz ]; then
  gzip -dc {GENESIS}/genesis.json.gz > "$home/config/genesis.new"
else
  cp {GENESIS}/genesis.json "$home/config/genesis.new"
fi
actual=$(sha256sum < "$home/config/genesis.new")
if [ "${{actual%% *}}" != "$GENESIS_SHA256" ]; then
  echo "the genesis has sha256 ${{actual%% *}}, not $GENESIS_SHA256; the node is not started" >&2
  exit 1
fi
mv "$home/config/genesis.new" "$home/config/genesis.json"
"""
_LINK_GENESIS = f"""\
# The init container has fetched, checked and completed it. It stays where it is, because it is large.
read -r order expected < {PREPARED_GENESIS}/record
if [ "$order" != "$GENESIS_SHA256" ]; then
  echo "the genesis on the volume was prepared for order $order, not $GENESIS_SHA256; the node is not started" >&2
  exit 1
fi
actual=$(sha256sum < {PREPARED_GENESIS}/genesis.json)
if [ "${{actual%% *}}" != "$expected" ]; then
  echo "the genesis has sha256 ${{actual%% *}}, not $expected; the node is not started" >&2
  exit 1
fi
ln -sfn {PREPARED_GENESIS}/genesis.json "$home/config/genesis.json"
"""
_COPY_FILES = f"""\
home={DATA}/home
mkdir -p "$home/config" "$home/data"
# -f, because the copy of a mounted key is read-only and exists from the second start on.
cp -f {CONFIG}/app.toml {NODE_KEY}/node_key.json "$home/config/"
# CometBFT v0.38 ignores its flag for this address: the flag's name and the setting's differ in a hyphen.
address=$(cat {PEERS}/external_address)
sed "s|{_EXTERNAL_ADDRESS}|$address|" {CONFIG}/config.toml > "$home/config/config.new"
mv -f "$home/config/config.new" "$home/config/config.toml"
{_COPY_GENESIS}
# A node that is killed while it creates a database leaves one that is still empty but can never be opened:
# CURRENT (marker.… in pebble), which names its list of files, is written last.
for manifest in "$home"/data/*.db/MANIFEST-*; do
  database=${{manifest%/*}}
  set -- "$database"/CURRENT "$database"/marker.*
  if [ -e "$manifest" ] && [ ! -e "$1" ] && [ ! -e "$2" ]; then
    echo "$database was never completed; it is deleted and created again" >&2
    rm -r "$database"
  fi
done

"""


_REMOTE_SIGNER = f"""\
# From now on the remote signer keeps the sign state. The one on this volume becomes outdated and must not be
# used again if the key returns.
state="{names.SIGNING_PATH}/$KEY_ADDRESS/priv_validator_state.json"
if [ -e "$state" ]; then
  mv "$state" "$state.before-remote"
fi
"""
_STATE_SYNC = f"""\
# A node without any state may fetch that of its peers. Until its consensus has started, what a state sync restored may
# be incomplete, and such databases could neither be used nor restored again.
started="$home/data/state-sync"
if [ -e "$started" ] && [ ! -e "$home/data/cs.wal" ]; then
  echo "the state sync was not completed; what it restored is deleted" >&2
  rm -rf "$home"/data/*.db "$home/data/snapshots"
fi
rm -rf "$started" {state_sync_record.TEMPORARY}
if [ -s {STATE_SYNC}/{state_sync_record.SECTION_FILE} ] && [ ! -e "$home/data/state.db" ]; then
  mkdir -p {state_sync_record.TEMPORARY}
  rm -rf "$home/data/cs.wal"
  cat {STATE_SYNC}/{state_sync_record.SECTION_FILE} >> "$home/config/config.toml"
  : > "$started"
fi

"""
UPGRADE_INFO = """\
# The software reads there which stores an upgrade adds. A node that did not halt on its own has not written it: after a
# restart, on a restored volume, or after a state sync. Of another height it does no harm.
if [ -n "${UPGRADE_NAME:-}" ]; then
  info="$home/data/upgrade-info.json"
  written=$(sed -n 's/.*"height": *"\\{0,1\\}\\([0-9]\\{1,18\\}\\).*/\\1/p' "$info" 2>/dev/null || true)
  if [ "${written:-0}" -lt "$UPGRADE_HEIGHT" ]; then
    printf '{"name":"%s","height":%s}' "$UPGRADE_NAME" "$UPGRADE_HEIGHT" > "$info.new"
    mv -f "$info.new" "$info"
  fi
fi
set --
if [ -n "${HALT_HEIGHT:-}" ]; then
  set -- --halt-height "$HALT_HEIGHT"
fi
"""
"""Prepares a start for the upgrade that its node has reached, and for the height at which it must halt."""

_EXEC = 'exec "$BINARY" start '
_START = f"""\
{_EXEC}--home "$home" \\
  --p2p.persistent_peers "$(cat {PEERS}/persistent_peers)"
"""
_WITH_ARGUMENTS = _START.replace('--home "$home"', '--home "$home" "$@"')
_FIRST_START_SCRIPT = _HEAD + key_check.again(KEY_CHECK) + _COPY_FILES + _START
_FIRST_REMOTE_START_SCRIPT = _HEAD + _COPY_FILES + _REMOTE_SIGNER + _START
"""Of the first revision."""
_SECOND = UPGRADE_INFO + _WITH_ARGUMENTS
START_SCRIPT = _HEAD + key_check.again(KEY_CHECK) + _COPY_FILES + _STATE_SYNC + _SECOND
REMOTE_START_SCRIPT = _HEAD + _COPY_FILES + _STATE_SYNC + _REMOTE_SIGNER + _SECOND
"""For a node whose key is held by a remote signer."""


_NO_KEY = f"""\
#!/bin/sh
# Copies the files of a sentry or full node to its volume and starts it. It never signs: its key is thrown away at each
# start, and with anything of a validator's within its reach it does not start. Needs a POSIX shell, cp, cat, ln, ls,
# mkdir, mv, rm, sed, sha256sum and gzip.
set -eu
umask 077
if [ "$POD_NAME" != "$EXPECTED_POD" ]; then
  echo "this pod is $POD_NAME, and only $EXPECTED_POD may run on the volume; the node is not started" >&2
  exit 1
fi
for theirs in {CONSENSUS_KEY} {names.SIGNING_PATH}; do
  if [ -e "$theirs" ]; then
    echo "$theirs is a validator's, and this node must never sign; it is not started" >&2
    exit 1
  fi
done
rm -rf {key_check.LINKS}/throwaway
mkdir -p {key_check.LINKS}/throwaway
ln -sfn {key_check.LINKS}/throwaway {key_check.LINKS}/identity
ln -sfn {key_check.LINKS}/throwaway {key_check.LINKS}/memory
{CHECK_BINARY}
"""
_FIRST_EXTRA_START_SCRIPT = _NO_KEY + _COPY_FILES + _START
EXTRA_START_SCRIPT = _NO_KEY + _COPY_FILES + _STATE_SYNC + _SECOND
"""For a node without a consensus key."""

_CLIENT_FILE = f"""\
# The volume gets a link only: without this file in the definition, nothing of it is left there, and the program writes
# its own file through the link.
cp -f {CONFIG}/client.toml {key_check.LINKS}/client.toml
ln -sfn {key_check.LINKS}/client.toml "$home/config/client.toml"
"""
_WITH_SEEDS = f' \\\n  --p2p.seeds "$(cat {SEEDS}/seeds)"\n'


def start_script(chain: chain.ChainPlan) -> str:
    """Return the start script of one chain's node.

    Like its peers, its seeds come from a file: those that do not resolve are left out without a restart.
    """
    if chain.revision >= node_revision.STATE_SYNC:
        script = START_SCRIPT if chain.signer is None else REMOTE_START_SCRIPT
    else:
        script = _FIRST_START_SCRIPT if chain.signer is None else _FIRST_REMOTE_START_SCRIPT
    script = _with_genesis(script, chain)
    if chain.has_seeds:
        script = script.removesuffix("\n") + _WITH_SEEDS
    return _with_extra_parts(script, chain.definition)


def extra_start_script(chain: chain.ChainPlan) -> str:
    """Return the start script of the chain's sentries and full nodes."""
    script = EXTRA_START_SCRIPT if chain.revision >= node_revision.STATE_SYNC else _FIRST_EXTRA_START_SCRIPT
    script = _with_genesis(script, chain)
    if chain.definition.seeds:
        script = script.removesuffix("\n") + _WITH_SEEDS
    return _with_extra_parts(script, chain.definition)


def _with_genesis(script: str, chain: chain.ChainPlan) -> str:
    """Return a start script for the chain's kind of genesis: one in a ConfigMap, or one that the pod has prepared."""
    is_large = isinstance(chain.genesis, genesis_order.Ordered)
    return script.replace(_COPY_GENESIS, _LINK_GENESIS) if is_large else script


def _with_extra_parts(script: str, definition: chain_definition.Definition) -> str:
    """Return a start script with what the definition adds; without any of that, unchanged."""
    prepared = keep_folders(definition)
    if "client.toml" in definition.config:
        prepared += _CLIENT_FILE
    script = script.replace(_EXEC, prepared + _EXEC)
    flags = "".join(f" \\\n  {flag}" for flag in start_flags(definition))
    return script.removesuffix("\n") + flags + "\n" if flags else script


def keep_folders(definition: chain_definition.Definition) -> str:
    """Return the lines that link the definition's folders below HOME to the volume."""
    lines = []
    for folder in definition.home_volumes:  # none has a character that is special within double quotes
        parent = folder.rpartition("/")[0]
        lines += [
            f'mkdir -p "{FOLDERS}/{folder}" "$HOME/{parent}"',
            f'ln -sfn "{FOLDERS}/{folder}" "$HOME/{folder}"',
        ]
    return "".join(f"{line}\n" for line in lines)


def start_flags(definition: chain_definition.Definition) -> list[str]:
    """Return the definition's own flags of `start`, quoted for a shell."""
    return [shlex.quote(flag) for flag in definition.own_flags]


def config_toml(
    definition: chain_definition.Definition,
    moniker: str,
    is_unsafe: bool = False,
    is_signed_elsewhere: bool = False,
    revision: int = node_revision.CURRENT,
    p2p: Mapping[str, Any] | None = None,
) -> str:
    """Return CometBFT's config.toml: values that differ from its defaults, and the definition's overrides.

    Args:
        definition: the chain's definition.
        moniker: name of the node.
        is_unsafe: whether its RPC accepts control commands, such as dialling peers.
        is_signed_elsewhere: whether it waits for a remote signer to dial in and requests every signature from
            it.
        revision: of the node.
        p2p: values of the table `p2p` that no override replaces.
    """
    ours: dict[str, Any] = {
        "moniker": moniker,
        "node_key_file": "config/node_key.json",
        "priv_validator_key_file": f"{key_check.LINKS}/identity/priv_validator_key.json",
        "priv_validator_state_file": f"{key_check.LINKS}/memory/priv_validator_state.json",
        "log_format": "plain",
        "log_level": "info",
        "rpc": {"laddr": f"tcp://0.0.0.0:{ports.POD_RPC}"} | ({"unsafe": True} if is_unsafe else {}),
        "p2p": {
            "laddr": f"tcp://0.0.0.0:{ports.POD_P2P}",
            # Peers in the same operator's clusters often have private addresses.
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "external_address": _EXTERNAL_ADDRESS,
            "seeds": "",
        },
        # The check would stop a node from restarting on a chain that waits for it, and fails on an empty
        # volume.
        "consensus": {"double_sign_check_height": 0},
        **metrics(revision),
    }
    if is_signed_elsewhere:
        ours["priv_validator_laddr"] = f"tcp://0.0.0.0:{ports.POD_SIGNER}"
    merged = node_config.merge(ours, definition.config.get("config.toml", {}))
    return tomli_w.dumps(sort_tables(overrides.deep_merge(merged, {"p2p": dict(p2p or {})})))


def of_chain(desired: desired.Desired, chain: chain.ChainPlan) -> str:
    """Return the config.toml of one chain's node."""
    settings = desired.settings
    return config_toml(
        chain.definition,
        settings.validator,
        settings.hybrid_peer_updates,
        chain.signer is not None,
        chain.revision,
        # It exchanges no addresses with its sentries: they know its own, and it wants no other peers.
        {"pex": False} if chain.extra.is_behind else None,
    )


def of_extra_node(desired: desired.Desired, chain: chain.ChainPlan, node: extra_nodes.ExtraNode) -> str:
    """Return the config.toml of a sentry or full node.

    A sentry keeps room for the node behind it, and gives its address to no peer.
    """
    settings = desired.settings
    own: Mapping[str, Any] = chain.definition.config.get("config.toml", {}).get("p2p", {})
    hidden = chain.extra.hidden_id
    p2p = {
        key: ",".join(filter(None, (str(own.get(key, "")), hidden)))
        for key in ("unconditional_peer_ids", "private_peer_ids")
    }
    return config_toml(
        chain.definition,
        f"{settings.validator}-{node.name}",
        settings.hybrid_peer_updates,
        revision=chain.revision,
        p2p=p2p if node.role is extra_nodes.Role.SENTRY else None,
    )


def metrics(revision: int) -> dict[str, Any]:
    """Return the table of config.toml with which a node serves CometBFT's metrics, on all of its addresses."""
    return {"instrumentation": {"prometheus": True}} if revision >= node_revision.METRICS else {}


_KEPT_SNAPSHOTS = 2
"""So that a node that has started to fetch one can fetch all of it."""


def app_toml(definition: chain_definition.Definition, revision: int = node_revision.CURRENT) -> str:
    """Return the SDK's app.toml: the values that differ from its defaults, and the definition's overrides.

    Args:
        definition: the chain's definition.
        revision: of the node.
    """
    ours: dict[str, Any] = {
        "minimum-gas-prices": definition.min_gas_price,
        # It is read without a default, so without a value the cache would be off.
        "iavl-cache-size": 781250,
        "api": {"enable": True, "address": f"tcp://0.0.0.0:{ports.POD_REST}"},
        "grpc": {"enable": True, "address": f"0.0.0.0:{ports.POD_GRPC}"},
        "grpc-web": {"enable": True},
        **_pruning(definition, revision),
    }
    if revision >= node_revision.STATE_SYNC:
        ours["state-sync"] = {
            "snapshot-interval": definition.state_sync.snapshot_interval,
            "snapshot-keep-recent": _KEPT_SNAPSHOTS,
        }
    return tomli_w.dumps(sort_tables(node_config.merge(ours, definition.config.get("app.toml", {}))))


def _pruning(definition: chain_definition.Definition, revision: int) -> dict[str, Any]:
    """Return the keys of app.toml that say which heights' state is kept, unless it is left to the SDK's default."""
    own = definition.pruning
    if own is None and revision < node_revision.PRUNING:
        return {}
    chosen = own or volumes.Pruning.defaults()
    if chosen.kind == "archive":
        return {"pruning": "nothing"}
    # cosmos-sdk v0.50 (server/pruning.go) reads the numbers as texts.
    return {
        "pruning": "custom",
        "pruning-keep-recent": str(chosen.keep_recent),
        "pruning-interval": str(chosen.interval),
    }


def client_toml(definition: chain_definition.Definition, chain_id: str) -> str | None:
    """Return the client's file, which some programs read at `start`; None if the definition has none."""
    over = definition.config.get("client.toml")
    if over is None:
        return None
    # Without a keyring of its own, a program would look for one of the machine.
    ours: dict[str, Any] = {"keyring-backend": "test", "output": "text", "broadcast-mode": "sync"}
    fixed = {"chain-id": chain_id, "node": f"tcp://localhost:{ports.POD_RPC}"}
    return tomli_w.dumps(sort_tables({**overrides.deep_merge(ours, over), **fixed}))


def sort_tables(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with sorted keys, so that equal tables are equal texts."""
    return {
        key: sort_tables(value) if isinstance(value, Mapping) else value
        for key, value in sorted(table.items())
    }
