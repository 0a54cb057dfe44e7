"""The Job that pulls the image of a coming upgrade onto the machine of its node, and tries its binary.

It is run-time state: the reconciler creates it. Its pod has no key and no data of the chain. Without that data the node
cannot run, but the binary says its version, and whether it knows the flags with which it will be started.
"""

from typing import Any

from ics import model, names
from ics.config import pods
from ics.consumer import image_pulls
from ics.manifests import node, objects

DEADLINE_SECONDS = 1800
"""Time for the image, which may have gigabytes."""
_KEPT_SECONDS = 86400
"""Lifetime of a result; an image that nothing uses may be deleted from the machine."""

SCRIPT = """\
# Says whether the image contains the binary, and whether that starts with the node's flags, which are the arguments.
# Needs a POSIX shell, cut, sed, tail and sha256sum.
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
# The line that says why, or else the last one.
reason() {
  sed -n -e '/^[Ee]rror/{p;q;}' -e '$p' | cut -c 1-300
}
try() {
  what=$1
  shift
  said=$("$program" "$@" 2>&1) || refuse "$BINARY $what ended with code $?: $(printf '%s' "$said" | reason)"
}
try version version
version=$(printf '%s' "$said" | tail -n 1 | cut -c 1-80)
# The flags are parsed before the help is printed, and nothing is started.
try "start --help, with the flags of the node," start --home "$HOME" "$@" --help
printf '%s %s' "$BINARY" "$version" > /dev/termination-log
"""


def name(target: image_pulls.PullTarget) -> str:
    """Return the name of the Job."""
    return f"upgrade-pull-{target.fingerprint[:8]}"


def job(
    owner: objects.Owner, namespace: str, target: image_pulls.PullTarget, settings: pods.PodSettings
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
        "command": ["/bin/sh", "-c", SCRIPT, "try", *target.flags],
        "env": objects.variables(
            {"BINARY": target.binary, "BINARY_HASH": target.binary_hash, "HOME": node.TEMPORARY}
        ),
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [{"name": "tmp", "mountPath": node.TEMPORARY}],
    }
    spec = objects.pod_spec(
        [container],
        [{"name": "tmp", "emptyDir": {}}],
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
