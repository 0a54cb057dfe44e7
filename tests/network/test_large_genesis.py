"""A chain whose genesis has 150 MB: it is prepared in the nodes' own pods, and launches."""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import yaml

from devnet import owner, places, plan, reconciler
from devnet.progress import Progress
from ics import names
from ics.cluster.api import kinds
from ics.cosmos import addresses, genesis, genesis_order
from tests.network import chains, launch, operators, projects, waiting

pytestmark = pytest.mark.soak

ACCOUNTS = 570_000
"""With a balance each, they take more than 150 MB, before and after the completion."""
LARGEST_PASS = 200.0
"""MiB that a pass of the reconciler may take at most."""
MEASURED = """\
import pathlib, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    sys.stderr.write(pathlib.Path("/proc/self/status").read_text())
"""
"""Runs a program, and prints how much memory it took; `wait4` would count that of the process that started it."""
LONGEST = 900.0
"""Seconds for a node to read such a genesis, on a machine that runs two of them and three clusters."""


def base(folder: pathlib.Path) -> pathlib.Path:
    """The example's base genesis with many accounts, and no other filling."""
    document = json.loads(chains.BASE.read_text())
    accounts = document["app_state"]["auth"]["accounts"]
    balances = document["app_state"]["bank"]["balances"]
    for number in range(ACCOUNTS):
        address = addresses.encode("consumer", hashlib.sha256(str(number).encode()).digest()[:20])
        accounts.append(
            {
                "@type": "/cosmos.auth.v1beta1.BaseAccount",
                "address": address,
                "pub_key": None,
                "account_number": "0",
                "sequence": "0",
            }
        )
        balances.append({"address": address, "coins": [{"denom": "stake", "amount": str(number + 1)}]})
    path = folder / "large.json"
    path.write_text(json.dumps(document))
    return path


@contextlib.contextmanager
def served(folder: pathlib.Path) -> Iterator[str]:
    """Serve a folder where the clusters reach it; yields the base URL."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer((plan.BRIDGE_ADDRESS, 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{plan.BRIDGE_ADDRESS}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def project(folder: pathlib.Path, chain_id: str, url: str, digest: str) -> pathlib.Path:
    """The network's stacks, with nodes of 4 GiB, and a definition of the chain alone."""
    root = projects.project(folder)
    rules = {"base": {"url": url, "sha256": digest, "large": True}, "fund": {"relayers": "100000000stake"}}
    # Go lets garbage grow to the limit that it knows of, and passes that one by a fifth in the first commit.
    environment = {"GOMEMLIMIT": "3000MiB", "GOGC": "50"}
    # The first commit keeps every new entry of the tree in memory, and of the fast index beside it another one.
    config = {"app.toml": {"iavl-disable-fastnode": True, "iavl-cache-size": 10_000}}
    projects.define(root, "large", {"chain_id": chain_id}, genesis=rules, env=environment, config=config)
    for name in launch.RUNNERS:
        path = root / "stacks" / f"Pulumi.{name}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"]["ics:node"] |= {
            "storage": "4Gi",
            "genesis_image": reconciler.IMAGE,
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "4Gi"}},
        }
        path.write_text(yaml.safe_dump(document))
    return root


def peak_of_a_pass(operator: operators.Operator, root: pathlib.Path) -> float:
    """MiB that one pass takes, in a process of its own."""
    program = [sys.executable, "-c", MEASURED, str(root / "reconcile.py"), "--stack", operator.name, "--once"]
    environment = {**os.environ, "PYTHONPATH": str(places.CHECKOUT)}
    done = subprocess.run(program, cwd=root, env=environment, text=True, capture_output=True, check=True)
    return int(done.stderr.rpartition("VmHWM:")[2].split()[0]) / 1024


def peak_of_the_node(operator: operators.Operator, namespace: str) -> float:
    """MiB that the node's process has taken since its start."""
    script = 'while read -r name value _; do [ "$name" != VmHWM: ] || echo "$value"; done < /proc/1/status'
    order = (
        "exec",
        "--namespace",
        namespace,
        names.NODE_POD,
        "--container",
        "node",
        "--",
        "sh",
        "-c",
        script,
    )
    return int(operator.kubectl(*order)) / 1024


def report(operator: operators.Operator, namespace: str) -> genesis_order.Report | None:
    """What the pod said when it had prepared the genesis."""
    found = operator.kube.find(kinds.CONFIG_MAP, namespace, names.GENESIS_NAME)
    notes = {} if found is None else found["metadata"]["annotations"]
    parsed = genesis_order.parse_report(notes.get(names.GENESIS_REPORT, ""))
    return parsed if isinstance(parsed, genesis_order.Report) else None


def test_chain_with_a_genesis_of_150_megabytes_launches(
    alice: operators.Operator, bob: operators.Operator, tmp_path: pathlib.Path
) -> None:
    runners = [alice, bob]
    file = base(tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    waiting.figure("the published base", file.stat().st_size / 1e6, "MB")
    assert file.stat().st_size >= 150e6
    for operator in runners:
        reconciler.deliver(operator.host, Progress())
    chain_id = chains.fresh("large")
    with served(tmp_path) as url:
        root = project(tmp_path, chain_id, f"{url}/{file.name}", digest)
        consumer_id = chains.create(chain_id, launch.HOUR, genesis_hash=digest)
        try:
            with operators.Cron(runners, project=root) as cron:
                for operator in runners:
                    waiting.until(
                        f"{operator.name} has joined",
                        lambda operator=operator: participation(operator, cron, consumer_id),  # type: ignore[misc]
                        lambda found: found == "validating",
                    )
                owner.update_consumer(consumer_id, chains.spec(chain_id, 2.0, genesis_hash=digest))
                waiting.until(
                    "it is launched", lambda: chains.phase(consumer_id), lambda phase: phase == "LAUNCHED"
                )
                homes = {one.name: launch.namespace_of(one, consumer_id) for one in runners}
                said = waiting.until(
                    "both pods have prepared the genesis",
                    lambda: [report(one, homes[one.name]) for one in runners],
                    all,
                    seconds=LONGEST,
                )
                waiting.until(
                    "height 5 is everywhere",
                    lambda: [height(one, cron, consumer_id) for one in runners],
                    lambda seen: min(seen) >= 5,
                    seconds=LONGEST,
                )
                for operator in runners:
                    figure = peak_of_the_node(operator, homes[operator.name])
                    waiting.figure(f"peak memory of the node of {operator.name}, of 4096", figure, "MiB")
            assert_reports([one for one in said if one is not None], file, consumer_id)
            for operator in runners:
                peak = peak_of_a_pass(operator, root)
                waiting.figure(f"peak memory of a pass of {operator.name}", peak, "MiB")
                assert peak < LARGEST_PASS
        finally:
            launch.end([consumer_id], runners, root)


def participation(operator: operators.Operator, cron: operators.Cron, consumer_id: str) -> str:
    status = cron.last(operator.name)
    return str(operator.chain(consumer_id, status).get("participation")) if status else ""


def height(operator: operators.Operator, cron: operators.Cron, consumer_id: str) -> int:
    status = cron.last(operator.name)
    node = operator.chain(consumer_id, status).get("node") if status else None
    return -1 if node is None or node["height"] is None else int(node["height"])


def assert_reports(said: list[genesis_order.Report], file: pathlib.Path, consumer_id: str) -> None:
    """Both pods have the same genesis, which funds their relayers, and which the whole document results in, too."""
    for one in said:
        waiting.figure("peak memory of the container that prepared it", one.peak / 1024, "MiB")
    assert len({(one.sha256, one.size, one.funded, one.genesis_time) for one in said}) == 1
    assert said[0].size >= 150e6
    assert int(said[0].funded, 16).bit_count() == 3
    ccv = genesis.unwrap_ccv(chains.ask(f"consumer_genesis/{consumer_id}"))
    assert said[0].genesis_time == genesis.launch_time(ccv)
    waiting.figure("the prepared genesis", said[0].size / 1e6, "MB")
