"""Construction of one stack's world: settings, secrets, definitions, and the adapters that use them.

The commands and the Pulumi program use this; all other modules depend on protocols instead of adapters.
"""

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import httpx

from ics import engines, errors, model, proxies, web
from ics.cluster import (
    consumer_chains,
    events,
    gateway,
    hermes_jobs,
    monitoring_kinds,
    provider_sign_state,
    pull_secrets,
    rehearsals,
    restore,
    secrets,
    sign_state,
    snapshots,
    tx_journal,
    upgrade_pulls,
    volumes,
)
from ics.cluster.api import client, connect, lease, lease_holder
from ics.cluster.nodes import control, observe
from ics.cluster.state import read as read_state
from ics.config import chain_definition, secret_sources, stack_file, urls
from ics.config import settings as config_settings
from ics.config.endpoint import Endpoint
from ics.engines import auto, drift
from ics.engines.applyset import engine as applyset_engine
from ics.keys import derivation
from ics.manifests import objects
from ics.monitoring import totals
from ics.provider.rest import queries, relayer_queries
from ics.reconciler import counters, lookups, trust_searches, upgrade_watch, world
from ics.reconciler.daemon import definitions as daemon_definitions

_LEASE_SECONDS = 120
"""Duration of a single pass's Lease in seconds."""
COMMAND_PATIENCE = 60.0
"""Seconds for which a command waits until another process has finished its pass or its transaction."""
_TENURE_SECONDS = 30
"""Duration of the daemon's Lease in seconds, which it renews every few seconds."""

if TYPE_CHECKING:
    from ics.provider.owner import queries as owner_queries
    from ics.provider.tx import ledgers, prices, transactions

ReadSecret: TypeAlias = Callable[[secret_sources.SecretSource, str], Awaitable[model.Secret]]
"""Reads the value of a source; the second argument is the setting's name, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStack:
    """One stack, ready for passes."""

    world: world.World
    engine: engines.Engine
    sender: "AccountSender"
    gateway: gateway.Gateway
    sign_state: sign_state.SignState
    provider_sign_state: provider_sign_state.ProviderSignState
    restore: restore.Restore
    lease: lease.Lease
    events: events.Events
    chain_objects: consumer_chains.ConsumerChains
    kube: client.KubeClient
    definitions: daemon_definitions.Definitions
    """Source of the world's definitions, which the daemon reads again."""


class AccountSender:
    """Sender that reads the account's key when the first transaction is due."""

    def __init__(
        self,
        settings: config_settings.Settings,
        read: ReadSecret,
        ask_price: "prices.AskPrice",
        journal: "transactions.Journal | None",
        floor: "ledgers.Floor | None" = None,
    ) -> None:
        """Initialize without reading; without a journal, transactions are not recorded before they are sent."""
        self._settings = settings
        self._ask_price = ask_price
        self._read = read
        self._journal = journal
        self._floor = floor
        self._transactions: transactions.Transactions | None = None
        self._is_settled = False
        self.totals = totals.Totals()
        """Counters of the transactions that were sent, or could not be."""

    async def send(self, transaction: model.Intent | model.OptOut) -> object:
        """Send one transaction and wait until it is confirmed, after that of a process that has ended.

        Raises:
            SettingsError: the account is missing, or is not the operator's.
            IcsError: as `ics.provider.tx.transactions`.
        """
        try:
            sent = await self._send(transaction)
        except errors.IcsError as error:
            self.totals = self.totals.plus(counters.of_transaction(transaction, error))
            raise
        self.totals = self.totals.plus(counters.of_transaction(transaction, None))
        return sent

    async def _send(self, transaction: model.Intent | model.OptOut) -> object:
        if not self._is_settled:
            await self.await_pending()  # a command by hand has not waited for it before
        if self._transactions is None:
            self._transactions = await self.open()
        return await self._transactions.send(transaction)

    async def await_pending(self) -> int:
        """Wait for the pending transaction of a crashed run, and return the height of its block, or 0."""
        height = 0
        if self._journal is not None and await self._journal.pending() is not None:
            if self._transactions is None:
                self._transactions = await self.open()
            height = await self._transactions.await_pending()
        self._is_settled = True
        return height

    async def open(self) -> "transactions.Transactions":
        """Read the account and check it against the operator's address."""
        # cosmpy takes half a second to import, and most passes send nothing.
        from ics.provider.tx import signers, transactions

        settings = self._settings
        account = await _account(settings.account, self._read)
        party = signers.of_operator(
            settings.operator_address, account, settings.granter, settings.fee_granter
        )
        return transactions.Transactions(
            settings.provider,
            party,
            account,
            now,
            self._ask_price,
            journal=self._journal,
            floor=self._floor,
        )


async def _account(source: secret_sources.SecretSource | None, read: ReadSecret) -> derivation.Account:
    if source is None:
        raise errors.SettingsError("ics:account: missing; set the account that signs transactions")
    return derivation.parse_account(await read(source, "ics:account"))


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """Access to the provider chain for commands of an owner or a validator, without cluster and seed."""

    provider: "owner_queries.OwnerQueries"
    settings: config_settings.SigningSettings
    validator: config_settings.Settings | None
    """Settings of a validator's stack; None: an owner's stack."""
    read: ReadSecret
    journals: "Journals"

    async def as_owner(self, *, sends: bool = True) -> "transactions.Transactions":
        """Return the transactions of a consumer chain's owner.

        Args:
            sends: false for a dry run, which waits for no other process.

        Raises:
            SettingsError: the account is missing or not usable.
            Transient: another process sends with this account.
        """
        from ics.provider.tx import signers, transactions

        account = await _account(self.settings.account, self.read)
        prefix = await self.provider.prefix()
        party = signers.of_owner(prefix, account, self.settings.granter, self.settings.fee_granter)
        journal = await self.journals.open(party.signer) if sends else None
        return transactions.Transactions(
            self.settings.provider, party, account, now, self.provider.gas_price, journal=journal
        )

    async def as_validator(self, *, sends: bool = True) -> "transactions.Transactions":
        """Return the transactions of the stack's validator.

        Args:
            sends: false for a dry run, which waits for no other process.

        Raises:
            SettingsError: the stack belongs to an owner, or the account is missing or not usable.
            Transient: another process sends for this validator.
        """
        if self.validator is None:
            raise errors.SettingsError("ics:operator_address: missing; use the stack of a validator")
        account = await _account(self.validator.account, self.read)
        signer = account.address(self.validator.account_prefix)
        journal = await self.journals.open(signer) if sends else None
        return await AccountSender(self.validator, self.read, self.provider.gas_price, journal).open()


class Journals:
    """Opens the journal of a command's transactions, once no other process sends with the same account.

    A validator's is on its Lease, which the command takes; where there is no cluster it is a file, with a lock.
    """

    def __init__(
        self,
        closing: contextlib.AsyncExitStack,
        settings: config_settings.SigningSettings,
        validator: config_settings.Settings | None,
        connect: Callable[[], client.KubeClient | None],
        folder: Path,
    ) -> None:
        """Initialize without sending requests.

        Args:
            closing: closes Lease, lock and connections when the command ends.
            settings: of the stack.
            validator: settings of a validator's stack; None: an owner's stack.
            connect: creates a client of the validator's cluster, None if there is none.
            folder: of the files.
        """
        self._closing = closing
        self._settings = settings
        self._validator = validator
        self._connect = connect
        self._folder = folder

    async def open(self, signer: str) -> "transactions.Journal":
        """Return the journal of the account with this address.

        Raises:
            Transient: another process sends; the message names it. Or the cluster does not answer.
        """
        kube = None if self._validator is None else self._connect()
        if self._validator is None or kube is None:
            from ics.provider.tx import journal_file

            chain_id = self._settings.provider.chain_id
            return await self._closing.enter_async_context(
                journal_file.opened(self._folder, chain_id, signer, COMMAND_PATIENCE)
            )
        await self._closing.enter_async_context(kube)
        own = lease_of(self._validator, kube, stays=False)
        try:
            await own.request(COMMAND_PATIENCE)
        except lease.HeldByOther:
            raise
        except errors.Transient as error:
            raise errors.Transient(
                f"{error}; so it is not known whether another process is sending for this validator: run this again,"
                " or, if none is, with --without-lease"
            ) from error
        self._closing.push_async_callback(own.return_to_holder)
        return journal_of(self._validator, own)


@contextlib.asynccontextmanager
async def open_chain(
    root: Path,
    name: str,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
    *,
    without_lease: bool = False,
) -> AsyncIterator[ProviderAccess]:
    """Open the provider chain of one stack, a validator's or an owner's, for as long as the context lasts.

    Args:
        root: the project's folder.
        name: name of the stack.
        environment: environment of the process.
        overrides: flags, see `ics.config.stack_file`.
        without_lease: do not take the validator's Lease before a transaction.

    Raises:
        SettingsError: settings are invalid.
        Transient: no endpoint of the provider is usable.
    """
    from ics.provider.owner import queries as owner_queries
    from ics.provider.tx import journal_file

    proxies.check_environment(environment)
    environment = await _decrypted(root, name, environment, overrides)
    signing, validator = stack_file.load_signing(root, name, environment, overrides)

    async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
        if source.secret is None:
            return await secrets.read(source, setting, root, environment, None)
        async with connect.open_client(signing.cluster, root, environment) as connection:
            return await secrets.read(source, setting, root, environment, connection)

    chain = await with_headers(signing.provider, read)
    signing = signing.model_copy(update={"provider": chain})
    validator = None if validator is None else validator.model_copy(update={"provider": chain})

    def connect_to_cluster() -> client.KubeClient | None:
        if without_lease:
            return None
        try:
            return connect.open_client(signing.cluster, root, environment)
        except connect.NoCluster:
            return None

    async with contextlib.AsyncExitStack() as closing:
        provider = await closing.enter_async_context(owner_queries.OwnerQueries(signing.provider, now))
        await provider.open()
        folder = journal_file.folder_of(environment)
        journals = Journals(closing, signing, validator, connect_to_cluster, folder)
        yield ProviderAccess(provider, signing, validator, read, journals)


def journal_of(settings: config_settings.Settings, lease: lease.Lease) -> tx_journal.TxJournal:
    """Return the journal of a validator's transactions on its Lease."""
    return tx_journal.TxJournal(lease, settings.provider.chain_id, now)


now = world.now
"""The clock of everything that is wired here."""


@contextlib.asynccontextmanager
async def open_stack(
    root: Path,
    name: str,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
    *,
    stays: bool = False,
    is_attended: bool = False,
) -> AsyncIterator[OpenStack]:
    """Open one stack for as long as the context lasts.

    Args:
        root: the project's folder.
        name: name of the stack.
        environment: environment of the process.
        overrides: flags, see `ics.config.stack_file`.
        stays: open it for the daemon, whose passes do not wait for single chains because the next one follows soon.
        is_attended: a command by hand opens it, and not a scheduler.

    Raises:
        SettingsError: settings, definitions or secrets are invalid.
        Transient: the cluster is unreachable for a secret.
    """
    proxies.check_environment(environment)
    environment = await _decrypted(root, name, environment, overrides)
    settings = stack_file.load_settings(root, name, environment, overrides)
    definitions = daemon_definitions.Definitions(root, fetch)
    await definitions.load()
    if definitions.invalid and settings.reconciler.enabled:
        # Its copy of the definitions, which are all valid, must not be replaced by a part of them.
        raise errors.SettingsError(*(line for each in definitions.invalid for line in each.problems))
    async with contextlib.AsyncExitStack() as closing:
        connection = await closing.enter_async_context(
            connect.open_client(settings.cluster, root, environment)
        )

        async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
            return await secrets.read(source, setting, root, environment, connection)

        alertmanager = await endpoints_with_headers(
            settings.monitoring.alertmanager, "ics:monitoring.alertmanager", read
        )
        settings = settings.model_copy(
            update={
                "provider": await with_headers(settings.provider, read),
                "monitoring": settings.monitoring.model_copy(update={"alertmanager": alertmanager}),
            }
        )
        seed = derivation.parse_seed(await read(settings.seed, "ics:seed"))
        imported = await read_imported(settings, read)
        tries = 1 if stays else queries.GENESIS_TRIES
        provider = await closing.enter_async_context(
            relayer_queries.IbcQueries(settings.provider, now, genesis_tries=tries)
        )
        own_lease = lease_of(settings, connection, stays)
        adapters = Adapters(connection, settings, own_lease, observe.AdaptiveTimeouts() if stays else None)
        closing.push_async_callback(adapters.trust_searches.aclose)
        yield OpenStack(
            events=adapters.events,
            chain_objects=adapters.chain_objects,
            world=dataclasses.replace(
                adapters.world(settings, seed, definitions.loaded, provider, imported),
                invalid_definitions=definitions.invalid,
                is_attended=is_attended,
                coming_upgrades=upgrade_watch.UpgradeWatch(stays=stays),
                extra_upgrades=upgrade_watch.UpgradeWatch(stays=stays),
            ),
            engine=engine_of(settings, root, name, connection, own_lease, read),
            sender=AccountSender(
                settings,
                read,
                provider.gas_price,
                journal_of(settings, own_lease),
                functools.partial(own_lease.acted_block, settings.provider.chain_id),
            ),
            gateway=adapters.gateway,
            sign_state=adapters.sign_state,
            provider_sign_state=adapters.provider_sign_state,
            restore=adapters.restore,
            lease=own_lease,
            kube=connection,
            definitions=definitions,
        )


class Adapters:
    """The adapters of one validator's cluster: one for each kind of effect."""

    def __init__(
        self,
        kube: client.KubeClient,
        settings: config_settings.Settings,
        lease: lease.Lease,
        timeouts: observe.AdaptiveTimeouts | None = None,
    ) -> None:
        """Create the adapters without sending requests.

        Args:
            kube: client.
            settings: settings of the stack.
            lease: acquired before the first write.
            timeouts: timeouts per node; None: constant.
        """
        owner = objects.Owner(settings.validator, settings.provider.chain_id)
        self.lease = lease
        self.state = read_state.StateReader(kube, owner, settings.gateway.namespace)
        self.nodes = control.Nodes(kube, owner, lease.ensure, timeouts)
        self.sign_state = sign_state.SignState(kube, owner, lease.ensure)
        self.restore = restore.Restore(kube, owner, self.sign_state, lease.ensure)
        self.provider_sign_state = provider_sign_state.ProviderSignState(
            kube, owner, settings.gateway.namespace, lease.ensure, settings.pods
        )
        self.lookups = lookups.Lookups()
        # The daemon's next pass follows soon.
        self.trust_searches = trust_searches.TrustSearches(1.0 if timeouts is not None else 20.0)
        self.upgrade_pulls = upgrade_pulls.UpgradePulls(kube, owner, lease.ensure)
        self.rehearsals = rehearsals.Rehearsals(kube, owner, settings, lease.ensure)
        self.volumes = volumes.Volumes(kube, stays=timeouts is not None)
        self.monitoring_kinds = monitoring_kinds.MonitoringKindsReader(kube, stays=timeouts is not None)
        self.snapshots = snapshots.Snapshots(kube, owner, settings.snapshots.class_name, lease.ensure)
        self.pull_secrets = pull_secrets.PullSecrets(kube, owner, settings.gateway.namespace, lease.ensure)
        self.hermes_jobs = hermes_jobs.HermesJobs(kube, owner, lease.ensure)
        self.gateway = gateway.Gateway(kube, owner, settings.gateway.namespace, lease.ensure)
        self.chain_objects = consumer_chains.ConsumerChains(kube, owner)
        self.events = events.Events(kube, owner, settings.gateway.namespace, lease_holder.own(), now)

    def world(
        self,
        settings: config_settings.Settings,
        seed: model.Secret,
        definitions: Sequence[chain_definition.LoadedDefinition],
        provider: world.Provider,
        imported: Mapping[str, derivation.ConsensusKey],
    ) -> world.World:
        """Return the world of the validator's passes."""
        return world.World(
            settings=settings,
            seed=seed,
            definitions=definitions,
            provider=provider,
            state=self.state,
            nodes=self.nodes,
            sign_state=self.sign_state,
            provider_sign_state=self.provider_sign_state,
            hermes_jobs=self.hermes_jobs,
            gateway=self.gateway,
            lookups=self.lookups,
            trust_searches=self.trust_searches,
            pull_secrets=self.pull_secrets,
            rehearsals=self.rehearsals,
            upgrade_pulls=self.upgrade_pulls,
            snapshots=self.snapshots,
            volumes=self.volumes,
            monitoring_kinds=self.monitoring_kinds,
            lease=self.lease,
            imported=imported,
        )


async def with_headers(
    provider: config_settings.ProviderSettings, read: ReadSecret
) -> config_settings.ProviderSettings:
    """Return the provider's settings with the values of its endpoints' headers, which are read from their sources.

    Raises:
        SettingsError: a value is missing, or is not one line of printable ASCII characters.
        Transient: the cluster is unreachable for a Secret.
    """
    return provider.model_copy(
        update={
            name: await endpoints_with_headers(getattr(provider, name), f"ics:provider.{name}", read)
            for name in ("rest", "rpc", "grpc", "archive_rest")
        }
    )


async def endpoints_with_headers(
    listed: Sequence[Endpoint], setting: str, read: ReadSecret
) -> tuple[Endpoint, ...]:
    """Return the endpoints of one setting with the values of their headers; raises as `with_headers`."""
    endpoints = []
    for index, endpoint in enumerate(listed):
        values = {}
        for name, source in endpoint.headers.items():
            key = f"{setting}.{index}.headers.{name}"
            values[name] = await read(source.source, key)
            text = values[name].reveal_text()
            if not (text.isascii() and text.isprintable()):
                raise errors.SettingsError(f"{key}: not one line of printable ASCII characters; correct it")
        endpoints.append(endpoint.with_values(values))
    return tuple(endpoints)


async def read_imported(
    settings: config_settings.Settings, read: ReadSecret
) -> dict[str, derivation.ConsensusKey]:
    """Read the imported consensus keys by consumer id.

    Raises:
        SettingsError: a key is missing or invalid.
        Transient: the cluster is unreachable for a Secret.
    """
    keys = {}
    for consumer_id, source in settings.consensus_keys.items():
        if source.imported is not None:
            setting = f"ics:consensus_keys.{consumer_id}.imported"
            keys[consumer_id] = derivation.parse_priv_validator_key(
                await read(source.imported, setting), setting
            )
    return keys


def lease_of(
    settings: config_settings.Settings, connection: client.KubeClient, stays: bool, *, yields: bool = False
) -> lease.Lease:
    """Return the validator's Lease, for one pass or for the daemon.

    Args:
        settings: of the stack.
        connection: client.
        stays: for the daemon.
        yields: for a run that gives it up to a reconciler that sees a launch.
    """
    identity = (connection, settings.validator, settings.gateway.namespace, lease_holder.own())
    return (
        lease.DaemonLease(*identity, _TENURE_SECONDS, now)
        if stays
        else lease.Lease(*identity, _LEASE_SECONDS, now, yields=yields)
    )


async def _decrypted(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str]
) -> Mapping[str, str]:
    """See `ics.engines.pulumi.secure_config.decrypt_values`."""
    if not stack_file.encrypted_settings(root, name, environment):
        return environment
    from ics.engines.pulumi import secure_config

    return await secure_config.decrypt_values(root, name, environment, overrides)


def engine_of(
    settings: config_settings.Settings,
    root: Path,
    name: str,
    connection: client.KubeClient,
    lease: world.Lease,
    read: ReadSecret,
) -> engines.Engine:
    """Return the engine of the settings, without starting a process.

    Args:
        settings: of the stack.
        root: the project's folder.
        name: name of the stack.
        connection: client.
        lease: acquired before the first write.
        read: reads the passphrase of Pulumi's state.
    """
    validator, namespace = settings.validator, settings.gateway.namespace

    async def passphrase() -> model.Secret | None:
        source = settings.pulumi.passphrase
        return None if source is None else await read(source, "ics:pulumi.passphrase")

    check_interval = drift.CheckInterval(settings.drift_interval)
    embedded = applyset_engine.ApplyEngine(connection, validator, namespace, lease.ensure, check_interval)

    @functools.cache
    def pulumi() -> engines.Engine:
        # Loaded by those only who use it: most passes are made with the other engine.
        from ics.engines.pulumi import engine, processes, provider, stack

        return engine.PulumiEngine(
            connection,
            validator,
            namespace,
            stack.of_settings(root, name, settings.pulumi),
            passphrase,
            provider.ProviderInputs.of(settings.cluster, root, processes.home()),
            lease.ensure,
            check_interval,
        )

    if settings.engine == "auto":
        return auto.AutoEngine(connection, validator, namespace, embedded, pulumi)
    return pulumi() if settings.engine == engines.PULUMI else embedded


async def fetch(url: str) -> bytes:
    """Fetch a published genesis file, within the limits of `ics.web.GENESIS`.

    Raises:
        Transient: the address gives no answer in time, one that is too large, or another status than 200.
    """
    where = urls.redacted(url)
    try:
        async with proxies.new_client(timeout=10.0, headers={"Accept-Encoding": "gzip"}) as session:
            answer = await web.exchange(session, session.build_request("GET", url), web.GENESIS, follows=True)
    except TimeoutError:
        raise errors.Transient(f"{where}: not fetched within {web.GENESIS.seconds:.0f} s") from None
    except web.Unacceptable as error:
        raise errors.Transient(f"{where}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.Transient(f"{where}: no answer: {error or type(error).__name__}") from error
    if answer.status != httpx.codes.OK:
        raise errors.Transient(f"{where}: answers {answer.status}")
    return answer.body
