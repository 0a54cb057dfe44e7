"""Chromium and axe-core on machines that do not get them."""

from pathlib import Path

import pytest

from devnet import browser
from devnet.progress import Progress


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICS_CACHE", str(tmp_path / "cache"))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def install(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def test_machine_that_is_not_debian_gets_no_browser() -> None:
    with pytest.raises(
        browser.Unavailable, match=r"Chromium, which Debian's packages hold: apt-get is not installed"
    ):
        browser.ensure(Progress())


def test_release_that_lacks_the_package_gets_no_browser(machine: Path) -> None:
    install(machine, "apt-get", "exit 0")
    install(machine, "apt-cache", "echo 'E: No packages found' >&2; exit 100")
    with pytest.raises(browser.Unavailable, match="No packages found"):
        browser.ensure(Progress())


def test_accessibility_checks_need_npm() -> None:
    with pytest.raises(
        browser.Unavailable, match=r"axe-core@4.14.1, which npm downloads: npm is not installed"
    ):
        browser.accessibility_checks(Progress())


def test_other_axe_core_is_refused(machine: Path) -> None:
    install(machine, "npm", "echo other > axe-core-4.14.1.tgz")
    with pytest.raises(Exception, match="expected FHfa") as caught:
        browser.accessibility_checks(Progress())
    assert not isinstance(caught.value, browser.Unavailable)
