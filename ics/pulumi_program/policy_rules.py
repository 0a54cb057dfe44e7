"""Rules of docs/security.md as functions of one resource's type and inputs; pure.

Each yields one message for each violation. They use neither Pulumi nor the operator, so the pack also works for other
programs of the same cluster.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Inputs = Mapping[str, Any]
"""Inputs of a resource in the API's own names."""

_RETAIN: Final = "ics-operator.dev/retain"
"""Label of what only `ics purge` deletes."""
_PRIVATE: Final = re.compile(
    r'"priv_key"\s*:|"privkey[._a-z]*"\s*:|tendermint/PrivKey|-----BEGIN [A-Z ]*PRIVATE KEY-----',
    re.IGNORECASE,
)
_SECRET_NAME: Final = re.compile(r"seed|mnemonic|priv(ate)?[-_.]?key|passphrase|password", re.IGNORECASE)
_HEX_KEY: Final = re.compile(r"(0x)?[0-9a-f]{64}", re.IGNORECASE)
_WORDS: Final = re.compile(r"[a-z]{3,8}( [a-z]{3,8}){11}(( [a-z]{3,8}){3}){0,4}")
"""A mnemonic: 12, 15, 18, 21 or 24 words."""


def signs_once(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Yield why a signing node could run twice: two pods with one key sign two blocks of one height."""
    if _kind(resource_type) != "StatefulSet":
        return
    spec = _mapping(inputs.get("spec"))
    replicas = spec.get("replicas", 1)
    if isinstance(replicas, int | float) and replicas > 1:
        yield f"{_name(inputs)} has {replicas:g} replicas; a signing node has one"


def keeps_keys_in_one_pod(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Yield the consensus keys that another workload than a chain's signing node mounts: a sentry never signs."""
    kind = _kind(resource_type)
    if kind not in ("StatefulSet", "Deployment", "DaemonSet", "ReplicaSet"):
        return
    name = _mapping(inputs.get("metadata")).get("name")
    if kind == "StatefulSet" and name == "node":
        return
    for secret in _mounted_secrets(inputs):
        if secret.startswith("consensus-key-"):
            yield f"{_name(inputs)} mounts {secret}; only the StatefulSet `node` of a chain has a consensus key"


def _mounted_secrets(inputs: Inputs) -> Iterator[str]:
    template = _mapping(_mapping(inputs.get("spec")).get("template"))
    volumes = _mapping(template.get("spec")).get("volumes")
    for volume in volumes if isinstance(volumes, Sequence) and not isinstance(volumes, str) else ():
        yield str(_mapping(_mapping(volume).get("secret")).get("secretName", ""))
        sources = _mapping(_mapping(volume).get("projected")).get("sources")
        for source in sources if isinstance(sources, Sequence) and not isinstance(sources, str) else ():
            yield str(_mapping(_mapping(source).get("secret")).get("name", ""))


def keeps_keys_out_of_config_maps(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Yield the keys of a ConfigMap whose values look like a private key, a seed or a mnemonic."""
    if _kind(resource_type) != "ConfigMap":
        return
    plain = {key: str(value) for key, value in _mapping(inputs.get("data")).items()}
    packed = {key: _decoded(value) for key, value in _mapping(inputs.get("binaryData")).items()}
    for key, text in (plain | packed).items():
        value = text.strip()
        is_secret_text = _WORDS.fullmatch(value) is not None
        is_hex_key = _SECRET_NAME.search(key) is not None and _HEX_KEY.fullmatch(value) is not None
        if is_secret_text or is_hex_key or _PRIVATE.search(text):
            yield f"{_name(inputs)}: {key} looks like a private key or a seed; keys belong into a Secret"


def names_images_exactly(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Yield the containers whose image has no tag, or the tag `latest`: it may be another program tomorrow."""
    for container in _containers(_kind(resource_type), inputs):
        image = container.get("image")
        if not isinstance(image, str) or "@" in image:
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            where = f"{_name(inputs)}: container {container.get('name', '')}"
            yield f"{where} has the image {image}; name a version or digest"


def retains_volumes(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Yield why a volume would be deleted along with its chain, and with it the sign state and the blocks."""
    kind = _kind(resource_type)
    if kind == "PersistentVolumeClaim":
        labels = _mapping(_mapping(inputs.get("metadata")).get("labels"))
        if labels.get(_RETAIN) != "true":
            yield f"{_name(inputs)} has no label {_RETAIN}: true, so it is deleted along with the stack"
    if kind == "StatefulSet":
        policy = _mapping(_mapping(inputs.get("spec")).get("persistentVolumeClaimRetentionPolicy"))
        for event in ("whenDeleted", "whenScaled"):
            if policy.get(event) == "Delete":
                yield f"{_name(inputs)}: persistentVolumeClaimRetentionPolicy.{event} is Delete; use Retain"


def _kind(resource_type: str) -> str:
    """Return the kind of a Kubernetes resource, `StatefulSet` for `kubernetes:apps/v1:StatefulSet`, else nothing."""
    package, _, rest = resource_type.partition(":")
    return rest.rpartition(":")[2] if package == "kubernetes" else ""


def _containers(kind: str, inputs: Inputs) -> Iterator[Inputs]:
    spec = _mapping(inputs.get("spec"))
    if kind == "CronJob":
        spec = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
    if kind in ("StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "Job", "CronJob"):
        spec = _mapping(_mapping(spec.get("template")).get("spec"))
    elif kind != "Pod":
        return
    for group in ("initContainers", "containers"):
        listed = spec.get(group)
        if isinstance(listed, Sequence) and not isinstance(listed, str):
            yield from (container for container in listed if isinstance(container, Mapping))


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a value that may be missing or not known yet as a mapping."""
    return value if isinstance(value, Mapping) else {}


def _decoded(value: object) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode(errors="replace")
    except binascii.Error:
        return ""


def _name(inputs: Inputs) -> str:
    metadata = _mapping(inputs.get("metadata"))
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
