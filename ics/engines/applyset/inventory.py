"""Inventory of an ApplySet in the cluster: its parent object and its members' metadata.

Both engines call `read`, then `begin` before the first change, then `commit` after the last one.

A copied namespace carries the set's label too. Its objects are no members: they are neither changed nor deleted, and no
question about them holds the chain. `TwoNodes` names the namespace, and a human deletes it.
"""

import asyncio
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ics import names
from ics.cluster.api import client, kinds
from ics.cluster.api import errors as api_errors
from ics.engines.applyset import members as applyset_members
from ics.engines.applyset import parent as applyset_parent
from ics.manifests import place_notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The set as it is in the cluster."""

    validator: str
    namespace: str
    """Namespace of the gateway."""
    item: Mapping[str, Any] | None
    """The parent object; None if it does not exist."""
    parent: applyset_parent.Parent
    members: Mapping[applyset_members.Key, applyset_members.LiveObject]

    def after_pulumi(self, url: str) -> Self:
        """Return the inventory after a run of Pulumi, which left no lock, and whose backend is recorded."""
        return dataclasses.replace(self, parent=dataclasses.replace(self.parent, backend=url, pods=()))

    def with_pod(self, pod: str) -> Self:
        """Return the inventory with a pod that is about to run Pulumi, which the next write of the parent records."""
        return dataclasses.replace(self, parent=self.parent.with_pod(pod))

    @property
    def set_id(self) -> str:
        """Value of the members' label."""
        return applyset_members.set_id(self.validator, self.namespace)


async def read(
    kube: client.KubeClient,
    validator: str,
    namespace: str,
    group_kinds: Collection[str],
    live_objects: applyset_members.LiveObjects | None = None,
) -> Inventory:
    """Read the parent and list the members, metadata only.

    Args:
        kube: client.
        validator: name of the stack's validator.
        namespace: namespace of the gateway.
        group_kinds: kinds to list in addition to those that the parent contains.
        live_objects: decoder of the members; None: a new one.
    """
    part_of = {names.PART_OF_SET: applyset_members.set_id(validator, namespace)}

    async def listed(names: Collection[str]) -> list[tuple[kinds.Kind, dict[str, Any]]]:
        each = [kinds.by_group_kind(name) for name in sorted(names)]
        answers = await asyncio.gather(*(_members(kube, kind, part_of) for kind in each))
        return [(kind, item) for kind, items in zip(each, answers, strict=True) for item in items]

    # The kinds are listed without waiting for the parent, which usually contains no other kind.
    item, found = await asyncio.gather(
        kube.find(kinds.CONFIG_MAP, namespace, applyset_members.parent_name(validator)), listed(group_kinds)
    )
    parent = applyset_parent.Parent() if item is None else applyset_parent.read(item)
    others = parent.group_kinds - set(group_kinds)
    if others:
        found += await listed(others)
    copied = place_notes.copied_namespaces([item for _, item in found])
    decoded = (live_objects or applyset_members.LiveObjects()).decode(found)
    members = [member for member in decoded if member.place not in copied]
    return Inventory(
        validator=validator,
        namespace=namespace,
        item=item,
        parent=parent,
        members={member.key: member for member in members},
    )


async def _members(
    kube: client.KubeClient, kind: kinds.Kind, labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """List the members of one kind; none of an optional one that is missing or that this program may not list."""
    try:
        return await kube.select(kind, labels, only_metadata=True)
    except (api_errors.ObjectNotFound, api_errors.MissingRight):
        if kind in kinds.OPTIONAL_MEMBERS:
            return []
        raise


async def read_parent(kube: client.KubeClient, validator: str, namespace: str) -> applyset_parent.Parent:
    """Read what the last convergence recorded, for the status; one GET."""
    item = await kube.find(kinds.CONFIG_MAP, namespace, applyset_members.parent_name(validator))
    return applyset_parent.Parent() if item is None else applyset_parent.read(item)


async def begin(
    kube: client.KubeClient, inventory: Inventory, keys: Collection[applyset_members.Key]
) -> tuple[Inventory, int]:
    """Record in the parent that objects are about to be changed.

    Returns:
        The new inventory, and the number of writes: 0 or 1.
    """
    return await _save(kube, inventory, inventory.parent.before_convergence(keys))


async def commit(
    kube: client.KubeClient, inventory: Inventory, parent: applyset_parent.Parent
) -> tuple[Inventory, int]:
    """Write the record of a convergence unless the parent is up to date.

    Returns:
        The new inventory, and the number of writes: 0 or 1.
    """
    return await _save(kube, inventory, parent)


def is_committed(inventory: Inventory, parent: applyset_parent.Parent) -> bool:
    """Return whether the live parent equals the given one, so that no write is needed."""
    return applyset_parent.is_current(
        inventory.item, applyset_parent.manifest(inventory.validator, inventory.namespace, parent)
    )


async def _save(
    kube: client.KubeClient, inventory: Inventory, parent: applyset_parent.Parent
) -> tuple[Inventory, int]:
    # The other engine keeps it, so that Pulumi finds its state again.
    parent = dataclasses.replace(parent, backend=parent.backend or inventory.parent.backend)
    manifest = applyset_parent.manifest(inventory.validator, inventory.namespace, parent)
    if applyset_parent.is_current(inventory.item, manifest):
        return dataclasses.replace(inventory, parent=parent), 0
    answer = await kube.apply(manifest, names.FIELD_MANAGER)
    return dataclasses.replace(inventory, parent=parent, item=answer.body), 1
