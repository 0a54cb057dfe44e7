"""Settings that say where secrets lie, and whose key signs on a chain; pure."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Literal

import pydantic

from ics import errors
from ics.cosmos import addresses


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Guarded(_Frozen):
    """What a secret itself may be written into by mistake: no message quotes what is found here."""


class SecretObject(Guarded):
    """Where in Kubernetes a secret value lies."""

    namespace: str
    """Namespace of the Secret."""
    name: str
    """Name of the Secret."""
    key: str
    """Key in its data."""


class PassphraseSource(Guarded):
    """Where the passphrase of a key in the keystore is read from; just one of the two."""

    file: str | None = None
    """Path of a file, relative to the project's folder."""
    env: str | None = None
    """Name of an environment variable."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "PassphraseSource":
        if (self.file is None) == (self.env is None):
            raise ValueError("give just one of file or env")
        return self


class SecretSource(Guarded):
    """Where a secret value is read from; just one of file, env, secret and keystore."""

    file: str | None = None
    """Path of a file, relative to the project's folder."""
    env: str | None = None
    """Name of an environment variable."""
    secret: SecretObject | None = None
    """A key of a Kubernetes Secret in the stack's cluster."""
    keystore: str | None = None
    """Name of a sealed key, see `ics keys list`."""
    passphrase: PassphraseSource | None = None
    """What opens the sealed key; none: asked for at the terminal."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "SecretSource":
        if sum(source is not None for source in (self.file, self.env, self.secret, self.keystore)) != 1:
            raise ValueError("give just one of file, env, secret or keystore")
        if self.passphrase is not None and self.keystore is None:
            raise ValueError("a passphrase goes with keystore only")
        return self


class RemoteSigner(Guarded):
    """A signer outside of the node (tmkms, horcrux, …) that dials it, and that remembers what it has signed."""

    public_key: str
    """The key it signs with: the chain's JSON form, `PubKeyEd25519{HEX}` or base64."""
    allow_from: tuple[str, ...] = pydantic.Field(min_length=1)
    """CIDRs that the signer dials from; nobody else reaches the node's port 26659."""
    service_type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    """Type of the Service `remote-signer` in the chain's namespace, whose port 26659 it dials."""
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
            # Who gives the private key's file by mistake must not find it in a log.
            raise ValueError(f"it is not an ed25519 consensus key: {addresses.KEY_FORMS}") from None
        return value if isinstance(value, str) else json.dumps(dict(value), sort_keys=True)

    @pydantic.field_validator("allow_from")
    @classmethod
    def _cidrs(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return cidrs(ranges)


class ConsensusKey(Guarded):
    """The key of one chain that does not come from the seed; just one of imported and remote."""

    imported: SecretSource | None = None
    """Where a key made elsewhere lies: the text of a `priv_validator_key.json`."""
    remote: RemoteSigner | None = None
    """A remote signer has it."""
    provider_key: bool = False
    """It is the provider node's own key, which is then used on this chain too: no other is assigned."""

    @pydantic.model_validator(mode="after")
    def _just_one(self) -> "ConsensusKey":
        if (self.imported is None) == (self.remote is None):
            raise ValueError("give just one of imported or remote")
        if self.imported is not None and self.imported.keystore is not None:
            raise ValueError("the keystore holds accounts and seeds: give file, env or secret")
        return self


def cidrs(ranges: tuple[str, ...]) -> tuple[str, ...]:
    """The ranges, each of which is a CIDR.

    Raises:
        ValueError: one is not.
    """
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ValueError(f"{text!r} is no CIDR: write 192.0.2.10/32, or the range of the nodes") from None
    return ranges
