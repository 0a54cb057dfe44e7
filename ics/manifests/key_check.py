"""Check at a pod's start whether its node gets the consensus key, and the mark that it compares; pure.

The mark lies beside the sign state and says for which place it was created: key address, namespace, and the hashes of
the certificates in `kube-root-ca.crt`, which every cluster publishes into each of its namespaces. A copied volume or
namespace, and a cluster restored elsewhere, fail the comparison before their first vote.

The check writes nothing to the volume. It leaves links to key and sign state in the pod's own `links` volume, so that
a second pod on the same volume cannot change them under a running node.

An init container does not run again when the node's container does, for example after the disk was emptied. So that
container repeats the check at each start. There it can only take the key away: the result is its termination message.
"""

from typing import Any

from ics import names
from ics.consumer import revision as node_revision
from ics.manifests import objects

LINKS = "/run/ics"
"""Mount path of the pod's own volume with the links `identity` and `memory`."""
CLUSTER_CA = "/etc/ics/cluster-ca"
WATERMARKS = "/etc/ics/watermark"
CLUSTER_CA_NAME = "kube-root-ca.crt"
"""ConfigMap with the cluster's certificates that Kubernetes itself keeps in every namespace."""

WITHHELD = "WITHHELD"
"""Variable of the container that withholds the key if it is not empty."""

READ_ADDRESS = """\
address=$(sed -n 's/.*"address": *"\\([0-9A-F]\\{40\\}\\)".*/\\1/p' \\
  "$KEY_FOLDER/priv_validator_key.json" 2>/dev/null) || address=
"""
"""Sets `address` to that of the mounted key, or to nothing."""

MARK_FUNCTIONS = f"""\
# Prints the sha256 of each certificate of this cluster, a line each.
cluster_certificates() {{
  certificate=
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
      "-----BEGIN CERTIFICATE-----"*) certificate= ;;
      "-----END CERTIFICATE-----"*)
        sum=$(printf '%s' "$certificate" | sha256sum)
        echo "ca ${{sum%% *}}" ;;
      *) certificate="$certificate$line" ;;
    esac
  done < {CLUSTER_CA}/ca.crt
}}
"""

AGAIN = "again"
"""Argument of the script in the node's own container."""
_RESULT = f"{LINKS}/result"
"""The result of the pod's last check."""

SCRIPT = f"""\
#!/bin/sh
# Decides whether this pod's node gets the consensus key. It writes nothing to the volume.
# With the argument `{AGAIN}` it may only take the key away, and fails once if it does.
# Needs a POSIX shell, mkdir, ln, cat, sed, grep and sha256sum.
set -eu
umask 077
{MARK_FUNCTIONS}
if [ "$POD_NAME" != "$EXPECTED_POD" ]; then
  echo "this pod is $POD_NAME, and only $EXPECTED_POD may run on the volume; the node is not started" >&2
  exit 1
fi
again=${{1:-}}
if [ "$again" = {AGAIN} ]; then
  before=$(cat {_RESULT})
  case "$before" in
    ready*) ;;
    *)
      # Repeated, because Kubernetes keeps the message of the container's last end only.
      printf '%s' "$before" > "$RESULT_FILE"
      exit 0 ;;
  esac
fi
{READ_ADDRESS}
# The provider node's key is its operator's own, and its address is only in the mounted file.
if [ -z "$KEY_ADDRESS" ]; then KEY_ADDRESS=$address; fi
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
state="$memory/priv_validator_state.json"
mark="$memory/mark"

judge() {{
  if [ -n "$REMOTE" ]; then echo remote; return; fi
  if [ "$WITHHELD" != false ]; then echo withheld; return; fi
  if [ -z "$address" ] || [ "$address" != "$KEY_ADDRESS" ]; then echo wrong-key; return; fi
  if [ ! -e "$state" ]; then echo missing; return; fi
  content=$(cat "$state")
  case "$content" in
    \\{{*'"height"'*\\}}) ;;
    *) echo broken; return ;;
  esac
  if [ ! -s "$mark" ]; then echo unmarked; return; fi
  if ! grep -qx "address $KEY_ADDRESS" "$mark"; then echo unmarked; return; fi
  if ! grep -qx "namespace $POD_NAMESPACE" "$mark"; then echo other-namespace; return; fi
  if [ -n "${{CLAIM_UID:-}}" ] && ! grep -qx "claim $CLAIM_UID" "$mark"; then echo other-claim; return; fi
  height=$(printf '%s' "$content" | sed -n 's/.*"height": *"\\([0-9]*\\)".*/\\1/p')
  if [ -z "$height" ]; then echo broken; return; fi
  lowest=$(cat "{WATERMARKS}/$KEY_ADDRESS" 2>/dev/null) || lowest=
  case "$lowest" in
    "") ;;
    *[!0-9]*) echo below-watermark; return ;;
    *) if [ "$height" -lt "$lowest" ]; then echo below-watermark; return; fi ;;
  esac
  # A pod that was let sign has not moved to another cluster since, whose certificates may be renewed at any time.
  if [ "$again" = {AGAIN} ]; then echo "${{before%% *}}"; return; fi
  for certificate in $(cluster_certificates | sed 's/^ca //'); do
    if grep -qx "ca $certificate" "$mark"; then echo ready; return; fi
  done
  # No second key can replace the provider's own, so its claim decides, and the certificates only warn.
  if [ -n "${{CLAIM_UID:-}}" ]; then echo ready-in-other-cluster; return; fi
  echo other-cluster
}}

result=$(judge)
case "$result" in
  ready | ready-in-other-cluster)
    ln -sfn "$KEY_FOLDER" {LINKS}/identity
    ln -sfn "$memory" {LINKS}/memory ;;
  *)
    mkdir -p {LINKS}/throwaway
    ln -sfn {LINKS}/throwaway {LINKS}/identity
    ln -sfn {LINKS}/throwaway {LINKS}/memory ;;
esac
echo "$result $KEY_ADDRESS"
printf '%s %s' "$result" "$KEY_ADDRESS" > {_RESULT}
printf '%s %s' "$result" "$KEY_ADDRESS" > "$RESULT_FILE"
if [ "$again" = {AGAIN} ]; then
  case "$result" in
    ready*) ;;
    *)
      echo "the sign state of $KEY_ADDRESS was lost or replaced; the node starts again without its key" >&2
      exit 1 ;;
  esac
fi
"""

_REPEATS = """\
      # Repeated, because Kubernetes keeps the message of the container's last end only.
      printf '%s' "$before" > "$RESULT_FILE"
"""
_REPEATS_LOSS = f"""\
      # Repeated, because Kubernetes keeps the message of the container's last end only.
      if [ -e {LINKS}/lost ]; then printf '%s' "$before" > "$RESULT_FILE"; fi
"""
_SAYS = """\
printf '%s %s' "$result" "$KEY_ADDRESS" > "$RESULT_FILE"
"""
_SAYS_NEWS = f"""\
# What the pod's own check has said is not said again: without a message Kubernetes takes the end of the container's
# log, where the node says which upgrade it needs.
rm -f {LINKS}/lost
case "$again $result" in
  "{AGAIN} ready"*) ;;
  *)
    if [ "$again" = {AGAIN} ]; then : > {LINKS}/lost; fi
    printf '%s %s' "$result" "$KEY_ADDRESS" > "$RESULT_FILE" ;;
esac
"""


def script(revision: int) -> str:
    """Return the script for a node of a revision, see `SCRIPT`."""
    if revision < node_revision.UPGRADES:
        return SCRIPT
    return SCRIPT.replace(_REPEATS, _REPEATS_LOSS).replace(_SAYS, _SAYS_NEWS)


_RESULT_FILE = "/dev/termination-log"


def again(script: str) -> str:
    """Return the lines of a start script that repeat the check in the node's own container.

    Args:
        script: path of the check's script in the container.
    """
    return f"""\
# The disk may have been emptied or exchanged since the pod's own check, which does not run again with this container.
/bin/sh {script} {AGAIN}

"""


def environment(
    *,
    address: str,
    key_folder: str,
    pod: str,
    is_withheld: bool,
    is_remote: bool = False,
    claim_uid: str = "",
) -> list[dict[str, Any]]:
    """Return the variables of the check, for both containers that run it.

    Args:
        address: of the key, upper-case hex; empty: whatever the mounted key has.
        key_folder: folder with the mounted `priv_validator_key.json`.
        pod: name of the only pod that may run.
        is_withheld: whether the node does not get the key, whatever is on the volume.
        is_remote: whether a remote signer holds the key.
        claim_uid: uid of the volume's claim, which the mark must name; empty: it is not compared, and the cluster's
            certificates decide.
    """
    values = {
        "KEY_ADDRESS": address,
        "KEY_FOLDER": key_folder,
        "EXPECTED_POD": pod,
        "CLAIM_UID": claim_uid,
        # Never empty, because the reconciler sets it, too; see `objects.variables`.
        WITHHELD: "true" if is_withheld else "false",
        "REMOTE": "true" if is_remote else "",
        "RESULT_FILE": _RESULT_FILE,
    }
    return [
        *objects.variables(values),
        downward("POD_NAME", "metadata.name"),
        downward("POD_NAMESPACE", "metadata.namespace"),
    ]


def container(
    *, image: str, script: str, environment: list[dict[str, Any]], mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the init container of the check.

    Args:
        image: any with a POSIX shell; the node's own, as it is pulled anyway.
        script: path of the script in the container.
        environment: see `environment`.
        mounts: of the node, without those of the check itself.
    """
    return {
        "name": names.KEY_CHECK,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", script],
        "env": environment,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data", "readOnly": True},
            *own_mounts(),
            *mounts,
        ],
    }


def own_mounts() -> list[dict[str, Any]]:
    """Return the mounts of the check itself; see `volumes`."""
    return [
        {"name": "links", "mountPath": LINKS},
        {"name": "cluster-ca", "mountPath": CLUSTER_CA, "readOnly": True},
        {"name": "watermark", "mountPath": WATERMARKS, "readOnly": True},
    ]


def volumes(watermark: str = names.WATERMARK) -> list[dict[str, Any]]:
    """Return the volumes of the check: the pod's own links, the cluster's certificates, and the watermark.

    Args:
        watermark: name of the ConfigMap with the watermark.
    """
    return [
        {"name": "links", "emptyDir": {}},
        {"name": "cluster-ca", "configMap": {"name": CLUSTER_CA_NAME}},
        {"name": "watermark", "configMap": {"name": watermark, "optional": True}},
    ]


def downward(name: str, path: str) -> dict[str, Any]:
    """Return an environment variable with one of the pod's own fields."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
