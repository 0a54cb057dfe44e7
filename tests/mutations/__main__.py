"""Run the tests on the product with one protection after the other taken out: `python -m tests.mutations [NAME …]`.

Prints row, mutation and the test that failed; the exit status is 1 if a mutation was not noticed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.mutations import MUTATIONS, Mutation

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 10_000
_FAILED = re.compile(r"^FAILED (\S+)(?: - (.*))?$", re.MULTILINE)


def copy(target: pathlib.Path) -> None:
    """Copy what the tests need."""
    for name in ("ics", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)


def run(mutation: Mutation) -> tuple[str, str]:
    """Return the test that failed, and why; empty if none did.

    Raises:
        RuntimeError: the patch does not fit any more, or the tests cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="ics-mutation-") as folder:
        copy(pathlib.Path(folder))
        patch = ROOT / "tests" / "mutations" / "patches" / f"{mutation.patch}.patch"
        applied = subprocess.run(
            ["patch", "-p1", "--fuzz=3", "-i", str(patch)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if applied.returncode:
            raise RuntimeError(f"{mutation.patch}: the patch does not fit: {applied.stdout}")
        tested = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", mutation.test],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MODEL_STEPS": str(STEPS), "MODEL_SHRINKS": "no"},
        )
        failed = _FAILED.search(tested.stdout)
        if failed is None and tested.returncode:
            raise RuntimeError(f"{mutation.patch}: {tested.stdout[-2000:]}{tested.stderr[-2000:]}")
        return ("", "") if failed is None else (failed[1], _reason(tested.stdout) or failed[2] or "")


def _reason(text: str) -> str:
    found = re.search(r"^E\s+(?:tests\.)?\S*?(\w+): (.*)$", text, re.MULTILINE)
    return f"{found[1]}: {found[2][:110]}" if found else ""


def main(names: Sequence[str]) -> int:
    """Run the mutations with these names, or all."""
    missed = 0
    for mutation in MUTATIONS:
        if names and mutation.patch not in names:
            continue
        began = time.monotonic()
        test, reason = run(mutation)
        missed += not test
        seconds = time.monotonic() - began
        print(
            f"{mutation.row:9}{mutation.patch:30}{seconds:6.1f} s  {test or 'NOT NOTICED'}  {reason}",
            flush=True,
        )
    print(f"{missed} not noticed" if missed else "all noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
