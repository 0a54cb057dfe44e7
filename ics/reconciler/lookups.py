"""Lookups of host names, with a deadline for all of them and a short memory.

The names are looked up from where this program runs. In the cluster that is what the nodes see, too; names that may be
known only there are not looked up at all, see `ics.consumer.peers.seeds`.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping

from ics.cluster.recent_answers import RecentAnswers

_DEADLINE = 2.0
"""Seconds for all lookups of a pass; a quarter of it while a node waits to be started."""
_FRESH = 60.0
"""Seconds for which an answer is not asked for again."""


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


class Lookups:
    """Lookups of one process."""

    def __init__(
        self,
        has_address: Callable[[str], bool] = _has_address,
        monotonic: Callable[[], float] = time.monotonic,
        deadline: float = _DEADLINE,
    ) -> None:
        """Initialize without looking anything up.

        Args:
            has_address: whether a host name has an address; it may block.
            monotonic: returns the seconds of a monotonic clock.
            deadline: seconds for all lookups of one call; a quarter of it if nodes are due.
        """
        self._has_address = has_address
        self._monotonic = monotonic
        self._deadline = deadline
        self._known = RecentAnswers[str, bool](_FRESH)

    async def unresolved(self, hosts: Mapping[str, bool]) -> frozenset[str]:
        """Return the host names without an address; one whose lookup does not end in time counts as such.

        Args:
            hosts: by name, whether an earlier answer of any age will do, because a node is due.
        """
        now = self._monotonic()
        open_hosts = (host for host, is_due in sorted(hosts.items()) if not (is_due and host in self._known))
        due = self._known.due(open_hosts, now)
        if due:
            asked = {host: asyncio.ensure_future(self._ask(host)) for host in due}
            is_urgent = all(hosts[host] for host in due)
            deadline = self._deadline / 4 if is_urgent else self._deadline
            await asyncio.wait(asked.values(), timeout=deadline)
            self._known.keep({host: task.done() and task.result() for host, task in asked.items()}, now)
            for task in asked.values():
                task.cancel()
        return frozenset(host for host in hosts if not self._known[host])

    async def _ask(self, host: str) -> bool:
        """Ask in a thread that does not keep the process from ending: a lookup cannot be cancelled."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def settle(found: bool) -> None:
            if not answer.done():
                answer.set_result(found)

        def ask() -> None:
            found = self._has_address(host)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=ask, name=f"lookup of {host}", daemon=True).start()
        return await answer
