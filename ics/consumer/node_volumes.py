"""Volumes of all nodes of one validator, of whatever chain and purpose; pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ics import names
from ics.config import settings, units
from ics.consumer import observed, revision, volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeVolume:
    """The volume of one node that was started before."""

    pod: volumes.PodName
    claim: volumes.VolumeClaim
    is_measured: bool
    """Whether the pod measures how full it is."""
    is_of_provider: bool = False


def of(memory: observed.Memory, settings: settings.Settings) -> Iterator[NodeVolume]:
    """Yield the volumes of the chains' nodes, their sentries and full nodes, and of the provider node.

    Args:
        memory: what earlier passes stored in the cluster.
        settings: of the stack.
    """
    for chain in memory.chains.values():
        if chain.claim is not None and chain.has_workload:
            yield NodeVolume(
                pod=(chain.namespace, names.NODE_POD),
                claim=chain.claim,
                is_measured=_is_measured(chain.template),
            )
        for name, node in chain.extra_nodes.items():
            if node.claim is not None and node.has_workload:
                yield NodeVolume(
                    pod=(chain.namespace, names.extra_pod(name)), claim=node.claim, is_measured=chain.runs
                )
    own = memory.provider_node
    if settings.provider_node.enabled and own.claim is not None and own.has_workload:
        yield NodeVolume(
            pod=(settings.gateway.namespace, names.PROVIDER_NODE_POD),
            claim=own.claim,
            is_measured=_is_measured(own.template),
            is_of_provider=True,
        )


def _is_measured(template: revision.RecordedTemplate | None) -> bool:
    return template is not None and template.revision >= revision.VOLUME_USE


def classes(nodes: Iterable[NodeVolume], settings: settings.Settings, sizes: Sequence[str]) -> frozenset[str]:
    """Return the StorageClasses of volumes that may become larger, because they fill up or the settings say so.

    Args:
        nodes: the volumes.
        settings: of the stack.
        sizes: that definitions ask for.
    """
    largest = max((settings.node.storage, *sizes), key=units.amount)

    def may_get_larger(node: NodeVolume) -> bool:
        wanted = settings.provider_node.storage if node.is_of_provider else largest
        return settings.node.volume.max is not None or units.amount(node.claim.requested) < units.amount(
            wanted
        )

    return frozenset(node.claim.storage_class for node in nodes if may_get_larger(node)) - {""}
