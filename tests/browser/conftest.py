"""The browser of the tests."""

import pytest

from devnet import browser
from devnet.progress import Progress


@pytest.fixture(scope="session")
def chromium() -> browser.Browser:
    """Chromium, which is unpacked if it is not there yet."""
    try:
        return browser.ensure(Progress())
    except browser.Unavailable as error:
        pytest.skip(f"not available: {error}")


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which is downloaded if it is not there yet."""
    try:
        return browser.accessibility_checks(Progress())
    except browser.Unavailable as error:
        pytest.skip(f"not available: {error}")
