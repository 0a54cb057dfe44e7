"""The reconciler's images for the local network, assembled like the Dockerfiles' but from this machine's files.

Docker is not required: the interpreter, its standard library and the libraries of the requirements come from the
running Python, the operator's files are those that the Dockerfile copies, and Pulumi's programs, for the image with
Pulumi, those on the PATH.
"""

import functools
import importlib.metadata
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devnet import cache, commands, delivery, images, places
from devnet.plan import Host
from devnet.progress import Progress
from ics import errors

IMAGE: Final = "localhost/ics-devnet/reconciler:1"
IMAGE_WITH_PULUMI: Final = "localhost/ics-devnet/reconciler-pulumi:1"
_PLUGIN: Final = "pulumi-resource-kubernetes"
_PULUMI_PROGRAMS: Final = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", _PLUGIN)
_VENV: Final = "app/.venv"
"""The environment that Pulumi.yaml names; Pulumi lists its libraries with pip."""
_LIBRARIES: Final = "libraries"
_PYTHON_HOME: Final = "usr/local"
_LEFT_OUT: Final = (
    "__pycache__",
    "site-packages",
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
)
_ENVIRONMENT: Final = ("PYTHONHOME=/usr/local", "PYTHONPATH=/libraries:/app", "PYTHONUNBUFFERED=1")


@dataclass(frozen=True, slots=True)
class _Contents:
    """What one of the Dockerfiles installs."""

    name: str
    dockerfile: str
    requirements: tuple[str, ...]
    more_libraries: tuple[str, ...] = ()
    """Libraries of the base image."""


_PLAIN: Final = _Contents(IMAGE, "Dockerfile", ("requirements-image.txt",))
_PULUMI: Final = _Contents(
    IMAGE_WITH_PULUMI, "Dockerfile.pulumi", ("requirements-image.txt", "requirements-pulumi.txt"), ("pip",)
)


def deliver(host: Host, progress: Progress) -> None:
    """Build the image of the current code and import it into the host's containerd."""
    _deliver(host, progress, _PLAIN, {})


def deliver_with_pulumi(host: Host, progress: Progress) -> None:
    """Build the image with the Pulumi of this machine, and import it into the host's containerd.

    Raises:
        Permanent: a program of Pulumi's is missing.
    """
    programs = pulumi_programs()
    if missing := missing_of_pulumi():
        raise errors.Permanent(
            f"the reconciler's image with Pulumi: {', '.join(missing)} not found on the PATH"
        )
    _deliver(host, progress, _PULUMI, programs)


def pulumi_programs() -> dict[str, Path]:
    """Return the programs of Pulumi that a pass needs and this machine has, by name; the plugin also from its cache."""
    version = importlib.metadata.version("pulumi-kubernetes")
    cached = Path.home() / ".pulumi" / "plugins" / f"resource-kubernetes-v{version}" / _PLUGIN
    found = {name: shutil.which(name) for name in _PULUMI_PROGRAMS}
    if found[_PLUGIN] is None and cached.is_file():
        found[_PLUGIN] = str(cached)
    return {name: Path(path).resolve() for name, path in found.items() if path is not None}


def missing_of_pulumi() -> tuple[str, ...]:
    """Return the programs of Pulumi that the image needs and this machine lacks."""
    found = pulumi_programs()
    return tuple(name for name in _PULUMI_PROGRAMS if name not in found)


def _deliver(host: Host, progress: Progress, contents: _Contents, programs: Mapping[str, Path]) -> None:
    python = cache.ensure(_python_recipe(contents), progress)
    with progress.step(f"{host.name}: the reconciler's image", 5):
        home = places.host_state(host.name)
        folder = home / "reconciler-image"
        shutil.rmtree(folder, ignore_errors=True)
        _product(folder, contents.dockerfile)
        if programs:
            _add_pulumi(folder, python / "root", programs)
        files = _files(python / "root") + _files(folder) + _shared_objects(python / "root")
        entrypoint = ("/usr/local/bin/python", "/app/reconcile.py")
        delivery.deliver(host, images.Image(contents.name, entrypoint, (), files, _ENVIRONMENT))
        shutil.rmtree(folder)


def copied(dockerfile: str = "Dockerfile") -> tuple[str, ...]:
    """Return the operator's paths that a Dockerfile copies into `/app`, relative to the checkout."""
    text = (places.CHECKOUT / dockerfile).read_text()
    copies = re.findall(r"^COPY ((?:[\w.]+ )+)/app/(?:\w*)$", text, re.MULTILINE)
    return tuple(name for names in copies for name in names.split())


def libraries(*requirements: str) -> tuple[str, ...]:
    """Return the names of the distributions in these files."""
    texts = [(places.CHECKOUT / name).read_text() for name in requirements]
    return tuple(name for text in texts for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def _python_recipe(contents: _Contents) -> cache.Recipe:
    pins = "".join((places.CHECKOUT / name).read_text() for name in contents.requirements)
    own = Path(__file__).read_text()
    names = (*libraries(*contents.requirements), *contents.more_libraries)
    kind = contents.dockerfile.lower().replace(".", "-").removeprefix("dockerfile")
    ingredients = (sys.version, sys.base_prefix, pins, own)
    build = functools.partial(_python, names)
    return cache.Recipe(f"reconciler-python{kind}", "1", ingredients, build, 40)


def _python(names: tuple[str, ...], folder: Path) -> None:
    root = folder / "root"
    standard = Path(sysconfig.get_path("stdlib"))
    binaries = root / _PYTHON_HOME / "bin"
    binaries.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), binaries / "python")
    shutil.copytree(
        standard,
        root / _PYTHON_HOME / "lib" / standard.name,
        ignore=shutil.ignore_patterns(*_LEFT_OUT, "config-*", "*.a"),
    )
    for name in names:
        for file in importlib.metadata.files(name) or ():
            # Files outside of the library folder are scripts in bin/.
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = root / _LIBRARIES / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(file.locate())), target)
    _compile(root)


def _add_pulumi(root: Path, python: Path, programs: Mapping[str, Path]) -> None:
    """Add Pulumi's programs, and an environment of the name in Pulumi.yaml with the image's Python and libraries."""
    binaries = root / _PYTHON_HOME / "bin"
    binaries.mkdir(parents=True)
    for name, path in programs.items():
        shutil.copy(path, binaries / name)
    environment = root / _VENV
    (environment / "bin").mkdir(parents=True)
    shutil.copy(python / _PYTHON_HOME / "bin" / "python", environment / "bin")
    # The host for Python takes PYTHONHOME away.
    (environment / "pyvenv.cfg").write_text(f"home = /{_PYTHON_HOME}/bin\n")


def _product(root: Path, dockerfile: str) -> None:
    for name in copied(dockerfile):
        source, target = places.CHECKOUT / name, root / "app" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    _compile(root)


def _compile(root: Path) -> None:
    # The image's files have no modification times, which Python would compare with its caches.
    mode = ("--invalidation-mode", "unchecked-hash")
    commands.run(sys.executable, "-m", "compileall", "-q", *mode, root, timeout=600)


def _files(root: Path) -> tuple[tuple[str, Path], ...]:
    return tuple((f"/{path.relative_to(root)}", path) for path in sorted(root.rglob("*")) if path.is_file())


def _shared_objects(root: Path) -> tuple[tuple[str, Path], ...]:
    """Return the machine's shared libraries of the interpreter and the extension modules.

    Raises:
        Permanent: a library is missing, so that no pass could start in the image.
    """
    linked = [root / _PYTHON_HOME / "bin" / "python", *sorted(root.rglob("*.so*"))]
    listed = commands.run("ldd", *linked)
    if missing := sorted(set(re.findall(r"(\S+) => not found", listed))):
        raise errors.Permanent(
            f"the reconciler's image: {sys.executable} or its extension modules are linked with"
            f" {', '.join(missing)}, which this machine lacks; use a Python whose libraries `ldd` resolves"
        )
    names = {name for name in re.findall(r"(/\S+) \(0x", listed) if not name.startswith(str(root))}
    return tuple((name, Path(name).resolve()) for name in sorted(names))
