"""The wheel holds every file of the package, so that a project folder needs no checkout."""

import fnmatch
import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_file_that_is_no_module_is_package_data() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = options["package-data"]["ics"]
    data = [
        path.relative_to(ROOT / "ics").as_posix()
        for path in (ROOT / "ics").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert {"cli/init/template/Pulumi.yaml", "provider/proto/tx.proto"} <= set(data)
    assert [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "ics").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
