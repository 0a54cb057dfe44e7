"""Upgrades at a height on the local network: the images of both versions, and the second version's programs."""

from pathlib import Path

from devnet import cache, commands, configs, delivery, hosts, places, toolchain
from devnet.plan import Host
from devnet.progress import Progress


def deliver(host: Host, *names: str, progress: Progress) -> None:
    """Import images for upgrades into the host's containerd, unless they are there.

    Args:
        host: the host.
        names: full references, of `toolchain.UPGRADES`.
        progress: shows the build of what was not built before.

    Raises:
        KeyError: a name is not one of them.
    """
    known = {image.name: image for image in toolchain.UPGRADES}
    present = images_of(host)
    for name in names:
        if name not in present:
            delivery.import_archive(host, toolchain.ensure_upgrade(known[name], progress))


def tag(host: Host, name: str, alias: str) -> None:
    """Give an image of the host another name as well, or instead of the image that had it."""
    _control(host, "images", "tag", "--force", name, alias)


def untag(host: Host, name: str) -> None:
    """Remove a name from the host's images, so that pods cannot use it; do nothing if it is not there."""
    if name in images_of(host):
        _control(host, "images", "rm", name)


def images_of(host: Host) -> frozenset[str]:
    """Return the names of all images in the host's containerd."""
    return frozenset(_control(host, "images", "ls", "-q").split())


def by_digest(host: Host, name: str) -> str:
    """Let the host's pods use an image of its containerd by its digest, too; return that reference."""
    listed = [line.split() for line in _control(host, "images", "ls").splitlines()]
    (digest,) = {columns[2] for columns in listed if columns[0] == name}
    reference = f"{name.rpartition(':')[0]}@{digest}"
    tag(host, name, reference)
    return reference


def program(name: str, progress: Progress) -> Path:
    """Return the second version of a program, such as `interchain-security-pd`."""
    return cache.ensure(toolchain.second_versions_recipe(), progress) / name


def democracy(progress: Progress) -> Path:
    """Return the first version of the consumer's program with governance."""
    return cache.ensure(toolchain.democracy_recipe(), progress) / "interchain-security-cdd"


def _control(host: Host, *order: str) -> str:
    socket = configs.containerd_socket(places.host_state(host.name))
    control = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]
    return commands.run(*hosts.inside(host, [*control, *order]), timeout=300)
