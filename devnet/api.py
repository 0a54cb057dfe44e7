"""A small client of a host's Kubernetes API: what the network itself needs, no more."""

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
    "PersistentVolume": "/api/v1/persistentvolumes",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
}
VOLUMES: Final = _PATHS["PersistentVolume"]
WATCH_SECONDS: Final = 300


class Api:
    """One user's connection to the API server of one host.

    Args:
        host: whose cluster.
        user: the file name of a certificate that its authority issued.
    """

    def __init__(self, host: Host, user: str) -> None:
        folder = places.host_state(host.name) / "pki"
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(str(folder / f"{user}.crt"), str(folder / f"{user}.key"))
        self._http = httpx.Client(base_url=host.api, verify=context, timeout=10, trust_env=False)

    def is_ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            return self._http.get("/readyz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Object | None:
        """The object or list at a path; None if there is none."""
        response = self._send("GET", path)
        return None if response.status_code == 404 else _checked(response)

    def apply(self, item: Object) -> None:
        """Creates or changes an object of a cluster-wide kind."""
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
        """Merges a change into an object; nothing if the object is gone."""
        kind = {"content-type": "application/merge-patch+json"}
        response = self._send("PATCH", path, content=json.dumps(change), headers=kind)
        if response.status_code != 404:
            _checked(response)

    def delete(self, path: str) -> None:
        """Deletes an object if it is there."""
        response = self._send("DELETE", path)
        if response.status_code != 404:
            _checked(response)

    def follow(self, path: str) -> Iterator[Object]:
        """All objects of a list, then each one as it appears or changes; ends after a while.

        Raises:
            Transient: the API server cannot be reached or broke the stream off.
        """
        listing = self.get(path)
        if listing is None:
            raise errors.Transient(f"{path} is not there yet")
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
    """All objects of a YAML file."""
    import yaml

    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def _checked(response: httpx.Response) -> Object:
    if response.is_error:
        request = response.request
        text = f"{request.method} {request.url}: {response.status_code} {response.text[:300]}"
        raise errors.Transient(text)
    answer: Object = response.json()
    return answer
