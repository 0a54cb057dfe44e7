"""The Job that pulls the image of a coming upgrade onto the machine of its node, and looks into it.

It is run-time state: the reconciler creates it. Its pod has no network, no key and no volume.
"""

from typing import Any

from ics import model, names
from ics.config import pods
from ics.consumer import upgrades
from ics.manifests import node, objects

DEADLINE_SECONDS = 1800
"""Time for the image, which may have gigabytes."""
_KEPT_SECONDS = 86400
"""Lifetime of a result; an image that nothing uses may be deleted from the machine."""

SCRIPT = """\
# Says whether the image contains the binary. Needs a POSIX shell and sha256sum.
refuse() {
  printf '%s' "$1" > /dev/termination-log
  exit 1
}
program=$(command -v "$BINARY") || refuse "the image has no $BINARY"
if [ -n "${BINARY_HASH:-}" ]; then
  actual=$(sha256sum < "$program")
  if [ "${actual%% *}" != "$BINARY_HASH" ]; then
    refuse "$program has sha256 ${actual%% *}, not binary_hash $BINARY_HASH"
  fi
fi
"""


def name(target: upgrades.PullTarget) -> str:
    """Return the name of the Job."""
    return f"upgrade-pull-{target.fingerprint[:8]}"


def job(
    owner: objects.Owner, namespace: str, target: upgrades.PullTarget, settings: pods.PodSettings
) -> model.Manifest:
    """Return the Job.

    Args:
        owner: of the node.
        namespace: of the node.
        target: what is pulled, and where to.
        settings: of the node's pods, for the registry's credentials and the machine's taints.
    """
    container = {
        "name": "pull",
        "image": target.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": objects.variables(
            {"BINARY": target.binary, "BINARY_HASH": target.binary_hash, "HOME": node.TEMPORARY}
        ),
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": dict(objects.CONTAINER_SECURITY),
    }
    spec = objects.pod_spec(
        [container],
        [],
        restartPolicy="Never",
        terminationGracePeriodSeconds=1,
        **({"affinity": _on(target.host)} if target.host else {}),
    )
    notes = {names.FINGERPRINT: target.fingerprint}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name(target), names.UPGRADE_PULL, namespace, notes),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": objects.pod_template(owner.labels(names.UPGRADE_PULL), spec, settings),
        },
    }


def _on(host: str) -> dict[str, Any]:
    """Return the affinity to one machine of the cluster, by its name."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [host]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
