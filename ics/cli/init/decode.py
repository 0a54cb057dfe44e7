"""Decoders of what `ics init` asks the provider and the cluster; pure."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ics import errors
from ics.cli.init import found
from ics.cosmos import addresses, answers, coins, gas_prices, identifiers

_PREFIX = re.compile(r"[a-z][a-z0-9]{0,15}")
_OBJECT_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_IS_DEFAULT_SNAPSHOT = "snapshot.storage.kubernetes.io/is-default-class"
_CLOUDS = {"aws": "aws", "gce": "gcp", "azure": "azure"}
"""Cloud by the scheme of a node's `providerID` (cloud-provider-aws, -gcp, -azure)."""
_LABEL = re.compile(r"[A-Za-z0-9]([-._/A-Za-z0-9]{0,251}[A-Za-z0-9])?")


def chain_id(node_info: answers.Field) -> str:
    """Decode the chain id of `node_info`.

    Raises:
        SettingsError: it is not the name of a chain that can be run.
    """
    text = node_info["default_node_info"]["network"].text()
    identifiers.check_chain_id(text)
    return text


def account_prefix(bech32: answers.Field) -> str:
    """Decode the auth module's `bech32`."""
    field = bech32["bech32_prefix"]
    text = field.text()
    if not _PREFIX.fullmatch(text):
        field.fail("a prefix of addresses such as cosmos")
    return text


def bond_denom(params: answers.Field) -> str:
    """Decode the staking module's `params`.

    Raises:
        SettingsError: it is not a denomination.
    """
    text = params["params"]["bond_denom"].text()
    coins.check_denom(text)
    return text


def gas_price(asked: gas_prices.GasPrice, denom: str) -> str:
    """Return a gas price as the settings have it; empty: none is asked."""
    return gas_prices.format_price(asked.amount, denom) if asked.amount else ""


def earliest(status: answers.Field) -> int:
    """Decode the lowest height of the node service's `status` (cosmos-sdk v0.50); 0: it does not say."""
    field = status.get("earliest_store_height")
    return 0 if field is None else field.integer()


def has_index(status: answers.Field) -> bool:
    """Decode whether a node indexes transactions from CometBFT's `/status` (`node_info.other.tx_index`)."""
    other = status["result"]["node_info"].get("other")
    index = None if other is None else other.get("tx_index")
    return index is None or index.text() == "on"


def one_validator(item: answers.Field) -> found.Validator:
    """Decode one validator of the staking module.

    Raises:
        SettingsError: its operator address is not one.
    """
    address = item["operator_address"].text()
    addresses.decode(address)
    return _validator(item, address)


def validators(page: answers.Field) -> list[found.Validator]:
    """Decode one page of the staking module's validators; what has no operator address is left out."""
    listed = []
    for item in page["validators"]:
        address = item["operator_address"].text()
        with contextlib.suppress(errors.SettingsError):
            addresses.decode(address)
            listed.append(_validator(item, address))
    return listed


def _validator(item: answers.Field, address: str) -> found.Validator:
    return found.Validator(
        operator_address=address,
        moniker=item["description"]["moniker"].text(),
        tokens=item["tokens"].integer(),
        is_bonded=item["status"].text() == "BOND_STATUS_BONDED",
        is_jailed=item["jailed"].boolean(),
    )


def cloud(nodes: Iterable[Mapping[str, Any]], *, has_metallb: bool) -> str:
    """Return the cloud of a cluster's nodes; without one MetalLB, if it is there."""
    schemes = {str((node.get("spec") or {}).get("providerID", "")).partition("://")[0] for node in nodes}
    clouds = {_CLOUDS[scheme] for scheme in schemes if scheme in _CLOUDS}
    if len(clouds) == 1:
        return clouds.pop()
    return "metallb" if has_metallb else "none"


def storage_classes(items: Iterable[Mapping[str, Any]]) -> tuple[found.StorageClass, ...]:
    """Decode StorageClasses, sorted by name."""
    classes = [
        found.StorageClass(
            name=str(item["metadata"]["name"]),
            is_default=(item["metadata"].get("annotations") or {}).get(_IS_DEFAULT) == "true",
            expands=item.get("allowVolumeExpansion") is True,
        )
        for item in items
        if _OBJECT_NAME.fullmatch(str(item["metadata"]["name"]))
    ]
    return tuple(sorted(classes, key=lambda each: each.name))


def snapshot_classes(items: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Decode the names of VolumeSnapshotClasses, the default first."""
    named = [
        (
            (item["metadata"].get("annotations") or {}).get(_IS_DEFAULT_SNAPSHOT) != "true",
            str(item["metadata"]["name"]),
        )
        for item in items
    ]
    return tuple(name for _, name in sorted(named) if _OBJECT_NAME.fullmatch(name))


def prometheus(items: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Decode objects of the kind Prometheus: their names, and the labels by which the first selects its rules."""
    ordered = sorted(items, key=_full_name)
    names = tuple(map(_full_name, ordered))
    return names, _labels(ordered[0]) if ordered else ()


def _full_name(item: Mapping[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _labels(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    selector = (item.get("spec") or {}).get("ruleSelector") or {}
    labels = selector.get("matchLabels") or {}
    pairs = [(str(name), str(value)) for name, value in labels.items()]
    return tuple(sorted(pair for pair in pairs if all(map(_LABEL.fullmatch, pair))))


def contexts(documents: Sequence[object]) -> tuple[tuple[str, ...], str]:
    """Decode parsed kubeconfig files: the names of their contexts, and the current one (empty: none)."""
    names: list[str] = []
    current = ""
    for document in documents:
        content = document if isinstance(document, Mapping) else {}
        for item in content.get("contexts") or []:
            name = item.get("name") if isinstance(item, Mapping) else None
            if isinstance(name, str) and name not in names:
                names.append(name)
        named = content.get("current-context")
        current = current or (named if isinstance(named, str) else "")
    return tuple(names), current if current in names else ""
