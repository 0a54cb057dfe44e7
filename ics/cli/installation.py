"""Offers to install the Pulumi CLI where the Pulumi engine finds none."""

import argparse
import asyncio
import sys

from ics import config, engines
from ics.engines import installing


async def offer(args: argparse.Namespace, settings: config.Settings) -> None:
    """Install it if the arguments say so, or somebody at the terminal does; else leave it to the engine.

    Raises:
        Transient: the installer cannot be had from here.
    """
    may_ask = settings.engine == engines.PULUMI and sys.stdin.isatty() and sys.stderr.isatty()
    is_wanted = args.install_pulumi
    if not (is_wanted or may_ask) or installing.find() is not None:
        return
    if not is_wanted:
        question = f"ics: there is no Pulumi CLI: install it into {installing.folder()}? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        is_wanted = (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in ("y", "yes")
    if is_wanted:
        folder = await asyncio.to_thread(installing.install)
        print(f"ics: the Pulumi CLI is in {folder}", file=sys.stderr)
