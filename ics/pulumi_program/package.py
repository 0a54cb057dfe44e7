"""The components of the package `ics`, for Pulumi programs in any language.

Each reads the stack file and chain definitions of an operator's project, the provider and the cluster, as the program
of that project does, and declares what they ask for. Docstrings of classes and fields are the package's documentation.
"""

import dataclasses
import os
from pathlib import Path
from typing import NotRequired, Optional, TypedDict

import pulumi

from ics.engines.pulumi import adoption, components, resources
from ics.pulumi_program import plan, preparation

NAME = "ics"
"""Name of the package."""


class ValidatorArgs(TypedDict):
    """The stack of one validator."""

    project: str
    """Folder of the operator's project, which contains Pulumi.yaml and stacks/."""
    stack: str
    """Name of the stack: its settings are in stacks/Pulumi.STACK.yaml of the project."""
    settings: NotRequired[dict[str, str]]
    """Settings that override those of the stack file, such as gateway.host, each value in YAML."""


class ConsumerChainArgs(TypedDict):
    """One consumer chain of a validator's stack."""

    project: str
    """Folder of the operator's project, which contains Pulumi.yaml and stacks/."""
    stack: str
    """Name of the stack: its settings are in stacks/Pulumi.STACK.yaml of the project."""
    consumer_id: str
    """Consumer id of the chain on the provider."""
    settings: NotRequired[dict[str, str]]
    """Settings that override those of the stack file, such as gateway.host, each value in YAML."""


class Validator(pulumi.ComponentResource):
    """Everything that a validator's stack deploys: gateway, provider node, reconciler, and each consumer chain."""

    endpoints: pulumi.Output[dict[str, str]]
    """Address that each chain's node advertises to its peers, by consumer id."""
    genesis_sha256: pulumi.Output[dict[str, str]]
    """Hash of each launched chain's genesis, by consumer id."""

    def __init__(
        self,
        name: str,
        args: ValidatorArgs,
        opts: Optional[pulumi.ResourceOptions] = None,  # noqa: UP045 - Pulumi reads it
    ) -> None:
        super().__init__(f"{NAME}:index:Validator", name, {}, opts)
        found = _plan(args["project"], args["stack"], args.get("settings", {}), self)
        provider, registrations = _cluster(name, found, self), adoption.Registrations()
        resources.declare(found.manifests, provider, found.kept, self, f"{name}-", registrations)
        registrations.announce(found.adoptable, self)
        self.endpoints = pulumi.Output.from_input(found.outputs["endpoints"])
        self.genesis_sha256 = pulumi.Output.from_input(found.outputs["genesis_sha256"])
        self.register_outputs({"endpoints": self.endpoints, "genesis_sha256": self.genesis_sha256})


class ConsumerChain(pulumi.ComponentResource):
    """One consumer chain's node with all its objects, and its relayer; the gateway is part of a Validator."""

    chain_id: pulumi.Output[str]
    """The chain's id."""
    namespace: pulumi.Output[str]
    """The chain's namespace."""
    endpoint: pulumi.Output[str]
    """Address that its node advertises to its peers; empty if it has none yet."""
    ports: pulumi.Output[dict[str, int]]
    """Ports of its node's Service, by name."""

    def __init__(
        self,
        name: str,
        args: ConsumerChainArgs,
        opts: Optional[pulumi.ResourceOptions] = None,  # noqa: UP045 - Pulumi reads it
    ) -> None:
        registrations = adoption.Registrations()
        super().__init__(f"{NAME}:index:ConsumerChain", name, {}, registrations.noting(opts))
        found = _plan(args["project"], args["stack"], args.get("settings", {}), self)
        _, chains = resources.by_chain(found.manifests)
        chain = next((one for one in chains if one.consumer_id == args["consumer_id"]), None)
        if chain is None:
            ids = ", ".join(one.consumer_id for one in chains) or "none"
            raise pulumi.RunError(
                f"consumerId: nothing is deployed for {args['consumer_id']!r} now; consumer ids with objects: {ids};"
                " see `ics status`"
            )
        provider = _cluster(name, found, self)
        outputs = components.declare_chain(
            dataclasses.replace(chain, kept=found.kept, prefix=f"{name}-"), self, provider
        )
        registrations.announce(found.adoptable, self)
        self.chain_id = pulumi.Output.from_input(outputs["chain_id"])
        self.namespace = pulumi.Output.from_input(outputs["namespace"])
        self.endpoint = pulumi.Output.from_input(outputs["endpoint"] or "")
        self.ports = pulumi.Output.from_input(outputs["ports"])
        self.register_outputs(
            {key: getattr(self, key) for key in ("chain_id", "namespace", "endpoint", "ports")}
        )


COMPONENTS: tuple[type[pulumi.ComponentResource], ...] = (Validator, ConsumerChain)
"""All components of the package."""


def _plan(project: str, stack: str, settings: dict[str, str], component: pulumi.Resource) -> plan.ProgramPlan:
    root = Path(project).expanduser().absolute()
    overrides = tuple(f"{key}={value}" for key, value in settings.items())
    return preparation.prepare(root, stack, os.environ, overrides, component)


def _cluster(name: str, found: plan.ProgramPlan, component: pulumi.Resource) -> resources.Cluster:
    """Declare the stack's cluster as a child of a component."""
    cluster = found.cluster
    kubeconfig = cluster.kubeconfig
    # The plugin runs in the folder of the other program, not in the project's.
    if kubeconfig is not None and not kubeconfig.startswith(("/", "~")):
        kubeconfig = str(cluster.path)
    return resources.cluster(
        f"{name}-cluster",
        found.manifests,
        kubeconfig,
        cluster.context,
        parent=component,
        protects=found.protects,
    )
