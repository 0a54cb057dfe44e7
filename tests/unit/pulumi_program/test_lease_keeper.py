"""The process that keeps the Lease, as Pulumi's program starts it."""

import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import yaml

from ics import errors, names
from ics.cluster.api import kinds
from ics.engines.applyset import members
from ics.pulumi_program import lease_keeper, lease_process
from tests.unit import factories, kube_api

CLI = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print("begun", flush=True)
sys.stdin.readline()
"""
"""Like Pulumi's, it ends some time after it was interrupted: at the next line."""


class Cluster:
    """An API server on a port of this machine, and a project that uses it."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.api = kube_api.Api()
        answer = self.api.transport.handle_request

        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = httpx.Request(self.command, f"http://h{self.path}", content=content)
                answered = answer(asked)
                self.send_response(answered.status_code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answered.content)))
                self.end_headers()
                self.wfile.write(answered.content)

            do_GET = do_PUT = do_POST = do_PATCH = do

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        values = factories.settings().model_dump(mode="json", exclude_defaults=True) | {
            "seed": {"secure": "v1:abc"},  # the program has the decrypted value; the process needs none
            "cluster": {"kubeconfig": "kubeconfig"},
            "gateway": {"namespace": "provider"},
        }
        (root / "stacks").mkdir()
        config = {f"ics:{key}": value for key, value in values.items()}
        (root / "stacks" / "Pulumi.alice.yaml").write_text(yaml.safe_dump({"config": config}))
        url = f"http://127.0.0.1:{self.server.server_port}"
        kubeconfig = {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
            "current-context": "c",
        }
        (root / "kubeconfig").write_text(json.dumps(kubeconfig))

    @property
    def lease(self) -> Any:
        return self.api.find(members.Key(kinds.LEASE.group_kind, "provider", "ics-alice"))

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"])

    def annotate(self, **annotations: str) -> None:
        """Write into the Lease as another process does."""
        self.lease["metadata"]["annotations"] |= {
            names.__dict__[key]: text for key, text in annotations.items()
        }
        self.lease["metadata"]["resourceVersion"] += "0"


@pytest.fixture
def cluster(tmp_path: pathlib.Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    serving = threading.Thread(target=found.server.serve_forever, daemon=True)
    serving.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def cli() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", CLI], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()
    # The thread that listens to the process beside it ends with that.
    until(lambda: not any(each.name == "lease" for each in threading.enumerate()))


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def started(cluster: Cluster, cli: "subprocess.Popen[str]", reports: list[str]) -> None:
    keeper = lease_keeper.LeaseKeeper(reports.append)
    keeper.start(cluster.root, "alice", {}, ["account={env: X}"], cli.pid)


def test_launch_interrupts_pulumi_and_the_lease_outlives_the_program(
    cluster: Cluster, cli: "subprocess.Popen[str]"
) -> None:
    reports: list[str] = []
    started(cluster, cli, reports)
    assert f"pid {cli.pid}" not in cluster.holder
    assert cluster.holder != ""

    cluster.annotate(WANTED_BY="daemon", WANTED_FOR_LAUNCH="daemon")

    assert cli.stdout is not None
    assert cli.stdin is not None
    assert cli.stdout.readline() == "interrupted\n"
    assert reports == [lease_process.AT_LAUNCH]
    before = cluster.lease["spec"]["renewTime"]
    until(lambda: cluster.lease["spec"]["renewTime"] > before)
    assert cluster.holder != ""
    cli.stdin.close()
    cli.wait()
    until(lambda: cluster.holder == "")


def test_update_ends_with_the_process_that_keeps_the_lease(
    cluster: Cluster, cli: "subprocess.Popen[str]"
) -> None:
    import psutil

    reports: list[str] = []
    started(cluster, cli, reports)
    running = [  # without what other tests have left to be collected
        each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE
    ]
    keeping = [each for each in running if lease_process.__name__ in each.cmdline()]
    assert len(keeping) == 1
    assert not any("account" in word for word in keeping[0].cmdline())
    keeping[0].kill()
    assert cli.stdout is not None
    assert cli.stdout.readline() == "interrupted\n"
    assert ["the process that keeps the Lease has ended" in text for text in reports] == [True]


def test_settings_errors_reach_the_program(cluster: Cluster, cli: "subprocess.Popen[str]") -> None:
    reports: list[str] = []
    keeper = lease_keeper.LeaseKeeper(reports.append)
    with pytest.raises(errors.Permanent, match="stack 'bob': no file"):
        keeper.start(cluster.root, "bob", {}, (), cli.pid)


def test_lease_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lease_keeper._environment({"ics:seed in Pulumi's config": "00ff", "HOME": "/home/alice"})
    assert "00ff" not in found.values()
    assert found["HOME"] == "/home/alice"
