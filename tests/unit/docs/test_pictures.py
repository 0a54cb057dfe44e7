"""Pictures of the documentation show what the commands print."""

import pathlib
import re

from tests.pictures import terminals

DOCS = pathlib.Path(__file__).resolve().parents[3] / "docs"


def test_pictures_of_the_terminal_are_those_of_make_pictures() -> None:
    kept = {path.stem: path.read_text() for path in (DOCS / "pictures").glob("*.svg")}
    assert kept == terminals.pictures()


def test_every_picture_is_shown_and_every_one_that_is_shown_is_there() -> None:
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]
    shown = {
        name for page in pages for name in re.findall(r"pictures/([a-z-]+\.(?:png|svg))", page.read_text())
    }
    assert shown == {path.name for path in (DOCS / "pictures").iterdir()}
