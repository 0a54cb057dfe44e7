"""A second installation of a validator, on another host's cluster, and what a chain's blocks say of both."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

from devnet import places
from ics import names
from ics.cluster.api import kinds
from tests.network import copies, kube, operators, waiting

COMMITTED = 2
"""BlockIDFlagCommit."""


class Second(operators.Operator):
    """The same stack and the same seed, against the cluster of another host."""

    def __init__(self, first: operators.Operator, host: operators.Operator) -> None:
        super().__init__(first.name)
        self.host, self.kube = host.host, kube.Kube(host.host)
        self.gateway = f"{first.name}-2"
        self.flags = (
            *("--set", f"cluster.kubeconfig={places.credentials(host.name)}/kubeconfig-admin"),
            *("--set", f"gateway.namespace={self.gateway}"),
            *("--set", f"cluster.namespace_prefix={self.gateway}-"),
        )

    def reconcile(self, *flags: str, project: pathlib.Path | None = None) -> operators.Run:
        """One pass as cron runs it."""
        return super().reconcile(*self.flags, *flags, project=project)

    def ics(
        self,
        *command: str,
        project: pathlib.Path | None = None,
        module: Sequence[str] = ("ics.cli.__main__",),
    ) -> operators.Run:
        """`ics …` on this installation."""
        return super().ics(*command, *self.flags, project=project, module=module)

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

    def remove(self) -> None:
        """Takes it off its cluster, volumes and keys included, and ends the connection."""
        if self.kube.find(kinds.NAMESPACE, "", self.gateway) is not None:
            done = self.ics("destroy")
            assert done.code == 0, done.err
        left = [item["metadata"]["name"] for item in self.kube.all(kinds.NAMESPACE)]
        for namespace in left:
            if namespace == self.gateway or namespace.startswith(f"{self.gateway}-"):
                copies.remove(self, namespace)
        self.kube.close()


@contextlib.contextmanager
def installed(first: operators.Operator, host: operators.Operator) -> Iterator[Second]:
    """A second installation, for as long as the context lasts; it has nothing before its first pass."""
    found = Second(first, host)
    try:
        yield found
    finally:
        found.remove()


def race(
    earlier: operators.Operator, later: operators.Operator, consumer_id: str, folder: pathlib.Path
) -> list[operators.Run]:
    """Both opt in, and each has decided it before the other's transaction was sent.

    Args:
        earlier: whose transaction the mempool gets first.
        later: whose transaction comes after that one. It is refused, for both are of one account, and sent again.
        consumer_id: the chain.
        folder: an empty one.
    """
    gates = [folder / "earlier", folder / "later"]

    def opt_in(one: operators.Operator, gate: pathlib.Path) -> operators.Run:
        return one.ics("opt-in", consumer_id, module=("tests.network.held", str(gate)))

    with futures.ThreadPoolExecutor(2) as pool:
        runs = []
        for one, gate in zip((earlier, later), gates, strict=True):
            gate.mkdir()
            runs.append(pool.submit(opt_in, one, gate))
        try:
            for gate in gates:
                waiting.until("both are about to send", (gate / "about").exists)
            (gates[0] / "go").touch()
            waiting.until("the earlier one has sent", (gates[0] / "sent").exists)
        finally:
            for gate in gates:
                (gate / "go").touch()
    return [run.result() for run in runs]


def told(
    operator: operators.Operator, consumer_id: str, status: Mapping[str, Any], reason: str
) -> list[dict[str, str]]:
    """The conditions of a chain for one reason, in a status that a pass has reported."""
    chain = operator.chain(consumer_id, dict(status)) if status else {}
    return [condition for condition in chain.get("conditions", ()) if condition["reason"] == reason]


def signers(operator: operators.Operator, home: str, height: int) -> Mapping[str, bool]:
    """Addresses in the commit of a block, and whether each signed for the block."""
    commit = operator.kube.ask_node(home, "/commit", height=str(height))
    signatures = commit["signed_header"]["commit"]["signatures"]
    return {one["validator_address"]: one["block_id_flag"] == COMMITTED for one in signatures}


def signs(operator: operators.Operator, home: str, address: str) -> bool:
    """Whether a key is in the commit of the newest block but one, as a node has it."""
    height = operator.kube.height(home)
    return height > 1 and bool(signers(operator, home, height - 1).get(address))


def keys_on_record(operator: operators.Operator, home: str) -> set[str]:
    """Addresses of all keys whose places are on record in a chain's namespace."""
    secrets = operator.kube.all(kinds.SECRET, home, **{names.COMPONENT: names.CONSENSUS_KEY})
    return {item["metadata"]["annotations"][names.CONSENSUS_ADDRESS] for item in secrets}


def until_height(operator: operators.Operator, home: str, height: int) -> None:
    """Wait for a block."""
    waiting.until(
        f"{operator.name}'s node has block {height}",
        lambda: operator.kube.height(home),
        lambda now: now >= height,
    )
