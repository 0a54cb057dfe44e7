"""Jobs that run Hermes once, for a step of a handshake or the check of a config.

They are run-time state: the reconciler creates them and decides on retries. Kubernetes deletes them later.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import model, names
from ics.config import chain_definition
from ics.config import pods as config_pods
from ics.keys import derivation
from ics.manifests import objects
from ics.relayer import hermes, inputs, plan

DEADLINE_SECONDS = 150
"""A step takes seconds; a hanging one must not keep the next creator from the handshake."""
_KEPT_SECONDS = 3600
"""Time for which a finished Job can be read."""
_GRACE_SECONDS = 5

_HOME = hermes.HOME
"""Home folder in every Hermes pod: in memory, deleted with the pod."""
_CONFIG_FOLDER = "/etc/hermes"
CONFIG_FILE = "config.toml"
"""Key of the Secret, and name of the file."""
_MNEMONICS = "/etc/hermes-keys"
"""Mount path of the Secret `hermes-keys`."""
PROVIDER_MNEMONIC = "provider.mnemonic"
CONSUMER_MNEMONIC = "consumer.mnemonic"
_FILE_MODE = 0o440
"""Mode of the mounted mnemonics: readable by the pod's group only."""


@dataclass(frozen=True, slots=True)
class HermesSigner:
    """Key with which Hermes signs on one chain."""

    chain_id: str
    key_name: str
    mnemonic: str
    """Key of the Secret: `provider.mnemonic` or `consumer.mnemonic`."""
    hd_path: str = ""
    """BIP-44 path of the key; empty: Hermes' default, with coin type 118."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HermesStep:
    """Specification of a Job that runs Hermes commands."""

    name: str
    """Name of the Job; a retry needs another."""
    image: str
    """Image of Hermes, with a POSIX shell."""
    config: str
    """Secret with `config.toml`, in the chain's namespace."""
    signers: tuple[HermesSigner, ...]
    commands: Sequence[Sequence[str]]
    """Arguments of `hermes`, one command after the other; the first failure ends the Job."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the Job."""
    pods: config_pods.PodSettings = field(default_factory=config_pods.PodSettings)
    """Settings of the pod."""


def signers(
    provider_chain_id: str,
    consumer_chain_id: str,
    key_name: str,
    definition: chain_definition.Definition,
) -> tuple[HermesSigner, HermesSigner]:
    """Return the two signers of an instance, one per chain."""
    is_evm = definition.address_type == "ethermint"
    path = derivation.hd_path(definition.coin_type) if is_evm else ""
    return (
        HermesSigner(provider_chain_id, key_name, PROVIDER_MNEMONIC),
        HermesSigner(consumer_chain_id, key_name, CONSUMER_MNEMONIC, path),
    )


def candidate(owner: objects.Owner, namespace: str, setup: inputs.Setup) -> model.Manifest:
    """Return the Secret with a config for Hermes to check.

    Its key is the name of the Job, so that a Job cannot read the config of a later one.
    """
    metadata = owner.metadata(names.HERMES_CANDIDATE, names.RELAYER, namespace)
    return objects.secret(metadata, {plan.check_name(setup): model.Secret(setup.config)})


def check_job(
    owner: objects.Owner, namespace: str, setup: inputs.Setup, settings: config_pods.PodSettings | None = None
) -> model.Manifest:
    """Return the Job in which Hermes checks the config of `candidate`; it has no keys."""
    name = plan.check_name(setup)
    items = [{"key": name, "path": CONFIG_FILE}]
    volumes = [config_volume(names.HERMES_CANDIDATE, items), home_volume()]
    return _job(
        owner,
        namespace,
        name,
        setup.image,
        script([("config", "validate")]),
        volumes,
        {},
        settings or config_pods.PodSettings.defaults(),
    )


def step_job(owner: objects.Owner, namespace: str, step: HermesStep) -> model.Manifest:
    """Return the Job that imports the keys and runs the commands."""
    volumes = [config_volume(step.config), home_volume(), keys_volume(names.HERMES_KEYS)]
    text = script([*(import_key(signer) for signer in step.signers), *step.commands])
    return _job(owner, namespace, step.name, step.image, text, volumes, step.annotations, step.pods)


def import_key(signer: HermesSigner) -> tuple[str, ...]:
    """Return the arguments of `hermes` that import a mounted key into the keystore."""
    return hermes.add_key(signer.chain_id, signer.key_name, f"{_MNEMONICS}/{signer.mnemonic}", signer.hd_path)


def script(commands: Sequence[Sequence[str]]) -> str:
    """Return a shell script for `sh -ec` that runs these Hermes commands one after the other."""
    program = ("hermes", "--config", f"{_CONFIG_FOLDER}/{CONFIG_FILE}")
    return "".join(shlex.join((*program, *command)) + "\n" for command in commands)


def _mounts(volumes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the mounts of a Hermes pod's volumes, which are identified by their names."""
    targets: dict[str, dict[str, Any]] = {
        "config": {"mountPath": _CONFIG_FOLDER, "readOnly": True},
        "home": {"mountPath": _HOME},
        "keys": {"mountPath": _MNEMONICS, "readOnly": True},
    }
    return [{"name": volume["name"], **targets[volume["name"]]} for volume in volumes]


def keys_volume(secret: str) -> dict[str, Any]:
    """Return the Secret with the two mnemonics, as a volume of a Hermes pod."""
    return {"name": "keys", "secret": {"secretName": secret, "defaultMode": _FILE_MODE}}


def config_volume(secret: str, items: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return a Secret with a config, as a volume of a Hermes pod."""
    source: dict[str, Any] = {"secretName": secret, "defaultMode": _FILE_MODE}
    return {"name": "config", "secret": source | ({"items": list(items)} if items else {})}


def home_volume() -> dict[str, Any]:
    """Return the volume for Hermes' imported keys: in memory, deleted with the pod."""
    return {"name": "home", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}


def _job(
    owner: objects.Owner,
    namespace: str,
    name: str,
    image: str,
    text: str,
    volumes: Sequence[Mapping[str, Any]],
    notes: Mapping[str, str],
    settings: config_pods.PodSettings,
) -> model.Manifest:
    spec = objects.pod_spec(
        [container(image, text, volumes)],
        volumes,
        restartPolicy="Never",
        terminationGracePeriodSeconds=_GRACE_SECONDS,
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name, names.RELAYER_STEP, namespace, notes),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": objects.pod_template(owner.labels(names.RELAYER_STEP), spec, settings),
        },
    }


def container(image: str, text: str, volumes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a container that runs a script with Hermes."""
    return {
        "name": "hermes",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec", text],
        "env": [{"name": "HOME", "value": _HOME}],
        # The end of Hermes' log is then in the pod's status, where a later pass can read it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": _mounts(volumes),
    }
