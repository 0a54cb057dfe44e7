"""Whole passes over 10, 100 and 1,000 chains, half of them launched, of 180 validators; run by `make bench`.

The provider is simulated, in a process of its own; the API server and its etcd are real; there is no kubelet,
so no node answers and no relayer is asked for. Each pass is a process of its own, as cron makes it. What counts
is how each row grows from the first: the seconds are of a noisy machine. It takes 23 minutes on two cores that
have as much else to do, most of them for the cold pass over 1,000 chains.
"""

import asyncio
import compileall
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from typing import Any

from ics import model, names
from ics.cluster import sign_state
from ics.cluster.api import connect, kinds
from ics.config import settings
from tests import documents
from tests.cluster import apiserver, jobs

SIZES = (10, 100, 1000)
COLUMNS = ("seconds", "cpu", "queries", "requests", "writes", "memory")
HEADER = f"{'chains':>7}  {'pass':<10}" + "".join(f"{name:>10}{'x':>7}" for name in COLUMNS)


@contextlib.contextmanager
def simulated(chains: int, ours: int | None = None) -> Iterator[str]:
    """A simulated provider; its URL.

    What is measured starts as an installed package does, whose modules pip has compiled.
    """
    for package in ("ics", "tests"):
        compileall.compile_dir(documents.ROOT / package, quiet=1)
    argv = [sys.executable, "-m", "tests.simulator.server", str(chains), *([str(ours)] if ours else [])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def order(url: str, path: str) -> None:
    """Tell the simulated chain what to do."""
    with urllib.request.urlopen(urllib.request.Request(url + path, method="POST")):  # noqa: S310
        pass


def asked(url: str) -> int:
    """How many questions the simulated provider had so far."""
    with urllib.request.urlopen(f"{url}/asked") as answer:  # noqa: S310
        return int(answer.read())


def one_pass(url: str, kubeconfig: pathlib.Path) -> dict[str, Any]:
    """Make one pass over a new block in a process of its own, and measure it."""
    order(url, "/block")
    before = asked(url)
    argv = [sys.executable, "-m", "tests.bench.one_pass", url, str(kubeconfig)]
    found: dict[str, Any] = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    return {**found, "queries": asked(url) - before}


async def end_jobs(kubeconfig: pathlib.Path) -> None:
    """Let every Job be done, as if a node had run its pod: those that lay the signing memories."""
    async with connect.open_client(
        settings.ClusterSettings(kubeconfig=str(kubeconfig)), pathlib.Path(), {}
    ) as kube:
        for job in await kube.select(kinds.JOB, {}):
            if sign_state.job_state(job) is model.JobState.RUNNING:
                at = job["metadata"]
                await jobs.finish(kube, at["namespace"], at["name"], jobs.DONE)


async def places(kubeconfig: pathlib.Path) -> list[tuple[str, str]]:
    """Consumer id and place id of each key on record."""
    async with connect.open_client(
        settings.ClusterSettings(kubeconfig=str(kubeconfig)), pathlib.Path(), {}
    ) as kube:
        found = await kube.select(kinds.SECRET, {names.COMPONENT: names.CONSENSUS_KEY})
        notes = [(one["metadata"]["labels"], one["metadata"]["annotations"]) for one in found]
        return [(labels[names.CONSUMER], annotations[names.PLACE_ID]) for labels, annotations in notes]


@contextlib.contextmanager
def scene(size: int) -> Iterator[tuple[str, pathlib.Path]]:
    """A provider with so many chains, and an empty cluster: the provider's URL, and the admin's kubeconfig."""
    programs = apiserver.programs()
    if programs is None:
        raise SystemExit("etcd and kube-apiserver are not there: run `python -m devnet build` first")
    with (
        tempfile.TemporaryDirectory(prefix="ics-bench-") as folder,
        apiserver.running(pathlib.Path(folder), *programs, ["admin"]) as server,
        simulated(size) as url,
    ):
        yield url, server.kubeconfig("admin")


def settle(url: str, kubeconfig: pathlib.Path) -> None:
    """Make passes after the first one until nothing is left to do."""
    # No transaction is sent here, so the chain is told which keys were staged.
    for consumer_id, place_id in asyncio.run(places(kubeconfig)):
        order(url, f"/assign/{consumer_id}/{place_id}")
    # The volumes that the first pass made are on record after the next ones.
    while one_pass(url, kubeconfig)["writes"]:
        asyncio.run(end_jobs(kubeconfig))


def rows(size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The three passes: into an empty cluster, without a change, and with one more launch."""
    with scene(size) as (url, kubeconfig):
        yield "cold", one_pass(url, kubeconfig)
        settle(url, kubeconfig)
        yield "unchanged", one_pass(url, kubeconfig)
        order(url, "/launch/1")
        yield "one more", one_pass(url, kubeconfig)


def main() -> None:
    """Print the table."""
    first: dict[str, dict[str, Any]] = {}
    print(HEADER)
    for size in SIZES:
        for name, row in rows(size):
            base = first.setdefault(name, row)
            cells = (
                f"{row[column]:>10.{0 if isinstance(row[column], int) else 2}f}{_ratio(row, base, column):>7}"
                for column in COLUMNS
            )
            print(f"{size:>7}  {name:<10}" + "".join(cells), flush=True)


def _ratio(row: dict[str, Any], base: dict[str, Any], column: str) -> str:
    return f"{row[column] / base[column]:.1f}" if base[column] else "-"


if __name__ == "__main__":
    main()
