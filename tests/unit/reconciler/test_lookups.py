"""Lookups of host names."""

import threading

from ics.reconciler import lookups


async def test_answers_are_kept_for_a_minute_and_for_a_node_that_is_due_for_longer() -> None:
    asked: list[str] = []
    clock = [0.0]

    def has_address(host: str) -> bool:
        asked.append(host)
        return host == "fine.example.com"

    found = lookups.Lookups(has_address, lambda: clock[0])
    hosts = {"fine.example.com": False, "gone.example.com": False}
    assert await found.unresolved(hosts) == {"gone.example.com"}
    assert await found.unresolved(hosts) == {"gone.example.com"}
    assert sorted(asked) == sorted(hosts)
    clock[0] = 3600.0
    assert await found.unresolved(dict.fromkeys(hosts, True)) == {"gone.example.com"}
    assert len(asked) == 2
    await found.unresolved(hosts)
    assert len(asked) == 4


async def test_lookup_that_hangs_ends_at_the_deadline() -> None:
    hanging = threading.Event()
    try:
        found = lookups.Lookups(lambda host: hanging.wait(), deadline=0.01)
        assert await found.unresolved({"slow.example.com": False}) == {"slow.example.com"}
    finally:
        hanging.set()
