"""The catalogue of conditions: what each reason means, where to look and what to do; pure.

A condition is the unit of everything that is reported. To add one, add it to `Reason` and to `CATALOGUE`, make
it with `Condition.new`, and render the pages: `python -m tests.conditions_pages`.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self


class Severity(enum.IntEnum):
    """Urgency of a condition; the highest one of a chain is the chain's state."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2


class Topic(enum.StrEnum):
    """Area of the operator's work that a condition belongs to; each has a section in the troubleshooting page."""

    JOINING = "joining"
    TRANSACTIONS = "transactions"
    GENESIS = "genesis"
    NODE = "node"
    SIGNING = "signing"
    PEERS = "peers"
    RELAYING = "relaying"
    """Also conditions of the node that the relayer waits for: `ics hermes status` lists all of them."""
    UPGRADES = "upgrades"
    CHANGES = "changes"
    PROVIDER = "provider"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """Everything that is known about a reason, whatever the chain."""

    severities: tuple[Severity, ...]
    """Mildest first; with several, the code that makes the condition picks one."""
    topics: tuple[Topic, ...]
    """The first one is the section of the troubleshooting page."""
    meaning: str
    look: str
    """Commands, settings or objects that show the cause."""
    action: str
    is_settled: bool = False
    """Waiting does not change it: the daemon does not poll more often because of it."""
    is_foreign: bool = False
    """The operator does not run the chain: the daemon expects nothing of it."""
    is_of_pass: bool = False
    """Reported only by the pass that met it, not by `ics status`."""


_INFO = (Severity.INFO,)
_WARNING = (Severity.WARNING,)
_CRITICAL = (Severity.CRITICAL,)
_FROM_INFO = (Severity.INFO, Severity.WARNING)
_ANY = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
_FROM_WARNING = (Severity.WARNING, Severity.CRITICAL)
_INFO_OR_CRITICAL = (Severity.INFO, Severity.CRITICAL)


@enum.unique
class Reason(enum.StrEnum):
    """Reason of a condition: a stable name, which scripts and alerts match."""

    NO_DEFINITION = "NoDefinition"
    DEFINITION_AMBIGUOUS = "DefinitionAmbiguous"
    DEFINITION_INVALID = "DefinitionInvalid"
    OWNER_MISMATCH = "OwnerMismatch"
    TWO_OF_ONE_NAME = "TwoOfOneName"
    DEFINITIONS_REFUSED = "DefinitionsRefused"
    NOT_JOINED = "NotJoined"
    JAILED = "Jailed"
    TERMS_TOO_HARSH = "TermsTooHarsh"
    TERMS_UNREADABLE = "TermsUnreadable"
    QUEUE_UNREAD = "QueueUnread"
    RELAYER_UNPUBLISHED = "RelayerUnpublished"
    CHAIN_ID_INVALID = "ChainIdInvalid"
    NO_PORT = "NoPort"
    CHANGEOVER = "Changeover"
    NO_ACCOUNT = "NoAccount"
    TRANSACTION_FAILED = "TransactionFailed"
    GAS_PRICE_HIGH = "GasPriceHigh"
    TRANSACTION_UNDER_WAY = "TransactionUnderWay"
    GENESIS_UNAVAILABLE = "GenesisUnavailable"
    GENESIS_PREPARING = "GenesisPreparing"
    GENESIS_AWAITED = "GenesisAwaited"
    GENESIS_HASH_MISMATCH = "GenesisHashMismatch"
    GENESIS_TOO_LARGE = "GenesisTooLarge"
    HASH_NOT_STATED = "HashNotStated"
    BINARY_HASH_MISMATCH = "BinaryHashMismatch"
    GENESIS_INVALID = "GenesisInvalid"
    RELAYER_LEFT_OUT = "RelayerLeftOut"
    GENESIS_TIME_AHEAD = "GenesisTimeAhead"
    POD_SETTINGS_WAIT = "PodSettingsWait"
    REVISION_OLD = "RevisionOld"
    UPGRADE_ANNOUNCED = "UpgradeAnnounced"
    UPGRADE_IMAGE_MISSING = "UpgradeImageMissing"
    UPGRADE_READY = "UpgradeReady"
    UPGRADE_HALTED = "UpgradeHalted"
    UPGRADING = "Upgrading"
    UPGRADE_FAILED = "UpgradeFailed"
    UPGRADE_DIFFERS = "UpgradeDiffers"
    UPGRADE_UNPREPARED = "UpgradeUnprepared"
    UPGRADE_UNLISTED = "UpgradeUnlisted"
    CHECKLIST_OPEN = "ChecklistOpen"
    CHECKLIST_FAILED = "ChecklistFailed"
    STAGED = "Staged"
    POD_MISSING = "PodMissing"
    POD_WAITING = "PodWaiting"
    COMPANION_WAITING = "CompanionWaiting"
    NODE_UNREACHABLE = "NodeUnreachable"
    CATCHING_UP = "CatchingUp"
    TRUST_UNPROVEN = "TrustUnproven"
    STATE_SYNCING = "StateSyncing"
    STATE_SYNC_GIVEN_UP = "StateSyncGivenUp"
    WAITING_FOR_QUORUM = "WaitingForQuorum"
    CHAIN_HALTED = "ChainHalted"
    NODE_STUCK = "NodeStuck"
    VOLUME_FILLING = "VolumeFilling"
    VOLUME_SIZE_KEPT = "VolumeSizeKept"
    SNAPSHOTS_UNAVAILABLE = "SnapshotsUnavailable"
    MONITORING_UNAVAILABLE = "MonitoringUnavailable"
    GATEWAY_WITHOUT_ADDRESS = "GatewayWithoutAddress"
    SNAPSHOT_FAILED = "SnapshotFailed"
    LEAVING = "Leaving"
    STOPPED = "Stopped"
    NOT_SIGNING = "NotSigning"
    NOT_IN_SET = "NotInSet"
    DOWNTIME_NEAR = "DowntimeNear"
    MISSED_BLOCKS_UNREAD = "MissedBlocksUnread"
    REWARDS_UNREAD = "RewardsUnread"
    KEY_MISMATCH = "KeyMismatch"
    NO_UNUSED_KEY = "NoUnusedKey"
    KEY_ELSEWHERE = "KeyElsewhere"
    REKEYING = "Rekeying"
    REKEY_WAITS_FOR_CHANNEL = "RekeyWaitsForChannel"
    REKEYED_TOO_OFTEN = "RekeyedTooOften"
    JAIL_NEAR = "JailNear"
    VOTE_NEEDED = "VoteNeeded"
    KEY_EXCHANGE = "KeyExchange"
    KEY_SIGNS_ELSEWHERE = "KeySignsElsewhere"
    KEY_SHARED = "KeyShared"
    PROVIDER_KEY_IN_SET = "ProviderKeyInSet"
    SIGN_STATE_PENDING = "SignStatePending"
    SIGN_STATE_LOST = "SignStateLost"
    SIGN_STATE_FAILED = "SignStateFailed"
    OTHER_CLUSTER = "OtherCluster"
    TWO_NODES = "TwoNodes"
    PROVIDER_KEY_WITHHELD = "ProviderKeyWithheld"
    PROVIDER_OTHER_CLUSTER = "ProviderOtherCluster"
    SIGNING_RECORD_LOST = "SigningRecordLost"
    SIGNER_AWAITED = "SignerAwaited"
    SIGNER_KEY_MISMATCH = "SignerKeyMismatch"
    ENDPOINT_UNPUBLISHED = "EndpointUnpublished"
    SEED_UNRESOLVED = "SeedUnresolved"
    PORT_TAKEN = "PortTaken"
    PEER_LEFT_OUT = "PeerLeftOut"
    PEERS_MISSING = "PeersMissing"
    NO_PEERS = "NoPeers"
    PEERS_STALE = "PeersStale"
    SENTRIES_PENDING = "SentriesPending"
    SENTRY_DOWN = "SentryDown"
    FULL_NODE_DOWN = "FullNodeDown"
    EXTRA_NODE_STUCK = "ExtraNodeStuck"
    EXTRA_NODE_SIGNS = "ExtraNodeSigns"
    RELAYING_UNREADABLE = "RelayingUnreadable"
    RELAYER_UNFUNDED = "RelayerUnfunded"
    TOP_UPS_LIMITED = "TopUpsLimited"
    RELAYING_TOO_EXPENSIVE = "RelayingTooExpensive"
    WALLET_EMPTY = "WalletEmpty"
    RELAYER_CONFIG_REFUSED = "RelayerConfigRefused"
    RELAYER_CONFIG_INVALID = "RelayerConfigInvalid"
    CHANNEL_OPENING = "ChannelOpening"
    TRANSFER_OPENING = "TransferOpening"
    TRANSFER_STALLED = "TransferStalled"
    HANDSHAKE_LEFTOVERS = "HandshakeLeftovers"
    STEP_FAILED = "StepFailed"
    JOB_FAILED = "JobFailed"
    HERMES_NOT_READY = "HermesNotReady"
    PACKETS_PENDING = "PacketsPending"
    CONSUMER_HALTED = "ConsumerHalted"
    CLIENT_EXPIRING = "ClientExpiring"
    CLIENT_EXPIRED = "ClientExpired"
    CLIENT_FROZEN = "ClientFrozen"
    CHANNEL_CLOSED = "ChannelClosed"
    TWO_ENGINES = "TwoEngines"
    NEEDS_CONFIRMATION = "NeedsConfirmation"
    CONFIRMS_NOTHING = "ConfirmsNothing"
    DRIFTED = "Drifted"
    STACK_REPAIRED = "StackRepaired"
    STACK_LOCKED = "StackLocked"
    ENGINE_UNUSABLE = "EngineUnusable"
    RECONCILER_EMBEDDED = "ReconcilerEmbedded"
    RECONCILE_FAILED = "ReconcileFailed"
    UNEXPECTED_ERROR = "UnexpectedError"
    CHAIN_UNREADABLE = "ChainUnreadable"
    RPC_UNUSABLE = "RpcUnusable"
    ENDPOINT_TROUBLE = "EndpointTrouble"
    PROVIDER_UPGRADING = "ProviderUpgrading"
    REMOVAL_UNCONFIRMED = "RemovalUnconfirmed"
    GAS_REFUSED = "GasRefused"
    ENDPOINT_OF_OTHER_CHAIN = "EndpointOfOtherChain"
    CLUSTER_TROUBLE = "ClusterTrouble"
    CLUSTER_REFUSES = "ClusterRefuses"
    RECORD_BROKEN = "RecordBroken"

    @property
    def entry(self) -> CatalogueEntry:
        """What the catalogue says about it."""
        return CATALOGUE[self]


CATALOGUE: Final[Mapping[Reason, CatalogueEntry]] = {
    Reason.NO_DEFINITION: CatalogueEntry(
        severities=_INFO_OR_CRITICAL,
        topics=(Topic.JOINING,),
        meaning=(
            "No chain definition matches the chain id and the owner. Critical if this validator is a member of the"
            " chain."
        ),
        look="`match` in `stacks/chains/*.yaml`; `ics consumer show CONSUMER_ID` for chain id and owner",
        action="Write a definition that matches. If you do not want to join the chain, do nothing.",
        is_settled=True,
        is_foreign=True,
    ),
    Reason.DEFINITION_AMBIGUOUS: CatalogueEntry(
        severities=_INFO_OR_CRITICAL,
        topics=(Topic.JOINING,),
        meaning="Several chain definitions match. Critical if this validator is a member of the chain.",
        look="`match` in the definitions that the message names",
        action="Narrow `match` until only one definition fits.",
        is_foreign=True,
    ),
    Reason.DEFINITION_INVALID: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "The chain definition that is, or may be, this chain's is invalid. The chain is left as it is, and all"
            " other chains go on. Critical if this validator has joined the chain."
        ),
        look="The file and keys in the message; `ics config check`",
        action="Fix the file.",
        is_settled=True,
    ),
    Reason.OWNER_MISMATCH: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "A chain that is run here has another owner than its definition names. It goes on by that definition, but"
            " is not joined again. Critical if this validator is a member of the chain."
        ),
        look="`match.owner` in the definition that the message names; `ics consumer show CONSUMER_ID`",
        action=(
            "Find out whether the chain was handed over. If so, change `match.owner`; otherwise leave it with `ics"
            " opt-out CONSUMER_ID`."
        ),
        is_settled=True,
    ),
    Reason.TWO_OF_ONE_NAME: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "One definition matches several chains of the same chain id. None of them is joined; a chain that was"
            " joined already goes on."
        ),
        look="The consumer ids and owners in the message; `ics consumer show CONSUMER_ID` of each",
        action=(
            "Ask the launch team for the consumer id, and set `match.consumer_id`: in the definition, or in one of its"
            " own if the definition is a pattern."
        ),
        is_settled=True,
        is_foreign=True,
    ),
    Reason.DEFINITIONS_REFUSED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.JOINING,),
        meaning=(
            "A file in `stacks/chains/` is invalid. If it became so while `ics watch` was running, the previous"
            " definitions stay in force; otherwise the chains that it may be of are left as they are."
        ),
        look="The file and key in the message; `ics config check`",
        action="Fix the file. It is read again automatically.",
    ),
    Reason.NOT_JOINED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.JOINING,),
        meaning=(
            "This validator does not join the chain: the policy or a list excludes it, the validator left it before,"
            " or it is jailed."
        ),
        look="The message; `ics:participation` in the stack file",
        action="If you want to join, change `ics:participation` or run `ics opt-in CONSUMER_ID`.",
        is_settled=True,
    ),
    Reason.JAILED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.JOINING,),
        meaning=(
            "This validator is jailed on the provider. Its nodes keep running, no chain counts its signatures, and"
            " it joins no further chain."
        ),
        look="`ics status`: SIGNING of each chain; the provider's slashing module for the end of the jail time",
        action="Make sure that the nodes are healthy, then run `ics unjail`.",
    ),
    Reason.TERMS_TOO_HARSH: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "The owner's penalties for a double sign or for downtime, in force or queued, are harsher than the"
            " definition accepts. The chain is not joined. Critical if this validator has joined it already; its node"
            " keeps running."
        ),
        look="`ics consumer show CONSUMER_ID`: infraction_parameters; `accepted_terms` in the chain's definition",
        action=(
            "If you have joined the chain, leave it at once: `ics opt-out CONSUMER_ID`. If you accept these terms,"
            " change `accepted_terms` in the definition."
        ),
        is_settled=True,
    ),
    Reason.TERMS_UNREADABLE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "The penalties for infractions on the chain, or those of the provider's slashing module, are unreadable. A"
            " chain that is not joined yet is not joined; one that is joined goes on."
        ),
        look="The message; `ics consumer show CONSUMER_ID`",
        action=(
            "Wait for the next pass. If it stays, fix the endpoint, or update this program if the provider was"
            " upgraded."
        ),
        is_settled=True,
    ),
    Reason.QUEUE_UNREAD: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "Whether the owner of a running chain has queued other penalties is unknown, because the endpoint does not"
            " serve the provider's store. A chain that is not joined yet is not joined; one that is joined goes on."
        ),
        look="The message; `ics:provider.rest` in the stack file",
        action="Put an endpoint that serves `abci_query` first in `ics:provider.rest`.",
        is_settled=True,
    ),
    Reason.RELAYER_UNPUBLISHED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "The validator's description has no room for `relayer=`, without which the relayer is not funded in the"
            " genesis. No chain is joined until it is published."
        ),
        look="The message; `ics endpoint show`",
        action="Shorten the description on the provider, then run `ics endpoint register`.",
    ),
    Reason.CHAIN_ID_INVALID: CatalogueEntry(
        severities=_INFO_OR_CRITICAL,
        topics=(Topic.JOINING,),
        meaning=(
            "The chain id has characters that a name here cannot have. The provider accepts any text, and anybody can"
            " create such a chain. It is left alone: not joined, not run, nothing is named after it. Critical if this"
            " validator is a member of the chain."
        ),
        look="`ics consumer show CONSUMER_ID`",
        action=(
            "If you are a member, leave the chain: `ics opt-out CONSUMER_ID`, or have its owner rename it before the"
            " launch. Otherwise do nothing."
        ),
        is_settled=True,
        is_foreign=True,
    ),
    Reason.NO_PORT: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "All port ranges are taken by chains that were launched earlier, so the chain shares its ports with one of"
            " them. It is joined and run nevertheless; on the shared LoadBalancer only one of two chains has a port."
        ),
        look="`ics show ports CHAIN_ID…` with the ids of all launched chains, in the order of their launch",
        action="Publish a port of its own: `ics endpoint register --consumer CONSUMER_ID=HOST:PORT`.",
        is_settled=True,
    ),
    Reason.CHANGEOVER: CatalogueEntry(
        severities=_INFO_OR_CRITICAL,
        topics=(Topic.JOINING,),
        meaning=(
            "A sovereign chain that becomes a consumer chain. This operator does not run its node. Critical if this"
            " validator has joined it: an owner can set `connection_id` after the opt-in."
        ),
        look="`ics consumer show CONSUMER_ID`: connection_id",
        action=(
            "Run the node yourself with the key of `ics keys export CONSUMER_ID --stack NAME`. To leave instead, run"
            " `ics opt-out CONSUMER_ID` right after the launch; the provider refuses it before."
        ),
        is_settled=True,
        is_foreign=True,
    ),
    Reason.NO_ACCOUNT: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.TRANSACTIONS,),
        meaning=(
            "A transaction is due, and no account is configured to sign it. Critical if it would assign the key with"
            " which a member's node signs."
        ),
        look="`ics:account` in `ics doctor`",
        action="Set `ics:account`.",
    ),
    Reason.TRANSACTION_FAILED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.TRANSACTIONS,),
        meaning=(
            "A transaction failed. Warning if its outcome is unknown or the failure is temporary, and it is retried;"
            " critical if the provider rejected it."
        ),
        look="The message; `ics:account` in `ics doctor`",
        action="Fund the account, raise the gas price or extend the grant, as the message says.",
        is_of_pass=True,
    ),
    Reason.GAS_PRICE_HIGH: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.TRANSACTIONS,),
        meaning=(
            "The provider asks more for a unit of gas than `ics:provider.max_gas_price`. Nothing is sent, opt-ins"
            " included, until its price falls."
        ),
        look="`ics:provider.gas_price` in `ics doctor`",
        action="Raise `ics:provider.max_gas_price`, or wait.",
        is_of_pass=True,
    ),
    Reason.TRANSACTION_UNDER_WAY: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.TRANSACTIONS,),
        meaning="An earlier run sent a transaction whose outcome is still unknown. Nothing is sent until it is known.",
        look="`ics:provider.grpc` and `ics:provider.rest` in `ics doctor`",
        action="Wait for the next pass. If it stays, fix the provider's gRPC and REST endpoints.",
        is_of_pass=True,
    ),
    Reason.GENESIS_UNAVAILABLE: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.GENESIS,),
        meaning="The genesis file that the definition names could not be read. `ics watch` retries automatically.",
        look="The path or address in the message; `genesis` in the chain's definition",
        action="Fix the path, the address or the `sha256` in the definition. No restart is needed.",
    ),
    Reason.GENESIS_PREPARING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.GENESIS,),
        meaning=(
            "The node's pod fetches a large genesis, checks it, and completes it on the volume; then the node starts."
        ),
        look="`kubectl -n NAMESPACE logs node-0 -c genesis`",
        action="Wait. For 150 MB it takes about half a minute, and the download.",
    ),
    Reason.GENESIS_AWAITED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.GENESIS,),
        meaning="The final genesis or its sha256 is not available yet. The chain is joined; its node starts with it.",
        look="Whether the launch team has published the final genesis",
        action="Once it is published, set `genesis.final.sha256` in the definition.",
    ),
    Reason.GENESIS_HASH_MISMATCH: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.GENESIS,),
        meaning="The genesis file differs from the one whose hash the owner stated. The chain is not joined.",
        look="`genesis_hash` in `ics consumer show CONSUMER_ID`; both hashes in the message",
        action="Get the file that the launch team published. If the hashes still differ, ask the owner.",
    ),
    Reason.GENESIS_TOO_LARGE: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.GENESIS,),
        meaning=(
            "The compressed genesis does not fit into a ConfigMap (128 KiB are reserved for what the launch adds), so"
            " no node could start. The chain is not joined."
        ),
        look="The size in the message",
        action=(
            "Publish the file, and set `url`, `sha256` and `large: true` in the definition: then the node's own pod"
            " prepares it."
        ),
    ),
    Reason.HASH_NOT_STATED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.GENESIS,),
        meaning="The owner stated no genesis hash, so nothing on the provider vouches for the genesis file.",
        look="`genesis_hash` in `ics consumer show CONSUMER_ID`",
        action="Ask the owner to state it. Until then, compare the file's sha256 with the launch team.",
    ),
    Reason.BINARY_HASH_MISMATCH: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.GENESIS,),
        meaning=(
            "The image contains a different binary than the one whose hash the owner stated, so the chain is not"
            " joined, or than the one in the definition, so the node is not started."
        ),
        look=(
            "`binary_hash` in `ics consumer show CONSUMER_ID`, and in the chain's definition;"
            " `kubectl -n NAMESPACE logs node-0`"
        ),
        action="Use the image of the launch team's release, by digest, or correct the definition's `binary_hash`.",
    ),
    Reason.GENESIS_INVALID: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.GENESIS,),
        meaning=(
            "The file is not a genesis, does not belong to the chain, or could not be completed. Before the launch the"
            " chain is not joined; after it the node is not started."
        ),
        look="The message; the file itself; `ics:provider.archive_rest` in the stack file",
        action=(
            "Get the file that the launch team published, and fix the definition. If the launch height is pruned, set"
            " `ics:provider.archive_rest` to a gateway that keeps it."
        ),
    ),
    Reason.RELAYER_LEFT_OUT: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.GENESIS,),
        meaning=(
            "A validator's relayer gets no coins in the genesis, because the address it publishes is mistyped, belongs"
            " to a module, or is not a plain account in the base genesis."
        ),
        look="`ics endpoint show`",
        action="If it is yours, run `ics endpoint register`. Otherwise do nothing: other validators relay.",
    ),
    Reason.GENESIS_TIME_AHEAD: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning=(
            "The time in the chain's genesis lies ahead. CometBFT waits for it before it opens any port, and nothing"
            " restarts the node meanwhile."
        ),
        look="The time in the message; the node's log",
        action="Wait.",
        is_settled=True,
    ),
    Reason.POD_SETTINGS_WAIT: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning=(
            "Scheduling, pull secrets, labels or annotations of a running node's pod were changed. They alone do not"
            " restart a validator: the pod gets them at its next start."
        ),
        look="`ics:pods` in the stack file; `pods` in the chain's definition",
        action="Do nothing, or delete the node's pod when a short interruption is all right.",
        is_settled=True,
    ),
    Reason.REVISION_OLD: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning=(
            "A node was started by an earlier version of this program and keeps the files and the pod of that version."
            " A new version alone restarts no validator: the node gets what is new when it restarts for another reason."
        ),
        look="`kubectl get statefulsets -A -l app.kubernetes.io/managed-by=ics-operator -o yaml`",
        action="Do nothing, or restart the nodes one after the other: `ics nodes roll --all`.",
        is_settled=True,
    ),
    Reason.UPGRADE_ANNOUNCED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.UPGRADES,),
        meaning="An upgrade is planned by the chain, or in the list of its definition, and is being prepared.",
        look="`ics upgrade plan CONSUMER_ID`",
        action="Do nothing. The next image is pulled, and the node is switched when it stands at the upgrade's height.",
        is_settled=True,
    ),
    Reason.UPGRADE_IMAGE_MISSING: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.UPGRADES,),
        meaning=(
            "The chain has planned an upgrade, and its image is not in the list of the definition, or cannot be used."
            " Critical within a day of it, and while the chain stands there."
        ),
        look="`ics upgrade plan CONSUMER_ID`; `upgrades` in the chain's definition",
        action="Add the upgrade with its image to the definition, or correct the image.",
        is_settled=True,
    ),
    Reason.UPGRADE_READY: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.UPGRADES,),
        meaning="The next upgrade is in the list, and its image is on the node's machine.",
        look="`ics upgrade plan CONSUMER_ID`",
        action="Do nothing.",
        is_settled=True,
    ),
    Reason.UPGRADE_HALTED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.UPGRADES,),
        meaning="A node stands at the height of an upgrade, and is not switched yet, for the reason in the message.",
        look="`kubectl -n NAMESPACE logs node-0`",
        action="Wait for the snapshot, or do what the message says.",
    ),
    Reason.UPGRADING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.UPGRADES,),
        meaning="A node was switched to the next version, and has not executed its first block yet.",
        look="`kubectl -n NAMESPACE logs node-0`",
        action="Wait: the migration of a large chain may take long.",
    ),
    Reason.UPGRADE_FAILED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.UPGRADES,),
        meaning=(
            "A node was switched to the next version, and does not run with it. It is never switched back on its own:"
            " the new version may have changed its data."
        ),
        look="`kubectl -n NAMESPACE logs node-0 --previous`",
        action=(
            "Correct the image of that entry in the definition, which is then used at once; ask the chain's developers."
        ),
    ),
    Reason.UPGRADE_DIFFERS: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.UPGRADES,),
        meaning=(
            "The list of upgrades and the chain do not say the same: another name or height, or a height that the chain"
            " has passed without an upgrade. Nothing is switched."
        ),
        look="`ics upgrade list CONSUMER_ID`; `upgrades` in the chain's definition",
        action="Correct the list, or remove the entry of an upgrade that was cancelled.",
        is_settled=True,
    ),
    Reason.UPGRADE_UNPREPARED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.UPGRADES,),
        meaning=(
            "The validators have agreed upon a version from a height on, and the node was not restarted with that"
            " height yet, so that it would not stop there. It is restarted when its chain can do without it, and ten"
            " minutes before in any case. Critical from then on."
        ),
        look="`ics upgrade plan CONSUMER_ID`; `ics status`, for what keeps the chain's objects as they are",
        action="Remove what pauses the chain. If the height is passed, see `UpgradeDiffers`.",
        is_settled=True,
    ),
    Reason.UPGRADE_UNLISTED: CatalogueEntry(
        severities=_FROM_INFO,
        topics=(Topic.UPGRADES,),
        meaning=(
            "A node has been through an upgrade that is not in the list of its definition: it was removed (warning), or"
            " its image is from the chain's own plan. The node keeps its version; one with an empty volume may not get"
            " there."
        ),
        look="`ics upgrade list CONSUMER_ID`",
        action="Add the entry that the message names to `upgrades` in the chain's definition.",
        is_settled=True,
    ),
    Reason.CHECKLIST_OPEN: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.JOINING,),
        meaning="Something about the chain is still being tried. It is joined once every item of the checklist is ok.",
        look="`ics status`: the checklist of the chain",
        action="Wait. 20 s before the spawn time, items that are still open count as failed.",
    ),
    Reason.CHECKLIST_FAILED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.JOINING,),
        meaning=(
            "The node of a chain that is not launched yet would not run: an item of the checklist has failed, or was"
            " still open 20 s before the spawn time. Critical if the chain is therefore not joined, or if this"
            " validator is a member of it already."
        ),
        look=(
            "The message; `ics status`: the checklist of the chain; for the rehearsal, `kubectl -n NAMESPACE logs -l"
            " app.kubernetes.io/component=rehearsal`"
        ),
        action=(
            "Fix what the message says: the definition, its image or its genesis, or the cluster. To try the same by"
            " hand: `ics chain rehearse DEFINITION`. A rehearsal is repeated when the definition changes, or when its"
            " Job is deleted."
        ),
        is_settled=True,
    ),
    Reason.STAGED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning="Volume, image and sign state are ready. The node starts when the launch provides the genesis.",
        look="The spawn time in the message",
        action="Wait for the launch.",
    ),
    Reason.POD_MISSING: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning="The node's pod does not exist yet. Critical if this validator is a member of the chain.",
        look="`kubectl -n NAMESPACE describe statefulset node`",
        action="Wait a minute. If it stays, fix the quota or admission policy that the events name.",
    ),
    Reason.POD_WAITING: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning=(
            "The node's container cannot start. The message has the reason that Kubernetes gives. Critical if this"
            " validator is a member of the chain."
        ),
        look="`kubectl -n NAMESPACE describe pod node-0`",
        action="Fix the image, the volume or the resources, as the events say.",
    ),
    Reason.COMPANION_WAITING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.NODE,),
        meaning=(
            "A container of the definition's `companions`, such as a price feeder, cannot start, or ends again and"
            " again. The node beside it goes on; what it lacks without its companion, the chain's documentation says."
        ),
        look="`kubectl -n NAMESPACE logs node-0 -c COMPANION --previous`",
        action="Correct the companion's image, arguments, files or resources in the definition.",
    ),
    Reason.NODE_UNREACHABLE: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning=(
            "The node does not answer status queries. It may still be starting. Critical once its pod has not been"
            " ready for five minutes, if this validator is a member of the chain."
        ),
        look="`kubectl -n NAMESPACE describe pod node-0`, `kubectl -n NAMESPACE logs node-0 --tail=50`",
        action="Wait a minute. If it stays, fix what the log says.",
    ),
    Reason.CATCHING_UP: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning="The node is downloading blocks that its peers have already.",
        look="`ics status`: HEIGHT must grow",
        action="Wait.",
    ),
    Reason.TRUST_UNPROVEN: CatalogueEntry(
        severities=(Severity.INFO, Severity.WARNING, Severity.CRITICAL),
        topics=(Topic.NODE,),
        meaning=(
            "No block is proven to be the chain's, from which a new node could fetch the chain's state. The message"
            " says what each server in the definition's `rpc` said that the provider contradicts or does not know. A"
            " node that does not exist yet waits for ten minutes, and then replays the chain from its genesis; critical"
            " if this validator is a member already. Information only if the node runs: a new volume of it could not be"
            " synced."
        ),
        look="`rpc` in the chain's definition; `ics hermes status CONSUMER_ID`: when the client was updated last",
        action=(
            "Give addresses of nodes that have the chain's recent blocks, at least two. A server that says something"
            " else than the provider is broken or lies: remove it. If no block is recent enough, relaying has stopped."
        ),
    ),
    Reason.STATE_SYNCING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning="The node fetches a snapshot of the chain's state from its peers, instead of replaying all blocks.",
        look="`kubectl -n NAMESPACE logs node-0 --tail=50`: snapshots and chunks",
        action="Wait. After ten minutes in which no snapshot arrives, the node replays the chain from its genesis.",
    ),
    Reason.STATE_SYNC_GIVEN_UP: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.NODE,),
        meaning=(
            "No block was proven, or no snapshot came from a peer, for ten minutes. So the node replays the chain from"
            " its genesis. It signs once it has caught up."
        ),
        look="The message; `ics status`: HEIGHT must grow",
        action=(
            "Wait, or, if the replay takes too long, put your own copy of the chain's data on the volume. Ask the other"
            " validators to serve snapshots: `snapshot-interval` in their app.toml."
        ),
    ),
    Reason.WAITING_FOR_QUORUM: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning="The chain has no block yet: validators with two thirds of its voting power must be online.",
        look="`ics status`: PEERS",
        action="Wait for the other validators.",
    ),
    Reason.CHAIN_HALTED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.NODE,),
        meaning=(
            "The chain produces no blocks: no peer has a newer one, and two thirds of the voting power must sign"
            " again. This node is healthy."
        ),
        look="`ics endpoint check`: which other nodes are down",
        action="Nothing here. Ask the other validators to start their nodes; the chain then continues automatically.",
    ),
    Reason.NODE_STUCK: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.NODE,),
        meaning=(
            "The node produces no blocks although its peers do, or it does not answer consensus queries because its"
            " application hangs. After three failed checks in a row it is restarted."
        ),
        look="`kubectl -n NAMESPACE logs node-0 --tail=50`",
        action="Wait for the restart. If it happens again, fix what the log says.",
    ),
    Reason.VOLUME_FILLING: CatalogueEntry(
        severities=_ANY,
        topics=(Topic.NODE,),
        meaning=(
            "The volume of a node fills up: a warning at 80 % or four days before it is full at its present rate,"
            " critical at 90 % or one day before. An info while it is expanded, as `ics:node.volume` says. A node whose"
            " volume is full stops."
        ),
        look="`ics status`; `kubectl -n NAMESPACE logs node-0 -c volume-use --tail=5`; `docs/volumes.md`",
        action="Raise `storage`, let volumes grow with `ics:node.volume.max`, or prune more, as the message says.",
    ),
    Reason.VOLUME_SIZE_KEPT: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning=(
            "The settings ask for a larger volume than a node has, and the volume's StorageClass does not expand"
            " volumes. The node goes on with the volume that it has."
        ),
        look="`kubectl get storageclasses`; `docs/volumes.md`",
        action="Replace the volume as the message says, or set the size back.",
        is_settled=True,
    ),
    Reason.SNAPSHOTS_UNAVAILABLE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.CLUSTER,),
        meaning=(
            "The settings ask for snapshots, but the cluster has no VolumeSnapshots, or this program may not read"
            " them. Nothing else depends on them."
        ),
        look="`kubectl api-resources --api-group=snapshot.storage.k8s.io`; `ics show rights`",
        action="Install the snapshot controller and its CRDs, grant the right, or remove the setting.",
        is_settled=True,
    ),
    Reason.MONITORING_UNAVAILABLE: CatalogueEntry(
        severities=_FROM_INFO,
        topics=(Topic.CLUSTER,),
        meaning=(
            "Alerts, scrapes and dashboard are not objects of the stack: the cluster lacks the Prometheus operator's"
            " kinds, or this program may not list them. Nothing else depends on them."
        ),
        look="`kubectl api-resources --api-group=monitoring.coreos.com`; `ics show rights`",
        action="Install the Prometheus operator, grant the rights, or set `ics:monitoring.enabled` to `false`.",
        is_settled=True,
    ),
    Reason.GATEWAY_WITHOUT_ADDRESS: CatalogueEntry(
        severities=_FROM_INFO,
        topics=(Topic.PEERS, Topic.CLUSTER),
        meaning=(
            "The shared LoadBalancer has no address, so peers cannot reach the nodes here. Info until a chain that is"
            " launched runs here, because a cloud needs minutes to assign one."
        ),
        look="`kubectl -n provider describe service p2p-loadbalancer`",
        action=(
            "In a cloud, set `ics:gateway.cloud`. Where there is none, install MetalLB with a pool of addresses and set"
            " it to `metallb`. Or set `ics:gateway.host` to an address that leads to the Service."
        ),
    ),
    Reason.SNAPSHOT_FAILED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.NODE,),
        meaning=(
            "A snapshot of a chain's volume failed, or was not made within an hour. Critical if an upgrade waits for"
            " it (`ics:snapshots.before_upgrade: require`)."
        ),
        look="`kubectl -n NAMESPACE describe volumesnapshots`",
        action="Fix what the message says: the class in `ics:snapshots.class`, the driver, or its quota.",
    ),
    Reason.LEAVING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE,),
        meaning="This validator opted out. The node runs on while the chain may still expect its signature.",
        look="`ics consumer show CONSUMER_ID`: whether this validator is still in the set",
        action="Wait. The node stops when the chain's validator set no longer contains the key.",
    ),
    Reason.STOPPED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.NODE, Topic.RELAYING),
        meaning="The owner has removed the chain. The message says how far the shutdown has come.",
        look="`ics hermes status CONSUMER_ID`: packets in flight",
        action="Wait. When the provider has deleted the chain, `ics purge` removes its volume and keys.",
        is_settled=True,
    ),
    Reason.NOT_SIGNING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "The key is in the validator set, but did not sign the last block. A single block may be missed, so it is"
            " a warning; `DowntimeNear` is critical, and so is the alert `IcsNotSigning` after two minutes."
        ),
        look="`ics status`: PEERS; `kubectl -n NAMESPACE logs node-0 --tail=50`",
        action="If it stays, fix what the log says or the node's peers, before the validator is jailed for downtime.",
    ),
    Reason.NOT_IN_SET: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.SIGNING,),
        meaning="This validator opted in, but is not in the chain's validator set, or that update is not there yet.",
        look="`ics consumer show CONSUMER_ID`: lists, caps and minimum stake",
        action="Wait for the next epoch. If it stays, ask the owner about lists and caps.",
    ),
    Reason.DOWNTIME_NEAR: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The chain counts more than half of the missed blocks for which it jails this validator. Passes"
            " without an Alertmanager and without readers of their metrics do not ask for the count."
        ),
        look="`ics status`: SIGNING and the other conditions of the chain; `kubectl -n NAMESPACE logs node-0`",
        action="Make the node sign: fix its worst condition. The count falls as the chain's window moves on.",
        is_of_pass=True,
    ),
    Reason.MISSED_BLOCKS_UNREAD: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.SIGNING,),
        meaning=(
            "How many blocks this validator has missed on the chain is unknown, so no alert can warn before the chain"
            " jails it."
        ),
        look="The message; the REST gateway of the chain's node, port 1317",
        action="Wait until the node answers. If it stays, check its log.",
        is_settled=True,
        is_of_pass=True,
    ),
    Reason.REWARDS_UNREAD: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.PROVIDER,),
        meaning="What the chains bring and cost is unknown, so metrics and page do not show it. Nothing depends on it.",
        look="The message; `ics rewards`",
        action=(
            "Wait ten minutes, after which it is asked for again. If a record on the Lease is malformed, remove it as"
            " the message says."
        ),
        is_settled=True,
        is_of_pass=True,
    ),
    Reason.KEY_MISMATCH: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning="The settings do not yield the key that this validator has on the chain. Nothing is started.",
        look="The message; `ics:seed` in `ics doctor`; `ics:consensus_keys` in the stack file",
        action="Restore the seed that the key came from, or name the key under `ics:consensus_keys`.",
    ),
    Reason.NO_UNUSED_KEY: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "The provider's endpoint says of every new key of this chain that it is used already. New keys are random,"
            " so its answers are wrong. No further key is created, and nothing is assigned. Critical if this validator"
            " is a member of the chain."
        ),
        look="`ics:provider.rest`: ask the other endpoints for `validator_provider_addr` of the keys in the cluster",
        action="Remove the endpoint from `ics:provider.rest`. The next pass asks again, and goes on automatically.",
    ),
    Reason.KEY_ELSEWHERE: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "The validator's key on the chain belongs to another installation with the same seed, or to another tool."
            " Nothing is sent from here and no node is started; a node that is already here keeps its own key until"
            " that key has left the chain's validator set."
        ),
        look="`docs/signing.md`; where else this validator's stack, or another tool with its keys, runs",
        action="None if the other one is the right one. To move the chain here: `ics takeover CONSUMER_ID`.",
        is_settled=True,
    ),
    Reason.REKEYING: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The sign state of the chain's key is lost, or of another cluster. The node has a new key, which is"
            " assigned automatically; blocks are missed until the chain's validator set has it."
        ),
        look="`docs/signing.md`; why the volume was lost",
        action="None, it heals on its own. See that the account can pay for one transaction.",
    ),
    Reason.REKEY_WAITS_FOR_CHANNEL: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING, Topic.RELAYING),
        meaning="The new key waits for the first update of the validator set, which needs an open CCV channel.",
        look="`ics hermes status CONSUMER_ID`",
        action="None while the channel opens; see the conditions of the relayer.",
    ),
    Reason.REKEYED_TOO_OFTEN: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning="A volume was lost again soon after its chain's key had been replaced. No further key is assigned.",
        look="The storage of the cluster; `ics:signing.rekey_interval`",
        action="Find out why volumes are lost; then run `ics assign-key CONSUMER_ID --confirm CHAIN_ID`.",
        is_settled=True,
    ),
    Reason.JAIL_NEAR: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "While a lost key is being replaced, the chain is expected to jail this validator for missed blocks before"
            " the update with the new key arrives. Warning if that is unknown."
        ),
        look="`signed_blocks_window` of the chain's slashing module; `blocks_per_epoch` of the provider",
        action=(
            "See that the relayer runs, so that the update is not late. Once the validator is jailed and its node has"
            " the new key, run `ics unjail` after the jail time."
        ),
    ),
    Reason.VOTE_NEEDED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING, Topic.NODE),
        meaning=(
            "The chain stands still, and the votes seen do not reach two thirds without the key whose sign state is"
            " lost here. No new key can replace it, because no update reaches a chain that stands still."
        ),
        look="`ics sign-state reset CONSUMER_ID --confirm CHAIN_ID --dry-run`; `docs/signing.md`",
        action=(
            "Make sure that no other node has the key, then run `ics sign-state reset CONSUMER_ID --confirm CHAIN_ID"
            " --allow-current-height`."
        ),
    ),
    Reason.KEY_EXCHANGE: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.SIGNING,),
        meaning=(
            "The operator ordered a new key for a chain that runs. The node signs with the present one until the"
            " chain's validator set has the new one, then it starts again with that; only a few blocks are missed."
        ),
        look="`ics status`; `ics hermes status CONSUMER_ID`, for the update is relayed",
        action="Wait for the next epoch.",
    ),
    Reason.KEY_SIGNS_ELSEWHERE: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The key that this node should hold signed a block after the node was first seen without it: another node"
            " has the same key, as after a cluster was restored elsewhere together with its volumes."
        ),
        look="Copies of this cluster and of its volumes, other installations with the same key, remote signers",
        action="Stop one of the two nodes. Do not run `ics sign-state reset` before.",
    ),
    Reason.KEY_SHARED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "Several chains have the same key. Critical if they have the same chain id too: signing for both would be"
            " equivocation, so this chain is neither joined nor started."
        ),
        look="`ics:consensus_keys` in the stack file",
        action="Give each chain its own key.",
    ),
    Reason.PROVIDER_KEY_IN_SET: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The chain knows this validator by its provider key. The derived key is assigned instead; the node"
            " cannot sign until that update arrives."
        ),
        look="`ics consumer show CONSUMER_ID`: this validator's key",
        action="Wait for the next epoch.",
    ),
    Reason.SIGN_STATE_PENDING: CatalogueEntry(
        severities=(*_FROM_INFO, Severity.CRITICAL),
        topics=(Topic.SIGNING,),
        meaning=(
            "The sign state is not on the volume yet. Warning if the Job that creates it waits, or if the chain runs:"
            " until then its node uses a throw-away key. Critical if this validator is a member of a chain that runs."
        ),
        look="`kubectl -n NAMESPACE describe pods,pvc`",
        action="Wait for the next pass. If it stays, fix the image, the volume or the machine's resources.",
    ),
    Reason.SIGN_STATE_LOST: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The volume is not the recorded one, or lacks the sign state of a key that may have signed. The node runs"
            " without the key."
        ),
        look="`docs/signing.md`; whether the volume was lost or restored, and whether another node has the key",
        action=(
            "Make sure that no other node has the key and that the chain is past every height it may have signed. Then"
            " run `ics sign-state reset CONSUMER_ID --confirm CHAIN_ID`."
        ),
    ),
    Reason.SIGN_STATE_FAILED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning="The Job that creates the sign state failed.",
        look="`kubectl -n NAMESPACE logs -l app.kubernetes.io/component=sign-state`",
        action="Fix what the log says. If the file is empty or truncated, proceed as for `SignStateLost`.",
        is_of_pass=True,
    ),
    Reason.OTHER_CLUSTER: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "The volume's mark knows none of this cluster's certificates: its CA was replaced at once, or the cluster"
            " was restored from another cluster, which may still run. The node runs without the key, and relays"
            " nothing. After 20 blocks without the key's signature a new key is assigned, as for a lost volume."
        ),
        look="`kubectl -n NAMESPACE get configmap kube-root-ca.crt -o yaml`; whether another cluster has these volumes",
        action=(
            "Wait, or, if no other cluster runs with these volumes, keep the key by"
            " `ics sign-state reset CONSUMER_ID --confirm CHAIN_ID`."
        ),
    ),
    Reason.TWO_NODES: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "A second namespace has a node of the same chain: it was copied, by hand or by a backup tool. The copy"
            " never votes. Its relayer is stopped, because it has the same accounts; nothing else is done to it. The"
            " original goes on."
        ),
        look="The namespaces in the message; `kubectl -n COPY get all`",
        action="Delete the copied namespace.",
        is_settled=True,
    ),
    Reason.PROVIDER_KEY_WITHHELD: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING, Topic.PROVIDER),
        meaning=(
            "The validator's own provider node runs without its key. Warning before it was let sign for the first"
            " time; critical if its volume is not the recorded one, or its sign state is lost, outdated or a copy."
        ),
        look="`kubectl -n provider logs provider-node-0 -c key-check`; whether another node has the key",
        action=(
            "Make sure that no other node has the key. Then run `ics sign-state reset provider --confirm provider`."
        ),
        is_settled=True,
    ),
    Reason.PROVIDER_OTHER_CLUSTER: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.SIGNING, Topic.PROVIDER),
        meaning=(
            "The mark on the provider node's volume knows none of this cluster's certificates. The node keeps its key,"
            " for no second key can replace it."
        ),
        look="`kubectl -n provider get configmap kube-root-ca.crt -o yaml`; whether another cluster has this volume",
        action=(
            "If the cluster's CA was replaced, run `ics sign-state reset provider --confirm provider` when a few"
            " missed blocks do no harm. If the cluster was restored from another, see that the other is gone."
        ),
        is_settled=True,
    ),
    Reason.SIGNING_RECORD_LOST: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "The node signs, but its Secret no longer records for which volume the sign state was created. The next"
            " pass restores the record."
        ),
        look="`kubectl -n NAMESPACE describe secrets -l app.kubernetes.io/component=consensus-key`",
        action="Nothing. If it stays, find out who changes that Secret.",
    ),
    Reason.SIGNER_AWAITED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.SIGNING,),
        meaning=(
            "The node does not answer until its remote signer has connected. Critical if this validator is a member of"
            " the chain."
        ),
        look="The remote signer's log; `kubectl -n NAMESPACE get service remote-signer`",
        action="Start it, let it dial port 26659 of Service `remote-signer`, and add its address to `allow_from`.",
    ),
    Reason.SIGNER_KEY_MISMATCH: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning="The remote signer has a different key than this validator has on the chain.",
        look="The signer's key; `ics:consensus_keys` in the stack file",
        action="Give the signer the right key, or correct `public_key` in `ics:consensus_keys`.",
    ),
    Reason.ENDPOINT_UNPUBLISHED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PEERS,),
        meaning="The validator's description has no usable `p2p=`, so peers cannot dial this node.",
        look="`ics endpoint show`",
        action="Run `ics endpoint register`.",
    ),
    Reason.SEED_UNRESOLVED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.PEERS,),
        meaning=(
            "The names of some seeds have no address. A new node exits if that is so for all of its seeds, so they are"
            " left out if it has other peers. Critical if there are none."
        ),
        look="`seeds` in the chain's definition; `nslookup` of the names in the message",
        action="Ask the launch team for current seeds, and set `seeds` in the definition.",
        is_settled=True,
    ),
    Reason.PORT_TAKEN: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PEERS,),
        meaning=(
            "The port under which peers dial this chain belongs to another chain of this validator on the"
            " LoadBalancer."
        ),
        look="`ics endpoint show`: this validator's entries `p2p.CONSUMER_ID=`",
        action="Publish a port of its own: `ics endpoint register --consumer CONSUMER_ID=HOST:PORT`.",
    ),
    Reason.PEER_LEFT_OUT: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.PEERS,),
        meaning="Another member of the chain publishes no usable endpoint, so the node cannot dial it.",
        look="`ics endpoint show`: that validator's line",
        action="Ask that validator to publish one.",
    ),
    Reason.PEERS_MISSING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.PEERS,),
        meaning="The node is not connected to a member that publishes an endpoint.",
        look="`ics endpoint check`: that validator's line",
        action="Ask that validator to fix its node or its endpoint.",
    ),
    Reason.NO_PEERS: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.PEERS,),
        meaning=(
            "The node is not connected to any peer. Critical once it has no new block for `ics:node.stuck_after` and"
            " this validator is in the chain's set: unless the chain stands still, blocks are missed."
        ),
        look="`ics endpoint check`; firewalls and NetworkPolicies for traffic out of the cluster",
        action="Fix the firewall, the LoadBalancer or the published endpoint.",
    ),
    Reason.PEERS_STALE: CatalogueEntry(
        severities=_FROM_INFO,
        topics=(Topic.PEERS,),
        meaning=(
            "The node was started with an older list of peers. Warning if it is not connected to one of the current"
            " peers."
        ),
        look="The message; `docs/peers.md`",
        action=(
            "Run `ics peers update CONSUMER_ID`, or set `ics:hybrid_peer_updates` or `ics:auto_update_consumers`. With"
            " either set, wait."
        ),
    ),
    Reason.SENTRIES_PENDING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.PEERS,),
        meaning=(
            "A running validator's node goes behind its sentries, or comes out from behind them, only when all sentries"
            " have caught up and its chain can spare it for the restart. Until then it keeps its present peers."
        ),
        look="The message; `docs/sentries.md`",
        action=(
            "Wait. If the chain always needs this validator's vote, choose the moment yourself: `kubectl -n NAMESPACE"
            " delete pod node-0`; the next pass makes the change while the pod starts."
        ),
    ),
    Reason.SENTRY_DOWN: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.PEERS,),
        meaning=(
            "A sentry does not answer or has no peers, or its pod is not ready to wait for the launch. Critical if no"
            " sentry is left: then the validator's node behind them reaches no peer."
        ),
        look="`kubectl -n NAMESPACE describe pod sentry-1-0`; `kubectl -n NAMESPACE logs sentry-1-0 --tail=50`",
        action="Fix what the pod's events or its log say. A volume that is lost may be deleted: it has no key.",
    ),
    Reason.FULL_NODE_DOWN: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PEERS,),
        meaning="A full node does not answer or has no peers; it is out of the Service `node-rpc`.",
        look="`kubectl -n NAMESPACE describe pod full-node-1-0`; its log",
        action="Fix what the pod's events or its log say. Signing does not depend on it.",
    ),
    Reason.EXTRA_NODE_STUCK: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PEERS,),
        meaning=(
            "A sentry or full node produces no blocks although its peers do, or its application hangs. It is restarted"
            " after three failed checks in a row, never together with another node."
        ),
        look="`kubectl -n NAMESPACE logs POD --tail=50`",
        action="Wait for the restart. If it happens again, fix what the log says.",
    ),
    Reason.EXTRA_NODE_SIGNS: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.SIGNING,),
        meaning=(
            "A sentry or full node runs with a key of the chain's validator set, which nothing here gives it. Two nodes"
            " with one key sign two blocks of one height."
        ),
        look="`kubectl -n NAMESPACE get statefulset NAME -o yaml`: what it mounts, and its field managers",
        action="Delete the StatefulSet at once; the next pass creates it as it should be. Find out who changed it.",
    ),
    Reason.RELAYING_UNREADABLE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning="The two chains could not be queried about the channel. A running relayer is left as it is.",
        look="The message; `kubectl -n NAMESPACE logs node-0 --tail=50`",
        action="If it stays, fix the node's REST gateway or the provider's endpoint, as the message says.",
    ),
    Reason.RELAYER_UNFUNDED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "This validator's relayer was not published at the launch, so the genesis does not fund it. It cannot pay"
            " fees on this chain."
        ),
        look="`ics endpoint show`",
        action="Nothing for this chain: other validators relay. Run `ics endpoint register` before the next launch.",
    ),
    Reason.TOP_UPS_LIMITED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "A relayer's account on the provider is not topped up, because the chain's budget of the last 24 hours is"
            " used up, because it cannot be read, or because the coins are kept for the fees of opt-ins."
        ),
        look="`ics hermes status CONSUMER_ID`: wallets, packets",
        action=(
            "Find out who makes the relayer pay: on a chain with free transactions anybody can. Raise"
            " `ics:relayer.daily_gas` or fund the validator's account, or let others relay."
        ),
    ),
    Reason.RELAYING_TOO_EXPENSIVE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "A chain asks more for a unit of gas than the relayer may pay, or takes no fees in its denomination, so it"
            " refuses the relayer's transactions."
        ),
        look="`ics hermes status CONSUMER_ID`; `ics:provider.gas_price` in `ics doctor`",
        action="Raise the setting in the message, or wait until the price falls.",
    ),
    Reason.WALLET_EMPTY: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "An account of the relayer is empty, on the consumer or on the provider. Warning if the next pass tops it"
            " up, else critical."
        ),
        look="`ics hermes status CONSUMER_ID`: wallets",
        action=(
            "Send coins to the account in the message. For accounts on the provider, `ics:account` and"
            " `ics:relayer.fund_gas` do it automatically."
        ),
    ),
    Reason.RELAYER_CONFIG_REFUSED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.RELAYING,),
        meaning="Hermes rejects the config that the settings yield. A running relayer is left as it is.",
        look="`kubectl -n NAMESPACE logs -l app.kubernetes.io/component=relayer-step`",
        action="Fix `ics:relayer` or the chain's definition, as the log says.",
        is_of_pass=True,
    ),
    Reason.RELAYER_CONFIG_INVALID: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.RELAYING,),
        meaning="Hermes cannot express the chain's id or price in its config. A running relayer is left as it is.",
        look="The message; the chain's definition",
        action="Fix the definition if the message names one of its values. Until then other validators relay.",
    ),
    Reason.CHANNEL_OPENING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.RELAYING,),
        meaning="The CCV channel is not open yet, so validator updates do not reach the chain.",
        look="`ics hermes status CONSUMER_ID --verbose`",
        action="Wait.",
    ),
    Reason.TRANSFER_OPENING: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.RELAYING,),
        meaning="The transfer channel for rewards is not open yet.",
        look="`ics hermes status CONSUMER_ID --verbose`",
        action="Wait.",
    ),
    Reason.TRANSFER_STALLED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "The transfer channel for rewards did not open within ten minutes. Validator updates are relayed without"
            " it; its handshake is retried every six hours."
        ),
        look="`ics hermes status CONSUMER_ID --verbose`: what Hermes said",
        action="Fix what Hermes said. Often an account on the provider is empty.",
    ),
    Reason.HANDSHAKE_LEFTOVERS: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.RELAYING,),
        meaning="Unused connection or channel ends of abandoned handshakes exist. They are harmless.",
        look="`ics hermes status CONSUMER_ID --verbose`",
        action="Nothing.",
    ),
    Reason.STEP_FAILED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning="Hermes failed in a step of the handshake. The step is retried.",
        look="The message; `kubectl -n NAMESPACE logs -l app.kubernetes.io/component=relayer-step`",
        action="If it stays, fix what Hermes said.",
    ),
    Reason.JOB_FAILED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning="Hermes failed to check a config or to update the clients. The Job is retried.",
        look="The message; `kubectl -n NAMESPACE logs -l app.kubernetes.io/component=relayer-step`",
        action="If it stays, fix what Hermes said.",
    ),
    Reason.HERMES_NOT_READY: CatalogueEntry(
        severities=_FROM_INFO,
        topics=(Topic.RELAYING,),
        meaning="Hermes or its evidence watcher is not ready. Warning if that lasts longer than two minutes.",
        look=(
            "`kubectl -n NAMESPACE describe pods -l app.kubernetes.io/component=hermes` or `component=evidence`;"
            " `kubectl -n NAMESPACE logs deployment/hermes --tail=50`"
        ),
        action="Wait two minutes. If it stays, fix the image or what the log says, as the message says.",
    ),
    Reason.PACKETS_PENDING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning=(
            "A packet has not been acknowledged for a minute although both chains produce blocks. Hermes is restarted."
        ),
        look="`kubectl -n NAMESPACE logs deployment/hermes --tail=50`",
        action="If it stays, fix what the log says.",
    ),
    Reason.CONSUMER_HALTED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning="The consumer chain produces no blocks, so nothing can be relayed.",
        look="`ics endpoint check`: which other nodes are down",
        action="Nothing here. Ask the other validators to start their nodes; relaying then resumes automatically.",
    ),
    Reason.CLIENT_EXPIRING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.RELAYING,),
        meaning="An IBC client has less than a third of its trusting period left, because no relayer updates it.",
        look="`ics hermes status CONSUMER_ID`: clients, and the other conditions",
        action=(
            "Fix `HermesNotReady`, `WalletEmpty` or `ConsumerHalted` before the time in the message: an expired client"
            " needs a governance proposal."
        ),
    ),
    Reason.CLIENT_EXPIRED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.RELAYING,),
        meaning="An IBC client has expired. No relayer can update it any more.",
        look="`ics hermes status CONSUMER_ID`: clients",
        action="Propose its recovery to the governance of the chain that the message names.",
        is_settled=True,
    ),
    Reason.CLIENT_FROZEN: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.RELAYING,),
        meaning=(
            "An IBC client is frozen: it was shown two blocks of the same height, both signed by the chain that it"
            " follows. No relayer can repair it."
        ),
        look="`ics hermes status CONSUMER_ID`: clients",
        action=(
            "Find out with the chain's owner who signed twice. Then propose the client's recovery to the governance of"
            " the chain that the message names."
        ),
        is_settled=True,
    ),
    Reason.CHANNEL_CLOSED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.RELAYING,),
        meaning="The CCV channel is closed. Validator updates no longer reach the chain.",
        look="`ics hermes status CONSUMER_ID --verbose`",
        action="Ask the owner of the chain.",
        is_settled=True,
    ),
    Reason.TWO_ENGINES: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.CHANGES,),
        meaning=(
            "Two schedulers of this validator have different engines. The one that was displaced changes no object for"
            " a day, and leaves it to the other."
        ),
        look="`engine` in `ics status`: which one converges, and since when; the process in the message",
        action="Set the same `ics:engine` for all schedulers of the validator, or stop one of them.",
        is_of_pass=True,
    ),
    Reason.NEEDS_CONFIRMATION: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.CHANGES,),
        meaning="A change would replace or delete what holds data, keys or a signer. Its chain is left as it is.",
        look="`ics plan`",
        action="Revert the change, or confirm it by the name in the message: `ics up --confirm NAME`.",
    ),
    Reason.CONFIRMS_NOTHING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.CHANGES,),
        meaning="No pending change has the name that was given with `--confirm`.",
        look="`ics plan`: the names that wait for a confirmation",
        action="Give a name that `ics plan` shows. If the change has been made already, do nothing.",
        is_of_pass=True,
    ),
    Reason.DRIFTED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.CHANGES,),
        meaning="Another field manager changed an object, or it was deleted. The pass has restored it.",
        look="The object and the field manager in the message",
        action="Find out who changed it, and why. Change the settings instead.",
        is_of_pass=True,
    ),
    Reason.STACK_REPAIRED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.CHANGES,),
        meaning="A Pulumi run that died left a lock or unfinished operations in the state. They were removed.",
        look="The message",
        action="Nothing.",
        is_of_pass=True,
    ),
    Reason.STACK_LOCKED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.CHANGES,),
        meaning=(
            "Another run of Pulumi holds the lock of the stack's state, for example a `pulumi up` that waits at its"
            " prompt. What the fast path makes is made; everything else waits."
        ),
        look="The message names who holds it, since when, and whether that process is running; `ics:engine` in `ics"
        " doctor`",
        action="Answer the prompt or end that run. If its process is dead, run the `pulumi cancel` of the message.",
        is_of_pass=True,
    ),
    Reason.ENGINE_UNUSABLE: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.CHANGES,),
        meaning=(
            "Something that the Pulumi engine needs is missing or wrong: the CLI, its Kubernetes plugin, the state's"
            " backend or its passphrase. Nodes run on, but no change is made. A warning if the backend only does not"
            " answer at the moment."
        ),
        look="The message; `ics:engine` in `ics doctor`",
        action="Run the command or correct the setting that the message names.",
        is_of_pass=True,
    ),
    Reason.RECONCILER_EMBEDDED: CatalogueEntry(
        severities=_INFO,
        topics=(Topic.CHANGES,),
        meaning=(
            "The reconciler in the cluster uses the embedded engine, as `ics:reconciler.engine` says, although the"
            " stack's engine is another. The objects are the same; Pulumi's state learns of its changes at the next"
            " pass with Pulumi."
        ),
        look="`ics:reconciler.engine` and `ics:engine` in the stack file; [the reconciler](reconciler.md#engine)",
        action=(
            "Nothing. If it should use the stack's engine, build its image from `Dockerfile.pulumi` and remove"
            " `ics:reconciler.engine`."
        ),
        is_settled=True,
    ),
    Reason.RECONCILE_FAILED: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.PROVIDER,),
        meaning=(
            "A pass could not read the provider or the cluster at all, or the daemon cannot acquire its Lease, so"
            " nothing was changed, and no other condition is known. Nodes run on. It is only pushed to Alertmanager;"
            " commands and logs show the error itself. The daemon, whose next pass follows soon, pushes it as critical"
            " once it has lasted for ten minutes, or at once if only you can end it."
        ),
        look="The message; `ics doctor`",
        action="Fix the endpoint, the cluster or the credentials that the message names.",
        is_of_pass=True,
    ),
    Reason.UNEXPECTED_ERROR: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.PROVIDER,),
        meaning=(
            "An error that the program does not expect was raised for this chain. The chain is left as it is, and the"
            " other chains go on."
        ),
        look="The message; it names the error",
        action="Report it with the message and the output of `ics status --json`. Other chains are not affected.",
    ),
    Reason.CHAIN_UNREADABLE: CatalogueEntry(
        severities=_FROM_WARNING,
        topics=(Topic.PROVIDER,),
        meaning=(
            "The provider could not be queried about this chain, so the chain is left as it is. Critical if it was"
            " launched and its node is due here, but not started yet."
        ),
        look="The message; `ics:provider.rest` in `ics doctor`",
        action="Wait for the next pass. If it stays, fix the endpoint.",
    ),
    Reason.RPC_UNUSABLE: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.PROVIDER,),
        meaning=(
            "No address in `ics:provider.rpc` is reachable and up to date. Passes run by the clock, no event wakes the"
            " reconciler, and Hermes relays nothing."
        ),
        look="`ics:provider.rpc` in `ics doctor`",
        action="Fix one of the addresses, or the firewall before it. The port is usually 26657.",
    ),
    Reason.ENDPOINT_TROUBLE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PROVIDER,),
        meaning="An endpoint of the provider is down, lagging or faulty. Another endpoint is used instead.",
        look="That address in `ics doctor`",
        action="Fix it, or remove it from `ics:provider`.",
    ),
    Reason.PROVIDER_UPGRADING: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PROVIDER, Topic.UPGRADES),
        meaning=(
            "The provider makes no blocks, because it stands at the height of its own upgrade. Its endpoints have no"
            " trouble of their own, and everything goes on as soon as two thirds of its power have upgraded."
        ),
        look="`ics upgrade plan provider`",
        action="Upgrade your own provider node, wherever it runs; with `ics:provider_node.upgrades` that is automatic.",
    ),
    Reason.REMOVAL_UNCONFIRMED: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.PROVIDER, Topic.NODE),
        meaning="The provider's answer would end a node here, for example because its chain is deleted. One answer may"
        " be wrong: another pass, `ics:node.removal_delay` later, and every reachable endpoint must say the same.",
        look="`ics consumer show CONSUMER_ID`; the endpoints that the message names, in `ics doctor`",
        action="Wait. If an endpoint contradicts the others, remove the wrong one from `ics:provider.rest`.",
    ),
    Reason.GAS_REFUSED: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.TRANSACTIONS,),
        meaning="Every reachable endpoint says that a transaction needs more gas than such a transaction may use, which"
        " would cost more than intended. It was not signed.",
        look="`ics:provider.grpc` in the stack file: whose endpoints these are; the gas in the message",
        action="Replace the endpoint. If the chain does need that much, raise `ics:provider.max_gas`.",
    ),
    Reason.ENDPOINT_OF_OTHER_CHAIN: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.PROVIDER,),
        meaning="An endpoint belongs to a different chain. It is not used.",
        look="`ics:provider.chain_id` in the stack file; that address in `ics doctor`",
        action="Correct the address in `ics:provider`.",
    ),
    Reason.CLUSTER_TROUBLE: CatalogueEntry(
        severities=_WARNING,
        topics=(Topic.CLUSTER,),
        meaning="A change in the cluster failed for a temporary reason. It is retried.",
        look="The message; `cluster` in `ics doctor`",
        action="Wait for the next pass. If it stays, do what the message says.",
        is_of_pass=True,
    ),
    Reason.CLUSTER_REFUSES: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.CLUSTER,),
        meaning="The cluster rejected a change.",
        look="The message; `rights` in `ics doctor`; quotas and admission policies",
        action="Grant the right, raise the quota or adapt the policy, as the message says.",
        is_of_pass=True,
    ),
    Reason.RECORD_BROKEN: CatalogueEntry(
        severities=_CRITICAL,
        topics=(Topic.CLUSTER,),
        meaning="A stored record of the chain was changed by hand and is invalid. The chain is left as it is.",
        look="The object that the message names",
        action="Restore it as the message says.",
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """One finding about one chain, or about the validator if `consumer_id` is empty. Make it with `new`."""

    severity: Severity
    reason: Reason
    message: str
    """One line that says what to do; it stays the same while nothing changes."""
    consumer_id: str = ""

    @classmethod
    def new(
        cls, reason: Reason, message: str, consumer_id: str = "", *, severity: Severity | None = None
    ) -> Self:
        """Make a condition with the severity that the catalogue gives its reason.

        Args:
            reason: from the catalogue.
            message: one line that says what to do; the same while nothing changes.
            consumer_id: of the chain; empty for the validator.
            severity: if the catalogue has several for this reason, one of them; otherwise left out.

        Raises:
            ValueError: the severity does not fit the catalogue.
        """
        known = reason.entry.severities
        if (severity is None) != (len(known) == 1) or severity not in (None, *known):
            raise ValueError(f"{reason}: severity {severity!r} does not fit the catalogue, which has {known}")
        return cls(known[0] if severity is None else severity, reason, message, consumer_id)
