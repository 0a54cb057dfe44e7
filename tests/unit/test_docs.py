"""The documents name what there is, and nothing that there is not."""

import ast
import re
from pathlib import Path

import pydantic

from ics import config

ROOT = Path(__file__).resolve().parents[2]
REASON = re.compile(r"[A-Z][a-z]+([A-Z][a-z]+)*")


def reasons() -> set[str]:
    """Every reason that a Condition is made with in the product: a CamelCase literal among its arguments."""
    found = set()
    for path in (ROOT / "ics").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in ("Condition", "condition", "_condition", "_trouble", "Found"):
                continue
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found |= {text for text in texts if isinstance(text, str) and REASON.fullmatch(text)}
    return found


def test_every_condition_has_its_mend_and_no_other_is_named() -> None:
    rows = [line for line in (ROOT / "docs/conditions.md").read_text().splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert documented == reasons() | {"ClusterTrouble", "ClusterRefuses"}


def keys(settings: type[pydantic.BaseModel], prefix: str) -> set[str]:
    found = set()
    for name, field in settings.model_fields.items():
        inner = field.annotation
        if (
            isinstance(inner, type)
            and issubclass(inner, pydantic.BaseModel)
            and inner is not config.SecretSource
        ):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found.add(f"{prefix}{name}")
    return found


def test_every_setting_is_in_the_table() -> None:
    documented = set()
    for row in (ROOT / "docs/settings.md").read_text().splitlines():
        if not row.startswith("| `ics:"):
            continue
        names = re.findall(r"`([\w:.]+)`", row.split("|")[1])
        group = names[0].rpartition(".")[0]
        documented |= {name if name.startswith("ics:") else f"{group}.{name}" for name in names}
    assert documented == keys(config.Settings, "ics:")


def test_every_document_that_is_linked_exists() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links {target}"
