"""Substitute for a cloud provider: addresses for load balancers and volumes for claims.

One daemon serves all hosts. A Service of type LoadBalancer gets its host's balancer address in its status; kube-proxy
does the rest. `volumes` has what claims and snapshots get.
"""

import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

from devnet import api, plan, volumes
from devnet.api import Api, Object
from devnet.plan import Host
from ics import errors

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
            (volumes.CLAIMS, volumes.give_volume),
            (api.VOLUMES, volumes.take_volume),
            (volumes.SNAPSHOTS, volumes.take_snapshot),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _is_leaving(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


if __name__ == "__main__":
    main()
