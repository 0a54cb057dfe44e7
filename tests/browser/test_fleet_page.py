"""The page of several validators in Chromium: on a phone and a desk, in the dark, and without findings of axe-core."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from devnet import browser
from ics.reconciler.daemon import health
from ics.reconciler.pages import application, fleet, previews, server
from ics.status_page import state
from tests import free_ports
from tests.browser import site
from tests.pictures import scene

pytestmark = pytest.mark.monitoring
PATHS = ("/", "/stacks/alice/", "/stacks/alice/chains/0")


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Alice has a bad night, dave a calm one, bob is being opened, and carol's cluster does not answer."""

    def shown(name: str, *, is_calm: bool) -> application.Pages:
        async def lines() -> list[str]:
            return []

        def look(preview: state.Preview | None) -> state.PageState:
            page = scene.page(is_calm=is_calm)
            return dataclasses.replace(page, preview=preview, base=fleet.path_of(name))

        return application.Pages(look=look, previews=previews.Previews(lines, lambda: scene.NOW))

    stacks = fleet.Fleet(["alice", "bob", "carol", "dave"])
    daemon = application.Daemon(look=health.DaemonHealth, monotonic=lambda: 0.0)
    for name, is_calm in (("alice", False), ("dave", True)):
        pages = shown(name, is_calm=is_calm)
        stacks.put(name, application.build(daemon=daemon, pages=pages), daemon, pages.look)
    stacks.fail("carol", "https://10.0.0.1:6443: unreachable: connection refused")
    [port] = free_ports.take(1)
    built = fleet.build(stacks, lambda: scene.NOW, "1.2.3", lambda problem: None)
    async with server.serve(built, port, host="127.0.0.1"):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("size", "scheme"), [(site.PHONE, "light"), (site.DESK, "dark")], ids=["phone", "desk in the dark"]
)
async def test_page_of_several_validators_fits_and_is_accessible(
    chromium: browser.Browser, axe: str, size: tuple[int, int], scheme: site.Scheme
) -> None:
    found: list[Any] = []
    async with site.opened(chromium) as started, served() as url:
        page = await site.visit(started, size=size, scheme=scheme, bypass=True)
        for path in PATHS:
            await page.goto(url + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0], path
            if folder := os.environ.get("FLEET_PICTURES"):
                name = f"{scheme}{path.replace('/', '-')}.png"
                await page.screenshot(path=pathlib.Path(folder) / name, full_page=True)
            await page.evaluate(axe)
            result = await page.evaluate("axe.run()")
            found += [
                (path, one["id"], [node["html"] for node in one["nodes"]][:3]) for one in result["violations"]
            ]
        await page.goto(f"{url}/stacks/alice/")
        await page.get_by_role("link", name="All validators").click()
        assert await page.locator("table.chains tbody tr").count() == 4
    assert found == []
