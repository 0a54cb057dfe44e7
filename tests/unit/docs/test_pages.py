"""The documents name existing settings, modules and pages only."""

import re
from pathlib import Path

from ics.config import reference, settings
from tests import settings_page

ROOT = Path(__file__).resolve().parents[3]


def test_settings_page_is_rendered_from_docstrings() -> None:
    text = settings_page.PAGE.read_text()
    assert text == settings_page.written(text), "run: .venv/bin/python -m tests.settings_page"


def test_settings_named_in_documents_exist() -> None:
    keys = {row.key for row in reference.settings()}
    groups = {key.rsplit(".", parts)[0] for key in keys for parts in range(1, key.count(".") + 1)}
    # What stands below a key is a mapping: a source of a secret, annotations, overrides.
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(r"\bics:[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*", document.read_text()):
            above = {name.rsplit(".", parts)[0] for parts in range(name.count(".") + 1)}
            assert name in groups or above & keys, f"{document.name} names {name}"


def test_every_setting_has_a_description() -> None:
    rows = (*reference.settings(), *settings_page.definitions())
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


DOCUMENTS = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_linked_documents_and_headings_exist() -> None:
    for document in DOCUMENTS:
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", document.read_text()):
            path = document.parent / target if target else document
            assert path.exists(), f"{document.name} links {target}"
            assert not anchor or anchor in anchors(path), f"{document.name} links {target}#{anchor}"


def test_tests_named_in_documents_exist() -> None:
    named = {
        (document.name, path, test)
        for document in DOCUMENTS
        for path, test in re.findall(r"`(tests/[\w/.-]+?)(?:::(\w+))?`", document.read_text())
    }
    assert named
    for document, path, test in sorted(named):
        assert (ROOT / path).exists(), f"{document} names {path}"
        if test:
            code = (ROOT / path).read_text()
            assert re.search(rf"^ *(?:async )?def {test}\(", code, re.MULTILINE), (
                f"{document} names {path}::{test}"
            )


def test_way_into_the_code_leads_to_two_files_at_most_and_names_what_they_define() -> None:
    section = (
        (ROOT / "CONTRIBUTING.md").read_text().partition("## The way into the code")[2].partition("## ")[0]
    )
    rows = [row for row in section.splitlines() if row.startswith("| ") and "?" in row]
    assert len(rows) == 5
    for row in rows:
        words = re.findall(r"`([^`]+)`", row)
        paths = [word for word in words if "/" in word]
        assert len(paths) in (1, 2), row
        code = "".join((ROOT / path).read_text() for path in paths)
        for name in set(words) - set(paths):
            assert re.search(rf"^(?:(?:async )?def|class) {name}\b|^{name}\b", code, re.MULTILINE), (
                f"{name}: {row}"
            )


def test_every_page_is_in_the_overview() -> None:
    overview = (ROOT / "docs/README.md").read_text()
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", overview))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
