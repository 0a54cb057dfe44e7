"""Several daemons behind one port: each one's own pages, and the page that lists them."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

import httpx

from ics.reconciler.daemon import health
from ics.reconciler.pages import application, fleet, previews
from ics.status_page import state
from tests.pictures import scene
from tests.unit.strangers import hostile

WELL = health.DaemonHealth(is_acting=True, due=130.0, judged_at=95.0, trouble="", height=42)


class Site:
    """Alice is open, bob is being opened, and carol could not be."""

    def __init__(self) -> None:
        self.fleet = fleet.Fleet(["alice", "bob", "carol"])
        self.health = WELL
        self.problems: list[str] = []
        self.fleet.fail("carol", f"carol's cluster does not answer {hostile.TEXTS[0]}")
        daemon = application.Daemon(look=lambda: self.health, monotonic=lambda: 100.0)
        pages = application.Pages(
            look=self.look, previews=previews.Previews(self._make, lambda: scene.NOW, lambda: 0.0)
        )
        self.fleet.put("alice", application.build(daemon=daemon, pages=pages), daemon, self.look)

    async def _make(self) -> list[str]:
        return []

    def look(self, preview: state.Preview | None) -> state.PageState:
        base = fleet.path_of("alice")
        return dataclasses.replace(scene.page(), preview=preview, base=base, metrics_path=f"{base}/metrics")

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[httpx.AsyncClient]:
        served = fleet.build(self.fleet, lambda: scene.NOW, "1.2.3", self.problems.append)
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            yield client


async def test_first_page_lists_all_stacks_and_says_which_is_not_reached() -> None:
    async with Site().opened() as client:
        answer = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (answer.status_code, again.status_code) == (200, 304)
    text = answer.text
    assert 'href="/stacks/alice/"' in text
    assert 'href="/stacks/bob/"' not in text
    assert text.index(">carol<") < text.index(">bob<")
    assert "not reached" in text
    assert "starting" in text
    assert "carol&#39;s cluster does not answer" in text
    assert all(hostile.is_plain(line) for line in text.split("\n"))


async def test_pages_of_a_stack_link_to_pages_of_that_stack() -> None:
    async with Site().opened() as client:
        for path in ("/stacks/alice/", "/stacks/alice/chains/0", "/stacks/alice/runbooks"):
            answer = await client.get(path)
            assert answer.status_code == 200
            links = {part.split('"')[0] for part in answer.text.split('href="')[1:]}
            inner = {link for link in links if link.startswith("/") and link != "/"}
            assert inner
            assert {link for link in inner if not link.startswith("/stacks/alice/")} == set()
        assert (await client.get("/stacks/alice/healthz")).text.startswith("ok\n")
        assert (await client.get("/stacks/alice/status.json")).json()["validator"] == "alice"


async def test_stack_that_is_not_open_says_so_and_one_that_does_not_exist_is_not_found() -> None:
    async with Site().opened() as client:
        bob, carol, dave = [await client.get(f"/stacks/{name}/") for name in ("bob", "carol", "dave")]
    assert (bob.status_code, bob.text) == (503, "the stack is being opened\n")
    assert carol.status_code == 503
    assert hostile.is_plain(carol.text.rstrip("\n"))
    assert dave.status_code == 404


async def test_one_stack_in_trouble_neither_restarts_nor_hides_the_others() -> None:
    site = Site()
    async with site.opened() as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
        assert (alive.status_code, ready.status_code) == (200, 200)
        assert alive.text.startswith("alice: ok\nbob: the stack is being opened\ncarol: carol's cluster")
        site.health = dataclasses.replace(WELL, trouble="provider down")
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


async def test_json_and_metrics_have_every_stack() -> None:
    async with Site().opened() as client:
        found = (await client.get("/status.json")).json()
        metrics = (await client.get("/metrics")).text
    alice, bob, carol = found["stacks"]
    assert (alice["stack"], alice["status"]["validator"], alice["problem"]) == ("alice", "alice", None)
    assert bob == {"stack": "bob", "problem": None}
    assert carol["problem"].startswith("carol's cluster")
    assert "ics_acting" in metrics
