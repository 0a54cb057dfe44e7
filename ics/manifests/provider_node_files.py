"""Files that the validator's own provider node reads at its start."""

from collections.abc import Mapping
from typing import Any

import tomli_w

from ics.config import node_config, settings
from ics.consumer import revision as node_revision
from ics.consumer.peers import ports
from ics.manifests import key_check, node_files

GENESIS = f"{node_files.DATA}/genesis.json"
"""Path of a fetched genesis on the volume."""

FETCH_SCRIPT = f"""\
set -eu
if [ -f {GENESIS} ]; then
  actual=$(sha256sum < {GENESIS})
  if [ "${{actual%% *}}" = "$SHA256" ]; then exit 0; fi
fi
wget -q -O {GENESIS}.new "$URL"
case "$URL" in *.gz) gzip -dc {GENESIS}.new > {GENESIS}.plain; mv {GENESIS}.plain {GENESIS}.new ;; esac
actual=$(sha256sum < {GENESIS}.new)
if [ "${{actual%% *}}" != "$SHA256" ]; then
  echo "the genesis at $URL has sha256 ${{actual%% *}}, not $SHA256; it is not used" >&2
  exit 1
fi
mv {GENESIS}.new {GENESIS}
"""

_HEAD = f"""\
#!/bin/sh
# Copies the node's files to its volume and starts it, with the key that key-check.sh has chosen. Needs a POSIX
# shell, cp and gzip; with a binary_hash also cat, ls and sha256sum.
set -eu
umask 077
{node_files.CHECK_BINARY}
{key_check.again(node_files.KEY_CHECK)}home={node_files.DATA}/home
mkdir -p "$home/config" "$home/data"
cp -f {node_files.CONFIG}/config.toml {node_files.CONFIG}/app.toml "$home/config/"
if [ -f {node_files.NODE_KEY}/node_key.json ]; then
  cp -f {node_files.NODE_KEY}/node_key.json "$home/config/"
fi
case "$GENESIS" in
  *.gz) gzip -dc "$GENESIS" > "$home/config/genesis.json" ;;
  *) cp -f "$GENESIS" "$home/config/genesis.json" ;;
esac

"""
_START = 'exec "$BINARY" start --home "$home"\n'


def start_script(revision: int = node_revision.CURRENT) -> str:
    """Return the start script of a node.

    Args:
        revision: of the node.
    """
    if revision < node_revision.UPGRADES:
        return _HEAD + _START
    return _HEAD + node_files.UPGRADE_INFO + _START.replace('"$home"', '"$home" "$@"')


def config_toml(settings: settings.Settings, revision: int = node_revision.CURRENT) -> str:
    """Return CometBFT's config.toml: values that differ from its defaults, and the settings' overrides.

    Args:
        settings: of the stack.
        revision: of the node.
    """
    node = settings.provider_node
    ours: dict[str, Any] = {
        "moniker": settings.validator,
        "node_key_file": "config/node_key.json",
        "priv_validator_key_file": f"{key_check.LINKS}/identity/priv_validator_key.json",
        "priv_validator_state_file": f"{key_check.LINKS}/memory/priv_validator_state.json",
        "rpc": {"laddr": f"tcp://0.0.0.0:{ports.POD_RPC}"},
        "p2p": {
            "laddr": f"tcp://0.0.0.0:{ports.POD_P2P}",
            "external_address": node.external_address,
            "persistent_peers": ",".join(node.peers),
            "seeds": ",".join(node.seeds),
        },
        # The check would stop a node from restarting, and fails on an empty volume.
        "consensus": {"double_sign_check_height": 0},
        **node_files.metrics(revision),
    }
    if node.state_sync is not None:
        ours["statesync"] = {
            "enable": True,
            "rpc_servers": ",".join(node.state_sync.rpc),
            "trust_height": node.state_sync.height,
            "trust_hash": node.state_sync.hash,
        }
    return _written(ours, node.config.get("config.toml", {}))


def app_toml(settings: settings.Settings) -> str:
    """Return the SDK's app.toml: the values that differ from its defaults, and the settings' overrides."""
    node = settings.provider_node
    ours: dict[str, Any] = {
        "minimum-gas-prices": node.min_gas_price or settings.provider.gas_price,
        "pruning": node.pruning,
        # It is read without a default, so without a value the cache would be off.
        "iavl-cache-size": 781250,
        "api": {"enable": True, "address": f"tcp://0.0.0.0:{ports.POD_REST}"},
        "grpc": {"enable": True, "address": f"0.0.0.0:{ports.POD_GRPC}"},
        "grpc-web": {"enable": True},
    }
    return _written(ours, node.config.get("app.toml", {}))


def _written(ours: dict[str, Any], over: Mapping[str, Any]) -> str:
    return tomli_w.dumps(node_files.sort_tables(node_config.merge(ours, over)))
