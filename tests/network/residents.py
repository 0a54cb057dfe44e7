"""The reconcilers of all three validators as they stay, each `reconcile.py --watch` with its log and probes."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from devnet import places
from tests.network import operators, provider_node

STOPPING = 60.0
"""Seconds that a reconciler is given to end its pass."""


@dataclass
class _Run:
    process: subprocess.Popen[bytes]
    log: pathlib.Path
    port: int
    read: int = 0
    """Lines that were looked at already."""


class Residents:
    """They stay for as long as the context lasts."""

    def __init__(
        self,
        names: Iterable[str],
        folder: pathlib.Path,
        *flags: str,
        project: pathlib.Path = places.CHECKOUT,
    ) -> None:
        self._folder, self._project = folder, project
        self._flags = flags
        self._names = tuple(names)
        self._runs: dict[str, list[_Run]] = {name: [] for name in self._names}
        self._stopped: set[str] = set()
        self.passes: Counter[str] = Counter()
        """By validator, as their metrics say; `failed NAME` beside it."""

    def __enter__(self) -> "Residents":
        for name in self._names:
            self._start(name)
        return self

    def __exit__(self, *error: object) -> None:
        for name in self._names:
            if name not in self._stopped:
                self.stop(name)

    def stop(self, name: str) -> None:
        """End one, as its operator does."""
        run = self._runs[name][-1]
        self._count(name)
        self._stopped.add(name)
        run.process.send_signal(signal.SIGTERM)
        try:
            run.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.process.wait()

    def start(self, name: str) -> None:
        """Start one that was stopped."""
        self._stopped.remove(name)
        self._start(name)

    def crash(self, name: str) -> None:
        """Kill one in the midst of whatever it does, and start another."""
        self._count(name)
        run = self._runs[name][-1]
        run.process.kill()
        run.process.wait()
        self._start(name)

    def port(self, name: str) -> int:
        """The port of its probes and metrics."""
        return self._runs[name][-1].port

    def kill(self, name: str) -> None:
        """Kill one, and start no other."""
        run = self._runs[name][-1]
        run.process.kill()
        run.process.wait()
        self._stopped.add(name)

    def start_again(self, name: str) -> None:
        """Start one that was killed, on the port that it had."""
        self._stopped.remove(name)
        self._start(name, self.port(name))

    def dead(self) -> list[str]:
        """Those that have ended by themselves, with their last words."""
        return [
            f"{name} ended with {runs[-1].process.returncode}: {runs[-1].log.read_text()[-1000:]}"
            for name, runs in self._runs.items()
            if name not in self._stopped and runs[-1].process.poll() is not None
        ]

    def complaints(self) -> list[str]:
        """What they complained of since the last call, each line once for each validator."""
        found = []
        for name, runs in self._runs.items():
            for run in runs:
                # A line that is being written has no end yet, and the last of a killed one may have none.
                lines = run.log.read_text().split("\n")[:-1]
                fresh, run.read = lines[run.read :], len(lines)
                said: dict[str, None] = {}
                for line in fresh:
                    said |= dict.fromkeys(_troubles(line))
                found += [f"{name}: {text}" for text in said]
        return found

    def told(self, name: str) -> list[dict[str, Any]]:
        """What its passes said, oldest first; one that is like the one before is not told again."""
        texts = [line for run in self._runs[name] for line in run.log.read_text().split("\n")[:-1]]
        found = [json.loads(line) for line in texts]
        return [line for line in found if "status" in line]

    def _start(self, name: str, port: int | None = None) -> None:
        runs = self._runs[name]
        log, port = self._folder / f"{name}-{len(runs)}.log", port or provider_node.free_port()
        words = [str(self._project / "reconcile.py"), "--watch", "--json", "--stack", name]
        words += ["--set", f"daemon.port={port}", *self._flags]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ICS_") or k in operators.OWN}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=self._project, env=environment, stdout=out, stderr=out
            )
        runs.append(_Run(process, log, port))

    def _count(self, name: str) -> None:
        run = self._runs[name][-1]
        try:
            text = httpx.get(f"http://127.0.0.1:{run.port}/metrics", timeout=5, trust_env=False).text
        except httpx.TransportError:
            return
        passes = {
            result: int(float(value))
            for result, value in re.findall(
                r'^ics_passes_total\{result="(\w+)",[^}]*\} (\S+)$', text, re.MULTILINE
            )
        }
        self.passes[name] += sum(passes.values())
        self.passes[f"failed {name}"] += passes.get("failed", 0)


def _troubles(line: str) -> list[str]:
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError:
        return [f"not a line of the log: {line}"]
    found = [str(trouble) for trouble in told.get("troubles", ())]
    return [*found, *([str(told["problem"])] if told.get("problem") else [])]
