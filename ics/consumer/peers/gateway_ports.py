"""Former ports of chains on the shared LoadBalancer, which stay open during a grace period; pure.

The deletion or launch of another chain may change a chain's port. Peers dial the old port until they learn
the new one, so both lead to the node for a while. The time of the change is recorded on the Service itself,
so that the record is deleted with the object it describes.
"""

import datetime
import json
from collections.abc import Mapping

from ics import model, names
from ics.cosmos import times


def open_ports(
    recorded: Mapping[str, model.OpenPorts],
    wanted: Mapping[str, int],
    used: frozenset[str],
    now: datetime.datetime,
    grace: datetime.timedelta,
) -> dict[str, model.OpenPorts]:
    """Return the ports that should be open, by consumer id.

    Args:
        recorded: ports opened by earlier passes.
        wanted: the current port of each chain.
        used: chains with a running node; former ports of others were never dialled.
        now: the provider's block time.
        grace: time for which a former port stays open.
    """
    former: dict[str, list[model.FormerPort]] = {}
    for consumer_id, port in wanted.items():
        previous = recorded.get(consumer_id)
        former[consumer_id] = [] if previous is None else list(previous.former)
        if previous is not None and previous.port != port and consumer_id in used:
            former[consumer_id].insert(0, model.FormerPort(previous.port, now))
    taken = set(wanted.values())
    kept: dict[str, list[model.FormerPort]] = {consumer_id: [] for consumer_id in wanted}
    # If two chains left the same port, the one that left it last keeps it.
    ordered = [(consumer_id, port_left) for consumer_id, several in former.items() for port_left in several]
    for consumer_id, port_left in sorted(ordered, key=lambda item: item[1].since, reverse=True):
        if port_left.port not in taken and now < port_left.since + grace:
            taken.add(port_left.port)
            kept[consumer_id].append(port_left)
    return {
        consumer_id: model.OpenPorts(port, tuple(kept[consumer_id])) for consumer_id, port in wanted.items()
    }


def service_ports(consumer_id: str, open_ports: model.OpenPorts) -> list[tuple[str, int]]:
    """Return the name and number of each port of one chain on the Service."""
    return [
        (names.port_name(consumer_id), open_ports.port),
        *((names.port_name(consumer_id, port.port), port.port) for port in open_ports.former),
    ]


def to_annotation(open_ports: Mapping[str, model.OpenPorts]) -> str:
    """Return the record as the text of an annotation."""
    rows = {
        consumer_id: [ports.port, *([former.port, former.since.isoformat()] for former in ports.former)]
        for consumer_id, ports in open_ports.items()
    }
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def from_annotation(text: str) -> dict[str, model.OpenPorts]:
    """Parse the record from an annotation.

    Raises:
        ValueError, TypeError: the text is not a valid record.
    """
    rows = json.loads(text)
    if not isinstance(rows, dict):
        raise ValueError(f"{text} is not a table of chains")
    return {
        str(consumer_id): model.OpenPorts(
            int(port),
            tuple(model.FormerPort(int(port_left), times.parse_time(since)) for port_left, since in former),
        )
        for consumer_id, (port, *former) in rows.items()
    }
