"""Objects of one consumer chain, except for its node's StatefulSet."""

from typing import Any

from ics import model, names
from ics.config import secret_sources
from ics.consumer import chain, desired
from ics.consumer.peers import ports
from ics.keys import derivation
from ics.manifests import companions, genesis, key_check, network_policies, node_files, objects, place_notes


def build(desired: desired.Desired, chain: chain.ChainPlan, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return namespace, volume, keys, files, Service and NetworkPolicies, and the genesis once it exists."""
    built = [
        _namespace(chain, owner),
        _volume(desired, chain, owner),
        _consensus_key(chain, owner),
        _node_key(chain, owner),
        _config(desired, chain, owner),
        _peers(chain, owner),
        _service(chain, owner),
        *network_policies.of_chain(desired, chain, owner),
    ]
    if chain.next is not None:
        built.append(_consensus_key(chain.next, owner))
    if chain.genesis is not None:
        built.append(genesis.config_map(chain.genesis, chain.namespace, owner))
    built += companions.config_maps(chain.definition, chain.namespace, owner)
    if chain.definition.seeds:
        built.append(_seeds(chain, owner))
    if chain.signer is not None:
        built.append(_signer_service(chain, chain.signer, owner))
    return built


def _namespace(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    return objects.namespace(owner, chain.namespace)


def _volume(desired: desired.Desired, chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    spec = objects.volume_spec(desired.settings.node, chain.storage)
    notes = place_notes.annotations(chain.key.place, chain.key.key.address)
    if chain.volume_uid is not None:
        # Without the uid, the record would also hold for a copy or a restored volume.
        notes[names.VOLUME_UID] = chain.volume_uid
    metadata = owner.metadata(
        names.VOLUME_NAME, names.VOLUME, chain.namespace, {**objects.SKIP_AWAIT, **notes}, is_retained=True
    )
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _consensus_key(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    place = chain.key.place
    notes = place_notes.annotations(place, chain.key.key.address)
    metadata = owner.metadata(
        names.consensus_key_name(place.place_id),
        names.CONSENSUS_KEY,
        chain.namespace,
        notes,
        is_retained=True,
    )
    if isinstance(chain.key.key, derivation.SignerKey):
        # The remote signer holds the key, but its record is kept in the same Secret.
        return objects.secret(metadata, {"public_key.json": model.Secret(chain.key.key.public_json())})
    return objects.secret(metadata, {"priv_validator_key.json": chain.key.key.priv_validator_key_json()})


def _node_key(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    metadata = owner.metadata(names.NODE_KEY, names.NODE_KEY, chain.namespace)
    return objects.secret(metadata, {"node_key.json": chain.node_key.node_key_json()})


def _config(desired: desired.Desired, chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    data = {
        "config.toml": node_files.of_chain(desired, chain),
        "app.toml": node_files.app_toml(chain.definition, chain.revision),
        "key-check.sh": key_check.script(chain.revision),
        "start.sh": node_files.start_script(chain),
    }
    client = node_files.client_toml(chain.definition, chain.chain_id)
    if client is not None:
        data["client.toml"] = client
    return objects.config_map(owner.metadata(names.CONFIG, names.CONFIG, chain.namespace), data)


def _peers(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    data = {
        "persistent_peers": chain.persistent_peers,
        "external_address": chain.external_address,
    }
    return objects.config_map(owner.metadata(names.PEERS, names.PEERS, chain.namespace), data)


def _seeds(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    """Return the seeds apart from the peers: a running node that has other seeds is not outdated."""
    metadata = owner.metadata(names.SEEDS, names.CONFIG, chain.namespace)
    return objects.config_map(metadata, {"seeds": ",".join(chain.seeds)})


def _service(chain: chain.ChainPlan, owner: objects.Owner) -> dict[str, Any]:
    def port(name: str, number: int) -> dict[str, Any]:
        return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}

    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(names.NODE_NAME, names.NODE, chain.namespace, objects.SKIP_AWAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.labels(names.NODE),
            # A node that waits for its quorum is queried too.
            "publishNotReadyAddresses": True,
            "ports": [
                port("p2p", chain.ports.p2p),
                port("rpc", chain.ports.rpc),
                port("rest", chain.ports.rest),
                port("grpc", chain.ports.grpc),
            ],
        },
    }


def _signer_service(
    chain: chain.ChainPlan, signer: secret_sources.RemoteSigner, owner: objects.Owner
) -> dict[str, Any]:
    metadata = owner.metadata(
        names.SIGNER_SERVICE, names.SIGNER, chain.namespace, {**signer.annotations, **objects.SKIP_AWAIT}
    )
    spec: dict[str, Any] = {
        "type": signer.service_type,
        "selector": owner.labels(names.NODE),
        # The node is not ready before its signer has connected.
        "publishNotReadyAddresses": True,
        "ports": [{"name": "signer", "port": ports.POD_SIGNER, "targetPort": "signer", "protocol": "TCP"}],
    }
    if signer.service_type != "ClusterIP":
        # Otherwise the node would see the cluster's own addresses, and the NetworkPolicy could not match the
        # signer's.
        spec["externalTrafficPolicy"] = "Local"
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
