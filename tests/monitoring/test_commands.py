"""`ics alerts test` as it is typed, to a real Alertmanager."""

import asyncio
import json
import pathlib
import subprocess
import sys

import pytest

from devnet import monitoring
from tests import documents
from tests.monitoring import test_alertmanager, webhook
from tests.unit.docs import test_commands

pytestmark = pytest.mark.monitoring

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {"token": "none"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "current-context": "none",
}
"""Of a cluster that is not there, and not asked."""


async def ics(project: pathlib.Path, url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    (project / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    settings = (f'monitoring.alertmanager=["{url}"]', "cluster.kubeconfig=kubeconfig")
    flags = [word for setting in settings for word in ("--set", setting)]
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ics.cli", *words, "--stack", "alice", "--project", str(project), *flags],
        cwd=documents.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_test_alert_reaches_its_receiver(tmp_path: pathlib.Path, programs: monitoring.Programs) -> None:
    project = test_commands.project(tmp_path)
    async with (
        webhook.listening() as there,
        webhook.running(programs, test_alertmanager.configuration(there), tmp_path) as url,
    ):
        done = await ics(project, url, "alerts", "test")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{url}: taken\nIcsTest ends in 300 s")
        await there.until(lambda: there.states() == {"IcsTest": "firing"})
    done = await ics(project, url, "alerts", "test")
    assert (done.returncode, done.stdout) == (1, f"{url}: not taken\n")
    assert done.stderr.startswith(f"ics: {url}: ")
