"""What the provider, the machine and the cluster say about themselves; pure.

Names in it are those of strangers, or of a cluster's owner: texts for people, and values only after a check of their
form.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ics import errors, plain_text
from ics.cosmos import addresses

_LONGEST_MONIKER = 60
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The provider chain, from one REST gateway."""

    chain_id: str
    account_prefix: str
    bond_denom: str
    gas_price: str
    """Amount and denomination; empty: the node names none."""
    height: int
    earliest: int
    """Lowest height whose state the node keeps; 0: it does not say."""

    @property
    def is_archive(self) -> bool:
        """Whether the node keeps the state of every height."""
        return self.earliest == 1

    def lines(self) -> tuple[str, ...]:
        """Return what to show the operator."""
        kept = {0: "does not say which heights it keeps", 1: "keeps every height (archive)"}
        state = kept.get(self.earliest, f"keeps the state from height {self.earliest:,} on (pruned)")
        price = self.gas_price or "none of its own"
        return (
            f"chain {self.chain_id} at height {self.height:,}, bond denomination {self.bond_denom}",
            f"the node {state}; its minimum gas price: {price}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One RPC or gRPC address that was tried."""

    url: str
    problem: str = ""
    """Why it is not of use; empty: it is."""
    has_index: bool = True
    """Whether it looks up transactions by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """A validator of the provider, as it describes itself."""

    operator_address: str
    moniker: str
    tokens: int
    is_bonded: bool = True
    is_jailed: bool = False

    @property
    def shown_moniker(self) -> str:
        """Its moniker as one short line of visible characters."""
        return plain_text.one_line(self.moniker, _LONGEST_MONIKER)

    def line(self) -> str:
        """Return the validator as one line."""
        state = "jailed" if self.is_jailed else "bonded" if self.is_bonded else "not bonded"
        return f"{self.operator_address} {self.shown_moniker!r}, {self.tokens:,} tokens, {state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """A StorageClass of the cluster."""

    name: str
    is_default: bool = False
    expands: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the cluster offers."""

    cloud: str = "none"
    """`aws`, `gcp`, `azure`, `metallb` or `none`, as `ics:gateway.cloud`."""
    storage_classes: tuple[StorageClass, ...] = ()
    snapshot_classes: tuple[str, ...] = ()
    """VolumeSnapshotClasses, the default first."""
    prometheus: tuple[str, ...] = ()
    """`namespace/name` of each Prometheus of the Prometheus operator."""
    rule_labels: tuple[tuple[str, str], ...] = ()
    """Labels by which the first of them selects its rules."""
    has_monitors: bool = False
    """Whether the Prometheus operator's kinds are there."""
    problems: tuple[str, ...] = ()
    """What could not be asked."""

    @property
    def default_class(self) -> str:
        """Name of the cluster's default StorageClass; empty: it has none, or several."""
        defaults = [each.name for each in self.storage_classes if each.is_default]
        return defaults[0] if len(defaults) == 1 else ""

    def lines(self) -> tuple[str, ...]:
        """Return what to show the operator."""
        classes = ", ".join(
            each.name
            + (" (default)" if each.is_default else "")
            + ("" if each.expands else " (does not expand)")
            for each in self.storage_classes
        )
        monitors = "the Prometheus operator" if self.has_monitors else "no Prometheus operator"
        named = f" ({', '.join(self.prometheus)})" if self.prometheus else ""
        snapshots = ", ".join(self.snapshot_classes) or "none"
        return (
            f"cloud: {self.cloud}; StorageClasses: {classes or 'none'}",
            f"{monitors}{named}; VolumeSnapshotClasses: {snapshots}",
            *(f"not known: {problem}" for problem in self.problems),
        )


def search(wanted: str, validators: Iterable[Validator]) -> Validator:
    """Return the one validator that an operator means.

    Args:
        wanted: its operator address, the address of its operator's account, or its moniker.
        validators: those of the provider.

    Raises:
        SettingsError: none or several match; names are never guessed.
    """
    everyone = list(validators)
    try:
        prefix, raw = addresses.decode(wanted)
    except errors.SettingsError:
        prefix, raw = "", b""
    if raw:
        matching = [each for each in everyone if addresses.decode(each.operator_address)[1] == raw]
        if matching and prefix not in _prefixes(matching[0]):
            raise errors.SettingsError(
                f"--validator: {wanted!r} has the prefix {prefix!r}; give the valoper or the account's address"
            )
    else:
        matching = [each for each in everyone if each.moniker == wanted]
        matching = matching or [each for each in everyone if each.moniker.casefold() == wanted.casefold()]
    if len(matching) == 1:
        return matching[0]
    shown = plain_text.one_line(wanted, _LONGEST_MONIKER)
    if not matching:
        raise errors.SettingsError(
            f"--validator: no validator of this chain is {shown!r}; give its operator address"
        )
    raise errors.SettingsError(
        f"--validator: {len(matching)} validators are called {shown!r}; give the operator address of yours:"
        f" {_some(matching)}"
    )


def _prefixes(validator: Validator) -> tuple[str, str]:
    prefix = addresses.decode(validator.operator_address)[0]
    return prefix, prefix.removesuffix("valoper")


def _some(validators: Sequence[Validator]) -> str:
    named = [each.operator_address for each in validators[:_MOST_SHOWN]]
    return ", ".join([*named, *(["…"] if len(validators) > _MOST_SHOWN else [])])
