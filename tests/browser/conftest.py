"""The browser of the tests."""

import pytest

from devnet import browser
from devnet.progress import Progress


@pytest.fixture(scope="session")
def chromium() -> browser.Browser:
    """Chromium, which is unpacked if it is not there yet."""
    return browser.ensure(Progress())
