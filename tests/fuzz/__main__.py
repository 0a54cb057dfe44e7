"""Runs the targets guided by coverage, with atheris: `python -m tests.fuzz [TARGET …]`, part of `make soak`.

Each target runs in a process of its own, because atheris ends it, until a million inputs or ten minutes, whichever
comes first. Inputs that reach new code are kept from run to run in the folder of `--corpus`.
"""

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

_ABSENT = (
    "skipped: atheris is not installed, without which nothing is fuzzed by coverage; it is in requirements-soak.txt"
    " and has wheels for Linux on x86-64 only, up to Python 3.13"
)
_TOLD_AFTER = 1000
"""Inputs between two counts on the output."""
_DONE = re.compile(r"Done \d+ runs in \d+ second\(s\)")


def main() -> int:
    """Run the named targets, or all; returns the exit code: 1 if one found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="as in tests/fuzz/targets.py; default: all"
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--corpus", type=pathlib.Path, help="folder in which inputs are kept; default: none")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(_ABSENT)
        return 0
    if args.alone:
        _fuzz(args.targets[0], args.inputs, args.seconds, args.corpus)
    from tests.fuzz import targets

    if unknown := set(args.targets) - set(targets.TARGETS):
        parser.error(f"unknown target {', '.join(sorted(unknown))}; use {', '.join(targets.TARGETS)}")
    wanted = args.targets or list(targets.TARGETS)
    with tempfile.TemporaryDirectory(prefix="ics-fuzz-") as folder:
        found = [name for name in wanted if not _run(name, args, args.corpus or pathlib.Path(folder))]
    print(f"{len(wanted)} targets; something was found in {len(found)}: {', '.join(found) or '-'}")
    return 1 if found else 0


def _run(name: str, args: argparse.Namespace, corpus: pathlib.Path) -> bool:
    own = corpus / re.sub("[^a-z]+", "-", name.lower())
    own.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz", "--alone", "--inputs", str(args.inputs)]
    done = subprocess.run(
        [*command, "--seconds", str(args.seconds), "--corpus", str(own), name],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    told, ending = done.stdout.splitlines(), _DONE.search(done.stderr)
    end = ending[0] if ending else f"ended early with status {done.returncode}"
    print(f"{name}: {told[-1] if told else 'nothing ran'}; {end}", flush=True)
    is_clean = done.returncode == 0 and ending is not None
    if not is_clean:
        print("\n".join(done.stderr.splitlines()[-40:]), flush=True)
    return is_clean


def _fuzz(name: str, inputs: int, seconds: int, corpus: pathlib.Path) -> None:
    """Fuzz one target until a limit, and end the process."""
    import atheris

    with atheris.instrument_imports(include=["ics"]):
        from tests.fuzz import targets

    tried, accepted = 0, 0

    def one(data: bytes) -> None:
        nonlocal tried, accepted
        tried += 1
        try:
            accepted += targets.attempt(name, data)
        except BaseException:
            print(f"found by {data!r}, input {tried}", flush=True)
            raise
        if tried % _TOLD_AFTER == 0:
            print(f"{accepted} of {tried} accepted", flush=True)

    limits = [
        f"-runs={inputs}",
        f"-max_total_time={seconds}",
        "-max_len=128",
        "-timeout=300",
        "-rss_limit_mb=0",
    ]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
