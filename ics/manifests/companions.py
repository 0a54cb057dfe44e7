"""Containers beside a chain's node, such as price feeders, and the ConfigMap with their files; pure.

They run programs that this project does not know. So they mount nothing of the node's: no key, no sign state, no part
of the volume, and none of the node's files.
"""

from typing import Any

from ics import names
from ics.config import chain_definition, extra_parts
from ics.manifests import objects

_TEMPORARY = "/tmp"  # noqa: S108 - a path in the container
_VOLUME = "companions"


def containers(definition: chain_definition.Definition) -> list[dict[str, Any]]:
    """Return the containers, in the order of the definition."""
    return [_container(companion) for companion in definition.companions]


def volumes(definition: chain_definition.Definition) -> list[dict[str, Any]]:
    """Return the volumes that the containers mount: a scratch folder for each, and their files."""
    scratch = [{"name": _scratch(companion), "emptyDir": {}} for companion in definition.companions]
    if not _files(definition):
        return scratch
    return [*scratch, {"name": _VOLUME, "configMap": {"name": names.COMPANIONS}}]


def checksums(definition: chain_definition.Definition) -> dict[str, str]:
    """Return the annotation that restarts the pod when a file changes; nothing without files."""
    files = _files(definition)
    return {f"{names.DOMAIN}/companions": objects.checksum(files)} if files else {}


def config_maps(
    definition: chain_definition.Definition, namespace: str, owner: objects.Owner
) -> list[dict[str, Any]]:
    """Return the ConfigMap with all files; nothing without files."""
    files = _files(definition)
    metadata = owner.metadata(names.COMPANIONS, names.CONFIG, namespace)
    return [objects.config_map(metadata, files)] if files else []


def _files(definition: chain_definition.Definition) -> dict[str, str]:
    """Return the contents by key of the ConfigMap."""
    return {
        _key(companion, at): content
        for companion in definition.companions
        for at, content in enumerate(companion.files.values())
    }


def _key(companion: extra_parts.Companion, at: int) -> str:
    return f"{companion.name}.{at}"


def _scratch(companion: extra_parts.Companion) -> str:
    return f"tmp-{companion.name}"


def _container(companion: extra_parts.Companion) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [{"name": _scratch(companion), "mountPath": _TEMPORARY}]
    mounts += [
        {"name": _VOLUME, "mountPath": path, "subPath": _key(companion, at), "readOnly": True}
        for at, path in enumerate(companion.files)
    ]
    program = {"command": list(companion.command), "args": list(companion.args)}
    return {
        "name": companion.name,
        "image": companion.image,
        "imagePullPolicy": "IfNotPresent",
        **{name: value for name, value in program.items() if value},
        "env": objects.literal_variables({"HOME": _TEMPORARY, **companion.env}),
        "resources": {key: dict(value) for key, value in companion.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": mounts,
    }
