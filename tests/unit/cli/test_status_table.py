"""The table of `ics status`: 80 columns, the worst chain first, the message last."""

import dataclasses

import pytest

from ics import model
from ics.cli import status_table, terminal
from ics.conditions import Condition, Reason, Severity
from ics.consumer import participation, status

NODE = status.NodeReport(
    height=48211,
    peers=2,
    signing=True,
    signers=3,
    validators=3,
    is_catching_up=False,
    is_ready=True,
    restarts=0,
)
WELL = status.ChainReport(
    chain_id="consumer1-1",
    consumer_id="0",
    phase=model.Phase.LAUNCHED,
    participation=participation.Participation.VALIDATING,
    namespace="consumer1-1",
    genesis_sha256="ab" * 32,
    ports=None,
    node=NODE,
    conditions=(),
)
MESSAGE = (
    "the volume is 91 % full, and is not expanded, because ics:node.volume.max is not set; set it to a size"
)
FULL = dataclasses.replace(
    WELL,
    chain_id="consumer2-1",
    consumer_id="12",
    conditions=(Condition.new(Reason.VOLUME_FILLING, MESSAGE, "12", severity=Severity.CRITICAL),),
)
AWAITED = dataclasses.replace(
    WELL,
    chain_id="consumer3-1",
    consumer_id="2",
    phase=model.Phase.INITIALIZED,
    node=None,
    conditions=(Condition.new(Reason.GENESIS_AWAITED, "in 12 min", "2"),),
)


def report(*chains: status.ChainReport) -> status.Report:
    return status.Report(
        validator="alice", provider_chain_id="provider-1", height=221, chains=chains, conditions=()
    )


def test_worst_chain_is_first_and_message_last() -> None:
    assert status_table.lines(report(WELL, FULL, AWAITED), 80) == [
        "alice on provider-1 at height 221",
        "CHAIN        ID  PHASE        STATE           HEIGHT  SIGNING  PEERS  MESSAGE",
        "consumer2-1  12  LAUNCHED     VolumeFilling   48,211  yes 3/3      2  the volum…",
        "consumer3-1   2  INITIALIZED  GenesisAwaited       -  -            -  in 12 min",
        "consumer1-1   0  LAUNCHED     ok              48,211  yes 3/3      2",
        "  12  critical VolumeFilling: the volume is 91 % full, and is not expanded,",
        "       because ics:node.volume.max is not set; set it to a size",
        "  2  info     GenesisAwaited: in 12 min",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("chain_id", ["c-1", "a" * 50, "\u202e" * 50])
def test_no_line_is_wider(width: int, chain_id: str) -> None:
    chains = [dataclasses.replace(chain, chain_id=chain_id) for chain in (WELL, FULL, AWAITED)]
    assert max(len(line) for line in status_table.lines(report(*chains), width)) <= width


def test_rows_have_the_style_of_their_worst_condition() -> None:
    lines = status_table.lines(report(WELL, FULL, AWAITED), 80)
    assert [getattr(line, "style", "") for line in lines[1:5]] == ["bold", "critical", "", ""]


def test_wide_has_the_rest_and_cuts_nothing() -> None:
    title, columns, row, *_ = status_table.wide_lines(report(WELL, FULL))
    assert title == "alice on provider-1 at height 221"
    assert columns.split()[-4:] == ["GENESIS", "UPGRADE", "NAMESPACE", "MESSAGE"]
    assert row.endswith(MESSAGE)


@pytest.mark.parametrize(
    ("choice", "environment", "colored"),
    [
        ("never", {}, False),
        ("always", {}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("auto", {}, False),
    ],
)
def test_style_is_shown_where_there_is_colour(
    choice: str,
    environment: dict[str, str],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(terminal, "_choices", terminal._Choices())
    terminal.choose(color=choice, level="warning", is_json=False)
    terminal.write(terminal.Styled("a\x1b[2Jb", "critical"))
    shown = capsys.readouterr().out
    assert shown == ("\x1b[1;31ma\\x1b[2Jb\x1b[0m\n" if colored else "a\\x1b[2Jb\n")


@pytest.mark.parametrize(
    ("environment", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_on_by_itself_only_on_a_terminal_that_wants_it(
    environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(terminal, "_choices", terminal._Choices())
    terminal.choose(color="auto", level="warning", is_json=False)
    assert terminal._has_color(Terminal()) is colored  # type: ignore[arg-type]


def test_fleet_is_one_table_with_the_worst_chain_of_all_first() -> None:
    bob = dataclasses.replace(report(FULL), validator="bob", height=9)
    assert status_table.fleet_lines([report(WELL), bob], 90) == [
        "alice on provider-1 at height 221",
        "bob on provider-1 at height 9",
        "VALIDATOR  CHAIN        ID  PHASE     STATE          HEIGHT  SIGNING  PEERS  MESSAGE",
        "bob        consumer2-1  12  LAUNCHED  VolumeFilling  48,211  yes 3/3      2  the volume i…",
        "alice      consumer1-1   0  LAUNCHED  ok             48,211  yes 3/3      2",
        "  bob 12  critical VolumeFilling: the volume is 91 % full, and is not expanded, because",
        "       ics:node.volume.max is not set; set it to a size",
    ]


def test_fleet_fits_into_a_terminal() -> None:
    long = dataclasses.replace(report(FULL, AWAITED), validator="a-validator-with-a-name-of-forty-characters")
    assert max(map(len, status_table.fleet_lines([long], 80))) <= 80
