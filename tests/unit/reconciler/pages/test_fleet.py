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
        self.now = 100.0
        self.fleet = fleet.Fleet(["alice", "bob", "carol"], lambda: self.now)
        self.health = WELL
        self.problems: list[str] = []
        self.fleet.fail("carol", f"carol's cluster does not answer {hostile.TEXTS[0]}")
        daemon = application.Daemon(look=lambda: self.health, monotonic=lambda: self.now)
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
        assert alive.text.startswith("alice: ok\nbob: ok\ncarol: carol's cluster does not answer")
        assert ready.text.startswith("alice: ok\nbob: the stack is being opened\ncarol: carol's cluster")
        site.health = dataclasses.replace(WELL, trouble="provider down")
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


async def test_process_is_restarted_only_if_no_stack_makes_progress() -> None:
    site = Site()
    site.health = dataclasses.replace(WELL, busy_since=100.0)
    site.now += health.LONGEST_PASS + 1
    async with site.opened() as client:
        one_left = await client.get("/healthz")
        listed = await client.get("/")
        problems = [one["problem"] for one in (await client.get("/status.json")).json()["stacks"]]
        # Carol's is opened again, and that hangs, too.
        site.fleet.begin("carol")
        opening = await client.get("/healthz")
        site.now += health.LONGEST_PASS + 1
        none_left = await client.get("/healthz")
        site.fleet.fail("bob", "bob's cluster does not answer")
        failed = await client.get("/healthz")
    assert (one_left.status_code, opening.status_code) == (200, 200)
    assert one_left.text.startswith(
        "alice: the pass has been running for 601 s\nbob: the stack has been being opened for 601 s\ncarol: carol's"
    )
    assert problems[:2] == [line.partition(": ")[2] for line in one_left.text.split("\n")[:2]]
    assert "the pass has been running for 601 s" in listed.text
    assert none_left.status_code == 503
    assert none_left.text.endswith("\ncarol: the stack has been being opened for 601 s\n")
    assert (failed.status_code, failed.text.split("\n")[1]) == (200, "bob: bob's cluster does not answer")


async def test_stack_whose_page_is_off_is_listed_with_what_is_wrong() -> None:
    site = Site()
    daemon = application.Daemon(look=lambda: site.health, monotonic=lambda: site.now)
    site.fleet.put("alice", application.build(daemon=daemon, pages=None), daemon, None)
    async with site.opened() as client:
        well = await client.get("/")
        site.health = dataclasses.replace(WELL, trouble="provider down")
        ill = await client.get("/", headers={"If-None-Match": well.headers["etag"]})
    assert "ics:daemon.page is off" in well.text
    assert 'href="/stacks/alice/"' not in well.text
    assert "provider down" in ill.text


async def test_json_and_metrics_have_every_stack() -> None:
    async with Site().opened() as client:
        found = (await client.get("/status.json")).json()
        metrics = (await client.get("/metrics")).text
    alice, bob, carol = found["stacks"]
    assert (alice["stack"], alice["status"]["validator"], alice["problem"]) == ("alice", "alice", None)
    assert bob == {"stack": "bob", "problem": None}
    assert carol["problem"].startswith("carol's cluster")
    assert "ics_acting" in metrics
