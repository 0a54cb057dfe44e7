"""Kubernetes objects as plain camelCase values, the form that both engines consume.

`render` is pure; it returns the fields that the operator owns, as `kubectl` would show them. Run-time
state (EndpointSlices, signing records, Jobs) is written by the reconciler itself and is not included.
"""

import datetime
import json
from dataclasses import dataclass
from typing import Any, Final

from ics import errors, model, names
from ics.config import settings
from ics.consumer import chain as consumer_chain
from ics.consumer import desired, provider_plan
from ics.manifests import (
    consumer,
    extra_node,
    gateway,
    node,
    objects,
    provider_node,
    reconciler,
    relayer,
    revisions,
    signers,
)


def render(desired: desired.Desired, set_id: str) -> tuple[model.Manifest, ...]:
    """Return all objects of one validator's set, sorted by kind, namespace and name.

    Args:
        desired: the desired state.
        set_id: id of the ApplySet, a label on every object, so that both engines write equal objects.
    """
    settings = desired.settings
    shared = objects.Owner(settings.validator, desired.provider_chain_id)
    built = [
        *gateway.build(desired, shared),
        *provider_node.build(settings, shared, desired.provider_node, desired.moment),
        *reconciler.build(desired, shared),
    ]
    if desired.has_monitoring:
        from ics.manifests import (
            monitoring,  # texts and queries of some size, which most clusters have no use for
        )

        built += monitoring.of_stack(desired, shared)
    members = [_stamped(manifest, set_id) for manifest in built]
    for chain in desired.chains:
        known = _known(desired, chain)
        if known is None:
            members += [_stamped(manifest, set_id) for manifest in _of_chain(desired, chain, shared)]
        else:
            members += known.members(set_id)
    return tuple(sorted(members, key=_place))


def provider_node_alone(
    settings: settings.Settings,
    planned: provider_plan.ProviderNodePlan,
    now: datetime.datetime,
    set_id: str,
) -> tuple[model.Manifest, ...]:
    """Return the objects that a switch of the provider node changes, as `render` does, without the provider's answers.

    Args:
        settings: of the stack.
        planned: the node.
        now: time of this machine.
        set_id: id of the ApplySet.
    """
    owner = objects.Owner(settings.validator, settings.provider.chain_id)
    settled = revisions.settle_provider_node(settings, owner, planned, now)
    built = provider_node.build(settings, owner, settled, now)
    return tuple(
        _stamped(one, set_id)
        for one in built
        if one["kind"] in ("ConfigMap", "StatefulSet")  # in this order: a pod reads the files at its start
    )


def failures(desired: desired.Desired) -> dict[str, str]:
    """Return the chains whose objects cannot be written down, by consumer id, with the reason.

    A chain that fails here is left alone by the whole pass, before anything is sent or written; a value that only JSON
    cannot hold would otherwise stop the engine, and with it all chains.
    """
    shared = objects.Owner(desired.settings.validator, desired.provider_chain_id)
    found, kept = {}, {}
    for chain in desired.chains:
        known = _known(desired, chain)
        try:
            if known is None:
                known = _Built(
                    chain, desired.settings, _ages(desired, chain), _of_chain(desired, chain, shared)
                )
                for manifest in known.objects:
                    json.dumps(manifest, allow_nan=False, ensure_ascii=False).encode()
            kept[chain.consumer_id] = known
        except Exception as error:
            found[chain.consumer_id] = str(errors.of_chain(error))
    _BUILT[_stack(desired)] = kept
    return found


@dataclass(slots=True)
class _Built:
    """Objects of one chain, with everything of which they were built; no code changes them."""

    chain: consumer_chain.ChainPlan
    settings: settings.Settings
    ages: tuple[bool, ...]
    objects: list[dict[str, Any]]
    stamped: tuple[str, list[dict[str, Any]]] = ("", [])
    """The same objects as members of the set with this id; empty: of none yet."""

    def members(self, set_id: str) -> list[dict[str, Any]]:
        """Return the objects as members of a set: the very same ones in each pass, so that the engine knows them."""
        if self.stamped[0] != set_id:
            self.stamped = set_id, [_stamped(manifest, set_id) for manifest in self.objects]
        return self.stamped[1]


_BUILT: Final[dict[tuple[str, str], dict[str, _Built]]] = {}
"""What `failures` built last, by stack and consumer id: `render` needs it in the same pass, and the daemon in the next
one as well, as long as the chain's plan is equal."""


def _stack(desired: desired.Desired) -> tuple[str, str]:
    return desired.settings.validator, desired.provider_chain_id


def _known(desired: desired.Desired, chain: consumer_chain.ChainPlan) -> _Built | None:
    """Return the objects of a chain if they were built of an equal plan."""
    known = _BUILT.get(_stack(desired), {}).get(chain.consumer_id)
    if known is None or known.settings is not desired.settings or known.ages != _ages(desired, chain):
        return None
    return known if known.chain is chain or known.chain == chain else None


def _ages(desired: desired.Desired, chain: consumer_chain.ChainPlan) -> tuple[bool, ...]:
    """Return which pods of a chain are young: all that its objects take from the clock."""
    pods = (chain.pod, *(one.pod for one in chain.extra.nodes))
    return tuple(pod is not None and objects.is_young(pod, desired.moment) for pod in pods)


def _of_chain(
    desired: desired.Desired, chain: consumer_chain.ChainPlan, shared: objects.Owner
) -> list[dict[str, Any]]:
    owner = shared.of_chain(chain)
    built = consumer.build(desired, chain, owner)
    if chain.genesis is not None and not chain.state_sync.holds_node:
        built.append(node.build(desired, chain, chain.genesis, owner))
    built += extra_node.build(desired, chain, owner)
    if chain.relay is not None:
        built += relayer.build(chain, chain.relay, desired.provider_chain_id, owner)
    signers.check(built)
    return built


def _stamped(manifest: dict[str, Any], set_id: str) -> dict[str, Any]:
    metadata = manifest["metadata"]
    stamped = {
        **metadata,
        "labels": {**metadata["labels"], names.PART_OF_SET: set_id},
        "annotations": {
            **metadata.get("annotations", {}),
            # Without this, Pulumi's field manager is random, and neither engine could adopt the other's
            # objects.
            "pulumi.com/patchFieldManager": names.FIELD_MANAGER,
        },
    }
    return {**manifest, "metadata": stamped}


def _place(manifest: model.Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
