"""The Pulumi program of one validator's stack: `pulumi up -s alice` runs it.

It deploys what the chain already holds, sends no transaction, and shows those that are due as an output.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi

from ics import declared, errors, program


def main() -> None:
    """Compute the desired state and declare its resources."""
    root = Path(__file__).parent
    # Pulumi runs this within its own event loop, so ours needs a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        wanted = pool.submit(asyncio.run, declared.declared(root, pulumi.get_stack(), os.environ))
    try:
        plan = wanted.result()
    except errors.IcsError as error:
        raise pulumi.RunError(str(error)) from error  # one line, not a traceback
    program.stack(plan.manifests, plan.outputs, plan.kubeconfig, plan.context)


main()
