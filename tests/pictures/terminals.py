"""What commands print about that night, as pictures of a terminal: texts in SVG."""

import contextlib
import dataclasses
import io
from collections.abc import Sequence
from typing import Final

from rich import console, text

from ics.cli import status_table, terminal
from ics.cli.commands import describe
from tests.pictures import scene

WIDTH: Final = 110
"""Columns of the terminal."""
_SVG: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""The form of a picture: it loads no fonts, and so shows the reader's."""


def pictures() -> dict[str, str]:
    """Return the pictures as SVG by their names."""
    report = scene.page().report
    assert report is not None
    report = dataclasses.replace(report, chains=(*scene.CHAINS, *scene.STRANGERS[:2]))
    [harbor] = [chain for chain in report.chains if chain.chain_id == "harbor-1"]
    return {
        "status": _picture("ics status", "status", status_table.lines(report, WIDTH)),
        "describe": _picture("ics describe 7", "describe", describe.lines(harbor, scene.EVENTS, WIDTH)),
    }


def _picture(command: str, name: str, lines: Sequence[str]) -> str:
    recorder = console.Console(record=True, file=io.StringIO(), width=WIDTH, color_system="truecolor")
    recorder.print(text.Text.from_ansi(_printed(lines)))
    svg = recorder.export_svg(title=command, code_format=_SVG, unique_id=name)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def _printed(lines: Sequence[str]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        terminal.choose(color="always", level="warning", is_json=False)
        try:
            terminal.write(*lines)
        finally:
            terminal.choose(color="never", level="warning", is_json=False)
    return printed.getvalue()
