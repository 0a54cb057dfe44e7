"""Opens the real world of one stack: settings, secrets, definitions, and the adapters over them.

Used by the commands and by the Pulumi program; nothing else knows which adapter is behind a protocol.
"""

import contextlib
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import httpx

from ics import engines, errors, model
from ics.cluster import place, secrets
from ics.cluster.api import client, connect, lease, lease_holder
from ics.cluster.nodes import observe
from ics.config import secret_sources, stack_file
from ics.config import settings as config_settings
from ics.engines import auto, drift
from ics.engines.applyset import engine as applyset_engine
from ics.engines.pulumi import engine as pulumi_engine
from ics.engines.pulumi import secure_config, stack
from ics.keys import derivation
from ics.provider.rest import queries as rest_queries
from ics.provider.rest import relayer_queries
from ics.reconciler import world
from ics.reconciler.daemon import definitions as daemon_definitions

LEASE_SECONDS = 120
"""How long a single pass may act before another reconciler takes it for dead."""
TENURE_SECONDS = 30
"""Likewise for a resident one, which renews it every few seconds."""

if TYPE_CHECKING:
    from ics.provider.owner import queries as owner_queries
    from ics.provider.tx import transactions

ReadSecret: TypeAlias = Callable[[secret_sources.SecretSource, str], Awaitable[model.Secret]]
"""Reads the value of a source; the second argument is the setting's name, for messages."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One stack, ready for passes."""

    world: world.World
    engine: engines.Engine
    sender: "AccountSender"
    cluster: place.Place
    kube: client.Client
    definitions: daemon_definitions.Definitions
    """Where those of the world come from, for who stays and takes them again."""


class AccountSender:
    """Sends transactions; the account's key is read only when the first one is due."""

    def __init__(
        self, settings: config_settings.Settings, read: ReadSecret, held: lease.Lease | None
    ) -> None:
        """Nothing is read yet; without the Lease nothing is put on record before it is sent."""
        self._settings = settings
        self._read = read
        self._journal = None if held is None else Journal(held, settings.provider.chain_id)
        self._transactions: transactions.Transactions | None = None

    async def send(self, order: model.Intent | model.OptOut) -> object:
        """Send one transaction and wait until it is confirmed.

        Raises:
            SettingsError: there is no account, or it is not the operator's.
            IcsError: as `ics.provider.tx.transactions`.
        """
        if self._transactions is None:
            self._transactions = await self.open()
        return await self._transactions.send(order)

    async def earlier(self) -> int:
        """Wait for what a run that died had sent; the height of its block, 0: there is none."""
        if self._journal is None or await self._journal.begun() is None:
            return 0
        if self._transactions is None:
            self._transactions = await self.open()
        return await self._transactions.earlier()

    async def open(self) -> "transactions.Transactions":
        """Read the account and check it against the operator's address."""
        # cosmpy takes half a second to import, and most passes send nothing.
        from ics.provider.tx import signers, transactions

        settings = self._settings
        account = await _account(settings.account, self._read)
        party = signers.of_operator(
            settings.operator_address, account, settings.granter, settings.fee_granter
        )
        return transactions.Transactions(settings.provider, party, account, now, journal=self._journal)


async def _account(source: secret_sources.SecretSource | None, read: ReadSecret) -> derivation.Account:
    if source is None:
        raise errors.SettingsError("ics:account: missing: give the account that signs transactions")
    return derivation.parse_account(await read(source, "ics:account"))


@dataclass(frozen=True, slots=True)
class Chain:
    """The provider chain as an owner or a validator uses it by hand: no cluster, no seed."""

    provider: "owner_queries.OwnerQueries"
    settings: config_settings.Signing
    validator: config_settings.Settings | None
    """Of a validator's stack; None: an owner's."""
    read: ReadSecret

    async def as_owner(self) -> "transactions.Transactions":
        """Transactions of the owner of a consumer chain."""
        from ics.provider.tx import signers, transactions

        account = await _account(self.settings.account, self.read)
        prefix = await self.provider.prefix()
        party = signers.of_owner(prefix, account, self.settings.granter, self.settings.fee_granter)
        return transactions.Transactions(self.settings.provider, party, account, now)

    async def as_validator(self) -> "transactions.Transactions":
        """Transactions of the validator whose stack it is.

        Raises:
            SettingsError: the stack is an owner's.
        """
        if self.validator is None:
            raise errors.SettingsError("ics:operator_address: missing: this needs the stack of a validator")
        return await AccountSender(self.validator, self.read, None).open()


@contextlib.asynccontextmanager
async def open_chain(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> AsyncIterator[Chain]:
    """Open the provider chain of one stack, a validator's or an owner's, for as long as the context lasts.

    Args:
        root: the project's folder.
        name: of the stack.
        environment: of the process.
        overrides: flags, see `ics.config.stack_file`.

    Raises:
        SettingsError: settings are wrong.
        Transient: no endpoint of the provider is usable.
    """
    from ics.provider.owner import queries as owner_queries

    environment = await secure_config.unsealed(root, name, environment, overrides)
    signing, validator = stack_file.load_signing(root, name, environment, overrides)

    async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
        if source.secret is None:
            return await secrets.read(source, setting, root, environment, None)
        async with connect.connect(signing.cluster, root, environment) as connection:
            return await secrets.read(source, setting, root, environment, connection)

    async with owner_queries.OwnerQueries(signing.provider, now) as provider:
        await provider.open()
        yield Chain(provider, signing, validator, read)


@dataclass(frozen=True, slots=True)
class Journal:
    """Which transaction is under way, kept on the Lease; see `ics.provider.tx.transactions.Journal`."""

    held: lease.Lease
    provider_chain_id: str

    async def begin(self, tx_hash: str, timeout_height: int) -> None:
        """Put a transaction down before it is handed over."""
        await self.held.begin(self.provider_chain_id, tx_hash, timeout_height)

    async def begun(self) -> tuple[str, int] | None:
        """Hash and timeout height of the last one."""
        return await self.held.begun(self.provider_chain_id)


def now() -> datetime.datetime:
    """The present, in UTC."""
    return datetime.datetime.now(datetime.UTC)


@contextlib.asynccontextmanager
async def open_stack(
    root: Path,
    name: str,
    environment: Mapping[str, str],
    overrides: Sequence[str] = (),
    *,
    stays: bool = False,
) -> AsyncIterator[Opened]:
    """Open one stack for as long as the context lasts.

    Args:
        root: the project's folder.
        name: of the stack.
        environment: of the process.
        overrides: flags, see `ics.config.stack_file`.
        stays: for a resident reconciler: no pass waits for one chain, since there is a next one soon.

    Raises:
        SettingsError: settings, definitions or secrets are wrong.
        Transient: the cluster cannot be reached for a secret.
    """
    environment = await secure_config.unsealed(root, name, environment, overrides)
    settings = stack_file.load_settings(root, name, environment, overrides)
    definitions = daemon_definitions.Definitions(root, fetch)
    await definitions.load()
    async with contextlib.AsyncExitStack() as closing:
        connection = await closing.enter_async_context(connect.connect(settings.cluster, root, environment))

        async def read(source: secret_sources.SecretSource, setting: str) -> model.Secret:
            return await secrets.read(source, setting, root, environment, connection)

        seed = derivation.parse_seed(await read(settings.seed, "ics:seed"))
        imported = await read_imported(settings, read)
        where = stack.Stack(root, name, settings.pulumi.backend, tuple(overrides))
        tries = 1 if stays else rest_queries.GENESIS_TRIES
        provider = await closing.enter_async_context(
            relayer_queries.IbcQueries(settings.provider, now, genesis_tries=tries)
        )
        held = lease_of(settings, connection, stays)
        cluster = place.Place(connection, settings, held, observe.Patience() if stays else None)
        sender = AccountSender(settings, read, held)
        yield Opened(
            world.World(settings, seed, definitions.loaded, provider, cluster, held, imported),
            engine_of(settings, where, connection, held, read),
            sender,
            cluster,
            connection,
            definitions,
        )


async def read_imported(
    settings: config_settings.Settings, read: ReadSecret
) -> dict[str, derivation.ConsensusKey]:
    """The consensus keys that were made elsewhere, by consumer id.

    Raises:
        SettingsError: one is not there, or is none.
        Transient: the cluster cannot be reached for a Secret.
    """
    found = {}
    for consumer_id, source in settings.consensus_keys.items():
        if source.imported is not None:
            setting = f"ics:consensus_keys.{consumer_id}.imported"
            found[consumer_id] = derivation.parse_priv_validator_key(
                await read(source.imported, setting), setting
            )
    return found


def lease_of(settings: config_settings.Settings, connection: client.Client, stays: bool) -> lease.Lease:
    """The validator's Lease, for one pass or for many."""
    where = (connection, settings.validator, settings.gateway.namespace, lease_holder.own())
    return lease.Tenure(*where, TENURE_SECONDS, now) if stays else lease.Lease(*where, LEASE_SECONDS, now)


def engine_of(
    settings: config_settings.Settings,
    stack_of_pulumi: stack.Stack,
    connection: client.Client,
    held: world.Lease,
    read: ReadSecret,
) -> engines.Engine:
    """The engine that the settings name; no process is started."""
    validator, namespace = settings.validator, settings.gateway.namespace

    async def passphrase() -> model.Secret | None:
        source = settings.pulumi.passphrase
        return None if source is None else await read(source, "ics:pulumi.passphrase")

    beat = drift.Beat(settings.drift_interval)
    embedded = applyset_engine.ApplyEngine(connection, validator, namespace, held.ensure, beat)
    pulumi = pulumi_engine.PulumiEngine(
        connection,
        validator,
        namespace,
        stack_of_pulumi,
        passphrase,
        held.ensure,
        beat,
    )
    if settings.engine == "auto":
        return auto.AutoEngine(connection, validator, namespace, embedded, pulumi)
    return pulumi if settings.engine == engines.PULUMI else embedded


async def fetch(url: str) -> bytes:
    """Fetch a published genesis file.

    Raises:
        Transient: the address gives no answer, or another than 200.
    """
    try:
        async with httpx.AsyncClient(follow_redirects=True, timeout=30) as session:
            answer = await session.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.Transient(f"{url}: no answer: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise errors.Transient(f"{url}: answers {answer.status_code}")
    return answer.content
