"""Renders the pictures of the documentation: `python -m tests.pictures`, or `make pictures`.

The status page, as Chromium shows the page of a validator on a bad night, without JavaScript, so that its times do not
run.
"""

import asyncio
from pathlib import Path
from typing import Final

from devnet import browser
from devnet.progress import Progress
from tests.browser import site

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "pictures"
PICTURES: Final[tuple[tuple[str, str, tuple[int, int], site.Scheme], ...]] = (
    ("page-phone", "/", site.PHONE, "light"),
    ("page-phone-dark", "/", site.PHONE, "dark"),
    ("chain-phone", "/chains/14", site.PHONE, "light"),
    ("page-desk", "/", site.DESK, "light"),
    ("chain-desk-dark", "/chains/7", site.DESK, "dark"),
)
"""Name, path, size and colours of each."""


async def main() -> None:
    """Write all pictures."""
    chromium = browser.ensure(Progress())
    FOLDER.mkdir(exist_ok=True)
    async with site.opened(chromium) as started, site.Site().served() as url:
        for name, path, size, scheme in PICTURES:
            page = await site.visit(started, size=size, scheme=scheme, scripts=False)
            await page.goto(url + path)
            await page.screenshot(path=FOLDER / f"{name}.png")
            print(f"docs/pictures/{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
