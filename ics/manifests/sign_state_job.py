"""Job that creates the sign state of one key on one volume: empty for a new key, at a height after a reset.

It is run-time state: the reconciler creates it once the request is recorded, and deletes it when it is done.
"""

from typing import Any

from ics import model, names
from ics.consumer import reset as reset_rules
from ics.manifests import key_check, objects

_RETRIES = 3
"""Number of failed pods after which the Job fails."""
DEADLINE_SECONDS = 600
"""Time for volume, image and work; a Job that takes longer is created again, and so scheduled again."""
_KEPT_SECONDS = 86400
"""Lifetime of Jobs that failed or that a crash left behind; the reconciler deletes the others itself."""
EMPTY = model.SignedState(height=0, round=0, step=0)
"""Sign state of a key that has signed nothing."""

SCRIPT = f"""\
set -eu
umask 077
{key_check.MARK_FUNCTIONS}
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
state="$memory/priv_validator_state.json"
found=missing
if [ -e "$state" ]; then
  content=$(cat "$state")
  # A power failure may leave an empty or truncated file; a complete one ends with a brace.
  case "$content" in
    \\{{*'"height"'*\\}}) found=complete ;;
    *) found=broken ;;
  esac
fi
if [ -z "$RESET" ] && [ "$found" = complete ]; then
  echo "the sign state of $KEY_ADDRESS exists and is kept"
  exit 0
fi
if [ -z "$RESET" ] && [ "$found" = broken ]; then
  echo "the sign state of $KEY_ADDRESS is empty or truncated, so the record of signed blocks is lost" >&2
  exit 1
fi
if [ "$found" = complete ]; then
  height=$(printf '%s' "$content" | sed -n 's/.*"height": *"\\([0-9]*\\)".*/\\1/p')
  round=$(printf '%s' "$content" | sed -n 's/.*"round": *\\([0-9]*\\).*/\\1/p')
  step=$(printf '%s' "$content" | sed -n 's/.*"step": *\\([0-9]*\\).*/\\1/p')
  if [ -z "$height" ] || [ -z "$round" ] || [ -z "$step" ]; then
    found=broken
  # A higher one is kept, because that much is signed; an equal one is of an earlier run of this Job.
  elif [ "$height" -gt "$HEIGHT" ]; then
    found=later
  elif [ "$height" -eq "$HEIGHT" ] && [ "$round" -gt "$ROUND" ]; then
    found=later
  elif [ "$height" -eq "$HEIGHT" ] && [ "$round" -eq "$ROUND" ] && [ "$step" -ge "$STEP" ]; then
    found=later
  fi
fi
mkdir -p "$memory"
# The mark comes first: a sign state without one is never used.
{{
  echo "address $KEY_ADDRESS"
  echo "namespace $POD_NAMESPACE"
  cluster_certificates
}} > "$memory/mark.new"
if [ "$found" = later ]; then
  mv "$memory/mark.new" "$memory/mark"
  echo "the sign state of $KEY_ADDRESS is at height $height, round $round, step $step, and is kept"
  exit 0
fi
if [ "$found" != missing ]; then
  number=1
  while [ -e "$state.replaced-$number" ]; do number=$((number + 1)); done
  mv "$state" "$state.replaced-$number"
fi
mv "$memory/mark.new" "$memory/mark"
printf '{{"height":"%s","round":%s,"step":%s}}' "$HEIGHT" "$ROUND" "$STEP" > "$state.new"
mv "$state.new" "$state"
echo "created the sign state of $KEY_ADDRESS at height $HEIGHT, round $ROUND, step $STEP"
"""


def name(volume_uid: str) -> str:
    """Return the name of the Job for one volume."""
    return f"sign-state-{volume_uid[:8]}"


def job(
    owner: objects.Owner,
    namespace: str,
    volume_uid: str,
    address: str,
    image: str,
    reset: model.SignedState | None = None,
) -> model.Manifest:
    """Return the Job.

    Args:
        owner: the key's chain.
        namespace: of the chain.
        volume_uid: of the current PersistentVolumeClaim.
        address: of the key, upper-case hex.
        image: any with a POSIX shell, cat, mkdir, mv, sed and sha256sum; the node's own, as it is pulled anyway.
        reset: what the operator confirmed, for a key that may have signed before: it replaces a sign state that is
            broken or lower. None: an empty one is created, unless there is one.
    """
    notes = {names.VOLUME_UID: volume_uid, names.CONSENSUS_ADDRESS: address}
    if reset is not None:
        notes[names.SIGN_STATE_RESET] = reset_note(reset)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name(volume_uid), names.SIGN_STATE, namespace, notes),
        "spec": {
            "backoffLimit": _RETRIES,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {
                "metadata": {"labels": owner.labels(names.SIGN_STATE)},
                # A failed pod and its log are kept.
                "spec": objects.pod_spec(
                    [_container(address, image, reset)],
                    [
                        {"name": "data", "persistentVolumeClaim": {"claimName": names.VOLUME_NAME}},
                        {"name": "cluster-ca", "configMap": {"name": "kube-root-ca.crt"}},
                    ],
                    restartPolicy="Never",
                    affinity=_beside_the_node(),
                ),
            },
        },
    }


def _beside_the_node() -> dict[str, Any]:
    """Return the affinity to the host that uses the volume, because only one host may mount it.

    The selector includes the Job's own pod, so that the scheduler accepts any host while there is no node.
    """
    components = {"key": names.COMPONENT, "operator": "In", "values": [names.SIGN_STATE, names.NODE]}
    term = {
        "labelSelector": {"matchExpressions": [components]},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def reset_note(state: model.SignedState) -> str:
    """Return the annotation that records the sign state which the operator confirmed: `<height>/<round>/<step>`."""
    return f"{state.height}/{state.round}/{state.step}"


def parse_reset_note(text: str) -> model.SignedState | None:
    """Return the sign state that an annotation records; None if it records none or was edited."""
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    height, at, step = map(int, parts)
    is_possible = height < 2**63 and at <= reset_rules.MAX_ROUND and step <= reset_rules.PRECOMMIT
    return model.SignedState(height=height, round=at, step=step) if is_possible else None


def _container(address: str, image: str, reset: model.SignedState | None) -> dict[str, Any]:
    state = reset or EMPTY
    environment = {
        "KEY_ADDRESS": address,
        "RESET": "" if reset is None else "true",
        "HEIGHT": str(state.height),
        "ROUND": str(state.round),
        "STEP": str(state.step),
    }
    return {
        "name": "sign-state",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": [
            *({"name": name, "value": value} for name, value in environment.items()),
            key_check.downward("POD_NAMESPACE", "metadata.namespace"),
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"memory": "64Mi"},
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "cluster-ca", "mountPath": key_check.CLUSTER_CA, "readOnly": True},
        ],
    }
