"""`ics events`: Kubernetes Events that passes wrote about chains and the validator."""

import argparse
import asyncio
from collections.abc import Iterable
from typing import Any

from ics.cli import options, output, terminal
from ics.cluster import events as cluster_events
from ics.reconciler import wiring

_LOOK_EVERY = 2.0
"""Seconds between two lists with `--watch`."""


def register(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments and set `run`, which takes them and returns an exit code."""
    options.add_stack(parser)
    text = "Only Events of this chain (default: of all, and of the validator)."
    parser.add_argument("consumer_id", metavar="CONSUMER_ID", nargs="?", help=text)
    text = "Go on with every new Event, until Ctrl-C."
    parser.add_argument("--watch", "-w", action="store_true", help=text)
    parser.set_defaults(run=options.on_stack(_events))


async def _events(args: argparse.Namespace, stack: wiring.OpenStack) -> int:
    shown: set[cluster_events.RecordedEvent] = set()
    while True:
        found = [
            event
            for event in await stack.events.read()
            if args.consumer_id in (None, event.consumer_id) and event not in shown
        ]
        if not args.watch:
            return output.emit(args, [_row(event) for event in found], table(found))
        if found:
            _write(args, found, is_first=not shown)
        shown.update(found)
        await asyncio.sleep(_LOOK_EVERY)


def _write(
    args: argparse.Namespace, found: Iterable[cluster_events.RecordedEvent], *, is_first: bool
) -> None:
    if args.json:
        for event in found:
            terminal.write_json(output.dump_line(_row(event)))
    else:
        terminal.write(*table(list(found))[0 if is_first else 1 :])


def table(found: list[cluster_events.RecordedEvent]) -> list[str]:
    """Return Events as a table, the latest last."""
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
    return output.table(columns, rows)


def _row(event: cluster_events.RecordedEvent) -> dict[str, Any]:
    return {
        "time": event.seen.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "count": event.count,
        "type": event.type,
        "reason": event.reason,
        "consumer_id": event.consumer_id or None,
        "object": event.object,
        "message": event.note,
    }
