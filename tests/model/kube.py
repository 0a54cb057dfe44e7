"""The API server of one cluster in memory: server-side apply of annotations by field manager, and a client for it."""

import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ics import errors, names
from ics.cluster.api import kinds, requests

Item = dict[str, Any]


class Key(NamedTuple):
    """Identity of an object."""

    kind: str
    namespace: str
    name: str


class Numbers:
    """Numbers that were never used in this run, which begins at 1, so that a run can be repeated."""

    given = itertools.count(1)

    @classmethod
    def begin(cls) -> None:
        """Begin a run."""
        cls.given = itertools.count(1)

    @classmethod
    def new(cls) -> int:
        """Return the next one."""
        return next(cls.given)


def new_uid() -> str:
    """Return a uid that was never used; the first eight characters are enough to tell two apart."""
    return f"{Numbers.new():08x}-0000-4000-8000-000000000000"


@dataclass(slots=True)
class Objects:
    """The objects of one cluster. An item is never changed in place, so that a copy of the dictionary is a backup."""

    items: dict[Key, Item] = field(default_factory=dict)
    owned: dict[Key, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """Annotations by field manager."""
    touched: set[Key] = field(default_factory=set)
    """Objects of which a field that the engine owns was changed by somebody else."""

    def copy(self) -> "Objects":
        """Return a backup."""
        return Objects(dict(self.items), dict(self.owned), set(self.touched))

    def of_kind(self, kind: str) -> Iterator[tuple[Key, Item]]:
        """Return the objects of a kind, in a settled order."""
        return ((key, self.items[key]) for key in sorted(key for key in self.items if key.kind == kind))

    def get(self, kind: str, namespace: str, name: str) -> Item | None:
        """Return an object, or None."""
        return self.items.get(Key(kind, namespace, name))

    def apply(self, manifest: Mapping[str, Any], manager: str) -> Item:
        """Apply a manifest server-side, with force.

        Raises:
            Transient: the object with the uid in the manifest does not exist.
        """
        stated = manifest["metadata"]
        key = Key(manifest["kind"], stated.get("namespace", ""), stated["name"])
        found = self.items.get(key)
        if stated.get("uid") and (found is None or found["metadata"]["uid"] != stated["uid"]):
            raise errors.Transient(f"{key}: uid precondition failed")
        before = dict((found or {}).get("metadata", {}).get("annotations") or {})
        owned = dict(self.owned.get(key, {}))
        applied = dict(stated.get("annotations") or {})
        others = {name for who, names_ in owned.items() if who != manager for name in names_}
        for name in owned.get(manager, frozenset()) - applied.keys() - others:
            before.pop(name, None)
        metadata = {
            **((found or {}).get("metadata") or {"uid": new_uid()}),
            "name": key.name,
            "annotations": before | applied,
        }
        if key.namespace:
            metadata["namespace"] = key.namespace
        metadata["labels"] = {**metadata.get("labels", {}), **(stated.get("labels") or {})}
        owned[manager] = frozenset(applied)
        self.owned[key] = owned
        if manager == names.FIELD_MANAGER or found is None:
            self.items[key] = {**(found or {}), **manifest, "metadata": metadata}
            self.touched.discard(key)
        else:
            self.items[key] = {**found, "metadata": metadata}
            if "data" in manifest:
                self.items[key]["data"] = {**(found.get("data") or {}), **manifest["data"]}
            if "spec" in manifest:
                self._withhold(key, manifest)
        return self.items[key]

    def _withhold(self, key: Key, manifest: Mapping[str, Any]) -> None:
        """Merge variables of init containers, the only fields that the loop applies to an object of the engine."""
        item = json.loads(json.dumps(self.items[key]))
        template = item["spec"]["template"]["spec"]
        for container in manifest["spec"]["template"]["spec"]["initContainers"]:
            (found,) = (one for one in template["initContainers"] if one["name"] == container["name"])
            for variable in container["env"]:
                found["env"] = [one for one in found["env"] if one["name"] != variable["name"]] + [variable]
        self.items[key] = item
        self.touched.add(key)

    def put(self, key: Key, item: Item, manager: str = "kubectl") -> Item:
        """Create or overwrite an object with a new uid, as a restore or a copy does."""
        metadata = {**item["metadata"], "uid": new_uid(), "name": key.name, "namespace": key.namespace}
        self.items[key] = {**item, "metadata": metadata}
        self.owned[key] = {manager: frozenset(metadata.get("annotations") or {})}
        self.touched.add(key)
        return self.items[key]

    def delete(self, key: Key) -> Item | None:
        """Delete an object."""
        self.owned.pop(key, None)
        self.touched.discard(key)
        return self.items.pop(key, None)


@dataclass(slots=True)
class Client:
    """A client of one pass, as far as the product's adapters use one; each write is a step of that pass."""

    objects: Objects
    step: Callable[[str], Awaitable[None]]
    certificates: str
    """What the cluster publishes in each namespace."""

    async def find(
        self, kind: kinds.Kind, namespace: str | None, name: str, *, only_metadata: bool = False
    ) -> Item | None:
        """Return an object, or None."""
        if name == "kube-root-ca.crt":
            return {"data": {"ca.crt": self.certificates}}
        return self.objects.get(kind.name, namespace or "", name)

    async def select(
        self,
        kind: kinds.Kind,
        labels: Mapping[str, str | tuple[str, ...]],
        *,
        namespace: str | None = None,
        only_metadata: bool = False,
    ) -> list[Item]:
        """Return the objects with these labels."""
        return [
            item
            for key, item in self.objects.of_kind(kind.name)
            if namespace in (None, key.namespace) and _has(item["metadata"].get("labels") or {}, labels)
        ]

    async def apply(
        self,
        manifest: Mapping[str, Any],
        manager: str,
        *,
        is_dry_run: bool = False,
        only_metadata: bool = False,
    ) -> object:
        """Apply a manifest."""
        await self.step(f"apply {manifest['kind']}")
        return self.objects.apply(manifest, manager)

    async def send(self, request: requests.KubeRequest, timeout: float | None = None) -> object:
        """Create an object."""
        assert request.verb == "create"
        await self.step("create")
        manifest = json.loads(request.body or b"")
        key = Key(request.kind.name, request.namespace or "", request.name or "")
        if key in self.objects.items:
            raise errors.Transient(f"{key}: already exists")
        return self.objects.apply(manifest, names.LOOP_MANAGER)

    async def delete(
        self, kind: kinds.Kind, namespace: str | None, name: str, uid: str | None, **_: object
    ) -> None:
        """Delete an object."""
        await self.step(f"delete {kind.name}")
        found = self.objects.get(kind.name, namespace or "", name)
        if found is not None and uid in (None, found["metadata"]["uid"]):
            self.objects.delete(Key(kind.name, namespace or "", name))


def _has(present: Mapping[str, str], wanted: Mapping[str, str | tuple[str, ...]]) -> bool:
    for name, value in wanted.items():
        found = present.get(name)
        if found != value if isinstance(value, str) else found not in value:
            return False
    return True
