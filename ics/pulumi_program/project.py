"""The Pulumi program of one validator's stack, which a project's `__main__.py` runs: `pulumi up -s alice`.

It deploys what the chain already holds, sends no transaction, and prints those that are due.
"""

import os
from pathlib import Path

import pulumi
from pulumi.runtime.config import get_config

from ics.config import settings, stack_file
from ics.engines.pulumi import resources
from ics.pulumi_program import preparation


def run(program: str) -> None:
    """Compute the desired state and declare its resources.

    Args:
        program: path of the project's `__main__.py`; stacks and definitions are beside it.
    """
    root = Path(program).parent
    plan = preparation.prepare(root, pulumi.get_stack(), {**os.environ, **_secrets()})
    cluster = plan.cluster
    resources.stack(
        plan.manifests,
        plan.outputs,
        cluster.kubeconfig,
        cluster.context,
        plan.kept,
        plan.adoptable,
        protects=plan.protects,
    )


def _secrets() -> dict[str, str]:
    """Seed and account of Pulumi's own config, of use where the stack file has them as `secure:`."""
    found = {key: get_config(f"{settings.PREFIX}{key}") for key in ("seed", "account")}
    return {stack_file.IN_PULUMI.format(key=key): text for key, text in found.items() if text is not None}
