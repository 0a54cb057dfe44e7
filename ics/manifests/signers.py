"""The rule that one pod of a chain at most can have a consensus key: that of the validator's node; pure.

Sentries and full nodes are made from the same parts as the validator's node. Whatever makes one of them mount a
consensus key, or lets the validator's node run twice, is found here, before anything is written.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ics import errors, model, names


def check(manifests: Iterable[model.Manifest]) -> None:
    """Check the objects of one chain.

    Raises:
        Permanent: a second pod could sign with a key of the chain.
    """
    found = second_signers(manifests)
    if found:
        raise errors.Permanent(next(iter(found.values())))


def second_signers(manifests: Iterable[model.Manifest]) -> dict[str, str]:
    """Return the chains of which a second pod could sign, by consumer id, with the object and why.

    Args:
        manifests: of any chains.
    """
    found: dict[str, str] = {}
    for manifest in manifests:
        problem = _problem(manifest)
        if problem:
            metadata = manifest["metadata"]
            where = f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
            consumer_id = (metadata.get("labels") or {}).get(names.CONSUMER, "")
            found.setdefault(consumer_id, f"{where}: {problem}; nothing is written, please report this")
    return found


def _problem(manifest: model.Manifest) -> str:
    """Return why a workload of a chain could be a second signer, empty if it cannot be."""
    spec = manifest.get("spec") or {}
    template = spec.get("template") or ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
    if template is None:
        return ""
    keys = sorted(
        {secret for secret in _secrets(template.get("spec") or {}) if names.is_consensus_key(secret)}
    )
    if not keys:
        return ""
    is_node = manifest["kind"] == "StatefulSet" and manifest["metadata"]["name"] == names.NODE_NAME
    if not is_node:
        return f"it has the consensus key {keys[0]}, which only the validator's node may have"
    if spec.get("replicas", 1) > 1:
        return f"{spec['replicas']} pods would have the consensus key {keys[0]}"
    return ""


def _secrets(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all Secrets that a pod's containers can read."""
    for volume in pod.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name", "")
    for group in ("initContainers", "containers"):
        for container in pod.get(group) or ():
            for variable in container.get("env") or ():
                yield ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name", "")
            for source in container.get("envFrom") or ():
                yield (source.get("secretRef") or {}).get("name", "")
