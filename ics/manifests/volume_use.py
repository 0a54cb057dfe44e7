"""Container of a node's pod that measures how full its volume is; pure.

The kubelet knows it too, but its answers need a right on `nodes/proxy`, which is one to run anything in every pod. A
line a minute in the container's own log needs only `pods/log`.
"""

from typing import Any

from ics import names
from ics.consumer import revision as node_revision
from ics.manifests import objects

_DATA = "/data"
SCRIPT = f"""\
# Ends at once with the pod: a shell that is the first process of a container ignores SIGTERM otherwise.
trap 'exit 0' TERM INT
while :; do
  df -Pk {_DATA} 2>/dev/null | sed 1d
  sleep 60 &
  wait $! || sleep 60
done
"""
"""Prints the volume's use, without the header, once a minute; it never ends on its own, for the node shares its pod."""
TOOLS = ("df", "sed", "sleep")
"""Programs that it needs beside a POSIX shell; without them nothing is measured, and the node runs all the same."""


def containers(image: str, revision: int) -> list[dict[str, Any]]:
    """Return the container that measures the volume, if a node of this revision has one.

    Args:
        image: the node's own, which is on its host in any case.
        revision: of the node's template.
    """
    if revision < node_revision.VOLUME_USE:
        return []
    return [
        {
            "name": names.VOLUME_USE,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", SCRIPT],
            # The container runtime itself needs more than the script while it starts it.
            "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": dict(objects.CONTAINER_SECURITY),
            "volumeMounts": [{"name": "data", "mountPath": _DATA, "readOnly": True}],
        }
    ]
