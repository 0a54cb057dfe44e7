"""The reconciler's image for the local network, assembled like the Dockerfile's but from this machine's files.

Docker is not required: the interpreter, its standard library and the libraries of `requirements-image.txt` come from
the running Python, and the operator's files are those that the Dockerfile copies.
"""

import importlib.metadata
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

from devnet import cache, commands, delivery, images, places
from devnet.plan import Host
from devnet.progress import Progress
from ics import errors

IMAGE: Final = "localhost/ics-devnet/reconciler:1"
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
_ENVIRONMENT: Final = ("PYTHONHOME=/usr/local", "PYTHONPATH=/libraries", "PYTHONUNBUFFERED=1")


def deliver(host: Host, progress: Progress) -> None:
    """Build the image of the current code and import it into the host's containerd."""
    python = cache.ensure(_python_recipe(), progress)
    with progress.step(f"{host.name}: the reconciler's image", 5):
        home = places.host_state(host.name)
        folder = home / "reconciler-image"
        shutil.rmtree(folder, ignore_errors=True)
        _product(folder)
        files = _files(python / "root") + _files(folder) + _shared_objects(python / "root")
        entrypoint = ("/usr/local/bin/python", "/app/reconcile.py")
        delivery.deliver(host, images.Image(IMAGE, entrypoint, (), files, _ENVIRONMENT))
        shutil.rmtree(folder)


def copied() -> tuple[str, ...]:
    """Return the operator's paths that the Dockerfile copies into `/app`, relative to the checkout."""
    text = (places.CHECKOUT / "Dockerfile").read_text()
    copies = re.findall(r"^COPY ((?:[\w.]+ )+)/app/(?:\w*)$", text, re.MULTILINE)
    return tuple(name for names in copies for name in names.split())


def libraries() -> tuple[str, ...]:
    """Return the names of the distributions that the Dockerfile installs."""
    text = (places.CHECKOUT / "requirements-image.txt").read_text()
    return tuple(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def _python_recipe() -> cache.Recipe:
    pins = (places.CHECKOUT / "requirements-image.txt").read_text()
    own = Path(__file__).read_text()
    return cache.Recipe("reconciler-python", "1", (sys.version, sys.base_prefix, pins, own), _python, 40)


def _python(folder: Path) -> None:
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
    for name in libraries():
        for file in importlib.metadata.files(name) or ():
            # Files outside of the library folder are scripts in bin/.
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = root / _LIBRARIES / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(file.locate())), target)
    _compile(root)


def _product(root: Path) -> None:
    for name in copied():
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
