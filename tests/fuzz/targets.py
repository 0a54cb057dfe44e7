"""The parsers, the exceptions that they declare, and what must hold of their results."""

import base64
import contextlib
import dataclasses
import json
import pathlib
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from ics import errors, manifests, model, names
from ics.cluster.api import connect, kubeconfig, tls
from ics.cluster.nodes import consensus
from ics.cluster.nodes import decode as node_decode
from ics.cluster.state import relayer_record
from ics.config import chain_definition, endpoint, registry, stack_file
from ics.consumer import genesis as consumer_genesis
from ics.consumer import state_sync_record
from ics.consumer.peers import description, ports
from ics.cosmos import addresses, answers, canonical_json, coins, genesis, identifiers, light, times
from ics.manifests import node_files, reconciler
from ics.provider import event_filter, gateway
from ics.provider.owner import decode as owner_decode
from ics.provider.rest import decode, queued_terms, stopped_at
from ics.provider.tx import refusals
from ics.relayer import ibc
from tests.fuzz import values
from tests.unit import factories
from tests.unit.cosmos import light_chain
from tests.unit.provider import recorded

ROOT: Final = pathlib.Path(__file__).parents[2]
_NODES: Final = ROOT / "tests" / "unit" / "cluster" / "nodes"
_PEER = re.compile(r"[0-9a-f]{40}@(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class Found(AssertionError):
    """A result that breaks a promise."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser."""

    run: Callable[[values.Source], object]
    """Makes an input and feeds the parser; raises `Found`, or an exception that the parser does not declare."""
    declared: tuple[type[Exception], ...] = (errors.IcsError,)


def attempt(name: str, data: bytes) -> bool:
    """Feed one target with the input that these bytes stand for.

    Returns:
        Whether the parser accepted it.

    Raises:
        Exception: the parser raised what it does not declare, or its result, or its error's text, breaks a promise.
    """
    target = TARGETS[name]
    try:
        target.run(values.Source(data))
    except target.declared as error:
        line = str(error)
        try:
            line.encode()
        except UnicodeEncodeError:
            raise Found(f"an error that no terminal can show: {line!a}") from error
        return False
    return True


def _text(*seeds: str) -> Callable[[values.Source], str]:
    return lambda source: values.text(source, seeds)


def _require(is_so: bool, what: object) -> None:
    if not is_so:
        raise Found(repr(what))


def _is_plain(text: str) -> bool:
    """Return whether a text is one line that changes nothing on a terminal."""
    return text.isprintable()


# Validators' descriptions, chain ids, prices and times.

_DESCRIPTIONS: Final = (
    f"p2p={'a' * 40}@10.0.0.1:26656 relayer=cosmos1rke6avzc3ejszv72xhhc9kkfejv8jd9575zqs4",
    'my text "p2p":"[fd00::2]:26656" and more',
    f"p2p.3={'b' * 40}@host.example.com:1 p2p=host",
    "p2p=[::1]:0 p2p=[::1",
)


def _description(source: values.Source) -> None:
    text = values.text(source, _DESCRIPTIONS)
    found = description.parse(text)
    for problem in (found.error, found.relayer_error):
        _require(problem is None or _is_plain(problem), problem)
    for listed in (found.endpoint_of("3", 27346), found.endpoint_of("0", 27346)):
        if listed is not None and listed.node_id is not None and listed.port is not None:
            peer = description.persistent_peers([(listed.node_id, listed.host, listed.port)])
            _require(_PEER.fullmatch(peer) is not None, peer)
    if found.relayer is not None:
        addresses.decode(found.relayer)
    with contextlib.suppress(errors.SettingsError):
        composed = description.compose(text, description.Endpoint("10.0.0.9", 1, "c" * 40))
        _require(description.parse(composed).host == "10.0.0.9", composed)


def _chain_id(source: values.Source) -> None:
    chain_id = values.text(source, ("consumer-1", "neutron-1", "a" * 50, "Consumer_X.1"))
    namespace = names.namespace("", "provider-1", "3", chain_id)
    _require(_DNS_LABEL.fullmatch(namespace) is not None, namespace)
    _require(_LABEL_VALUE.fullmatch(names.label_value(chain_id)) is not None, chain_id)
    _require(0 <= ports.home_offset(chain_id) < ports.OFFSETS, chain_id)
    identifiers.check_chain_id(chain_id)
    _require(_is_plain(chain_id) and 0 < len(chain_id.encode()) <= 50, chain_id)


def _amounts(source: values.Source) -> None:
    kind = source.below(5)
    if kind == 0:
        coins.parse_coins(values.text(source, ("100stake,5ibc/ABC", "1a", "")))
    elif kind == 1:
        coins.parse_price(values.text(source, ("0.025uatom", "1stake")))
    elif kind == 2:
        times.parse_duration(values.text(source, ("24h", "1.5s", "2d")))
    elif kind == 3:
        times.parse_time(values.text(source, ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00+01:00")))
    else:
        addresses.decode(values.text(source, ("cosmos1rke6avzc3ejszv72xhhc9kkfejv8jd9575zqs4",)))


# Answers of the provider.


def _field(source: values.Source, *seeds: Any) -> answers.Field:
    return answers.Field("q", values.document(source, seeds))


def _bodies(prefix: str) -> list[Any]:
    return [recorded.body(name) for name in recorded.NAMES if name.startswith(prefix)]


def _provider(source: values.Source) -> None:
    decoders: tuple[tuple[Callable[[answers.Field], object], list[Any]], ...] = (
        (decode.validators, _RECORDED["validators"]),
        (decode.consumer_chains, _RECORDED["consumer_chains"]),
        (decode.consumer_validators, _RECORDED["consumer_validators"]),
        (decode.consumer_address, _RECORDED["consumer_addr"]),
        (decode.opted_in, _RECORDED["opted_in"]),
        (decode.consumer_ids, _RECORDED["must_validate"]),
        (decode.slashing_params, _RECORDED["slashing_params"]),
        (decode.genesis_state, _RECORDED["consumer_genesis"]),
        (decode.is_key_used, [{"provider_address": ""}]),
        (decode.rpc_head, [_RPC_STATUS]),
        (answers.next_key, _RECORDED["validators"]),
        (lambda answer: queued_terms.decode(answer, _TERMS), _RECORDED["queued_terms"]),
        (lambda answer: stopped_at.decode(answer, _STOP, 1_814_400), [_STOPPED]),
        (owner_decode.consumer_chain, _RECORDED["consumer_chain_"]),
        (owner_decode.members, _RECORDED["consumer_validators"]),
        (
            owner_decode.pairs,
            [{"pairs": [{"provider_address": "a", "consumer_address": "b", "consumer_key": {}}]}],
        ),
        (lambda answer: decode.consumer_detail(answer, frozenset(), (), None), _RECORDED["consumer_chain_"]),
    )
    decoder, seeds = source.pick(decoders)
    decoder(_field(source, *seeds))


_RECORDED: Final = {
    prefix: _bodies(prefix)
    for prefix in (
        "validators",
        "consumer_chains",
        "consumer_validators",
        "consumer_addr",
        "opted_in",
        "must_validate",
        "slashing_params",
        "consumer_genesis",
        "queued_terms",
        "consumer_chain_",
    )
}
_TERMS: Final = queued_terms.request("0", 33)
_STOP: Final = stopped_at.request("0", 33)
_STOPPED: Final = {
    "code": 0,
    "log": "",
    "key": _STOP.params["data"],
    "value": base64.b64encode(b"\x01" + (63_900_000_000).to_bytes(8, "big") + bytes(6)).decode(),
    "height": "33",
}
_RPC_STATUS: Final = {
    "result": {
        "node_info": {"network": "provider-1"},
        "sync_info": {"latest_block_height": "7", "latest_block_time": "2026-01-01T00:00:00Z"},
    }
}


_ENDPOINT: Final = endpoint.Endpoint(url="http://user:password@h/?key=secret")


def _gateway(source: values.Source) -> None:
    bodies = [
        recorded.record(name)["body"] for name in ("validators", "pruned", "future", "not_served", "status")
    ]
    text = values.text(source, [*bodies, "<html>", "[" * 100_000])
    status = source.pick((200, 200, 400, 403, 404, 429, 500, 501, 503))
    request = gateway.RestRequest("/cosmos/x", height=7)
    try:
        answer = gateway.read(request, _ENDPOINT, status, text.encode(errors="replace"))
    except errors.IcsError as error:
        _require(_is_plain(str(error)) and "password" not in str(error), str(error))
        return
    _require(isinstance(answer, Mapping), answer)


def _event(source: values.Source) -> None:
    value = {"TxResult": {"height": "7"}, "block": {"header": {"height": "7"}}}
    seeds = [
        {
            "result": {
                "data": {"type": f"tendermint/event/{kind}", "value": value},
                "events": {"opt_in.x": ["1"]},
            }
        }
        for kind in ("Tx", "NewBlock")
    ]
    message = values.document(source, seeds)
    if isinstance(message, Mapping):
        event_filter.read(message)


def _refusal(source: values.Source) -> None:
    seeds = (
        "insufficient fees; got: 1stake required: 2stake: insufficient fee",
        "account sequence mismatch, expected 1",
    )
    refusals.explain(values.text(source, seeds))


# Answers of a consumer: its node, and its IBC state.

_DUMP: Final = json.loads((_NODES / "dump_consensus_state.json").read_text())
_STATUS: Final = {
    "node_info": {"id": "a" * 40, "network": "consumer-1"},
    "sync_info": {
        "latest_block_height": "7",
        "latest_block_time": "2026-01-01T00:00:00.5Z",
        "earliest_block_height": "1",
        "catching_up": False,
    },
    "validator_info": {
        "pub_key": {
            "type": "tendermint/PubKeyEd25519",
            "value": "e80RSua0ZY+uJG4dRx0p0B0wtS7PGGBR5rEqzCcsKmg=",
        }
    },
}
_NET_INFO: Final = {"n_peers": "1", "peers": [{"node_info": {"id": "b" * 40}}]}
_COMMIT: Final = {
    "signed_header": {"commit": {"signatures": [{"block_id_flag": 2, "validator_address": "AB" * 20}]}}
}
_VALIDATOR: Final = {"address": "AB" * 20, "voting_power": "10"}


def _node(source: values.Source) -> None:
    kind = source.below(4)
    if kind == 0:
        view = consensus.view(_field(source, _DUMP), 7)
        _require(view.height >= 0, view)
    elif kind == 1:
        node_decode.result(
            "/status", _mapping(_field(source, {"result": _STATUS}, {"error": {"message": "x"}}).value)
        )
    else:
        parts = [_STATUS, _NET_INFO, _COMMIT, _VALIDATOR]
        at = source.below(len(parts))
        parts[at] = values.document(source, [parts[at]])
        status, net_info, commit, validator = (answers.Field("q", part) for part in parts)
        node_decode.height(status)
        node_decode.block_time(status)
        node_decode.node(status, net_info, commit, [validator], None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


_CLIENT: Final = {
    "@type": "/ibc.lightclients.tendermint.v1.ClientState",
    "chain_id": "consumer1-1",
    "trusting_period": "356.400s",
    "frozen_height": {"revision_number": "0", "revision_height": "0"},
}
_CONNECTION: Final = {
    "id": "connection-3",
    "client_id": "07-tendermint-0",
    "state": "STATE_INIT",
    "counterparty": {"client_id": "c", "connection_id": "", "prefix": {"key_prefix": "aWJj"}},
    "delay_period": "0",
}
_CHANNEL: Final = {
    "state": "STATE_TRYOPEN",
    "ordering": "ORDER_ORDERED",
    "counterparty": {"port_id": "consumer", "channel_id": "channel-0"},
    "connection_hops": ["connection-4"],
    "version": "1",
    "port_id": "provider",
    "channel_id": "channel-9",
}


def _ibc(source: values.Source) -> None:
    consensus_state = {"consensus_state": {"timestamp": "2026-11-22T12:21:07.123456789Z"}}
    simple: tuple[tuple[Callable[[answers.Field], object], Any], ...] = (
        (ibc.connections, {"connections": [_CONNECTION]}),
        (ibc.channels, {"channels": [_CHANNEL]}),
        (ibc.client_states, {"client_states": [{"client_id": "07-tendermint-0", "client_state": _CLIENT}]}),
        (ibc.transfer_channel, {"channel_id": "channel-1"}),
        (ibc.connection_ids, {"connection_paths": ["connection-1"]}),
        (ibc.commitments, {"commitments": [{"sequence": "1"}]}),
        (ibc.next_send, {"next_sequence_send": "1"}),
        (ibc.next_receive, {"next_sequence_receive": "1"}),
        (ibc.balance, {"balance": {"amount": "1"}}),
        (ibc.unbonding_time, {"params": {"unbonding_time": "540s"}}),
        (ibc.trusting_fraction, {"params": {"trusting_period_fraction": "0.66"}}),
    )
    if source.below(3):
        decoder, seed = source.pick(simple)
        decoder(_field(source, seed))
        return
    client = ibc.client("07-tendermint-7", _field(source, _CLIENT), _field(source, consensus_state))
    now = times.parse_time("2026-11-22T12:21:07Z")
    client.is_expired(now)
    client.is_expiring(now)
    _ = client.refresh_from


_LIGHT: Final = light_chain.LightChain({1: {1: 1, 2: 1, 3: 1}})
_COMMIT_7, _COMMIT_8 = (_LIGHT.commit(height) for height in (7, 8))
_VALIDATORS_8: Final = _LIGHT.validators(8)


def _headers(source: values.Source) -> None:
    """No edit of what an RPC server says proves another header than the chain's own."""
    signed = light.parse(_field(source, _COMMIT_7))
    light.check_known(signed, _LIGHT.chain_id, _LIGHT.state(7))
    if source.below(2):
        light.check_signed(signed, _LIGHT.chain_id, 7, _LIGHT.members(7))
    else:
        following = light.parse(_field(source, _COMMIT_8))
        members = light.parse_members(_field(source, _VALIDATORS_8))
        light.check_linked(signed, _LIGHT.chain_id, following, members)
    _require(signed.header.hash == _LIGHT.header(7).hash, signed)


def _metrics(source: values.Source) -> None:
    lines = (
        'cometbft_statesync_syncing{chain_id="c"} 1\n',
        'cometbft_p2p_message_receive_bytes_total{message_type="statesync_ChunkResponse"} 1.5e+06\n',
    )
    found = node_decode.state_sync(values.text(source, lines) + values.text(source, lines))
    _require(found is None or 0 <= found.received <= 2**62, found)


def _state_sync_record(source: values.Source) -> None:
    seed = (
        '{"given_up": {"reason": "x"}, "trust": {"height": 1, "hash": "AB", "time": "2026-01-01T00:00:00Z",'
    )
    text = values.text(source, (seed + '"period": "5s", "servers": ["http://a"]}, "volume": "v"}',))
    found = state_sync_record.from_json(text)
    tomllib.loads(state_sync_record.section(found))
    again = state_sync_record.from_json(state_sync_record.to_json(found))
    _require(again == found, found)


def _hermes(source: values.Source) -> None:
    lines = (
        '{"result":"no tx","status":"error"}\n',
        'Error: could not parse\nCaused by: x\n{"result":{"a":[1]},"status":"error"}',
        "2026-01-01 ERROR \x1b[31mred\x1b[0m",
        '{"status":"error","result":' + "[" * 3000,
    )
    message = values.text(source, lines)
    pod = {"status": {"containerStatuses": [{"state": {"terminated": {"message": message}}}]}}
    _require(len(relayer_record.last_words(pod)) <= 400, message)


# Files: geneses, kubeconfigs, definitions and stack files.

_BASE: Final = json.loads((ROOT / "stacks" / "chains" / "ics-example.genesis.json").read_text())
_CCV: Final = factories.ccv("alice", "bob")


def _genesis(source: values.Source) -> None:
    kind = source.below(3)
    if kind == 0:
        canonical_json.parse(
            values.text(source, (json.dumps({"a": [1, "x"]}), "{}", "[" * 3000)).encode(errors="replace")
        )
        return
    document = values.document(source, [_BASE])
    content = json.dumps(document).encode()
    if kind == 1:
        loaded = chain_definition.LoadedDefinition(factories.example().definition, content)
        ccv = _mapping(values.document(source, [_CCV]))
        launch = model.Launch(ccv, tuple(factories.validator(name).details for name in factories.NAMES))
        detail = factories.joined("alice", "bob")
        built = consumer_genesis.build_genesis(loaded, "consumer1-1", detail, launch)
        _require(canonical_json.parse(built)["chain_id"] == "consumer1-1", built)
        consumer_genesis.initial_keys(launch)
        return
    parsed = canonical_json.parse(content)
    genesis.genesis_time(parsed)
    genesis.special_accounts(parsed)
    genesis.funded_accounts(parsed)
    genesis.verify(parsed, chain_id="consumer1-1", initial_height=1, ccv=_CCV)


_REGISTRY: Final = ROOT / "tests" / "unit" / "config" / "registry" / "stride"
_REGISTERED: Final = [json.loads((_REGISTRY / name).read_text()) for name in ("chain.json", "versions.json")]


def _registry(source: values.Source) -> None:
    files = [
        registry.parse(json.dumps(values.document(source, [seed])).encode(), "file") for seed in _REGISTERED
    ]
    draft = registry.draft(*files, template="repo/x:{tag}" if source.below(2) else "")
    _require(yaml.safe_load(draft.text()) == json.loads(json.dumps(draft.values)), draft)


_KUBECONFIG: Final = """\
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: https://h:6443
    certificate-authority-data: cGVt
    tls-server-name: name
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {a: 1}
users:
- name: u
  user:
    as: other
    as-groups: [a]
    as-user-extra: {team: [red]}
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [get]
      env: [{name: A, value: b}]
      interactiveMode: Never
- name: t
  user: {token: abc, username: n, password: p, client-certificate-data: cGVt, client-key-data: cGVt}
contexts:
- {name: x, context: {cluster: c, user: u}}
- {name: y, context: {cluster: c, user: t}}
current-context: x
"""


def _kubeconfig(source: values.Source) -> None:
    path = pathlib.Path("/conf/k")
    if source.below(2):
        content = values.document(source, [yaml.safe_load(_KUBECONFIG)])
    else:
        content = connect.parse(path, values.text(source, (_KUBECONFIG,)).encode(errors="replace"))
    access = kubeconfig.choose([(path, content)], source.pick((None, "x", "y")))
    for name, value in access.act_as:
        _require(not re.search(r"[\x00-\x1f\x7f]", name + value), (name, value))
        (name + value).encode()
    if access.token is not None:
        _require(access.token.reveal_text().isascii(), "token")
    with contextlib.suppress(errors.SettingsError):  # its certificates are none
        tls.context_of(access)


def _definition(source: values.Source) -> None:
    valid = yaml.safe_load((ROOT / "stacks" / "chains" / "ics-example.yaml").read_text())
    valid |= {"config": {"config.toml": {"p2p": {"max_num_inbound_peers": 7}}, "app.toml": {"a": ["y", "x"]}}}
    with _file(source, valid, "Pulumi.alice.yaml") as path:
        document = stack_file.read_yaml(path, "stacks/chains/x.yaml")
    if not isinstance(document, dict):
        return
    definition = chain_definition.parse(document, "stacks/chains/x.yaml")
    for text in (node_files.config_toml(definition, "alice"), node_files.app_toml(definition)):
        _require(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), text)
        tomllib.loads(text)


def _stack(source: values.Source) -> None:
    valid = yaml.safe_load((ROOT / "stacks" / "Pulumi.alice.yaml").read_text())
    with _file(source, valid, "stacks/Pulumi.alice.yaml") as path:
        settings = stack_file.load_settings(path.parents[1], "alice", {})
        written = reconciler.stack_file(settings)
        path.write_text(written)
        again = stack_file.load_settings(path.parents[1], "alice", {})
    _require(reconciler.stack_file(again) == written, written)


def _yaml(document: Any) -> str:
    try:
        return str(yaml.safe_dump(document, allow_unicode=True))
    except RecursionError:
        # PyYAML writes fewer levels than it reads. JSON is YAML, too.
        return json.dumps(document)


@contextlib.contextmanager
def _file(source: values.Source, valid: Any, name: str) -> Iterator[pathlib.Path]:
    """Write a changed document in YAML, or a changed text of it."""
    is_document = source.below(2)
    text = _yaml(values.document(source, [valid])) if is_document else values.text(source, (_yaml(valid),))
    with tempfile.TemporaryDirectory(prefix="ics-fuzz-") as folder:
        path = pathlib.Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode(errors="surrogatepass"))
        yield path


# A whole chain of strangers: what is rendered for the cluster.


def _chain(source: values.Source) -> None:
    detail = dataclasses.replace(
        factories.joined("alice", "bob"),
        owner=source.pick((factories.OWNER, values.text(source, (factories.OWNER,)))),
        spawn_time=values.text(source, ("2026-01-01T00:00:00Z",)),
    )
    consumer = factories.consumer(
        source.pick((model.Phase.LAUNCHED, model.Phase.INITIALIZED)),
        detail,
        chain_id=values.text(source, ("consumer1-1",)),
    )
    name = values.text(source, ("example",))
    consumer = dataclasses.replace(consumer, summary=dataclasses.replace(consumer.summary, name=name))
    bob = factories.validator("bob")
    bob = dataclasses.replace(
        bob, moniker=values.text(source, ("bob",)), details=values.text(source, (bob.details,))
    )
    validators = (factories.validator("alice"), bob, factories.validator("charlie"))
    snapshot = factories.snapshot(
        consumer, validators=validators, launches={"0": factories.launch("alice", "bob")}
    )
    for manifest in manifests.render(factories.judge(snapshot, memory=factories.staged()), "set"):
        _check_manifest(manifest)


def _check_manifest(manifest: model.Manifest) -> None:
    metadata = manifest["metadata"]
    _require(_DNS_LABEL.fullmatch(metadata["name"]) is not None or "." in metadata["name"], metadata["name"])
    for value in metadata["labels"].values():
        _require(_LABEL_VALUE.fullmatch(value) is not None, value)
    if manifest["kind"] != "ConfigMap":
        return
    for name, text in manifest.get("data", {}).items():
        _require(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), (name, text))
        if name.endswith(".toml"):
            tomllib.loads(text)
        if name == "persistent_peers":
            _require(all(_PEER.fullmatch(peer) for peer in text.split(",") if peer), text)


_SETTINGS = (errors.SettingsError,)

TARGETS: Final[Mapping[str, Target]] = {
    "description": Target(_description, ()),
    "chain id": Target(_chain_id, _SETTINGS),
    "amounts and times": Target(_amounts, (errors.SettingsError, ValueError)),
    "provider's answers": Target(_provider, (answers.MalformedAnswer,)),
    "gateway's answers": Target(_gateway, ()),
    "provider's events": Target(_event, ()),
    "chain's refusals": Target(_refusal, ()),
    "consumer node's answers": Target(_node),
    "IBC state": Target(_ibc),
    "headers": Target(_headers),
    "node's metrics": Target(_metrics, ()),
    "state sync's record": Target(_state_sync_record, (answers.MalformedAnswer,)),
    "Hermes' output": Target(_hermes, ()),
    "genesis": Target(_genesis),
    "registry": Target(_registry, _SETTINGS),
    "kubeconfig": Target(_kubeconfig, _SETTINGS),
    "definition": Target(_definition, _SETTINGS),
    "stack file": Target(_stack, _SETTINGS),
    "chain of strangers": Target(_chain),
}
