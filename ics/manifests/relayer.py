"""The objects of one chain's Hermes: its accounts, its configs, its two Deployments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ics import model, names
from ics.consumer import chain
from ics.manifests import hermes_jobs, objects
from ics.relayer import hermes
from ics.relayer import plan as relayer_plan

WATCH_SECONDS = 600
"""How long the watch for evidence runs before it starts anew; shorter than the blocks it looks back at."""
GRACE_SECONDS = 5
"""Hermes does not heed the signal to end when it is the first process."""


def build(
    chain: chain.Chain, plan: relayer_plan.Relayer, provider_chain_id: str, owner: objects.Owner
) -> list[dict[str, Any]]:
    """Accounts and configs as soon as the relayer is due; what relays, once the channel is open."""

    def accounts(name: str, consumer: model.Secret, provider: model.Secret) -> dict[str, Any]:
        words = {hermes_jobs.CONSUMER_MNEMONIC: consumer, hermes_jobs.PROVIDER_MNEMONIC: provider}
        return objects.secret(owner.metadata(name, names.HERMES_KEYS, chain.namespace), words)

    def config(name: str, text: str) -> dict[str, Any]:
        metadata = owner.metadata(name, names.RELAYING, chain.namespace)
        return objects.config_map(metadata, {hermes_jobs.CONFIG_FILE: text})

    built = [
        accounts(names.HERMES_KEYS, plan.consumer_mnemonic, plan.provider_mnemonic),
        # The watch signs on the provider only; a key store wants a key for the consumer as well.
        accounts(names.EVIDENCE_NAME, plan.evidence_mnemonic, plan.evidence_mnemonic),
    ]
    signers = hermes_jobs.signers(provider_chain_id, chain.chain_id, relayer_plan.KEY_NAME)
    if plan.base is not None:
        built.append(config(names.HERMES_BASE, plan.base.config))
        watch = _Instance(
            names.EVIDENCE_NAME,
            names.EVIDENCE,
            names.HERMES_BASE,
            names.EVIDENCE_NAME,
            plan.base,
            hermes.evidence(chain.chain_id, relayer_plan.KEY_NAME),
        )
        built.append(_deployment(watch, signers, chain.namespace, owner))
    if plan.relays is not None:
        built.append(config(names.HERMES_NAME, plan.relays.config))
        relays = _Instance(
            names.HERMES_NAME,
            names.HERMES,
            names.HERMES_NAME,
            names.HERMES_KEYS,
            plan.relays,
            ("start",),
        )
        built.append(_deployment(relays, signers, chain.namespace, owner))
    return built


@dataclass(frozen=True, slots=True)
class _Instance:
    """One Hermes that runs on."""

    name: str
    component: str
    config_map: str
    accounts: str
    """Secret."""
    setup: model.Setup
    command: Sequence[str]


def _deployment(
    instance: _Instance, signers: Sequence[hermes_jobs.Signer], namespace: str, owner: objects.Owner
) -> dict[str, Any]:
    """One replica that is gone before the next one comes: two would take each other's sequence numbers."""
    volumes = [
        hermes_jobs.config_volume(instance.config_map),
        hermes_jobs.home_volume(),
        hermes_jobs.keys_volume(instance.accounts),
    ]
    container = hermes_jobs.container(instance.setup.image, _script(instance, signers), volumes)
    if instance.component == names.HERMES:
        container |= _watched()
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(instance.name, instance.component, namespace, objects.SKIP_AWAIT),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": owner.labels(instance.component)},
            "template": {
                "metadata": {
                    "labels": owner.labels(instance.component),
                    "annotations": {f"{names.DOMAIN}/config": objects.checksum(instance.setup.config)},
                },
                "spec": {
                    "terminationGracePeriodSeconds": GRACE_SECONDS,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": dict(objects.POD_SECURITY),
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }


def _script(instance: _Instance, signers: Sequence[hermes_jobs.Signer]) -> str:
    """Import the keys, wait for both chains, and let Hermes take the shell's place.

    A chain that does not answer while Hermes starts is never taken up again by it.
    """
    keys = hermes_jobs.script([hermes_jobs.import_key(signer) for signer in signers])
    waits = [
        f"until {hermes_jobs.script([hermes.balance(signer.chain_id, signer.key_name)]).strip()}; do sleep 3; done\n"
        for signer in signers
    ]
    program = hermes_jobs.script([instance.command])
    ending = f"exec {program}" if instance.component == names.HERMES else _again_and_again(program)
    return "".join([keys, *waits, ending])


def _again_and_again(program: str) -> str:
    """Start a program anew every so often; any other end of it is the container's.

    An event stream that falls silent is not seen from outside, and the watch looks back when it starts.
    """
    return (
        "while :; do\n"
        f"code=0; timeout {WATCH_SECONDS} {program.strip()} || code=$?\n"
        'case "$code" in 124|143) ;; *) exit "$code" ;; esac\n'
        "done\n"
    )


def _watched() -> dict[str, Any]:
    def probe(path: str, failures: int) -> dict[str, Any]:
        return {
            "httpGet": {"path": path, "port": "rest"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        }

    return {
        "ports": [
            {"name": "rest", "containerPort": hermes.REST_PORT, "protocol": "TCP"},
            {"name": "telemetry", "containerPort": hermes.TELEMETRY_PORT, "protocol": "TCP"},
        ],
        "startupProbe": probe("/version", 30),
        "readinessProbe": probe("/state", 3),
        "livenessProbe": probe("/version", 6),
    }
