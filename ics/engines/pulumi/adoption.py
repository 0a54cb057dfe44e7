"""Objects that a preview by hand shows as created although they exist, because only the stack's state lacks them.

A program cannot read the state. But in a preview Pulumi gives an object an id only if the state has it.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import pulumi

from ics.engines.applyset import members
from ics.engines.pulumi import runs


class Registrations:
    """The Kubernetes objects that a program or a component registers."""

    def __init__(self) -> None:
        """Initialize without any."""
        self._resources: dict[str, pulumi.Resource] = {}

    def noting(self, options: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
        """Return the options of a component whose objects are noted here."""
        return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(transformations=[self._note]))

    def announce(self, adoptable: Collection[members.Key], component: pulumi.Resource | None = None) -> None:
        """In a preview, print how many of these objects the update adopts; nothing if the state has them all.

        Args:
            adoptable: objects that exist in the cluster.
            component: the component that the message is about; None: the whole program.
        """
        if pulumi.runtime.is_dry_run() and adoptable:
            names = map(runs.resource_name, adoptable)
            registered = [self._resources[name] for name in names if name in self._resources]
            counting: Any = _announce(registered, component)
            pulumi.Output.from_input(counting)  # Pulumi waits for it

    def _note(self, args: pulumi.ResourceTransformationArgs) -> None:
        self._resources[args.name] = args.resource


async def _announce(registered: Collection[pulumi.Resource], component: pulumi.Resource | None) -> int:
    # What cannot be registered is reported as an error of its own.
    known = await asyncio.gather(
        *[one.id.is_known() for one in registered if isinstance(one, pulumi.CustomResource)],
        return_exceptions=True,
    )
    count = known.count(False)
    if count:
        pulumi.log.info(
            f"{count} of these objects exist in the cluster already, and only the stack's state lacks them: Pulumi"
            " shows each as `create`, and takes it over as it is; none of them is recreated or restarted",
            component,
        )
    return count
