"""Names of container images, as the container runtime reads them; pure.

The grammar is that of github.com/distribution/reference v0.6 (regexp.go), which the kubelet uses too: a pod whose image
has another form stays in `InvalidImageName`.
"""

import re
from dataclasses import dataclass

from ics import errors

_DOMAIN_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PATH_PART}(?:/{_PATH_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z0-9]+(?:[-_+.][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)
_LONGEST = 255
"""Bytes of a name without tag and digest."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of an image's name."""

    repository: str
    """With its registry."""
    tag: str
    """Empty: none, which means `latest` unless there is a digest."""
    digest: str
    """Empty: none."""


def check(image: str) -> None:
    """Check the name of an image.

    Raises:
        SettingsError: no container runtime can pull it.
    """
    parse(image)


def check_repository(name: str) -> None:
    """Check the name of an image without tag and digest.

    Raises:
        SettingsError: it is not one.
    """
    if parse(name).repository != name:
        raise errors.SettingsError(f"{name!r} has a tag or a digest; use the repository alone")


def parse(image: str) -> Reference:
    """Return the parts of an image's name.

    Raises:
        SettingsError: no container runtime can pull it.
    """
    match = _REFERENCE.fullmatch(image)
    if match is None or len(match["name"]) > _LONGEST:
        raise errors.SettingsError(
            f"{image!r} is not the name of an image; use [registry/]name[:tag][@digest], in lower case and without a"
            " scheme"
        )
    if match["digest"] is not None and not _DIGEST.fullmatch(match["digest"]):
        raise errors.SettingsError(f"{image!r}: the digest is not complete; use sha256: and 64 hex digits")
    return Reference(match["name"], match["tag"] or "", match["digest"] or "")
