"""How our work grows with the number of chains, with floor and rival beside it; run by `make bench`.

    python -m tests.bench.curves [FOLDER]

Prints one table, and draws one plot for each curve into the folder (PNG and SVG), if matplotlib is installed. All
figures of one row come from the same minutes of the same machine, so that their ratios count and not the seconds.

* `first convergence`: half of the chains run, half are staged; see `tests.bench.bulk`.
* `unchanged pass, cron`: a process of its own for each pass, Python's start included.
* `unchanged pass, daemon`: one process for all passes; each sees a new block.

In the passes, half of the chains are ours.
"""

import asyncio
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

from tests.bench import bulk, passes
from tests.cluster import apiserver

SIZES = (10, 30, 100)
ROUNDS = 3
_PASSES = 12
FLOOR, RIVAL, OURS = "bare", "kubectl", "ours"


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
        yield Point(
            "first convergence",
            chains,
            name,
            statistics.median(figure.seconds for figure in figures),
            statistics.median(figure.cpu for figure in figures),
        )


def unchanged(chains: int) -> Iterator[Point]:
    """Yield the passes without a change, once everything has converged."""
    programs = apiserver.programs()
    if programs is None:
        raise SystemExit("etcd and kube-apiserver are not there: run `python -m devnet build` first")
    with (
        tempfile.TemporaryDirectory(prefix="ics-bench-") as folder,
        apiserver.running(pathlib.Path(folder), *programs, ["admin"]) as server,
        passes.simulated(chains, chains // 2) as url,
    ):
        kubeconfig = server.kubeconfig("admin")
        passes.one_pass(url, kubeconfig)
        for consumer_id, place_id in asyncio.run(passes.places(kubeconfig)):
            passes.order(url, f"/assign/{consumer_id}/{place_id}")
        while passes.one_pass(url, kubeconfig)["writes"]:
            asyncio.run(passes.end_jobs(kubeconfig))
        yield _cron(chains, url, kubeconfig)
        argv = [sys.executable, "-m", "tests.bench.many_passes", url, str(kubeconfig), str(_PASSES)]
        found: dict[str, Any] = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
        yield Point(
            "unchanged pass, daemon",
            chains,
            OURS,
            found["seconds"],
            found["cpu"],
            found["queries"],
            found["writes"],
        )


def _cron(chains: int, url: str, kubeconfig: pathlib.Path) -> Point:
    seconds, cpu, last = [], [], dict[str, Any]()
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), _children()
        last = passes.one_pass(url, kubeconfig)
        seconds.append(time.perf_counter() - began)
        cpu.append(_children() - used)
    return Point(
        "unchanged pass, cron",
        chains,
        OURS,
        statistics.median(seconds),
        statistics.median(cpu),
        last["queries"],
        last["writes"],
    )


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
        for name in (FLOOR, RIVAL, OURS):
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


def main() -> None:
    """Print the table and draw the plots."""
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "bench")
    points: list[Point] = []
    for size in SIZES:
        for source in (convergences, unchanged):
            points += source(size)
            print(f"{size} chains: {source.__name__}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(table(points))
    files = draw(points, folder)
    print("\n".join(map(str, files)) or "no plots: matplotlib is not installed")


if __name__ == "__main__":
    main()
