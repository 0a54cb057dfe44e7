"""`ics logs`: what the pods of a chain log, through the cluster's API."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ics import errors, names
from ics.cli import options, output, terminal
from ics.cli.arguments import logs
from ics.cluster.api import client, kinds, requests
from ics.reconciler import wiring

_PROVIDER = "provider"
_SIZE = 1 << 20
"""Most bytes that are read at once."""
_LOOK_EVERY = 2.0
"""Seconds between two looks with `--follow`."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A container whose log is read."""

    namespace: str
    pod: str
    container: str


async def _logs(args: logs.Logs, stack: wiring.OpenStack) -> int:
    labels = {names.VALIDATOR: stack.world.settings.validator}
    if args.consumer_id == _PROVIDER:
        labels |= {names.COMPONENT: names.PROVIDER_NODE}
    else:
        labels |= {names.CONSUMER: args.consumer_id, names.COMPONENT: args.component.value}
    pods = await stack.kube.select(kinds.POD, labels)
    sources = [_source(args, pod) for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))]
    if not sources:
        raise errors.SettingsError(
            f"consumer id {args.consumer_id!r}: no pod of its {args.component} here; see `ics status`"
        )
    if args.follow:
        await asyncio.gather(*(_follow(args, stack.kube, source, len(sources) > 1) for source in sources))
        return 0
    found = [await _read(stack.kube, source, args.tail) for source in sources]
    value = [
        {"namespace": one.namespace, "pod": one.pod, "container": one.container, "lines": lines}
        for one, lines in zip(sources, found, strict=True)
    ]
    shown = [
        _shown(source, line, len(sources) > 1)
        for source, lines in zip(sources, found, strict=True)
        for line in lines
    ]
    return output.emit(args, value, shown)


def _source(args: logs.Logs, pod: dict[str, object]) -> _Source:
    """Return the container of a pod that is asked for.

    Raises:
        SettingsError: it has none of that name.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if not (isinstance(metadata, dict) and isinstance(spec, dict)):
        raise errors.Permanent("pod: the cluster describes it in an unknown way")
    containers = [str(one["name"]) for one in spec["containers"]]
    if args.container and args.container not in containers:
        raise errors.SettingsError(
            f"--container {args.container!r}: pod {metadata['name']} has {', '.join(containers)}"
        )
    return _Source(str(metadata["namespace"]), str(metadata["name"]), args.container or containers[0])


async def _read(kube: client.KubeClient, source: _Source, lines: int) -> list[str]:
    request = requests.log(source.namespace, source.pod, source.container, lines, _SIZE)
    # At line feeds alone: no other character of a text begins a line of the log.
    return [line for line in (await kube.text(request)).split("\n") if line]


async def _follow(args: logs.Logs, kube: client.KubeClient, source: _Source, is_named: bool) -> None:
    """Write what is new, look after look."""
    last: tuple[str, str] = ("", "")
    lines = args.tail
    while True:
        fresh = newer(await _read(kube, source, lines), last)
        for line in fresh:
            if args.is_data:
                terminal.write_json(output.dump_line({"pod": source.pod, "line": line}))
            else:
                terminal.write(_shown(source, line, is_named))
        last = _moment(fresh[-1]) if fresh else last
        lines = logs.MOST
        await asyncio.sleep(_LOOK_EVERY)


def newer(lines: Sequence[str], last: tuple[str, str]) -> list[str]:
    """Return the lines of a log that are later than a moment of `_moment`."""
    return [line for line in lines if _moment(line) > last]


def _moment(line: str) -> tuple[str, str]:
    """Return the time before a line, so that two of them compare: seconds, and their fraction in nine digits."""
    seconds, _, fraction = line.partition(" ")[0].removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def _shown(source: _Source, line: str, is_named: bool) -> str:
    return f"{source.pod}  {line}" if is_named else line


run = options.on_stack(_logs)
