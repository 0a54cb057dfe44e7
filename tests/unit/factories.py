"""Factories of frozen values: a provider with alice, bob and charlie, and one consumer chain."""

import base64
import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from ics import manifests, model
from ics.conditions import Condition
from ics.config import chain_definition
from ics.config import settings as config_settings
from ics.consumer import desired, observed, places
from ics.consumer.peers import description
from ics.cosmos import addresses, canonical_json, gas_prices, times
from ics.keys import derivation
from ics.manifests import revisions
from ics.reconciler import world as reconciler_world
from ics.relayer import inputs

PROVIDER = "provider-1"
OWNER = addresses.encode("cosmos", b"o" * 20)
NAMES = ("alice", "bob", "charlie")
TOKENS = {"alice": 300_000, "bob": 200_000, "charlie": 100_000}
CLUSTER = "cluster-1"
"""uid of the namespace kube-system of alice's cluster."""
SITE = places.Site(cluster_uid=CLUSTER, namespace="ns", volume_uid="volume-1")
"""Where the node of chain 0 runs; see `memory`."""
SPARE = "5" * 32
"""Random text of each pass."""
BASE = json.dumps(
    {
        "chain_id": "",
        "genesis_time": "2025-01-01T00:00:00Z",
        "initial_height": 1,
        "app_state": {"auth": {"accounts": []}, "bank": {"balances": [], "supply": []}, "ccvconsumer": {}},
    }
)


def seed(name: str) -> model.Secret:
    """A validator's seed."""
    return model.Secret(hashlib.sha256(name.encode()).digest())


def consensus_key(name: str) -> bytes:
    """A validator's consensus key on the provider."""
    return hashlib.sha256(b"provider" + name.encode()).digest()


def valcons(name: str) -> str:
    """A validator's consensus address on the provider."""
    return addresses.encode("cosmosvalcons", addresses.consensus_address(consensus_key(name)))


def valoper(name: str) -> str:
    """A validator's operator address."""
    return addresses.encode("cosmosvaloper", hashlib.sha256(name.encode()).digest()[:20])


def place_id(number: int = 0) -> str:
    """Ids of places in the order of their numbers."""
    return f"{number:032x}"


def place(number: int = 0, **changes: Any) -> model.Place:
    """Places of chain 0 in alice's cluster, each a second younger than the one before."""
    base = model.Place(
        place_id=place_id(number),
        cluster_uid=CLUSTER,
        namespace="ns",
        since=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=number),
    )
    return dataclasses.replace(base, **changes)


def new_place(consumer_id: str = "0", site: places.Site = SITE, **changes: Any) -> model.Place:
    """The place that a pass records if a chain has none that is usable."""
    return places.new_place(SPARE, consumer_id, site, snapshot().moment, **changes)


def consumer_key(name: str, consumer_id: str = "0", place: int = 0) -> derivation.ConsensusKey:
    """A validator's derived key on a consumer, of the place with this number."""
    return derivation.derive_consensus_key(seed(name), PROVIDER, consumer_id, place_id(place))


def key_of(place: model.Place, name: str = "alice", consumer_id: str = "0") -> derivation.ConsensusKey:
    """The derived key of a place."""
    return derivation.derive_consensus_key(seed(name), PROVIDER, consumer_id, place.place_id)


def relayer(name: str) -> str:
    """A validator's published relayer address."""
    return derivation.derive_account(seed(name), derivation.RELAYER_INFO).address("cosmos")


def validator(name: str, **changes: Any) -> model.Validator:
    """A validator that publishes its endpoint and its relayer."""
    node_id = derivation.derive_node_key(seed(name)).node_id
    host = f"10.231.0.{111 + NAMES.index(name)}"
    base = model.Validator(
        operator_address=valoper(name),
        consensus_address=valcons(name),
        consensus_key=consensus_key(name),
        moniker=name,
        details=f"p2p={node_id}@{host} relayer={relayer(name)}",
        tokens=TOKENS[name],
        is_bonded=True,
        is_jailed=False,
    )
    return dataclasses.replace(base, **changes)


SLASHING = model.SlashingParams(
    slash_fraction_double_sign=Decimal("0.05"),
    slash_fraction_downtime=Decimal("0.01"),
    downtime_jail_duration=600 * times.SECOND,
)
"""The provider's own penalties, its defaults."""
MILD = model.InfractionParameters(
    double_sign=model.Penalty(slash_fraction=Decimal("0.05"), jail_duration=times.LONGEST, tombstone=True),
    downtime=model.Penalty(slash_fraction=Decimal(0), jail_duration=600 * times.SECOND, tombstone=False),
)
"""What the provider sets for a chain whose owner sets nothing."""


def detail(**changes: Any) -> model.ConsumerDetail:
    """The provider's detail of a chain without members."""
    base = model.ConsumerDetail(
        owner=OWNER,
        spawn_time="2026-01-01T00:00:00Z",
        initial_height=1,
        genesis_hash=hashlib.sha256(BASE.encode()).digest(),
        binary_hash=b"",
        unbonding_period=540,
        connection_id="",
        opted_in=frozenset(),
        validators=(),
        own_consumer_address=None,
        infraction_parameters=MILD,
    )
    return dataclasses.replace(base, **changes)


def joined(*names: str, own: str = "alice", consumer_id: str = "0", **changes: Any) -> model.ConsumerDetail:
    """A chain that these validators joined with their derived keys."""
    return detail(
        opted_in=frozenset(valcons(name) for name in names),
        validators=tuple(
            model.ConsumerValidator(valcons(name), consumer_key(name, consumer_id).public_key, TOKENS[name])
            for name in names
        ),
        own_consumer_address=consumer_key(own, consumer_id).address if own in names else None,
        **changes,
    )


def consumer(
    phase: model.Phase = model.Phase.INITIALIZED,
    found: model.ConsumerDetail | None = None,
    consumer_id: str = "0",
    chain_id: str = "consumer1-1",
    client: str | None = None,
) -> model.Consumer:
    """A chain of the provider, with details unless it is deleted or merely registered."""
    is_launched = phase in (model.Phase.LAUNCHED, model.Phase.STOPPED)
    client_id = client if client is not None else (f"07-tendermint-{consumer_id}" if is_launched else "")
    summary = model.ConsumerSummary(
        consumer_id=consumer_id, chain_id=chain_id, phase=phase, client_id=client_id, top_n=0, name="example"
    )
    has_detail = phase not in (model.Phase.REGISTERED, model.Phase.DELETED)
    return model.Consumer(summary, (found or detail()) if has_detail else None)


def ccv(*names: str) -> dict[str, Any]:
    """The CCV state of a chain launched with these validators."""
    return {
        "params": {"enabled": True, "reward_denoms": [], "provider_reward_denoms": []},
        "provider": {
            "client_state": {"latest_height": {"revision_number": "1", "revision_height": "42"}},
            "consensus_state": {"timestamp": "2026-01-01T00:00:01.123456789Z"},
            "initial_val_set": [
                {"pub_key": {"ed25519": _base64(consumer_key(name).public_key)}, "power": str(TOKENS[name])}
                for name in names
            ],
        },
        "new_chain": True,
    }


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def launch(*names: str, **changes: Any) -> model.Launch:
    """The facts of a launch; all three validators are bonded."""
    base = model.Launch(ccv(*names), tuple(validator(name).details for name in NAMES))
    return dataclasses.replace(base, **changes)


def snapshot(*consumers: model.Consumer, **changes: Any) -> model.Snapshot:
    """The provider with its three validators."""
    base = model.Snapshot(
        chain_id=PROVIDER,
        height=100,
        time="2026-01-01T00:00:30Z",
        validators=tuple(validator(name) for name in NAMES),
        consumers=consumers,
        must_validate=frozenset(),
    )
    return dataclasses.replace(base, **changes)


def settings(name: str = "alice", **changes: Any) -> config_settings.Settings:
    """A validator's settings."""
    values: dict[str, Any] = {
        "validator": name,
        "operator_address": valoper(name),
        "provider": {
            "chain_id": PROVIDER,
            "rest": ["http://127.0.0.1:1317"],
            "rpc": ["http://127.0.0.1:26657"],
            "grpc": ["http://127.0.0.1:9090"],
        },
        "account": {"env": "ACCOUNT"},
        "seed": {"env": "SEED"},
        # Tests of the checklist and of rehearsals switch them on.
        "staging": {"checklist": "none", "rehearse": False},
        **changes,
    }
    # One answer of the provider ends a node here; test_removal.py is about the confirmation.
    values["node"] = {"removal_delay": "0s", **values.get("node", {})}
    return config_settings.parse(values, "test")


def example(**changes: Any) -> chain_definition.LoadedDefinition:
    """The definition of the example chain, with its base genesis."""
    values: dict[str, Any] = {
        "name": "ics-example",
        "match": {"chain_id": "consumer*-1", "owner": OWNER},
        "image": "ghcr.io/cosmos/interchain-security:v7.0.1",
        "binary": "interchain-security-cd",
        "bech32_prefix": "consumer",
        "denom": "stake",
        "min_gas_price": "0stake",
        "genesis": {"base": {"file": "base.json"}, "fund": {"relayers": "100stake"}},
        **changes,
    }
    return chain_definition.LoadedDefinition(chain_definition.parse(values, "test"), BASE.encode())


def named(*consumer_ids: str) -> list[chain_definition.LoadedDefinition]:
    """A definition of the example chain for each of these consumer ids."""
    return [
        example(
            name=f"ics-example-{consumer_id}",
            match={"chain_id": "consumer*-1", "owner": OWNER, "consumer_id": consumer_id},
        )
        for consumer_id in consumer_ids
    ]


def record(
    key: derivation.ConsensusKey | None = None,
    *,
    address: str = "",
    at: int | model.Place = 0,
    volume: str | None = "volume-1",
    **changes: Any,
) -> model.SigningRecord:
    """The record of a sign state that is ready, by default of alice's derived key.

    Args:
        key: by default alice's derived one of the place.
        address: instead of the key's.
        at: the place, or its number.
        volume: uid of the volume.
        **changes: to the record.
    """
    where = place(at) if isinstance(at, int) else at
    hexadecimal = (key or key_of(where)).address.hex().upper()
    base = model.SigningRecord(
        place=where, consensus_address=address or hexadecimal, volume_uid=volume, is_ready=True
    )
    return dataclasses.replace(base, **changes)


def memory(name: str = "alice", /, **changes: Any) -> observed.Memory:
    """The cluster's memory of chain 0, staged for a validator with a sign state that is ready."""
    fields = {field.name for field in dataclasses.fields(inputs.RelayerMemory)}
    relayer = inputs.RelayerMemory(**{name: changes.pop(name) for name in fields & set(changes)})
    base = observed.ChainMemory(
        namespace="ns",
        genesis=None,
        records=(record(consumer_key(name)),),
        volume_uid="volume-1",
        has_workload=False,
        relayer=relayer,
    )
    return memories({"0": dataclasses.replace(base, **changes)})


def on_record(namespace: str = "ns", name: str = "alice", consumer_id: str = "0") -> observed.ChainMemory:
    """A chain of which only its key is on record; its sign state was not created yet."""
    where = place(namespace=namespace)
    key = key_of(where, name, consumer_id)
    return observed.ChainMemory(
        namespace=namespace, records=(record(key, at=where, volume=None, is_ready=False),)
    )


def staged(name: str = "alice", *consumer_ids: str) -> observed.Memory:
    """The memory after the first pass over these chains, chain 0 by default: their keys are on record."""
    return memories(
        {
            consumer_id: on_record("ns" if consumer_id == "0" else f"ns{consumer_id}", name, consumer_id)
            for consumer_id in consumer_ids or ("0",)
        }
    )


def memories(chains: Mapping[str, observed.ChainMemory] | None = None, **changes: Any) -> observed.Memory:
    """The memory of alice's cluster; empty by default."""
    return observed.Memory(chains or {}, cluster_uid=CLUSTER, **changes)


def observation(snapshot: model.Snapshot, **changes: Any) -> observed.Observed:
    """Everything observed in a pass, with the terms of all chains: nothing is queued."""
    base = observed.Observed(
        spare=SPARE,
        snapshot=snapshot,
        memory=memories(),
        gas_price=gas_prices.GasPrice(),
        slashing=SLASHING,
        queued_terms={c.summary.consumer_id: model.InfractionParameters() for c in snapshot.consumers},
    )
    return dataclasses.replace(base, **changes)


def judge(
    seen: model.Consumer | model.Snapshot | observed.Observed,
    name: str = "alice",
    *,
    memory: observed.Memory | None = None,
    stack: config_settings.Settings | None = None,
    definitions: Sequence[chain_definition.LoadedDefinition] | None = None,
    imported: Mapping[str, derivation.ConsensusKey] | None = None,
    **changes: Any,
) -> desired.Desired:
    """Compute what a validator with the example definition wants, from a chain, a snapshot or all that was observed.

    Args:
        seen: a chain or a snapshot stands for an observation of it together with `memory`.
        name: of the validator.
        memory: of the cluster; empty by default.
        stack: settings instead of the validator's own with `changes`.
        definitions: instead of that of the example chain.
        imported: consensus keys by consumer id.
        **changes: to the validator's settings.
    """
    if isinstance(seen, model.Consumer):
        seen = snapshot(seen)
    if isinstance(seen, model.Snapshot):
        seen, memory = observation(seen, memory=memory or memories()), None
    assert memory is None, "it belongs to what was observed"
    chosen = settings(name, **changes) if stack is None else stack
    known = [example()] if definitions is None else definitions
    return revisions.settle(desired.compute(seen, chosen, seed(name), known, imported))


def rendered(wanted: desired.Desired) -> dict[str, model.Manifest]:
    """Manifests by `<kind>/<name>`."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in manifests.render(wanted, "set")}


class HasConditions(Protocol):
    """A decision, a plan or a report."""

    @property
    def conditions(self) -> Iterable[Condition]:
        """Conditions in their order."""


def reasons(found: HasConditions) -> list[str]:
    """Return the reasons of conditions in their order."""
    return [condition.reason for condition in found.conditions]


def funded(name: str) -> str:
    """A relayer's address on the example chain."""
    found = description.parse(validator(name).details).relayer
    return addresses.reprefix(found or "", "consumer")


def genesis_document(raw: object) -> dict[str, Any]:
    """A genesis, parsed."""
    assert isinstance(raw, bytes)
    return canonical_json.parse(raw)


def pod(**changes: Any) -> model.PodStatus:
    """A pod that is ready and never restarted, by default a consumer node's."""
    base = model.PodStatus(
        name="node-0", ip="10.0.0.1", node_name="n1", is_ready=True, restarts=0, waiting=""
    )
    return dataclasses.replace(base, **changes)


def node(*validators: str, **changes: Any) -> model.NodeStatus:
    """A node whose chain has these validators, all of whom signed."""
    powers = {consumer_key(name).address: TOKENS[name] for name in validators}
    base = model.NodeStatus(
        height=7,
        is_catching_up=False,
        consensus_key=consumer_key("alice").public_key,
        peers=1,
        signers=frozenset(powers),
        validators=powers,
    )
    return dataclasses.replace(base, **changes)


GENESIS = json.dumps(
    {
        "genesis_time": "2026-01-01T00:00:01.123456789Z",
        "app_state": {
            "bank": {
                "balances": [
                    {"address": funded(name), "coins": [{"denom": "stake", "amount": "100"}]}
                    for name in NAMES
                ]
            },
            "ccvconsumer": ccv("alice", "bob"),
        },
    }
).encode()
"""A genesis in the cluster, as far as it is read again."""


class Unused:
    """An adapter that a test does not expect to be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"unexpected use of {name}")


def world(cluster: object = None, **changes: Any) -> reconciler_world.World:
    """Alice's world, in which one fake stands for all adapters of the cluster."""
    adapter: Any = Unused() if cluster is None else cluster
    values: dict[str, Any] = {
        "settings": settings(),
        "seed": seed("alice"),
        "definitions": [example()],
        "provider": Unused(),
        "lease": Unused(),
        **dict.fromkeys(
            (
                "state",
                "nodes",
                "sign_state",
                "provider_sign_state",
                "hermes_jobs",
                "gateway",
                "lookups",
                "trust_searches",
                "pull_secrets",
                "rehearsals",
                "upgrade_pulls",
                "snapshots",
                "volumes",
            ),
            adapter,
        ),
        **changes,
    }
    return reconciler_world.World(**values)
