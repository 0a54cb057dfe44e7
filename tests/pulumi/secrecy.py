"""Looks for private keys where none may be."""

import base64
import contextlib
import gzip
import json
import pathlib
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pytest

SHORTEST = 8


@contextlib.contextmanager
def temporary(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder of one's own for temporary files, so that what is left there is known to be ours."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


_LARGEST = 50_000_000


def values(objects: Mapping[str, Mapping[str, Any]], *files: pathlib.Path) -> set[bytes]:
    """Every way in which the secrets of these objects and files may be written down."""
    texts = {path.read_text().strip() for path in files}
    for item in objects.values():
        if item["kind"] == "Secret":
            for encoded in item["data"].values():
                texts |= {encoded, base64.b64decode(encoded).decode(errors="replace")}
    for text in list(texts):
        try:
            content = json.loads(text)
        except ValueError:
            continue
        if isinstance(content, dict) and "priv_key" in content:
            key = content["priv_key"]["value"]
            texts |= {key, base64.b64decode(key).hex(), base64.b64decode(key)[:32].hex()}
    texts |= {json.dumps(text)[1:-1] for text in texts}
    return {text.encode() for text in texts if len(text) > SHORTEST}


def finds(secrets: Collection[bytes], content: bytes) -> bool:
    """Whether any of them is in it."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return False
    return any(secret in content for secret in secrets)


def leaks(secrets: Collection[bytes], folders: Sequence[pathlib.Path]) -> list[str]:
    """Files in these folders that hold one."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            if finds(secrets, path.read_bytes()):
                found.append(str(path))
    return found
