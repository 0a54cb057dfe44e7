"""Several validators in one process: `ics watch --all` launches a chain for two of them, whatever befalls the third.

Their stacks extend one file. The third stack cannot be read at first, and then has an endpoint that does not answer.
About a minute and a half.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import psutil
import pytest
import yaml

from devnet import places
from ics.cluster.api import kinds
from tests import free_ports
from tests.network import chains, launch, launch_times, operators, projects, waiting

pytestmark = pytest.mark.soak

STACKS = ("alice", "bob", "charlie")
UNREADABLE = "config: [\n"
SHARED = "common.yaml"


class Fleet:
    """One `ics watch --all`."""

    def __init__(self, root: pathlib.Path, log: pathlib.Path, port: int) -> None:
        self.log = log
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
        words = ["watch", "--all", "--json", "--project", str(root), "--port", str(port)]
        self.process = started(log, *words, "--set", "relayer.enabled=false")

    def lines(self, stack: str | None = None) -> list[dict[str, Any]]:
        """What it said so far, of one stack if one is named; a traceback is a mistake of the product."""
        return [line for line in said(self.log) if stack in (None, line.get("stack"))]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer; 0 while there is none."""
        try:
            answer = self._http.get(path)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def stacks(self) -> dict[str, dict[str, Any]]:
        """Its stacks by name, as its JSON has them; empty while it does not answer."""
        status, text = self.get("/status.json")
        return {one["stack"]: one for one in json.loads(text)["stacks"]} if status == 200 else {}

    def chain(self, stack: str, consumer_id: str) -> dict[str, Any]:
        """The status of a stack's chain; empty when there is none."""
        status = self.stacks().get(stack, {}).get("status") or {}
        return next((one for one in status.get("chains", ()) if one["consumer_id"] == consumer_id), {})

    def acts(self, stack: str) -> bool:
        """Whether a stack's daemon is ready and acts."""
        status, text = self.get(f"/stacks/{stack}/readyz")
        return status == 200 and "acting" in text

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL, if it has not ended."""
        self._http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def started(log: pathlib.Path, *words: str) -> subprocess.Popen[bytes]:
    """An `ics` command that stays."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in operators.OWN}
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "ics.cli.__main__", *words],
            cwd=places.CHECKOUT,
            env=environment,
            stdout=out,
            stderr=out,
        )


def said(log: pathlib.Path) -> list[dict[str, Any]]:
    """The whole lines of a log; the last one may still be written."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


@contextlib.contextmanager
def running(root: pathlib.Path, log: pathlib.Path, port: int) -> Iterator[Fleet]:
    """A fleet for as long as the context lasts, or until it is stopped before."""
    fleet = Fleet(root, log, port)
    try:
        yield fleet
    finally:
        fleet.kill()


def share(root: pathlib.Path) -> dict[str, str]:
    """Let all stacks extend one file, which has what they have in common; answers their own files' contents."""
    paths = {name: root / "stacks" / f"Pulumi.{name}.yaml" for name in STACKS}
    whole = {name: yaml.safe_load(path.read_text())["config"] for name, path in paths.items()}
    common = in_common(list(whole.values()))
    (root / "stacks" / SHARED).write_text(yaml.safe_dump({"config": common}))
    texts = {}
    for name, path in paths.items():
        own = {"ics:extends": SHARED, **without(whole[name], common)}
        texts[name] = yaml.safe_dump({"config": own})
        path.write_text(texts[name])
    return texts


def in_common(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What tables have in common, in tables within them, too."""
    first, *others = tables
    found: dict[str, Any] = {}
    for key, value in first.items():
        rest = [other.get(key) for other in others]
        if all(one == value for one in rest):
            found[key] = value
        elif isinstance(value, dict) and all(isinstance(one, dict) for one in rest):
            inner = in_common([value, *(one for one in rest if isinstance(one, dict))])
            found |= {key: inner} if inner else {}
    return found


def without(table: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """A table without what is in common."""
    return {
        key: without(value, common[key]) if key in common else value
        for key, value in table.items()
        if common.get(key) != value
    }


def holder(operator: operators.Operator) -> str:
    """Who holds an operator's Lease; empty: nobody."""
    lease = operator.kube.get(kinds.LEASE, "provider", f"ics-{operator.name}")
    return str(lease["spec"].get("holderIdentity") or "")


def test_two_validators_act_in_one_process_beside_a_third_in_trouble(
    alice: operators.Operator, bob: operators.Operator, charlie: operators.Operator, tmp_path: pathlib.Path
) -> None:
    root, both, (port, nobody) = projects.project(tmp_path), (alice, bob), free_ports.take(2)
    texts, third = share(root), root / "stacks" / "Pulumi.charlie.yaml"
    assert "relayer" not in texts["alice"]
    third.write_text(UNREADABLE)
    with (
        launch_times.subscribed(alice.host.rpc) as seen_by_alice,
        launch_times.subscribed(bob.host.rpc) as seen_by_bob,
        running(root, tmp_path / "first.log", port) as fleet,
    ):
        consumer_id = launched(fleet, both)
        for operator, launches in ((alice, seen_by_alice), (bob, seen_by_bob)):
            accepted = launch_times.accepted(operator)[consumer_id] - launches[consumer_id]
            waiting.figure(f"launch block to {operator.name}'s genesis and StatefulSet", accepted)
        waiting.figure(
            "memory of the process", psutil.Process(fleet.process.pid).memory_info().rss / 1e6, "MB"
        )
        shows_both(fleet, consumer_id)
        a_second_watch_stands_by(fleet, alice, root, tmp_path / "second.log")

        # Its file is read again; what it says then is wrong in another way.
        third.write_text(texts["charlie"].replace(f"{charlie.host.rest}", f"http://127.0.0.1:{nobody}"))
        waiting.until(
            "the third stack is open, and its endpoint does not answer",
            lambda: fleet.get("/stacks/charlie/readyz"),
            lambda seen: seen[0] == 503 and f"127.0.0.1:{nobody}" in seen[1],
            seconds=120,
        )
        assert [fleet.get(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
        assert [fleet.acts(operator.name) for operator in both] == [True, True]
        pods = [pod_uid(operator, consumer_id) for operator in both]
        fleet.kill()

    third.write_text(texts["charlie"])
    with running(root, tmp_path / "again.log", port) as fleet:
        for name in STACKS:
            waiting.until(f"{name} acts again", lambda name=name: fleet.acts(name))  # type: ignore[misc]
        waiting.until(
            "both sign", lambda: [signs(fleet, one, consumer_id) for one in both], lambda seen: all(seen)
        )
        assert [pod_uid(operator, consumer_id) for operator in both] == pods
        assert [operator.joined().count(consumer_id) for operator in both] == [1, 1]
        chains.remove(consumer_id)
        waiting.until(
            "both nodes have ended",
            lambda: [operator.name for operator in both if pod_uid(operator, consumer_id)],
            lambda left: not left,
        )
        assert fleet.stop() == 0
        assert [holder(operator) for operator in (*both, charlie)] == ["", "", ""]
        assert fleet.lines()[-1]["message"] == "stopped; the Leases are returned"


def launched(fleet: Fleet, both: Sequence[operators.Operator]) -> str:
    """A chain that both stacks join, stage, start and sign on; answers its consumer id."""
    chain_id = chains.fresh("consumer6")
    consumer_id = chains.create(chain_id, launch.HOUR)
    for operator in both:
        waiting.until(
            f"{operator.name} has joined and staged it",
            lambda operator=operator: fleet.chain(operator.name, consumer_id),  # type: ignore[misc]
            lambda chain: (
                chain.get("participation") == "validating"
                and "Staged" in [one["reason"] for one in chain["conditions"]]
            ),
        )
    chains.move(consumer_id, chain_id, 3.0)
    waiting.until(
        "both sign", lambda: [signs(fleet, one, consumer_id) for one in both], lambda seen: all(seen)
    )
    return consumer_id


def signs(fleet: Fleet, operator: operators.Operator, consumer_id: str) -> bool:
    """Whether an operator's node signs, as the process says."""
    return bool((fleet.chain(operator.name, consumer_id).get("node") or {}).get("signing"))


def shows_both(fleet: Fleet, consumer_id: str) -> None:
    """One page, one JSON, one answer with metrics, and the third stack in trouble among them."""
    stacks = fleet.stacks()
    assert {name: bool(one["problem"]) for name, one in stacks.items()} == {
        "alice": False,
        "bob": False,
        "charlie": True,
    }
    assert "stacks/Pulumi.charlie.yaml" in stacks["charlie"]["problem"]
    _, page = fleet.get("/")
    assert 'href="/stacks/alice/"' in page
    assert 'href="/stacks/bob/"' in page
    assert "stacks/Pulumi.charlie.yaml" in page
    assert "not reached" in page
    _, metrics = fleet.get("/metrics")
    for name in ("alice", "bob"):
        (line,) = (
            line
            for line in metrics.split("\n")
            if line.startswith("ics_node_signing{")
            and f'validator="{name}"' in line
            and f'consumer_id="{consumer_id}"' in line
        )
        assert float(line.rpartition(" ")[2]) == 1
        assert chains.chain_id(consumer_id) in fleet.get(f"/stacks/{name}/chains/{consumer_id}")[1]
    assert fleet.get("/readyz")[0] == 200
    status, text = fleet.get("/healthz")
    alive = dict(line.split(": ", 1) for line in text.splitlines())
    assert (status, alive["alice"], alive["bob"]) == (200, "ok", "ok")
    assert "stacks/Pulumi.charlie.yaml" in alive["charlie"]


def a_second_watch_stands_by(
    fleet: Fleet, alice: operators.Operator, root: pathlib.Path, log: pathlib.Path
) -> None:
    """While the process acts, another one only looks; a command by hand gets the Lease, and gives it back."""
    before = holder(alice)
    assert f" pid {fleet.process.pid} " in before
    process = started(
        log, "watch", "--json", "--stack", "alice", "--project", str(root), "--set", "daemon.port=0"
    )
    try:
        waiting.until(
            "it stands by",
            lambda: [line.get("message", "") for line in said(log)],
            lambda seen: f"standby: {before} is acting for this validator" in seen,
        )
        assert holder(alice) == before
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert [line for line in said(log) if line.get("changes")] == []
    done = alice.ics("up", "--yes", "--set", "relayer.enabled=false", project=root)
    assert (done.code, done.json["changes"]) == (0, []), done.err
    waiting.until(
        "the process acts for alice again",
        lambda: (fleet.acts("alice"), holder(alice)),
        lambda seen: seen == (True, before),
    )


def pod_uid(operator: operators.Operator, consumer_id: str) -> str:
    """Of the node's pod of a chain; empty: there is none."""
    chain = operator.chain(consumer_id)
    pod = operator.kube.pod(chain["namespace"]) if chain.get("namespace") else None
    return "" if pod is None else str(pod["metadata"]["uid"])
