"""The IBC relayer Hermes, built from its published Rust crate, and its image.

It is built last, because it takes longest and only relaying to consumer chains requires it.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from devnet import cache, commands, images
from ics import errors

VERSION: Final = "1.10.5"
"""The last release whose build downloads nothing but crates; 1.13 downloads proving keys."""
IMAGE: Final = f"localhost/ics-devnet/hermes:{VERSION}"
_PLACE: Final = "/usr/bin/hermes"
_CRATE: Final = "ibc-relayer-cli"
_PROFILE: Final = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_STRIP": "symbols"}
"""Little optimization, which shortens the build; a relayer spends its time waiting for chains."""


def recipe() -> cache.Recipe:
    """Return the recipe of the program `hermes`, linked with the C library of this machine."""
    profile = tuple(f"{name}={value}" for name, value in sorted(_PROFILE.items()))
    return cache.Recipe("hermes", VERSION, (_CRATE, *profile), _build, 900)


def image_recipe(program: Path) -> cache.Recipe:
    """Return the recipe of the image: the program, its C library and a shell, from scratch.

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
    """Return the shared libraries and the loader by the path that the loader searches."""
    listed = commands.run("ldd", program)
    names = re.findall(r"(/\S+) \(0x", listed)
    if not names or "not found" in listed:
        raise errors.Permanent(f"{program} lacks libraries; remove {program.parent} and build again")
    return tuple((name, Path(name).resolve()) for name in sorted(names))


def _build(folder: Path) -> None:
    if shutil.which("cargo") is None:
        raise errors.Permanent("the program cargo is not installed; install Rust 1.78 or later")
    target, root = folder / "target", folder / "root"
    # With a process namespace and the death signal, a killed run leaves no running compiler.
    commands.run(
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL"),
        *("cargo", "install", _CRATE, "--version", VERSION, "--locked", "--no-track", "--root", root),
        env={**_PROFILE, "CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "0"},
        timeout=7200,
    )
    (root / "bin" / "hermes").rename(folder / "hermes")
    shutil.rmtree(target)
    shutil.rmtree(root)
