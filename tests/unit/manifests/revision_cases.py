"""Stacks whose nodes' templates are kept in `revision_1.json`, as the first version of this program rendered them."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from ics import manifests, model
from ics.consumer import desired, observed
from tests.unit import factories

PROVIDER_NODE: dict[str, Any] = {
    "enabled": True,
    "image": "pd:1",
    "genesis": {"url": "https://example.com/g.json", "sha256": "0" * 64},
    "consensus_key": "key",
}
SIGNER: dict[str, Any] = {
    "0": {
        "remote": {
            "public_key": base64.b64encode(factories.consumer_key("alice").public_key).decode(),
            "allow_from": ["203.0.113.7/32"],
        }
    }
}


def judged(
    memory: observed.Memory | None = None, definition: Mapping[str, Any] | None = None, **stack: Any
) -> desired.Desired:
    """Return what is wanted of a launched chain whose node runs, and of a provider node."""
    detail = factories.joined("alice", "bob")
    chain = factories.consumer(model.Phase.LAUNCHED, detail)
    here = factories.memory(genesis=factories.GENESIS, has_workload=True) if memory is None else memory
    known = [factories.example(**(definition or {}))]
    return factories.judge(factories.snapshot(chain), memory=here, definitions=known, **stack)


CASES: Mapping[str, Callable[..., desired.Desired]] = {
    "plain": lambda memory=None: judged(memory, provider_node=PROVIDER_NODE),
    "options": lambda memory=None: judged(
        memory,
        {
            "seeds": ["a" * 40 + "@203.0.113.7:26656"],
            "binary_hash": "b" * 64,
            "pods": {"labels": {"team": "staking"}},
            "config": {"app.toml": {"pruning": "nothing"}},
        },
        hybrid_peer_updates=True,
        cluster={"proxy_ranges": ["10.0.0.0/24"]},
        provider_node={**PROVIDER_NODE, "node_key": "node-key", "seeds": ["b" * 40 + "@203.0.113.8:26656"]},
    ),
    "signer": lambda memory=None: judged(memory, consensus_keys=SIGNER),
}


def templates(wanted: desired.Desired) -> Any:
    """Return the pod templates of all nodes and the files that they read at their start, by name."""
    found = {}
    for one in manifests.render(wanted, "set"):
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "StatefulSet":
            found[name] = one["spec"]["template"]
        elif name in ("ConfigMap/config", "ConfigMap/provider-node"):
            found[name] = one["data"]
    return json.loads(json.dumps(found))
