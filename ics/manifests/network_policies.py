"""NetworkPolicies: who may reach the pods of a stack, and what they may reach; pure.

Each namespace has one policy that isolates all pods of the stack in it, in both directions, and one policy for each
component that opens what the component needs. A component that is forgotten here is therefore closed.

Chains' nodes and Hermes run programs of strangers, so they cannot reach the cluster's other services, nor the API
server: of private addresses, only the ports of peers and of configured endpoints are open. No pod reaches a cloud's
metadata service, which would give it the rights of the machine.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final, TypeAlias
from urllib import parse

from ics import names
from ics.config import node_config
from ics.config import settings as config_settings
from ics.consumer import chain as consumer_chain
from ics.consumer import desired as consumer_desired
from ics.consumer import extra_nodes
from ics.consumer.peers import ports
from ics.cosmos import genesis_order
from ics.manifests import objects
from ics.relayer import hermes

PRIVATE_RANGES: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8")
"""Address ranges of cluster nodes, from which the API server proxies and which no selector matches."""
METADATA: Final = (
    # Link-local: AWS, GCP, Azure, OpenStack, DigitalOcean, Hetzner (169.254.169.254); credentials of EKS and ECS.
    "169.254.0.0/16",
    "fe80::/10",
    # AWS over IPv6 (fd00:ec2::254), and EKS Pod Identity (fd00:ec2::23).
    "fd00:ec2::/32",
    # Google Cloud over IPv6.
    "fd20:ce::254/128",
    # Azure's WireServer, Alibaba Cloud, Oracle Cloud.
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
)
"""Addresses at which clouds give credentials to whoever runs on their machines."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
_PORT = re.compile(r":([0-9]{1,5})(?=[,/\s]|$)")
_SERVICE = re.compile(r"[^.]+\.([a-z0-9-]+)\.svc(\..*)?")
"""Name of a Service in the cluster, with its namespace."""
_NAMESPACE = "kubernetes.io/metadata.name"
"""Label that Kubernetes itself sets on every namespace."""
_DNS: Final[Mapping[str, Any]] = {
    # To any address: clusters have their resolver in a pod, on the nodes, at a link-local address, or (Cloud DNS for
    # GKE) at that of the metadata service.
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
}


def of_gateway(settings: config_settings.Settings, owner: objects.Owner) -> list[dict[str, Any]]:
    """Return the policies of the gateway's namespace: all pods isolated, and what each component needs."""
    home = settings.gateway.namespace
    built = [isolation(home, owner)]
    if settings.provider_node.enabled:
        built.append(_provider_node(settings, owner))
    if settings.reconciler.enabled:
        built.append(
            _policy(
                "reconciler",
                home,
                owner,
                names.RECONCILER,
                ingress=_scraping(settings, settings.daemon.port),
                egress=reconciler_egress(),
            )
        )
    return built


def reconciler_egress() -> list[Mapping[str, Any]]:
    """Return where the reconciler may connect to.

    It holds a token for the API server, whose address and port are in no setting, and fetches geneses.
    """
    return [_DNS, _to(_anywhere())]


def of_chain(
    desired: consumer_desired.Desired, chain: consumer_chain.ChainPlan, owner: objects.Owner
) -> list[dict[str, Any]]:
    """Return the policies of one chain's namespace: all pods isolated, its node, and its relayers."""
    built = [isolation(chain.namespace, owner), _node(desired, chain, owner)]
    if chain.relay is not None:
        built.append(_relayer(desired.settings, chain, owner))
    return built


def isolation(namespace: str, owner: objects.Owner) -> dict[str, Any]:
    """Return the policy that closes all pods of the stack in a namespace; a rehearsal's pod needs nothing else."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owner.metadata(names.ISOLATION, names.NETWORK_POLICY, namespace),
        "spec": {
            "podSelector": {"matchLabels": owner.selector()},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def _policy(
    name: str,
    namespace: str,
    owner: objects.Owner,
    *components: str,
    ingress: Sequence[Mapping[str, Any]],
    egress: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the policy of the pods of some components."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owner.metadata(name, names.NETWORK_POLICY, namespace),
        "spec": {
            "podSelector": {
                "matchLabels": owner.selector(),
                "matchExpressions": [
                    {"key": names.COMPONENT, "operator": "In", "values": list(components)},
                ],
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": list(ingress),
            "egress": list(egress),
        },
    }


def of_extra_nodes(
    desired: consumer_desired.Desired,
    chain: consumer_chain.ChainPlan,
    role: extra_nodes.Role,
    owner: objects.Owner,
) -> dict[str, Any]:
    """Return the policy of a chain's sentries, or of its full nodes: peers and queries as for a node without sentries.

    Its peers may also be the other nodes in the namespace, whose port is the pods' own.
    """
    own = [node for node in chain.extra.nodes if node.role is role]
    return _policy(
        role,
        chain.namespace,
        owner,
        role,
        ingress=[_from(None, ports.POD_P2P), *_queries(desired.settings)],
        egress=_dialling_peers(desired.settings, chain, [node.persistent_peers for node in own]),
    )


def _node(
    desired: consumer_desired.Desired, chain: consumer_chain.ChainPlan, owner: objects.Owner
) -> dict[str, Any]:
    settings = desired.settings
    sentries = _components(owner, names.SENTRY)
    is_behind = chain.extra.is_behind
    rules = [_from([sentries] if is_behind else None, ports.POD_P2P), *_queries(settings)]
    if chain.signer is not None:
        rules.append(_from(_blocks(chain.signer.allow_from), ports.POD_SIGNER))
    dialled = _dialling_peers(settings, chain, [chain.peering.persistent_peers])
    return _policy(
        names.NODE_NAME,
        chain.namespace,
        owner,
        names.NODE,
        ingress=rules,
        egress=_behind_sentries(settings, chain, sentries) if is_behind else dialled,
    )


def _components(owner: objects.Owner, *components: str) -> dict[str, Any]:
    """Return a peer of a rule: pods of these components in the same namespace."""
    return {
        "podSelector": {
            "matchLabels": owner.selector(),
            "matchExpressions": [
                {"key": names.COMPONENT, "operator": "In", "values": list(components)},
            ],
        }
    }


def _queries(settings: config_settings.Settings) -> list[dict[str, Any]]:
    """Return the ingress rules of a consumer node's RPC, gRPC and REST."""
    if settings.hybrid_peer_updates:
        # An RPC that accepts control commands is only for the chain's own pods and the operator.
        return [
            _from(_trusted(settings), ports.POD_RPC),
            _from(_inside(), ports.POD_GRPC, ports.POD_REST),
        ]
    return [_from(_inside(), ports.POD_RPC, ports.POD_GRPC, ports.POD_REST)]


def _dialling_peers(
    settings: config_settings.Settings, chain: consumer_chain.ChainPlan, peers: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return egress rules of a chain's node with these lists of persistent peers."""
    dialled = [*peers, *chain.definition.seeds, *_configured(chain.definition.config)]
    urls = _fetched_from(chain)
    return _dialling(settings, {chain.ports.p2p, ports.POD_P2P, *_ports_in(dialled), *_url_ports(urls)}, urls)


def _fetched_from(chain: consumer_chain.ChainPlan) -> list[str]:
    """Return the addresses that a chain's nodes need at their start, in addition to their peers.

    A new node verifies its snapshot with RPC servers, and its pod fetches a large genesis on its own.
    """
    large = [chain.genesis.order.url] if isinstance(chain.genesis, genesis_order.Ordered) else []
    return [*chain.definition.rpc, *large]


def _behind_sentries(
    settings: config_settings.Settings, chain: consumer_chain.ChainPlan, sentries: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return egress rules of a node whose only peers are its sentries."""
    rules = [_DNS, _to([sentries], {ports.POD_P2P})]
    urls = _fetched_from(chain)
    if urls:
        rules += [_to(_anywhere(), _url_ports(urls)), *_further(settings, urls)]
    if chain.definition.companions:
        # They are in the same pod, and what they dial is not known.
        rules.append(_to(_anywhere(PRIVATE_RANGES)))
    return rules


def _provider_node(settings: config_settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    node = settings.provider_node
    urls = [] if node.genesis is None or node.genesis.url is None else [node.genesis.url]
    if node.state_sync is not None:
        urls += node.state_sync.rpc
    dialled = [*node.peers, *node.seeds, *_configured(node.config)]
    return _policy(
        names.PROVIDER_NODE,
        settings.gateway.namespace,
        owner,
        names.PROVIDER_NODE,
        ingress=[
            _from(None, ports.POD_P2P),
            _from(_inside(), ports.POD_RPC, ports.POD_GRPC, ports.POD_REST),
        ],
        egress=_dialling(settings, {ports.POD_P2P, *_ports_in(dialled), *_url_ports(urls)}, urls),
    )


def _relayer(
    settings: config_settings.Settings, chain: consumer_chain.ChainPlan, owner: objects.Owner
) -> dict[str, Any]:
    """Return the policy of everything that runs Hermes: the two Deployments and the Jobs of a handshake."""
    node = {"podSelector": {"matchLabels": owner.labels(names.NODE)}}
    urls = [one.url for one in (*settings.provider.rpc, *settings.provider.grpc)]
    return _policy(
        names.RELAYER_NAME,
        chain.namespace,
        owner,
        names.HERMES,
        names.EVIDENCE,
        names.RELAYER_STEP,
        ingress=_scraping(settings, hermes.TELEMETRY_PORT),
        egress=[
            _DNS,
            _to([node], {ports.POD_RPC, ports.POD_GRPC}),
            _to(_anywhere(), _url_ports(urls)),
            *_further(settings, urls),
        ],
    )


def _dialling(
    settings: config_settings.Settings, private_ports: Set[int], urls: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """Return egress rules of a node, whose peers listen anywhere at any port.

    Args:
        settings: of the stack.
        private_ports: the ports that are open at private addresses too.
        urls: configured endpoints, of which some may be Services of the cluster.
    """
    return [
        _DNS,
        _to(_anywhere(PRIVATE_RANGES)),
        _to(_anywhere(), private_ports),
        *_further(settings, urls),
    ]


def _further(settings: config_settings.Settings, urls: Iterable[str]) -> list[dict[str, Any]]:
    """Return egress rules to the namespaces of configured Services, and to what the settings add.

    A policy sees the port of a Service's pod, which is in no setting.
    """
    services = (_SERVICE.fullmatch(parse.urlsplit(url).hostname or "") for url in urls)
    namespaces = sorted({service[1] for service in services if service is not None})
    rules = [_to([_namespace(name)]) for name in namespaces]
    if settings.cluster.allow_egress:
        rules.append(_to([_without_metadata(cidr) for cidr in settings.cluster.allow_egress]))
    return rules


def _scraping(settings: config_settings.Settings, port: int) -> list[dict[str, Any]]:
    """Return the ingress rules of a port with metrics; the kubelet's probes need none."""
    if not port or not settings.cluster.metrics_from:
        return []
    return [_from([_namespace(name) for name in settings.cluster.metrics_from], port)]


def _inside() -> list[dict[str, Any]]:
    """Return the peers of a rule for the cluster and private networks."""
    return [{"namespaceSelector": {}}, *_blocks(PRIVATE_RANGES)]


def _trusted(settings: config_settings.Settings) -> list[dict[str, Any]]:
    return [
        {"podSelector": {}},
        _namespace(settings.gateway.namespace),
        *_blocks(settings.cluster.proxy_ranges),
    ]


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}}


def _blocks(ranges: Iterable[str]) -> list[dict[str, Any]]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in ranges]


def _without_metadata(cidr: str) -> dict[str, Any]:
    """Return a peer for a range without the addresses of metadata services in it.

    One that lies within these addresses was meant, and stays open.
    """
    block = ipaddress.ip_network(cidr)
    inner = [ipaddress.ip_network(one) for one in METADATA]
    closed = [str(one) for one in inner if one.version == block.version and _is_within(one, block)]
    return {"ipBlock": {"cidr": cidr} | ({"except": closed} if closed else {})}


def _is_within(inner: _Network, outer: _Network) -> bool:
    """Return whether a range is a smaller part of another."""
    return inner.prefixlen > outer.prefixlen and inner.network_address in outer


def _anywhere(excluded: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the peers of a rule for all addresses but those of metadata services and some ranges."""

    def closed(everywhere: str) -> list[str]:
        is_v6 = ":" in everywhere
        return [cidr for cidr in (*METADATA, *excluded) if (":" in cidr) is is_v6]

    return [{"ipBlock": {"cidr": cidr, "except": closed(cidr)}} for cidr in _EVERYWHERE]


def _from(peers: Sequence[Mapping[str, Any]] | None, *numbers: int) -> dict[str, Any]:
    """Return an ingress rule; without peers, from everywhere."""
    return ({} if peers is None else {"from": list(peers)}) | {"ports": _tcp(numbers)}


def _to(peers: Sequence[Mapping[str, Any]], numbers: Set[int] | None = None) -> dict[str, Any]:
    """Return an egress rule; None: to every TCP port."""
    return {"to": list(peers), "ports": [{"protocol": "TCP"}] if numbers is None else _tcp(sorted(numbers))}


def _tcp(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]


def _configured(config: node_config.Config | node_config.ChainConfig) -> list[str]:
    """Return the addresses in overrides of config.toml that a node dials."""
    file = config.get("config.toml", {})
    keys = (("p2p", "persistent_peers"), ("p2p", "seeds"), ("statesync", "rpc_servers"))
    return [str(file.get(table, {}).get(key, "")) for table, key in keys]


def _ports_in(texts: Iterable[str]) -> set[int]:
    """Return the ports of addresses such as `id@host:26656`, separated by commas."""
    return {int(port) for text in texts for port in _PORT.findall(text) if 0 < int(port) < 65536}


def _url_ports(urls: Iterable[str]) -> set[int]:
    defaults = {"http": 80, "https": 443}
    parts = [parse.urlsplit(url) for url in urls]
    return {part.port or defaults[part.scheme] for part in parts}
