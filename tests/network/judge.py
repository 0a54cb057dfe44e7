"""The judge of the stories about keys: whether any key has voted twice, as blocks, logs and metrics tell it.

Evidence in a block is the last to come of the three, and lasts. The metric counts the evidence in the newest block
only, and a log goes with its pod, so both are looked at all the time. `test_equivocation` shows that the judge sees a
double signature in each of the three.
"""

import hashlib
import os
import pathlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from devnet import places
from tests.network import kube, operators

NO_EVIDENCE = hashlib.sha256(b"").hexdigest().upper()
"""`evidence_hash` in the header of a block without evidence: the root of an empty Merkle tree (CometBFT v0.38)."""
BYZANTINE = re.compile(r"^cometbft_consensus_byzantine_validators\{[^}]*\} (\S+)$", re.MULTILINE)
TOLD = (b"conflicting vote", b"byzantine behavior")
"""What a node logs of two votes of one key: of its own, and of others' (CometBFT v0.38, consensus and evidence)."""
_PAGE = 20
"""Most headers that `/blockchain` answers."""


@dataclass(frozen=True)
class Sign:
    """A sign of a double signature."""

    source: str
    """`metric` or `log`."""
    what: str


@dataclass
class Node:
    """A node that is looked at, with the logs of its pods."""

    operator: operators.Operator
    namespace: str
    client: kube.Kube
    logs: "Logs"
    makes_blocks: bool

    @property
    def name(self) -> str:
        return f"{self.operator.host.name} {self.namespace}"


class Judge:
    """Looks at the metrics and logs of some nodes, from its beginning to its end."""

    def __init__(self, *nodes: tuple[operators.Operator, str], every: float = 0.5) -> None:
        self._first, self._every = nodes, every
        self._nodes: list[Node] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self.signs: list[Sign] = []
        """Signs of a double signature, in the order in which they were seen."""
        self.looks: Counter[str] = Counter()
        """By node, how often its metric was read."""

    def add(self, operator: operators.Operator, namespace: str, *, makes_blocks: bool = True) -> None:
        """Look at one more node from now on, of whatever pods; what is left of its earlier logs counts too.

        Args:
            operator: whose cluster.
            namespace: of the node.
            makes_blocks: whether it will have the metric, as a node has from its first new block on.
        """
        client, logs = kube.Kube(operator.host), Logs(folder(operator), namespace)
        node = Node(operator, namespace, client, logs, makes_blocks)
        # A thread for each: one node that does not answer for a while must not hide what another one says.
        thread = threading.Thread(target=self._look, args=(node,))
        self._nodes.append(node)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> "Judge":
        for operator, namespace in self._first:
            self.add(operator, namespace)
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for node in self._nodes:
            node.client.close()
            node.logs.close()

    def check(self) -> None:
        """Fails if any sign of a double signature was seen, or if a node's metric was never seen."""
        assert self._failed == []
        assert self.signs == []
        unseen = [node.name for node in self._nodes if node.makes_blocks and not self.looks[node.name]]
        assert unseen == [], "the definition must turn the node's metrics on"

    def _look(self, node: Node) -> None:
        try:
            while not self._over.wait(self._every):
                self._look_at(node)
        except BaseException as error:
            self._failed.append(error)  # it counts when the story is judged

    def _look_at(self, node: Node) -> None:
        for line in node.logs.fresh():
            self.signs.append(Sign("log", f"{node.name}: {line}"))
        for value in BYZANTINE.findall(node.client.metrics(node.namespace)):
            self.looks[node.name] += 1
            if float(value):
                self.signs.append(Sign("metric", f"{node.name}: {value} byzantine validators"))


def folder(operator: operators.Operator) -> pathlib.Path:
    """Where the kubelet of a host keeps the logs of its pods."""
    return places.host_state(operator.host.name) / "pod-logs"


@dataclass
class Logs:
    """The logs of one chain's nodes in one namespace, each read on from where it was left.

    A log stays open, and so is read to its end, though its pod is deleted.
    """

    root: pathlib.Path
    namespace: str
    files: dict[int, BinaryIO] = field(default_factory=dict)
    """By inode."""
    rest: dict[int, bytes] = field(default_factory=dict)
    """The line of each that is not whole yet."""

    def fresh(self) -> Iterator[str]:
        """The new lines that tell of a double signature."""
        for path in self.root.glob(f"{self.namespace}_node-*/node/*.log"):
            try:
                found = path.open("rb")
            except FileNotFoundError:  # its pod has gone
                continue
            inode = os.fstat(found.fileno()).st_ino
            if inode in self.files:
                found.close()
            else:
                self.files[inode] = found
        for inode, file in self.files.items():
            text = self.rest.get(inode, b"") + file.read()
            complete, _, self.rest[inode] = text.rpartition(b"\n")
            for line in complete.splitlines():
                if any(told in line.lower() for told in TOLD):
                    yield line.decode(errors="replace")

    def close(self) -> None:
        """Ends the reading."""
        for file in self.files.values():
            file.close()


def evidence(operator: operators.Operator, home: str, first: int, last: int) -> list[dict[str, Any]]:
    """All evidence in the blocks of these heights, which the node must have."""
    found: list[dict[str, Any]] = []
    for highest in range(last, first - 1, -_PAGE):
        lowest = max(first, highest - _PAGE + 1)
        window = {"minHeight": str(lowest), "maxHeight": str(highest)}
        metas = operator.kube.ask_node(home, "/blockchain", **window)["block_metas"]
        headers = {int(meta["header"]["height"]): meta["header"] for meta in metas}
        for height in range(highest, lowest - 1, -1):
            if headers[height]["evidence_hash"] != NO_EVIDENCE:
                block = operator.kube.ask_node(home, "/block", height=str(height))["block"]
                found = [*block["evidence"]["evidence"], *found]
    return found
