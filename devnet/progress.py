"""Display of running steps with elapsed and estimated time."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_LINE_EVERY = 5.0
_DRAW_EVERY = 0.25


@dataclass(slots=True)
class _Step:
    text: str
    started: float
    estimate: float | None
    shown_at: float

    def line(self, now: float) -> str:
        about = f" of about {self.estimate:.0f} s" if self.estimate else ""
        return f"{self.text} … {now - self.started:.0f} s{about}"


class Progress:
    """Progress of concurrent steps in several threads, written to standard error.

    A terminal shows one line that is redrawn; other outputs get a line when a step ends and one every few seconds
    while it lasts.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._steps: list[_Step] = []
        self._ticker: threading.Thread | None = None

    @contextmanager
    def step(self, text: str, estimate: float | None = None) -> Iterator[None]:
        """Show `text` while the block runs; `estimate` is its expected duration in seconds."""
        now = time.monotonic()
        step = _Step(text, now, estimate, now)
        with self._lock:
            self._steps.append(step)
            self._start_ticker()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._lock:
                self._steps.remove(step)
                took = time.monotonic() - step.started
                self._write(f"{text}: {'failed after' if failed else 'done in'} {took:.1f} s")

    def note(self, text: str) -> None:
        """Write one line."""
        with self._lock:
            self._write(text)

    def _start_ticker(self) -> None:
        if self._ticker is None or not self._ticker.is_alive():
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        while True:
            time.sleep(_DRAW_EVERY)
            with self._lock:
                if not self._steps:
                    self._ticker = None
                    return
                self._show(time.monotonic())

    def _show(self, now: float) -> None:
        if self._terminal:
            text = "; ".join(step.line(now) for step in self._steps)
            sys.stderr.write(f"\r\x1b[K{self._stamp(now)} {text[:150]}")
            sys.stderr.flush()
            return
        for step in self._steps:
            if now - step.shown_at >= _LINE_EVERY:
                step.shown_at = now
                self._write(step.line(now))

    def _write(self, text: str) -> None:
        clear = "\r\x1b[K" if self._terminal else ""
        sys.stderr.write(f"{clear}{self._stamp(time.monotonic())} {text}\n")
        sys.stderr.flush()

    def _stamp(self, now: float) -> str:
        return f"[{now - self._started:6.1f} s]"
