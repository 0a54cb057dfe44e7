"""Records what a real provider chain answers into tests/unit/provider/recorded, for the offline tests.

    python -m tests.network.record

Runs a chain of its own on loopback for about two minutes. Each file holds path, height, HTTP status and
the answer's body as text, byte for byte. The tests state addresses and times of the recording: mend
them afterwards.
"""

import datetime
import json
import pathlib
import tempfile
import urllib.parse

from ics.provider import gateway
from ics.provider.rest import queued_terms, stopped_at
from tests.network import provider_node

FOLDER = pathlib.Path(__file__).parent.parent / "unit" / "provider" / "recorded"
CCV = "/interchain_security/ccv/provider"
KEY = json.dumps(
    {"@type": "/cosmos.crypto.ed25519.PubKey", "key": "Ui5Gf1+mtWUdH8u3xlmzdKID+F3PK0sfXZ73GZ6q6is="}
)


def main() -> None:
    """Make all recordings anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="ics-record-") as folder:
        for node in provider_node.running(pathlib.Path(folder), min_retain=100):
            record_all(node)


def record_all(node: provider_node.Node) -> None:
    """Bring chains into all phases and record the answers on the way."""
    valcons = {
        name: node.run("comet", "show-address", home=node.folder / name).strip()
        for name in provider_node.TOKENS
    }
    save(node, "consumer_chains_empty", f"{CCV}/consumer_chains/0")
    registered = node.create_consumer("registered-1")
    initialized = node.create_consumer("initialized-2", spawn_in(3600))
    launched = node.create_consumer("launched-3", spawn_in(12))
    doomed = node.create_consumer("doomed-4", spawn_in(12))
    for consumer_id in (initialized, launched, doomed):
        node.send("alice", "provider", "opt-in", consumer_id, KEY if consumer_id != doomed else "")
    node.send("bob", "provider", "opt-in", launched)
    save(node, "must_validate_none", f"{CCV}/consumer_chains_per_validator/{valcons['alice']}")
    node.until(lambda: node.phase(launched) == node.phase(doomed) == "LAUNCHED")
    save(node, "slashing_params", "/cosmos/slashing/v1beta1/params")
    save_stored(node, "queued_terms_none", queued_terms.request(launched, node.height()))
    queued = provider_node.penalty("0.123456789012345678", 1_500_000_000)
    node.update_consumer(launched, infraction_parameters={"downtime": queued})
    save_stored(node, "queued_terms", queued_terms.request(launched, node.height()))
    node.send("charlie", "provider", "remove-consumer", doomed)
    node.until(lambda: node.phase(doomed) == "STOPPED")
    save_chain(node, "stopped", doomed, valcons["alice"])
    save_stored(node, "removal_time", stopped_at.request(doomed, node.height()))
    node.until(lambda: node.phase(doomed) == "DELETED")
    for name, consumer_id in (
        ("registered", registered),
        ("initialized", initialized),
        ("launched", launched),
        ("deleted", doomed),
        ("unknown", "99"),
    ):
        save_chain(node, name, consumer_id, valcons["alice"])
    save(node, "consumer_addr_none", f"{CCV}/validator_consumer_addr/{launched}/{valcons['bob']}")
    save(node, "must_validate_one", f"{CCV}/consumer_chains_per_validator/{valcons['alice']}")
    save(node, "consumer_chains", f"{CCV}/consumer_chains/0")
    save(node, "validators", "/cosmos/staking/v1beta1/validators")
    for name, path in (
        ("validators", "/cosmos/staking/v1beta1/validators"),
        ("chains", f"{CCV}/consumer_chains/0"),
    ):
        first = save(node, f"{name}_page1", f"{path}?pagination.limit=2")
        key = urllib.parse.quote(json.loads(first)["pagination"]["next_key"], safe="")
        save(node, f"{name}_page2", f"{path}?pagination.limit=2&pagination.key={key}")
    save(node, "node_info", "/cosmos/base/tendermint/v1beta1/node_info")
    save(node, "status", "/cosmos/base/node/v1beta1/status")
    save(node, "future", f"{CCV}/consumer_chains/0", node.height() + 1000)
    save(node, "not_served", f"{CCV}/nothing")
    node.until(lambda: node.height() > 130, 120)
    save(node, "pruned", "/cosmos/staking/v1beta1/validators", 3)


def save_chain(node: provider_node.Node, name: str, consumer_id: str, valcons: str) -> None:
    """Record the queries of one chain."""
    save(node, f"consumer_chain_{name}", f"{CCV}/consumer_chain/{consumer_id}")
    save(node, f"opted_in_{name}", f"{CCV}/opted_in_validators/{consumer_id}")
    save(node, f"consumer_validators_{name}", f"{CCV}/consumer_validators/{consumer_id}")
    save(node, f"consumer_addr_{name}", f"{CCV}/validator_consumer_addr/{consumer_id}/{valcons}")
    save(node, f"consumer_genesis_{name}", f"{CCV}/consumer_genesis/{consumer_id}")


def save_stored(node: provider_node.Node, name: str, query: gateway.RestRequest) -> None:
    """Record a query of the module's store, which has its height as a parameter."""
    save(node, name, f"{query.path}?{urllib.parse.urlencode(query.params)}")


def save(node: provider_node.Node, name: str, path: str, height: int | None = None) -> bytes:
    """Ask one thing and write the answer down."""
    status, body = node.get(path, height)
    record = {"path": path, "height": height, "status": status, "body": body.decode()}
    (FOLDER / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    return body


def spawn_in(seconds: int) -> str:
    """A time that far ahead, RFC 3339."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    main()
