import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devnet import images


@pytest.fixture(autouse=True)
def _busybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nls\\n'\n")
    program.chmod(0o755)
    monkeypatch.setattr(images, "BUSYBOX", program)


def write(folder: Path, name: str) -> Path:
    program = folder / "chain"
    program.write_bytes(b"program")
    archive = folder / f"{name}.tar"
    images.write_archive(images.Image("example/chain:v1", ("/bin/sh",), (program,)), archive)
    return archive


def read(archive: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    return json.loads(files["index.json"]), files


def test_index_names_image_and_digests_match_blobs(tmp_path: Path) -> None:
    index, files = read(write(tmp_path, "one"))
    (entry,) = index["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "example/chain:v1"}
    manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
    for descriptor in (entry, manifest["config"], *manifest["layers"]):
        blob = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"
        assert descriptor["size"] == len(blob)
    config = json.loads(files[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]


def test_same_image_produces_same_archive(tmp_path: Path) -> None:
    assert write(tmp_path, "one").read_bytes() == write(tmp_path, "two").read_bytes()


def test_layers_hold_shell_accounts_and_program(tmp_path: Path) -> None:
    index, files = read(write(tmp_path, "one"))
    manifest = json.loads(files[f"blobs/{index['manifests'][0]['digest'].replace(':', '/')}"])
    members: dict[str, tarfile.TarInfo] = {}
    for number, layer in enumerate(manifest["layers"]):
        path = tmp_path / f"layer{number}"
        path.write_bytes(files[f"blobs/{layer['digest'].replace(':', '/')}"])
        with tarfile.open(path) as tar:
            members |= {member.name: member for member in tar}
    assert (members["bin/sh"].linkname, members["bin/ls"].linkname) == ("busybox", "busybox")
    assert members["bin/busybox"].isfile()
    assert members["tmp"].mode == 0o1777
    assert members["home/node"].uid == 1000
    assert members["usr/local/bin/chain"].mode == 0o755
