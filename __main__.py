"""The Pulumi program of one validator's stack: `pulumi up -s alice` runs it.

It deploys what the chain already holds, sends no transaction, and prints those that are due.
"""

import asyncio
import atexit
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
from pulumi.runtime.config import get_config

from ics import errors, plain_text
from ics.config import settings, stack_file
from ics.engines import handoff
from ics.engines.pulumi import kubeconfig_copies
from ics.pulumi_program import lease_keeper, resources
from ics.pulumi_program import plan as pulumi_program_plan


def main() -> None:
    """Compute the desired state and declare its resources."""
    root = Path(__file__).parent
    environment = {**os.environ, **_secrets()}
    if not pulumi.runtime.is_dry_run() and handoff.VARIABLE not in environment:
        _hold_lease(root, environment)
    # Pulumi runs this within its own event loop, so ours needs a thread of its own.
    computed = pulumi_program_plan.compute(
        root, pulumi.get_stack(), environment, is_preview=pulumi.runtime.is_dry_run()
    )
    with ThreadPoolExecutor(1) as pool:
        wanted = pool.submit(asyncio.run, computed)
    try:
        plan = wanted.result()
    except pulumi_program_plan.NothingChanged as refused:
        for line in refused.lines:
            pulumi.log.error(plain_text.visible(line))
        raise pulumi.RunError("nothing was changed, for each reason above") from refused
    except errors.IcsError as error:
        raise pulumi.RunError(plain_text.visible(str(error))) from error  # one line, not a traceback
    for line in plan.warnings:
        pulumi.log.warn(plain_text.visible(f"not done unasked: {line}"))
    for line in plan.notes:
        pulumi.log.info(plain_text.visible(line))
    cluster = plan.cluster
    # The library would put it into the state, as one path; the plugin reads it on its own, as kubectl does.
    os.environ.pop("KUBECONFIG", None)
    if cluster.path is not None:
        kubeconfig_copies.remember(cluster.path, os.environ)
    # At the end, when the plugin has made its copy.
    atexit.register(kubeconfig_copies.sweep, os.getpid(), os.environ, cluster.path)
    resources.stack(
        plan.manifests, plan.outputs, cluster.kubeconfig, cluster.context, plan.kept, protects=plan.protects
    )


def _hold_lease(root: Path, environment: dict[str, str]) -> None:
    """Keep the reconcilers of this validator from acting during an update by hand."""
    loop = asyncio.get_event_loop()

    def report(text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the program is ending
            loop.call_soon_threadsafe(pulumi.log.warn, plain_text.visible(text))

    keeper = lease_keeper.LeaseKeeper(report)
    try:
        keeper.start(root, pulumi.get_stack(), environment)
    except errors.IcsError as error:
        raise pulumi.RunError(plain_text.visible(str(error))) from error
    atexit.register(keeper.stop)


def _secrets() -> dict[str, str]:
    """Seed and account of Pulumi's own config, of use where the stack file has them as `secure:`."""
    found = {key: get_config(f"{settings.PREFIX}{key}") for key in ("seed", "account")}
    return {stack_file.IN_PULUMI.format(key=key): text for key, text in found.items() if text is not None}


main()
