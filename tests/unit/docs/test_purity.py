"""Pure modules import nothing that reads or changes the world, and say so in their docstrings."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PURE_PACKAGES = ("cosmos", "consumer", "manifests", "monitoring", "relayer", "config", "status_page")
PURE_MODULES = ("model.py", "names.py", "errors.py", "conditions.py")
PURE_KEYS = ("derivation.py", "armor.py", "key_file.py")
EFFECTS = ("config/stack_file.py", "relayer/queries.py")
"""Effects in pure packages: one reads files, the other awaits questions that are handed in."""
FORBIDDEN = {
    "asyncio",
    "cosmpy",
    "httpx",
    "os",
    "pulumi",
    "pulumi_kubernetes",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "time",
}


def first_line(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def imports(tree: ast.Module) -> set[str]:
    """Top-level names of everything that a module imports, inside its functions, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def is_pure_by_place(path: Path) -> bool:
    name = path.relative_to(ROOT / "ics").as_posix()
    package, _, rest = name.partition("/")
    return name not in EFFECTS and (
        name in PURE_MODULES
        or package in PURE_PACKAGES
        or (package == "keys" and rest in PURE_KEYS)
        or path.name == "decode.py"
    )


def test_pure_modules_import_nothing_that_touches_the_world() -> None:
    impure = {}
    for path in (ROOT / "ics").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if is_pure_by_place(path) or first_line(tree).endswith("; pure."):
            impure[path.relative_to(ROOT).as_posix()] = imports(tree) & FORBIDDEN
    assert len(impure) > 80
    assert {name: found for name, found in impure.items() if found} == {}


def test_effects_do_not_claim_to_be_pure() -> None:
    claims = [first_line(ast.parse((ROOT / "ics" / name).read_text())) for name in EFFECTS]
    assert not [line for line in claims if line.endswith("; pure.")]
