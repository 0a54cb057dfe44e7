"""The status page in Chromium: on a phone and on a desk, with and without JavaScript, readable for everybody."""

import dataclasses
from typing import Any

import pytest
from playwright import async_api

from devnet import browser
from tests.browser import site
from tests.pictures import scene

pytestmark = pytest.mark.monitoring
PATHS = ("/", "/?plan", "/chains/7", "/chains/11", "/chains/14", "/chains/1", "/passes", "/runbooks")


async def test_page_is_renewed_only_when_something_has_changed(chromium: browser.Browser) -> None:
    shown = site.Site()
    statuses: list[int] = []
    async with site.opened(chromium) as started:
        page = await site.visit(started)
        page.on("response", lambda answer: statuses.append(answer.status))
        async with shown.served() as url:
            await page.goto(url)
            await async_api.expect(page.locator("h1")).to_have_text("harbor-1 does not sign")
            look = "document.dispatchEvent(new Event('visibilitychange'))"
            async with page.expect_response(url + "/") as answer:
                await page.evaluate(look)
            assert (await answer.value).status == 304
            shown.page = scene.page(is_calm=True)
            await page.evaluate(look)
            await async_api.expect(page.locator("h1")).to_have_text("All is well")
            assert await page.title() == "all is well · alice"
            assert await page.locator("#lost").is_hidden()
        await page.evaluate(look)
        await async_api.expect(page.locator("#lost")).to_be_visible()
    assert set(statuses) == {200, 304}


async def test_countdowns_run(chromium: browser.Browser) -> None:
    async with site.opened(chromium) as started, site.Site().served() as url:
        page = await site.visit(started)
        await page.goto(url)
        left = page.locator(".coming time").first
        before = await left.text_content()
        assert before is not None
        assert before.startswith("in 11 min")
        await async_api.expect(left).not_to_have_text(before)


async def test_page_without_javascript(chromium: browser.Browser) -> None:
    async with site.opened(chromium) as started, site.Site().served() as url:
        page = await site.visit(started, scripts=False)
        await page.goto(url)
        await async_api.expect(page.locator("h1")).to_have_text("harbor-1 does not sign")
        await async_api.expect(page.locator(".coming li").first).to_contain_text("in 11 min 30 s")
        assert await page.locator("noscript meta, meta[http-equiv=refresh]").count() == 1
        await page.locator("summary").click()
        await async_api.expect(page.locator(".others")).to_contain_text(scene.HOSTILE)
        await page.get_by_text("Show what it would change and send").click()
        await async_api.expect(page.locator("#plan")).to_contain_text("opt in to tide-1")


async def test_hostile_chain_is_text_and_the_policy_is_kept(chromium: browser.Browser) -> None:
    problems: list[str] = []
    async with site.opened(chromium) as started, site.Site().served() as url:
        page = await site.visit(started)
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        for path in PATHS:
            await page.goto(url + path)
        await page.goto(f"{url}/chains/1")
        await async_api.expect(page.locator("h1")).to_contain_text(scene.HOSTILE)
        assert await page.locator("script").count() == 1
    assert problems == []


async def test_page_fits_its_window(chromium: browser.Browser) -> None:
    async with site.opened(chromium) as started, site.Site().served() as url:
        page = await site.visit(started)
        for path in PATHS:
            await page.goto(url + path)
            for width, height in (site.PHONE, site.DESK, (320, 568)):
                await page.set_viewport_size({"width": width, "height": height})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize(
    ("size", "scheme", "problem"),
    [(site.PHONE, "light", ""), (site.DESK, "dark", "the cluster does not answer")],
    ids=["phone", "desk in the dark"],
)
async def test_accessibility(
    chromium: browser.Browser, axe: str, size: tuple[int, int], scheme: site.Scheme, problem: str
) -> None:
    found: list[Any] = []
    shown = site.Site()
    shown.page = dataclasses.replace(shown.page, problem=problem)
    async with site.opened(chromium) as started, shown.served() as url:
        page = await site.visit(started, size=size, scheme=scheme, bypass=True)
        for path in PATHS:
            await page.goto(url + path)
            await page.evaluate(axe)
            result = await page.evaluate("axe.run()")
            assert len(result["passes"]) > 10
            found += [
                (path, one["id"], [node["html"] for node in one["nodes"]][:3]) for one in result["violations"]
            ]
    assert found == []
