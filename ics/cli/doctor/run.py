"""Runs every check; one that fails hides no other, and what it makes impossible is said to be unseen."""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import importlib.metadata
import platform
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ics import errors, model
from ics.cli.doctor import chain_checks, cluster_checks, findings, kube_probes, provider_probes, pulumi_probes
from ics.cli.doctor.findings import Finding
from ics.cluster import gateway, place, secrets
from ics.cluster.api import client, connect
from ics.config import chain_definition, secret_sources, settings, stack_file
from ics.consumer import status
from ics.engines.pulumi import secure_config
from ics.keys import derivation
from ics.provider import heads
from ics.provider.rest import relayer_queries
from ics.reconciler import observe, wiring, world

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Patient:
    """One stack, as far as its settings can be read."""

    root: Path
    name: str
    environment: Mapping[str, str]
    settings: settings.Settings
    kube: client.Client | None
    """None: there is no way into the cluster."""
    unreadable: frozenset[str] = frozenset()
    """Settings that are wrong, and stand at their defaults here."""
    found: list[Finding] = field(default_factory=list)

    async def tried(self, check: str, work: Awaitable[_Answer]) -> _Answer | None:
        """Do it; trouble is a finding, and None the answer."""
        try:
            return await work
        except Exception as error:  # whatever it is, the other checks go on
            self.found.extend(findings.of_error(check, error))
            return None


async def examine(
    root: Path, name: str, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> list[Finding]:
    """All findings about a stack, in the order of the checks."""
    found = [_version()]
    try:
        environment = await secure_config.unsealed(root, name, environment, overrides)
        values, origin = stack_file.load_values(root, name, environment, overrides)
    except errors.IcsError as error:
        return [*found, *findings.of_error("settings", error)]
    settings, problems, wrong = as_far_as_it_goes(values, origin)
    found += findings.of_problems("settings", problems, origin)
    if settings is None:
        return [*found, findings.warn("all else", "not looked at: the settings must be mended first")]
    async with contextlib.AsyncExitStack() as closing:
        try:
            kube = await closing.enter_async_context(connect.connect(settings.cluster, root, environment))
        except errors.IcsError as error:
            found += findings.of_error("cluster", error)
            kube = None
        patient = Patient(root, name, environment, settings, kube, wrong, found)
        await _all(patient)
    return findings.in_order(found)


def as_far_as_it_goes(
    values: Mapping[str, Any], origin: str
) -> tuple[settings.Settings | None, list[str], frozenset[str]]:
    """Settings with what is wrong left at its default, the problems, and which settings are wrong.

    None when what is wrong has no default.
    """
    try:
        return settings.parse(values, origin), [], frozenset()
    except errors.SettingsError as error:
        problems = list(error.problems)
    start = f"{origin}: {settings.PREFIX}"
    wrong = frozenset(one.removeprefix(start).partition(":")[0] for one in problems)
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


async def _all(patient: Patient) -> None:
    """The checks in three waves: what stands alone, what needs the answers of that, and the whole."""
    settings, provider = patient.settings, patient.settings.provider
    newest, loaded, seed = await asyncio.gather(
        _endpoints(patient, provider),
        patient.tried("definitions", stack_file.load_definitions(patient.root, wiring.fetch)),
        _seed(patient),
    )
    if newest is not None:
        patient.found.append(chain_checks.clock(newest, wiring.now(), provider.max_lag))
    definitions = loaded if loaded is not None else ()
    snapshot, _ = await asyncio.gather(_provider(patient, definitions, seed), _cluster(patient, definitions))
    patient.found.extend(chain_checks.definitions(definitions, snapshot))
    await _pass(patient, definitions, seed, snapshot)
    patient.found.extend(
        await pulumi_probes.examine(settings, patient.root, patient.name, patient.environment)
    )


async def _endpoints(patient: Patient, provider: settings.Provider) -> datetime.datetime | None:
    """Every endpoint by itself; the time of the newest block of any."""

    async def one(check: str, url: str, work: Coroutine[Any, Any, heads.Head | None]) -> heads.Head | None:
        head = await patient.tried(check, _flag(work))
        if head is None:
            return None
        text = f"{url} answers" if head is _NO_HEAD else f"{url} is at height {head.height}"
        patient.found.append(findings.ok(check, text))
        return head if head is not _NO_HEAD else None

    now = wiring.now
    found = await asyncio.gather(
        *(one("ics:provider.rest", url, provider_probes.rest(url, provider, now)) for url in provider.rest),
        *(
            one("ics:provider.archive_rest", url, provider_probes.rest(url, provider, now))
            for url in provider.archive_rest
        ),
        *(one("ics:provider.rpc", url, provider_probes.rpc(url, provider, now)) for url in provider.rpc),
        *(one("ics:provider.grpc", url, provider_probes.grpc(url, provider, now)) for url in provider.grpc),
    )
    times = [datetime.datetime.fromisoformat(head.time) for head in found if head is not None]
    return max(times, default=None)


_NO_HEAD = heads.Head("", 0, "")


async def _flag(work: Awaitable[heads.Head | None]) -> heads.Head:
    return await work or _NO_HEAD


async def _read(patient: Patient, source: secret_sources.SecretSource, setting: str) -> model.Secret:
    return await secrets.read(source, setting, patient.root, patient.environment, patient.kube)


async def _seed(patient: Patient) -> model.Secret | None:
    if any(key.startswith("seed") for key in patient.unreadable):
        return None
    text = await patient.tried("ics:seed", _read(patient, patient.settings.seed, "ics:seed"))
    return None if text is None else await patient.tried("ics:seed", _later(derivation.parse_seed, text))


async def _later(work: Callable[..., _Answer], *arguments: Any) -> _Answer:
    return work(*arguments)


async def _provider(
    patient: Patient, definitions: Sequence[chain_definition.Loaded], seed: model.Secret | None
) -> model.Snapshot | None:
    settings = patient.settings

    def may_match(one: model.ConsumerSummary) -> bool:
        return any(
            chain_definition.may_match(each.definition.match, one.consumer_id, one.chain_id)
            for each in definitions
        )

    async with provider_probes.Asking(settings.provider, wiring.now) as asking:
        try:
            await asking.open()
        except errors.IcsError:
            # Why is said of each endpoint already.
            text = "not looked at: no REST gateway can be asked"
            patient.found.append(findings.warn("keys and account on the chain", text))
            return None
        snapshot, _ = await asyncio.gather(
            patient.tried("provider", asking.concerns(settings.operator_address, may_match)),
            patient.tried("ics:account", _account(patient, asking)),
        )
    if snapshot is None:
        return None
    own = next(v for v in snapshot.validators if v.operator_address == settings.operator_address)
    if own.is_jailed:
        patient.found.append(findings.fail("validator", "is jailed on the provider: unjail it"))
    if seed is not None:
        patient.found.extend(chain_checks.assigned_keys(snapshot, seed, list(settings.consensus_keys)))
        there = await patient.tried("description", _balancer(patient))
        patient.found.extend(chain_checks.description(own, settings, seed, there.address if there else None))
    return snapshot


async def _balancer(patient: Patient) -> gateway.Balancer | None:
    if patient.kube is None:
        return None
    with contextlib.suppress(errors.IcsError):  # said by the cluster's own checks
        return await gateway.look(patient.kube, patient.settings.gateway.namespace)
    return None


async def _account(patient: Patient, asking: provider_probes.Asking) -> None:
    settings = patient.settings
    if settings.account is None or any(key.startswith("account") for key in patient.unreadable):
        if settings.account is None and "account" not in patient.unreadable:
            text = (
                "is not set: no transaction is sent, so no chain is joined: give one, or send them yourself"
            )
            patient.found.append(findings.warn("ics:account", text))
        return
    account = derivation.parse_account(await _read(patient, settings.account, "ics:account"))
    payer = settings.fee_granter or account.address(settings.account_prefix)
    purse = await asking.purse(payer, settings.provider.denom)
    patient.found.extend(chain_checks.funds(payer, settings, purse))
    # cosmpy takes half a second to load.
    from ics.provider.tx import messages, signers, transactions

    party = signers.of_operator(settings.operator_address, account, settings.granter, settings.fee_granter)
    if party.is_grantee or party.fee_granter:
        sending = transactions.Transactions(settings.provider, party, account, wiring.now)
        missing = await sending.missing_grants(messages.OF_VALIDATOR)
        well = f"{party.signer} may send in the name of {party.principal}"
        patient.found.extend(findings.of_problems("ics:account", missing, well))


async def _cluster(patient: Patient, definitions: Sequence[chain_definition.Loaded]) -> None:
    """What the cluster allows and has; if it is not reached at all, that is said once."""
    kube, settings = patient.kube, patient.settings
    if kube is None:
        return
    granted = await patient.tried("cluster", kube_probes.granted(kube, settings))
    if granted is None:
        text = "not looked at: the cluster cannot be asked"
        patient.found.append(findings.warn("storage, LoadBalancer, ports, images", text))
        return
    patient.found.append(findings.ok("cluster", f"{kube.server} answers"))
    patient.found.extend(cluster_checks.rights(granted))
    wanted = provider_probes.images(
        settings, {one.definition.image: f"stacks/chains/{one.definition.name}.yaml" for one in definitions}
    )
    classes, there, services, pulls = await asyncio.gather(
        patient.tried("ics:node.storage_class", kube_probes.storage_classes(kube)),
        patient.tried("LoadBalancer", gateway.look(kube, settings.gateway.namespace)),
        patient.tried("ports", kube_probes.services(kube)),
        patient.tried("images", kube_probes.pulls(kube, settings.validator, wanted)),
    )
    if classes is not None:
        patient.found.append(cluster_checks.storage(classes, settings.node.storage_class))
    patient.found.append(cluster_checks.gateway(there, settings.gateway))
    if services is not None:
        patient.found.extend(cluster_checks.ports(services, settings.gateway.namespace, there))
    if pulls is not None:
        patient.found.extend(cluster_checks.images(wanted, pulls))


async def _pass(
    patient: Patient,
    definitions: Sequence[chain_definition.Loaded],
    seed: model.Secret | None,
    snapshot: model.Snapshot | None,
) -> None:
    """What a pass would find, when all that one needs is there; nothing is changed."""
    if patient.kube is None or seed is None or snapshot is None:
        text = "not looked at: settings, seed, provider and cluster are needed for it"
        patient.found.append(findings.warn("conditions", text))
        return
    work = _report(patient, patient.kube, tuple(definitions), seed)
    report = await patient.tried("conditions", work)
    if report is not None:
        by_chain = {one.chain_id: one.conditions for one in report.chains} | {"": report.conditions}
        patient.found.extend(chain_checks.conditions(by_chain))


async def _report(
    patient: Patient,
    kube: client.Client,
    definitions: tuple[chain_definition.Loaded, ...],
    seed: model.Secret,
) -> status.Report:
    settings = patient.settings
    here = place.Place(kube, settings, wiring.lease_of(settings, kube, stays=False))
    async with relayer_queries.IbcQueries(settings.provider, wiring.now) as provider:
        imported = await wiring.read_imported(settings, functools.partial(_read, patient))
        scene = world.World(settings, seed, definitions, provider, here, here.lease, imported)
        # Each endpoint has been asked by itself already.
        observed = dataclasses.replace(await observe.observe(scene), endpoints=())
        return status.report(observe.desire(scene, observed), observed.observations)


def _version() -> Finding:
    here = f"Python {platform.python_version()} on {platform.system()}"
    return findings.ok("version", f"ics-operator {importlib.metadata.version('ics-operator')}, {here}")
