"""Reading and keeping the books of an ApplySet: its parent object and its members' metadata.

Both engines use it: `read`, then `opened` before anything is changed, then `closed` afterwards.
"""

import asyncio
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ics import names
from ics.cluster.api import client, kinds
from ics.engines.applyset import members as applyset_members
from ics.engines.applyset import parent as applyset_parent


@dataclass(frozen=True, slots=True)
class Books:
    """What the cluster says of the set."""

    validator: str
    namespace: str
    """Of the gateway."""
    item: Mapping[str, Any] | None
    """The parent object, None when there is none."""
    parent: applyset_parent.Parent
    members: Mapping[applyset_members.Key, applyset_members.Live]

    @property
    def set_id(self) -> str:
        """Value of the members' label."""
        return applyset_members.set_id(self.validator, self.namespace)


async def read(kube: client.Client, validator: str, namespace: str, group_kinds: Collection[str]) -> Books:
    """Read the parent and list the members, metadata only.

    Args:
        kube: client.
        validator: name of the stack's validator.
        namespace: of the gateway.
        group_kinds: kinds that are wanted; those that the parent names are listed too.
    """
    part_of = {names.PART_OF_SET: applyset_members.set_id(validator, namespace)}

    async def listed(names: Collection[str]) -> dict[applyset_members.Key, applyset_members.Live]:
        each = [kinds.by_group_kind(name) for name in sorted(names)]
        answers = await asyncio.gather(*(kube.select(kind, part_of, only_metadata=True) for kind in each))
        found = [
            applyset_members.live(kind, item)
            for kind, items in zip(each, answers, strict=True)
            for item in items
        ]
        return {member.key: member for member in found}

    # The lists of the wanted kinds do not wait for the parent; usually it names no other kind.
    item, members = await asyncio.gather(
        kube.find(kinds.CONFIG_MAP, namespace, applyset_members.parent_name(validator)), listed(group_kinds)
    )
    parent = applyset_parent.Parent() if item is None else applyset_parent.read(item)
    others = parent.group_kinds - set(group_kinds)
    if others:
        members |= await listed(others)
    return Books(validator, namespace, item, parent, members)


async def asked(kube: client.Client, validator: str, namespace: str) -> tuple[applyset_parent.Asked, ...]:
    """What the last convergence left undone, waiting for a confirmation; one GET."""
    item = await kube.find(kinds.CONFIG_MAP, namespace, applyset_members.parent_name(validator))
    return () if item is None else applyset_parent.read(item).asked


async def opened(
    kube: client.Client, books: Books, keys: Collection[applyset_members.Key]
) -> tuple[Books, int]:
    """Tell the parent that these objects are about to be touched.

    Returns:
        The books as they are now, and the number of writes: 0 or 1.
    """
    return await _saved(kube, books, books.parent.opened(keys))


async def closed(kube: client.Client, books: Books, parent: applyset_parent.Parent) -> tuple[Books, int]:
    """Keep the record of a convergence; nothing is written when the parent says just this already.

    Returns:
        The books as they are now, and the number of writes: 0 or 1.
    """
    return await _saved(kube, books, parent)


def is_closed(books: Books, parent: applyset_parent.Parent) -> bool:
    """Whether the parent says just this already, so that nothing need be written."""
    return applyset_parent.is_current(
        books.item, applyset_parent.manifest(books.validator, books.namespace, parent)
    )


async def _saved(kube: client.Client, books: Books, parent: applyset_parent.Parent) -> tuple[Books, int]:
    if is_closed(books, parent):
        return dataclasses.replace(books, parent=parent), 0
    manifest = applyset_parent.manifest(books.validator, books.namespace, parent)
    answer = await kube.apply(manifest, names.FIELD_MANAGER)
    return dataclasses.replace(books, parent=parent, item=answer.body), 1
