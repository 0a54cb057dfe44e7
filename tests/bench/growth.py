"""How the pure work of a pass grows from 10 to 1,000 chains; run by `make bench`.

Half of the chains are launched and run here. Times are CPU seconds, the best of several runs, and what counts
are the ratios to the row of 10 chains, for the machines are noisy.
"""

import functools
import time
from collections.abc import Callable

from ics import manifests, model
from ics.consumer import desired, observed
from ics.engines.applyset import members
from tests.unit import factories

SIZES = (10, 100, 1000)
RUNS = 3


def scene(count: int) -> observed.Observed:
    """A provider with so many chains, the even ones launched and run by alice."""
    consumers, remembered = [], {}
    for number in range(count):
        consumer_id, chain_id = str(number), f"consumer{number}-1"
        is_launched = number % 2 == 0
        detail = (
            factories.joined("alice", "bob", consumer_id=consumer_id) if is_launched else factories.detail()
        )
        phase = model.Phase.LAUNCHED if is_launched else model.Phase.INITIALIZED
        consumers.append(factories.consumer(phase, detail, consumer_id, chain_id))
        if is_launched:
            place = factories.place(namespace=f"ns-{number}")
            key = factories.key_of(place, consumer_id=consumer_id)
            remembered[consumer_id] = observed.ChainMemory(
                namespace=place.namespace,
                genesis=factories.GENESIS,
                records=(factories.record(key, at=place, volume="uid"),),
                volume_uid="uid",
                has_workload=True,
                workload_place=place.place_id,
            )
    return factories.observation(
        snapshot=factories.snapshot(*consumers), memory=factories.memories(remembered)
    )


def best(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of several runs."""
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    """Print the table."""
    settings, seed, definitions = factories.settings(), factories.seed("alice"), [factories.example()]
    first: tuple[float, float] | None = None
    print(f"{'chains':>8}{'objects':>9}{'desire':>10}{'ratio':>8}{'render':>10}{'ratio':>8}")
    for size in SIZES:
        observed = scene(size)
        wanted = desired.compute(observed, settings, seed, definitions)
        set_id = members.set_id("alice", "provider")
        objects = len(manifests.render(wanted, set_id))
        desire = best(functools.partial(desired.compute, observed, settings, seed, definitions))
        render = best(functools.partial(manifests.render, wanted, set_id))
        first = first or (desire, render)
        print(
            f"{size:>8}{objects:>9}{desire:>9.3f}s{desire / first[0]:>8.1f}{render:>9.3f}s{render / first[1]:>8.1f}"
        )


if __name__ == "__main__":
    main()
