"""Ports of the shared LoadBalancer that a chain has moved away from, and that stay open for a while; pure.

A deletion or a launch elsewhere may move a chain's port. Peers dial the old one until they have been told of
the new one, so both lead to the node for a grace time. When it moved is recorded on the Service itself:
what is remembered lives and dies with what it is about.
"""

import datetime
import json
from collections.abc import Mapping

from ics import model, names


def open_ports(
    recorded: Mapping[str, model.OpenPorts],
    wanted: Mapping[str, int],
    used: frozenset[str],
    now: datetime.datetime,
    grace: datetime.timedelta,
) -> dict[str, model.OpenPorts]:
    """The ports that are to be open, by consumer id.

    Args:
        recorded: what earlier passes had open.
        wanted: the present port of each chain.
        used: chains whose node runs: the old port of another was dialled by nobody.
        now: by the clock of the provider.
        grace: how long a former port stays open.
    """
    former: dict[str, list[model.FormerPort]] = {}
    for consumer_id, port in wanted.items():
        known = recorded.get(consumer_id)
        former[consumer_id] = [] if known is None else list(known.former)
        if known is not None and known.port != port and consumer_id in used:
            former[consumer_id].insert(0, model.FormerPort(known.port, now))
    taken = set(wanted.values())
    kept: dict[str, list[model.FormerPort]] = {consumer_id: [] for consumer_id in wanted}
    # Of two chains that left the same port the one that left it last keeps it.
    ordered = [(consumer_id, one) for consumer_id, several in former.items() for one in several]
    for consumer_id, one in sorted(ordered, key=lambda item: item[1].since, reverse=True):
        if one.port not in taken and now < one.since + grace:
            taken.add(one.port)
            kept[consumer_id].append(one)
    return {
        consumer_id: model.OpenPorts(port, tuple(kept[consumer_id])) for consumer_id, port in wanted.items()
    }


def named(consumer_id: str, opened: model.OpenPorts) -> list[tuple[str, int]]:
    """Name and number of each port of one chain on the Service."""
    return [
        (names.port_name(consumer_id), opened.port),
        *((names.port_name(consumer_id, one.port), one.port) for one in opened.former),
    ]


def written(opened: Mapping[str, model.OpenPorts]) -> str:
    """The record, as text of an annotation."""
    rows = {
        consumer_id: [one.port, *([former.port, former.since.isoformat()] for former in one.former)]
        for consumer_id, one in opened.items()
    }
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def read(text: str) -> dict[str, model.OpenPorts]:
    """The record in an annotation.

    Raises:
        ValueError, TypeError: it is not what was written.
    """
    rows = json.loads(text)
    if not isinstance(rows, dict):
        raise ValueError(f"{text} is no table of chains")
    return {
        str(consumer_id): model.OpenPorts(
            int(port), tuple(model.FormerPort(int(one), _moment(since)) for one, since in former)
        )
        for consumer_id, (port, *former) in rows.items()
    }


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
