"""A minimal client of a host's Kubernetes API for the network itself."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from devnet import places
from devnet.plan import Host
from ics import errors

Object = dict[str, Any]
_FIELD_MANAGER: Final = "ics-devnet"
_PATHS: Final = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "PersistentVolume": "/api/v1/persistentvolumes",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "VolumeSnapshotClass": "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses",
}
VOLUMES: Final = _PATHS["PersistentVolume"]
WATCH_SECONDS: Final = 300


class Api:
    """One user's connection to the API server of one host.

    Args:
        host: host of the cluster.
        user: file name of the user's certificate.
    """

    def __init__(self, host: Host, user: str) -> None:
        folder = places.host_state(host.name) / "pki"
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(str(folder / f"{user}.crt"), str(folder / f"{user}.key"))
        self._http = httpx.Client(base_url=host.api, verify=context, timeout=10, trust_env=False)

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def is_ready(self) -> bool:
        """Return whether the API server is ready."""
        try:
            return self._http.get("/readyz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Object | None:
        """Return the object or list at a path, or None if it does not exist."""
        response = self._send("GET", path)
        return None if response.status_code == 404 else _checked(response)

    def apply(self, item: Object) -> None:
        """Create or change an object of a cluster-scoped kind."""
        path = f"{_PATHS[item['kind']]}/{item['metadata']['name']}"
        _checked(
            self._send(
                "PATCH",
                f"{path}?fieldManager={_FIELD_MANAGER}&force=true",
                content=json.dumps(item),
                headers={"content-type": "application/apply-patch+yaml"},
            )
        )

    def patch(self, path: str, change: Object) -> None:
        """Merge a change into an object, unless the object is gone."""
        kind = {"content-type": "application/merge-patch+json"}
        response = self._send("PATCH", path, content=json.dumps(change), headers=kind)
        if response.status_code != 404:
            _checked(response)

    def delete(self, path: str) -> None:
        """Delete an object if it exists."""
        response = self._send("DELETE", path)
        if response.status_code != 404:
            _checked(response)

    def follow(self, path: str) -> Iterator[Object]:
        """Yield all objects of a list, then each added or changed one; end after `WATCH_SECONDS`.

        Raises:
            Transient: the API server is unreachable or closed the stream.
        """
        listing = self.get(path)
        if listing is None:
            raise errors.Transient(f"{path} does not exist yet")
        yield from listing["items"]
        version = listing["metadata"]["resourceVersion"]
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        try:
            with self._http.stream("GET", path, params=query, timeout=WATCH_SECONDS + 30) as stream:
                for line in stream.iter_lines():
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED"):
                        yield event["object"]
                    elif event["type"] == "ERROR":
                        return
        except httpx.HTTPError as error:
            raise errors.Transient(f"{path}: {error}") from error

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise errors.Transient(f"{method} {self._http.base_url}{path}: {error}") from error


def load(path: Path) -> list[Object]:
    """Return all objects of a YAML file."""
    import yaml

    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def _checked(response: httpx.Response) -> Object:
    if response.is_error:
        request = response.request
        text = f"{request.method} {request.url}: {response.status_code} {response.text[:300]}"
        raise errors.Transient(text)
    answer: Object = response.json()
    return answer
