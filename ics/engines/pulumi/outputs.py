"""Outputs of a Pulumi stack, without secrets; pure.

They are read from the manifests alone, so that nothing of them changes without an update that writes it. What changes
at any time (phases, conditions, due transactions) is not among them: see `ics.pulumi_program.notes`.
"""

from collections.abc import Sequence
from typing import Any

from ics import model, names, plain_text
from ics.cluster.api import kinds


def render(manifests: Sequence[model.Manifest]) -> dict[str, Any]:
    """Return what the stack's objects are, by consumer id: namespaces, addresses, ports, and hashes of geneses.

    Args:
        manifests: those that the program declares. A paused chain has none, and is missing.

    Returns:
        JSON mappings by consumer id. `endpoints` has the address that a node advertises, if it has one; `ports` those
        of the node's Service; `genesis_sha256` the chains that are launched.
    """
    outputs: dict[str, dict[str, Any]] = {
        "namespaces": {},
        "endpoints": {},
        "ports": {},
        "genesis_sha256": {},
    }
    for manifest in manifests:
        metadata = manifest["metadata"]
        consumer_id = metadata["labels"].get(names.CONSUMER)
        if consumer_id is not None:
            for name, value in _values(manifest).items():
                outputs[name][consumer_id] = value
    # The Pulumi CLI prints them as they are.
    return {name: plain_text.visible_values(value) for name, value in outputs.items()}


def _values(manifest: model.Manifest) -> dict[str, Any]:
    """Return the outputs that one object of a chain has."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    match manifest["kind"], metadata["labels"][names.COMPONENT]:
        case kinds.NAMESPACE.name, _:
            return {"namespaces": metadata["name"]}
        case kinds.SERVICE.name, names.NODE:
            ports = {port["name"]: port["port"] for port in manifest["spec"]["ports"]}
            return {"ports": {"chain_id": annotations[names.CHAIN_ID], **ports}}
        case kinds.CONFIG_MAP.name, names.PEERS | names.EXTRA_PEERS if address := manifest["data"][
            "external_address"
        ]:
            return {"endpoints": address}
        case kinds.CONFIG_MAP.name, names.GENESIS:
            return {"genesis_sha256": annotations[names.GENESIS_SHA256]}
    return {}
