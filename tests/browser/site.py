"""The status page of a validator on a bad night, served and opened in Chromium."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from playwright import async_api

from devnet import browser
from ics.reconciler.pages import application, previews, server
from ics.status_page import state
from tests import free_ports
from tests.pictures import scene

PHONE, DESK = (390, 844), (1280, 800)
Scheme = Literal["light", "dark"]


class Site:
    """Application whose page a test changes."""

    def __init__(self) -> None:
        """Show that night."""
        self.page = scene.page()
        self.previews = previews.Previews(self._lines, lambda: scene.NOW)

    async def _lines(self) -> Sequence[str]:
        return scene.PREVIEW.lines

    def look(self, preview: state.Preview | None) -> state.PageState:
        """Return what is shown."""
        return dataclasses.replace(self.page, preview=preview)

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serve it; yields its address."""
        [port] = free_ports.take(1)
        pages = application.Pages(look=self.look, previews=self.previews)
        async with server.serve(application.build(daemon=None, pages=pages), port, host="127.0.0.1"):
            yield f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def opened(chromium: browser.Browser) -> AsyncIterator[async_api.Browser]:
    """Start the browser."""
    async with async_api.async_playwright() as playwright:
        # Nothing of the net is shown to it, and it runs as root on a machine of tests.
        started = await playwright.chromium.launch(
            executable_path=chromium.program, env={**chromium.environment}, args=["--no-sandbox"]
        )
        try:
            yield started
        finally:
            await started.close()


async def visit(
    started: async_api.Browser,
    *,
    size: tuple[int, int] = PHONE,
    scheme: Scheme = "light",
    scripts: bool = True,
    bypass: bool = False,
    scale: float = 1,
) -> async_api.Page:
    """Open an empty tab.

    Args:
        started: the browser.
        size: of its window.
        scheme: of the user's colours.
        scripts: whether JavaScript is on.
        bypass: whether scripts of the test run in spite of the page's security policy.
        scale: pixels of the picture for one of the window.
    """
    context = await started.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=scripts,
        bypass_csp=bypass,
        device_scale_factor=scale,
    )
    return await context.new_page()
