"""A second installation of a validator, on another host's cluster, and what a chain's blocks say of both."""

import pathlib
from collections.abc import Mapping

from devnet import places
from ics import names
from ics.cluster.api import kinds
from tests.network import kube, operators, waiting

COMMITTED = 2
"""BlockIDFlagCommit."""


class Second(operators.Operator):
    """The same stack and the same seed, against the cluster of another host."""

    def __init__(self, first: operators.Operator, host: operators.Operator) -> None:
        super().__init__(first.name)
        self.host, self.kube = host.host, kube.Kube(host.host)
        self._flags = (
            *("--set", f"cluster.kubeconfig={places.credentials(host.name)}/kubeconfig-admin"),
            *("--set", f"gateway.namespace={first.name}-2"),
            *("--set", f"cluster.namespace_prefix={first.name}-2-"),
        )

    def reconcile(self, *flags: str, project: pathlib.Path | None = None) -> operators.Run:
        """One pass as cron runs it."""
        return super().reconcile(*self._flags, *flags, project=project)

    def ics(self, *command: str, project: pathlib.Path | None = None) -> operators.Run:
        """`ics …` on this installation."""
        return super().ics(*command, *self._flags, project=project)

    def objects(self, consumer_id: str) -> list[str]:
        """All objects that it has of one chain, as `Kind namespace/name`."""
        owned = {names.MANAGED_BY: names.MANAGER, names.VALIDATOR: self.name, names.CONSUMER: consumer_id}
        found = [(kind, item) for kind in kinds.MEMBERS for item in self.kube.all(kind, **owned)]
        return [
            f"{kind.name} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
            for kind, item in found
        ]

    def home(self, consumer_id: str) -> str:
        """The chain's namespace here."""
        (found,) = [line.split("/")[1] for line in self.objects(consumer_id) if line.startswith("Namespace ")]
        return found


def signers(operator: operators.Operator, home: str, height: int) -> Mapping[str, bool]:
    """Addresses in the commit of a block, and whether each signed for the block."""
    commit = operator.kube.ask_node(home, "/commit", height=str(height))
    signatures = commit["signed_header"]["commit"]["signatures"]
    return {one["validator_address"]: one["block_id_flag"] == COMMITTED for one in signatures}


def evidence(operator: operators.Operator, home: str, first: int, last: int) -> list[object]:
    """All evidence in the blocks of these heights."""
    return [
        found
        for height in range(first, last + 1)
        for found in operator.kube.ask_node(home, "/block", height=str(height))["block"]["evidence"][
            "evidence"
        ]
    ]


def until_height(operator: operators.Operator, home: str, height: int) -> None:
    """Wait for a block."""
    waiting.until(
        f"{operator.name}'s node has block {height}",
        lambda: operator.kube.height(home),
        lambda now: now >= height,
    )
