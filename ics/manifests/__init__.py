"""Kubernetes objects as plain camelCase values: the one form that both engines consume.

`render` is pure; what it returns is what `kubectl` would show of the fields that we own. Run-time
state (EndpointSlices, signing records, arming Jobs) is written by the loop and is not in here.
"""

from typing import Any

from ics import model, names
from ics.consumer import desired
from ics.manifests import consumer, gateway, node, objects, provider_node, reconciler, relayer


def render(wanted: desired.Desired, set_id: str) -> tuple[model.Manifest, ...]:
    """All objects of one validator's set, sorted by kind, namespace and name.

    Args:
        wanted: what should be.
        set_id: id of the ApplySet, a label on every object, so that both engines' objects are equal.
    """
    settings = wanted.settings
    shared = objects.Owner(settings.validator, wanted.provider_chain_id)
    built = [
        *gateway.build(wanted, shared),
        *provider_node.build(settings, shared),
        *reconciler.build(wanted, shared),
    ]
    for chain in wanted.chains:
        owner = objects.Owner(settings.validator, wanted.provider_chain_id, chain.consumer_id, chain.chain_id)
        built += consumer.build(wanted, chain, owner)
        if chain.genesis is not None:
            built.append(node.build(wanted, chain, chain.genesis, owner))
        if chain.relay is not None:
            built += relayer.build(chain, chain.relay, wanted.provider_chain_id, owner)
    return tuple(sorted((_stamped(manifest, set_id) for manifest in built), key=_place))


def _stamped(manifest: dict[str, Any], set_id: str) -> dict[str, Any]:
    metadata = manifest["metadata"]
    stamped = {
        **metadata,
        "labels": {**metadata["labels"], names.PART_OF_SET: set_id},
        "annotations": {
            **metadata.get("annotations", {}),
            # Pulumi's field manager is random without this, and then neither engine could adopt an object.
            "pulumi.com/patchFieldManager": names.FIELD_MANAGER,
        },
    }
    return {**manifest, "metadata": stamped}


def _place(manifest: model.Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
