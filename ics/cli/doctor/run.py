"""Runs every check: a failed check hides no other, and checks that it makes impossible are reported as skipped."""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import platform
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ics import VERSION, errors, model, proxies
from ics.cli.doctor import (
    chain_checks,
    cluster_checks,
    findings,
    kube_probes,
    provider_probes,
    pulumi_probes,
    seed_checks,
    seed_probes,
)
from ics.cli.doctor.findings import Finding
from ics.cluster import gateway, secrets
from ics.cluster.api import client, connect
from ics.config import chain_definition, secret_sources, settings, stack_file
from ics.config.endpoint import Endpoint
from ics.consumer import status
from ics.consumer.peers import publication
from ics.cosmos import gas_prices
from ics.engines.pulumi import secure_config
from ics.keys import derivation
from ics.provider import heads
from ics.provider.rest import relayer_queries
from ics.reconciler import alertmanagers, observe, wiring

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checkup:
    """One stack, as far as its settings are valid."""

    root: Path
    name: str
    environment: Mapping[str, str]
    settings: settings.Settings
    kube: client.KubeClient | None
    """None: the cluster is not reachable."""
    unreadable: frozenset[str] = frozenset()
    """Invalid settings, which have their defaults here."""
    findings: list[Finding] = field(default_factory=list)

    async def attempt(self, check: str, work: Awaitable[_Answer]) -> _Answer | None:
        """Await the answer of a check; an error becomes a finding, and None is returned."""
        try:
            return await work
        except Exception as error:  # the other checks continue after any error
            self.findings.extend(findings.of_error(check, error))
            return None


async def examine(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> list[Finding]:
    """Return the findings for a stack, in the order of the checks."""
    results = [_version()]
    try:
        proxies.check_environment(environment)
        environment = await secure_config.decrypt_values(root, name, environment, overrides)
        values, origin = stack_file.load_values(root, name, environment, overrides)
    except errors.IcsError as error:
        return [*results, *findings.of_error("settings", error)]
    settings, problems, wrong = parse_leniently(values, origin)
    results += findings.of_problems("settings", problems, origin)
    if settings is None:
        return [*results, findings.warn("other checks", "skipped; fix the settings first")]
    async with contextlib.AsyncExitStack() as closing:
        try:
            kube = await closing.enter_async_context(connect.open_client(settings.cluster, root, environment))
        except errors.IcsError as error:
            results += findings.of_error("cluster", error)
            kube = None
        patient = _Checkup(
            root=root,
            name=name,
            environment=environment,
            settings=settings,
            kube=kube,
            unreadable=wrong,
            findings=results,
        )
        read = functools.partial(_read, patient)
        provider = await patient.attempt("ics:provider", wiring.with_headers(settings.provider, read))
        if provider is not None:
            settings = settings.model_copy(update={"provider": provider})
            patient = dataclasses.replace(patient, settings=settings)
        await asyncio.gather(_all(patient), _alertmanagers(patient))
    return findings.in_order(results)


def parse_leniently(
    values: Mapping[str, Any], origin: str
) -> tuple[settings.Settings | None, list[str], frozenset[str]]:
    """Return the settings with invalid values at their defaults, the problems, and the invalid settings.

    The settings are None if an invalid one has no default.
    """
    try:
        return settings.parse(values, origin), [], frozenset()
    except errors.SettingsError as error:
        problems = list(error.problems)
    # A problem begins with the file, which may be the one that the stack file extends.
    wrong = frozenset(one.partition(f": {settings.PREFIX}")[2].partition(":")[0] for one in problems)
    left = _without(values, wrong)
    if "seed" in {key.partition(".")[0] for key in wrong}:
        left["seed"] = {"env": "_"}
    try:
        return settings.parse(left, origin), problems, wrong
    except errors.SettingsError:
        return None, problems, wrong


def _without(values: Mapping[str, Any], wrong: frozenset[str]) -> dict[str, Any]:
    left = dict(values)
    for path in wrong:
        first, _, rest = path.partition(".")
        inner = left.get(first)
        if rest and isinstance(inner, Mapping):
            left[first] = _without(inner, frozenset({rest}))
        else:
            left.pop(first, None)
    return left


async def _all(checkup: _Checkup) -> None:
    """Run the checks in three stages: independent ones, those that need the first answers, and a whole pass."""
    settings, provider = checkup.settings, checkup.settings.provider
    newest, loaded, seed = await asyncio.gather(
        _endpoints(checkup, provider),
        checkup.attempt("definitions", stack_file.load_definitions(checkup.root, wiring.fetch)),
        _seed(checkup),
    )
    if seed is not None:
        others = await seed_probes.fingerprints(checkup.root, checkup.name, checkup.environment)
        checkup.findings.extend(seed_checks.compare(derivation.derive_node_key(seed).node_id, others))
    if newest is not None:
        checkup.findings.append(chain_checks.clock(newest, wiring.now(), provider.max_lag))
    definitions = loaded if loaded is not None else ()
    snapshot, _ = await asyncio.gather(_provider(checkup, definitions, seed), _cluster(checkup, definitions))
    checkup.findings.extend(chain_checks.definitions(definitions, snapshot))
    await _pass(checkup, definitions, seed, snapshot)
    probe = pulumi_probes.PulumiProbe(
        settings=settings,
        root=checkup.root,
        name=checkup.name,
        environment=checkup.environment,
        kube=checkup.kube,
        read=functools.partial(_read, checkup),
    )
    checkup.findings.extend(await checkup.attempt("ics:engine", probe.examine()) or [])


async def _endpoints(checkup: _Checkup, provider: settings.ProviderSettings) -> datetime.datetime | None:
    """Check every endpoint; return the time of the newest block of all."""

    async def check_endpoint(
        check: str, url: Endpoint, work: Coroutine[Any, Any, heads.Head | None]
    ) -> heads.Head | None:
        head = await checkup.attempt(check, _flag(work))
        if head is None:
            return None
        text = f"{url} answers" if head is _NO_HEAD else f"{url} is at height {head.height}"
        checkup.findings.append(findings.ok(check, text))
        return head if head is not _NO_HEAD else None

    now = wiring.now
    heads_found = await asyncio.gather(
        *(
            check_endpoint("ics:provider.rest", url, provider_probes.rest(url, provider, now))
            for url in provider.rest
        ),
        *(
            check_endpoint("ics:provider.archive_rest", url, provider_probes.rest(url, provider, now))
            for url in provider.archive_rest
        ),
        *(
            check_endpoint("ics:provider.rpc", url, provider_probes.rpc(url, provider, now))
            for url in provider.rpc
        ),
        *(
            check_endpoint("ics:provider.grpc", url, provider_probes.grpc(url, provider, now))
            for url in provider.grpc
        ),
    )
    return max((head.moment for head in heads_found if head is not None), default=None)


async def _alertmanagers(checkup: _Checkup) -> None:
    """Check whether every Alertmanager is ready."""
    setting = "ics:monitoring.alertmanager"
    listed = checkup.settings.monitoring.alertmanager
    read = functools.partial(_read, checkup)
    complete = await checkup.attempt(setting, wiring.endpoints_with_headers(listed, setting, read))
    async with alertmanagers.opened() as session:
        for endpoint in complete or ():
            error = await alertmanagers.readiness_problem(session, endpoint)
            found = [findings.ok(setting, f"{endpoint} is ready; try a receiver with `ics alerts test`")]
            checkup.findings.extend(found if error is None else findings.of_error(setting, error))


_NO_HEAD = heads.Head("", 0, "")


async def _flag(work: Awaitable[heads.Head | None]) -> heads.Head:
    return await work or _NO_HEAD


async def _read(checkup: _Checkup, source: secret_sources.SecretSource, setting: str) -> model.Secret:
    return await secrets.read(source, setting, checkup.root, checkup.environment, checkup.kube)


async def _seed(checkup: _Checkup) -> model.Secret | None:
    if any(key.startswith("seed") for key in checkup.unreadable):
        return None
    text = await checkup.attempt("ics:seed", _read(checkup, checkup.settings.seed, "ics:seed"))
    return None if text is None else await checkup.attempt("ics:seed", _later(derivation.parse_seed, text))


async def _later(work: Callable[..., _Answer], *arguments: Any) -> _Answer:
    return work(*arguments)


async def _provider(
    checkup: _Checkup, definitions: Sequence[chain_definition.LoadedDefinition], seed: model.Secret | None
) -> model.Snapshot | None:
    settings = checkup.settings

    def may_match(one: model.ConsumerSummary) -> bool:
        return any(
            chain_definition.may_match(each.definition.match, one.consumer_id, one.chain_id)
            for each in definitions
        )

    async with provider_probes.ProviderProbe(settings.provider, wiring.now) as asking:
        try:
            await asking.open()
        except errors.IcsError:
            # The check of each endpoint reports the reason.
            text = "skipped; no REST gateway is usable"
            checkup.findings.append(findings.warn("keys and account on the chain", text))
            return None
        asked = await checkup.attempt("ics:provider.gas_price", asking.gas_price())
        if asked is not None:
            checkup.findings.append(chain_checks.gas_price(asked, settings.provider))
        snapshot, _ = await asyncio.gather(
            checkup.attempt("provider", asking.snapshot_for(settings.operator_address, may_match)),
            checkup.attempt("ics:account", _account(checkup, asking, asked or gas_prices.GasPrice())),
        )
    if snapshot is None:
        return None
    own = next(v for v in snapshot.validators if v.operator_address == settings.operator_address)
    if own.is_jailed:
        checkup.findings.append(findings.fail("validator", "is jailed on the provider; run `ics unjail`"))
    if seed is not None:
        there = await checkup.attempt("description", _balancer(checkup))
        installation = await _installation(checkup)
        address = there.address if there else None
        checkup.findings.extend(chain_checks.description(own, settings, seed, address, installation))
    return snapshot


def _adapters(checkup: _Checkup, kube: client.KubeClient) -> wiring.Adapters:
    return wiring.Adapters(kube, checkup.settings, wiring.lease_of(checkup.settings, kube, stays=False))


async def _installation(checkup: _Checkup) -> str:
    if checkup.kube is None:
        return ""
    with contextlib.suppress(errors.IcsError):  # the checks of the cluster report it
        uid = await _adapters(checkup, checkup.kube).state.cluster_uid()
        return publication.installation(uid, checkup.settings.gateway.namespace)
    return ""


async def _balancer(checkup: _Checkup) -> gateway.Balancer | None:
    if checkup.kube is None:
        return None
    with contextlib.suppress(errors.IcsError):  # the checks of the cluster report it
        return await _adapters(checkup, checkup.kube).gateway.find()
    return None


async def _account(
    checkup: _Checkup, asking: provider_probes.ProviderProbe, asked: gas_prices.GasPrice
) -> None:
    settings = checkup.settings
    if settings.account is None or any(key.startswith("account") for key in checkup.unreadable):
        if settings.account is None and "account" not in checkup.unreadable:
            text = "not set, so no transaction is sent and no chain is joined; set one, or send them yourself"
            checkup.findings.append(findings.warn("ics:account", text))
        return
    account = derivation.parse_account(await _read(checkup, settings.account, "ics:account"))
    payer = settings.fee_granter or account.address(settings.account_prefix)
    balance = await asking.account_balance(payer, settings.provider.denom)
    checkup.findings.extend(chain_checks.funds(payer, settings, balance, asked))
    # Importing cosmpy takes half a second.
    from ics.provider.tx import messages, signers, transactions

    party = signers.of_operator(settings.operator_address, account, settings.granter, settings.fee_granter)
    if party.is_grantee or party.fee_granter:
        sending = transactions.Transactions(settings.provider, party, account, wiring.now, asking.gas_price)
        missing = await sending.missing_grants(messages.OF_VALIDATOR)
        success = f"{party.signer} may send for {party.principal}"
        checkup.findings.extend(findings.of_problems("ics:account", missing, success))


async def _cluster(checkup: _Checkup, definitions: Sequence[chain_definition.LoadedDefinition]) -> None:
    """Check rights, storage, LoadBalancer, ports and images; report an unreachable cluster once."""
    kube, settings = checkup.kube, checkup.settings
    wanted = provider_probes.images(
        settings, {one.definition.image: f"stacks/chains/{one.definition.name}.yaml" for one in definitions}
    )
    checkup.findings.extend(cluster_checks.tags(wanted))
    if kube is None:
        return
    granted = await checkup.attempt("cluster", kube_probes.granted(kube, settings))
    if granted is None:
        text = "skipped; the cluster is not reachable"
        checkup.findings.append(findings.warn("storage, LoadBalancer, ports, images", text))
        return
    checkup.findings.append(findings.ok("cluster", f"{kube.server} answers"))
    checkup.findings.extend(cluster_checks.rights(granted))
    classes, there, services, pulls = await asyncio.gather(
        checkup.attempt("ics:node.storage_class", kube_probes.storage_classes(kube)),
        checkup.attempt("LoadBalancer", _adapters(checkup, kube).gateway.find()),
        checkup.attempt("ports", kube_probes.services(kube)),
        checkup.attempt("images", kube_probes.pulls(kube, settings.validator, wanted)),
    )
    if classes is not None:
        checkup.findings.append(cluster_checks.storage(classes, settings.node.storage_class))
        node = settings.provider_node
        used = {"ics:node.storage_class": settings.node.storage_class}
        if node.enabled and node.consensus_key is not None:
            used["ics:provider_node.storage_class"] = node.storage_class
        checkup.findings.extend(cluster_checks.shared_storage(classes, used))
        checkup.findings.extend(cluster_checks.growth(classes, settings))
        await _snapshots(checkup, kube, classes)
    checkup.findings.append(cluster_checks.gateway(there, settings.gateway))
    if services is not None:
        checkup.findings.extend(cluster_checks.ports(services, settings.gateway.namespace, there))
    if pulls is not None:
        checkup.findings.extend(cluster_checks.images(wanted, pulls))


async def _snapshots(
    checkup: _Checkup, kube: client.KubeClient, classes: Sequence[Mapping[str, Any]]
) -> None:
    if not checkup.settings.snapshots.class_name:
        return
    found = await checkup.attempt("ics:snapshots.class", kube_probes.snapshot_classes(kube))
    if found is not None:
        checkup.findings.extend(cluster_checks.snapshots(found, classes, checkup.settings))


async def _pass(
    checkup: _Checkup,
    definitions: Sequence[chain_definition.LoadedDefinition],
    seed: model.Secret | None,
    snapshot: model.Snapshot | None,
) -> None:
    """Report the conditions that a pass would find, if it is possible; change nothing."""
    if checkup.kube is None or seed is None or snapshot is None:
        text = "skipped; this needs settings, seed, provider and cluster"
        checkup.findings.append(findings.warn("conditions", text))
        return
    work = _report(checkup, checkup.kube, tuple(definitions), seed)
    report = await checkup.attempt("conditions", work)
    if report is not None:
        by_chain = {one.chain_id: one.conditions for one in report.chains} | {"": report.conditions}
        checkup.findings.extend(chain_checks.conditions(by_chain))


async def _report(
    checkup: _Checkup,
    kube: client.KubeClient,
    definitions: tuple[chain_definition.LoadedDefinition, ...],
    seed: model.Secret,
) -> status.Report:
    settings = checkup.settings
    adapters = wiring.Adapters(kube, settings, wiring.lease_of(settings, kube, stays=False))
    async with relayer_queries.IbcQueries(settings.provider, wiring.now) as provider:
        imported = await wiring.read_imported(settings, functools.partial(_read, checkup))
        world = adapters.world(settings, seed, definitions, provider, imported)
        # The endpoints have already been checked one by one.
        observed, _ = await observe.read(world)
        observed = dataclasses.replace(observed, endpoints=())
        return status.report(
            observe.compute(world, observed), observed.observations, extra=observed.extra_nodes
        )


def _version() -> Finding:
    here = f"Python {platform.python_version()} on {platform.system()}"
    return findings.ok("version", f"ics-operator {VERSION}, {here}")
