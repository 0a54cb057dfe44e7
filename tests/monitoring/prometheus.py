"""A real Prometheus of a test."""

import asyncio
import contextlib
import json
import pathlib
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from devnet import monitoring
from tests import free_ports
from tests.monitoring import readiness


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the answer of an instant query.

        Raises:
            AssertionError: the query is refused.
        """
        words = urllib.parse.urlencode({"query": expression})

        def ask() -> dict[str, Any]:
            request = f"{self.url}/api/v1/query?{words}"
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - of the test
                    found: dict[str, Any] = json.load(answer)
            except urllib.error.HTTPError as error:
                found = json.load(error)
            return found

        found = await asyncio.to_thread(ask)
        assert found["status"] == "success", f"{expression}: {found.get('error')}"
        result: list[dict[str, Any]] = found["data"]["result"]
        return result


@contextlib.asynccontextmanager
async def running(
    programs: monitoring.Programs,
    folder: pathlib.Path,
    scrapes: list[dict[str, Any]],
    *,
    rules: Mapping[str, Any] | None = None,
    alertmanager: str = "",
    interval: str = "500ms",
) -> AsyncIterator[Prometheus]:
    """Run Prometheus for as long as the context lasts.

    Args:
        programs: where it is.
        folder: of its files.
        scrapes: its `scrape_configs`.
        rules: a rules file.
        alertmanager: address of the Alertmanager that gets its alerts.
        interval: between two scrapes, and between two evaluations of the rules.
    """
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": scrapes,
    }
    if rules is not None:
        (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules), sort_keys=False))
        config["rule_files"] = ["rules.yaml"]
    if alertmanager:
        targets = [{"targets": [alertmanager.removeprefix("http://")]}]
        config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    [port] = free_ports.take(1)
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                programs.prometheus,
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--rules.alert.resend-delay=1s",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        await readiness.wait("Prometheus", url, process)
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(30)


def targets(job: str, ports: list[int], **labels: str) -> dict[str, Any]:
    """Return a scrape of ports of this machine, with these labels."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    return {"job_name": job, "static_configs": [{"targets": addresses, "labels": labels}]}
