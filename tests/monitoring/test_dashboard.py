"""Each query of the dashboard is asked of a real Prometheus that scrapes a sample of every metric."""

import asyncio
import http.server
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devnet import monitoring
from ics.monitoring import dashboard, metrics
from tests.monitoring import prometheus

pytestmark = pytest.mark.monitoring

VALUES = {
    "validator": "alice",
    "consumer_id": "0",
    "chain_id": "consumer1-1",
    "severity": "critical",
    "phase": "LAUNCHED",
    "channel": "ccv",
}
"""Values of labels; any other label has its own name."""
OTHERS = """\
cometbft_consensus_rounds{chain_id="consumer1-1",validator="alice",consumer_id="0"} 0
cometbft_consensus_missing_validators{chain_id="consumer1-1",validator="alice",consumer_id="0"} 1
process_start_time_seconds{validator="alice",consumer_id="0"} 1700000000
tx_latency_submitted_bucket{validator="alice",chain="provider",le="500"} 3
tx_latency_submitted_bucket{validator="alice",chain="provider",le="+Inf"} 4
ws_reconnect_total{validator="alice",chain="provider"} 2
"""
"""What nodes and Hermes serve."""


def page(ticks: int) -> str:
    """Return a sample of each metric, as a daemon serves it after so many scrapes."""
    lines = [OTHERS]
    for family in metrics.FAMILIES:
        labels = ",".join(f'{name}="{VALUES.get(name, name)}"' for name in family.labels)
        if family.kind is metrics.Kind.HISTOGRAM:
            lines += [f'{family.name}_bucket{{{labels},le="{bound}"}} {ticks}' for bound in ("1", "+Inf")]
        else:
            is_time = family.name.endswith("_timestamp_seconds")
            value = time.time() + 3600 if is_time else ticks if family.kind is metrics.Kind.COUNTER else 1
            lines.append(f"{family.name}{{{labels}}} {value}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def served() -> Iterator[int]:
    """The port of these samples."""
    ticks = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal ticks
            ticks += 1
            body = page(ticks).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def chosen(expression: str) -> str:
    """Return a query as Grafana sends it for all validators and chains."""
    return expression.replace("$validator", ".*").replace("$chain", ".*")


async def test_every_query_is_answered(
    tmp_path: pathlib.Path, programs: monitoring.Programs, served: int
) -> None:
    scrapes = [prometheus.targets("ics", [served])]
    async with prometheus.running(programs, tmp_path, scrapes) as found:
        waiting = [chosen(expression) for expression in dashboard.expressions()]
        async with asyncio.timeout(60):
            while waiting:  # an increase needs two scrapes
                waiting = [expression for expression in waiting if not await found.query(expression)]
                await asyncio.sleep(0.2)
        nothing = [expression.replace(".*", "nobody") for expression in map(chosen, dashboard.expressions())]
        answers = {expression: await found.query(expression) for expression in nothing}
        # Only the worst severity has a value where there is no condition.
        assert [one for one, answer in answers.items() if answer] == [nothing[2]]
