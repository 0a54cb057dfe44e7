"""The process that runs one story: an ordinary pytest, which also writes its reports into a file.

python -m pytest -p tests.stories.worker --reports FILE IDS…
"""

import json
import pathlib
import signal
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reports", metavar="FILE", required=True, help="write each report into it, a line each"
    )


def pytest_configure(config: pytest.Config) -> None:
    # The coordinator ends a story by SIGINT, which a shell ignores for what it starts in its background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(_Writer(config, pathlib.Path(config.getoption("--reports"))))


class _Writer:
    def __init__(self, config: pytest.Config, path: pathlib.Path) -> None:
        self._config, self._path = config, path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        content = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        with self._path.open("a") as file:
            file.write(f"{json.dumps(content)}\n")


def read(config: pytest.Config, path: pathlib.Path) -> list[pytest.TestReport]:
    """The reports in a file of these, in their order; none when it was never begun."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [_report(config, content) for content in lines]


def _report(config: pytest.Config, content: dict[str, Any]) -> pytest.TestReport:
    if isinstance(content.get("longrepr"), list):  # why it was skipped; JSON knows no tuples
        content["longrepr"] = tuple(content["longrepr"])
    for name in ("sections", "user_properties", "location"):
        content[name] = [tuple(one) if isinstance(one, list) else one for one in content[name]]
    content["location"] = tuple(content["location"])
    found: pytest.TestReport = config.hook.pytest_report_from_serializable(config=config, data=content)
    return found
