"""The Job that lays the empty signing memory of one key on one volume.

It is run-time state: the loop makes it once its order is on record, and removes it when it is done.
"""

from typing import Any

from ics import model, names
from ics.manifests import objects

RETRIES = 3
"""Pods that may fail before the Job has."""
DEADLINE_SECONDS = 600
"""Time for the volume, the image and the work; a Job that takes longer is made anew, and so placed anew."""
KEPT_SECONDS = 86400
"""A Job that ended is removed by the loop; one that a crash left behind, or that failed, after a day."""

SCRIPT = f"""\
set -eu
umask 077
memory="{names.SIGNING_PATH}/$KEY_ADDRESS"
state="$memory/priv_validator_state.json"
if [ -e "$state" ]; then
  # A power failure may leave a file that is empty or cut off; whole, it ends with a brace.
  case "$(cat "$state")" in
    \\{{*'"height"'*\\}})
      echo "the signing memory of $KEY_ADDRESS is there: left as it is"
      exit 0;;
  esac
  if [ -z "$BY_NAME" ]; then
    echo "the signing memory of $KEY_ADDRESS is empty or cut off, so what was signed is lost: left as it is" >&2
    exit 1
  fi
  mv "$state" "$state.broken"
fi
mkdir -p "$memory"
printf '%s' '{{"height":"0","round":0,"step":0}}' > "$state.new"
mv "$state.new" "$state"
echo "laid the signing memory of $KEY_ADDRESS"
"""


def name(volume_uid: str) -> str:
    """Name of the Job for one volume."""
    return f"arm-{volume_uid[:8]}"


def job(
    owner: objects.Owner, namespace: str, volume_uid: str, address: str, image: str, is_by_name: bool = False
) -> model.Manifest:
    """The Job.

    Args:
        owner: the chain whose key it is.
        namespace: of the chain.
        volume_uid: of the PersistentVolumeClaim that is there now.
        address: of the key, upper-case hex.
        image: any with a POSIX shell, cat, mkdir and mv; the node's own, for that is pulled anyway.
        is_by_name: the operator says that it is safe: a memory that is broken gives way to a new one.
    """
    notes = {names.VOLUME_UID: volume_uid, names.CONSENSUS_ADDRESS: address}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name(volume_uid), names.ARMING, namespace, notes),
        "spec": {
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": owner.labels(names.ARMING)},
                "spec": {
                    # A pod that failed is kept, and with it its log.
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "affinity": _beside_the_node(),
                    "securityContext": dict(objects.POD_SECURITY),
                    "containers": [_container(address, image, is_by_name)],
                    "volumes": [
                        {"name": "data", "persistentVolumeClaim": {"claimName": names.VOLUME_NAME}},
                    ],
                },
            },
        },
    }


def _beside_the_node() -> dict[str, Any]:
    """Where the volume is in use already, for one machine only may mount it.

    The selector takes in the Job's own pod: so the scheduler lets it go anywhere while there is no node.
    """
    components = {"key": names.COMPONENT, "operator": "In", "values": [names.ARMING, names.NODE]}
    term = {
        "labelSelector": {"matchExpressions": [components]},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _container(address: str, image: str, is_by_name: bool) -> dict[str, Any]:
    environment = {"KEY_ADDRESS": address, "BY_NAME": "true" if is_by_name else ""}
    return {
        "name": "arm",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"memory": "64Mi"},
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
