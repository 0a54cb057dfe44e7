"""`ics chain import` and `ics chain check`: definitions as files, without a stack."""

import asyncio
import hashlib
import posixpath
import zlib
from pathlib import Path
from typing import Any
from urllib import parse

import httpx

from ics import aio, errors, proxies, web
from ics.cli import output
from ics.cli.arguments import chain as arguments
from ics.config import chain_definition, registry, stack_file, urls
from ics.cosmos import canonical_json

_SIBLING = "versions.json"
_ASKED = 12
"""RPC servers of a chain that are asked at most."""
_SERVER = web.Limits(seconds=10.0, size=1 << 20)


async def _import(args: arguments.Import) -> int:
    if args.image_template:
        registry.check_template(args.image_template)
    async with proxies.new_client(timeout=30.0, headers={"Accept-Encoding": "gzip"}) as client:
        chain = registry.parse(await _read(client, args.source), args.source)
        versions = await _versions(client, args)
        published, servers = None, None
        if not args.offline:
            url = registry.genesis_url(chain)
            published = await _published(client, url) if url else None
            servers = await _answering(client, chain)
    draft = registry.draft(
        chain,
        versions,
        image=args.image,
        template=args.image_template,
        published=published,
        rpc=servers,
    )
    text = draft.text()
    if args.out is not None:
        try:
            # A definition that exists was filled in by hand.
            with args.out.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise errors.SettingsError(f"--out {args.out}: {error.strerror}; name another file") from error
    holes = [{"key": key, "meaning": what} for key, what in draft.holes]
    value = {"name": draft.name, "holes": holes, "check": list(draft.doubts), "definition": draft.values}
    lines = text.splitlines() if args.out is None else [f"{args.out}: {len(holes)} values to fill in"]
    if args.out is not None:
        lines += [f"  {key}: {what}" for key, what in draft.holes]
        lines += [f"  check: {doubt}" for doubt in draft.doubts]
    return output.emit(args, value, lines)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


async def _read(client: httpx.AsyncClient, source: str) -> bytes:
    """Return a file of the registry.

    Raises:
        SettingsError: there is none.
        Transient: its address does not answer.
    """
    if not _is_url(source):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise errors.SettingsError(f"{source}: {error.strerror}; name another file") from error
    where = urls.redacted(source)
    limits = web.Limits(web.GENESIS.seconds, registry.LARGEST)
    try:
        answer = await web.exchange(client, client.build_request("GET", source), limits, follows=True)
    except (TimeoutError, web.Unacceptable, httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.Transient(f"{where}: no answer: {error or type(error).__name__}") from error
    if answer.status == httpx.codes.NOT_FOUND:
        raise errors.SettingsError(f"{where}: not found; check the address")
    if answer.status != httpx.codes.OK:
        raise errors.Transient(f"{where}: answers {answer.status}")
    return answer.body


async def _versions(client: httpx.AsyncClient, args: arguments.Import) -> dict[str, Any] | None:
    if args.versions:
        return registry.parse(await _read(client, args.versions), args.versions)
    if _is_url(args.source):
        parts = parse.urlsplit(args.source)
        path = posixpath.join(posixpath.dirname(parts.path), _SIBLING)
        source = parse.urlunsplit(parts._replace(path=path))
    else:
        source = str(Path(args.source).with_name(_SIBLING))
    try:
        return registry.parse(await _read(client, source), source)
    except errors.SettingsError:
        if not _is_url(source) and Path(source).exists():
            raise
        return None


async def _published(client: httpx.AsyncClient, url: str) -> registry.PublishedFile | None:
    """Fetch a genesis once, in pieces; None if it is not there now."""
    digest, packer, packed = hashlib.sha256(), zlib.compressobj(6), 0

    def take(chunk: bytes) -> None:
        nonlocal packed
        digest.update(chunk)
        packed += len(packer.compress(chunk))

    request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"})
    try:
        status = await web.download(client, request, web.LARGE_GENESIS, take)
    except (TimeoutError, web.Unacceptable, httpx.HTTPError, httpx.InvalidURL):
        return None
    if status != httpx.codes.OK:
        return None
    return registry.PublishedFile(digest.hexdigest(), packed + len(packer.flush()))


async def _answering(client: httpx.AsyncClient, chain: dict[str, Any]) -> tuple[str, ...]:
    """Return the registry's RPC servers that answer for this chain, in its order."""
    listed, chain_id = registry.servers(chain)[:_ASKED], registry.chain_id(chain)
    async with aio.task_group() as group:
        asking = [group.create_task(_network(client, server)) for server in listed]
    return tuple(
        server for server, task in zip(listed, asking, strict=True) if chain_id and task.result() == chain_id
    )


async def _network(client: httpx.AsyncClient, server: str) -> str:
    """Return the chain id that an RPC server states; empty if it does not answer so."""
    try:
        answer = await web.exchange(client, client.build_request("GET", f"{server}/status"), _SERVER)
        result = canonical_json.parse(answer.body, server).get("result")
    except (TimeoutError, web.Unacceptable, httpx.HTTPError, httpx.InvalidURL, errors.SettingsError):
        return ""
    info = result.get("node_info") if isinstance(result, dict) else None
    network = info.get("network") if isinstance(info, dict) else None
    return network if isinstance(network, str) else ""


async def _check(args: arguments.Check) -> int:
    origin = str(args.file)
    document = stack_file.read_yaml(args.file, origin)
    if not isinstance(document, dict):
        raise errors.SettingsError(f"{origin}: not a mapping; write a chain definition")
    definition = chain_definition.parse(document, origin)
    if definition.name != args.file.stem:
        raise errors.SettingsError(
            f"{origin}: name {definition.name!r} differs from the file name; make them equal"
        )
    unchecked = []
    if definition.genesis.published.url is not None:
        unchecked.append("genesis, which is published at a URL")
    else:
        loaded = await stack_file.attach_one(args.file.parent, definition)
        if loaded.problem and not loaded.is_awaited:
            raise errors.SettingsError(f"{origin}: {loaded.problem}")
    value = {"definition": definition.name, "ok": True, "unchecked": unchecked}
    lines = [
        f"definition {definition.name} is valid",
        *(f"  not checked offline: {one}" for one in unchecked),
    ]
    return output.emit(args, value, lines)


def import_chain(args: arguments.Import) -> int:
    """Make a draft of a definition and return the exit code."""
    return asyncio.run(_import(args))


def check(args: arguments.Check) -> int:
    """Check the file of a definition and return the exit code."""
    return asyncio.run(_check(args))
