"""The application: paths, headers, tags and the preview."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from ics import errors
from ics.reconciler.daemon import health
from ics.reconciler.pages import application, previews
from ics.status_page import state
from tests.pictures import scene

WELL = health.DaemonHealth(is_acting=True, due=130.0, judged_at=95.0, trouble="", height=42)


class Site:
    """An application with what it shows."""

    def __init__(self) -> None:
        self.health = WELL
        self.page = scene.page()
        self.problems: list[str] = []
        self.made = 0
        self.seconds = 0.0
        self.failure: Exception | None = None
        self.previews = previews.Previews(self._make, lambda: scene.NOW, lambda: self.seconds)

    async def _make(self) -> Sequence[str]:
        self.made += 1
        if self.failure is not None:
            raise self.failure
        return scene.PREVIEW.lines

    def look(self, preview: state.Preview | None) -> state.PageState:
        return dataclasses.replace(self.page, preview=preview)

    @contextlib.asynccontextmanager
    async def opened(
        self, *, has_daemon: bool = True, has_pages: bool = True
    ) -> AsyncIterator[httpx.AsyncClient]:
        daemon = application.Daemon(look=lambda: self.health, monotonic=lambda: 100.0)
        pages = application.Pages(look=self.look, previews=self.previews)
        served = application.build(
            daemon=daemon if has_daemon else None,
            pages=pages if has_pages else None,
            report=self.problems.append,
        )
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            yield client


async def test_probes_answer_with_health() -> None:
    site = Site()
    async with site.opened() as client:
        answers = [await client.get("/readyz"), await client.get("/healthz?verbose")]
        site.health = dataclasses.replace(WELL, trouble="provider down", due=0.0)
        answers += [await client.get("/readyz"), await client.get("/healthz")]
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (200, "ok\nacting, provider at height 42\n"),
        (200, "ok\nacting, provider at height 42\n"),
        (503, "provider down\nacting, provider at height 42\n"),
        (503, "the next pass is 100 s overdue\nacting, provider at height 42\n"),
    ]


async def test_metrics_have_the_type_of_the_text_format() -> None:
    async with Site().opened() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "ics_acting" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/chains/7", 200),
        ("/chains/99", 404),
        ("/chains/..%2f..", 404),
        ("/passes", 200),
        ("/runbooks", 200),
        ("/status.json", 200),
        ("/other", 404),
        ("/?plan=keep", 200),
    ],
)
async def test_every_answer_has_the_security_headers(path: str, status: int) -> None:
    async with Site().opened() as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written(method: str) -> None:
    async with Site().opened() as client:
        answers = [await client.request(method, path) for path in ("/", "/metrics", "/chains/7")]
    assert [answer.status_code for answer in answers] == [405, 405, 405]


async def test_page_that_the_client_has_is_not_sent_again() -> None:
    site = Site()
    async with site.opened() as client:
        first = await client.get("/")
        tag = first.headers["etag"]
        same = await client.get("/", headers={"If-None-Match": tag})
        site.page = dataclasses.replace(site.page, tag="later")
        changed = await client.get("/", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"later"')


async def test_daemon_without_a_page_serves_probes_only() -> None:
    async with Site().opened(has_pages=False) as client:
        answers = [await client.get(path) for path in ("/healthz", "/", "/status.json")]
    assert [answer.status_code for answer in answers] == [200, 404, 404]


async def test_page_without_a_daemon_has_no_probes() -> None:
    async with Site().opened(has_daemon=False) as client:
        answers = [await client.get(path) for path in ("/", "/healthz", "/metrics")]
    assert [answer.status_code for answer in answers] == [200, 404, 404]


async def test_json_without_a_report_says_so() -> None:
    site = Site()
    site.page = dataclasses.replace(site.page, report=None, problem="no pass has run yet")
    async with site.opened() as client:
        answer = await client.get("/status.json")
    assert (answer.status_code, answer.json()["problem"]) == (503, "no pass has run yet")


async def test_preview_is_made_on_demand_at_most_once_a_minute() -> None:
    site = Site()
    async with site.opened() as client:
        await client.get("/")
        assert site.made == 0
        assert "opt in to tide-1" not in (await client.get("/?plan=keep")).text
        for seconds, made in ((0.0, 1), (59.0, 1), (60.0, 2)):
            site.seconds = seconds
            assert "opt in to tide-1" in (await client.get("/?plan")).text
            assert site.made == made
        assert "opt in to tide-1" in (await client.get("/?plan=keep")).text
        assert site.made == 2


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (errors.Transient("the cluster does not answer"), "the cluster does not answer"),
        (KeyError("x"), "KeyError"),
    ],
)
async def test_preview_that_fails_says_why(failure: Exception, text: str) -> None:
    site = Site()
    site.failure = failure
    async with site.opened() as client:
        answer = await client.get("/?plan")
    assert answer.status_code == 200
    assert text in answer.text


async def test_page_that_cannot_be_drawn_is_reported() -> None:
    site = Site()
    site.page = dataclasses.replace(site.page, passes=(None,))  # type: ignore[arg-type]
    async with site.opened() as client:
        answer = await client.get("/passes")
        probe = await client.get("/healthz")
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert [problem.partition(":")[0] for problem in site.problems] == ["status page"]
    assert probe.status_code == 200
