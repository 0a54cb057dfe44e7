"""What precedes the declaration of resources, in this project's program and in the components of its package.

Pulumi runs programs and components within its own event loop, so everything asynchronous gets a thread of its own.
"""

import asyncio
import atexit
import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi

from ics import errors, plain_text
from ics.engines.pulumi import kubeconfig_copies
from ics.pulumi_program import lease_keeper
from ics.pulumi_program import plan as pulumi_program_plan

_held: set[tuple[Path, str]] = set()
"""Stacks whose Lease is held for this process; several components may be of one."""


def prepare(
    root: Path,
    stack: str,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
    component: pulumi.Resource | None = None,
) -> pulumi_program_plan.ProgramPlan:
    """Compute what a stack deploys now, and show what a run by hand should know.

    An update by hand first acquires the validator's Lease, which is kept until Pulumi has ended.

    Args:
        root: the project's folder.
        stack: name of the stack.
        environment: environment of the process.
        overrides: settings that override those of the stack file.
        component: the component that messages are about; None: the whole program.

    Raises:
        RunError: the plan cannot be computed, a change requires a confirmation, or another process keeps the Lease.
    """
    is_preview = pulumi.runtime.is_dry_run()
    try:
        if not is_preview and (root, stack) not in _held:
            _hold_lease(root, stack, environment, overrides)
            _held.add((root, stack))
        computed = pulumi_program_plan.compute(root, stack, environment, overrides, is_preview=is_preview)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(asyncio.run, computed).result()
    except pulumi_program_plan.NothingChanged as refused:
        for line in refused.lines:
            pulumi.log.error(plain_text.visible(line), component)
        raise pulumi.RunError("nothing was changed, for each reason above") from refused
    except errors.IcsError as error:
        raise pulumi.RunError(plain_text.visible(str(error))) from error  # one line, not a traceback
    for line in found.warnings:
        pulumi.log.warn(plain_text.visible(f"not done unasked: {line}"), component)
    for line in found.notes:
        pulumi.log.info(plain_text.visible(line), component)
    _forget_kubeconfig(found.cluster.path)
    return found


def _hold_lease(root: Path, stack: str, environment: Mapping[str, str], overrides: Sequence[str]) -> None:
    """Keep the reconcilers of this validator from acting during an update by hand."""
    loop = asyncio.get_event_loop()

    def report(text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the program is ending
            loop.call_soon_threadsafe(pulumi.log.warn, plain_text.visible(text))

    lease_keeper.LeaseKeeper(report).start(root, stack, environment, overrides)


def _forget_kubeconfig(path: Path | None) -> None:
    """Delete the plugin's copies of the kubeconfig when the process ends."""
    if path is not None:
        kubeconfig_copies.remember(path, os.environ)
    # At the end, when the plugin has made its copy.
    atexit.register(kubeconfig_copies.sweep, os.getpid(), os.environ, path)
