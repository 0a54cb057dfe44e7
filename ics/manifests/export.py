"""The manifests of a stack as files of a folder, for review and for GitOps; pure.

The files hold the objects that the engines apply, with equal values: `yaml.safe_load` of a file is the manifest. Texts
that a YAML parser might read as something else, such as `1e3`, are quoted: the parsers of Kubernetes and of Python
disagree about them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml

from ics import errors, model, names, plain_text
from ics.cosmos import canonical_json

CLUSTER: Final = "_cluster"
"""Folder of objects without a namespace; `_` occurs in no namespace's name."""
SECRETS: Final = "SECRETS"
"""File that lists the Secrets, which are left out."""
EXTENSION: Final = ".yaml"
"""Of the files of objects."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?")
_UNSAFE = re.compile(r"[^a-z0-9.-]+")
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*")
"""Texts that are not quoted, unless YAML gives them a meaning, as `true`."""
_HEADER = re.compile(r"# Written by ics export\. set=(\S+) chain=(\S*) retained=(true|false)")


class Mark(NamedTuple):
    """First line of a file that `ics export` has written."""

    set_id: str
    """Set whose object it is; several stacks may share a folder's parent, but not a file."""
    consumer_id: str = ""
    """Chain of the object; empty for shared objects."""
    is_retained: bool = False
    """Whether only `ics purge` deletes the object: volume, namespace."""

    def line(self) -> str:
        """Return the line, without its end."""
        retained = str(self.is_retained).lower()
        return f"# Written by ics export. set={self.set_id} chain={self.consumer_id} retained={retained}"


class LeftOut(NamedTuple):
    """A Secret that is left out."""

    namespace: str
    name: str
    keys: tuple[str, ...]
    """Names of its values."""


@dataclass(frozen=True, slots=True)
class Export:
    """The content of the folder."""

    files: dict[str, str]
    """Content by path in the folder."""
    secrets: tuple[LeftOut, ...]


def mark_of(line: str) -> Mark | None:
    """Return what the first line of a file says; None: it is not a file of `ics export`."""
    found = _HEADER.fullmatch(line.rstrip("\r\n"))
    return None if found is None else Mark(found[1], found[2], found[3] == "true")


def export(manifests: Sequence[model.Manifest], set_id: str, paused: frozenset[str]) -> Export:
    """Return the files: one for each object, in a folder for each namespace, and the list of Secrets.

    Args:
        manifests: as a pass renders them.
        set_id: id of the ApplySet.
        paused: consumer ids of the chains whose objects a pass would leave as they are; they get no file.

    Raises:
        Permanent: two objects would have one file.
    """
    files: dict[str, str] = {}
    secrets: list[LeftOut] = []
    for manifest in manifests:
        metadata = manifest["metadata"]
        labels = metadata.get("labels") or {}
        consumer_id = str(labels.get(names.CONSUMER, ""))
        if manifest["kind"] == "Secret":
            secrets.append(_left_out(manifest))
        elif consumer_id not in paused:
            path = path_of(manifest)
            if path in files:
                raise errors.Permanent(
                    f"{path}: two objects have this file; use distinct names for the chains"
                )
            mark = Mark(set_id, consumer_id, labels.get(names.RETAIN) == "true")
            files[path] = f"{mark.line()}\n{_dump(manifest)}"
    listed = tuple(sorted(secrets))
    files[SECRETS] = _list(listed, set_id)
    return Export(dict(sorted(files.items())), listed)


def path_of(manifest: model.Manifest) -> str:
    """Return the path of an object's file, such as `provider/service.p2p-loadbalancer.yaml`."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace")
    folder = _part(namespace) if namespace else CLUSTER
    return f"{folder}/{manifest['kind'].lower()}.{_part(metadata['name'])}{EXTENSION}"


def _part(name: str) -> str:
    """Return a name as a part of a path; one that is long or strange is cut, and gets a digest."""
    if _NAME.fullmatch(name):
        return name
    start = _UNSAFE.sub("-", name.lower())[:40].strip(".-")
    return f"{start}_{canonical_json.sha256_hex(name.encode(errors='backslashreplace'))[:12]}"


def _left_out(manifest: model.Manifest) -> LeftOut:
    metadata = manifest["metadata"]
    keys = {**manifest.get("data", {}), **manifest.get("stringData", {})}
    return LeftOut(metadata.get("namespace", ""), metadata["name"], tuple(sorted(keys)))


def _list(secrets: Sequence[LeftOut], set_id: str) -> str:
    lines = [
        Mark(set_id).line(),
        "# Secrets of the stack, without their values: namespace, name, keys. Only a pass (`ics up`) writes them.",
        *(f"{one.namespace} {one.name} {' '.join(one.keys)}" for one in secrets),
    ]
    return "".join(f"{plain_text.visible(line)}\n" for line in lines)


class _Dumper(yaml.SafeDumper):
    """Writes texts so that every parser of YAML reads the same."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal parts in full."""
        return True


def _represent(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and text[0] not in " \n\t":
        style: str | None = "|"  # the dumper quotes what a block cannot hold
    else:
        style = None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def _dump(manifest: model.Manifest) -> str:
    return yaml.dump(dict(manifest), Dumper=_Dumper, sort_keys=True, width=1_000_000)
