"""The kind `ConsumerChain`, by which `kubectl` shows a validator's chains; pure.

Its definition is part of no set and of no state: it is retained, and applied by whoever has a newer one.
"""

from collections.abc import Mapping
from typing import Any, Final

from ics import names
from ics.manifests import objects

PLURAL: Final = "consumerchains"
VERSION: Final = "v1alpha1"
NAME: Final = f"{PLURAL}.{names.DOMAIN}"
"""Name of the definition."""
REVISION: Final = 1
"""Of the definition below; raise it with every change, so that it replaces an older one in the cluster. Fields are only
added: several versions of this program may share a cluster, and a field that its definition lacks is lost when it is
written, so that every pass would write it again."""

_TEXT: Final = {"type": "string"}
_COLUMNS: Final = (
    ("Chain", ".status.chainID", "string", "Chain id."),
    ("ID", ".status.consumerID", "string", "Consumer id."),
    ("Phase", ".status.phase", "string", "Phase on the provider."),
    ("Signing", ".status.signing", "string", "Whether this validator's node signed the last block."),
    ("Channel", ".status.channel", "string", "Whether the CCV channel is open."),
    ("Message", ".status.message", "string", "The most severe condition."),
    ("Age", ".metadata.creationTimestamp", "date", "Time since the object was created."),
)


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    labels = {names.MANAGED_BY: names.MANAGER, names.COMPONENT: names.CHAIN_OBJECT, names.RETAIN: "true"}
    annotations = {names.DEFINITION_REVISION: str(REVISION)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "labels": labels, "annotations": annotations},
        "spec": {
            "group": names.DOMAIN,
            "scope": "Namespaced",
            "names": {
                "kind": "ConsumerChain",
                "listKind": "ConsumerChainList",
                "plural": PLURAL,
                "singular": "consumerchain",
                "categories": ["ics"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "jsonPath": path, "type": kind, "description": text}
                        for name, path, kind, text in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _schema()},
                }
            ],
        },
    }


def is_older(live: Mapping[str, Any] | None) -> bool:
    """Return whether a live definition is missing or older than this program's.

    An unreadable revision is older: another program has edited it.
    """
    if live is None:
        return True
    revision = (live["metadata"].get("annotations") or {}).get(names.DEFINITION_REVISION, "")
    return not (revision.isascii() and revision.isdecimal() and int(revision[:9]) >= REVISION)


def chain(owner: objects.Owner, namespace: str) -> dict[str, Any]:
    """Return the object of one chain, without its status.

    Args:
        owner: of the chain.
        namespace: of the chain.
    """
    return {
        "apiVersion": f"{names.DOMAIN}/{VERSION}",
        "kind": "ConsumerChain",
        "metadata": {
            "name": names.chain_object(owner.consumer_id),
            "namespace": namespace,
            "labels": owner.labels(names.CHAIN_OBJECT),
        },
    }


def _schema() -> dict[str, Any]:
    number = {"type": "integer", "format": "int64"}
    condition = {
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {
                **_TEXT,
                "description": "Ready, Reconciling, Stalled, or the reason of a condition that holds.",
            },
            "status": {**_TEXT, "enum": ["True", "False", "Unknown"]},
            "observedGeneration": number,
            "lastTransitionTime": {**_TEXT, "format": "date-time"},
            "reason": {
                **_TEXT,
                "description": "Of Ready, Reconciling and Stalled: the cause; of others: the severity.",
            },
            "message": _TEXT,
        },
    }
    fields = {
        "validator": "Name of the validator's stack.",
        "chainID": "Chain id.",
        "consumerID": "Consumer id on the provider.",
        "phase": "Phase on the provider.",
        "participation": "Whether this validator takes part in the chain.",
        "signing": "Whether this validator's node signed the last block; - without a node.",
        "channel": "Whether the CCV channel is open: open, pending, or - where nothing is known.",
        "message": "The most severe condition.",
    }
    status = {
        "type": "object",
        "properties": {
            "observedGeneration": number,
            **{name: {**_TEXT, "description": text} for name, text in fields.items()},
            "conditions": {
                "type": "array",
                "items": condition,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        },
    }
    text = (
        "A consumer chain of the provider in which this validator takes part, as the last pass of ics-operator saw it."
        " It is a report: nothing in it is read as input."
    )
    return {
        "type": "object",
        "description": text,
        "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "status": status},
    }
