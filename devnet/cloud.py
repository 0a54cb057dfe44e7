"""Substitute for a cloud provider: addresses for load balancers and volumes for claims.

One daemon serves all hosts. A Service of type LoadBalancer gets its host's balancer address in its status; kube-proxy
does the rest. A claim of the storage class `local` gets a folder as its volume that any user can write; the folder is
deleted when the volume is released.
"""

import shutil
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from devnet import api, places, plan
from devnet.api import Api, Object
from devnet.plan import Host
from ics import errors

PROVISIONER: Final = "devnet.ics/folder"
STORAGE_CLASS: Final = "local"
_PAUSE_SECONDS: Final = 1.0


def give_address(client: Api, host: Host, service: Object) -> None:
    """Write the balancer's address into a Service that waits for one."""
    if service["spec"].get("type") != "LoadBalancer" or _is_leaving(service):
        return
    ingress = [{"ip": host.balancer, "ipMode": "VIP"}]
    if service.get("status", {}).get("loadBalancer", {}).get("ingress") == ingress:
        return
    path = f"/api/v1/namespaces/{service['metadata']['namespace']}/services/{service['metadata']['name']}"
    client.patch(f"{path}/status", {"status": {"loadBalancer": {"ingress": ingress}}})


def give_volume(client: Api, host: Host, claim: Object) -> None:
    """Create folder and volume for a claim of the storage class that has none."""
    spec = claim["spec"]
    if spec.get("storageClassName") != STORAGE_CLASS or spec.get("volumeName") or _is_leaving(claim):
        return
    metadata = claim["metadata"]
    name = f"pvc-{metadata['uid']}"
    folder = _volumes(host) / name
    folder.mkdir(parents=True, exist_ok=True)
    # Pods that write here run as various users other than root.
    folder.chmod(0o777)
    client.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": name,
                "annotations": {
                    "pv.kubernetes.io/provisioned-by": PROVISIONER,
                    "devnet.ics/claim": f"{metadata['namespace']}/{metadata['name']}",
                },
            },
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": STORAGE_CLASS,
                "hostPath": {"path": str(folder), "type": "Directory"},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
            },
        }
    )


def take_volume(client: Api, host: Host, volume: Object) -> None:
    """Delete a released volume of the storage class with its folder."""
    metadata = volume["metadata"]
    ours = metadata.get("annotations", {}).get("pv.kubernetes.io/provisioned-by") == PROVISIONER
    released = volume.get("status", {}).get("phase") == "Released"
    if ours and released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
        shutil.rmtree(_volumes(host) / metadata["name"], ignore_errors=True)
        client.delete(f"/api/v1/persistentvolumes/{metadata['name']}")


def serve(host: Host, path: str, care: Callable[[Api, Host, Object], None]) -> None:
    """Watch one kind of object of one host forever."""
    client = Api(host, "cloud")
    while True:
        try:
            for item in client.follow(path):
                care(client, host, item)
        except errors.Transient as error:
            print(f"{host.name}: {error}", flush=True)
            time.sleep(_PAUSE_SECONDS)
        except Exception:
            # One unexpected object must not stop the service of all others; it is logged and retried.
            traceback.print_exc()
            time.sleep(_PAUSE_SECONDS)


def main() -> None:
    """Serve all hosts until the process ends."""
    threads = [
        threading.Thread(target=serve, args=(host, path, care), daemon=True)
        for host in plan.HOSTS
        for path, care in (
            ("/api/v1/services", give_address),
            ("/api/v1/persistentvolumeclaims", give_volume),
            (api.VOLUMES, take_volume),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _volumes(host: Host) -> Path:
    return places.host_state(host.name) / "volumes"


def _is_leaving(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


if __name__ == "__main__":
    main()
