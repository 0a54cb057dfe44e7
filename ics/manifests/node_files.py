"""The files that a consumer node reads at its start."""

from collections.abc import Mapping
from typing import Any

import tomli_w

from ics import names
from ics.config import chain_definition, overrides
from ics.consumer import chain, desired
from ics.consumer.peers import ports

CONFIG = "/etc/ics/config"
GENESIS = "/etc/ics/genesis"
PEERS = "/etc/ics/peers"
NODE_KEY = "/etc/ics/node-key"
CONSENSUS_KEY = "/etc/ics/consensus-key"
DATA = "/data"

_LAY_FILES = f"""\
#!/bin/sh
# Lays the node's files on its volume and starts it. Needs a POSIX shell, cp, mv, ln, rm, sha256sum, gzip.
set -eu
umask 077
home={DATA}/home
mkdir -p "$home/config" "$home/data"
# -f, for the copy of a mounted key is read-only, and is there from the second start on.
cp -f {CONFIG}/config.toml {CONFIG}/app.toml {NODE_KEY}/node_key.json "$home/config/"
if [ -f {GENESIS}/genesis.json.gz ]; then
  gzip -dc {GENESIS}/genesis.json.gz > "$home/config/genesis.new"
else
  cp {GENESIS}/genesis.json "$home/config/genesis.new"
fi
found=$(sha256sum < "$home/config/genesis.new")
if [ "${{found%% *}}" != "$GENESIS_SHA256" ]; then
  echo "the genesis has sha256 ${{found%% *}}, not $GENESIS_SHA256: not started" >&2
  exit 1
fi
mv "$home/config/genesis.new" "$home/config/genesis.json"

# A node that is killed while it makes a database leaves one that never opens again, and holds nothing yet:
# its list of files is named by CURRENT (by marker.… in pebble), which is written last.
for made in "$home"/data/*.db/MANIFEST-*; do
  database=${{made%/*}}
  set -- "$database"/CURRENT "$database"/marker.*
  if [ -e "$made" ] && [ ! -e "$1" ] && [ ! -e "$2" ]; then
    echo "$database was never finished: made anew" >&2
    rm -r "$database"
  fi
done

"""


# No version sets REMOTE_SIGNER any more. The script stays as it is, for another one would restart every node.
_SIGN_HERE = f"""\
# The key signs only where its signing memory lies; a volume without it may have lost what was signed.
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
identity={CONSENSUS_KEY}
if [ ! -s "$memory/priv_validator_state.json" ]; then
  if [ -z "${{REMOTE_SIGNER:-}}" ]; then
    echo "no signing memory of $KEY_ADDRESS on this volume: running with a throw-away key" >&2
  fi
  memory={DATA}/throwaway
  identity={DATA}/throwaway
  mkdir -p "$memory"
fi
"""
_SIGN_ELSEWHERE = f"""\
# A remote signer remembers what it signs from now on. What was remembered here is out of date then, and must not
# be taken up should the key come back.
state="{names.SIGNING_PATH}/$KEY_ADDRESS/priv_validator_state.json"
if [ -e "$state" ]; then
  mv "$state" "$state.before-remote"
fi
memory={DATA}/throwaway
identity={DATA}/throwaway
mkdir -p "$memory"
"""
_START = f"""\
ln -sfn "$identity" "$home/identity"
ln -sfn "$memory" "$home/memory"

exec "$BINARY" start --home "$home" \\
  --p2p.persistent_peers "$(cat {PEERS}/persistent_peers)" \\
  --p2p.external-address "$(cat {PEERS}/external_address)"
"""
START_SCRIPT = _LAY_FILES + _SIGN_HERE + _START
REMOTE_START_SCRIPT = _LAY_FILES + _SIGN_ELSEWHERE + _START
"""Of a node whose key a remote signer has."""


def start_script(chain: chain.Chain) -> str:
    """The script that starts one chain's node."""
    return START_SCRIPT if chain.signer is None else REMOTE_START_SCRIPT


def config_toml(
    known: chain_definition.Definition,
    moniker: str,
    is_unsafe: bool = False,
    is_signed_elsewhere: bool = False,
) -> str:
    """CometBFT's config.toml: only what differs from its defaults, with the definition's overrides on top.

    Args:
        known: the chain's definition.
        moniker: name of the node.
        is_unsafe: its RPC takes orders, such as whom to dial.
        is_signed_elsewhere: it waits for a remote signer to dial in, and asks that for every signature.
    """
    ours: dict[str, Any] = {
        "moniker": moniker,
        "node_key_file": "config/node_key.json",
        "priv_validator_key_file": "identity/priv_validator_key.json",
        "priv_validator_state_file": "memory/priv_validator_state.json",
        "log_format": "plain",
        "log_level": "info",
        "rpc": {"laddr": f"tcp://0.0.0.0:{ports.POD_RPC}"} | ({"unsafe": True} if is_unsafe else {}),
        "p2p": {
            "laddr": f"tcp://0.0.0.0:{ports.POD_P2P}",
            # Peers of one operator's clusters often have private addresses.
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "seeds": ",".join(known.seeds),
        },
        # It would keep a node from restarting on a chain that waits for it, and is blind on an empty volume.
        "consensus": {"double_sign_check_height": 0},
    }
    if is_signed_elsewhere:
        ours["priv_validator_laddr"] = f"tcp://0.0.0.0:{ports.POD_SIGNER}"
    return tomli_w.dumps(ordered(overrides.merged(ours, known.config.get("config.toml", {}))))


def of_chain(wanted: desired.Desired, chain: chain.Chain) -> str:
    """The config.toml of one chain's node."""
    settings = wanted.settings
    return config_toml(
        chain.definition, settings.validator, settings.hybrid_peer_updates, chain.signer is not None
    )


def app_toml(known: chain_definition.Definition) -> str:
    """The SDK's app.toml, likewise."""
    ours: dict[str, Any] = {
        "minimum-gas-prices": known.min_gas_price,
        # Read without a default of its own: zero would turn the cache off.
        "iavl-cache-size": 781250,
        "api": {"enable": True, "address": f"tcp://0.0.0.0:{ports.POD_REST}"},
        "grpc": {"enable": True, "address": f"0.0.0.0:{ports.POD_GRPC}"},
        "grpc-web": {"enable": True},
    }
    return tomli_w.dumps(ordered(overrides.merged(ours, known.config.get("app.toml", {}))))


def ordered(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with its keys sorted, so that equal ones are equal texts."""
    return {
        key: ordered(value) if isinstance(value, Mapping) else value for key, value in sorted(table.items())
    }
