"""A fault is seen by a real Prometheus that scrapes the daemon's port, and reaches a webhook through Alertmanager."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable

import pytest
import yaml

from devnet import commands, monitoring
from ics.monitoring import exposition, metrics
from ics.reconciler.daemon import health
from ics.reconciler.pages import application, server
from tests import free_ports
from tests.monitoring import prometheus, scaled, test_alertmanager, webhook

pytestmark = pytest.mark.monitoring

FACTOR = 100.0
CHAIN = ("alice", "0", "consumer1-1")


def serving(*, node_up: bool = True, is_jailed: bool = False) -> health.DaemonHealth:
    """A daemon that acts for a chain."""
    samples = (
        metrics.VALIDATOR_JAILED.of(is_jailed, "alice"),
        metrics.CHAIN_MUST_VALIDATE.of(True, *CHAIN),
        metrics.CHAIN_IN_SET.of(True, *CHAIN),
        metrics.NODE_UP.of(node_up, *CHAIN),
        metrics.NODE_SIGNING.of(node_up, *CHAIN),
    )
    return health.DaemonHealth(
        is_acting=True,
        trouble="",
        judged_at=time.monotonic(),
        succeeded_at=time.time(),
        samples=samples,
        identity=exposition.Identity("alice", "1.0.0", "apply", "provider-1"),
    )


def test_rules_with_divided_durations_are_valid(
    tmp_path: pathlib.Path, programs: monitoring.Programs
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(scaled.divided(FACTOR)))
    assert "SUCCESS" in commands.run(programs.promtool, "check", "rules", tmp_path / "rules.yaml")


async def test_faults_reach_the_webhook_and_resolve(
    tmp_path: pathlib.Path, programs: monitoring.Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    state = serving()
    is_served = True

    def look() -> health.DaemonHealth:
        if not is_served:
            raise OSError("the daemon is gone")
        return dataclasses.replace(state, succeeded_at=time.time())

    async with contextlib.AsyncExitStack() as closing:
        there = await closing.enter_async_context(webhook.listening())
        config = test_alertmanager.configuration(there)
        url = await closing.enter_async_context(webhook.running(programs, config, tmp_path))
        [port] = free_ports.take(1)
        daemon = application.Daemon(look=look, monotonic=time.monotonic)
        await closing.enter_async_context(server.serve(application.build(daemon=daemon, pages=None), port))
        await closing.enter_async_context(
            prometheus.running(
                programs,
                tmp_path,
                [prometheus.targets("ics", [port])],
                rules=scaled.divided(FACTOR),
                alertmanager=url,
            )
        )

        async def reached(name: str, status: str) -> float:
            started = time.monotonic()
            is_there: Callable[[], bool] = lambda: there.states().get(name) == status  # noqa: E731
            await there.until(is_there, 120)
            return time.monotonic() - started

        await there.until(lambda: "IcsWatchdog" in there.states("/watchdog"), 120)
        assert there.states() == {}
        report = []
        for name, fault in (
            ("IcsNodeDown", serving(node_up=False)),
            ("IcsJailed", serving(is_jailed=True)),
        ):
            state = fault
            seconds = await reached(name, "firing")
            state = serving()
            await reached(name, "resolved")
            report.append(
                f"{name}: {seconds:.1f} s from the fault to the webhook, with durations / {FACTOR:g}"
            )
        is_served = False
        report.append(f"IcsReconcilerGone: {await reached('IcsReconcilerGone', 'firing'):.1f} s, as above")
        is_served = True
        await reached("IcsReconcilerGone", "resolved")
        await there.until(lambda: set(there.states().values()) == {"resolved"}, 120)
    with capsys.disabled():
        print("", *report, sep="\n")
