"""Looks for private keys where none may be."""

import base64
import gzip
import json
import pathlib
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

SHORTEST = 8
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


def leaks(secrets: Collection[bytes], folders: Sequence[pathlib.Path], besides: pathlib.Path) -> list[str]:
    """Files that hold one; those of the project itself, where the seed is, are left aside but for its state."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            is_project = besides in path.parents and folder not in (besides, *besides.rglob("state"))
            if is_project or path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if finds(secrets, content):
                found.append(str(path))
    return found
