"""`ics events`: Kubernetes Events that passes wrote about chains and the validator."""

import asyncio
from collections.abc import Iterable
from typing import Any

from ics.cli import command, options, output, terminal
from ics.cli.arguments import events
from ics.cluster import events as cluster_events
from ics.reconciler import wiring

_LOOK_EVERY = 2.0
"""Seconds between two lists with `--watch`."""


async def _events(args: events.Events, stack: wiring.OpenStack) -> int:
    shown: set[cluster_events.RecordedEvent] = set()
    while True:
        found = [
            event
            for event in await stack.events.read()
            if args.consumer_id in (None, event.consumer_id) and event not in shown
        ]
        if not args.watch:
            return output.emit(args, [as_dict(event) for event in found], table(found, _width(args)))
        if found:
            _write(args, found, is_first=not shown)
        shown.update(found)
        await asyncio.sleep(_LOOK_EVERY)


def _width(args: events.Events) -> int | None:
    return None if args.format is command.Format.WIDE else terminal.width()


def _write(args: events.Events, found: Iterable[cluster_events.RecordedEvent], *, is_first: bool) -> None:
    if args.is_data:
        for event in found:
            terminal.write_json(output.dump_line(as_dict(event)))
    else:
        terminal.write(*table(list(found), _width(args))[0 if is_first else 1 :])


def table(found: list[cluster_events.RecordedEvent], width: int | None = None) -> list[str]:
    """Return Events as a table, the latest last, whose messages are cut to a width."""
    columns = ("TIME", "ID", "TYPE", "REASON", "COUNT", "MESSAGE")
    rows = [
        (
            event.seen.strftime("%Y-%m-%dT%H:%M:%SZ"),
            event.consumer_id or "-",
            event.type,
            event.reason,
            event.count,
            event.note,
        )
        for event in found
    ]
    lines = output.table(columns, rows)
    return [line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def as_dict(event: cluster_events.RecordedEvent) -> dict[str, Any]:
    """Return an Event as JSON of a stable shape."""
    return {
        "time": event.seen.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "count": event.count,
        "type": event.type,
        "reason": event.reason,
        "consumer_id": event.consumer_id or None,
        "object": event.object,
        "message": event.note,
    }


run = options.on_stack(_events)
