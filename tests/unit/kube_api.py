"""An API server in memory: objects are applied whole, and their metadata change as those of a real one do."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from ics import names
from ics.engines.applyset import members

Path = tuple[str, ...]
"""Parts of an object's path after its API group: `namespaces`, namespace, plural, name."""


class Api:
    """The server; `transport` answers a client's requests."""

    def __init__(self) -> None:
        self.objects: dict[Path, dict[str, Any]] = {}
        self.writes: list[str] = []
        """Names of the objects written or deleted, without dry runs."""
        self._count = 0
        self.transport = httpx.MockTransport(self._answer)

    def find(self, key: members.Key) -> dict[str, Any] | None:
        """The object of that key, as it is stored."""
        return self.objects.get(_path(key))

    def edit(self, key: members.Key, change: Callable[[Any], object]) -> None:
        """Change an object as another field manager does, which takes the field from ours."""
        item = self.objects[_path(key)]
        change(item)
        self._count += 1
        item["metadata"]["resourceVersion"] = str(self._count)
        item["metadata"]["managedFields"][0]["fieldsV1"] = {"f:lost": {str(self._count): {}}}

    def delete(self, key: members.Key) -> None:
        """Delete an object as kubectl does."""
        del self.objects[_path(key)]

    def apply(self, manifest: Any, *, is_dry_run: bool = False) -> tuple[int, dict[str, Any]]:
        """Apply a manifest with our field manager; answer the status and the object."""
        path = _path(members.key_of(manifest))
        old = self.objects.get(path)
        item = json.loads(json.dumps(manifest))
        metadata = item["metadata"]
        self._count += 1
        kept = old["metadata"] if old is not None else {"uid": f"uid-{self._count}"}
        entry = {
            "manager": names.FIELD_MANAGER,
            "operation": "Apply",
            "time": f"t{self._count}",
            "fieldsV1": {},
        }
        metadata |= {"uid": kept["uid"], "resourceVersion": str(self._count), "managedFields": [entry]}
        if old is not None and _content(old) == _content(item) and _entry(old)["fieldsV1"] == {}:
            item = old
        if not is_dry_run:
            self.objects[path] = item
            self.writes.append("/".join(path[1::2]))
        return (200 if old is not None else 201), item

    def _answer(self, request: httpx.Request) -> httpx.Response:
        parts = tuple(request.url.path.strip("/").split("/"))
        path = parts[2:] if parts[0] == "api" else parts[3:]
        is_dry_run = "dryRun" in request.url.params
        if request.method in ("POST", "PUT"):
            return self._put(request.method, path, json.loads(request.content))
        if request.method == "PATCH":
            manifest = json.loads(request.content)
            if path in self.objects and "resourceVersion" in manifest["metadata"]:
                return httpx.Response(409, json={"reason": "Conflict", "message": "modified"})
            status, item = self.apply(manifest, is_dry_run=is_dry_run)
            return httpx.Response(status, json=item)
        if "labelSelector" in request.url.params:
            return httpx.Response(200, json={"metadata": {}, "items": self._listed(request, path[-1])})
        if path not in self.objects:
            return httpx.Response(404, json={"reason": "NotFound", "message": "not found"})
        if request.method == "DELETE" and not is_dry_run:
            self.writes.append("/".join(path[1::2]))
            return httpx.Response(200, json=self.objects.pop(path))
        return httpx.Response(200, json=self.objects[path])

    def _put(self, method: str, path: Path, item: dict[str, Any]) -> httpx.Response:
        """Create or update an object, unless it has changed since it was read."""
        path = (*path, item["metadata"]["name"]) if method == "POST" else path
        old = self.objects.get(path)
        versions = [None if each is None else each["metadata"].get("resourceVersion") for each in (old, item)]
        if versions[0] != versions[1]:
            return httpx.Response(409, json={"reason": "Conflict", "message": "the object has been modified"})
        self._count += 1
        item["metadata"]["resourceVersion"] = str(self._count)
        item["metadata"].setdefault("uid", f"uid-{self._count}")
        self.objects[path] = item
        self.writes.append("/".join(path[1::2]))
        return httpx.Response(200 if old is not None else 201, json=item)

    def _listed(self, request: httpx.Request, plural: str) -> list[dict[str, Any]]:
        selector = request.url.params["labelSelector"]
        asked = dict(part.split("=") for part in selector.split(",") if part)
        return [
            item
            for path, item in self.objects.items()
            if path[-2] == plural and asked.items() <= (item["metadata"].get("labels") or {}).items()
        ]


def _path(key: members.Key) -> Path:
    where = ("namespaces", key.namespace) if key.namespace else ()
    return (*where, key.kind.plural, key.name)


def _content(item: dict[str, Any]) -> Any:
    kept = {name: value for name, value in item.items() if name != "metadata"}
    return kept, item["metadata"].get("labels"), item["metadata"].get("annotations")


def _entry(item: dict[str, Any]) -> Any:
    return item["metadata"]["managedFields"][0]
