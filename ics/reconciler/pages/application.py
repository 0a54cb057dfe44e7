"""The application at the reconciler's port: probes, metrics and the status page."""

import functools
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from ics import errors, plain_text
from ics.reconciler.daemon import health
from ics.reconciler.pages import previews as page_previews
from ics.status_page import document, state, views

METRICS = "/metrics"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """What the probes and the metrics of a daemon are made from."""

    look: Callable[[], health.DaemonHealth]
    monotonic: Callable[[], float]
    """Clock of the times in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the status page is made from."""

    look: Callable[[state.Preview | None], state.PageState]
    """Returns what the page shows now, with a preview if one was asked for."""
    previews: page_previews.Previews


def build(
    *, daemon: Daemon | None, pages: Pages | None, report: Callable[[str], object] = lambda problem: None
) -> Starlette:
    """Return the application.

    Args:
        daemon: of the probes and the metrics; None: they are not served.
        pages: of the status page; None: it is not served.
        report: takes an error that was not foreseen.
    """
    routes = [
        *([] if daemon is None else _daemon_routes(daemon)),
        *([] if pages is None else _page_routes(pages)),
    ]
    return bounded(routes, report)


def bounded(routes: Sequence[BaseRoute], report: Callable[[str], object]) -> Starlette:
    """Return an application whose errors are plain texts.

    Args:
        routes: what it answers.
        report: takes an error that was not foreseen.
    """
    paths = " ".join(route.path for route in routes if isinstance(route, Route | Mount))

    async def refuse(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        text = f"GET only: {paths}\n" if error.status_code == 405 else f"not found; there is {paths}\n"
        return plain(text, error.status_code)

    async def fail(request: Request, error: Exception) -> Response:
        report(f"status page: {errors.describe_unexpected(error)}")
        return plain("this page cannot be drawn; the log of the reconciler says why\n", 500)

    return Starlette(routes=list(routes), exception_handlers={HTTPException: refuse, Exception: fail})


def _daemon_routes(daemon: Daemon) -> list[Route]:
    async def probe(find: Callable[[health.DaemonHealth, float], str], request: Request) -> Response:
        now = daemon.look()
        problem = find(now, daemon.monotonic())
        role = "acting" if now.is_acting else "standby"
        text = f"{plain_text.visible(problem) or 'ok'}\n{role}, provider at height {now.height}\n"
        return plain(text, 503 if problem else 200)

    async def metrics(request: Request) -> Response:
        return metrics_of([daemon])

    return [
        Route("/healthz", functools.partial(probe, health.liveness_problem)),
        Route("/readyz", functools.partial(probe, health.readiness_problem)),
        Route(METRICS, metrics),
    ]


def _page_routes(pages: Pages) -> list[Route]:
    async def overview(request: Request) -> Response:
        preview = None
        if "plan" in request.query_params:
            # A page that is only refreshed keeps the preview that it shows.
            is_refresh = request.query_params["plan"] == "keep"
            preview = pages.previews.last if is_refresh else await pages.previews.get()
        return _tagged(request, pages.look(preview), views.overview)

    async def chain(request: Request) -> Response:
        return _tagged(
            request, pages.look(None), lambda page: views.chain(page, request.path_params["consumer_id"])
        )

    def view(render: Callable[[state.PageState], str]) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            return _tagged(request, pages.look(None), render)

        return show

    async def show_json(request: Request) -> Response:
        page = pages.look(None)
        text = json.dumps(plain_text.visible_values(document.of(page)), ensure_ascii=False)
        return as_json(f"{text}\n", 200 if page.report is not None else 503)

    return [
        Route("/", overview),
        Route("/chains/{consumer_id}", chain),
        Route("/passes", view(views.passes)),
        Route("/runbooks", view(views.runbooks)),
        Route("/status.json", show_json),
    ]


def _tagged(
    request: Request, page: state.PageState, render: Callable[[state.PageState], str | None]
) -> Response:
    """Return a page, or that the client has it already."""
    if request.headers.get("if-none-match", "").strip('"') == page.tag:
        return html("", 304, page.tag)
    text = render(page)
    if text is None:
        raise HTTPException(404)
    return html(text, 200, page.tag)


def metrics_of(daemons: Sequence[Daemon]) -> Response:
    """Return the metrics of daemons as one answer."""
    from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

    text = health.metrics([(daemon.look(), daemon.monotonic()) for daemon in daemons])
    # Clients must request later versions explicitly; others reject unknown versions.
    return _response(text, CONTENT_TYPE_PLAIN_0_0_4)


def html(text: str, status: int, tag: str) -> Response:
    """Return a page, whose tag differs whenever it does."""
    return _response(text, _HTML, status, tag)


def plain(text: str, status: int) -> Response:
    """Return a plain text."""
    return _response(text, _PLAIN, status)


def as_json(text: str, status: int) -> Response:
    """Return a JSON text."""
    return _response(text, _JSON, status)


def _response(content: str | bytes, kind: str, status: int = 200, tag: str = "") -> Response:
    headers = {**views.security_headers(), **({"ETag": f'"{tag}"'} if tag else {})}
    return Response(content, status, headers, media_type=kind)
