"""The IBC relayer Hermes, built from its published Rust crate, and its image.

It is built last of all: it takes longest, and nothing but the relaying of consumer chains needs it.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from devnet import cache, commands, images
from ics import errors

VERSION: Final = "1.10.5"
"""The last release whose crate needs nothing from elsewhere while it builds; 1.13 downloads proving keys."""
IMAGE: Final = f"localhost/ics-devnet/hermes:{VERSION}"
_PLACE: Final = "/usr/bin/hermes"
_CRATE: Final = "ibc-relayer-cli"
_PROFILE: Final = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_STRIP": "symbols"}
"""Little optimising: it shortens the build, and a relayer waits for chains rather than computes."""


def recipe() -> cache.Recipe:
    """The program `hermes`, linked with the C library of this machine."""
    profile = tuple(f"{name}={value}" for name, value in sorted(_PROFILE.items()))
    return cache.Recipe("hermes", VERSION, (_CRATE, *profile), _build, 900)


def image_recipe(program: Path) -> cache.Recipe:
    """The image: the program, the C library that it is linked with, and a shell, from scratch.

    Args:
        program: the built `hermes`.
    """
    libraries = _libraries(program)

    def build(folder: Path) -> None:
        image = images.Image(IMAGE, (_PLACE,), (), ((_PLACE, program), *libraries))
        images.write_archive(image, folder / "image.tar")

    contents = (part for name, path in libraries for part in (name, path.read_bytes()))
    ingredients = (images.source(), IMAGE, _PLACE, program.parent.name, *contents)
    return cache.Recipe("hermes-image", VERSION, ingredients, build, 1)


def _libraries(program: Path) -> tuple[tuple[str, Path], ...]:
    """The shared libraries and the loader, each by the path that the loader looks for."""
    listed = commands.run("ldd", program)
    names = re.findall(r"(/\S+) \(0x", listed)
    if not names or "not found" in listed:
        raise errors.Permanent(f"{program} misses libraries: remove {program.parent} and build again")
    return tuple((name, Path(name).resolve()) for name in sorted(names))


def _build(folder: Path) -> None:
    if shutil.which("cargo") is None:
        raise errors.Permanent("the program cargo is not installed: install Rust 1.78 or later")
    target, root = folder / "target", folder / "root"
    # A process namespace of its own and the death signal: a killed run leaves no compiler going on.
    commands.run(
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"),
        *("cargo", "install", _CRATE, "--version", VERSION, "--locked", "--no-track", "--root", root),
        env={**_PROFILE, "CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "0"},
        timeout=7200,
    )
    (root / "bin" / "hermes").rename(folder / "hermes")
    shutil.rmtree(target)
    shutil.rmtree(root)
