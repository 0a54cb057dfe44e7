"""One run of a test on the product with one protection taken out."""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from tests.mutations import ROOT, Mutation, apply

STEPS = 10_000
"""Most steps of the model for each mutation."""
_FAILED = re.compile(r"^FAILED (.+?)(?: - (.*))?$", re.MULTILINE)
_REASON = re.compile(r"^E\s+(?:tests\.)?\S*?(\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutation."""

    mutation: Mutation
    test: str
    """The test that failed; empty: it was not noticed."""
    reason: str
    seconds: float
    """Processor time."""

    def __str__(self) -> str:
        """Return one line of a table."""
        said = f"{self.test}  {self.reason}" if self.test else "NOT NOTICED"
        return f"{self.mutation.row:9}{self.mutation.patch:30}{self.seconds:6.1f} s  {said}"


def run(mutation: Mutation) -> Result:
    """Run the test of a mutation until it fails.

    Raises:
        RuntimeError: the patch does not fit any more, or the tests cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="ics-mutation-") as folder:
        _copy(pathlib.Path(folder))
        applied = apply(mutation, pathlib.Path(folder))
        if applied.returncode:
            raise RuntimeError(f"{mutation.patch}: the patch does not fit: {applied.stdout}")
        before = _seconds()
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
    test = failed[1] if failed is not None else ""
    return Result(mutation, test, _reason(tested.stdout) if test else "", _seconds() - before)


def _copy(target: pathlib.Path) -> None:
    """Copy what the tests need."""
    for name in ("ics", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reason(text: str) -> str:
    found = _REASON.search(text)
    return f"{found[1]}: {found[2][:110]}" if found else ""
