"""Who is who on the local network: keys that everybody can compute, by design.

All come from sha256 of fixed phrases, so that committed stack files can hold the addresses and every
start of the network has the same ones. Never use them anywhere else.
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
    """The keys of one validator of the provider."""

    host: Host
    seed: Secret
    """The 32 bytes that its operator derives all consumer keys from."""
    account: derivation.Account
    """Its operator's account on the provider."""
    consensus: derivation.ConsensusKey
    """Its consensus key on the provider."""
    node: derivation.NodeKey
    """Its provider node's own p2p identity."""

    @property
    def operator_address(self) -> str:
        """Its valoper address."""
        return addresses.reprefix(self.account.address(PREFIX), f"{PREFIX}valoper")

    @property
    def details(self) -> str:
        """Its description's text: where peers find its consumer nodes, and its relayer's account."""
        node_id = derivation.derive_node_key(self.seed).node_id
        relayer = derivation.derive_account(self.seed, derivation.RELAYER_INFO).address(PREFIX)
        return f"p2p={node_id}@{self.host.balancer} relayer={relayer}"


def validator(host: Host) -> Validator:
    """The validator of a host."""
    return Validator(
        host=host,
        seed=_phrase(f"{host.name} seed"),
        account=derivation.derive_account(_phrase(f"{host.name} account"), ACCOUNT_INFO),
        consensus=derivation.consensus_key(_phrase(f"{host.name} provider consensus key")),
        node=derivation.derive_node_key(_phrase(f"{host.name} provider node key")),
    )


def validators() -> tuple[Validator, ...]:
    """All validators, in the plan's order."""
    return tuple(validator(host) for host in plan.HOSTS)


def owner() -> derivation.Account:
    """The account that creates and owns consumer chains; it has no part in any validator."""
    return derivation.derive_account(_phrase("owner account"), ACCOUNT_INFO)


def _phrase(text: str) -> Secret:
    return Secret(hashlib.sha256(f"ics-operator local network: {text}".encode()).digest())
