"""`ics init`: asks, writes a project folder with a stack, and runs `ics doctor` on it."""

import asyncio
import os
import sys
from pathlib import Path

from ics.cli import output
from ics.cli.arguments import init as arguments
from ics.cli.doctor import findings
from ics.cli.doctor import run as checks
from ics.cli.init import cluster_probes, dialog, found, provider_probes, session
from ics.cli.init import run as init
from ics.config import settings
from ics.reconciler import wiring


def run(args: arguments.Init) -> int:
    """Ask, write, check, and return 0: what `ics doctor` finds is for the operator to go through."""
    root = args.folder.expanduser().absolute()
    is_attended = sys.stdin.isatty() and not args.is_data
    talk = dialog.Dialog(args.given(), accepts_defaults=args.yes, is_attended=is_attended)
    request = session.Request(
        root=root,
        environment=os.environ,
        given=args.given(),
        passphrase_file=args.passphrase_file,
        words_file=args.words_file,
        kubeconfig=str(args.kubeconfig.expanduser().absolute()) if args.kubeconfig else None,
        namespace=args.namespace,
    )

    async def probe_cluster(chosen: settings.ClusterSettings) -> found.Cluster:
        return await cluster_probes.probe(chosen, root, os.environ)

    result = asyncio.run(
        init.run(
            session.Session(request=request, talk=talk),
            lambda rest: provider_probes.ProviderProbe(rest, wiring.now),
            probe_cluster,
        )
    )
    results = [] if args.skip_doctor else asyncio.run(checks.examine(root, result.stack, os.environ))
    file = root / "stacks" / f"Pulumi.{result.stack}.yaml"
    value = {
        "stack": result.stack,
        "file": str(file),
        "changed": result.is_changed,
        "notes": list(result.notes),
        "findings": [finding.as_dict() for finding in results],
    }
    lines = [f"{'wrote' if result.is_changed else 'nothing to change in'} {file}"]
    lines += [finding.line() for finding in results if finding.level is not findings.Level.OK]
    lines += [findings.summary(results)] if results else []
    return output.emit(args, value, [*lines, *_notes(result), *_next(root, result.stack)])


def _notes(result: init.Result) -> list[str]:
    return ["", "To do besides:", *(f"  {line}" for line in result.notes)] if result.notes else []


def _next(root: Path, stack: str) -> list[str]:
    """Return the next three commands; a definition comes first, since no chain is joined without one."""
    here = "" if root == Path.cwd() else f"cd {root} && "
    return [
        "",
        "Next:",
        f"  {here}ics chain import CHAIN_JSON    # a definition in stacks/chains for each chain you are ready to run",
        f"  {here}ics plan --stack {stack}    # shows everything a pass would do; changes nothing",
        f"  {here}ics up --stack {stack}    # one pass",
    ]
