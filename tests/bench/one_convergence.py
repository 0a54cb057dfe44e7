"""One convergence, or one plan, in a process of its own.

    python -m tests.bench.one_convergence ACTION ENGINE PROJECT VALIDATOR SERVER FOLDER CHAINS

The facts of the pass are made up, all else is real; see `tests.pulumi.stage`. ACTION is `pass`, `plan` or `staging`; a
staging also asks twice whether the cluster takes the chain's objects, as a pass does before it sends an opt-in. CHAINS
is JSON: consumer ids by `running`, `launching` and `staged`. Prints JSON: the objects changed.
"""

import asyncio
import json
import pathlib
import sys
from typing import Any

from ics import engines
from tests.cluster import apiserver
from tests.pulumi import stage


async def run(
    place: stage.Stage, action: str, name: str, request: engines.ApplyRequest
) -> tuple[engines.Change, ...]:
    """Act once with one engine."""
    kube, _ = place.kube()
    async with kube:
        engine = place.engine(kube, name)
        if action == "plan":
            return (await engine.plan(request)).changes
        if action == "staging":
            await engine.preview(request)
        done = await engine.converge(request)
        if done.errors or done.confirmations:
            raise SystemExit(f"{name}: {done.errors} {done.confirmations}")
        if action == "staging":
            await engine.preview(request)
        return done.changes


def main() -> None:
    """Act as the arguments say."""
    action, name, root, validator, url, folder, chains = sys.argv[1:]
    place = stage.Stage(pathlib.Path(root), apiserver.Server(url, pathlib.Path(folder)), validator)
    numbers: dict[str, Any] = json.loads(chains)
    request = place.order(place.facts(**numbers), is_thorough=action == "plan")
    changes = asyncio.run(run(place, action, name, request))
    print(json.dumps(sorted(f"{change.action} {change.ref}" for change in changes)))


if __name__ == "__main__":
    main()
