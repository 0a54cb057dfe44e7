"""The reconciler in the cluster: its service account and rights, what it reads, and what runs it."""

from collections.abc import Mapping
from typing import Any

import yaml

from ics import errors, names
from ics.config import chain_definition
from ics.config import settings as config_settings
from ics.consumer import desired
from ics.manifests import node, objects, rights

NAME = "reconciler"
"""Of its ServiceAccount, Role, RoleBinding, and CronJob or Deployment."""
PROJECT = "/app"
"""The project's folder in the image."""
DEADLINE_SECONDS = 900
"""Of one pass; the longest known takes a tenth of it."""
LATE_SECONDS = 120
"""A time of the schedule that was missed for so long is skipped."""
FILE_LIMIT = 700_000
"""Bytes of a genesis file that a ConfigMap takes: an object holds 1 MiB, and base64 adds a third."""


def build(wanted: desired.Desired, owner: objects.Owner) -> list[dict[str, Any]]:
    """All of it; nothing unless the settings ask for it.

    Raises:
        SettingsError: a definition's genesis file is too large for a ConfigMap.
    """
    settings = wanted.settings
    if not settings.reconciler.enabled:
        return []
    files = [_stack(settings, owner), *(_definition(one, settings, owner) for one in wanted.definitions)]
    return [*_account(settings, owner), *files, _workload(settings, files, owner)]


def stack_file(settings: config_settings.Settings) -> str:
    """The stack file that it reads: these settings, as they are right inside the cluster.

    It is made from the settings themselves, so flags and the environment of who installs it are in it; and
    it makes itself again, for a reconciler that reads it renders just the same.
    """
    values = settings.model_dump(mode="json", exclude_defaults=True)
    outside = ("kubeconfig", "context")
    cluster = {key: value for key, value in values.pop("cluster", {}).items() if key not in outside}
    if cluster:
        values["cluster"] = cluster
    # The image holds no Pulumi; either engine goes on where the other stopped.
    values["engine"] = "apply"
    values.pop("pulumi", None)
    for name, source in (("seed", settings.seed), ("account", settings.account)):
        named = getattr(settings.reconciler, name) or (source.secret if source is not None else None)
        if named is not None:
            values[name] = {"secret": named.model_dump()}
    document = {"config": {f"{config_settings.PREFIX}{key}": value for key, value in values.items()}}
    return yaml.safe_dump(document, sort_keys=True, width=100)


def _stack(settings: config_settings.Settings, owner: objects.Owner) -> dict[str, Any]:
    metadata = owner.metadata(f"{NAME}-stack", names.RECONCILER, settings.gateway.namespace)
    return objects.config_map(metadata, {f"Pulumi.{settings.validator}.yaml": stack_file(settings)})


def _definition(
    loaded: chain_definition.Loaded, settings: config_settings.Settings, owner: objects.Owner
) -> dict[str, Any]:
    """One definition, with its genesis file unless that is fetched by its url."""
    values = loaded.definition.model_dump(mode="json", exclude_defaults=True)
    found = loaded.definition.genesis
    published = found.final or found.base
    metadata = owner.metadata(
        f"{NAME}-chain-{loaded.definition.name}", names.RECONCILER, settings.gateway.namespace
    )
    files: dict[str, str] = {}
    if published is not None and published.file is not None:
        file = f"{loaded.definition.name}.genesis.json"
        values["genesis"]["final" if found.final else "base"]["file"] = file
        if loaded.genesis is not None:
            files[file] = _text(loaded.genesis, loaded.definition.name)
    files[f"{loaded.definition.name}.yaml"] = yaml.safe_dump(values, sort_keys=True, width=100)
    return objects.config_map(metadata, files)


def _text(content: bytes, name: str) -> str:
    if len(content) > FILE_LIMIT:
        raise errors.SettingsError(
            f"stacks/chains/{name}.yaml: the genesis file has {len(content)} bytes, a ConfigMap takes"
            f" {FILE_LIMIT}: publish it, and give its url and sha256"
        )
    return content.decode()


def _account(settings: config_settings.Settings, owner: objects.Owner) -> list[dict[str, Any]]:
    home = settings.gateway.namespace
    name = f"ics-{home}-{settings.validator}"
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": home}
    whole = owner.metadata(name, names.RECONCILER, None)
    within = owner.metadata(NAME, names.RECONCILER, home)
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": owner.metadata(NAME, names.RECONCILER, home),
            # Its one pod asks for the token; no other pod is given it unasked.
            "automountServiceAccountToken": False,
        },
        rights.role("ClusterRole", whole, rights.in_cluster(name)),
        rights.binding("ClusterRole", whole, subject),
        rights.role("Role", within, rights.in_gateway(NAME)),
        rights.binding("Role", within, subject),
    ]


def _workload(
    settings: config_settings.Settings, files: list[dict[str, Any]], owner: objects.Owner
) -> dict[str, Any]:
    metadata = owner.metadata(NAME, names.RECONCILER, settings.gateway.namespace, objects.SKIP_AWAIT)
    if settings.reconciler.mode == "deployment":
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": owner.labels(names.RECONCILER)},
                # What it reads at its start rolls it.
                "template": _pod(settings, files, owner, "Always", [one["data"] for one in files]),
            },
        }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": settings.reconciler.schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    # The next pass is the next try.
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": DEADLINE_SECONDS,
                    "template": _pod(settings, files, owner, "Never"),
                }
            },
        },
    }


def _pod(
    settings: config_settings.Settings,
    files: list[dict[str, Any]],
    owner: objects.Owner,
    restart: str,
    read_at_start: object = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"labels": owner.labels(names.RECONCILER)}
    if read_at_start is not None:
        metadata["annotations"] = {f"{names.DOMAIN}/config": objects.checksum(read_at_start)}
    return {
        "metadata": metadata,
        "spec": {
            "serviceAccountName": NAME,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "restartPolicy": restart,
            "securityContext": dict(objects.POD_SECURITY),
            "containers": [_container(settings)],
            "volumes": [
                {"name": "stacks", "projected": {"sources": [_source(one) for one in files]}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


def _container(settings: config_settings.Settings) -> dict[str, Any]:
    mode = "--watch" if settings.reconciler.mode == "deployment" else "--once"
    container: dict[str, Any] = {
        "name": NAME,
        "image": settings.reconciler.image,
        "args": [mode, "--stack", settings.validator],
        "resources": {key: dict(value) for key, value in settings.reconciler.resources.items()},
        "securityContext": dict(objects.CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "stacks", "mountPath": f"{PROJECT}/stacks", "readOnly": True},
            {"name": "tmp", "mountPath": node.TEMPORARY},
        ],
    }
    port = settings.resident.port
    if settings.reconciler.mode == "deployment" and port:
        container["ports"] = [{"name": "http", "containerPort": port, "protocol": "TCP"}]
        container["livenessProbe"] = _probe("/healthz", port, failures=6)
        container["readinessProbe"] = _probe("/readyz", port, failures=3)
    return container


def _probe(path: str, port: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": 10,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _source(config_map: Mapping[str, Any]) -> dict[str, Any]:
    """Stack files lie right in the folder, those of the definitions in `chains`."""
    name = config_map["metadata"]["name"]
    folder = "" if name == f"{NAME}-stack" else "chains/"
    items = [{"key": key, "path": f"{folder}{key}"} for key in sorted(config_map["data"])]
    return {"configMap": {"name": name, "items": items}}
