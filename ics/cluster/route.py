"""Lets the shared LoadBalancer's EndpointSlices follow the pods."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from ics import labels, model, naming
from ics.cluster import client, kinds, slices


async def ensure_slices(
    kube: client.Client,
    gateway: str,
    validator: str,
    provider_chain_id: str,
    pods: Mapping[str, model.PodStatus | None],
    held: frozenset[str],
    before_writing: Callable[[], Awaitable[None]],
    opened: Mapping[str, model.OpenPorts] | None = None,
) -> int:
    """Make the slices so; nothing is written when they are.

    Args:
        kube: client.
        gateway: namespace of the Service; without the Service there is nothing to do.
        validator: name of the stack's validator.
        provider_chain_id: of the provider.
        pods: by consumer id, of the chains that have a node and a port on the Service.
        held: consumer ids whose slices are not removed though no pod is named for them.
        before_writing: called before the first write, and never when nothing differs: takes the Lease.
        opened: by consumer id, the ports that lead to a chain.

    Returns:
        The number of writes.
    """
    owner = {
        labels.MANAGED_BY: labels.MANAGER,
        labels.VALIDATOR: validator,
        labels.PROVIDER: naming.label_value(provider_chain_id),
        labels.COMPONENT: labels.GATEWAY,
    }
    service, existing = await asyncio.gather(
        kube.find(kinds.SERVICE, gateway, labels.GATEWAY_SERVICE, only_metadata=True),
        kube.select(kinds.ENDPOINT_SLICE, owner, namespace=gateway),
    )
    if service is None:
        return 0
    plan = slices.plan(service, owner, pods, held, existing, opened)
    if plan.write or plan.remove:
        await before_writing()
    done = await asyncio.gather(
        *(kube.apply(manifest, labels.LOOP_MANAGER, only_metadata=True) for manifest in plan.write),
        *(kube.delete(kinds.ENDPOINT_SLICE, gateway, name, uid) for name, uid in plan.remove),
        return_exceptions=True,  # one chain's slice does not stop the others'
    )
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(plan.write) + len(plan.remove)
