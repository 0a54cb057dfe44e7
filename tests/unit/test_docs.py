"""The documents name what there is, and nothing that there is not."""

import re
from pathlib import Path

from ics.config import reference, settings
from tests import settings_page

ROOT = Path(__file__).resolve().parents[2]


def test_the_settings_page_is_made_from_the_docstrings() -> None:
    text = settings_page.PAGE.read_text()
    assert text == settings_page.written(text), "run: .venv/bin/python -m tests.settings_page"


def test_no_setting_is_named_that_there_is_not() -> None:
    keys = {row.key for row in reference.settings()}
    groups = {key.rsplit(".", parts)[0] for key in keys for parts in range(1, key.count(".") + 1)}
    # What stands below a key is a mapping: a source of a secret, annotations, overrides.
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(r"\bics:[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*", document.read_text()):
            above = {name.rsplit(".", parts)[0] for parts in range(name.count(".") + 1)}
            assert name in groups or above & keys, f"{document.name} names {name}"


def test_every_setting_says_what_it_means() -> None:
    rows = (*reference.settings(), *reference.definitions())
    assert [row.key for row in rows if not row.text] == []
    assert {row.key.partition(".")[0] for row in reference.settings()} == {
        f"ics:{name}" for name in settings.Settings.model_fields
    }


def test_readme_tree_lists_every_package_and_top_level_module_once() -> None:
    tree = (ROOT / "README.md").read_text().partition("## Layout")[2].split("```")[1]
    listed = re.findall(r"^ +([a-z_]+(?:/|\.py)) ", tree, re.MULTILINE)
    modules = [path.name for path in (ROOT / "ics").glob("*.py") if path.name != "__init__.py"]
    packages = [f"{path.parent.name}/" for path in (ROOT / "ics").glob("*/**/__init__.py")]
    assert sorted(listed) == sorted(modules + packages)


def test_every_document_that_is_linked_exists() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links {target}"
