"""Fixed plan of the local network: hosts, addresses, ports and versions, as pure values.

No value is secret or random, so that committed stack files can contain these addresses.
"""

from dataclasses import dataclass
from typing import Final

PROVIDER_CHAIN_ID: Final = "provider-1"
DENOM: Final = "stake"
BLOCKS_PER_EPOCH: Final = 5
UNBONDING_SECONDS: Final = 3600
"""Longer than a run of all tests, in which no chain is deleted by the way."""
CONSUMER_UNBONDING_SECONDS: Final = 540
GOVERNANCE_SECONDS: Final = 20
MIN_GAS_PRICE: Final = f"0.001{DENOM}"
SPARE_STAKE: Final = 1_000_000_000_000_000

KUBERNETES_VERSION: Final = "v1.34.4"
CHAINS_VERSION: Final = "v7.0.1"
SNAPSHOTS_VERSION: Final = "v8.4.0"
COREDNS_VERSION: Final = "v1.15.0"
CONSUMER_IMAGE: Final = f"ghcr.io/cosmos/interchain-security:{CHAINS_VERSION}"
SECOND_VERSION: Final = f"{CHAINS_VERSION}-v2"
"""Version of the programs of `devnet/go/chains/second`, which chains are upgraded to."""
SECOND_PLAN: Final = "v2"
"""Name of the plan that the second versions have a handler for."""
SECOND_CONSUMER_IMAGE: Final = f"localhost/ics-devnet/consumer:{SECOND_VERSION}"
DEMOCRACY_IMAGE: Final = f"localhost/ics-devnet/democracy:{CHAINS_VERSION}"
"""A consumer chain with governance."""
SECOND_DEMOCRACY_IMAGE: Final = f"localhost/ics-devnet/democracy:{SECOND_VERSION}"
PROVIDER_IMAGE: Final = f"localhost/ics-devnet/provider:{CHAINS_VERSION}"
SECOND_PROVIDER_IMAGE: Final = f"localhost/ics-devnet/provider:{SECOND_VERSION}"
SANDBOX_IMAGE: Final = "localhost/ics-devnet/pause:1"

GO_SETTINGS: Final = {"GOMAXPROCS": "1", "GOGC": "300"}
"""Variables of all programs, which are written in Go: some forty of them share few processors.

With more than one processor each, Go's scheduler wakes idle threads thousands of times a second and node; with a
rarer garbage collection they need some more memory.
"""

API_PORT: Final = 6443
RPC_PORT: Final = 26657
P2P_PORT: Final = 26656
REST_PORT: Final = 1317
GRPC_PORT: Final = 9090

BRIDGE: Final = "ics0"
BRIDGE_ADDRESS: Final = "10.231.0.1"
HOST_RANGE: Final = "10.231.0.0/24"
POD_RANGE: Final = "10.232.0.0/16"
SERVICE_RANGE: Final = "10.233.0.0/16"
RANGES: Final = (HOST_RANGE, POD_RANGE, SERVICE_RANGE)
"""All addresses of the network; while it exists, none of them is routed out of the machine."""


@dataclass(frozen=True, slots=True)
class Host:
    """A validator's host: one network namespace with a provider node and a Kubernetes cluster."""

    name: str
    number: int
    """1, 2, 3; an offset in its addresses."""
    tokens: int
    """Bonded tokens of the validator in the provider's denom; consensus power is a millionth of it."""

    @property
    def namespace(self) -> str:
        """Name of its network namespace, and of its link on the bridge."""
        return f"ics-{self.name}"

    @property
    def address(self) -> str:
        """Address of its provider node and its Kubernetes API."""
        return f"10.231.0.{10 + self.number}"

    @property
    def balancer(self) -> str:
        """Address of every Service of type LoadBalancer in its cluster."""
        return f"10.231.0.{110 + self.number}"

    @property
    def pods(self) -> str:
        """Address range of its pods."""
        return f"10.232.{self.number}.0/24"

    @property
    def services(self) -> str:
        """Address range of its Services."""
        return f"10.233.{self.number}.0/24"

    @property
    def kubernetes_service(self) -> str:
        """Cluster address of the API server: the first one of its Services' range."""
        return f"10.233.{self.number}.1"

    @property
    def api(self) -> str:
        """URL of its Kubernetes API."""
        return f"https://{self.address}:{API_PORT}"

    @property
    def rest(self) -> str:
        """URL of its provider node's REST gateway."""
        return f"http://{self.address}:{REST_PORT}"

    @property
    def rpc(self) -> str:
        """URL of its provider node's CometBFT RPC."""
        return f"http://{self.address}:{RPC_PORT}"


HOSTS: Final = (
    Host("alice", 1, 300_000_000_000),
    Host("bob", 2, 200_000_000_000),
    Host("charlie", 3, 100_000_000_000),
)


def host(name: str) -> Host:
    """Return the host of that name; raise KeyError if it does not exist."""
    return {each.name: each for each in HOSTS}[name]
