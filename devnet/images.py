"""Writer of container images as OCI archives, without a registry or an image builder.

Every image is built from scratch: a static busybox with a link for each of its commands, the accounts root and
`node` (uid 1000), a world-writable /tmp, and the programs of the image.
"""

import hashlib
import inspect
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

BUSYBOX: Final = Path("/usr/bin/busybox")
_PASSWD: Final = b"root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000:node:/home/node:/bin/sh\n"
_GROUP: Final = b"root:x:0:\nnode:x:1000:\n"


@dataclass(frozen=True, slots=True)
class Image:
    """Name, entrypoint and content of an image."""

    name: str
    """Full reference with tag."""
    entrypoint: tuple[str, ...]
    programs: tuple[Path, ...]
    """Static programs for /usr/local/bin."""
    files: tuple[tuple[str, Path], ...] = ()
    """Further files by their absolute path in the image."""
    environment: tuple[str, ...] = ()
    """Variables in addition to PATH, each `NAME=value`."""


def source() -> str:
    """Return the text of this file, an ingredient of each image's recipe."""
    return inspect.getsource(sys.modules[__name__])


def write_archive(image: Image, archive: Path) -> None:
    """Write the image as an OCI archive for `ctr images import`."""
    layers = [archive.with_suffix(".base"), archive.with_suffix(".programs")]
    _write_base(layers[0])
    _write_programs(layers[1], image)
    digests = [_sha256(layer) for layer in layers]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entrypoint),
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *image.environment],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    )
    descriptors = [
        _descriptor("application/vnd.oci.image.layer.v1.tar", digest, layer.stat().st_size)
        for digest, layer in zip(digests, layers, strict=True)
    ]
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor_of("application/vnd.oci.image.config.v1+json", config),
            "layers": descriptors,
        }
    )
    entry = _descriptor_of("application/vnd.oci.image.manifest.v1+json", manifest)
    entry["annotations"] = {"io.containerd.image.name": image.name}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        for digest, layer in zip(digests, layers, strict=True):
            _add_file(tar, f"blobs/sha256/{digest}", layer)
    for layer in layers:
        layer.unlink()


def _write_base(layer: Path) -> None:
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(layer, "w") as tar:
        for folder in ("bin", "etc", "usr", "usr/local", "usr/local/bin", "home", "root"):
            _add_folder(tar, folder, 0o755)
        _add_folder(tar, "home/node", 0o755, owner=1000)
        _add_folder(tar, "tmp", 0o1777)
        _add(tar, "etc/passwd", _PASSWD)
        _add(tar, "etc/group", _GROUP)
        _add_file(tar, "bin/busybox", BUSYBOX)
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
            tar.addfile(link)


def _write_programs(layer: Path, image: Image) -> None:
    files = [(f"/usr/local/bin/{program.name}", program) for program in image.programs] + list(image.files)
    folders = {str(folder) for name, _ in files for folder in PurePosixPath(name).parents} - {"/"}
    with tarfile.open(layer, "w") as tar:
        for folder in sorted(folders):
            _add_folder(tar, folder[1:], 0o755)
        for name, path in files:
            _add_file(tar, name[1:], path)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, name: str, path: Path) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = path.stat().st_size, 0o755
    with path.open("rb") as data:
        tar.addfile(info, data)


def _add_folder(tar: tarfile.TarFile, name: str, mode: int, owner: int = 0) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
    tar.addfile(info)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _descriptor_of(media_type: str, data: bytes) -> dict[str, object]:
    return _descriptor(media_type, hashlib.sha256(data).hexdigest(), len(data))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
