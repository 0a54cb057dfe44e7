"""What the Pulumi program declares, computed before any resource is registered."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ics import handover, loop, model, observing, outputs, wiring


@dataclass(frozen=True, slots=True)
class Declared:
    """What the Pulumi program declares."""

    manifests: tuple[model.Manifest, ...]
    outputs: Mapping[str, Any]
    kubeconfig: str | None
    """Text of the kubeconfig, None for the user's default one."""
    context: str | None


async def declared(root: Path, name: str, environment: Mapping[str, str]) -> Declared:
    """Compute what the Pulumi program declares; sends nothing and changes nothing.

    Raises:
        IcsError: the stack, the provider or the cluster cannot be judged.
    """
    handed = environment.get(handover.VARIABLE)
    async with wiring.open_stack(root, name, environment) as found:
        facts = handover.read(Path(handed)) if handed else await observing.observe(found.world)
        wanted = observing.desire(found.world, facts)
    cluster = found.world.settings.cluster
    text = None if cluster.kubeconfig is None else (root / cluster.kubeconfig).read_text()
    return Declared(loop.render(wanted), outputs.of(wanted), text, cluster.context)
