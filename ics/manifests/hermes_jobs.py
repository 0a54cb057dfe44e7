"""The Jobs that run Hermes once: a step of a handshake, or the check of a config.

They are run-time state: the loop makes them and decides on retries. Kubernetes removes them later.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ics import model, names
from ics.manifests import objects
from ics.relayer import hermes, plan

DEADLINE_SECONDS = 150
"""A step takes seconds; one that hangs must not keep the handshake from the next creator."""
KEPT_SECONDS = 3600
"""How long a Job that ended can be read."""
GRACE_SECONDS = 5

HOME = hermes.HOME
"""Home folder in every Hermes pod: in memory, and gone with the pod."""
CONFIG_FOLDER = "/etc/hermes"
CONFIG_FILE = "config.toml"
"""Key of the ConfigMap, and name of the file."""
MNEMONICS = "/etc/hermes-keys"
"""Where the Secret `hermes-keys` is mounted."""
PROVIDER_MNEMONIC = "provider.mnemonic"
CONSUMER_MNEMONIC = "consumer.mnemonic"
FILE_MODE = 0o440
"""Of the mounted mnemonics: readable by the pod's group only."""


@dataclass(frozen=True, slots=True)
class Signer:
    """By which key Hermes signs on a chain."""

    chain_id: str
    key_name: str
    mnemonic: str
    """Key of the Secret: `provider.mnemonic` or `consumer.mnemonic`."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a Job is to do."""

    name: str
    """Of the Job; a retry needs another one."""
    image: str
    """Of Hermes, with a POSIX shell."""
    config_map: str
    """Holds `config.toml`, in the chain's namespace."""
    signers: tuple[Signer, ...]
    commands: Sequence[Sequence[str]]
    """Arguments of `hermes`, one command after the other; the first that fails ends the Job."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the Job, for its readers."""


def signers(provider_chain_id: str, consumer_chain_id: str, key_name: str) -> tuple[Signer, Signer]:
    """The two keys of an instance, one for each chain."""
    return (
        Signer(provider_chain_id, key_name, PROVIDER_MNEMONIC),
        Signer(consumer_chain_id, key_name, CONSUMER_MNEMONIC),
    )


def candidate(owner: objects.Owner, namespace: str, setup: model.Setup) -> model.Manifest:
    """The ConfigMap with a config that Hermes is to check.

    Its key is the name of the Job, so that no Job can take a later config for its own.
    """
    metadata = owner.metadata(names.HERMES_CANDIDATE, names.RELAYING, namespace)
    return objects.config_map(metadata, {plan.check_name(setup): setup.config})


def check_job(owner: objects.Owner, namespace: str, setup: model.Setup) -> model.Manifest:
    """The Job that lets Hermes check the config in `candidate`; it has no keys."""
    name = plan.check_name(setup)
    items = [{"key": name, "path": CONFIG_FILE}]
    volumes = [config_volume(names.HERMES_CANDIDATE, items), home_volume()]
    return _job(owner, namespace, name, setup.image, script([("config", "validate")]), volumes, {})


def step_job(owner: objects.Owner, namespace: str, step: Step) -> model.Manifest:
    """The Job that imports the keys and runs the commands."""
    volumes = [config_volume(step.config_map), home_volume(), keys_volume(names.HERMES_KEYS)]
    text = script([*(import_key(signer) for signer in step.signers), *step.commands])
    return _job(owner, namespace, step.name, step.image, text, volumes, step.notes)


def import_key(signer: Signer) -> tuple[str, ...]:
    """Arguments of `hermes` that put a mounted key into the key store."""
    return hermes.add_key(signer.chain_id, signer.key_name, f"{MNEMONICS}/{signer.mnemonic}")


def script(commands: Sequence[Sequence[str]]) -> str:
    """A shell script, for `sh -ec`, that runs Hermes with these arguments one after the other."""
    program = ("hermes", "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}")
    return "".join(shlex.join((*program, *command)) + "\n" for command in commands)


def mounts(volumes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where these volumes of a Hermes pod, known by their names, are mounted."""
    places: dict[str, dict[str, Any]] = {
        "config": {"mountPath": CONFIG_FOLDER, "readOnly": True},
        "home": {"mountPath": HOME},
        "keys": {"mountPath": MNEMONICS, "readOnly": True},
    }
    return [{"name": volume["name"], **places[volume["name"]]} for volume in volumes]


def keys_volume(secret: str) -> dict[str, Any]:
    """The Secret with the two mnemonics, as a volume of a Hermes pod."""
    return {"name": "keys", "secret": {"secretName": secret, "defaultMode": FILE_MODE}}


def config_volume(config_map: str, items: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """A ConfigMap with a config, as a volume of a Hermes pod."""
    source: dict[str, Any] = {"name": config_map}
    return {"name": "config", "configMap": source | ({"items": list(items)} if items else {})}


def home_volume() -> dict[str, Any]:
    """Where Hermes keeps its imported keys: in memory, gone with the pod."""
    return {"name": "home", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}


def _job(
    owner: objects.Owner,
    namespace: str,
    name: str,
    image: str,
    text: str,
    volumes: Sequence[Mapping[str, Any]],
    notes: Mapping[str, str],
) -> model.Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": owner.metadata(name, names.RELAYING_STEP, namespace, notes),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": owner.labels(names.RELAYING_STEP)},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": GRACE_SECONDS,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": dict(objects.POD_SECURITY),
                    "containers": [container(image, text, volumes)],
                    "volumes": list(volumes),
                },
            },
        },
    }


def container(image: str, text: str, volumes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A container that runs a script with Hermes."""
    return {
        "name": "hermes",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec", text],
        "env": [{"name": "HOME", "value": HOME}],
        # What Hermes said last is then in the pod's status, where a later pass can read it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": mounts(volumes),
    }
