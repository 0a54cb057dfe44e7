"""A command that is told to end, by whichever signal, ends in order."""

import argparse
import asyncio
import signal
from typing import Any

import pytest

from ics.cli import __main__ as commands


@pytest.mark.parametrize(
    "interrupts", [signal.default_int_handler, signal.SIG_IGN], ids=["shell", "background"]
)
def test_sigterm_ends_a_pass_in_order_and_a_second_one_changes_nothing(
    interrupts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    async def one_pass() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            done.append("the Lease is given back")

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=lambda args: asyncio.run(one_pass()))
    monkeypatch.setattr(commands, "parser", lambda: parser)
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        code = commands.main([])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, done) == (1, ["the Lease is given back"])
    assert capsys.readouterr().err == "ics: interrupted; the next pass goes on from here\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
