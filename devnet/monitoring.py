"""Prometheus and Alertmanager with their tools, from Debian packages that are unpacked and not installed.

Their installation would start services on ports 9090 and 9093.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from devnet import cache, commands
from devnet.progress import Progress
from ics import errors

_PACKAGES = ("prometheus", "prometheus-alertmanager")
_ALERTMANAGER = """\
#!/bin/sh
# Debian's Alertmanager reads its templates from /usr/share, so it gets a view of the files in which they are there.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || as_root=--map-root-user
exec unshare --mount ${as_root-} sh -c '
    folder=$1; shift
    mount --bind "$folder/../share" /usr/share && exec "$folder/prometheus-alertmanager" "$@"
' sh "$here" "$@"
"""


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the programs."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    """A script that takes its arguments."""
    amtool: Path


def ensure(progress: Progress) -> Programs:
    """Return the programs, and unpack them first if necessary.

    Raises:
        Permanent: the packages are not available.
    """
    folder = cache.ensure(recipe(), progress) / "usr" / "bin"
    return Programs(
        prometheus=folder / "prometheus",
        promtool=folder / "promtool",
        alertmanager=folder / "alertmanager",
        amtool=folder / "amtool",
    )


def recipe() -> cache.Recipe:
    """Return the recipe of both packages of this machine's release, without what they depend on."""

    def build(folder: Path) -> None:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            commands.run("apt-get", "download", *_PACKAGES, folder=folder, env=quiet, timeout=600)
        except errors.Permanent:  # there is no list of packages yet
            commands.run("apt-get", "update", env=quiet, timeout=600)
            commands.run("apt-get", "download", *_PACKAGES, folder=folder, env=quiet, timeout=600)
        for package in folder.glob("*.deb"):
            commands.run("dpkg-deb", "-x", package, folder, timeout=300)
            package.unlink()
        script = folder / "usr" / "bin" / "alertmanager"
        script.write_text(_ALERTMANAGER)
        script.chmod(0o755)

    return cache.Recipe("monitoring", release(), (*_PACKAGES, _ALERTMANAGER), build, 10)


def release() -> str:
    """Return name and version of this machine's distribution, such as `debian12`."""
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    release = values.get("ID", "") + values.get("VERSION_ID", "") + os.uname().machine
    return "".join(character for character in release if character.isalnum())
