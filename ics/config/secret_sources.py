"""Settings for the sources of secrets and for the consensus key of each chain; pure."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Literal

import pydantic

from ics import errors
from ics.config import base
from ics.cosmos import addresses


class Guarded(base.Frozen):
    """Settings where a secret may be entered by mistake; messages never quote their values."""


class SecretObject(Guarded):
    """A key of a Kubernetes Secret."""

    namespace: str
    """Namespace of the Secret."""
    name: str
    """Name of the Secret."""
    key: str
    """Key in its data."""


class PassphraseSource(Guarded):
    """Source of the passphrase of a key in the keystore; exactly one must be set."""

    file: str | None = None
    """Path of a file, relative to the project's folder."""
    env: str | None = None
    """Name of an environment variable."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "PassphraseSource":
        base.require_one(file=self.file, env=self.env)
        return self


class SecretSource(Guarded):
    """Source of a secret value; exactly one of file, env, secret and keystore must be set."""

    file: str | None = None
    """Path of a file, relative to the project's folder."""
    env: str | None = None
    """Name of an environment variable."""
    secret: SecretObject | None = None
    """A key of a Kubernetes Secret in the stack's cluster."""
    keystore: str | None = None
    """Name of an encrypted key, see `ics keys list`."""
    passphrase: PassphraseSource | None = None
    """Passphrase of the encrypted key; none: prompted for at the terminal."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "SecretSource":
        base.require_one(file=self.file, env=self.env, secret=self.secret, keystore=self.keystore)
        if self.passphrase is not None and self.keystore is None:
            raise ValueError("passphrase applies to keystore only; remove it")
        return self


class RemoteSigner(Guarded):
    """A signer outside the node (tmkms, horcrux, …) that dials the node and keeps its own sign state."""

    public_key: str
    """Its public key: the chain's JSON form or CometBFT's, `…valconspub1…`, `PubKeyEd25519{HEX}`, base64, or the output
    of `horcrux address`."""
    allow_from: tuple[str, ...] = pydantic.Field(min_length=1)
    """CIDRs that the signer dials from; only they can reach the node's port 26659."""
    service_type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    """Type of the Service `remote-signer` in the chain's namespace; the signer dials its port 26659."""
    annotations: Mapping[str, str] = pydantic.Field(default_factory=dict)
    """Annotations of that Service, such as those that keep a LoadBalancer internal."""

    @pydantic.field_validator("public_key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        if not isinstance(value, str | Mapping):
            return value
        try:
            addresses.parse_consensus_pubkey(value)
        except errors.SettingsError:
            # A private key that was entered by mistake must not end up in a log.
            raise ValueError(f"not an ed25519 consensus key; {addresses.KEY_FORMS}") from None
        return value if isinstance(value, str) else json.dumps(dict(value), sort_keys=True)

    @pydantic.field_validator("allow_from")
    @classmethod
    def _cidrs(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return check_cidrs(ranges)


class ConsensusKeySource(Guarded):
    """Consensus key of one chain that is not derived from the seed; set either imported or remote."""

    imported: SecretSource | None = None
    """Source of an existing key: the text of a `priv_validator_key.json`, or of a key file of tmkms."""
    remote: RemoteSigner | None = None
    """The remote signer that holds the key."""
    provider_key: bool = False
    """Whether it is the provider node's own key, used on this chain too; no other key is assigned then."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "ConsensusKeySource":
        base.require_one(imported=self.imported, remote=self.remote)
        if self.imported is not None and self.imported.keystore is not None:
            raise ValueError("the keystore contains accounts and seeds only; use file, env or secret")
        return self


def check_cidrs(ranges: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ranges after checking that each is a CIDR.

    Raises:
        ValueError: a range is not a CIDR.
    """
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is not a valid CIDR; use e.g. 192.0.2.10/32, or the range of the nodes"
            ) from None
    return ranges
