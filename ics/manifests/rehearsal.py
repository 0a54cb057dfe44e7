"""The Job that tries a chain's start with throw-away keys, and the ConfigMap with its files.

They are run-time state: the reconciler, or `ics chain rehearse`, creates and deletes them. The keys are public, so they
need no Secret; nothing of the validator's own is mounted.
"""

import base64
import tomllib
from typing import Any

import tomli_w

from ics import model, names
from ics.config import chain_definition, overrides, pods
from ics.config import settings as config_settings
from ics.consumer import genesis
from ics.consumer import rehearsal as rehearsal_rules
from ics.cosmos import canonical_json
from ics.manifests import node, node_files, objects

DEADLINE_SECONDS = 600
"""Time for scheduling, image and rehearsal."""
_KEPT_SECONDS = 86400
"""Lifetime of a result; a chain that is staged for longer is rehearsed again, with what its image is then."""
_FILES = "/etc/ics/rehearsal"
_DATA = "/data"
_RESULT_FILE = "/dev/termination-log"

SCRIPT = """\
# Starts the node with throw-away keys, and says how that went.
# Needs a POSIX shell, cp, gzip, sed, grep, cut, tail and sleep.
set -u
umask 077
refuse() {
  printf '%s' "$1" > "$RESULT_FILE"
  printf '%s\\n' "$1"
  exit 1
}
# What the node's own scripts need must be there at the launch.
for tool in $TOOLS cut tail sleep; do
  command -v "$tool" > /dev/null || refuse "the image has no $tool, which the scripts of its node need"
done
program=$(command -v "$BINARY") || refuse "the image has no $BINARY"
if [ -n "$BINARY_HASH" ]; then
  actual=$(sha256sum < "$program")
  if [ "${actual%% *}" != "$BINARY_HASH" ]; then
    refuse "$program has sha256 ${actual%% *}, not binary_hash $BINARY_HASH; the node would not be started"
  fi
fi
home="$DATA/home"
mkdir -p "$home/config" "$home/data"
cp "$FILES/config.toml" "$FILES/app.toml" "$FILES/node_key.json" "$FILES/priv_validator_key.json" "$home/config/"
if [ -f "$FILES/genesis.json.gz" ]; then
  gzip -dc "$FILES/genesis.json.gz" > "$home/config/genesis.json"
else
  cp "$FILES/genesis.json" "$home/config/genesis.json"
fi
state="$home/data/priv_validator_state.json"
printf '{"height":"0","round":0,"step":0}' > "$state"
log="$home/log"

end() {
  tail -n 200 "$log"
  printf '%s' "$2" > "$RESULT_FILE"
  printf '%s\\n' "$2"
  exit "$1"
}
# The line that says why, or else the last ones.
reason() {
  grep -m 1 -e '^panic' -e 'CONSENSUS FAILURE' "$log" || grep -m 1 -i -e '^error' "$log" || tail -n 3 "$log"
}

"$BINARY" start --home "$home" --p2p.persistent_peers "" --p2p.seeds "" > "$log" 2>&1 &
node=$!
waited=0
while [ "$waited" -lt "$LIMIT" ]; do
  sleep 1
  waited=$((waited + 1))
  if ! kill -0 "$node" 2>/dev/null; then
    wait "$node"
    end 1 "it exited with code $? after $waited s: $(reason | cut -c 1-600)"
  fi
  # CometBFT survives a panic of the application in a block, and makes no further block.
  if grep -q 'CONSENSUS FAILURE' "$log"; then
    kill "$node"
    end 1 "its consensus failed after $waited s: $(reason | cut -c 1-600)"
  fi
  # The next height is signed only after the first block is complete.
  height=$(sed -n 's/.*"height": *"\\([0-9]*\\)".*/\\1/p' "$state")
  if [ -n "$height" ] && [ "$height" -gt "$FIRST" ]; then
    kill "$node"
    end 0 "block $FIRST after $waited s"
  fi
done
kill "$node"
end 0 "no block within $LIMIT s, but the node runs"
"""


_STARTS = '"$BINARY" start --home "$home" --p2p.persistent_peers "" --p2p.seeds ""'
_CLIENT_FILE = 'cp "$FILES/client.toml" "$home/config/"\n'


def script(definition: chain_definition.Definition) -> str:
    """Return the script with the flags, folders and files that the definition adds to a node."""
    prepared = node_files.keep_folders(definition)
    if "client.toml" in definition.config:
        prepared += _CLIENT_FILE
    return SCRIPT.replace(_STARTS, prepared + " ".join((_STARTS, *node_files.start_flags(definition))))


def name(rehearsal: rehearsal_rules.Rehearsal) -> str:
    """Return the name of a rehearsal's Job and of its ConfigMap."""
    return f"rehearsal-{rehearsal.fingerprint[:8]}"


def _config_toml(definition: chain_definition.Definition) -> str:
    """Return the node's config.toml, but alone: without peers, and with its ports on the pod's own loopback."""
    ours = tomllib.loads(node_files.config_toml(definition, "rehearsal"))
    alone: dict[str, Any] = {
        "priv_validator_key_file": "config/priv_validator_key.json",
        "priv_validator_state_file": "data/priv_validator_state.json",
        "log_format": "plain",
        "log_level": "info",
        "rpc": {"laddr": "tcp://127.0.0.1:26657"},
        "p2p": {
            "laddr": "tcp://127.0.0.1:26656",
            "external_address": "",
            "seeds": "",
            "persistent_peers": "",
            "pex": False,
        },
        "statesync": {"enable": False},
    }
    return tomli_w.dumps(node_files.sort_tables(overrides.deep_merge(ours, alone)))


def config_map(
    owner: objects.Owner,
    namespace: str,
    rehearsal: rehearsal_rules.Rehearsal,
    definition: chain_definition.Definition,
    job_uid: str,
) -> model.Manifest:
    """Return the ConfigMap with all files, which is deleted with its Job.

    Args:
        owner: the chain.
        namespace: of the Job.
        rehearsal: what is rehearsed.
        definition: of the chain.
        job_uid: uid of the Job.
    """
    metadata = owner.metadata(name(rehearsal), names.REHEARSAL, namespace)
    metadata["ownerReferences"] = [
        {"apiVersion": "batch/v1", "kind": "Job", "name": name(rehearsal), "uid": job_uid}
    ]
    content = rehearsal.genesis
    is_packed = len(content) > genesis.PLAIN_LIMIT
    data = {
        "rehearse.sh": script(definition),
        "config.toml": _config_toml(definition),
        "app.toml": node_files.app_toml(definition),
        "node_key.json": rehearsal.node_key.node_key_json().reveal_text(),
        "priv_validator_key.json": rehearsal.key.priv_validator_key_json().reveal_text(),
    }
    client = node_files.client_toml(definition, owner.chain_id)
    if client is not None:
        data["client.toml"] = client
    if not is_packed:
        return objects.config_map(metadata, {**data, "genesis.json": content.decode()})
    packed = base64.b64encode(genesis.compress(content)).decode()
    return {**objects.config_map(metadata, data), "binaryData": {"genesis.json.gz": packed}}


def job(
    owner: objects.Owner,
    namespace: str,
    rehearsal: rehearsal_rules.Rehearsal,
    definition: chain_definition.Definition,
    node_settings: config_settings.NodeSettings,
    settings: pods.PodSettings,
) -> model.Manifest:
    """Return the Job.

    Its pod demands what the node's will: the same image, the same room on a host, the same hosts.

    Args:
        owner: the chain.
        namespace: of the Job.
        rehearsal: what is rehearsed.
        definition: of the chain.
        node_settings: of the stack.
        settings: of the pod.
    """
    environment = {
        "BINARY": definition.binary,
        "BINARY_HASH": definition.binary_hash or "",
        "TOOLS": " ".join(node_files.TOOLS),
        "HOME": node.TEMPORARY,
        "DATA": _DATA,
        "FILES": _FILES,
        "FIRST": str(rehearsal.initial_height),
        "LIMIT": str(rehearsal_rules.SECONDS),
        "RESULT_FILE": _RESULT_FILE,
    }
    container = {
        "name": "rehearsal",
        "image": definition.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{_FILES}/rehearse.sh"],
        "env": [*objects.variables(environment), *objects.literal_variables(definition.env)],
        "resources": {key: dict(value) for key, value in definition.resources_of(node_settings).items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "files", "mountPath": _FILES, "readOnly": True},
            {"name": "data", "mountPath": _DATA},
            {"name": "tmp", "mountPath": node.TEMPORARY},
        ],
    }
    volumes = [
        {"name": "files", "configMap": {"name": name(rehearsal)}},
        {"name": "data", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    spec = objects.pod_spec([container], volumes, restartPolicy="Never", terminationGracePeriodSeconds=1)
    notes = {
        names.FINGERPRINT: rehearsal.fingerprint,
        names.GENESIS_SHA256: canonical_json.sha256_hex(rehearsal.genesis),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name(rehearsal), names.REHEARSAL, namespace, notes),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": objects.pod_template(owner.labels(names.REHEARSAL), spec, settings),
        },
    }
