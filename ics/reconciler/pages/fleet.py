"""The application of several daemons in one process: each one's own under its path, and one page that lists them."""

import datetime
import hashlib
import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ics import plain_text
from ics.reconciler.daemon import health
from ics.reconciler.pages import application
from ics.status_page import document, fleet, state, views

_STACKS: Final = "/stacks"


def path_of(name: str) -> str:
    """Return the path under which a stack's own pages are."""
    return f"{_STACKS}/{urllib.parse.quote(name, safe='')}"


class Fleet:
    """The stacks of one process, which open, fail and open again on their own."""

    def __init__(self, names: Sequence[str]) -> None:
        """Start with none of them open."""
        self._members = {name: _Slot() for name in names}

    def put(
        self,
        name: str,
        served: Starlette,
        daemon: application.Daemon,
        look: Callable[[state.Preview | None], state.PageState] | None,
    ) -> None:
        """Serve the pages of a stack that is open.

        Args:
            name: of the stack.
            served: its own application.
            daemon: what its probes and metrics are made from.
            look: returns what its page shows; None: it has none.
        """
        slot = self._members[name]
        slot.served, slot.daemon, slot.look, slot.problem = served, daemon, look, ""

    def fail(self, name: str, problem: str) -> None:
        """Say why a stack is not open; it is tried again."""
        slot = self._members[name]
        slot.served, slot.daemon, slot.look, slot.problem = None, None, None, problem

    def members(self) -> list[fleet.Member]:
        """Return all stacks as they are now."""
        return [
            fleet.Member(name, path_of(name), None if slot.look is None else slot.look(None), slot.problem)
            for name, slot in self._members.items()
        ]

    @property
    def slots(self) -> Mapping[str, "_Slot"]:
        """The stacks by name."""
        return self._members


class _Slot:
    """One stack, and what serves it while it is open."""

    def __init__(self) -> None:
        self.served: ASGIApp | None = None
        self.daemon: application.Daemon | None = None
        self.look: Callable[[state.Preview | None], state.PageState] | None = None
        self.problem = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the stack's own application does, or why there is none."""
        if self.served is not None:
            await self.served(scope, receive, send)
            return
        text = plain_text.visible(self.problem) or "the stack is being opened"
        await application.plain(f"{text}\n", 503)(scope, receive, send)

    def problem_of(self, find: Callable[[health.DaemonHealth, float], str]) -> str:
        """Return what a probe of this stack says; empty: all is well."""
        if self.daemon is None:
            return self.problem or "the stack is being opened"
        return find(self.daemon.look(), self.daemon.monotonic())


def build(
    own: Fleet, now: Callable[[], datetime.datetime], version: str, report: Callable[[str], object]
) -> Starlette:
    """Return the application.

    Args:
        own: the stacks.
        now: returns the current time with its zone.
        version: of the operator.
        report: takes an error that was not foreseen.
    """

    async def overview(request: Request) -> Response:
        members = own.members()
        tag = _tag(members)
        if request.headers.get("if-none-match", "").strip('"') == tag:
            return application.html("", 304, tag)
        return application.html(views.fleet(members, now(), version, tag), 200, tag)

    async def as_json(request: Request) -> Response:
        stacks = [
            {"stack": one.name, "problem": one.problem or None}
            | ({} if one.page is None else {"status": document.of(one.page)})
            for one in own.members()
        ]
        text = json.dumps(plain_text.visible_values({"stacks": stacks}), ensure_ascii=False)
        return application.as_json(f"{text}\n", 200)

    async def alive(request: Request) -> Response:
        """Answer 200: one stack whose pass hangs must not restart the others, and a loop that hangs answers nothing."""
        return _probe(own, health.liveness_problem, is_failing=False)

    async def ready(request: Request) -> Response:
        """Answer 503 only if no stack is ready."""
        is_failing = all(slot.problem_of(health.readiness_problem) for slot in own.slots.values())
        return _probe(own, health.readiness_problem, is_failing=is_failing)

    async def metrics(request: Request) -> Response:
        open_ones = [slot.daemon for slot in own.slots.values() if slot.daemon is not None]
        return application.metrics_of(open_ones)

    return application.bounded(
        [
            Route("/", overview),
            Route("/status.json", as_json),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route(application.METRICS, metrics),
            *(Mount(path_of(name), app=slot) for name, slot in own.slots.items()),
        ],
        report,
    )


def _probe(own: Fleet, find: Callable[[health.DaemonHealth, float], str], *, is_failing: bool) -> Response:
    lines = [
        f"{name}: {plain_text.visible(slot.problem_of(find)) or 'ok'}" for name, slot in own.slots.items()
    ]
    return application.plain("\n".join(lines) + "\n", 503 if is_failing else 200)


def _tag(members: Sequence[fleet.Member]) -> str:
    parts = [f"{one.name} {one.problem} {'' if one.page is None else one.page.tag}" for one in members]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
