"""A validator on a bad night: chains in many states, for the pictures and for tests of the page; pure."""

import datetime
import hashlib
from collections.abc import Iterator
from typing import Final

from ics import model
from ics.cluster import events
from ics.conditions import Condition, Reason, Severity
from ics.config import upgrades as config_upgrades
from ics.consumer import checklist, participation, status, upgrades
from ics.consumer.peers import ports
from ics.monitoring import metrics
from ics.status_page import state

NOW: Final = datetime.datetime(2027, 3, 9, 3, 12, 41, tzinfo=datetime.UTC)
HEIGHT: Final = 23_418_067
HOSTILE: Final = "<script>alert(1)</script>"
"""Id of a chain that anybody may create."""
_P: Final = participation.Participation
_S: Final = checklist.State
_I: Final = checklist.Item


def page(
    *, is_calm: bool = False, role: state.Role = state.Role.ACTING, preview: state.Preview | None = None
) -> state.PageState:
    """Return what the page shows that night, or once all is fixed."""
    chains = [calm(chain) for chain in CHAINS] if is_calm else list(CHAINS)
    conditions = () if is_calm else (ENDPOINT,)
    return state.PageState(
        identity=state.Identity("alice", "hub-4", "0.1.0"),
        role=role,
        now=NOW,
        report=status.Report(
            validator="alice",
            provider_chain_id="hub-4",
            height=HEIGHT,
            chains=(*chains, *STRANGERS),
            conditions=conditions,
        ),
        samples=tuple(sample for chain in chains for sample in samples(chain)),
        observed=NOW - datetime.timedelta(seconds=3),
        passes=PASSES,
        preview=preview,
        tag="calm" if is_calm else "night",
        metrics_path="/metrics",
    )


def calm(chain: status.ChainReport) -> status.ChainReport:
    """Return a chain as it is when all is well."""
    node = chain.node and node_report(chain.node.height or 0, peers=9, signs=True)
    return status.ChainReport(
        chain_id=chain.chain_id,
        consumer_id=chain.consumer_id,
        phase=chain.phase,
        participation=chain.participation,
        namespace=chain.namespace,
        genesis_sha256=chain.genesis_sha256,
        ports=chain.ports,
        node=node,
        conditions=tuple(one for one in chain.conditions if one.severity is Severity.INFO),
        checklist=chain.checklist
        and checklist.Checklist(
            tuple(checklist.Entry(one.item, _S.OK, "ok") for one in chain.checklist.entries)
        ),
    )


def node_report(height: int, *, peers: int, signs: bool, signers: int = 33) -> status.NodeReport:
    """Return a node of a chain of 34 validators."""
    return status.NodeReport(
        height=height,
        peers=peers,
        signing=signs,
        signers=signers,
        validators=34,
        is_catching_up=False,
        is_ready=True,
        restarts=0,
    )


def chain_report(
    number: int,
    chain_id: str,
    node: status.NodeReport | None,
    *conditions: Condition,
    phase: model.Phase = model.Phase.LAUNCHED,
    part: participation.Participation = _P.VALIDATING,
    checks: checklist.Checklist | None = None,
    upgrade: upgrades.NodeUpgrade | None = None,
) -> status.ChainReport:
    """Return the report on a chain of the validator."""
    return status.ChainReport(
        chain_id=chain_id,
        consumer_id=str(number),
        phase=phase,
        participation=part,
        namespace=f"ics-alice-{chain_id}",
        genesis_sha256=hashlib.sha256(chain_id.encode()).hexdigest() if node else None,
        ports=ports.ports_at(ports.home_offset(chain_id)),
        node=node,
        conditions=conditions,
        checklist=checks,
        upgrade=upgrade,
    )


ENDPOINT: Final = Condition.new(
    Reason.ENDPOINT_TROUBLE,
    "REST endpoint https://rest.hub.example: no answer within 15 s; https://hub-rest.alice.example takes over",
)
SPAWN: Final = NOW + datetime.timedelta(minutes=11, seconds=30)
CHECKLIST: Final = checklist.Checklist(
    (
        checklist.Entry(_I.GENESIS, _S.OK, "the final genesis follows after the launch"),
        checklist.Entry(_I.REHEARSAL, _S.OK, "the node started"),
        checklist.Entry(_I.FLAGS, _S.OK, "config.toml, app.toml and the flags of start are accepted"),
        checklist.Entry(_I.PRICES, _S.OK, "0.0025utide"),
        checklist.Entry(_I.ADDRESSES, _S.OK, "6 of 6 have an address"),
        checklist.Entry(_I.IMAGE, _S.OK, "ghcr.io/tide-labs/tide:v1.0.2 is pulled"),
        checklist.Entry(_I.VOLUME, _S.OK, "bound, and the sign state is on it"),
        checklist.Entry(_I.SCHEDULING, _S.OPEN, "no pod with the node's demands was scheduled yet"),
        checklist.Entry(_I.LOAD_BALANCER, _S.OK, "peers.alice.example"),
        checklist.Entry(_I.TERMS, _S.OK, "accepted by the definition"),
        checklist.Entry(_I.ACCOUNT, _S.OK, "set"),
    )
)
UPGRADE: Final = upgrades.NodeUpgrade(
    version=upgrades.Version("ghcr.io/lumen-network/lumen:v4.2.0"),
    state=upgrades.State.MISSING,
    scheduled=model.ScheduledUpgrade("v5", 8_310_000),
    height=8_310_000,
    expected=NOW + datetime.timedelta(hours=20, minutes=42),
)
NEXT: Final = upgrades.NodeUpgrade(
    version=upgrades.Version("ghcr.io/atlas-chain/atlas:v12.1.0"),
    state=upgrades.State.READY,
    next=config_upgrades.Upgrade(name="v13", height=15_000_000, image="ghcr.io/atlas-chain/atlas:v13.0.0"),
    height=15_000_000,
    expected=NOW + datetime.timedelta(days=3, hours=6),
)
CHAINS: Final = (
    chain_report(3, "atlas-1", node_report(14_682_915, peers=11, signs=True), upgrade=NEXT),
    chain_report(
        7,
        "harbor-1",
        node_report(6_120_448, peers=0, signs=False, signers=30),
        Condition.new(
            Reason.NO_PEERS,
            "the node has no peers: p2p.bob.example:26656, p2p.carol.example:26656 and 4 more do not answer, or"
            " outgoing traffic is blocked",
            "7",
            severity=Severity.WARNING,
        ),
        Condition.new(
            Reason.NOT_SIGNING,
            "the consumer key is in the validator set but did not sign the last commit",
            "7",
        ),
    ),
    chain_report(
        11,
        "lumen-1",
        node_report(8_291_377, peers=8, signs=True),
        Condition.new(
            Reason.UPGRADE_IMAGE_MISSING,
            "no image is known for upgrade v5 at height 8310000, expected in less than a day: add it to upgrades of"
            " definition lumen",
            "11",
            severity=Severity.CRITICAL,
        ),
        upgrade=UPGRADE,
    ),
    chain_report(
        14,
        "tide-1",
        None,
        Condition.new(
            Reason.CHECKLIST_OPEN,
            "items of the checklist are open: scheduling; it is joined when they are ok",
            "14",
        ),
        phase=model.Phase.INITIALIZED,
        part=_P.SELECTED,
        checks=CHECKLIST,
    ),
    chain_report(
        9,
        "meridian-2",
        node_report(2_945_003, peers=6, signs=True),
        Condition.new(
            Reason.TOP_UPS_LIMITED,
            "the budget for this chain's relayer accounts on the provider is used up: within 24 hours they were sent"
            " what ics:relayer.daily_gas (20000000) costs",
            "9",
        ),
    ),
)
STRANGERS: Final = tuple(
    status.ChainReport(
        chain_id=chain_id,
        consumer_id=str(number),
        phase=phase,
        participation=_P.NONE,
        namespace=None,
        genesis_sha256=None,
        ports=None,
        node=None,
        conditions=(
            Condition.new(
                Reason.NO_DEFINITION,
                f"{chain_id} is not joined: no definition in stacks/chains matches it",
                str(number),
                severity=Severity.INFO,
            ),
        ),
    )
    for number, chain_id, phase in (
        (0, "pilot-1", model.Phase.STOPPED),
        (1, HOSTILE, model.Phase.REGISTERED),
        (2, "freeport-1", model.Phase.LAUNCHED),
        (4, "ember-1", model.Phase.LAUNCHED),
        (5, "ember-2", model.Phase.REGISTERED),
        (6, "test-0000", model.Phase.REGISTERED),
        (8, "quill-1", model.Phase.LAUNCHED),
        (10, "dune-3", model.Phase.INITIALIZED),
    )
)
PASSES: Final = tuple(
    state.PassRecord(
        ended=NOW - datetime.timedelta(seconds=ago),
        seconds=seconds,
        height=HEIGHT - ago // 6,
        triggers=triggers,
        result=result,
        changes=changes,
        troubles=troubles,
    )
    for ago, seconds, triggers, result, changes, troubles in (
        (3, 1.4, (), state.PassResult.OK, (), ()),
        (
            33,
            2.9,
            ("pods",),
            state.PassResult.OK,
            (
                "consumer 14  tide-1",
                "  create  StatefulSet             ics-alice-tide-1/node",
                "  create  Service                 ics-alice-tide-1/node",
            ),
            (),
        ),
        (64, 1.3, (), state.PassResult.OK, (), ()),
        (
            95,
            16.2,
            (),
            state.PassResult.TROUBLE,
            (),
            ("https://rest.hub.example: no answer within 15 s",),
        ),
        (127, 1.5, ("update_validator",), state.PassResult.OK, (), ()),
    )
)
PREVIEW: Final = state.Preview(
    made=NOW - datetime.timedelta(seconds=8),
    lines=(
        "consumer 14  tide-1",
        "  send    opt in to tide-1 (consumer 14) with key F05C…91",
        "consumer 11  lumen-1",
        "  update  ConfigMap               ics-alice-lumen-1/peers",
        "0 to create, 1 to update, 0 to replace, 0 to delete, 1 transaction to send",
    ),
)

EVENTS: Final = tuple(
    events.RecordedEvent(
        seen=NOW - datetime.timedelta(minutes=ago),
        count=count,
        type=kind,
        reason=reason,
        consumer_id="7",
        object="harbor-1",
        note=note,
    )
    for ago, count, kind, reason, note in (
        (18720, 1, "Normal", "NodeStarted", "the node answers and has blocks"),
        (
            612,
            4,
            "Warning",
            "NoPeers",
            "the node has no peers: p2p.bob.example:26656 and 5 more do not answer",
        ),
        (
            609,
            2,
            "Warning",
            "NotSigning",
            "the consumer key is in the validator set but did not sign the last commit",
        ),
    )
)
"""What was recorded about harbor-1."""


def samples(chain: status.ChainReport) -> Iterator[metrics.Sample]:
    """Yield the metrics of a chain of the validator, as far as the page shows them."""
    labels = ("alice", chain.consumer_id, chain.chain_id)
    node = chain.node
    yield metrics.CHAIN_WANTED.of(True, *labels)
    yield metrics.CHAIN_KEY_MATCHES.of(True, *labels)
    if node is None:
        yield metrics.CHAIN_SPAWN_TIME.of(SPAWN.timestamp(), *labels)
        yield metrics.CHAIN_IN_SET.of(False, *labels)
        return
    is_well = node.signing
    image = f"ghcr.io/{chain.chain_id.split('-')[0]}/node:v4.2.0"
    yield metrics.CHAIN_INFO.of(1, *labels, chain.namespace or "", chain.chain_id, image)
    yield metrics.CHAIN_IN_SET.of(True, *labels)
    yield metrics.MISSED_BLOCKS.of(int(chain.consumer_id) * 4 if is_well else 6120, *labels)
    yield metrics.ALLOWED_MISSED_BLOCKS.of(9500, *labels)
    yield metrics.WINDOW_BLOCKS.of(10000, *labels)
    yield metrics.NODE_PEERS_MISSING.of(0 if is_well else 6, *labels)
    yield metrics.CHANNEL_OPEN.of(True, *labels, "ccv")
    yield metrics.CHANNEL_OPEN.of(True, *labels, "transfer")
    yield metrics.RELAYER_UP.of(True, *labels, "hermes")
    for host, days in (("provider", 11), ("consumer", 9)):
        yield metrics.CLIENT_FROZEN.of(False, *labels, host)
        yield metrics.CLIENT_EXPIRY.of((NOW + datetime.timedelta(days=days)).timestamp(), *labels, host)
    for direction in ("to_consumer", "to_provider"):
        yield metrics.PACKETS_PENDING.of(0, *labels, direction)
        yield metrics.PACKETS_PENDING_SINCE.of(0, *labels, direction)
    is_low = any(one.reason is Reason.TOP_UPS_LIMITED for one in chain.conditions)
    for purpose, balance in (("relayer", 96_000 if is_low else 612_400), ("evidence", 498_100)):
        yield metrics.WALLET_BALANCE.of(balance, *labels, purpose, "uatom")
        yield metrics.WALLET_TARGET.of(750_000, *labels, purpose, "uatom")
    yield metrics.WALLET_BALANCE.of(4_180_000, *labels, "consumer", f"u{chain.chain_id.split('-')[0]}")
    yield metrics.VOLUME_USED.of(61.4 * 2**30, *labels)
    yield metrics.VOLUME_SIZE.of(98.0 * 2**30, *labels)
