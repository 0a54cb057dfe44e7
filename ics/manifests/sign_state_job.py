"""Job that creates the empty sign state of one key on one volume.

It is run-time state: the reconciler creates it once the request is recorded, and deletes it when it is done.
"""

from typing import Any

from ics import model, names
from ics.manifests import key_check, objects

_RETRIES = 3
"""Number of failed pods after which the Job fails."""
DEADLINE_SECONDS = 600
"""Time for volume, image and work; a Job that takes longer is created again, and so scheduled again."""
_KEPT_SECONDS = 86400
"""Lifetime of Jobs that failed or that a crash left behind; the reconciler deletes the others itself."""

SCRIPT = f"""\
set -eu
umask 077
{key_check.MARK_FUNCTIONS}
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
state="$memory/priv_validator_state.json"
if [ -e "$state" ]; then
  # A power failure may leave an empty or truncated file; a complete one ends with a brace.
  case "$(cat "$state")" in
    \\{{*'"height"'*\\}})
      echo "the sign state of $KEY_ADDRESS exists and is kept"
      exit 0;;
  esac
  if [ -z "$CONFIRMED" ]; then
    echo "the sign state of $KEY_ADDRESS is empty or truncated, so the record of signed blocks is lost" >&2
    exit 1
  fi
  mv "$state" "$state.broken"
fi
mkdir -p "$memory"
# The mark comes first: a sign state without one is never used.
{{
  echo "address $KEY_ADDRESS"
  echo "namespace $POD_NAMESPACE"
  cluster_certificates
}} > "$memory/mark.new"
mv "$memory/mark.new" "$memory/mark"
printf '%s' '{{"height":"0","round":0,"step":0}}' > "$state.new"
mv "$state.new" "$state"
echo "created the sign state of $KEY_ADDRESS"
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
    is_confirmed: bool = False,
) -> model.Manifest:
    """Return the Job.

    Args:
        owner: the key's chain.
        namespace: of the chain.
        volume_uid: of the current PersistentVolumeClaim.
        address: of the key, upper-case hex.
        image: any with a POSIX shell, cat, mkdir and mv; the node's own, as it is pulled anyway.
        is_confirmed: whether the operator confirmed that it is safe to replace a broken sign state.
    """
    notes = {names.VOLUME_UID: volume_uid, names.CONSENSUS_ADDRESS: address}
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
                    [_container(address, image, is_confirmed)],
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


def _container(address: str, image: str, is_confirmed: bool) -> dict[str, Any]:
    environment = {"KEY_ADDRESS": address, "CONFIRMED": "true" if is_confirmed else ""}
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
