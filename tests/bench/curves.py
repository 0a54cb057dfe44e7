"""How our work grows with the number of chains, with floor and rival beside it; run by `make bench`.

    python -m tests.bench.curves [FOLDER]           # by default bench/
    python -m tests.bench.curves docs/bench --readme

Prints one table and what of it is to be reached, and draws one plot for each curve into the folder (PNG and SVG), if
matplotlib is installed. With `--readme`, the table in README.md becomes that of this run. All figures of one row come
from the same minutes of the same machine, so that their ratios count and not the seconds. It takes five minutes on two
cores that have nothing else to do.

* `first convergence`: half of the chains run, half are staged; see `tests.bench.bulk`. The floor is bare server-side
  apply.
* `unchanged pass, cron`: a process of its own for each pass, Python's start included; half of the chains are ours.
* `unchanged pass, daemon`: one process for all passes; each sees a new block.
* `one launch, daemon`: the pass that the event of a launch triggers, less an unchanged one; ten of the chains are ours.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench import bulk, passes, readme
from tests.cluster import apiserver

SIZES = (10, 30, 100)
AMONG = (10, 100, 1000)
ROUNDS = 3
_PASSES = 12
_SOURCE = "tests.bench.curves"
_OURS = 10
"""Chains that are ours among the others."""
FLOOR, OURS = "floor", "ours"
NAMES = (FLOOR, "kubectl", "pulumi", OURS)
FIRST, CRON, DAEMON, LAUNCH = (
    "first convergence",
    "unchanged pass, cron",
    "unchanged pass, daemon",
    "one launch, daemon",
)


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of one curve."""

    curve: str
    chains: int
    name: str
    """Who: `ours`, or the floor or rival beside it."""
    seconds: float
    cpu: float
    queries: int | None = None
    writes: int | None = None


def convergences(chains: int) -> Iterator[Point]:
    """Yield the first convergences."""
    found, _ = bulk.contest(chains, ROUNDS)
    for name, figures in found.items():
        seconds = statistics.median(figure.seconds for figure in figures)
        cpu = statistics.median(figure.cpu for figure in figures)
        yield Point(FIRST, chains, name, seconds, cpu)


@contextlib.contextmanager
def converged(chains: int, ours: int) -> Iterator[tuple[str, pathlib.Path]]:
    """Everything is done about these chains; yields the provider's URL and the path of a kubeconfig."""
    programs = apiserver.programs()
    if programs is None:
        raise SystemExit("etcd and kube-apiserver are not there: run `python -m devnet build` first")
    with (
        tempfile.TemporaryDirectory(prefix="ics-bench-") as folder,
        apiserver.running(pathlib.Path(folder), *programs, ["admin"]) as server,
        passes.simulated(chains, ours) as url,
    ):
        kubeconfig = server.kubeconfig("admin")
        passes.one_pass(url, kubeconfig)
        for consumer_id, place_id in asyncio.run(passes.places(kubeconfig)):
            passes.order(url, f"/assign/{consumer_id}/{place_id}")
        while passes.one_pass(url, kubeconfig)["writes"]:
            asyncio.run(passes.end_jobs(kubeconfig))
        yield url, kubeconfig


def unchanged(chains: int) -> Iterator[Point]:
    """Yield the passes without a change, once everything has converged."""
    with converged(chains, chains // 2) as (url, kubeconfig):
        yield _cron(chains, url, kubeconfig)
        yield _point(DAEMON, chains, _daemon(url, kubeconfig))


def launches(chains: int) -> Iterator[Point]:
    """Yield what a launch costs the daemon beyond an unchanged pass among as many chains."""
    staged = [str(number) for number in range(1, _OURS, 2)]
    with converged(chains, _OURS) as (url, kubeconfig):
        idle = _daemon(url, kubeconfig, *staged)
    more = {name: max(value - idle[name], 0) for name, value in idle["launch"].items()}
    yield _point(LAUNCH, chains, more)


def _daemon(url: str, kubeconfig: pathlib.Path, *launched: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.many_passes", url, str(kubeconfig), str(_PASSES), *launched]
    found: dict[str, Any] = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _point(curve: str, chains: int, found: dict[str, Any]) -> Point:
    return Point(
        curve, chains, OURS, found["seconds"], found["cpu"], int(found["queries"]), int(found["writes"])
    )


def _cron(chains: int, url: str, kubeconfig: pathlib.Path) -> Point:
    seconds, cpu, last = [], [], dict[str, Any]()
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), _children()
        last = passes.one_pass(url, kubeconfig)
        seconds.append(time.perf_counter() - began)
        cpu.append(_children() - used)
    costs = {"seconds": statistics.median(seconds), "cpu": statistics.median(cpu)}
    return _point(CRON, chains, {**last, **costs})


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


HEADER = (
    f"{'curve':<24}{'chains':>7}  {'':<8}{'seconds':>9}{'x floor':>9}{'CPU s':>8}{'queries':>9}{'writes':>8}"
)


def table(points: list[Point]) -> str:
    """Return the table."""
    floors = {(one.curve, one.chains): one.seconds for one in points if one.name == FLOOR}
    lines = [HEADER]
    for one in sorted(points, key=lambda point: (point.curve, point.chains, point.seconds)):
        floor = floors.get((one.curve, one.chains))
        cells = (
            f"{one.seconds:>9.2f}",
            f"{'-' if floor is None else format(one.seconds / floor, '.2f'):>9}",
            f"{one.cpu:>8.2f}",
            f"{'-' if one.queries is None else one.queries:>9}",
            f"{'-' if one.writes is None else one.writes:>8}",
        )
        lines.append(f"{one.curve:<24}{one.chains:>7}  {one.name:<8}" + "".join(cells))
    return "\n".join(lines)


def draw(points: list[Point], folder: pathlib.Path) -> list[pathlib.Path]:
    """Draw one plot for each curve, and return the files; none without matplotlib."""
    try:
        import matplotlib.figure
    except ImportError:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for curve in sorted({one.curve for one in points}):
        figure = matplotlib.figure.Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        for name in NAMES:
            line = sorted(
                (one.chains, one.seconds) for one in points if (one.curve, one.name) == (curve, name)
            )
            if line:
                axes.plot(*zip(*line, strict=True), marker="o", label=name)
        axes.set(title=curve, xlabel="chains", ylabel="seconds", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
        for kind in ("png", "svg"):
            files.append(folder / f"{curve.replace(', ', '-').replace(' ', '-')}.{kind}")
            figure.savefig(files[-1], metadata={"Date": None} if kind == "svg" else None)
    return files


def goals(points: list[Point]) -> Iterator[readme.Goal]:
    """Yield what is to be reached: text, figure and its limit."""
    by_name = {(one.curve, one.chains, one.name): one for one in points}
    most = max(SIZES)
    first, floor = by_name[FIRST, most, OURS], by_name[FIRST, most, FLOOR]
    yield f"{most} chains, first convergence: x floor", first.seconds / floor.seconds, 1.3
    rival = by_name.get((FIRST, most, "kubectl"))
    if rival is not None:
        yield f"{most} chains, first convergence: x kubectl", first.seconds / rival.seconds, 1.0
    cron, daemon = by_name[CRON, most, OURS], by_name[DAEMON, most, OURS]
    yield f"{most} chains, unchanged, cron: queries", cron.queries or 0, 170
    yield f"{most} chains, unchanged, cron: seconds of the whole process", cron.seconds, 1.0
    yield "10 chains, unchanged, cron: seconds of the whole process", by_name[CRON, 10, OURS].seconds, 0.5
    yield f"{most} chains, unchanged, daemon: queries", daemon.queries or 0, 12
    yield f"{most} chains, unchanged, daemon: CPU seconds", daemon.cpu, 0.06
    yield f"{most} chains, unchanged, daemon: seconds (p50)", daemon.seconds, 0.15
    yield f"{most} chains, unchanged, daemon: writes", daemon.writes or 0, 0
    few, many = (by_name[LAUNCH, size, OURS] for size in (min(AMONG), max(AMONG)))
    yield f"one launch among {many.chains} chains: x that among {few.chains}", many.seconds / few.seconds, 1.5


def main() -> None:
    """Print the table and draw the plots."""
    arguments = [one for one in sys.argv[1:] if one != readme.FLAG]
    folder = pathlib.Path(arguments[0] if arguments else "bench")
    points: list[Point] = []
    for source, sizes in ((convergences, SIZES), (unchanged, SIZES), (launches, AMONG)):
        for size in sizes:
            points += source(size)
            print(f"{source.__name__} of {size}: done, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(table(points))
    if readme.FLAG in sys.argv:
        path = pathlib.Path("README.md")
        path.write_text(readme.with_table(path.read_text(), table(points), _SOURCE))
    print("\nto reach, by the medians above, on two cores that have nothing else to do:")
    print(readme.judged(goals(points)))
    files = draw(points, folder)
    print("\n".join(map(str, files)) or "no plots: matplotlib is not installed")


if __name__ == "__main__":
    main()
