"""The application of several daemons in one process: each one's own under its path, and one page that lists them."""

import datetime
import hashlib
import json
import time
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

    def __init__(self, names: Sequence[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start with all of them being opened.

        Args:
            names: of the stacks.
            monotonic: returns the seconds of a monotonic clock.
        """
        self._monotonic = monotonic
        self._members = {name: _Slot(monotonic) for name in names}

    def begin(self, name: str) -> None:
        """Note that a stack is being opened from now on."""
        self._members[name].opening_since = self._monotonic()

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
        slot.opening_since = None

    def fail(self, name: str, problem: str) -> None:
        """Say why a stack is not open; it is tried again."""
        slot = self._members[name]
        slot.served, slot.daemon, slot.look, slot.problem = None, None, None, problem
        slot.opening_since = None

    def members(self) -> list[fleet.Member]:
        """Return all stacks as they are now."""
        return [slot.member(name) for name, slot in self._members.items()]

    @property
    def slots(self) -> Mapping[str, "_Slot"]:
        """The stacks by name."""
        return self._members


class _Slot:
    """One stack, and what serves it while it is open."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.opening_since: float | None = monotonic()
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

    def member(self, name: str) -> fleet.Member:
        """Return the stack as the page lists it; a page of its own says what is wrong itself."""
        is_hidden = self.daemon is not None and self.look is None
        page = None if self.look is None else self.look(None)
        return fleet.Member(
            name, path_of(name), page, self.unready if is_hidden else self.problem or self.stuck, is_hidden
        )

    @property
    def unready(self) -> str:
        """Why the stack is not ready; empty: it is."""
        if self.daemon is None:
            return self.problem or "the stack is being opened"
        return health.readiness_problem(self.daemon.look(), self.daemon.monotonic())

    @property
    def stuck(self) -> str:
        """Why the stack makes no progress; empty: it does, or it is opened again later."""
        if self.daemon is not None:
            return health.liveness_problem(self.daemon.look(), self.daemon.monotonic())
        return health.opening_problem(self.opening_since, self._monotonic())


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
        """Answer 503 only if no stack makes progress: a restart ends them all, and one that hangs must not cause it.

        A loop that hangs answers nothing, which fails the probe, too.
        """
        stuck = {name: slot.stuck for name, slot in own.slots.items()}
        shown = {name: text or own.slots[name].problem for name, text in stuck.items()}
        return _probe(shown, is_failing=all(stuck.values()))

    async def ready(request: Request) -> Response:
        """Answer 503 only if no stack is ready."""
        unready = {name: slot.unready for name, slot in own.slots.items()}
        return _probe(unready, is_failing=all(unready.values()))

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


def _probe(problems: Mapping[str, str], *, is_failing: bool) -> Response:
    lines = [f"{name}: {plain_text.visible(problem) or 'ok'}" for name, problem in problems.items()]
    return application.plain("\n".join(lines) + "\n", 503 if is_failing else 200)


def _tag(members: Sequence[fleet.Member]) -> str:
    parts = [
        f"{one.name} {one.problem} {one.is_hidden} {'' if one.page is None else one.page.tag}"
        for one in members
    ]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
