"""Chromium for tests and pictures of the status page, from Debian packages that are unpacked and not installed."""

import base64
import hashlib
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from devnet import cache, commands, monitoring
from devnet.progress import Progress
from ics import errors

_PROGRAM = "chromium-headless-shell"
_FONTS = ("fonts-inter", "fonts-dejavu-core")
_LEFT_OUT = (
    "libc6",  # of every machine
    "libgl1-mesa-dri",  # drivers of graphics cards, and what only they need
    "libllvm",
    "libz3",
    "libdebian-installer",
    "libnewt",
    "libslang",
    "libtextwrap",
)
_AXE = "axe-core@4.14.1"
_AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<dir prefix="relative">usr/share/fonts</dir>
<cachedir prefix="xdg">fontconfig</cachedir>
<alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


class Unavailable(errors.Permanent):
    """What a registry of packages does not give this machine: there is none, it does not answer, or it lacks it."""


@dataclass(frozen=True, slots=True)
class Browser:
    """Chromium without a screen."""

    program: Path
    environment: dict[str, str]
    """Of its process: where its libraries and its fonts are."""


def ensure(progress: Progress) -> Browser:
    """Return the browser, and unpack it first if necessary.

    Raises:
        Unavailable: this machine does not get the packages.
    """
    folder = cache.ensure(recipe(), progress)
    libraries = [
        path for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu") for path in folder.glob(pattern)
    ]
    libraries += [path / "pulseaudio" for path in libraries]
    return Browser(
        folder / "usr" / "lib" / "chromium" / _PROGRAM,
        {
            "PATH": os.defpath,
            "HOME": os.environ.get("HOME", "/"),
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        },
    )


def recipe() -> cache.Recipe:
    """Return the recipe of the browser with its libraries and two fonts, of this machine's release."""

    def build(folder: Path) -> None:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            _download(folder, quiet)
        except errors.Permanent:  # there is no list of packages yet
            try:
                commands.run("apt-get", "update", env=quiet, timeout=600)
                _download(folder, quiet)
            except errors.Permanent as error:
                raise Unavailable(f"Chromium, which Debian's packages hold: {error}") from error
        for package in folder.glob("*.deb"):
            commands.run("dpkg-deb", "-x", package, folder, timeout=300)
            package.unlink()
        (folder / "fonts.conf").write_text(_FONTS_CONF)

    return cache.Recipe(
        "browser", monitoring.release(), (_PROGRAM, *_FONTS, *_LEFT_OUT, _FONTS_CONF), build, 60
    )


def _download(folder: Path, environment: dict[str, str]) -> None:
    without = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances", "pre-depends")
    flags = [f"--no-{kind}" for kind in without]
    tree = commands.run("apt-cache", "depends", "--recurse", *flags, _PROGRAM, timeout=60)
    needed = {
        line
        for line in tree.splitlines()
        if line.startswith(("lib", "chromium")) and not line.startswith(_LEFT_OUT)
    }
    commands.run("apt-get", "download", *sorted(needed), *_FONTS, folder=folder, env=environment, timeout=900)


def accessibility_checks(progress: Progress) -> str:
    """Return the script of axe-core, which npm downloads once.

    Raises:
        Unavailable: npm is missing, or does not get the package.
        Permanent: the package is not the expected one.
    """

    def build(folder: Path) -> None:
        try:
            commands.run("npm", "pack", "--silent", _AXE, folder=folder, timeout=300)
        except errors.Permanent as error:
            raise Unavailable(f"{_AXE}, which npm downloads: {error}") from error
        [archive] = folder.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != _AXE_SHA512:
            raise errors.Permanent(f"{_AXE}: its sha512 is {digest}; expected {_AXE_SHA512}")
        with tarfile.open(archive) as content:
            content.extract("package/axe.min.js", folder, filter="data")
        archive.unlink()

    recipe = cache.Recipe("axe-core", _AXE.rpartition("@")[2], (_AXE, _AXE_SHA512), build, 10)
    return (cache.ensure(recipe, progress) / "package" / "axe.min.js").read_text()
