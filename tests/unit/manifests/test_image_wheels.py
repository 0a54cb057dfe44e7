"""The images can be built for both architectures: the index has a wheel of every library, with a hash of the files."""

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
REQUIREMENTS = ("requirements-image.txt", "requirements-pulumi.txt")
GLIBC = (36, 28, 26, 17)
"""Minor versions of glibc 2 for which wheels are built; the images' Debian 12 has 2.36."""


def python_version() -> str:
    """The Python of both images, such as `3.11`."""
    found = re.search(r"^FROM python:(3\.\d+)\.", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.pulumi"])
def test_build_takes_wheels_only_by_their_hashes(name: str) -> None:
    (command,) = re.findall(
        r"^RUN pip install (.+?)(?<!\\)$", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL
    )
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command.split())


@pytest.mark.soak
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_library_of_the_images_has_a_wheel_for_the_architecture(
    machine: str, tmp_path: pathlib.Path
) -> None:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check"),
            *("--ignore-installed", "--no-deps", "--require-hashes", "--only-binary=:all:"),
            *(
                "--implementation",
                "cp",
                "--python-version",
                python_version(),
                "--target",
                str(tmp_path / "none"),
            ),
            *(f"--platform={platform}" for platform in platforms),
            *(f"--requirement={ROOT / name}" for name in REQUIREMENTS),
            *("--report", str(tmp_path / "report.json")),
        ],
        check=True,
    )
    taken: list[dict[str, Any]] = json.loads((tmp_path / "report.json").read_text())["install"]
    pinned = [
        name
        for file in REQUIREMENTS
        for name in re.findall(r"^([a-z0-9._-]+)==", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert len(pinned) > 50
    assert len(taken) == len(pinned)
    files = [one["download_info"]["url"].rsplit("/", 1)[1] for one in taken]
    assert [file for file in files if not file.endswith(("-any.whl", f"_{machine}.whl"))] == []
    assert [file for file in files if file.endswith(f"_{machine}.whl")] != []
