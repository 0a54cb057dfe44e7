"""Objects of one chain's Hermes: its accounts, its configs and its two Deployments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.consumer import chain
from ics.manifests import hermes_jobs, objects
from ics.relayer import hermes, inputs
from ics.relayer import plan as relayer_plan

_WATCH_SECONDS = 600
"""Time after which the evidence watch restarts; shorter than the period of blocks it checks at its start."""
_GRACE_SECONDS = 5
"""Hermes ignores SIGTERM when it is the container's first process."""


def build(
    chain: chain.ChainPlan, plan: relayer_plan.RelayerPlan, provider_chain_id: str, owner: objects.Owner
) -> list[dict[str, Any]]:
    """Return accounts, configs and the evidence watch, and with an open channel the relaying Deployment."""

    def accounts(name: str, consumer: model.Secret, provider: model.Secret) -> dict[str, Any]:
        words = {hermes_jobs.CONSUMER_MNEMONIC: consumer, hermes_jobs.PROVIDER_MNEMONIC: provider}
        return objects.secret(owner.metadata(name, names.HERMES_KEYS, chain.namespace), words)

    def config(name: str, text: str) -> dict[str, Any]:
        # The addresses in it may contain credentials.
        metadata = owner.metadata(name, names.RELAYER, chain.namespace)
        return objects.secret(metadata, {hermes_jobs.CONFIG_FILE: model.Secret(text)})

    built = [
        accounts(names.HERMES_KEYS, plan.consumer_mnemonic, plan.provider_mnemonic),
        # The watch signs on the provider only, but Hermes requires a key for the consumer too.
        accounts(names.EVIDENCE_NAME, plan.evidence_mnemonic, plan.evidence_mnemonic),
    ]
    signers = hermes_jobs.signers(provider_chain_id, chain.chain_id, relayer_plan.KEY_NAME, chain.definition)
    if plan.base is not None:
        built.append(config(names.HERMES_BASE, plan.base.config))
        watch = _Instance(
            name=names.EVIDENCE_NAME,
            component=names.EVIDENCE,
            config=names.HERMES_BASE,
            accounts=names.EVIDENCE_NAME,
            setup=plan.base,
            command=hermes.evidence(chain.chain_id, relayer_plan.KEY_NAME),
        )
        built.append(_deployment(watch, signers, chain, owner))
    if plan.relays is not None:
        built.append(config(names.HERMES_NAME, plan.relays.config))
        relays = _Instance(
            name=names.HERMES_NAME,
            component=names.HERMES,
            config=names.HERMES_NAME,
            accounts=names.HERMES_KEYS,
            setup=plan.relays,
            command=("start",),
        )
        built.append(_deployment(relays, signers, chain, owner))
    return built


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    """A permanently running Hermes."""

    name: str
    component: str
    config: str
    """Name of the Secret with its config."""
    accounts: str
    """Name of the Secret."""
    setup: inputs.Setup
    command: Sequence[str]


def _deployment(
    instance: _Instance,
    signers: Sequence[hermes_jobs.HermesSigner],
    chain: chain.ChainPlan,
    owner: objects.Owner,
) -> dict[str, Any]:
    """Return a Deployment whose pods never overlap, because two would use the same sequence numbers."""
    volumes = [
        hermes_jobs.config_volume(instance.config),
        hermes_jobs.home_volume(),
        hermes_jobs.keys_volume(instance.accounts),
    ]
    container = hermes_jobs.container(instance.setup.image, _script(instance, signers), volumes)
    if instance.component == names.HERMES:
        container |= _watched()
    spec = objects.pod_spec([container], volumes, terminationGracePeriodSeconds=_GRACE_SECONDS)
    notes = {f"{names.DOMAIN}/config": objects.checksum(instance.setup.config)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(instance.name, instance.component, chain.namespace, objects.SKIP_AWAIT),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": owner.labels(instance.component)},
            "template": objects.pod_template(owner.labels(instance.component), spec, chain.pods, notes),
        },
    }


def _script(instance: _Instance, signers: Sequence[hermes_jobs.HermesSigner]) -> str:
    """Return a script that imports the keys, waits for both chains and replaces the shell with Hermes.

    Hermes never retries a chain that did not answer at its start.
    """
    keys = hermes_jobs.script([hermes_jobs.import_key(signer) for signer in signers])
    waits = [
        f"until {hermes_jobs.script([hermes.balance(signer.chain_id, signer.key_name)]).strip()}; do sleep 3;"
        " done\n"
        for signer in signers
    ]
    program = hermes_jobs.script([instance.command])
    ending = f"exec {program}" if instance.component == names.HERMES else _restart_periodically(program)
    return "".join([keys, *waits, ending])


def _restart_periodically(program: str) -> str:
    """Return a script that restarts a program periodically, and exits with it if it ends earlier.

    A silent event stream cannot be detected from outside, and the watch checks past blocks at its start.
    """
    return (
        "while :; do\n"
        f"code=0; timeout {_WATCH_SECONDS} {program.strip()} || code=$?\n"
        'case "$code" in 124|143) ;; *) exit "$code" ;; esac\n'
        "done\n"
    )


def _watched() -> dict[str, Any]:
    """Return ports and probes; REST listens inside the pod only, where no probe reaches it."""

    def probe(failures: int) -> dict[str, Any]:
        return {
            "httpGet": {"path": "/metrics", "port": "telemetry"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        }

    return {
        "ports": [{"name": "telemetry", "containerPort": hermes.TELEMETRY_PORT, "protocol": "TCP"}],
        "startupProbe": probe(30),
        "readinessProbe": probe(3),
        "livenessProbe": probe(6),
    }
