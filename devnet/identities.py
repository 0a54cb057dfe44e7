"""Keys of the local network, which are public by design.

They are derived from the sha256 of fixed phrases, so that committed stack files can contain the addresses and every
start of the network uses the same ones. Never use them elsewhere.
"""

import hashlib
from dataclasses import dataclass

from devnet import plan
from devnet.plan import Host
from ics.cosmos import addresses
from ics.keys import derivation
from ics.model import Secret

ACCOUNT_INFO = "devnet/account"
PREFIX = "cosmos"


@dataclass(frozen=True, slots=True)
class Validator:
    """Keys of one validator of the provider."""

    host: Host
    seed: Secret
    """The 32 bytes from which its operator derives all consumer keys."""
    account: derivation.Account
    """The operator's account on the provider."""
    consensus: derivation.ConsensusKey
    """The consensus key on the provider."""
    node: derivation.NodeKey
    """The p2p identity of the provider node."""

    @property
    def operator_address(self) -> str:
        """The valoper address."""
        return addresses.reprefix(self.account.address(PREFIX), f"{PREFIX}valoper")

    @property
    def details(self) -> str:
        """Details of its description: the endpoint of its consumer nodes, and its relayer's account."""
        node_id = derivation.derive_node_key(self.seed).node_id
        relayer = derivation.derive_account(self.seed, derivation.RELAYER_INFO).address(PREFIX)
        return f"p2p={node_id}@{self.host.balancer} relayer={relayer}"


def validator(host: Host) -> Validator:
    """Return the validator of a host."""
    return Validator(
        host=host,
        seed=_phrase(f"{host.name} seed"),
        account=derivation.derive_account(_phrase(f"{host.name} account"), ACCOUNT_INFO),
        consensus=derivation.consensus_key(_phrase(f"{host.name} provider consensus key")),
        node=derivation.derive_node_key(_phrase(f"{host.name} provider node key")),
    )


def validators() -> tuple[Validator, ...]:
    """Return all validators in the order of the plan."""
    return tuple(validator(host) for host in plan.HOSTS)


def owner() -> derivation.Account:
    """Return the account that creates and owns consumer chains, which is independent of all validators."""
    return derivation.derive_account(_phrase("owner account"), ACCOUNT_INFO)


def governor() -> derivation.Account:
    """Return the account that governs consumer chains with governance."""
    return derivation.derive_account(_phrase("governor account"), ACCOUNT_INFO)


def governor_key() -> derivation.ConsensusKey:
    """Return the key in the governor's entry as a validator of such a chain, which signs no block."""
    return derivation.consensus_key(_phrase("governor key"))


def _phrase(text: str) -> Secret:
    return Secret(hashlib.sha256(f"ics-operator local network: {text}".encode()).digest())
