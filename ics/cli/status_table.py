"""The status of a stack for people: a table, the worst chain first, and its conditions."""

import textwrap
from collections.abc import Sequence
from typing import Final

from ics import plain_text
from ics.cli import output, terminal
from ics.conditions import Condition, Severity
from ics.consumer import status
from ics.engines import tenure

_COLUMNS: Final = ("CHAIN", "ID", "PHASE", "STATE", "HEIGHT", "SIGNING", "PEERS", "MESSAGE")
_CHAIN, _STATE, _MESSAGE = 0, 3, 7
_RIGHT: Final = frozenset({1, 4, 6})
"""Columns of numbers."""
_GAP: Final = "  "
_LEAST: Final = {_CHAIN: 8, _STATE: 8, _MESSAGE: 8}
"""Columns that may be cut, and to what width."""
_CUT: Final = "…"


def lines(report: status.Report, width: int | None, more: str = "") -> list[str]:
    """Return title, table, and below it conditions, sentries, full nodes and checklists.

    Args:
        report: of a pass or a look.
        width: columns that a line may have, in which texts are cut in the table and wrapped below it; None for any.
        more: added to the title.
    """
    chains = worst_first(report.chains)
    title = _wrapped(_title(report) + more, width, "")
    return [*title, *_table(chains, width), *_details(chains, report.conditions, width)]


def fleet_lines(reports: Sequence[status.Report], width: int | None) -> list[str]:
    """Return one table of several validators' chains, the worst first, and their conditions below it.

    Args:
        reports: one for each stack.
        width: as for `lines`.
    """
    chains = [(report.validator, chain) for report in reports for chain in report.chains]
    chains.sort(key=lambda pair: (-_urgency(pair[1]), pair[0], _number(pair[1].consumer_id)))
    titles = [line for report in reports for line in _wrapped(_title(report), width, "")]
    table = _table([chain for _, chain in chains], width, [name for name, _ in chains])
    found: list[str] = []
    for validator, chain in chains:
        for each in chain.conditions:
            found += condition_lines(f"{validator} {chain.consumer_id}", each, width)
    for report in reports:
        for each in report.conditions:
            found += condition_lines(f"{report.validator} -", each, width)
    return [*titles, *table, *found]


def wide_lines(report: status.Report, more: str = "") -> list[str]:
    """Return the same with all columns, and with lines as long as they are."""
    columns = (
        *("CHAIN", "ID", "PHASE", "PARTICIPATION", "STATE", "HEIGHT", "SIGNING", "PEERS", "P2P", "GENESIS"),
        *("UPGRADE", "NAMESPACE", "MESSAGE"),
    )
    chains = worst_first(report.chains)
    rows = [_wide_row(chain) for chain in chains]
    return [_title(report) + more, *output.table(columns, rows), *_details(chains, report.conditions, None)]


def _title(report: status.Report) -> str:
    return f"{report.validator} on {report.provider_chain_id} at height {report.height}"


def worst_first(chains: Sequence[status.ChainReport]) -> list[status.ChainReport]:
    """Return chains by their worst condition, those that are well last, and by consumer id."""
    return sorted(chains, key=lambda chain: (-_urgency(chain), _number(chain.consumer_id)))


def engine(recorded: tenure.Tenure, setting: str) -> str:
    """Return what is added to the first line of the status: which engine converges the cluster, and since when.

    Args:
        recorded: as recorded in the cluster.
        setting: `ics:engine`; shown if the next pass takes the cluster over with another engine.
    """
    if not recorded.engine:
        return ""
    since = f" since {recorded.since}" if recorded.since else ""
    other = f", ics:engine is {setting}" if setting not in ("auto", recorded.engine) else ""
    return f", engine {recorded.engine}{since}{other}"


def checklist_lines(chain: status.ChainReport) -> list[str]:
    """Return the checklist of a chain that is awaited, a line for each item."""
    if chain.checklist is None:
        return []
    return [
        f"  {chain.consumer_id}  {entry.state.value:<9}{entry.item.value}: {entry.text}"
        for entry in chain.checklist.entries
    ]


def style(severity: Severity | None) -> str:
    """Return the style of what has a severity; None: all is well."""
    if severity is None or severity is Severity.INFO:
        return ""
    return "critical" if severity is Severity.CRITICAL else "warning"


def _urgency(chain: status.ChainReport) -> int:
    return chain.conditions[0].severity if chain.conditions else -1


def _number(consumer_id: str) -> int:
    return int(consumer_id) if consumer_id.isdecimal() else -1


def _table(
    chains: Sequence[status.ChainReport], width: int | None, validators: Sequence[str] = ()
) -> list[str]:
    """Return the table, with the validator of each chain in its first column if they are named."""
    shift = 1 if validators else 0
    named = [[output.cell(name)] for name in ("VALIDATOR", *validators)] if validators else []
    rows = [[output.cell(value) for value in row] for row in (_COLUMNS, *map(_row, chains))]
    if named:
        rows = [[*first, *row] for first, row in zip(named, rows, strict=True)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS) + shift)]
    if width is not None:
        _shrink(widths, width, shift)
    shown = []
    for row, chain in zip(rows, (None, *chains), strict=True):
        cells = [_fitted(cell, widths[at], at - shift in _RIGHT) for at, cell in enumerate(row)]
        worst = None if chain is None or not chain.conditions else chain.conditions[0].severity
        shown.append(
            terminal.Styled(_GAP.join(cells).rstrip()[:width], "bold" if chain is None else style(worst))
        )
    return list(shown)


def _shrink(widths: list[int], width: int, shift: int) -> None:
    """Make the columns that may be cut narrower until a line has the width: the message first."""
    order = [(at + shift, _LEAST[at]) for at in (_MESSAGE, _CHAIN, _STATE)]
    for at, least in [*order, (0, _LEAST[_CHAIN])]:
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        if excess > 0:
            widths[at] = max(widths[at] - excess, min(widths[at], least))


def _fitted(cell: str, width: int, is_right: bool) -> str:
    cut = cell if len(cell) <= width else cell[: max(width - 1, 0)] + _CUT
    return cut.rjust(width) if is_right else cut.ljust(width)


def _row(chain: status.ChainReport) -> tuple[object, ...]:
    node = chain.node
    worst = chain.conditions[0] if chain.conditions else None
    height = None if node is None or node.height is None else f"{node.height:,}"
    return (
        chain.chain_id,
        chain.consumer_id,
        chain.phase,
        "ok" if worst is None else worst.reason,
        _or_dash(height),
        _signing(node),
        _or_dash(None if node is None else node.peers),
        "" if worst is None else worst.message,
    )


def _wide_row(chain: status.ChainReport) -> tuple[object, ...]:
    _, _, _, state, height, signing, peers, message = _row(chain)
    upgrade = chain.upgrade
    coming = None if upgrade is None or not upgrade.height else f"{upgrade.state.value} at {upgrade.height:,}"
    return (
        *(chain.chain_id, chain.consumer_id, chain.phase, chain.participation, state, height, signing, peers),
        chain.ports.p2p if chain.ports else "-",
        (chain.genesis_sha256 or "-")[:12],
        _or_dash(coming),
        _or_dash(chain.namespace),
        message,
    )


def _signing(node: status.NodeReport | None) -> str:
    if node is None or node.signers is None:
        return "-"
    return f"{'yes' if node.signing else 'no'} {node.signers}/{node.validators}"


def _or_dash(value: object) -> object:
    return "-" if value is None else value


def _details(
    chains: Sequence[status.ChainReport], conditions: Sequence[Condition], width: int | None
) -> list[str]:
    found: list[str] = []
    for chain in chains:
        for each in chain.conditions:
            found += condition_lines(chain.consumer_id, each, width)
        for node in chain.extra_nodes:
            found += _wrapped(f"  {chain.consumer_id}  {extra_node(node)}", width, "")
        for line in checklist_lines(chain):
            found += _wrapped(line, width, "")
    for each in conditions:
        found += condition_lines("-", each, width)
    return found


def condition_lines(consumer_id: str, condition: Condition, width: int | None) -> list[str]:
    """Return a condition, wrapped; its chain is `-` if it concerns the validator."""
    text = f"  {consumer_id}  {output.condition(condition)}"
    return _wrapped(text, width, style(condition.severity))


def _wrapped(text: str, width: int | None, name: str) -> list[str]:
    # Made visible first: an escape is longer than what it stands for.
    seen = plain_text.visible(text)
    if width is None:
        return [terminal.Styled(seen, name)]
    indent = " " * (len(seen) - len(seen.lstrip()) + 3)
    parts = textwrap.wrap(
        seen, width, subsequent_indent=f"{indent}  ", break_long_words=True, break_on_hyphens=False
    )
    return [terminal.Styled(part, name) for part in parts]


def extra_node(node: status.ExtraNodeReport) -> str:
    """Return a line about a sentry or full node."""
    if node.height is None:
        state = "does not answer"
    else:
        state = f"height {node.height}, {node.peers} peers" + (", catching up" if node.is_catching_up else "")
    return f"{node.name:<12}{state}{', published' if node.is_published else ''}"
