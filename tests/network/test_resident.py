"""A night without cron: a reconciler that stays, on a real provider chain of one node and a real API server.

Nothing runs in this cluster, so the story ends with what the API server was given; what runs in pods is told
in the other stories. About two minutes.
"""

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ics import names
from ics.cluster.api import kinds
from tests import documents
from tests.network import provider_node, stage, waiting

pytestmark = pytest.mark.network

FLAGS = ("--set", "relayer.enabled=false")
LATER = 3600.0
NEAR = 85.0
"""Seconds to a spawn time that is near enough for a look every five seconds, and far enough to join before."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Stage]:
    with stage.running(tmp_path_factory.mktemp("stage")) as found:
        yield found


@dataclass
class Watcher:
    """One `reconcile.py --watch`."""

    process: subprocess.Popen[bytes]
    log: pathlib.Path
    port: int

    def lines(self) -> list[dict[str, Any]]:
        """What it said so far; a traceback is a mistake of the product."""
        text = self.log.read_text()
        assert "Traceback" not in text, text
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def probe(self, path: str) -> tuple[int, str]:
        """Status and body of a probe; 0 while nothing answers."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5, trust_env=False)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def status(self, consumer_id: str) -> dict[str, Any]:
        """The chain's last status in the log; empty before the first."""
        found = [chain for line in self.lines() if "status" in line for chain in line["status"]["chains"]]
        mine = [chain for chain in found if chain["consumer_id"] == consumer_id]
        return mine[-1] if mine else {}

    def made(self, kind: str, consumer_id: str) -> dict[str, Any] | None:
        """The line of the pass that made the chain's object of this kind."""
        namespace = self.status(consumer_id).get("namespace")
        for line in self.lines():
            for change in line.get("changes", ()):
                if (change["action"], change["kind"], change["namespace"]) == ("create", kind, namespace):
                    return line
        return None

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, twice as from `timeout`, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def watching(place: stage.Stage, folder: pathlib.Path, name: str, *flags: str) -> Iterator[Watcher]:
    """A reconciler for as long as the context lasts, or until it is stopped before."""
    log, port = folder / f"{name}.log", provider_node.free_port()
    words = [str(documents.ROOT / "ics" / "cli" / "__main__.py"), "watch", "--json", "--stack", "alice"]
    words += ["--project", str(place.root), "--set", f"daemon.port={port}", *FLAGS, *flags]
    environment = {key: text for key, text in os.environ.items() if not key.startswith("ICS_")}
    environment["PYTHONPATH"] = str(documents.ROOT)
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *words], env=environment, stdout=out, stderr=out)
    try:
        yield Watcher(process, log, port)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def create(place: stage.Stage, chain_id: str, spawn_in: float = LATER) -> str:
    """A chain that alice has a definition of, launched in so many seconds."""
    return place.node.create_consumer(chain_id, ahead(spawn_in), genesis_hash=base_hash(place))


def bring_forward(place: stage.Stage, consumer_id: str, chain_id: str, spawn_in: float) -> None:
    """Launch it earlier, now that all is prepared: nobody waits for a time that was guessed."""
    place.node.move_spawn(consumer_id, chain_id, ahead(spawn_in), base_hash(place))


def base_hash(place: stage.Stage) -> bytes:
    return hashlib.sha256((place.root / "stacks/chains/ics-example.genesis.json").read_bytes()).digest()


def ahead(seconds: float) -> str:
    """A time from now on, RFC 3339."""
    spawn = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return spawn.isoformat().replace("+00:00", "Z")


def command(place: stage.Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """`ics …` by hand."""
    arguments = ["-m", "ics.cli.__main__", *words, "--stack", "alice", "--project", str(place.root), *FLAGS]
    environment = {key: text for key, text in os.environ.items() if not key.startswith("ICS_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=documents.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def lease(place: stage.Stage) -> dict[str, Any]:
    """The validator's Lease."""
    path = f"{kinds.LEASE.path('provider', 'ics-alice')}"
    answer = httpx.get(
        f"{place.server.url}{path}",
        headers={"Authorization": "Bearer admin"},
        verify=ssl.create_default_context(cafile=place.server.ca),
        trust_env=False,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def holder(place: stage.Stage) -> str:
    return str(lease(place)["spec"]["holderIdentity"])


def test_a_launch_is_noticed_at_its_block(place: stage.Stage, tmp_path: pathlib.Path) -> None:
    with watching(place, tmp_path, "alice") as alice:
        waiting.until("it is ready", lambda: alice.probe("/readyz"), lambda seen: seen[0] == 200)
        asked = subprocess.run(
            ["curl", "-s", f"http://localhost:{alice.port}/healthz"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout.splitlines()[0] == "ok"
        consumer_id = create(place, "consumer2-1")
        waiting.until(
            "it has opted in and staged",
            lambda: alice.status(consumer_id),
            lambda seen: seen.get("participation") == "validating",
        )
        bring_forward(place, consumer_id, "consumer2-1", 3.0)
        waiting.until("the node is there", lambda: alice.made("StatefulSet", consumer_id))
        metrics = alice.probe("/metrics")[1]
        page, as_json = alice.probe("/")[1], json.loads(alice.probe("/status.json")[1])
        assert "consumer2-1" in page
        assert as_json["role"] == "acting"
        assert "consumer2-1" in [chain["chain_id"] for chain in as_json["chains"]]
        planned = httpx.get(f"http://127.0.0.1:{alice.port}/?plan", timeout=120, trust_env=False).text
        assert "nothing was changed" in planned
        assert alice.stop() == 0

    made = alice.made("StatefulSet", consumer_id)
    assert made is not None
    assert "consumer_client_created" in made["woken"]
    assert {change["kind"] for change in made["changes"]} == {"ConfigMap", "StatefulSet"}
    assert 'ics_events_connected{validator="alice"} 1' in metrics
    wakeups = re.search(r'ics_wakeups_total\{reason="create_consumer",validator="alice"\} ([0-9.]+)', metrics)
    assert wakeups is not None
    assert float(wakeups[1]) > 0
    assert holder(place) == ""
    # What was acted upon is on record, for the next process on whatever host.
    chain_id, height, _ = lease(place)["metadata"]["annotations"][names.ACTED_HEIGHT].rsplit("@", 2)
    assert (chain_id, int(height) >= made["status"]["height"]) == (provider_node.CHAIN_ID, True)


class Cut:
    """An RPC address behind which everything works but the WebSocket."""

    def __init__(self, rpc: str) -> None:
        self._target = ("127.0.0.1", int(rpc.rpartition(":")[2]))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.refused = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        with contextlib.suppress(OSError), here:
            first = here.recv(65536)
            if b"/websocket" in first:
                self.refused += 1
                return
            with socket.create_connection(self._target) as there:
                there.sendall(first)
                back = threading.Thread(target=_copy, args=(there, here), daemon=True)
                back.start()
                _copy(here, there)
                back.join(5)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_with_the_websocket_cut_off_for_good_all_happens_only_later(
    place: stage.Stage, tmp_path: pathlib.Path
) -> None:
    cut = Cut(place.node.rpc)
    with watching(place, tmp_path, "cut", "--set", f"provider.rpc=[{cut.url}]") as alice:
        waiting.until("it is ready", lambda: alice.probe("/readyz"), lambda seen: seen[0] == 200)
        consumer_id = create(place, "consumer3-1", NEAR)
        waiting.until(
            "it has opted in and staged",
            lambda: alice.status(consumer_id),
            lambda seen: seen.get("participation") == "validating",
            seconds=NEAR,
        )
        bring_forward(place, consumer_id, "consumer3-1", 10.0)
        waiting.until(
            "it is launched", lambda: place.node.phase(consumer_id), lambda seen: seen == "LAUNCHED"
        )
        began = time.monotonic()
        waiting.until("the node is there", lambda: alice.made("StatefulSet", consumer_id))
        waiting.figure(
            "launch to StatefulSet by looking alone, after the phase was seen", time.monotonic() - began
        )
        metrics = alice.probe("/metrics")[1]
        assert alice.stop() == 0
    cut.close()

    assert cut.refused > 0
    assert 'ics_events_connected{validator="alice"} 0' in metrics
    woken = {reason for line in alice.lines() for reason in line.get("woken", ())}
    assert woken <= {"start", "lease", "pods"}


def test_one_acts_and_the_other_takes_over(place: stage.Stage, tmp_path: pathlib.Path) -> None:
    with watching(place, tmp_path, "first") as first, watching(place, tmp_path, "second") as second:

        def roles() -> list[str]:
            return [one.probe("/readyz")[1].splitlines()[-1].split(",")[0] for one in (first, second)]

        waiting.until(
            "both are ready",
            lambda: [one.probe("/readyz")[0] for one in (first, second)],
            lambda seen: seen == [200, 200],
        )
        found = waiting.until("one acts", roles, lambda seen: sorted(seen) == ["acting", "standby"])
        acting, standby = (first, second) if found[0] == "acting" else (second, first)
        consumer_id = create(place, "consumer4-1")
        waiting.until(
            "the acting one has opted in",
            lambda: acting.status(consumer_id),
            lambda seen: seen.get("participation") == "validating",
        )
        assert not [line for line in standby.lines() if line.get("changes") or line.get("transactions")]

        # A command by hand is let in, and then the same one goes on.
        by_hand = command(place, "opt-in", consumer_id)
        assert (by_hand.returncode, "already opted in" in by_hand.stdout) == (0, True), by_hand.stderr
        waiting.until("one acts again", roles, lambda seen: "acting" in seen)

        who = holder(place)
        acting, standby = (first, second) if f" pid {first.process.pid} " in who else (second, first)
        assert f" pid {acting.process.pid} " in who
        acting.kill()
        began = time.monotonic()
        waiting.until("the other acts", lambda: standby.probe("/readyz")[1], lambda seen: "acting" in seen)
        waiting.figure("killed with -9 to taken over", time.monotonic() - began)
        assert standby.stop() == 0
    assert holder(place) == ""


def test_probes_tell_when_the_provider_is_gone(place: stage.Stage, tmp_path: pathlib.Path) -> None:
    with watching(place, tmp_path, "lonely", "--set", "provider.rest=[http://127.0.0.1:9]") as alice:
        code, body = waiting.until(
            "a look has failed",
            lambda: alice.probe("/readyz"),
            lambda seen: "unreachable" in seen[1],
        )
        assert (code, alice.probe("/healthz")[0]) == (503, 200)
        assert body.startswith("http://127.0.0.1:9: unreachable")
        assert alice.stop() == 0


def reasons(status: str) -> set[str]:
    """The conditions of the whole stack."""
    return {condition["reason"] for condition in json.loads(status)["conditions"]}


def test_another_chains_endpoint_is_named_and_the_right_one_is_asked(
    place: stage.Stage, tmp_path: pathlib.Path
) -> None:
    endpoints = f"provider.rest=[http://127.0.0.1:9,{place.node.rest}]"
    done = command(place, "status", "--json", "--set", endpoints)

    assert done.returncode == 0, done.stderr
    assert reasons(done.stdout) == {"EndpointTrouble"} | stage.NO_BALANCER.keys()
    deaf = command(place, "status", "--json", "--set", "provider.rpc=[http://127.0.0.1:9]")
    assert deaf.returncode == 0, deaf.stderr
    assert reasons(deaf.stdout) == {"RpcUnusable"} | stage.NO_BALANCER.keys()
    wrong = command(place, "status", "--json", "--set", "provider.chain_id=other-1")
    assert (wrong.returncode, "belongs to chain 'provider-1', not 'other-1'" in wrong.stderr) == (
        2,
        True,
    )
