"""The init container of a node whose genesis is too large for a ConfigMap: `python -m ics.cli.genesis_container`.

It fetches the published file to the volume, checks it, and completes it if it is a base, as `ics.cosmos.genesis_order`
says. What it has prepared it leaves alone at the next start of the pod. Its termination message is the report, or why
there is none.
"""

import asyncio
import gzip
import hashlib
import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from ics import errors, proxies, web
from ics.cli import terminal
from ics.config import urls
from ics.cosmos import canonical_json, genesis_file, genesis_order, genesis_stream

GENESIS = "genesis.json"
"""The prepared file, in the container's folder on the volume."""
RECORD = "record"
"""File with `<sha256 of the order> <sha256 of the genesis>`, which the node's start script compares."""
_REPORT = "report.json"
_PIECE = 1 << 20
_LONGEST_UNPACKED = 8 << 30
_LONGEST_MESSAGE = 2000
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is read from any position."""

    descriptor: int

    def read_at(self, position: int, size: int) -> bytes:
        """Return the bytes from a position; see `genesis_stream.Source`."""
        return os.pread(self.descriptor, size, position)


async def prepare(
    order: genesis_order.Order, folder: Path, client: httpx.AsyncClient
) -> genesis_order.Report:
    """Leave the genesis of an order in a folder, with its record.

    Raises:
        Transient: the address gives no answer, or the disk is full.
        Permanent: the file is not the genesis of the chain.
        SettingsError: it is not a genesis.
    """
    try:
        kept = _prepared_before(order, folder)
        if kept is not None:
            return kept
        published = folder / "published"
        packed_digest = await _fetch(order.url, published, client)
        unpacked, digest = _unpacked(published, packed_digest)
        _check_hash(order, unpacked, packed_digest, digest)
        return _completed(order, folder, unpacked, digest)
    except OSError as error:
        raise errors.Transient(
            f"the volume: {error.strerror or error}; give the node more storage"
        ) from error
    finally:
        for name in ("published", "unpacked", f"{GENESIS}.new"):
            (folder / name).unlink(missing_ok=True)


def _prepared_before(order: genesis_order.Order, folder: Path) -> genesis_order.Report | None:
    try:
        stated_order, stated = (folder / RECORD).read_text().split()
        report = genesis_order.parse_report((folder / _REPORT).read_text())
        is_same = stated_order == order.digest and _digest(folder / GENESIS) == stated
    except (OSError, ValueError):
        return None
    return report if is_same and isinstance(report, genesis_order.Report) else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _fetch(url: str, path: Path, client: httpx.AsyncClient) -> str:
    """Download a file; returns its sha256."""
    where = urls.redacted(url)
    digest = hashlib.sha256()
    try:
        with path.open("wb") as file:

            def take(chunk: bytes) -> None:
                digest.update(chunk)
                file.write(chunk)

            request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"})
            status = await web.download(client, request, web.LARGE_GENESIS, take)
    except TimeoutError:
        raise errors.Transient(f"{where}: not fetched in time; it is tried again") from None
    except web.Unacceptable as error:
        raise errors.Permanent(f"{where}: {error}; publish the file elsewhere") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.Transient(f"{where}: no answer: {error or type(error).__name__}") from error
    if status != httpx.codes.OK:
        raise errors.Transient(f"{where}: answers {status}; check that the file is still there")
    return digest.hexdigest()


def _unpacked(published: Path, digest: str) -> tuple[Path, str]:
    """Return the file without gzip, and its sha256; one that is not packed is returned as it is."""
    with published.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return published, digest
    unpacked, found, size = published.with_name("unpacked"), hashlib.sha256(), 0
    try:
        with gzip.open(published, "rb") as source, unpacked.open("wb") as target:
            while chunk := source.read(_PIECE):
                size += len(chunk)
                if size > _LONGEST_UNPACKED:
                    raise errors.Permanent(
                        f"the genesis file has more than {_LONGEST_UNPACKED} bytes when unpacked; check that it is a"
                        " genesis"
                    )
                found.update(chunk)
                target.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise errors.Permanent(f"the genesis file is damaged gzip data: {error}; get it again") from error
    published.unlink()
    return unpacked, found.hexdigest()


def _check_hash(order: genesis_order.Order, path: Path, *digests: str) -> None:
    with path.open("rb") as file:
        fault = genesis_file.glance(file.read(4096))
    if order.sha256 in digests:
        if fault:
            raise errors.Permanent(fault)
        return
    text = f"the genesis file has sha256 {digests[-1]}, the definition says {order.sha256}"
    # It is anybody's file, so nothing of it is parsed.
    raise errors.Permanent(f"{text}; {fault or 'get the file that the launch team published'}")


def _completed(order: genesis_order.Order, folder: Path, unpacked: Path, digest: str) -> genesis_order.Report:
    """Check and complete an unpacked file, and put it in its place with its record."""
    new = folder / f"{GENESIS}.new"
    with unpacked.open("rb") as file:
        source = _File(file.fileno())
        prepared = genesis_order.prepare(source, order)
        if order.pattern is None:
            # Nothing of the rest of a final file is changed, but a node must be able to read it.
            for _ in genesis_stream.chunks(source, prepared.document):
                pass
            unpacked.rename(new)
        else:
            digest = _write(new, genesis_stream.chunks(source, prepared.document))
    report = genesis_order.Report(
        sha256=digest,
        size=new.stat().st_size,
        genesis_time=prepared.genesis_time,
        funded=prepared.funded,
        peak=_peak(),
    )
    _sync(new)
    new.rename(folder / GENESIS)
    _replace(folder / _REPORT, report.encode())
    # Last, so that a record never speaks of a file that is not there.
    _replace(folder / RECORD, f"{order.digest} {digest}\n".encode())
    return report


def _write(path: Path, chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb", buffering=_PIECE) as target:
        for chunk in chunks:
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    _sync(new)
    new.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _peak() -> int:
    """Return the peak memory of this program, in KiB; `getrusage` would count what its process was before."""
    status = Path("/proc/self/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


async def _run(order: genesis_order.Order, folder: Path) -> genesis_order.Report:
    async with proxies.new_client(timeout=60.0) as client:
        for attempt in range(1, _ATTEMPTS):
            try:
                return await prepare(order, folder, client)
            except errors.Transient as error:
                terminal.warn(f"{error}; attempt {attempt} of {_ATTEMPTS}")
                await asyncio.sleep(2.0**attempt)
        return await prepare(order, folder, client)


def main() -> int:
    """Prepare the genesis of the order in ORDER in the folder FOLDER; returns an exit code."""
    message = Path(os.environ.get("RESULT_FILE", "/dev/termination-log"))
    folder = Path(os.environ["FOLDER"])
    try:
        order = genesis_order.parse(Path(os.environ["ORDER"]).read_bytes())
        report = asyncio.run(_run(order, folder))
    except errors.IcsError as error:
        start = "" if isinstance(error, errors.Transient) else genesis_order.REFUSED
        text = start + " ".join(str(error).split())[:_LONGEST_MESSAGE]
        message.write_text(text)
        terminal.warn(text)
        return 1
    message.write_bytes(report.encode())
    free = shutil.disk_usage(folder).free
    values = {**json.loads(report.encode()), "peak_mib": report.peak // 1024, "free_mib": free >> 20}
    terminal.write(canonical_json.encode(values).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
