"""The way from a fault on the local network to a webhook: by the rules, and by the push alone.

A real Prometheus scrapes a reconciler that stays, with the shipped rules, whose durations are divided by one factor,
and sends to a real Alertmanager; the reconciler pushes to another one. Each has a webhook of its own.
"""

import asyncio
import contextlib
import http.server
import pathlib
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib import parse

import httpx

from devnet import monitoring, places
from devnet.progress import Progress
from ics import names
from ics.monitoring import alerts, notifications
from tests.monitoring import prometheus, scaled, test_alertmanager, webhook
from tests.network import operators, residents, waiting

FACTOR = 100.0
"""By which every `for`, window and threshold of time of the shipped rules is divided."""
RESOLVE_SECONDS = 60
"""The shortest time after which what is no longer pushed resolves."""
_FORWARDED = ("accept", "x-cosmos-block-height")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Alarm:
    """What a fault is known by."""

    rule: str
    """Name of the alert of the rules."""
    reasons: tuple[str, ...]
    """Conditions, of which one is pushed; none: that no pass is made any more, which the watchdog says."""
    validator: str
    consumer_id: str = ""
    reason: str = ""
    """Label of the alert of the rules, if it is about one condition."""

    @property
    def is_silence(self) -> bool:
        """Whether it is that passes have stopped: then the pushed watchdog resolves."""
        return not self.reasons

    @property
    def hold(self) -> str:
        """The shipped `for`."""
        return next(alert.hold for alert in alerts.ALERTS if alert.name == self.rule) or "none"

    def labels(self, name: str) -> dict[str, str]:
        """Labels of one of its alerts."""
        chain = {"consumer_id": self.consumer_id} if self.consumer_id else {}
        return {"alertname": name, "validator": self.validator, **chain}


class Alarms:
    """Runs all of it, for as long as its context lasts."""

    def __init__(
        self,
        validator: str,
        folder: pathlib.Path,
        *flags: str,
        project: pathlib.Path = places.CHECKOUT,
        scrapes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Start nothing yet.

        Args:
            validator: whose reconciler it is.
            folder: for all files.
            flags: of the reconciler.
            project: of the reconciler.
            scrapes: of Prometheus, beside that of the reconciler.
        """
        self._scrapes = scrapes
        self._validator, self._folder, self._flags, self._project = validator, folder, flags, project
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._closing = contextlib.AsyncExitStack()

    def __enter__(self) -> "Alarms":
        self._thread.start()
        with contextlib.ExitStack() as undone:
            undone.callback(self._end)
            self._begin()
            undone.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.daemon.__exit__(*error)
        self._end()

    def _begin(self) -> None:
        programs = monitoring.ensure(Progress())
        self.ruled, ruling = self._alertmanager(programs, "ruled")
        self.pushed, pushing = self._alertmanager(programs, "pushed")
        flags = (
            *("--set", f"monitoring.alertmanager=[{pushing}]"),
            *("--set", f"monitoring.resolve_after={RESOLVE_SECONDS}s"),
            *("--set", "monitoring.watchdog=true"),
            *self._flags,
        )
        name = self._validator
        self.daemon = residents.Residents([name], self._folder, *flags, project=self._project)
        self.daemon.__enter__()
        scrapes = [prometheus.targets("ics", [self.daemon.port(name)]), *map(dict, self._scrapes)]
        self.prometheus = self._run(
            self._closing.enter_async_context(
                prometheus.running(
                    programs,
                    self._folder,
                    scrapes,
                    rules=scaled.divided(FACTOR),
                    alertmanager=ruling,
                    interval="1s",
                )
            )
        )

    def _end(self) -> None:
        self._run(self._closing.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _alertmanager(self, programs: monitoring.Programs, name: str) -> tuple[webhook.Webhook, str]:
        folder = self._folder / name
        folder.mkdir()
        there = self._run(self._closing.enter_async_context(webhook.listening()))
        config = test_alertmanager.configuration(there)
        return there, self._run(self._closing.enter_async_context(webhook.running(programs, config, folder)))

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(180)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return Prometheus' answer."""
        return self._run(self.prometheus.query(expression))

    def quiet(self, alarm: Alarm) -> None:
        """Wait until the reconciler is scraped, and nothing of the alarm fires."""
        waiting.until(
            f"{alarm.rule} does not fire, and the reconciler is scraped",
            lambda: (self.query("ics_build_info"), self._states(alarm)),
            lambda seen: (
                seen[0] and "firing" not in seen[1] and (seen[1][1] == "resolved" or not alarm.is_silence)
            ),
        )

    def fires(self, alarm: Alarm, seconds: float = waiting.PATIENCE, *, since: float | None = None) -> None:
        """Wait until both ways have reached their webhooks, and print how long it took each.

        Args:
            alarm: of the fault.
            seconds: the deadline.
            since: monotonic time of the fault; None: it has just been made.
        """
        began = time.monotonic() if since is None else since
        seen: dict[str, float] = {}

        def look() -> dict[str, float]:
            for way, state in zip(("rules", "push"), self._states(alarm), strict=True):
                if state == "firing":
                    seen.setdefault(way, time.monotonic() - began)
            return seen

        waiting.until(
            f"{alarm.rule} has reached both webhooks",
            look,
            lambda found: len(found) == 2,
            every=0.1,
            seconds=seconds,
        )
        shown = " ".join((alarm.rule, *alarm.reasons[:1]))
        print(
            f"{shown}: fault to push: {seen['push']:.1f} s; to the webhook by the rules, durations divided by"
            f" {FACTOR:g}: {seen['rules']:.1f} s; shipped for: {alarm.hold}"
        )

    def still_fires(self, alarm: Alarm) -> None:
        """It is over neither by the rules nor by the push."""
        assert self._states(alarm) == ("firing", "firing")

    def resolves(self, alarm: Alarm) -> None:
        """Wait until it is over both ways; a pushed alert ends `RESOLVE_SECONDS` after the last push."""
        waiting.until(
            f"{alarm.rule} is resolved",
            lambda: self._states(alarm),
            lambda seen: seen == ("resolved", "resolved"),
        )

    def _states(self, alarm: Alarm) -> tuple[str, str]:
        """Return the last states by the rules and by the push; that the watchdog has resolved is an alarm."""
        own = alarm.labels(alarm.rule) | ({"reason": alarm.reason} if alarm.reason else {})
        rules = _state(self.ruled, own)
        if alarm.is_silence:
            beat = _state(self.pushed, alarm.labels(notifications.WATCHDOG), "/watchdog")
            return rules, {"firing": "resolved", "resolved": "firing"}.get(beat, "")
        pushed = {_state(self.pushed, alarm.labels(reason)) for reason in alarm.reasons}
        return rules, "firing" if "firing" in pushed else "resolved" if "resolved" in pushed else ""


def _state(there: webhook.Webhook, labels: dict[str, str], receiver: str = "/operators") -> str:
    """Return the last state of an alert that has arrived; empty: none has."""
    for path, content in reversed(list(there.notifications)):
        for alert in content["alerts"]:
            if path == receiver and labels.items() <= alert["labels"].items():
                return str(alert["status"])
    return ""


class Forwarder:
    """A REST address of the provider that can be down."""

    def __init__(self, target: str) -> None:
        """Listen.

        Args:
            target: the real address.
        """
        self._handler = _handler(target)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self.port = int(self._server.server_address[1])
        self._serve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Nothing listens there for as long as the context lasts."""
        self.close()
        try:
            yield
        finally:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
            self._serve()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def _handler(target: str) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: text for name in _FORWARDED if (text := self.headers.get(name)) is not None}
            answer = httpx.get(target + self.path, headers=asked, timeout=10, trust_env=False)
            with contextlib.suppress(ConnectionError):  # whoever asked has gone
                self.send_response(answer.status_code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler


def of_pod(
    operator: operators.Operator, home: str, component: str, port: int, **labels: str
) -> dict[str, Any]:
    """Return the scrape of a pod through the API server: no address of a pod has to be reachable from here."""
    chosen = f"{names.COMPONENT}={component}"
    [pod] = operator.kubectl("-n", home, "get", "pods", "-l", chosen, "-o", "name").split()
    keys = places.host_state(operator.name) / "pki"
    return {
        "job_name": component,
        "scheme": "https",
        "metrics_path": f"/api/v1/namespaces/{home}/pods/{pod.removeprefix('pod/')}:{port}/proxy/metrics",
        "tls_config": {
            "ca_file": str(keys / "ca.crt"),
            "cert_file": str(keys / "admin.crt"),
            "key_file": str(keys / "admin.key"),
        },
        "static_configs": [{"targets": [parse.urlsplit(operator.host.api).netloc], "labels": labels}],
    }


@contextlib.contextmanager
def without_room(operator: operators.Operator, home: str, component: str = names.NODE) -> Iterator[None]:
    """The host takes no pods, and those of a component are gone; then it takes pods again, as the runbook says."""
    [host] = operator.kubectl("get", "nodes", "-o", "name").split()
    operator.kubectl("cordon", host)
    try:
        chosen = f"{names.COMPONENT}={component}"
        operator.kubectl("-n", home, "delete", "pod", "-l", chosen, "--wait=false")
        yield
    finally:
        operator.kubectl("uncordon", host)
